/* Categories from several fallible raters: each item's true category, and each rater's
 * confusion matrix, by expectation-maximisation.
 *
 * Dawid & Skene (1979), Applied Statistics 28(1), 20-28, equations 2.3-2.5: with class
 * shares p_z and P(rater r says l | truth z) = e_rzl,
 *
 *   E  q_iz proportional to p_z prod_{ratings (r, l) of i} e_rzl
 *   M  p_z = mean q_iz,  e_rzl proportional to smoothing + sum of q_iz over r's answers l
 *
 * from the shares of votes. Smoothing 0 is maximum likelihood. The likelihood has more
 * than one maximum; this is the one that votes lead to (after 2,500 iterations, longer
 * steps may lead to another). An answer that a rater gave keeps 1e-10 of an answer in its
 * cell for every truth: at zero, where the first votes leave many, it would stay.
 *
 * Standard errors of p and e are from the observed information of all of them together
 * (Louis 1982, JRSS B 44(2), 226-233), in which values at 0 or 1 are held fixed: those
 * have none (NaN). An item's own uncertainty is its posterior, given the estimates. */
#ifndef LAMARCK_RATER_DAWID_SKENE_H
#define LAMARCK_RATER_DAWID_SKENE_H

#include "ratings.h"

/* Free parameters up to which standard errors are computed. */
enum { DAWID_SKENE_MAX_SE = 1500 };

typedef struct dawid_skene_options {
    double smoothing; /* virtual answers in each cell of each confusion matrix; >= 0 */
    size_t max_iterations;
    double tolerance; /* of any posterior between two iterations */
} dawid_skene_options;

typedef struct dawid_skene {
    size_t n_classes;      /* C */
    size_t *order;         /* (C): class -> label of the ratings */
    double *share;         /* (C) */
    double *share_se;      /* (C) */
    double *posterior;     /* (items, C) */
    double *confusion;     /* (raters, C truth, C answer) */
    double *confusion_se;  /* the same */
    double log_likelihood; /* of the ratings, without the smoothing */
    size_t n_iterations;
    bool converged;
    const char *no_se; /* why there are no standard errors at all, or NULL; static */
} dawid_skene;

int dawid_skene_fit(dawid_skene *out, const ratings *r, const dawid_skene_options *o,
                    error *err);
void dawid_skene_free(dawid_skene *d);

#endif

/* Scores of items from comparisons of two, ties included, and, if wished, how far each
 * rater can be trusted.
 *
 * Bradley & Terry (1952), Biometrika 39, 324-345, with the ties of Davidson (1970), JASA
 * 65, 317-328: with scores s (log strengths) and t the log of his nu,
 *
 *   P(i beats j) = e^{s_i} / D,  P(tie) = e^{t + (s_i + s_j)/2} / D,
 *   D = e^{s_i} + e^{s_j} + e^{t + (s_i + s_j)/2}
 *
 * Without ties in the data there is no t. Rater reliability is that of Crowd-BT (Chen et
 * al. 2013, WSDM, eq. 4): rater k says with probability r_k what the model says, else the
 * opposite, P_k(i beats j) = r_k P(i beats j) + (1 - r_k) P(j beats i); ties are the same
 * either way.
 *
 * `prior` is the precision of a normal prior on every score (its log density is
 * -prior/2 sum s^2); 0 is maximum likelihood, which exists only if no group of items
 * never loses to the rest (Ford 1957); that is checked, and the group named. `smoothing`
 * is the count of virtual right and wrong answers of every rater, for the reliabilities
 * only.
 *
 * Standard errors are from the inverse of the observed information of all parameters;
 * above 5,000 items there are none, and reliabilities are not estimated (E_LIMIT).
 * Scores sum to 0, which makes the errors of maximum likelihood those of s_i minus the
 * mean score. Reliabilities at 0 or 1 are held fixed and have none (NaN).
 *
 * Crowd-BT's likelihood has a mirror image (scores and reliabilities turned round) and
 * may have other maxima: the search starts where all raters are mostly right. */
#ifndef LAMARCK_RATER_BRADLEY_TERRY_H
#define LAMARCK_RATER_BRADLEY_TERRY_H

#include "ratings.h"

typedef struct bradley_terry_options {
    double prior;     /* >= 0 */
    bool reliability; /* estimate one per rater; else all are 1 */
    double smoothing; /* >= 0, of reliabilities */
    size_t max_iterations;
} bradley_terry_options;

typedef struct bradley_terry {
    double *score, *se;                   /* (items) */
    double *reliability, *reliability_se; /* (raters), NULL if not asked for */
    bool has_ties;
    double tie, tie_se; /* nu itself; 0 and NaN without ties */
    double log_likelihood;
    size_t n_iterations;
    const char *no_se; /* why there are no standard errors at all, or NULL; static */
} bradley_terry;

/* E_FORMAT: no comparisons, or only ties; E_NUMERIC: the estimate does not exist (and
 * which items are why), or was not reached; E_LIMIT: too many items with reliabilities.
 */
int bradley_terry_fit(bradley_terry *out, const comparisons *c,
                      const bradley_terry_options *o, error *err);
void bradley_terry_free(bradley_terry *b);

/* ---- Private to bradley_terry*.c ---- */

/* E_NUMERIC, naming a group of items, unless the maximum likelihood estimate exists:
 * every item must be reachable from every other over "did not lose to". */
int comparisons_check_connected(const comparisons *c, error *err);

#endif

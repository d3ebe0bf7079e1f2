/* How much people prefer some outputs to others of the same context, and how sure that
 * is: a Bradley-Terry model with a normal prior, one group of items per context, and
 * raters who are shared by all groups.
 *
 *   P(i preferred to j) = s(t_i - t_j),  s(x) = 1 / (1 + e^-x),  t ~ N(0, prior_sd^2)
 *
 * A tie is half an answer either way. With reliabilities r_k (Crowd-BT, Chen et al. 2013,
 * eq. 4) rater k says what the model says with probability r_k, else the opposite; r_k
 * has a Beta prior of virtual right and wrong answers. Groups share nothing but the
 * raters, so that each is a small system of its own, where bradley_terry.h fits one large
 * one and gives no covariances: those are what the next question is chosen by.
 *
 * The posterior of t is taken as normal around its mode, with the inverse of the expected
 * information (Fisher's) as covariance. */
#ifndef LAMARCK_RATER_PREFERENCE_H
#define LAMARCK_RATER_PREFERENCE_H

#include "../model/base.h"

#include <gsl/gsl_matrix.h>

typedef struct preference_answer {
    size_t winner, loser, rater; /* items of the group; raters of all groups */
    bool tie;                    /* then winner and loser only say who met */
} preference_answer;

typedef struct preference_group {
    size_t n; /* items */
    preference_answer *answers;
    size_t n_answers, capacity;
    double *score;          /* (n) t, the mode */
    gsl_matrix *covariance; /* (n, n) */
} preference_group;

/* n items that nobody was asked about. */
int preference_group_new(preference_group *g, size_t n, error *err);
int preference_group_add(preference_group *g, preference_answer a, error *err);
void preference_group_free(preference_group *g); /* what it owns */

typedef struct preference_options {
    double prior_sd;     /* > 0 */
    double right, wrong; /* virtual answers of every rater; 0 and 0: all raters are
                            reliable, no r is estimated */
} preference_options;
preference_options preference_defaults(void); /* 1; 9 and 1 */

/* Fill score and covariance of all groups, and reliability (n_raters; NULL: not wanted).
 * E_ARGUMENT for an index out of range. */
int preference_fit(preference_group *groups, size_t n, size_t n_raters,
                   const preference_options *o, double *reliability, error *err);

/* The variance of t_i - t_j. */
double preference_variance(const preference_group *g, size_t i, size_t j);
/* The log odds of being preferred, doubt about the difference d of two scores included:
 * the logistic function of it is close to the mean of s(d) over a normal d of that mean
 * and variance (MacKay 1992: d / sqrt(1 + pi var / 8)). */
double preference_odds(double difference, double variance);
/* The probability that people prefer i to j by these odds, of d = t_i - t_j. 0.5 for
 * i = j. */
double preference_probability(const preference_group *g, size_t i, size_t j);

#endif

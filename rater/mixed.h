/* Means of items from ratings by raters who differ in level and in noise: a mixed model,
 * by restricted maximum likelihood.
 *
 *   y = mean + u_item + b_rater + e,
 *   u ~ N(0, v_item), b ~ N(0, v_rater), e ~ N(0, v_noise), or
 *   with scales:  y = mean + s_rater u_item + b_rater + e_rater, e ~ N(0, v_rater's own),
 *                 the mean of the s squared being 1
 *
 * Henderson (1975), Biometrics 31, 423-447, equations (mixed model equations; prediction
 * error variances from the inverse of their matrix); the criterion is profiled over mean
 * and noise and written in spherical effects as in Bates et al. (2015), J. Stat. Softw.
 * 67(1), eqs. 39-42. Scales and noises of raters follow by expectation-maximisation
 * (Dempster, Laird & Rubin 1977): each rater's answers regressed on the expected item
 * effects, with their uncertainty. One virtual answer of scale 1 and mean noise is added
 * to each rater's, without which a rater of few answers would have no noise at all.
 *
 * An item's mean is mean + u: shrunken towards the rest the more the less is known of it.
 * Its standard error is that of the prediction, uncertainty of mean and bias included,
 * of the variances not. */
#ifndef LAMARCK_RATER_MIXED_H
#define LAMARCK_RATER_MIXED_H

#include "ratings.h"

typedef struct mixed_options {
    bool scales; /* each rater's own scale and noise */
    size_t max_iterations;
} mixed_options;

typedef struct mixed {
    double mean, mean_se;
    double v_item, v_rater, v_noise; /* v_noise: of a rater with scales, the mean */
    double *item, *item_se;          /* (items): mean + u */
    double *bias, *bias_se;          /* (raters) */
    double *scale, *noise;           /* (raters): s, and the standard deviation of e */
    double log_likelihood;           /* restricted */
    size_t n_iterations;
} mixed;

/* E_FORMAT: labels that are no numbers, or too few ratings; E_NUMERIC: all ratings are
 * equal, or no noise is left to estimate; E_LIMIT: too many items and raters. */
int mixed_fit(mixed *out, const ratings *r, const mixed_options *o, error *err);
void mixed_free(mixed *m);

#endif

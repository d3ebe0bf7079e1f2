/* Krippendorff's alpha: how far raters agree beyond chance, for any number of raters,
 * missing ratings included.
 *
 * Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), and Content Analysis
 * (4th ed., 2018), ch. 12: with m_u ratings of item u (m_u >= 2) and n of them in all,
 *
 *   alpha = 1 - D_o / D_e
 *   D_o = 1/n       sum_u 1/(m_u - 1) sum_{i != j in u} d(x_i, x_j)
 *   D_e = 1/(n(n-1)) sum_{i != j} d(x_i, x_j)             over all n pairable ratings
 *
 * d is 0/1 (nominal), the squared difference (interval), the squared difference over the
 * squared sum (ratio), and for ordinal the square of sum_{g=c..k} n_g - (n_c + n_k)/2,
 * which is the squared difference of the two values' mean ranks: so ordinal is interval
 * on ranks, and costs no table of pairs of values.
 *
 * The interval and the standard error come from a bootstrap that draws items with
 * replacement (percentiles; chance agreement and ranks are those of the draw). */
#ifndef LAMARCK_RATER_AGREEMENT_H
#define LAMARCK_RATER_AGREEMENT_H

#include "ratings.h"

typedef enum agreement_level {
    LEVEL_NOMINAL,
    LEVEL_ORDINAL,
    LEVEL_INTERVAL,
    LEVEL_RATIO, /* values >= 0 */
} agreement_level;

typedef struct agreement_options {
    agreement_level level;
    size_t n_resamples; /* 0: no interval */
    uint64_t seed;
} agreement_options;

/* One rater against all others who rated the same items, every pair of ratings counted
 * once. NaN where no item is shared. */
typedef struct rater_agreement {
    size_t n_ratings, n_pairs;
    double agreement; /* share of pairs with equal labels */
    double alpha;     /* 1 - mean d of the pairs / D_e */
} rater_agreement;

typedef struct agreement {
    double alpha, observed, expected; /* D_o, D_e */
    double se, low, high;             /* NaN without a bootstrap; 95 % */
    size_t n_units, n_pairable;       /* items with two ratings or more; their ratings */
    rater_agreement *raters;          /* as ratings.raters; owned */
} agreement;

/* E_FORMAT: no item has two ratings, or labels are not numbers where the level needs
 * them; E_NUMERIC: all values are equal, so that nothing can be said. */
int agreement_measure(agreement *out, const ratings *r, const agreement_options *o,
                      error *err);
void agreement_free(agreement *a);

#endif

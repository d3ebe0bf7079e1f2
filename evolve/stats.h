/* Statistics of paired scores: standard errors, paired tests, bootstrap intervals.
 *
 * Pure functions; random ones take a seed. d[0..n) are paired differences, one per
 * example; 0/1 scores (accuracy) are as good as any. */
#ifndef LAMARCK_EVOLVE_STATS_H
#define LAMARCK_EVOLVE_STATS_H

#include "../model/base.h"

/* 0 for no data. */
double stats_mean(const double *x, size_t n);
/* Standard error of the mean, sd / sqrt(n) with n - 1 in the variance; 0 while n < 2. */
double stats_se(const double *x, size_t n);

/* One-sided p-value of "the mean of d is not below 0", by Student's t with n - 1 degrees
 * of freedom: small when d is convincingly negative. 1 for n < 2. Where all differences
 * are equal, t says nothing, and a sign test answers: 2^-n if they are negative, else
 * 1. */
double stats_paired_t_below(const double *d, size_t n);

/* Two-sided permutation p-value of "the mean of d is 0" by flipping signs (Fisher 1935).
 * All 2^n flips while n <= 16; otherwise (b + 1) / (m + 1) with m random flips of which b
 * are as extreme (Phipson and Smyth 2010), m = resamples. n = 0 gives 1. E_NUMERIC on NaN
 * or infinity. */
int stats_permutation_p(const double *d, size_t n, size_t resamples, uint64_t seed,
                        double *p, error *err);

/* One-sided: small when the mean of d is convincingly below 0. Exact while at most 12 of
 * the differences are not 0 (those that are do not matter); else m random flips with a
 * fixed seed. Unlike t it is honest about scores that hardly ever differ: of twenty 0/1
 * scores one that is worse gives p = 1/2 here and 0.16 by t. */
int stats_flip_below(const double *d, size_t n, size_t resamples, double *p, error *err);

typedef struct interval {
    double low, high;
} interval;

/* Bootstrap interval of the mean of d at `level` (0.95) by the bias-corrected and
 * accelerated percentiles of Efron 1987 (Better bootstrap confidence intervals, JASA 82):
 *   alpha(z) = Phi(z0 + (z0 + z) / (1 - a (z0 + z))) at z = Phi^-1((1 -+ level) / 2),
 *   z0 = Phi^-1(share of resampled means below the mean, ties counted half),
 *   a = sum u^3 / (6 (sum u^2)^1.5), u_i = mean of the jackknife means - the i-th.
 * n < 2, or all differences equal: both ends are the mean, and nothing was learned of the
 * spread. E_NUMERIC on NaN or infinity. */
int stats_bca(const double *d, size_t n, double level, size_t resamples, uint64_t seed,
              interval *out, error *err);

/* What is said of b against a on the same examples. */
typedef struct paired_comparison {
    double difference; /* mean of b - a */
    interval ci;       /* BCa, 95 % */
    double p;          /* paired permutation, two-sided */
} paired_comparison;

/* The one way in which two prompts are compared, so that the same scores and seed give
 * the same numbers wherever they are asked for: stats_bca and stats_permutation_p with
 * 10,000 resamples each, in streams of their own. */
int stats_compare(const double *a, const double *b, size_t n, uint64_t seed,
                  paired_comparison *out, error *err);

/* Holm 1979: adjusted[i] is the smallest family-wise error rate at which hypothesis i of
 * the n falls. May be p itself. */
int stats_holm(const double *p, size_t n, double *adjusted, error *err);

#endif

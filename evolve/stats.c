/* Paired tests and intervals on GSL's distributions and generators. */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

double stats_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : 0;
}

double stats_se(const double *x, size_t n)
{
    if (n < 2)
        return 0;
    double mean = stats_mean(x, n), squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (double)(n - 1) / (double)n);
}

static bool all_equal(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0])
            return false;
    return true;
}

static int check_finite(const double *d, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(d[i]))
            return error_set(err, E_NUMERIC, "difference %zu of %zu is %g", i, n, d[i]);
    return 0;
}

double stats_paired_t_below(const double *d, size_t n)
{
    if (n < 2)
        return 1;
    if (all_equal(d, n))
        return d[0] < 0 ? exp2(-(double)n) : 1;
    return gsl_cdf_tdist_P(stats_mean(d, n) / stats_se(d, n), (double)(n - 1));
}

/* ---- Permutation test ---- */

enum { EXACT_MOST = 16, EXACT_MOST_BELOW = 12 }; /* 2^n sums */

/* Sums that are equal but for the order of addition count as equal. */
static double tie_tolerance(const double *d, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs(d[i]);
    return 1e-12 * sum;
}

/* The sum with the sign of d[i] flipped where bit i of mask is set. */
static double flipped_sum(const double *d, size_t n, uint64_t mask)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (mask >> i & 1) ? -d[i] : d[i];
    return sum;
}

/* How many flips of d are as extreme as it is: two-sided by |sum| >= bound, one-sided by
 * sum <= bound. */
typedef struct flips {
    const double *d;
    size_t n;
    bool two_sided;
    double bound;
} flips;

static bool is_extreme(const flips *f, double sum)
{
    return f->two_sided ? fabs(sum) >= f->bound : sum <= f->bound;
}

static double exact_p(const flips *f)
{
    uint64_t all = UINT64_C(1) << f->n, extreme = 0;
    for (uint64_t mask = 0; mask < all; mask++)
        extreme += is_extreme(f, flipped_sum(f->d, f->n, mask));
    return (double)extreme / (double)all;
}

static double random_p(const flips *f, size_t resamples, gsl_rng *rng)
{
    enum { CHUNK = 32 };
    size_t extreme = 0;
    for (size_t r = 0; r < resamples; r++) {
        double sum = 0;
        for (size_t i = 0; i < f->n; i += CHUNK) {
            size_t n = f->n - i < CHUNK ? f->n - i : CHUNK;
            sum += flipped_sum(f->d + i, n, gsl_rng_get(rng)); /* 32 good bits */
        }
        extreme += is_extreme(f, sum);
    }
    return (double)(extreme + 1) / (double)(resamples + 1);
}

static int rng_open(gsl_rng **out, uint64_t seed, error *err)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return error_memory(err, gsl_rng_mt19937->size);
    /* MT19937 takes 32 bits, and takes seed 0 for its default of 4357. */
    gsl_rng_set(rng, (unsigned long)(seed_mix(seed, 0) >> 32 | 1));
    *out = rng;
    return 0;
}

static int flips_p(const flips *f, bool exact, size_t resamples, uint64_t seed, double *p,
                   error *err)
{
    if (exact) {
        *p = exact_p(f);
        return 0;
    }
    gsl_rng *rng = NULL;
    TRY(rng_open(&rng, seed, err));
    *p = random_p(f, resamples, rng);
    gsl_rng_free(rng);
    return 0;
}

int stats_permutation_p(const double *d, size_t n, size_t resamples, uint64_t seed,
                        double *p, error *err)
{
    TRY(check_finite(d, n, err));
    double least = fabs((double)n * stats_mean(d, n)) - tie_tolerance(d, n);
    const flips f = {.d = d, .n = n, .two_sided = true, .bound = least};
    return flips_p(&f, n <= EXACT_MOST, resamples, seed, p, err);
}

int stats_flip_below(const double *d, size_t n, size_t resamples, double *p, error *err)
{
    TRY(check_finite(d, n, err));
    double *moved = array_new(n, sizeof *moved);
    if (!moved)
        return error_memory(err, n * sizeof *moved);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0)
            moved[k++] = d[i];
    double most = (double)n * stats_mean(d, n) + tie_tolerance(d, n);
    const flips f = {.d = moved, .n = k, .bound = most};
    int rc = flips_p(&f, k <= EXACT_MOST_BELOW, resamples, 1, p, err);
    free(moved);
    return rc;
}

/* ---- BCa ---- */

/* Efron's acceleration for the mean: the jackknife mean without d[i] is
 * (n mean - d[i]) / (n - 1), so u_i = (d[i] - mean) / (n - 1) and the factors cancel. */
static double acceleration(const double *d, size_t n, double mean)
{
    double squares = 0, cubes = 0;
    for (size_t i = 0; i < n; i++) {
        double u = d[i] - mean;
        squares += u * u;
        cubes += u * u * u;
    }
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

/* Sorted means of `resamples` samples of d with replacement. */
static void bootstrap_means(const double *d, size_t n, double *means, size_t resamples,
                            gsl_rng *rng)
{
    for (size_t r = 0; r < resamples; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += d[gsl_rng_uniform_int(rng, n)];
        means[r] = sum / (double)n;
    }
    gsl_sort(means, 1, resamples);
}

static double share_below(const double *sorted, size_t n, double mean)
{
    size_t below = 0, up_to = 0;
    while (below < n && sorted[below] < mean)
        below++;
    for (up_to = below; up_to < n && sorted[up_to] <= mean;)
        up_to++;
    return (double)(below + up_to) / (2 * (double)n);
}

static double bca_end(const double *sorted, size_t n, double z0, double a, double z)
{
    double shifted = z0 + z;
    double level = gsl_cdf_ugaussian_P(z0 + shifted / (1 - a * shifted));
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n, level);
}

int stats_bca(const double *d, size_t n, double level, size_t resamples, uint64_t seed,
              interval *out, error *err)
{
    if (!(level > 0 && level < 1) || resamples < 2)
        return error_set(err, E_ARGUMENT,
                         "a bootstrap of %zu resamples at level %g: 2 or more, and a "
                         "level between 0 and 1, are needed",
                         resamples, level);
    TRY(check_finite(d, n, err));
    double mean = stats_mean(d, n);
    if (n < 2 || all_equal(d, n)) {
        double same = n ? d[0] : 0;
        *out = (interval){same, same};
        return 0;
    }
    double *means = array_new(resamples, sizeof *means);
    gsl_rng *rng = NULL;
    int rc =
        means ? rng_open(&rng, seed, err) : error_memory(err, resamples * sizeof *means);
    if (rc == 0) {
        bootstrap_means(d, n, means, resamples, rng);
        double below = share_below(means, resamples, mean);
        double least = 0.5 / (double)resamples; /* keeps z0 finite */
        double z0 = gsl_cdf_ugaussian_Pinv(fmin(1 - least, fmax(least, below)));
        double a = acceleration(d, n, mean);
        double z = gsl_cdf_ugaussian_Pinv((1 - level) / 2);
        *out = (interval){bca_end(means, resamples, z0, a, z),
                          bca_end(means, resamples, z0, a, -z)};
    }
    gsl_rng_free(rng);
    free(means);
    return rc;
}

/* ---- Holm ---- */

int stats_holm(const double *p, size_t n, double *adjusted, error *err)
{
    size_t *order = array_new(n, sizeof *order);
    if (!order)
        return error_memory(err, n * sizeof *order);
    gsl_sort_index(order, p, 1, n);
    double highest = 0;
    for (size_t i = 0; i < n; i++) {
        double scaled = fmin(1, (double)(n - i) * p[order[i]]);
        highest = fmax(highest, scaled);
        adjusted[order[i]] = highest;
    }
    free(order);
    return 0;
}

int stats_compare(const double *a, const double *b, size_t n, uint64_t seed,
                  paired_comparison *out, error *err)
{
    enum { RESAMPLES = 10000 };
    double *d = array_new(n, sizeof *d);
    if (!d)
        return error_memory(err, n * sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = b[i] - a[i];
    paired_comparison c = {.difference = stats_mean(d, n)};
    int rc = stats_bca(d, n, 0.95, RESAMPLES, seed_mix(seed, RESAMPLES), &c.ci, err);
    if (rc == 0)
        rc = stats_permutation_p(d, n, RESAMPLES, seed_mix(seed, RESAMPLES + 1), &c.p,
                                 err);
    if (rc == 0)
        *out = c;
    free(d);
    return rc;
}

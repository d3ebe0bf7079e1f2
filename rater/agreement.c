/* Krippendorff's alpha with a bootstrap over items. */
#include "agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

enum {
    RATIO_MAX_VALUES = 5000, /* distinct; their pairs are counted one by one */
    FEW_RATINGS = 8,         /* of one item */
};

/* The pairable ratings as ranks of distinct values, item after item. */
typedef struct sample {
    agreement_level level;
    size_t n_units, n, n_values;
    size_t *begin; /* (n_units + 1): where each item's ratings begin */
    size_t *rank;  /* (n): which distinct value */
    size_t *rater; /* (n) */
    double *value; /* (n_values): of each distinct value */
    double *count; /* (n_values), of the draw at hand */
    double *scale; /* (n_values): values or mean ranks, centred */
    double *unit;  /* (n_values): counts within one item; zeros in between */
    size_t *seen;  /* (n_values): the values that one item has */
} sample;

static void sample_free(sample *s)
{
    free(s->begin);
    free(s->rank);
    free(s->rater);
    free(s->value);
    free(s->count);
    free(s->scale);
    free(s->unit);
    free(s->seen);
}

static int sample_alloc(sample *s, const ratings *r, error *err)
{
    s->begin = array_new(r->items.n + 1, sizeof *s->begin);
    s->rank = array_new(r->n, sizeof *s->rank);
    s->rater = array_new(r->n, sizeof *s->rater);
    s->value = array_new(r->labels.n, sizeof *s->value);
    s->count = array_new(r->labels.n, sizeof *s->count);
    s->scale = array_new(r->labels.n, sizeof *s->scale);
    s->unit = array_new(r->labels.n, sizeof *s->unit);
    s->seen = array_new(r->labels.n, sizeof *s->seen);
    if (!s->begin || !s->rank || !s->rater || !s->value || !s->count || !s->scale ||
        !s->unit || !s->seen)
        return error_memory(err, r->n * sizeof *s->rank);
    return 0;
}

/* "1" and "1.0" are two labels but one number: ranks follow the level. */
static int rank_labels(sample *s, const ratings *r, size_t *rank_of, error *err)
{
    size_t *order;
    TRY(ratings_label_order(r, &order, err));
    double *values = array_new(r->labels.n, sizeof *values);
    if (!values) {
        free(order);
        return error_memory(err, r->labels.n * sizeof *values);
    }
    for (size_t i = 0; i < r->n; i++)
        values[r->list[i].label] = r->list[i].value;
    for (size_t k = 0; k < r->labels.n; k++) {
        double value = values[order[k]];
        bool same = k && s->level != LEVEL_NOMINAL && value == s->value[s->n_values - 1];
        if (!same)
            s->value[s->n_values++] = value;
        rank_of[order[k]] = s->n_values - 1;
    }
    free(values);
    free(order);
    return 0;
}

static int sample_open(sample *s, const ratings *r, error *err)
{
    TRY(sample_alloc(s, r, err));
    size_t *rank_of = array_new(r->labels.n, sizeof *rank_of);
    int rc = rank_of ? rank_labels(s, r, rank_of, err) : error_memory(err, r->n);
    for (size_t i = 0, end; rc == 0 && i < r->n; i = end) {
        for (end = i; end < r->n && r->list[end].item == r->list[i].item;)
            end++;
        if (end - i < 2)
            continue;
        for (size_t k = i; k < end; k++, s->n++) {
            s->rank[s->n] = rank_of[r->list[k].label];
            s->rater[s->n] = r->list[k].rater;
        }
        s->begin[++s->n_units] = s->n;
    }
    free(rank_of);
    return rc;
}

/* ---- Disagreement ---- */

/* Fill count and scale for the items drawn. A draw is how many times each item is in it,
 * so that items are walked in the order in which they lie in memory. */
static void take_draw(sample *s, const size_t *times)
{
    memset(s->count, 0, s->n_values * sizeof *s->count);
    for (size_t u = 0; u < s->n_units; u++)
        for (size_t k = s->begin[u]; times[u] && k < s->begin[u + 1]; k++)
            s->count[s->rank[k]] += (double)times[u];
    double below = 0, mean = 0, n = 0;
    for (size_t c = 0; c < s->n_values; c++) {
        bool ordinal = s->level == LEVEL_ORDINAL;
        s->scale[c] = ordinal ? below + s->count[c] / 2 : s->value[c];
        below += s->count[c];
    }
    for (size_t c = 0; c < s->n_values; c++) {
        n += s->count[c];
        mean += s->count[c] > 0 ? (s->scale[c] - mean) * s->count[c] / n : 0;
    }
    for (size_t c = 0; c < s->n_values && s->level != LEVEL_RATIO; c++)
        s->scale[c] -= mean;
}

static double distance(const sample *s, size_t a, size_t b)
{
    double x = s->scale[a], y = s->scale[b];
    if (a == b)
        return 0;
    if (s->level == LEVEL_NOMINAL)
        return 1;
    if (s->level == LEVEL_RATIO)
        return (x - y) * (x - y) / ((x + y) * (x + y));
    return (x - y) * (x - y);
}

/* Count the values of one item's ratings; returns how many distinct ones it has. */
static size_t count_unit(sample *s, const size_t *ranks, size_t n)
{
    size_t n_seen = 0;
    for (size_t i = 0; i < n; i++)
        if (s->unit[ranks[i]]++ == 0)
            s->seen[n_seen++] = ranks[i];
    return n_seen;
}

static void clear_unit(sample *s, size_t n_seen)
{
    for (size_t i = 0; i < n_seen; i++)
        s->unit[s->seen[i]] = 0;
}

/* Sums over one item's ratings that make its distances to a value cheap. */
typedef struct unit_sums {
    double n, moment, square;
} unit_sums;

static unit_sums sum_unit(const sample *s, size_t n_seen)
{
    unit_sums sums = {0};
    for (size_t i = 0; i < n_seen; i++) {
        double n = s->unit[s->seen[i]], x = s->scale[s->seen[i]];
        sums.n += n;
        sums.moment += n * x;
        sums.square += n * x * x;
    }
    return sums;
}

/* Sum of d between a value and all ratings of the counted item. */
static double sum_from(const sample *s, size_t value, size_t n_seen,
                       const unit_sums *sums)
{
    double x = s->scale[value], sum = 0;
    if (s->level == LEVEL_NOMINAL)
        return sums->n - s->unit[value];
    bool many = n_seen > 8 && s->level != LEVEL_RATIO; /* few: exact, not by moments */
    if (many)
        return fmax(0, sums->n * x * x - 2 * x * sums->moment + sums->square);
    for (size_t i = 0; i < n_seen; i++)
        sum += s->unit[s->seen[i]] * distance(s, value, s->seen[i]);
    return sum;
}

/* Pair by pair: fastest for as few as most items have. */
static double sum_pairs(const sample *s, const size_t *ranks, size_t n)
{
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            sum += distance(s, ranks[i], ranks[k]);
    return 2 * sum;
}

/* Sum of d over ordered pairs of ratings ranks[0..n) of one item. */
static double sum_within(sample *s, const size_t *ranks, size_t n)
{
    if (n <= FEW_RATINGS)
        return sum_pairs(s, ranks, n);
    size_t n_seen = count_unit(s, ranks, n);
    unit_sums sums = sum_unit(s, n_seen);
    double sum = 0;
    for (size_t i = 0; i < n_seen; i++)
        sum += s->unit[s->seen[i]] * sum_from(s, s->seen[i], n_seen, &sums);
    clear_unit(s, n_seen);
    return sum;
}

/* The same over all ratings of the draw, by counts. */
static double sum_overall(const sample *s, double *n_all)
{
    double n = 0, moment = 0, square = 0, equal = 0, pairs = 0;
    for (size_t c = 0; c < s->n_values; c++) {
        n += s->count[c];
        equal += s->count[c] * s->count[c];
        moment += s->count[c] * s->scale[c];
        square += s->count[c] * s->scale[c] * s->scale[c];
    }
    *n_all = n;
    if (s->level == LEVEL_NOMINAL)
        return n * n - equal;
    if (s->level != LEVEL_RATIO)
        return 2 * (n * square - moment * moment);
    for (size_t c = 0; c < s->n_values; c++)
        for (size_t k = 0; k < c; k++)
            pairs += 2 * s->count[c] * s->count[k] * distance(s, c, k);
    return pairs;
}

/* D_o and D_e of the items drawn. `within` caches what does not depend on the draw:
 * everything but ranks. */
static void disagreement(sample *s, const size_t *times, const double *within, double *o,
                         double *e)
{
    take_draw(s, times);
    double sum = 0, n;
    for (size_t u = 0; u < s->n_units; u++) {
        size_t from = s->begin[u], m = s->begin[u + 1] - from;
        if (times[u] == 0)
            continue;
        double pairs = within && s->level != LEVEL_ORDINAL
                           ? within[u]
                           : sum_within(s, s->rank + from, m);
        sum += (double)times[u] * pairs / (double)(m - 1);
    }
    double all = sum_overall(s, &n);
    *o = sum / n;
    *e = all / (n * (n - 1));
}

/* ---- Bootstrap ---- */

static int draw_all(agreement *out, sample *s, const agreement_options *o, size_t *times,
                    const double *within, double *alphas, error *err)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return error_memory(err, gsl_rng_mt19937->size);
    gsl_rng_set(rng, (unsigned long)(seed_mix(o->seed, 0) >> 32 | 1));
    size_t n = 0;
    for (size_t b = 0; b < o->n_resamples; b++) {
        double observed, expected;
        memset(times, 0, s->n_units * sizeof *times);
        for (size_t u = 0; u < s->n_units; u++)
            times[gsl_rng_uniform_int(rng, s->n_units)]++;
        disagreement(s, times, within, &observed, &expected);
        if (expected > 0) /* a draw of equal values says nothing */
            alphas[n++] = 1 - observed / expected;
    }
    gsl_rng_free(rng);
    if (n < 2)
        return 0;
    gsl_sort(alphas, 1, n);
    out->se = gsl_stats_sd(alphas, 1, n);
    out->low = gsl_stats_quantile_from_sorted_data(alphas, 1, n, 0.025);
    out->high = gsl_stats_quantile_from_sorted_data(alphas, 1, n, 0.975);
    return 0;
}

static int bootstrap(agreement *out, sample *s, const agreement_options *o, size_t *times,
                     error *err)
{
    double *alphas = array_new(o->n_resamples, sizeof *alphas);
    double *within = array_new(s->n_units, sizeof *within);
    int rc = alphas && within ? 0 : error_memory(err, o->n_resamples * sizeof *alphas);
    for (size_t u = 0; rc == 0 && u < s->n_units; u++)
        within[u] = sum_within(s, s->rank + s->begin[u], s->begin[u + 1] - s->begin[u]);
    if (rc == 0 && s->n_units > 1) /* one item cannot vary */
        rc = draw_all(out, s, o, times, within, alphas, err);
    free(alphas);
    free(within);
    return rc;
}

/* ---- Per rater ---- */

static void measure_raters(agreement *out, sample *s, const ratings *r)
{
    for (size_t i = 0; i < r->n; i++)
        out->raters[r->list[i].rater].n_ratings++;
    for (size_t u = 0; u < s->n_units; u++) {
        size_t from = s->begin[u], m = s->begin[u + 1] - from;
        size_t n_seen = count_unit(s, s->rank + from, m);
        unit_sums sums = sum_unit(s, n_seen);
        for (size_t k = from; k < from + m; k++) {
            rater_agreement *a = &out->raters[s->rater[k]];
            a->n_pairs += m - 1;
            a->agreement += s->unit[s->rank[k]] - 1;
            a->alpha += sum_from(s, s->rank[k], n_seen, &sums);
        }
        clear_unit(s, n_seen);
    }
    for (size_t i = 0; i < r->raters.n; i++) {
        rater_agreement *a = &out->raters[i];
        double n = (double)a->n_pairs;
        a->agreement = a->n_pairs ? a->agreement / n : (double)NAN;
        a->alpha = a->n_pairs ? 1 - a->alpha / n / out->expected : (double)NAN;
    }
}

static int check_level(const sample *s, const ratings *r, error *err)
{
    if (s->level != LEVEL_NOMINAL)
        TRY(ratings_check_numbers(r, err));
    if (s->level != LEVEL_RATIO)
        return 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].value < 0)
            return error_set(err, E_FORMAT,
                             "line %zu: the value %g is negative, and a ratio scale "
                             "begins at 0",
                             r->list[i].place, r->list[i].value);
    if (r->labels.n > RATIO_MAX_VALUES)
        return error_set(err, E_LIMIT,
                         "%zu distinct values are over the limit of %d for a ratio scale",
                         r->labels.n, RATIO_MAX_VALUES);
    return 0;
}

static int measure(agreement *out, sample *s, const ratings *r,
                   const agreement_options *o, size_t *times, error *err)
{
    for (size_t u = 0; u < s->n_units; u++)
        times[u] = 1;
    out->n_units = s->n_units;
    out->n_pairable = s->n;
    disagreement(s, times, NULL, &out->observed, &out->expected);
    if (!isfinite(out->observed) || !isfinite(out->expected))
        return error_set(err, E_NUMERIC,
                         "the values are too large: their squared differences do not "
                         "fit in numbers below 1e308");
    if (!(out->expected > 0))
        return error_set(err, E_NUMERIC,
                         "all ratings of items with two ratings or more are equal: "
                         "agreement beyond chance is not defined");
    out->alpha = 1 - out->observed / out->expected;
    measure_raters(out, s, r);
    return bootstrap(out, s, o, times, err);
}

int agreement_measure(agreement *out, const ratings *r, const agreement_options *o,
                      error *err)
{
    sample s = {.level = o->level};
    agreement a = {.se = NAN, .low = NAN, .high = NAN};
    size_t *times = NULL;
    int rc;
    TRY_OUT(rc, check_level(&s, r, err));
    TRY_OUT(rc, sample_open(&s, r, err));
    if (s.n_units == 0) {
        rc = error_set(err, E_FORMAT,
                       "no item has ratings of two raters: there is nothing to agree on");
        goto out;
    }
    times = array_new(s.n_units, sizeof *times);
    a.raters = array_new(r->raters.n, sizeof *a.raters);
    if (!times || !a.raters) {
        rc = error_memory(err, s.n_units * sizeof *times);
        goto out;
    }
    TRY_OUT(rc, measure(&a, &s, r, o, times, err));
    *out = a;
    a.raters = NULL;
out:
    free(a.raters);
    free(times);
    sample_free(&s);
    return rc;
}

void agreement_free(agreement *a)
{
    free(a->raters);
    *a = (agreement){0};
}

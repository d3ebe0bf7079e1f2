/* Variances of the mixed model: restricted maximum likelihood over two ratios, then
 * scales and noises by expectation-maximisation. */
#include "mixed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_multimin.h>

#include "mixed_solve.h"

/* ---- Two ratios: standard deviations of items and raters over that of the noise ---- */

typedef struct profile {
    solver *s;
    bool has_items, has_raters; /* else that ratio is held at 0 */
    double t, d;                /* of the last evaluation */
    double residual, log_det;
    int failed;
    error *err;
} profile;

static double freedom_of(const solver *s)
{
    return (double)(s->r->n - 1);
}

/* -2 log restricted likelihood, the noise variance at its best (residual / (n - 1)). */
static double deviance_of(const profile *p)
{
    double n = freedom_of(p->s);
    return p->log_det + n * (1 + log(2 * M_PI * p->residual / n));
}

static int evaluate(profile *p, double t, double d)
{
    p->t = p->has_items ? fabs(t) : 0;
    p->d = p->has_raters ? fabs(d) : 0;
    return solver_solve(p->s, p->t, p->d, &p->log_det, &p->residual, p->err);
}

/* Where the matrix is no longer positive definite in doubles, noise has vanished beside
 * the rest: as bad a place as there is, and finite, as the simplex needs it. */
static double deviance_at(const gsl_vector *x, void *state)
{
    static const double worst = 1e300;
    profile *p = state;
    int rc = evaluate(p, gsl_vector_get(x, 0), gsl_vector_get(x, 1));
    if (rc < 0 && rc != E_NUMERIC)
        p->failed = rc;
    double deviance = rc < 0 ? worst : deviance_of(p);
    return isfinite(deviance) ? deviance : worst;
}

/* Until the simplex is small, or gains nothing more than rounding gives and takes: where
 * it is flat it may never become small. */
static void close_simplex(const profile *p, gsl_multimin_fminimizer *m, size_t most,
                          size_t *n_iterations)
{
    enum { PATIENCE = 30 };
    static const double rounding = 1e-14;
    double best = INFINITY;
    size_t in_vain = 0;
    for (size_t i = 0; i < most && in_vain < PATIENCE; i++) {
        if (p->failed || gsl_multimin_fminimizer_size(m) <= 1e-8 ||
            gsl_multimin_fminimizer_iterate(m) != GSL_SUCCESS)
            return;
        ++*n_iterations;
        double now = gsl_multimin_fminimizer_minimum(m);
        bool gained = now < best - rounding * fabs(now);
        in_vain = gained ? 0 : in_vain + 1;
        best = gained ? now : best;
    }
}

static int search_ratios(profile *p, gsl_multimin_fminimizer *m, gsl_vector *x,
                         gsl_vector *step, size_t most, size_t *n_iterations)
{
    gsl_multimin_function f = {.f = deviance_at, .n = 2, .params = p};
    /* A simplex may close on a ridge: a second, started where it closed, goes on. */
    for (int restart = 0; restart < 2; restart++) {
        gsl_vector_set_all(step, restart ? 0.1 : 0.5);
        if (gsl_multimin_fminimizer_set(m, &f, x, step) != GSL_SUCCESS)
            return 1;
        close_simplex(p, m, most, n_iterations);
        gsl_vector_memcpy(x, gsl_multimin_fminimizer_x(m));
    }
    return 0;
}

static int find_ratios(profile *p, size_t most, size_t *n_iterations, error *err)
{
    gsl_multimin_fminimizer *m =
        gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 2);
    gsl_vector *x = gsl_vector_alloc(2), *step = gsl_vector_alloc(2);
    int rc = m && x && step ? 0 : error_memory(err, 2 * sizeof(double));
    if (rc == 0) {
        gsl_vector_set_all(x, 1);
        if (search_ratios(p, m, x, step, most, n_iterations) && !p->failed)
            rc = error_set(err, E_NUMERIC, "the search for variances cannot begin");
        else if (p->failed)
            rc = p->failed;
        else
            rc = evaluate(p, gsl_vector_get(x, 0), gsl_vector_get(x, 1));
    }
    gsl_vector_free(x);
    gsl_vector_free(step);
    if (m)
        gsl_multimin_fminimizer_free(m);
    return rc;
}

/* ---- Effects and their errors ---- */

static int read_effects(mixed *out, solver *s, double t, double d, error *err)
{
    size_t n = s->n_short;
    double *cov = array_new(n + 1, sizeof *cov);
    if (!cov)
        return error_memory(err, (n + 1) * sizeof *cov);
    double mean = solver_mean(s), v_mean = dense_at(s->factor, n, n);
    out->mean = s->origin + mean;
    out->mean_se = sqrt(v_mean);
    double long_sd = s->items_long ? t : d, short_sd = s->items_long ? d : t;
    double *own = s->items_long ? out->item : out->bias;
    double *own_se = s->items_long ? out->item_se : out->bias_se;
    double *other = s->items_long ? out->bias : out->item;
    double *other_se = s->items_long ? out->bias_se : out->item_se;
    for (size_t i = 0; i < s->n_long; i++) {
        double variance = solver_covariance(s, i, t, d, cov) * long_sd * long_sd;
        own[i] = long_sd * s->right[i];
        if (s->items_long)
            variance += v_mean + 2 * long_sd * cov[n];
        own_se[i] = sqrt(fmax(0, variance));
    }
    for (size_t i = 0; i < n; i++) {
        double variance = dense_at(s->factor, i, i) * short_sd * short_sd;
        other[i] = short_sd * s->dense_right[i];
        if (!s->items_long)
            variance += v_mean + 2 * short_sd * dense_at(s->factor, i, n);
        other_se[i] = sqrt(fmax(0, variance));
    }
    for (size_t i = 0; i < s->r->items.n; i++)
        out->item[i] += out->mean;
    free(cov);
    return 0;
}

/* ---- Scales and noises ---- */

typedef struct sums {
    double xx, xy, yy; /* expected: item effect squared, times, and rest of y squared */
    double n;
} sums;

/* Expected products of one rating's item effect A = t a and its y - mean - b. */
static void add_rating(sums *sum, const solver *s, const rating *x, double t, double d,
                       double v_a, double cov_short, double cov_mean, double mean_short)
{
    size_t n = s->n_short, rater = x->rater, item = x->item;
    double a = t * solver_item(s, item);
    double rest = x->value - s->origin - solver_mean(s) - d * solver_rater(s, rater);
    double v_mean = dense_at(s->factor, n, n), v_rater, cov_rater_mean, cov_item_mean;
    double v_item;
    if (s->items_long) {
        v_item = v_a;
        v_rater = dense_at(s->factor, rater, rater);
        cov_item_mean = cov_mean;
        cov_rater_mean = mean_short;
    } else {
        v_item = dense_at(s->factor, item, item);
        v_rater = v_a;
        cov_item_mean = mean_short;
        cov_rater_mean = cov_mean;
    }
    double v_rest = v_mean + d * d * v_rater + 2 * d * cov_rater_mean;
    double cov = -t * (cov_item_mean + d * cov_short);
    sum->xx += a * a + t * t * v_item;
    sum->xy += a * rest + cov;
    sum->yy += rest * rest + v_rest;
    sum->n++;
}

/* Everything that the next parameters need, from a solved and inverted system. */
static void expect(solver *s, double t, double d, sums *rater, double *cov, double *aa,
                   double *cc)
{
    size_t n = s->n_short;
    double longs = 0, shorts = 0;
    for (size_t i = 0; i < s->n_long; i++) {
        double v = solver_covariance(s, i, t, d, cov);
        longs += s->right[i] * s->right[i] + v;
        for (size_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
            const rating *x = &s->r->list[s->at[k]];
            size_t b = s->items_long ? x->rater : x->item;
            add_rating(&rater[x->rater], s, x, t, d, v, cov[b], cov[n],
                       dense_at(s->factor, b, n));
        }
    }
    for (size_t i = 0; i < n; i++)
        shorts += s->dense_right[i] * s->dense_right[i] + dense_at(s->factor, i, i);
    longs /= (double)s->n_long;
    shorts /= (double)n;
    *aa = s->items_long ? longs : shorts;
    *cc = s->items_long ? shorts : longs;
}

/* New scales, noises, t and d; the largest change of a scale or, relative, of a noise.
 * `before` (raters) is scratch. */
static double update(solver *s, const sums *rater, double aa, double cc, double *t,
                     double *d, double *before)
{
    size_t n = s->r->raters.n;
    double pooled = 0, squares = 0, change = 0, item = *t * *t * aa;
    for (size_t k = 0; k < n; k++)
        pooled += rater[k].n / s->weight[k] / (double)s->r->n;
    for (size_t k = 0; k < n; k++) {
        const sums *x = &rater[k];
        double scale = (x->xy + item) / (x->xx + item);
        double rest = x->yy - 2 * scale * x->xy + scale * scale * x->xx;
        double weight = (x->n + 1) / (fmax(0, rest) + pooled);
        change = fmax(change, fabs(weight / s->weight[k] - 1));
        before[k] = s->scale[k];
        s->scale[k] = scale;
        s->weight[k] = weight;
        squares += scale * scale / (double)n;
    }
    double unit = sqrt(squares);
    for (size_t k = 0; k < n; k++) {
        s->scale[k] /= unit;
        change = fmax(change, fabs(s->scale[k] - before[k]));
    }
    *t = sqrt(item) * unit;
    *d *= sqrt(cc);
    return change;
}

/* From the simple model's t and d, absolute now. */
static int fit_scales(mixed *out, solver *s, double *t, double *d, size_t most,
                      error *err)
{
    size_t n = s->r->raters.n;
    sums *rater = array_new(n, sizeof *rater);
    double *cov = array_new(s->n_short + 1, sizeof *cov), aa, cc, log_det, residual;
    double *before = array_new(n, sizeof *before);
    int rc = rater && cov && before ? 0 : error_memory(err, n * sizeof *rater);
    double change = INFINITY;
    for (size_t i = 0; rc == 0 && i < most && change > 1e-6; i++) {
        TRY_OUT(rc, solver_solve(s, *t, *d, &log_det, &residual, err));
        TRY_OUT(rc, solver_invert(s, err));
        memset(rater, 0, n * sizeof *rater);
        expect(s, *t, *d, rater, cov, &aa, &cc);
        change = update(s, rater, aa, cc, t, d, before);
        out->n_iterations++;
    }
    if (change > 1e-6)
        rc = error_set(err, E_NUMERIC,
                       "scales and noises of raters have not converged after %zu "
                       "iterations",
                       most);
out:
    free(rater);
    free(cov);
    free(before);
    return rc;
}

/* ---- The whole ---- */

static bool all_equal(const ratings *r)
{
    for (size_t i = 1; i < r->n; i++)
        if (r->list[i].value != r->list[0].value)
            return false;
    return true;
}

static int check_input(const ratings *r, error *err)
{
    if (r->n < 3)
        return error_set(err, E_FORMAT, "%zu ratings are too few for a mixed model",
                         r->n);
    TRY(ratings_check_numbers(r, err));
    if (all_equal(r))
        return error_set(err, E_NUMERIC,
                         "all %zu ratings are %g: there is nothing to tell apart", r->n,
                         r->list[0].value);
    if (r->items.n == r->n)
        return error_set(err, E_FORMAT,
                         "no item is rated by two raters: noise and differences between "
                         "items cannot be told apart");
    return 0;
}

static int alloc(mixed *m, const ratings *r, error *err)
{
    m->item = array_new(r->items.n, sizeof(double));
    m->item_se = array_new(r->items.n, sizeof(double));
    m->bias = array_new(r->raters.n, sizeof(double));
    m->bias_se = array_new(r->raters.n, sizeof(double));
    m->scale = array_new(r->raters.n, sizeof(double));
    m->noise = array_new(r->raters.n, sizeof(double));
    if (!m->item || !m->item_se || !m->bias || !m->bias_se || !m->scale || !m->noise)
        return error_memory(err, (r->items.n + r->raters.n) * sizeof(double));
    return 0;
}

/* The simple model; leaves t and d absolute and the noise in the weights. */
static int fit_simple(mixed *out, solver *s, double *t, double *d, size_t most,
                      error *err)
{
    const ratings *r = s->r;
    profile p = {.s = s,
                 .has_items = r->items.n > 1,
                 /* A rater's only rating is bias or noise: nobody can say. */
                 .has_raters = r->raters.n > 1 && r->raters.n < r->n,
                 .err = err};
    for (size_t k = 0; k < r->raters.n; k++)
        s->scale[k] = s->weight[k] = 1;
    double log_det, all;
    TRY(solver_solve(s, 0, 0, &log_det, &all, err));
    int rc = find_ratios(&p, most, &out->n_iterations, err);
    if (rc < 0 && rc != E_NUMERIC)
        return rc;
    double noise = p.residual / freedom_of(s);
    if (rc < 0 || !(p.residual > 1e-10 * all) || fmax(p.t, p.d) > 1e5)
        return error_set(err, E_NUMERIC,
                         "items and raters explain every rating: no noise is left, and "
                         "so no standard errors");
    *t = p.t * sqrt(noise);
    *d = p.d * sqrt(noise);
    for (size_t k = 0; k < r->raters.n; k++)
        s->weight[k] = 1 / noise;
    return 0;
}

static int fit(mixed *m, solver *s, const mixed_options *o, error *err)
{
    double t = 0, d = 0, log_det, residual;
    TRY(fit_simple(m, s, &t, &d, o->max_iterations, err));
    if (o->scales)
        TRY(fit_scales(m, s, &t, &d, o->max_iterations, err));
    TRY(solver_solve(s, t, d, &log_det, &residual, err));
    m->log_likelihood = freedom_of(s) * log(2 * M_PI) + log_det + residual;
    for (size_t i = 0; i < s->r->n; i++)
        m->log_likelihood -= log(s->weight[s->r->list[i].rater]);
    m->log_likelihood /= -2;
    TRY(solver_invert(s, err));
    m->v_item = t * t;
    m->v_rater = d * d;
    for (size_t k = 0; k < s->r->raters.n; k++) {
        m->v_noise += 1 / s->weight[k] / (double)s->r->raters.n;
        m->scale[k] = s->scale[k];
        m->noise[k] = 1 / sqrt(s->weight[k]);
    }
    return read_effects(m, s, t, d, err);
}

int mixed_fit(mixed *out, const ratings *r, const mixed_options *o, error *err)
{
    if (o->max_iterations == 0)
        return error_set(err, E_ARGUMENT, "0 iterations make no sense");
    TRY(check_input(r, err));
    solver s = {0};
    mixed m = {0};
    int rc = alloc(&m, r, err);
    if (rc == 0)
        rc = solver_open(&s, r, err);
    if (rc == 0)
        rc = fit(&m, &s, o, err);
    solver_close(&s);
    if (rc < 0)
        mixed_free(&m);
    else
        *out = m;
    return rc;
}

void mixed_free(mixed *m)
{
    free(m->item);
    free(m->item_se);
    free(m->bias);
    free(m->bias_se);
    free(m->scale);
    free(m->noise);
    *m = (mixed){0};
}

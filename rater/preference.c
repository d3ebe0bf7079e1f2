#include "preference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dense.h"

enum { MAX_STEPS = 100, MAX_ROUNDS = 500, MAX_HALVINGS = 40 };
/* A step that promises less of the log posterior than this is the last. */
static const double enough = 1e-14;
/* Reliabilities that move less than this have arrived. */
static const double still = 1e-6;

preference_options preference_defaults(void)
{
    return (preference_options){.prior_sd = 1, .right = 9, .wrong = 1};
}

int preference_group_new(preference_group *g, size_t n, error *err)
{
    *g = (preference_group){.n = n, .score = array_new(n, sizeof *g->score)};
    int rc = g->score ? dense_new(&g->covariance, n, "outputs of one context", err)
                      : error_memory(err, n * sizeof *g->score);
    if (rc < 0)
        preference_group_free(g);
    return rc;
}

int preference_group_add(preference_group *g, preference_answer a, error *err)
{
    if (a.winner >= g->n || a.loser >= g->n || a.winner == a.loser)
        return error_set(err, E_ARGUMENT, "items %zu and %zu of %zu cannot be compared",
                         a.winner, a.loser, g->n);
    TRY(array_grow(&g->answers, &g->capacity, g->n_answers, sizeof a, err));
    g->answers[g->n_answers++] = a;
    return 0;
}

void preference_group_free(preference_group *g)
{
    free(g->answers);
    free(g->score);
    gsl_matrix_free(g->covariance);
    *g = (preference_group){0};
}

/* ---- One group, for given reliabilities ---- */

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double reliability_of(const double *r, size_t rater)
{
    return r ? r[rater] : 1;
}

/* That somebody as reliable as r says so. */
static double said(double d, double r)
{
    return r * logistic(d) + (1 - r) * logistic(-d);
}

static double log_posterior(const preference_group *g, const double *t, const double *r,
                            double precision)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++)
        sum -= precision / 2 * t[i] * t[i];
    for (size_t k = 0; k < g->n_answers; k++) {
        const preference_answer *a = &g->answers[k];
        double d = t[a->winner] - t[a->loser], rk = reliability_of(r, a->rater);
        sum += a->tie ? 0.5 * (log(said(d, rk)) + log(said(-d, rk))) : log(said(d, rk));
    }
    return sum;
}

/* The gradient, and the expected information in g->covariance. */
static void derive(preference_group *g, const double *r, double precision, double *slope)
{
    gsl_matrix *m = g->covariance;
    gsl_matrix_set_zero(m);
    for (size_t i = 0; i < g->n; i++) {
        slope[i] = -precision * g->score[i];
        dense_add(m, i, i, precision);
    }
    for (size_t k = 0; k < g->n_answers; k++) {
        const preference_answer *a = &g->answers[k];
        double d = g->score[a->winner] - g->score[a->loser];
        double rk = reliability_of(r, a->rater), p = logistic(d), q = said(d, rk);
        double dq = (2 * rk - 1) * p * (1 - p), other = said(-d, rk);
        double by = a->tie ? 0.5 * (dq / q - dq / other) : dq / q;
        double information = dq * dq / (q * other);
        slope[a->winner] += by;
        slope[a->loser] -= by;
        dense_add(m, a->winner, a->winner, information);
        dense_add(m, a->loser, a->loser, information);
        dense_add(m, a->winner, a->loser, -information);
        dense_add(m, a->loser, a->winner, -information);
    }
}

/* Along the step, halved until it gains. False when nothing gains any more. */
static bool take_step(preference_group *g, const double *r, double precision,
                      const double *step, double *tried, double *value)
{
    double share = 1;
    for (int i = 0; i < MAX_HALVINGS; i++, share /= 2) {
        for (size_t k = 0; k < g->n; k++)
            tried[k] = g->score[k] + share * step[k];
        double now = log_posterior(g, tried, r, precision);
        if (now > *value) {
            memcpy(g->score, tried, g->n * sizeof *tried);
            *value = now;
            return true;
        }
    }
    return false;
}

/* Scoring steps to the mode, from where g->score stands. */
static int fit_group(preference_group *g, const double *r, double precision, error *err)
{
    double *slope = array_new(3 * g->n, sizeof *slope);
    if (!slope)
        return error_memory(err, 3 * g->n * sizeof *slope);
    double *step = slope + g->n, *tried = step + g->n;
    double value = log_posterior(g, g->score, r, precision);
    int rc = 0;
    for (int i = 0; i < MAX_STEPS; i++) {
        derive(g, r, precision, slope);
        TRY_OUT(rc, dense_factor(g->covariance, err));
        memcpy(step, slope, g->n * sizeof *step);
        TRY_OUT(rc, dense_solve(g->covariance, step, err));
        double gain = 0;
        for (size_t k = 0; k < g->n; k++)
            gain += slope[k] * step[k];
        if (gain < enough * (1 + fabs(value)) ||
            !take_step(g, r, precision, step, tried, &value))
            break;
    }
out:
    free(slope);
    return rc;
}

/* The covariance at the mode. */
static int invert_group(preference_group *g, const double *r, double precision,
                        error *err)
{
    double *slope = array_new(g->n, sizeof *slope);
    if (!slope)
        return error_memory(err, g->n * sizeof *slope);
    derive(g, r, precision, slope);
    free(slope);
    TRY(dense_factor(g->covariance, err));
    return dense_invert_factor(g->covariance, err);
}

/* ---- Raters ---- */

/* One round of expectation-maximisation: how often was each rater right, by the scores as
 * they are? Returns how far a reliability moved at most. */
static double update_raters(const preference_group *groups, size_t n, size_t n_raters,
                            const preference_options *o, double *sums, double *r)
{
    double *right = sums, *count = sums + n_raters, moved = 0;
    memset(sums, 0, 2 * n_raters * sizeof *sums);
    for (size_t g = 0; g < n; g++)
        for (size_t k = 0; k < groups[g].n_answers; k++) {
            const preference_answer *a = &groups[g].answers[k];
            double d = groups[g].score[a->winner] - groups[g].score[a->loser];
            if (a->tie)
                continue; /* says nothing about who is right */
            right[a->rater] += r[a->rater] * logistic(d) / said(d, r[a->rater]);
            count[a->rater]++;
        }
    for (size_t k = 0; k < n_raters; k++) {
        double now = (o->right + right[k]) / (o->right + o->wrong + count[k]);
        moved = fmax(moved, fabs(now - r[k]));
        r[k] = now;
    }
    return moved;
}

static int check_raters(const preference_group *groups, size_t n, size_t n_raters,
                        error *err)
{
    for (size_t g = 0; g < n; g++)
        for (size_t k = 0; k < groups[g].n_answers; k++)
            if (groups[g].answers[k].rater >= n_raters)
                return error_set(err, E_ARGUMENT, "rater %zu of %zu does not exist",
                                 groups[g].answers[k].rater, n_raters);
    return 0;
}

static int fit_all(preference_group *groups, size_t n, const double *r, double precision,
                   error *err)
{
    for (size_t g = 0; g < n; g++)
        TRY(fit_group(&groups[g], r, precision, err));
    return 0;
}

int preference_fit(preference_group *groups, size_t n, size_t n_raters,
                   const preference_options *o, double *reliability, error *err)
{
    double precision = 1 / (o->prior_sd * o->prior_sd);
    bool estimate = o->right + o->wrong > 0;
    TRY(check_raters(groups, n, n_raters, err));
    double *r = array_new(3 * n_raters, sizeof *r);
    if (!r)
        return error_memory(err, 3 * n_raters * sizeof *r);
    for (size_t k = 0; k < n_raters; k++)
        r[k] = estimate ? o->right / (o->right + o->wrong) : 1;
    int rc = fit_all(groups, n, estimate ? r : NULL, precision, err);
    for (int i = 0; rc == 0 && estimate && i < MAX_ROUNDS; i++) {
        double moved = update_raters(groups, n, n_raters, o, r + n_raters, r);
        rc = fit_all(groups, n, r, precision, err);
        if (moved < still)
            break;
    }
    for (size_t g = 0; rc == 0 && g < n; g++)
        rc = invert_group(&groups[g], estimate ? r : NULL, precision, err);
    if (rc == 0 && reliability && n_raters)
        memcpy(reliability, r, n_raters * sizeof *r);
    free(r);
    return rc;
}

/* ---- What it says ---- */

double preference_variance(const preference_group *g, size_t i, size_t j)
{
    const gsl_matrix *c = g->covariance;
    double v = dense_at(c, i, i) + dense_at(c, j, j) - 2 * dense_at(c, i, j);
    return fmax(0, v);
}

double preference_odds(double difference, double variance)
{
    return difference / sqrt(1 + M_PI / 8 * variance);
}

double preference_probability(const preference_group *g, size_t i, size_t j)
{
    if (i == j)
        return 0.5;
    return logistic(
        preference_odds(g->score[i] - g->score[j], preference_variance(g, i, j)));
}

/* Crowd-BT: reliabilities of raters beside the scores. Expectation-maximisation finds the
 * neighbourhood, Newton's method on all parameters the maximum. */
#include "bradley_terry_fit.h"

#include <math.h>
#include <string.h>

static const double reliability_start = 0.9;
/* Nearer to 0 or 1, a reliability is at its limit and held fixed. */
static const double reliability_limit = 1e-6;

/* ---- Expectation-maximisation ---- */

/* Weights and log-likelihood for the scores and reliabilities at hand. */
static double expect(fit *f)
{
    double sum = 0;
    for (size_t i = 0; i < f->c->n; i++) {
        const comparison *k = &f->c->list[i];
        double r = f->r[k->rater];
        double right = r * exp(outcome_of(f, f->x, k, false).log_p);
        double wrong = (1 - r) * exp(outcome_of(f, f->x, k, true).log_p);
        f->weight[i] = right / (right + wrong);
        sum += log(right + wrong);
    }
    return sum;
}

/* A tie says nothing of its rater: its weight is r, and only slows the way. */
static double maximise_reliabilities(fit *f)
{
    size_t n = f->c->raters.n;
    double *sum = f->step, *count = f->tried, change = 0;
    for (size_t k = 0; k < n; k++) {
        sum[k] = f->o->smoothing;
        count[k] = 2 * f->o->smoothing;
    }
    for (size_t i = 0; i < f->c->n; i++) {
        if (f->c->list[i].tie)
            continue;
        sum[f->c->list[i].rater] += f->weight[i];
        count[f->c->list[i].rater]++;
    }
    for (size_t k = 0; k < n; k++) {
        double now = count[k] > 0 ? sum[k] / count[k] : reliability_start;
        change = fmax(change, fabs(now - f->r[k]));
        f->r[k] = now;
    }
    return change;
}

/* ---- All parameters at once ---- */

/* Which parameter each rater's reliability is, after the n of scores and t; SIZE_MAX: at
 * a limit, or nothing but ties. */
static size_t number_reliabilities(fit *f)
{
    size_t n = f->n;
    for (size_t k = 0; k < f->c->raters.n; k++)
        f->parameter[k] = SIZE_MAX;
    for (size_t i = 0; i < f->c->n; i++) {
        size_t k = f->c->list[i].rater;
        bool inside = f->r[k] > reliability_limit && f->r[k] < 1 - reliability_limit;
        if (!f->c->list[i].tie && inside && f->parameter[k] == SIZE_MAX)
            f->parameter[k] = n++;
    }
    return n;
}

/* The gradient, and minus the second derivatives of log(r p + (1 - r) p') by scores, t
 * and r. */
static void add_mixture(fit *f, const comparison *k, size_t rater_at, gsl_matrix *info)
{
    outcome a = outcome_of(f, f->x, k, false), b = outcome_turned(f, f->x, k);
    double r = f->r[k->rater], p = exp(a.log_p), q = exp(b.log_p);
    double mix = r * p + (1 - r) * q, g[3];
    size_t at[3], n = f->has_ties ? 3 : 2;
    fit_places(f, k, at);
    for (size_t i = 0; i < n; i++) {
        g[i] = (r * p * a.g[i] + (1 - r) * q * b.g[i]) / mix;
        f->gradient[at[i]] += g[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double second = r * p * (a.g[i] * a.g[j] - a.h[i][j]) +
                            (1 - r) * q * (b.g[i] * b.g[j] - b.h[i][j]);
            dense_add(info, at[i], at[j], g[i] * g[j] - second / mix);
        }
    if (rater_at == SIZE_MAX)
        return;
    double slope = (p - q) / mix;
    f->gradient[rater_at] += slope;
    dense_add(info, rater_at, rater_at, slope * slope);
    for (size_t i = 0; i < n; i++) {
        double cross = slope * g[i] - (p * a.g[i] - q * b.g[i]) / mix;
        dense_add(info, at[i], rater_at, cross);
        dense_add(info, rater_at, at[i], cross);
    }
}

static void add_smoothing(fit *f, size_t k, gsl_matrix *info)
{
    double r = f->r[k], count = f->o->smoothing;
    size_t at = f->parameter[k];
    f->gradient[at] += count * (1 / r - 1 / (1 - r));
    dense_add(info, at, at, count * (1 / (r * r) + 1 / ((1 - r) * (1 - r))));
}

int fit_derive_all(fit *f, gsl_matrix **information, error *err)
{
    size_t n = number_reliabilities(f);
    gsl_matrix *info;
    TRY(dense_new(&info, n, "scores and reliabilities", err));
    memset(f->gradient, 0, n * sizeof *f->gradient);
    for (size_t i = 0; i < f->c->n; i++)
        add_mixture(f, &f->c->list[i], f->parameter[f->c->list[i].rater], info);
    for (size_t k = 0; k < f->c->raters.n; k++)
        if (f->parameter[k] != SIZE_MAX)
            add_smoothing(f, k, info);
    fit_add_prior(f, info);
    *information = info;
    return 0;
}

/* The log posterior with scores and t from x; reliabilities from x too where free. */
static double objective_all(const fit *f, const double *x)
{
    double sum = fit_log_prior(f, x);
    for (size_t i = 0; i < f->c->n; i++) {
        const comparison *k = &f->c->list[i];
        size_t at = f->parameter[k->rater];
        double r = at == SIZE_MAX ? f->r[k->rater] : x[at];
        sum += log(r * exp(outcome_of(f, x, k, false).log_p) +
                   (1 - r) * exp(outcome_of(f, x, k, true).log_p));
    }
    for (size_t k = 0; f->o->smoothing > 0 && k < f->c->raters.n; k++)
        if (f->parameter[k] != SIZE_MAX)
            sum +=
                f->o->smoothing * (log(x[f->parameter[k]]) + log1p(-x[f->parameter[k]]));
    return sum;
}

/* The largest part of the step that leaves every reliability a tenth of its distance
 * from 0 and 1. */
static double longest_share(const fit *f)
{
    double share = 1;
    for (size_t k = 0; k < f->c->raters.n; k++) {
        if (f->parameter[k] == SIZE_MAX)
            continue;
        double step = f->step[f->parameter[k]];
        double room = 0.9 * (step > 0 ? 1 - f->r[k] : f->r[k]);
        if (fabs(step) * share > room)
            share = room / fabs(step);
    }
    return share;
}

static void read_reliabilities(fit *f, const double *x)
{
    for (size_t k = 0; k < f->c->raters.n; k++) {
        if (f->parameter[k] != SIZE_MAX)
            f->r[k] = x[f->parameter[k]];
        if (f->r[k] < reliability_limit || f->r[k] > 1 - reliability_limit)
            f->r[k] = f->r[k] < 0.5 ? 0 : 1;
    }
}

typedef enum stride {
    STRIDE_NONE, /* not concave here, or nothing gained: not the place for Newton */
    STRIDE_MADE,
    STRIDE_ARRIVED,
} stride;

/* Along f->step from the parameters at hand; n of them. */
static stride search_line(fit *f, size_t n)
{
    double *now = f->now;
    memcpy(now, f->x, f->n * sizeof *now);
    for (size_t k = 0; k < f->c->raters.n; k++)
        if (f->parameter[k] != SIZE_MAX)
            now[f->parameter[k]] = f->r[k];
    double before = objective_all(f, now), share = longest_share(f);
    for (int halvings = 0; halvings < 30; halvings++, share /= 2) {
        for (size_t i = 0; i < n; i++)
            f->tried[i] = now[i] + share * f->step[i];
        if (!(objective_all(f, f->tried) >= before))
            continue;
        memcpy(f->x, f->tried, f->n * sizeof *f->x);
        fit_centre(f, f->x);
        read_reliabilities(f, f->tried);
        return STRIDE_MADE;
    }
    return STRIDE_NONE;
}

static int newton_step(fit *f, stride *made, error *err)
{
    gsl_matrix *info = NULL;
    *made = STRIDE_NONE;
    TRY(fit_derive_all(f, &info, err));
    size_t n = info->size1;
    bool concave = dense_factor(info, NULL) == 0;
    memcpy(f->step, f->gradient, n * sizeof *f->step);
    int rc = concave ? dense_solve(info, f->step, err) : 0;
    gsl_matrix_free(info);
    if (rc < 0 || !concave)
        return rc;
    double gain = 0;
    for (size_t i = 0; i < n; i++)
        gain += f->gradient[i] * f->step[i];
    if (gain < 1e-14) /* two steps on, quadratic convergence has used up the digits */
        *made = STRIDE_ARRIVED;
    else
        *made = search_line(f, n);
    return fit_check_runaway(f, err);
}

/* ---- The two together ---- */

int fit_reliabilities(fit *f, error *err)
{
    enum { EM_FIRST = 10, SCORE_STEPS = 2 };
    for (size_t k = 0; k < f->c->raters.n; k++)
        f->r[k] = reliability_start;
    /* Equal scores are a saddle, which expectation-maximisation cannot leave: begin with
     * what the answers say when all are believed. */
    for (size_t i = 0; i < f->c->n; i++)
        f->weight[i] = 1;
    TRY(fit_maximise_scores(f, SCORE_STEPS, err));
    for (size_t round = 0; round < f->o->max_iterations; round++) {
        stride made = STRIDE_NONE;
        f->n_iterations++;
        if (round >= EM_FIRST)
            TRY(newton_step(f, &made, err));
        if (made == STRIDE_ARRIVED) {
            f->log_likelihood = expect(f);
            return 0;
        }
        if (made == STRIDE_MADE)
            continue;
        f->log_likelihood = expect(f);
        double change = maximise_reliabilities(f);
        TRY(fit_maximise_scores(f, SCORE_STEPS, err));
        if (change < 1e-9 && round >= EM_FIRST)
            return 0;
    }
    return 1;
}

/* Bradley-Terry-Davidson scores by Newton's method on the log posterior, and what comes
 * out of a fit. */
#include "bradley_terry_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Differences of scores or a t beyond these are no estimates but a likelihood without a
 * maximum: odds of 10^13. */
static const double runaway = 30;
/* Newton has arrived when the log posterior can gain no more than half of this. */
static const double enough = 1e-18;

/* ---- One comparison ---- */

/* log p = f - log D, all f linear: derivatives are those of a multinomial logit. */
outcome outcome_of(const fit *f, const double *x, const comparison *k, bool turned)
{
    double si = x[turned ? k->loser : k->winner], sj = x[turned ? k->winner : k->loser];
    double tie = f->has_ties ? x[f->n_items] + (si + sj) / 2 : -(double)INFINITY;
    double most = fmax(fmax(si, sj), tie);
    double e[3] = {exp(si - most), exp(sj - most), exp(tie - most)};
    double sum = e[0] + e[1] + e[2];
    /* Derivatives of each outcome's f by (s_i, s_j, t). */
    static const double slope[3][3] = {{1, 0, 0}, {0, 1, 0}, {0.5, 0.5, 1}};
    const double *mine = slope[k->tie ? 2 : 0];
    outcome out = {.log_p = (k->tie ? tie : si) - most - log(sum)};
    double mean[3] = {0};
    for (int a = 0; a < 3; a++)
        for (int q = 0; q < 3; q++)
            mean[a] += e[q] / sum * slope[q][a];
    for (int a = 0; a < 3; a++) {
        out.g[a] = mine[a] - mean[a];
        for (int b = 0; b < 3; b++) {
            for (int q = 0; q < 3; q++)
                out.h[a][b] += e[q] / sum * slope[q][a] * slope[q][b];
            out.h[a][b] -= mean[a] * mean[b];
        }
    }
    return out;
}

/* The same with the items in the comparison's own order, for the other answer. */
outcome outcome_turned(const fit *f, const double *x, const comparison *k)
{
    outcome o = outcome_of(f, x, k, true), out = o;
    static const int other[3] = {1, 0, 2};
    for (int a = 0; a < 3; a++) {
        out.g[a] = o.g[other[a]];
        for (int b = 0; b < 3; b++)
            out.h[a][b] = o.h[other[a]][other[b]];
    }
    return out;
}

void fit_places(const fit *f, const comparison *k, size_t at[3])
{
    at[0] = k->winner;
    at[1] = k->loser;
    at[2] = f->n_items;
}

static void add_outcome(fit *f, const comparison *k, const outcome *o, double weight)
{
    size_t at[3], n = f->has_ties ? 3 : 2;
    fit_places(f, k, at);
    for (size_t a = 0; a < n; a++) {
        f->gradient[at[a]] += weight * o->g[a];
        for (size_t b = 0; b < n; b++)
            dense_add(f->information, at[a], at[b], weight * o->h[a][b]);
    }
}

/* ---- Scores for given weights: concave, by Newton ---- */

double fit_log_prior(const fit *f, const double *x)
{
    double squares = 0;
    for (size_t i = 0; i < f->n_items; i++)
        squares += x[i] * x[i];
    return -f->o->prior / 2 * squares;
}

/* Weighted log-likelihood plus log prior. */
static double objective(const fit *f, const double *x)
{
    double sum = fit_log_prior(f, x);
    for (size_t i = 0; i < f->c->n; i++) {
        const comparison *k = &f->c->list[i];
        double w = f->weight ? f->weight[i] : 1;
        if (w > 0)
            sum += w * outcome_of(f, x, k, false).log_p;
        if (w < 1)
            sum += (1 - w) * outcome_of(f, x, k, true).log_p;
    }
    return sum;
}

/* The sum of scores moves nothing but the prior: a full direction instead of none. */
void fit_add_prior(fit *f, gsl_matrix *information)
{
    double precision = f->o->prior, whole = precision > 0 ? 0 : 1;
    for (size_t i = 0; i < f->n_items; i++) {
        f->gradient[i] -= precision * f->x[i];
        if (!information)
            continue;
        dense_add(information, i, i, precision);
        for (size_t j = 0; whole > 0 && j < f->n_items; j++)
            dense_add(information, i, j, whole / (double)f->n_items);
    }
}

static void derive(fit *f)
{
    gsl_matrix_set_zero(f->information);
    memset(f->gradient, 0, f->n * sizeof *f->gradient);
    for (size_t i = 0; i < f->c->n; i++) {
        const comparison *k = &f->c->list[i];
        double w = f->weight ? f->weight[i] : 1;
        outcome right = outcome_of(f, f->x, k, false);
        add_outcome(f, k, &right, w);
        if (w < 1) {
            outcome turned = outcome_turned(f, f->x, k);
            add_outcome(f, k, &turned, 1 - w);
        }
    }
    fit_add_prior(f, f->information);
}

void fit_centre(const fit *f, double *x)
{
    double mean = 0;
    for (size_t i = 0; i < f->n_items; i++)
        mean += x[i] / (double)f->n_items;
    for (size_t i = 0; i < f->n_items && f->o->prior <= 0; i++)
        x[i] -= mean;
}

int fit_check_runaway(const fit *f, error *err)
{
    double low = 0, high = 0, t = f->has_ties ? f->x[f->n_items] : 0;
    for (size_t i = 0; i < f->n_items; i++) {
        low = fmin(low, f->x[i]);
        high = fmax(high, f->x[i]);
    }
    if (high - low < runaway && fabs(t) < runaway)
        return 0;
    return error_set(err, E_NUMERIC,
                     "scores by maximum likelihood do not exist: they run apart for "
                     "ever (wins and ties separate the items perfectly); use a prior "
                     "(--prior 0.1)");
}

/* A step along f->step, halved until it loses nothing; false when it gained nothing: the
 * objective is at its last digits. */
static bool take_step(fit *f, double *value)
{
    double share = 1;
    for (int halvings = 0; halvings < 40; halvings++, share /= 2) {
        for (size_t i = 0; i < f->n; i++)
            f->tried[i] = f->x[i] + share * f->step[i];
        double now = objective(f, f->tried);
        if (now >= *value) {
            bool gained = now > *value;
            memcpy(f->x, f->tried, f->n * sizeof *f->x);
            *value = now;
            return gained;
        }
    }
    return false;
}

static int step_dense(fit *f, error *err)
{
    derive(f);
    TRY(dense_factor(f->information, err));
    memcpy(f->step, f->gradient, f->n * sizeof *f->step);
    return dense_solve(f->information, f->step, err);
}

int fit_maximise_scores(fit *f, size_t limit, error *err)
{
    double value = objective(f, f->x);
    for (size_t round = 0; round < limit; round++) {
        TRY(f->information ? step_dense(f, err) : fit_step_large(f, err));
        double gain = 0;
        for (size_t i = 0; i < f->n; i++)
            gain += f->gradient[i] * f->step[i];
        f->n_iterations++;
        if (gain <= enough * (1 + fabs(value)))
            return 0;
        if (!take_step(f, &value))
            return 0;
        fit_centre(f, f->x);
        TRY(fit_check_runaway(f, err));
    }
    return 1;
}

/* ---- Standard errors ---- */

static void read_errors(const fit *f, const gsl_matrix *covariance,
                        const size_t *parameter, bradley_terry *out)
{
    /* What the full direction in place of none added to every variance. */
    double extra = f->o->prior > 0 ? 0 : 1 / (double)f->n_items;
    for (size_t i = 0; i < f->n_items; i++)
        out->se[i] = sqrt(fmax(0, dense_at(covariance, i, i) - extra));
    if (f->has_ties)
        out->tie_se = out->tie * sqrt(dense_at(covariance, f->n_items, f->n_items));
    for (size_t k = 0; f->r && k < f->c->raters.n; k++)
        out->reliability_se[k] =
            parameter[k] == SIZE_MAX
                ? (double)NAN
                : sqrt(dense_at(covariance, parameter[k], parameter[k]));
}

/* With reliabilities the likelihood may have a ridge for a maximum. */
static void no_errors(const fit *f, bradley_terry *out)
{
    out->no_se = f->information
                     ? "the comparisons do not determine all scores and reliabilities"
                     : "there are too many items for a matrix of their errors";
    for (size_t i = 0; i < f->n_items; i++)
        out->se[i] = NAN;
    for (size_t k = 0; f->r && k < f->c->raters.n; k++)
        out->reliability_se[k] = NAN;
}

static int measure_errors(fit *f, bradley_terry *out, error *err)
{
    gsl_matrix *information = NULL;
    int rc = 0;
    if (!f->information) {
        no_errors(f, out);
        return 0;
    }
    if (f->r) {
        TRY_OUT(rc, fit_derive_all(f, &information, err));
    } else {
        derive(f);
        information = f->information;
    }
    if (dense_factor(information, NULL) < 0 || dense_invert_factor(information, NULL) < 0)
        no_errors(f, out);
    else
        read_errors(f, information, f->parameter, out);
out:
    if (information != f->information)
        gsl_matrix_free(information);
    return rc;
}

/* ---- The whole ---- */

static int fit_open(fit *f, error *err)
{
    size_t n_raters = f->c->raters.n, room;
    f->n_items = f->c->items.n;
    for (size_t i = 0; i < f->c->n; i++)
        f->has_ties = f->has_ties || f->c->list[i].tie;
    f->n = f->n_items + f->has_ties;
    room = f->n + n_raters;
    f->x = array_new(f->n, sizeof *f->x);
    f->gradient = array_new(room, sizeof *f->gradient);
    f->step = array_new(room, sizeof *f->step);
    f->tried = array_new(room, sizeof *f->tried);
    f->now = array_new(room, sizeof *f->now);
    if (f->o->reliability) {
        f->r = array_new(n_raters, sizeof *f->r);
        f->weight = array_new(f->c->n, sizeof *f->weight);
        f->parameter = array_new(n_raters, sizeof *f->parameter);
    }
    if (!f->x || !f->gradient || !f->step || !f->tried || !f->now ||
        (f->o->reliability && (!f->r || !f->weight || !f->parameter)))
        return error_memory(err, (room + f->c->n) * sizeof *f->x);
    if (f->n <= DENSE_MAX_ROWS || f->o->reliability)
        return dense_new(&f->information, f->n, "items with raters' reliability", err);
    f->curvature = array_new(f->c->n, sizeof *f->curvature);
    return f->curvature ? 0 : error_memory(err, f->c->n * sizeof *f->curvature);
}

static void fit_close(fit *f)
{
    free(f->x);
    free(f->r);
    free(f->weight);
    free(f->parameter);
    free(f->gradient);
    free(f->step);
    free(f->tried);
    free(f->now);
    free(f->curvature);
    gsl_matrix_free(f->information);
}

static int check_input(const comparisons *c, const bradley_terry_options *o, error *err)
{
    if (!(o->prior >= 0) || !(o->smoothing >= 0) || !isfinite(o->prior) ||
        o->max_iterations == 0)
        return error_set(err, E_ARGUMENT,
                         "prior %g, smoothing %g or %zu iterations make no sense",
                         o->prior, o->smoothing, o->max_iterations);
    if (c->n == 0)
        return error_set(err, E_FORMAT, "there are no comparisons");
    size_t i = 0;
    while (i < c->n && c->list[i].tie)
        i++;
    if (i == c->n)
        return error_set(err, E_FORMAT,
                         "all %zu comparisons are ties: nothing tells the items apart",
                         c->n);
    return o->prior > 0 ? 0 : comparisons_check_connected(c, err);
}

/* Hand the estimates over. */
static int give(fit *f, bradley_terry *out, error *err)
{
    size_t n_raters = f->c->raters.n;
    out->se = array_new(f->n_items, sizeof *out->se);
    if (f->r)
        out->reliability_se = array_new(n_raters, sizeof *out->reliability_se);
    if (!out->se || (f->r && !out->reliability_se))
        return error_memory(err, (f->n_items + n_raters) * sizeof *out->se);
    out->has_ties = f->has_ties;
    out->n_iterations = f->n_iterations;
    out->tie = f->has_ties ? exp(f->x[f->n_items]) : 0;
    out->tie_se = NAN;
    out->log_likelihood =
        f->r ? f->log_likelihood : objective(f, f->x) - fit_log_prior(f, f->x);
    TRY(measure_errors(f, out, err));
    out->score = f->x;
    out->reliability = f->r;
    f->x = f->r = NULL;
    return 0;
}

int bradley_terry_fit(bradley_terry *out, const comparisons *c,
                      const bradley_terry_options *o, error *err)
{
    TRY(check_input(c, o, err));
    fit f = {.c = c, .o = o};
    bradley_terry b = {0};
    int rc = fit_open(&f, err);
    if (rc == 0)
        rc = o->reliability ? fit_reliabilities(&f, err)
                            : fit_maximise_scores(&f, o->max_iterations, err);
    if (rc > 0)
        rc = error_set(err, E_NUMERIC, "no convergence after %zu iterations",
                       o->max_iterations);
    if (rc == 0)
        rc = give(&f, &b, err);
    fit_close(&f);
    if (rc < 0)
        bradley_terry_free(&b);
    else
        *out = b;
    return rc;
}

void bradley_terry_free(bradley_terry *b)
{
    free(b->score);
    free(b->se);
    free(b->reliability);
    free(b->reliability_se);
    *b = (bradley_terry){0};
}

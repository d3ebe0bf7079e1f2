#include "next_question.h"

#include <math.h>
#include <stdlib.h>

#include "dense.h"

#include <gsl/gsl_cdf.h>

/* ---- Between candidates ---- */

const double question_least_relevance = 0.02;

/* By the delta method: dp = p (1 - p) dt. */
void standing_add(standing *s, const preference_group *g, size_t item, size_t anchor)
{
    double p = preference_probability(g, item, anchor), slope = p * (1 - p);
    s->sum += p;
    s->variance += slope * slope * preference_variance(g, item, anchor);
    s->n++;
}

static double mean_of(const standing *s)
{
    return s->n ? s->sum / (double)s->n : 0;
}

/* The probability that a is better than b. */
static double better(const standing *a, const standing *b)
{
    double na = (double)a->n, nb = (double)b->n;
    if (a->n == 0 || b->n == 0)
        return 0.5;
    double variance = a->variance / (na * na) + b->variance / (nb * nb);
    return variance > 0 ? gsl_cdf_ugaussian_P((mean_of(a) - mean_of(b)) / sqrt(variance))
                        : 0.5;
}

void standings_hope(standing *all, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (all[i].n && (!all[best].n || mean_of(&all[i]) > mean_of(&all[best])))
            best = i;
    for (size_t i = 0; i < n; i++)
        all[i].hope = i == best ? 1 : fmin(1, 2 * better(&all[i], &all[best]));
}

double question_relevance(const standing *a, const standing *b)
{
    double p = better(a, b);
    return fmax(question_least_relevance, 4 * p * (1 - p) * fmin(a->hope, b->hope));
}

/* ---- Between outputs ---- */

static double closeness(const preference_group *g, const pair_option *o)
{
    double p = 1 / (1 + exp(g->score[o->j] - g->score[o->i]));
    return p * (1 - p);
}

static double worth_of(const preference_group *g, const pair_option *o)
{
    return o->relevance * log1p(closeness(g, o) * preference_variance(g, o->i, o->j));
}

/* What the covariance is after one more answer: a rank-one update (Sherman & Morrison
 * 1950) along c = C (e_i - e_j). */
static void take_answer(preference_group *g, const pair_option *o, double *c)
{
    double w = closeness(g, o), v = preference_variance(g, o->i, o->j);
    for (size_t k = 0; k < g->n; k++)
        c[k] = dense_at(g->covariance, k, o->i) - dense_at(g->covariance, k, o->j);
    for (size_t a = 0; a < g->n; a++)
        for (size_t b = 0; b < g->n; b++)
            dense_add(g->covariance, a, b, -w * c[a] * c[b] / (1 + w * v));
}

/* The choice under way. */
typedef struct chooser {
    preference_group *groups;
    pair_option *options;
    size_t n;
    double *worth, *column;
} chooser;

static void choose(chooser *c, size_t k)
{
    pair_option *o = &c->options[k];
    preference_group *g = &c->groups[o->group];
    if (o->chosen++ == 0)
        o->worth = c->worth[k];
    take_answer(g, o, c->column);
    for (size_t i = 0; i < c->n; i++)
        if (c->options[i].group == o->group)
            c->worth[i] = worth_of(g, &c->options[i]);
}

/* The option that is worth most and has room, or n. */
static size_t best_option(const chooser *c)
{
    size_t best = c->n;
    for (size_t k = 0; k < c->n; k++)
        if (c->options[k].chosen < c->options[k].room &&
            (best == c->n || c->worth[k] > c->worth[best]))
            best = k;
    return best;
}

int next_questions(preference_group *groups, size_t n_groups, pair_option *options,
                   size_t n_options, size_t n, error *err)
{
    size_t most = 0;
    for (size_t g = 0; g < n_groups; g++)
        most = groups[g].n > most ? groups[g].n : most;
    double *worth = array_new(n_options + most, sizeof *worth);
    if (!worth)
        return error_memory(err, (n_options + most) * sizeof *worth);
    chooser c = {groups, options, n_options, worth, worth + n_options};
    for (size_t k = 0; k < n_options; k++) {
        options[k].chosen = 0;
        options[k].worth = 0;
        worth[k] = worth_of(&groups[options[k].group], &options[k]);
    }
    for (size_t k = 0; k < n_options && n > 0; k++)
        if (options[k].first && options[k].room > 0) {
            choose(&c, k);
            n--;
        }
    for (size_t k; n > 0 && (k = best_option(&c)) < n_options; n--)
        choose(&c, k);
    free(worth);
    return 0;
}

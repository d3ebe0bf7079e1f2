#include "model_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../evolve/stats.h"
#include "../../rater/ratings.h"
#include "fitness_lm.h"

struct model_part {
    const experiment *experiment;
    experiment view; /* the same, judged by the model; borrows everything */
    objective *objective;
    name_index shown; /* candidates, written out, that people were shown */
};

int model_part_open(model_part **out, const experiment *e, scorer *c, error *err)
{
    model_part *m = calloc(1, sizeof *m);
    if (!m)
        return error_memory(err, sizeof *m);
    m->experiment = e;
    m->view = *e;
    m->view.fitness.kind = e->people.model;
    int rc = fitness_lm_new(&m->objective, &m->view, c, err);
    if (rc < 0)
        model_part_close(m);
    else
        *out = m;
    return rc;
}

void model_part_close(model_part *m)
{
    if (!m)
        return;
    if (m->objective)
        m->objective->free(m->objective);
    name_index_free(&m->shown);
    free(m);
}

/* ---- The seed beside a batch ---- */

/* The batch and, last, the seed on all of its examples, one after the other. */
typedef struct beside {
    measurement *of; /* n + 1 */
    size_t *examples;
    double *scores; /* of the seed */
    size_t n;
} beside;

static void beside_free(beside *b)
{
    free(b->of);
    free(b->examples);
    free(b->scores);
}

static int beside_new(const model_part *m, const measurement *batch, size_t n, beside *b,
                      error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += batch[i].n;
    *b = (beside){.of = array_new(n + 1, sizeof *b->of),
                  .examples = array_new(total, sizeof *b->examples),
                  .scores = array_new(total, sizeof *b->scores),
                  .n = n};
    if (!b->of || !b->examples || !b->scores) {
        beside_free(b);
        return error_memory(err, total * sizeof(double));
    }
    for (size_t i = 0; i < n; i++) {
        b->of[i] = batch[i];
        for (size_t k = 0; k < batch[i].n; k++)
            b->examples[at++] = batch[i].examples[k];
    }
    b->of[n] = (measurement){.genome = &m->experiment->seeds[0],
                             .examples = b->examples,
                             .n = total,
                             .scores = b->scores};
    return 0;
}

int model_part_cost(model_part *m, const measurement *batch, size_t n, expense *out,
                    error *err)
{
    beside b;
    TRY(beside_new(m, batch, n, &b, err));
    int rc = m->objective->cost(m->objective, b.of, n + 1, out, err);
    beside_free(&b);
    return rc;
}

/* ---- Scores ---- */

static double on_peoples_scale(fitness_kind kind, double score, double seed)
{
    if (fitness_is_logprob(kind))
        return 1 / (1 + exp(seed - score));
    return 0.5 + (score - seed) / 2;
}

int model_part_measure(model_part *m, measurement *batch, size_t n, expense *out,
                       error *err)
{
    beside b;
    TRY(beside_new(m, batch, n, &b, err));
    int rc = m->objective->measure(m->objective, b.of, n + 1, out, err);
    if (rc == 0 && b.of[n].status == FITNESS_FAILED)
        rc = error_set(err, E_LIMIT, "the seed prompt cannot be scored: %s",
                       b.of[n].reason);
    for (size_t i = 0, at = 0; rc == 0 && i < n; at += batch[i++].n) {
        batch[i].status = b.of[i].status;
        batch[i].penalty = b.of[i].penalty;
        batch[i].first_choice = b.of[i].first_choice;
        memcpy(batch[i].reason, b.of[i].reason, sizeof batch[i].reason);
        for (size_t k = 0; batch[i].status == FITNESS_DONE && k < batch[i].n; k++)
            batch[i].scores[k] = on_peoples_scale(m->view.fitness.kind,
                                                  batch[i].scores[k], b.scores[at + k]);
    }
    beside_free(&b);
    return rc;
}

/* ---- The screen ---- */

static bool of_search_split(const experiment *e, const measurement *m)
{
    const split *s = &e->splits[SPLIT_SEARCH];
    for (size_t i = 0; m->n && i < s->n; i++)
        if (s->index[i] == m->examples[0])
            return true;
    return false;
}

/* A candidate written out, so that it is known again. */
static int describe(const model_part *m, const genome *g, text *out, error *err)
{
    text_clear(out);
    return genome_serialise(&m->experiment->spec, g, out, err);
}

/* Whoever people have seen, and the seed, from the beginning. */
static int is_exempt(model_part *m, const genome *g, bool *exempt, error *err)
{
    text t = {0};
    size_t number;
    int rc = 0;
    if (m->shown.n == 0)
        rc = describe(m, &m->experiment->seeds[0], &t, err);
    if (rc == 0 && m->shown.n == 0)
        rc = name_index_add(&m->shown, text_string(&t), &number, err);
    if (rc == 0)
        rc = describe(m, g, &t, err);
    if (rc == 0)
        *exempt = name_index_find(&m->shown, text_string(&t)) < m->shown.n;
    text_free(&t);
    return rc;
}

static int note_shown(model_part *m, const genome *g, error *err)
{
    text t = {0};
    size_t number;
    int rc = describe(m, g, &t, err);
    if (rc == 0)
        rc = name_index_add(&m->shown, text_string(&t), &number, err);
    text_free(&t);
    return rc;
}

/* The places of those who compete for being shown, best first; equal ones in order. */
static int rank(model_part *m, const measurement *batch, size_t n, size_t *order,
                size_t *count, error *err)
{
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        bool exempt = false;
        TRY(is_exempt(m, batch[i].genome, &exempt, err));
        if (exempt || batch[i].status != FITNESS_DONE)
            continue;
        double mine = stats_mean(batch[i].scores, batch[i].n) - batch[i].penalty;
        size_t at = (*count)++;
        for (; at > 0; at--) {
            const measurement *before = &batch[order[at - 1]];
            if (stats_mean(before->scores, before->n) - before->penalty >= mine)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return 0;
}

int model_part_screen(model_part *m, measurement *batch, size_t n, error *err)
{
    double share = m->experiment->people.screen;
    if (!(share > 0) || n == 0 || !of_search_split(m->experiment, &batch[0]))
        return 0;
    size_t count = 0, *order = array_new(n, sizeof *order);
    if (!order)
        return error_memory(err, n * sizeof *order);
    int rc = rank(m, batch, n, order, &count, err);
    size_t kept = (size_t)ceil(share * (double)count);
    for (size_t k = 0; rc == 0 && k < count; k++) {
        measurement *x = &batch[order[k]];
        if (k < kept) {
            rc = note_shown(m, x->genome, err);
            continue;
        }
        x->status = FITNESS_FAILED;
        snprintf(x->reason, sizeof x->reason,
                 "not shown to people: by the model's score it is number %zu of %zu, and "
                 "%zu are shown",
                 k + 1, count, kept);
    }
    free(order);
    return rc;
}

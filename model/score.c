/* Scoring rows and asking for next tokens: rows to plan, plan to logits, logits to
 * answers. */
#include "model.h"

#include "top_k.h"
#include "walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Plan what `set` asks for, and walk it. With targets, each row runs up to its last
 * target but one token; without, whole, and only its last position is wanted. */
static int plan_and_walk(session *s, const row_set *set, bool targets, walk_visitor *v,
                         error *err)
{
    plan p = {0};
    plan_row *rows = array_new(set->n, sizeof(*rows));
    if (rows == NULL)
        return error_memory(err, set->n * sizeof(*rows));
    for (size_t i = 0; i < set->n; i++) {
        const row *r = &set->rows[i];
        rows[i] = targets ? (plan_row){r->tokens, r->n - 1, r->n - r->n_context}
                          : (plan_row){r->tokens, r->n, 1};
        s->counters.row_tokens += s->prefix.n + r->n;
    }
    int rc = plan_make(&p, rows, set->n, walk_cuts(s, false), err);
    free(rows);
    if (rc == 0)
        rc = plan_walk(s, &p, v, NULL, err);
    plan_free(&p);
    return rc;
}

/* ---- Scores ---- */

/* First member: the visitor. Targets of row i are at target[offsets[i]] onwards. */
typedef struct scorer {
    walk_visitor visitor;
    const row_set *set;
    size_t *offsets;  /* (n + 1) */
    double *logprobs; /* (targets) */
    bool *first;      /* (targets): the target was the most probable token */
} scorer;

static int score_visit(walk_visitor *v, const plan_want *wants, size_t n,
                       const float *logits, const logit_stats *stats, error *err)
{
    scorer *sc = (scorer *)v;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const row *r = &sc->set->rows[wants[i].row];
        size_t target = wants[i].position + 1;
        size_t at = sc->offsets[wants[i].row] + target - r->n_context;
        size_t id = (size_t)r->tokens[target];
        sc->logprobs[at] = (double)logits[id] - (double)stats->max - stats->log_sum;
        sc->first[at] = id == stats->argmax;
    }
    return 0;
}

static int scorer_open(scorer *sc, const row_set *set, error *err)
{
    size_t n = 0;
    *sc = (scorer){.visitor = {.visit = score_visit},
                   .set = set,
                   .offsets = array_new(set->n + 1, sizeof(*sc->offsets))};
    if (sc->offsets == NULL)
        return error_memory(err, (set->n + 1) * sizeof(*sc->offsets));
    for (size_t i = 0; i < set->n; i++) {
        sc->offsets[i] = n;
        n += set->rows[i].n - set->rows[i].n_context;
    }
    sc->offsets[set->n] = n;
    sc->logprobs = array_new(n, sizeof(*sc->logprobs));
    sc->first = array_new(n, sizeof(*sc->first));
    if (sc->logprobs == NULL || sc->first == NULL)
        return error_memory(err, n * sizeof(*sc->logprobs));
    return 0;
}

static void scorer_close(scorer *sc)
{
    free(sc->offsets);
    free(sc->logprobs);
    free(sc->first);
}

static row_score sum_row(const scorer *sc, size_t i)
{
    row_score score = {.n_targets = sc->offsets[i + 1] - sc->offsets[i]};
    for (size_t t = sc->offsets[i]; t < sc->offsets[i + 1]; t++) {
        score.logprob += sc->logprobs[t];
        score.n_first += sc->first[t];
    }
    return score;
}

int model_score(session *s, const row *rows, size_t n, row_score *out,
                double *token_logprobs, error *err)
{
    double began = clock_seconds();
    scorer sc = {0};
    row_set set = {0};
    if (n == 0)
        return 0;
    int rc = row_set_make(&set, s, rows, n, true, 0, err);
    if (rc == 0)
        rc = scorer_open(&sc, &set, err);
    if (rc == 0)
        rc = plan_and_walk(s, &set, true, &sc.visitor, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        out[i] = sum_row(&sc, i);
    if (rc == 0 && token_logprobs != NULL)
        memcpy(token_logprobs, sc.logprobs, sc.offsets[n] * sizeof(double));
    scorer_close(&sc);
    row_set_free(&set);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

/* ---- Next tokens ---- */

typedef struct asker {
    walk_visitor visitor;
    size_t V, k;
    int32_t *ids;     /* (n, k) */
    double *logprobs; /* (n, k) */
} asker;

static int ask_visit(walk_visitor *v, const plan_want *wants, size_t n,
                     const float *logits, const logit_stats *stats, error *err)
{
    asker *a = (asker *)v;
    (void)err;
    int32_t *ids = a->ids + wants[0].row * a->k;
    double *logprobs = a->logprobs + wants[0].row * a->k;
    top_k(logits, a->V, a->k, ids);
    for (size_t i = 0; i < a->k; i++)
        logprobs[i] = (double)logits[ids[i]] - (double)stats->max - stats->log_sum;
    for (size_t i = 1; i < n; i++) {
        memcpy(a->ids + wants[i].row * a->k, ids, a->k * sizeof(*ids));
        memcpy(a->logprobs + wants[i].row * a->k, logprobs, a->k * sizeof(*logprobs));
    }
    return 0;
}

int model_next(session *s, const row *rows, size_t n, size_t k, int32_t *ids,
               double *logprobs, error *err)
{
    double began = clock_seconds();
    size_t V = s->weights->shape.V, total;
    row_set set = {0};
    if (n == 0)
        return 0;
    if (k == 0 || k > V)
        return error_set(err, E_ARGUMENT, "%zu next tokens: must be in 1..%zu", k, V);
    if (!size_mul(n, k, &total))
        return error_memory(err, SIZE_MAX);
    asker a = {.visitor = {.visit = ask_visit},
               .V = V,
               .k = k,
               .ids = array_new(total, sizeof(*a.ids)),
               .logprobs = array_new(total, sizeof(*a.logprobs))};
    int rc = 0;
    if (a.ids == NULL || a.logprobs == NULL)
        rc = error_memory(err, total * sizeof(*a.logprobs));
    if (rc == 0)
        rc = row_set_make(&set, s, rows, n, false, 0, err);
    if (rc == 0)
        rc = plan_and_walk(s, &set, false, &a.visitor, err);
    if (rc == 0) {
        memcpy(ids, a.ids, total * sizeof(*ids));
        memcpy(logprobs, a.logprobs, total * sizeof(*logprobs));
    }
    free(a.ids);
    free(a.logprobs);
    row_set_free(&set);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

/* Features of rows: the final hidden states of their targets, pooled, from the same walk
 * that gives their log-probabilities. */
#include "model.h"

#include "walk.h"

#include <stdlib.h>
#include <string.h>

const char *const pooling_names[N_POOLINGS] = {"mean", "last", "both"};

size_t pooling_width(const model_info *info, pooling p)
{
    return p == POOLING_BOTH ? 2 * info->width : info->width;
}

/* First member: the visitor. A row's positions are visited in their order, since a
 * segment comes before what hangs from it: sums do not depend on the plan. */
typedef struct pooler {
    walk_visitor visitor;
    const row_set *set;
    size_t C;
    double *sums; /* (n, C) of the targets' states */
    float *last;  /* (n, C) */
    row_score *scores;
} pooler;

/* Each row begins with this, also in a walk that is begun anew for want of memory. */
static void pool_begin(pooler *p, size_t i)
{
    memset(p->sums + i * p->C, 0, p->C * sizeof(*p->sums));
    p->scores[i] = (row_score){0};
}

static void pool_target(pooler *p, size_t i, const float *state)
{
    double *sum = p->sums + i * p->C;
    for (size_t c = 0; c < p->C; c++)
        sum[c] += (double)state[c];
    memcpy(p->last + i * p->C, state, p->C * sizeof(float)); /* the last visit stays */
}

static void score_target(row_score *score, size_t id, const float *logits,
                         const logit_stats *stats)
{
    score->logprob += (double)logits[id] - (double)stats->max - stats->log_sum;
    score->n_first += id == stats->argmax;
    score->n_targets++;
}

static int pool_visit(walk_visitor *v, const plan_want *wants, size_t n,
                      const float *logits, const logit_stats *stats, error *err)
{
    pooler *p = (pooler *)v;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const row *r = &p->set->rows[wants[i].row];
        size_t at = wants[i].position;
        if (at + 1 == r->n_context)
            pool_begin(p, wants[i].row);
        else
            pool_target(p, wants[i].row, v->hidden);
        if (at + 1 < r->n)
            score_target(&p->scores[wants[i].row], (size_t)r->tokens[at + 1], logits,
                         stats);
    }
    return 0;
}

/* From the position that predicts the first target to the last target's own. */
static int pool_rows(session *s, pooler *p, error *err)
{
    plan all = {0};
    plan_row *rows = array_new(p->set->n, sizeof(*rows));
    if (rows == NULL)
        return error_memory(err, p->set->n * sizeof(*rows));
    for (size_t i = 0; i < p->set->n; i++) {
        const row *r = &p->set->rows[i];
        rows[i] = (plan_row){r->tokens, r->n, r->n - r->n_context + 1};
        s->counters.row_tokens += s->prefix.n + r->n;
    }
    int rc = plan_make(&all, rows, p->set->n, walk_cuts(s, false), err);
    free(rows);
    if (rc == 0)
        rc = plan_walk(s, &all, &p->visitor, NULL, err);
    plan_free(&all);
    return rc;
}

static int pooler_open(pooler *p, const session *s, const row_set *set, error *err)
{
    size_t C = s->weights->shape.C, floats;
    *p = (pooler){.visitor = {.visit = pool_visit}, .set = set, .C = C};
    if (!size_mul(set->n, C, &floats))
        return error_memory(err, SIZE_MAX);
    p->sums = array_new(floats, sizeof(*p->sums));
    p->last = array_new(floats, sizeof(*p->last));
    p->scores = array_new(set->n, sizeof(*p->scores));
    if (p->sums == NULL || p->last == NULL || p->scores == NULL)
        return error_memory(err, floats * sizeof(*p->sums));
    return 0;
}

static void pooler_close(pooler *p)
{
    free(p->sums);
    free(p->last);
    free(p->scores);
}

static void hand_out(const pooler *p, pooling kind, float *out)
{
    size_t C = p->C;
    for (size_t i = 0; i < p->set->n; i++) {
        const row *r = &p->set->rows[i];
        double n = (double)(r->n - r->n_context);
        if (kind != POOLING_LAST) {
            for (size_t c = 0; c < C; c++)
                out[c] = (float)(p->sums[i * C + c] / n);
            out += C;
        }
        if (kind != POOLING_MEAN) {
            memcpy(out, p->last + i * C, C * sizeof(float));
            out += C;
        }
    }
}

int model_features(session *s, const row *rows, size_t n, pooling kind, float *out,
                   row_score *scores, error *err)
{
    double began = clock_seconds();
    pooler p = {0};
    row_set set = {0};
    if (n == 0)
        return 0;
    int rc = row_set_make(&set, s, rows, n, true, 0, err);
    if (rc == 0)
        rc = pooler_open(&p, s, &set, err);
    if (rc == 0)
        rc = pool_rows(s, &p, err);
    if (rc == 0)
        hand_out(&p, kind, out);
    if (rc == 0 && scores != NULL)
        memcpy(scores, p.scores, n * sizeof(*scores));
    pooler_close(&p);
    row_set_free(&set);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

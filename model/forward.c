/* The decoder: one walk through the layers for a batch of runs.
 *
 * Every step but attention works on rows that do not know each other, so the runs of all
 * segments stand one below the other; attention is told by spans which keys each range of
 * rows sees. In the last layer only the rows whose logits are wanted go on once keys and
 * values are kept. */
#include "session_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Angles ---- */

/* Grow the tables to n positions. Frequencies and angles in double (Su et al. 2021, eq.
 * 15), scaled as the file says. */
int forward_angles(session *s, size_t n, error *err)
{
    const model_shape *m = &s->weights->shape;
    size_t half = m->n_rot / 2, have = s->n_angles;
    if (n <= have)
        return 0;
    n = n < 2 * have ? 2 * have : n;
    float *cosine = array_resize(s->cosine, n * half, sizeof(float));
    if (cosine != NULL)
        s->cosine = cosine;
    float *sine = cosine == NULL ? NULL : array_resize(s->sine, n * half, sizeof(float));
    if (sine == NULL)
        return error_memory(err, n * half * sizeof(float));
    s->sine = sine;
    for (size_t i = 0; i < half; i++) {
        double frequency = pow(m->rope_base, -2.0 * (double)i / (double)m->n_rot);
        if (m->rope_factors != NULL)
            frequency /= (double)m->rope_factors[i];
        for (size_t p = have; p < n; p++) {
            double angle = (double)p / m->rope_scale * frequency;
            s->cosine[p * half + i] = (float)cos(angle);
            s->sine[p * half + i] = (float)sin(angle);
        }
    }
    s->n_angles = n;
    return 0;
}

/* ---- Runs ---- */

static int grow_runs(session *s, size_t n_runs, error *err)
{
    if (n_runs < s->runs_capacity)
        return 0;
    size_t n = 2 * n_runs + 2;
    kv_target *targets = array_resize(s->targets, n, sizeof(*targets));
    if (targets != NULL)
        s->targets = targets;
    size_t *starts = array_resize(s->run_starts, n, sizeof(*starts));
    if (starts != NULL)
        s->run_starts = starts;
    if (targets == NULL || starts == NULL)
        return error_memory(err, n * sizeof(*targets));
    s->runs_capacity = n;
    return 0;
}

/* Lay the runs one below the other: ids, positions, where keys and values go. The blocks
 * count the new tokens from here on. Returns the number of tokens or an error. */
static int lay_runs(session *s, const forward_run *runs, size_t n_runs, size_t *total,
                    error *err)
{
    size_t at = 0, longest = 0;
    TRY(grow_runs(s, n_runs, err));
    for (size_t r = 0; r < n_runs; r++) {
        kv_block *b = runs[r].block;
        s->run_starts[r] = at;
        s->targets[r] =
            (kv_target){.capacity = b->capacity, .offset = b->n, .m = runs[r].n};
        for (size_t i = 0; i < runs[r].n; i++, at++) {
            s->ids[at] = runs[r].x == NULL ? runs[r].tokens[i] : 0;
            s->positions[at] = b->first + b->n + i;
        }
        b->n += runs[r].n;
        if (b->first + b->n > longest)
            longest = b->first + b->n;
    }
    s->run_starts[n_runs] = at;
    *total = at;
    return forward_angles(s, longest, err);
}

/* x of all runs. Where it is given, token 0 was looked up, and is written over. */
static int embed_runs(session *s, const forward_run *runs, size_t n_runs, size_t m,
                      error *err)
{
    size_t C = s->weights->shape.C;
    TRY(s->backend->embed(s->context, &s->weights->embedding, s->ids, m, s->x, err));
    for (size_t r = 0; r < n_runs; r++)
        if (runs[r].x != NULL)
            memcpy(s->x + s->run_starts[r] * C, runs[r].x, runs[r].n * C * sizeof(float));
    return 0;
}

static void point_targets(session *s, const forward_run *runs, size_t n_runs, size_t l)
{
    for (size_t r = 0; r < n_runs; r++)
        s->targets[r].kv = runs[r].block->data + l * runs[r].block->layer_floats;
}

/* ---- Spans ---- */

static int add_span(session *s, kv_block *b, size_t q_begin, size_t q_end, error *err)
{
    if (b->epoch == s->epoch && s->block_spans[b->span].span.q_end == q_begin) {
        s->block_spans[b->span].span.q_end = q_end;
        return 0;
    }
    TRY(array_grow(&s->block_spans, &s->spans_capacity, s->n_spans,
                   sizeof(*s->block_spans), err));
    b->epoch = s->epoch;
    b->span = s->n_spans;
    s->block_spans[s->n_spans++] = (block_span){
        .block = b,
        .span = {.capacity = b->capacity,
                 .n_keys = b->n,
                 .first = b->first,
                 .q_begin = q_begin,
                 .q_end = q_end},
    };
    return 0;
}

static int compare_spans(const void *x, const void *y)
{
    const block_span *a = x, *b = y;
    if (a->span.first != b->span.first)
        return a->span.first < b->span.first ? -1 : 1;
    return (a->span.q_begin > b->span.q_begin) - (a->span.q_begin < b->span.q_begin);
}

/* Who sees what: each run sees its block and the block's ancestors; neighbouring runs
 * with a common ancestor share its span, so that their queries meet its keys in one
 * product. starts[r]..starts[r + 1] are the queries of run r. */
int forward_spans(session *s, const forward_run *runs, size_t n_runs,
                  const size_t *starts, error *err)
{
    s->epoch++;
    s->n_spans = 0;
    for (size_t r = 0; r < n_runs; r++)
        for (kv_block *b = runs[r].block; b != NULL; b = b->parent)
            if (starts[r] < starts[r + 1])
                TRY(add_span(s, b, starts[r], starts[r + 1], err));
    qsort(s->block_spans, s->n_spans, sizeof(*s->block_spans), compare_spans);
    if (s->spans_made < s->n_spans) {
        kv_span *spans = array_resize(s->spans, s->spans_capacity, sizeof(*spans));
        if (spans == NULL)
            return error_memory(err, s->spans_capacity * sizeof(*spans));
        s->spans = spans;
        s->spans_made = s->spans_capacity;
    }
    return 0;
}

/* ---- Layers ---- */

static int attend(session *s, size_t l, size_t m, error *err)
{
    const model_shape *shape = &s->weights->shape;
    for (size_t i = 0; i < s->n_spans; i++) {
        const kv_block *b = s->block_spans[i].block;
        s->spans[i] = s->block_spans[i].span;
        s->spans[i].kv = b->data + l * b->layer_floats;
    }
    attention a = {
        .q = s->qkv,
        .q_stride = (shape->H + 2 * shape->Hkv) * shape->D,
        .positions = s->positions,
        .m = m,
        .reach = s->weights->layers[l].reach,
        .spans = s->spans,
        .n_spans = s->n_spans,
        .out = s->heads,
        .out_stride = shape->H * shape->D,
    };
    for (size_t i = 0; i < m; i++)
        s->counters.multiply_adds +=
            2.0 * (double)(attention_seen(&a, i) * shape->H * shape->D);
    return s->backend->attend(s->context, &a, err);
}

void forward_count(session *s, const weight_source *w, size_t m)
{
    s->counters.multiply_adds += (double)m * (double)w->n_in * (double)w->n_out;
}

int forward_product(session *s, const backend_weight *w, const weight_source *shape,
                    const float *x, size_t m, float *y, bool add, error *err)
{
    forward_count(s, shape, m);
    return s->backend->product(s->context, w, x, m, y, add, err);
}

/* Queries, keys and values of all rows; keys and values kept. */
static int layer_keys(session *s, const forward_run *runs, size_t n_runs, size_t l,
                      size_t m, error *err)
{
    const backend *b = s->backend;
    const model_shape *shape = &s->weights->shape;
    const layer_sources *layer = &s->weights->layers[l];
    size_t Q = shape->H * shape->D, K = shape->Hkv * shape->D, stride = Q + 2 * K;
    b->norm(s->context, s->x, layer->attention_norm, m, s->normed);
    TRY(forward_product(s, s->packed->layers[l].qkv, &layer->qkv, s->normed, m, s->qkv,
                        false, err));
    b->rotate(s->context, s->qkv, stride, shape->H + shape->Hkv, m, s->positions,
              s->cosine, s->sine);
    point_targets(s, runs, n_runs, l);
    b->keep(s->context, s->qkv + Q, s->qkv + Q + K, stride, s->targets, n_runs);
    return 0;
}

/* The rest of a layer, for m rows of x and qkv. */
static int layer_rest(session *s, size_t l, size_t m, error *err)
{
    const backend *b = s->backend;
    const layer_sources *layer = &s->weights->layers[l];
    const packed_layer *packed = &s->packed->layers[l];
    TRY(attend(s, l, m, err));
    TRY(forward_product(s, packed->output, &layer->output, s->heads, m, s->x, true, err));
    b->norm(s->context, s->x, layer->feed_norm, m, s->normed);
    forward_count(s, &layer->gate_up, m);
    TRY(b->gated(s->context, packed->gate_up, s->normed, m, s->hidden, err));
    return forward_product(s, packed->down, &layer->down, s->hidden, m, s->x, true, err);
}

/* Move the wanted rows to the front: x, queries, positions; then spans over them alone.
 */
static int narrow(session *s, const forward_run *runs, size_t n_runs,
                  const size_t *wanted, size_t n_wanted, error *err)
{
    const model_shape *shape = &s->weights->shape;
    size_t stride = (shape->H + 2 * shape->Hkv) * shape->D, C = shape->C, r = 0;
    for (size_t i = 0; i < n_wanted; i++) {
        size_t from = wanted[i];
        while (r < n_runs && s->run_starts[r] <= from)
            s->run_starts[r++] = i;
        memmove(s->x + i * C, s->x + from * C, C * sizeof(float));
        memmove(s->qkv + i * stride, s->qkv + from * stride,
                shape->H * shape->D * sizeof(float));
        s->positions[i] = s->positions[from];
    }
    while (r <= n_runs)
        s->run_starts[r++] = n_wanted;
    return forward_spans(s, runs, n_runs, s->run_starts, err);
}

int forward(session *s, const forward_run *runs, size_t n_runs, const size_t *wanted,
            size_t n_wanted, error *err)
{
    const model_shape *shape = &s->weights->shape;
    size_t m, L = shape->L;
    TRY(lay_runs(s, runs, n_runs, &m, err));
    TRY(forward_spans(s, runs, n_runs, s->run_starts, err));
    TRY(embed_runs(s, runs, n_runs, m, err));
    for (size_t l = 0; l < L; l++) {
        TRY(session_check_interrupt(s, err));
        TRY(layer_keys(s, runs, n_runs, l, m, err));
        if (l + 1 < L) {
            TRY(layer_rest(s, l, m, err));
        } else if (n_wanted > 0) {
            TRY(narrow(s, runs, n_runs, wanted, n_wanted, err));
            TRY(layer_rest(s, l, n_wanted, err));
            s->backend->norm(s->context, s->x, s->weights->final_norm, n_wanted,
                             s->normed);
            memcpy(s->x, s->normed, n_wanted * shape->C * sizeof(float));
        }
    }
    s->counters.positions += m;
    return 0;
}

int forward_logits(session *s, size_t first, size_t n, error *err)
{
    const model_shape *shape = &s->weights->shape;
    TRY(session_check_interrupt(s, err));
    TRY(forward_product(s, s->packed->head, &s->weights->head, s->x + first * shape->C, n,
                        s->logits, false, err));
    s->backend->stats(s->context, s->logits, n, s->stats);
    s->counters.logit_rows += n;
    return 0;
}

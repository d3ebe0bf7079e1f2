/* The gradient of attention in the cpu backend.
 *
 * With P = softmax(S), S = q k^T / sqrt(D), o = P v and its gradient do:
 *   dP = do v^T,  dS = P * (dP - rowsum(do * o)),  dq = dS k / sqrt(D),
 *   dk = dS^T q / sqrt(D),  dv = P^T do
 * (Dao et al. 2022, FlashAttention, appendix B.2). Probabilities are not kept but
 * computed anew, twice: by ranges of queries for dq, and by spans for dk and dv, so that
 * every sum over queries runs in one thread and in their order. Where a query only
 * reaches so far back, a block holds the keys that any of its queries sees. */
#include "backend_cpu.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUERIES = 84, /* of one block: whole tiles of 14 and of 6 */
    SLACK = 2 * KERNEL_MAX_PANEL,
};

/* What the second pass needs of the first: of each query and head. */
typedef struct query_stats {
    float max;      /* of q k^T */
    float weight;   /* 1 / sum exp((s - max) / sqrt(D)) */
    float baseline; /* do . o */
} query_stats;

typedef struct back_pass {
    const backend_context *c;
    const attention *a;
    const float *d_out;
    float *d_q;
    query_stats *stats; /* (m, H) */
} back_pass;

/* Room of one thread, cut into the parts that a block needs. */
typedef struct block_room {
    size_t ld;           /* keys, padded */
    float *p, *ds;       /* (QUERIES, ld) */
    float *turned;       /* (ld, QUERIES): p or ds, the other way round */
    float *key_rows;     /* (ld, padded D) */
    float *value_panels; /* (D, panel) per panel of ld keys */
    float *q, *g;        /* (QUERIES, padded D): of one head */
} block_room;

static size_t room_floats(const model_shape *s, size_t ld)
{
    size_t D = cpu_padded_head(s);
    return 3 * QUERIES * ld + 2 * ld * D + 2 * QUERIES * D + SLACK;
}

static block_room room_of(const back_pass *b, size_t ld)
{
    float *at = b->c->scratch[omp_get_thread_num()].floats;
    size_t D = cpu_padded_head(&b->c->shape);
    block_room r = {.ld = ld};
    r.p = at;
    r.ds = r.p + QUERIES * ld;
    r.turned = r.ds + QUERIES * ld;
    r.key_rows = r.turned + QUERIES * ld;
    r.value_panels = r.key_rows + ld * D;
    r.q = r.value_panels + ld * D;
    r.g = r.q + QUERIES * D;
    return r;
}

/* ---- Layouts of one span and head ---- */

/* Where the keys of a head of a span lie: panels of `width` positions, (D, width) each.
 */
static const float *keys_of(const back_pass *b, const kv_span *s, size_t kv_head)
{
    return s->kv + kv_head * cpu_key_floats(b->c->kernels, &b->c->shape, s->capacity);
}

/* Values: rows of padded D. */
static const float *values_of(const back_pass *b, const kv_span *s, size_t kv_head)
{
    const model_shape *m = &b->c->shape;
    return s->kv + m->Hkv * cpu_key_floats(b->c->kernels, m, s->capacity) +
           kv_head * s->capacity * cpu_padded_head(m);
}

/* to (n, padded D): n keys from `first` on, a whole number of panels, as rows. */
static void key_rows(const back_pass *b, const kv_span *s, size_t kv_head, size_t first,
                     size_t n, float *to)
{
    const kernels *k = b->c->kernels;
    size_t D = b->c->shape.D, padded = cpu_padded_head(&b->c->shape);
    size_t width = cpu_key_width(k, s->capacity);
    const float *from = keys_of(b, s, kv_head) + first * D;
    for (size_t i = 0; i < n; i += width)
        k->turn(from + i * D, D, n - i < width ? n - i : width, width, to + i * padded,
                padded);
}

/* to: panels of n keys from `first` on, (D, panel) each: the values the other way round.
 */
static void value_panels(const back_pass *b, const kv_span *s, size_t kv_head,
                         size_t first, size_t n, float *to)
{
    const kernels *k = b->c->kernels;
    size_t D = b->c->shape.D, padded = cpu_padded_head(&b->c->shape), panel = k->panel;
    const float *from = values_of(b, s, kv_head) + first * padded;
    for (size_t i = 0; i < n; i += panel)
        k->turn(from + i * padded, n - i < panel ? n - i : panel, D, padded, to + i * D,
                panel);
}

/* to (n, padded D): one head of rows with a stride, zeros beyond. */
static void head_rows(const back_pass *b, const float *from, size_t stride, size_t n,
                      float *to)
{
    size_t D = b->c->shape.D, padded = cpu_padded_head(&b->c->shape);
    for (size_t i = 0; i < n; i++, from += stride, to += padded) {
        memcpy(to, from, D * sizeof(float));
        memset(to + D, 0, (padded - D) * sizeof(float));
    }
}

/* ---- One block: queries [first, first + n) of a head against keys of a span ---- */

typedef struct block {
    const kv_span *span;
    size_t first, n; /* queries */
    size_t head, kv_head;
    size_t first_key; /* of the span, a whole number of panels into it */
    size_t n_keys;    /* from there up to the furthest position among the queries */
} block;

/* The keys that any of the queries sees; none: n_keys is 0. */
static void block_keys(const back_pass *b, block *k)
{
    const attention *a = b->a;
    const kv_span *s = k->span;
    size_t first = SIZE_MAX, furthest = 0;
    size_t width = cpu_key_width(b->c->kernels, s->capacity);
    for (size_t i = k->first; i < k->first + k->n; i++) {
        first = attention_first(a, i) < first ? attention_first(a, i) : first;
        furthest = a->positions[i] >= furthest ? a->positions[i] + 1 : furthest;
    }
    size_t begin = first > s->first ? first - s->first : 0;
    size_t end = furthest > s->first ? furthest - s->first : 0;
    end = end < s->n_keys ? end : s->n_keys;
    k->first_key = begin / width * width;
    k->n_keys = begin < end ? end - k->first_key : 0;
}

/* to (n, ld) = q k^T. Whole vectors are written. */
static void block_scores(const back_pass *b, const block *k, const float *q, float *to,
                         size_t ld)
{
    const kernels *ops = b->c->kernels;
    size_t D = b->c->shape.D, width = cpu_key_width(ops, k->span->capacity);
    ops->product(k->n, cpu_round_up(k->n_keys, ops->lanes), D, q,
                 cpu_padded_head(&b->c->shape),
                 keys_of(b, k->span, k->kv_head) + k->first_key * D, width, D * width, to,
                 ld, PRODUCT_SET);
}

/* Keys [begin, end) of a block. */
typedef struct key_range {
    size_t begin, end;
} key_range;

/* Those that query i of the block sees. */
static key_range block_seen(const back_pass *b, const block *k, size_t i)
{
    size_t first = attention_first(b->a, k->first + i);
    size_t end = b->a->positions[k->first + i] + 1;
    size_t at = k->span->first + k->first_key;
    key_range seen = {first > at ? first - at : 0, end > at ? end - at : 0};
    seen.end = seen.end < k->n_keys ? seen.end : k->n_keys;
    seen.begin = seen.begin < seen.end ? seen.begin : seen.end;
    return seen;
}

/* p (n, ld), scores on entry, become probabilities; 0 where a query does not look. */
static void block_probabilities(const back_pass *b, const block *k, float *p, size_t ld)
{
    for (size_t i = 0; i < k->n; i++) {
        const query_stats *s = &b->stats[(k->first + i) * b->c->shape.H + k->head];
        key_range seen = block_seen(b, k, i);
        float *row = p + i * ld;
        memset(row, 0, seen.begin * sizeof(float));
        b->c->kernels->exp_scaled(row + seen.begin, seen.end - seen.begin, s->max,
                                  b->c->score_scale, s->weight);
        memset(row + seen.end, 0, (ld - seen.end) * sizeof(float));
    }
}

/* ds (n, ld) = p (dP - baseline) / sqrt(D), dP = g v^T. */
static void block_gradient(const back_pass *b, const block *k, const block_room *r)
{
    const kernels *ops = b->c->kernels;
    size_t D = b->c->shape.D;
    value_panels(b, k->span, k->kv_head, k->first_key, k->n_keys, r->value_panels);
    ops->product(k->n, k->n_keys, D, r->g, cpu_padded_head(&b->c->shape), r->value_panels,
                 ops->panel, D * ops->panel, r->ds, r->ld, PRODUCT_SET);
    for (size_t i = 0; i < k->n; i++) {
        float baseline = b->stats[(k->first + i) * b->c->shape.H + k->head].baseline;
        float *ds = r->ds + i * r->ld;
        const float *p = r->p + i * r->ld;
        for (size_t j = 0; j < k->n_keys; j++)
            ds[j] = p[j] * (ds[j] - baseline) * b->c->score_scale;
    }
}

/* The range of queries without those at both ends that do not reach back to the span. */
static void block_narrow(const attention *a, block *k)
{
    size_t end = k->span->first + k->span->n_keys;
    while (k->n > 0 && attention_first(a, k->first) >= end) {
        k->first++;
        k->n--;
    }
    while (k->n > 0 && attention_first(a, k->first + k->n - 1) >= end)
        k->n--;
}

/* The part of the range of queries that sees the span; false when none does. */
static bool block_make(const back_pass *b, const kv_span *s, size_t first, size_t n,
                       size_t head, block *out)
{
    size_t begin = first > s->q_begin ? first : s->q_begin;
    size_t end = first + n < s->q_end ? first + n : s->q_end;
    if (begin >= end)
        return false;
    *out = (block){.span = s,
                   .first = begin,
                   .n = end - begin,
                   .head = head,
                   .kv_head = head / (b->c->shape.H / b->c->shape.Hkv)};
    if (b->a->reach > 0)
        block_narrow(b->a, out);
    block_keys(b, out);
    return out->n_keys > 0;
}

/* q, g, p and ds of a block into the room. */
static void block_load(const back_pass *b, const block *k, const block_room *r)
{
    const attention *a = b->a;
    size_t at = k->head * b->c->shape.D;
    head_rows(b, a->q + k->first * a->q_stride + at, a->q_stride, k->n, r->q);
    head_rows(b, b->d_out + k->first * a->out_stride + at, a->out_stride, k->n, r->g);
    block_scores(b, k, r->q, r->p, r->ld);
    block_probabilities(b, k, r->p, r->ld);
    block_gradient(b, k, r);
}

/* ---- First pass: statistics and dq, by ranges of queries ---- */

/* baseline = do . o of each query, and max below every score. */
static void stats_begin(const back_pass *b, size_t first, size_t n, size_t head)
{
    const attention *a = b->a;
    size_t H = b->c->shape.H, D = b->c->shape.D;
    for (size_t i = first; i < first + n; i++) {
        const float *g = b->d_out + i * a->out_stride + head * D;
        const float *o = a->out + i * a->out_stride + head * D;
        double dot = 0;
        for (size_t d = 0; d < D; d++)
            dot += (double)g[d] * (double)o[d];
        b->stats[i * H + head] = (query_stats){.max = -INFINITY, .baseline = (float)dot};
    }
}

/* One row of scores: its largest, or (sum given) the sum of its exponentials. */
static void stats_add(const back_pass *b, query_stats *x, float *row, key_range seen,
                      double *sum)
{
    if (sum != NULL)
        *sum += (double)b->c->kernels->exp_scaled(row + seen.begin, seen.end - seen.begin,
                                                  x->max, b->c->score_scale, 1);
    else
        for (size_t j = seen.begin; j < seen.end; j++)
            x->max = row[j] > x->max ? row[j] : x->max;
}

/* All spans once, for the maxima or (sums given) for the sums (n). */
static void stats_pass(const back_pass *b, size_t first, size_t n, size_t head,
                       const block_room *r, double *sums)
{
    const attention *a = b->a;
    size_t H = b->c->shape.H, D = b->c->shape.D;
    for (const kv_span *s = a->spans; s < a->spans + a->n_spans; s++) {
        block k;
        if (!block_make(b, s, first, n, head, &k))
            continue;
        head_rows(b, a->q + k.first * a->q_stride + head * D, a->q_stride, k.n, r->q);
        block_scores(b, &k, r->q, r->p, r->ld);
        for (size_t i = 0; i < k.n; i++)
            stats_add(b, &b->stats[(k.first + i) * H + head], r->p + i * r->ld,
                      block_seen(b, &k, i), sums ? &sums[k.first - first + i] : NULL);
    }
}

/* The largest score of each query, and the sum of the exponentials, span by span. */
static void range_stats(const back_pass *b, size_t first, size_t n, size_t head,
                        const block_room *r)
{
    double sums[QUERIES] = {0};
    stats_begin(b, first, n, head);
    stats_pass(b, first, n, head, r, NULL);
    stats_pass(b, first, n, head, r, sums);
    for (size_t i = 0; i < n; i++)
        b->stats[(first + i) * b->c->shape.H + head].weight = (float)(1 / sums[i]);
}

static void range_queries(const back_pass *b, size_t first, size_t n, size_t head,
                          size_t ld)
{
    const attention *a = b->a;
    const kernels *ops = b->c->kernels;
    size_t D = b->c->shape.D, padded = cpu_padded_head(&b->c->shape);
    block_room r = room_of(b, ld);
    range_stats(b, first, n, head, &r);
    for (size_t i = first; i < first + n; i++)
        memset(b->d_q + i * a->q_stride + head * D, 0, D * sizeof(float));
    for (const kv_span *s = a->spans; s < a->spans + a->n_spans; s++) {
        block k;
        if (!block_make(b, s, first, n, head, &k))
            continue;
        block_load(b, &k, &r);
        key_rows(b, s, k.kv_head, k.first_key, k.n_keys, r.key_rows);
        /* One chain over all keys: slices of GROW would be cut by the furthest look of
         * the block, so a query's bits would depend on its company. */
        ops->product(k.n, D, k.n_keys, r.ds, r.ld, r.key_rows, padded, ops->panel,
                     b->d_q + k.first * a->q_stride + head * D, a->q_stride,
                     PRODUCT_CONTINUE);
    }
}

/* ---- Second pass: dk and dv, by spans ---- */

/* Adds x^T (keys, queries) rows (queries, padded D) to `to` (keys, stride). */
static void add_turned(const back_pass *b, const block *k, const block_room *r,
                       const float *x, const float *rows, float *to)
{
    const kernels *ops = b->c->kernels;
    const model_shape *m = &b->c->shape;
    ops->turn(x, k->n, k->n_keys, r->ld, r->turned, QUERIES);
    ops->product(k->n_keys, m->D, k->n, r->turned, QUERIES, rows, cpu_padded_head(m),
                 ops->panel, to, 2 * m->Hkv * m->D, PRODUCT_GROW);
}

static void span_gradient(const back_pass *b, const kv_span *s, size_t kv_head, size_t ld)
{
    const model_shape *m = &b->c->shape;
    size_t group = m->H / m->Hkv;
    block_room r = room_of(b, ld);
    for (size_t first = s->q_begin; first < s->q_end; first += QUERIES)
        for (size_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
            size_t n = s->q_end - first < QUERIES ? s->q_end - first : QUERIES;
            block k;
            if (!block_make(b, s, first, n, h, &k))
                continue;
            block_load(b, &k, &r);
            float *to = s->d_kv + k.first_key * 2 * m->Hkv * m->D + kv_head * m->D;
            add_turned(b, &k, &r, r.ds, r.q, to);
            add_turned(b, &k, &r, r.p, r.g, to + m->Hkv * m->D);
        }
}

/* ---- Both ---- */

static void run_passes(const back_pass *b, size_t ld)
{
    const attention *a = b->a;
    size_t H = b->c->shape.H, Hkv = b->c->shape.Hkv;
    size_t n_ranges = (a->m + QUERIES - 1) / QUERIES, n_threads = b->c->n_threads;
#pragma omp parallel for schedule(dynamic) num_threads((int)n_threads)
    for (size_t t = 0; t < n_ranges * H; t++) {
        size_t i = t / H, first = a->m * i / n_ranges;
        range_queries(b, first, a->m * (i + 1) / n_ranges - first, t % H, ld);
    }
#pragma omp parallel for schedule(dynamic) num_threads((int)n_threads)
    for (size_t t = 0; t < a->n_spans * Hkv; t++)
        if (a->spans[t / Hkv].d_kv != NULL)
            span_gradient(b, &a->spans[t / Hkv], t % Hkv, ld);
}

int cpu_attend_back(backend_context *c, const attention *a, const float *d_out,
                    float *d_q, error *err)
{
    back_pass b = {.c = c, .a = a, .d_out = d_out, .d_q = d_q};
    size_t n, most = 1;
    for (const kv_span *s = a->spans; s < a->spans + a->n_spans; s++)
        most = s->n_keys > most ? s->n_keys : most;
    size_t ld = cpu_round_up(most, KERNEL_MAX_PANEL) + KERNEL_MAX_PANEL;
    TRY(cpu_scratch_grow(c, room_floats(&c->shape, ld), err));
    if (!size_mul(a->m, c->shape.H, &n))
        return error_memory(err, SIZE_MAX);
    b.stats = array_new(n, sizeof *b.stats);
    if (b.stats == NULL)
        return error_memory(err, n * sizeof *b.stats);
    run_passes(&b, ld);
    free(b.stats);
    return 0;
}

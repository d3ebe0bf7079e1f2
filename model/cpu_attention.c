/* Attention of the cpu backend: two products per span with a softmax between.
 *
 * Keys of a block are kept as panels of consecutive positions, so that scores are a
 * product with the queries of all rows that share the block; values as rows, so that the
 * weighted sum is another. Scores of a query stand at their absolute positions, and every
 * sum over positions runs in order of position: how rows are cut into segments does not
 * change a bit.
 *
 * Where a query only reaches so far back, what no query of a task sees is never read. A
 * key that some of them see gets the probability 0 from the others, which adds nothing to
 * a sum, so how queries share tasks does not change a bit either.
 *
 * A layer of a block: k (Hkv, panels, D, width), then v (Hkv, capacity, padded D). */
#include "backend_cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    MAX_ROWS = 84,           /* queries of one task: whole tiles of 14 and of 6 */
    SCORE_FLOATS = 96 << 10, /* room for scores aimed at, to stay in the second cache */
    SCORE_SLACK = 2 * KERNEL_MAX_PANEL,
};

size_t cpu_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

size_t cpu_padded_head(const model_shape *s)
{
    return cpu_round_up(s->D, KERNEL_LANES);
}

/* Positions per panel of keys: short blocks do with half. */
size_t cpu_key_width(const kernels *k, size_t capacity)
{
    return capacity <= k->lanes ? k->lanes : k->panel;
}

size_t cpu_key_floats(const kernels *k, const model_shape *s, size_t capacity)
{
    return cpu_round_up(capacity, cpu_key_width(k, capacity)) * s->D;
}

size_t cpu_kv_floats(const model_shape *shape, size_t capacity)
{
    size_t keys = cpu_key_floats(kernels_best(), shape, capacity);
    return cpu_round_up(shape->Hkv * (keys + capacity * cpu_padded_head(shape)),
                        KERNEL_LANES);
}

static void keep_one(const backend_context *c, const float *k, const float *v,
                     size_t stride, const kv_target *t)
{
    const model_shape *s = &c->shape;
    size_t width = cpu_key_width(c->kernels, t->capacity), D = s->D,
           padded = cpu_padded_head(s);
    size_t keys = cpu_key_floats(c->kernels, s, t->capacity);
    float *values = t->kv + s->Hkv * keys;
    for (size_t h = 0; h < s->Hkv; h++)
        for (size_t i = 0; i < t->m; i++) {
            size_t at = t->offset + i;
            const float *from = k + i * stride + h * D;
            float *to = t->kv + h * keys + at / width * width * D + at % width;
            for (size_t d = 0; d < D; d++)
                to[d * width] = from[d];
            memcpy(values + (h * t->capacity + at) * padded, v + i * stride + h * D,
                   D * sizeof(float));
        }
}

void cpu_keep(backend_context *c, const float *k, const float *v, size_t stride,
              const kv_target *targets, size_t n_targets)
{
#pragma omp parallel for schedule(dynamic)                                               \
    num_threads((int)c->n_threads) if (n_targets > 3)
    for (size_t t = 0; t < n_targets; t++) {
        size_t row = 0; /* of the first key of this target */
        for (size_t i = 0; i < t; i++)
            row += targets[i].m;
        keep_one(c, k + row * stride, v + row * stride, stride, &targets[t]);
    }
}

void cpu_fetch(backend_context *c, const kv_target *from, float *k, float *v,
               size_t stride)
{
    const model_shape *s = &c->shape;
    size_t width = cpu_key_width(c->kernels, from->capacity), D = s->D;
    size_t padded = cpu_padded_head(s),
           keys = cpu_key_floats(c->kernels, s, from->capacity);
    const float *values = from->kv + s->Hkv * keys;
    for (size_t h = 0; h < s->Hkv; h++)
        for (size_t i = 0; i < from->m; i++) {
            size_t at = from->offset + i;
            const float *key = from->kv + h * keys + at / width * width * D + at % width;
            for (size_t d = 0; d < D; d++)
                k[i * stride + h * D + d] = key[d * width];
            memcpy(v + i * stride + h * D, values + (h * from->capacity + at) * padded,
                   D * sizeof(float));
        }
}

/* The part of a span that matters to queries [begin, end). */
typedef struct overlap {
    size_t begin, end; /* queries */
    size_t first_key;  /* the first that any of them sees */
    size_t n_keys;     /* up to the furthest position among them */
} overlap;

/* Leave out the queries at both ends that do not reach back to the span. */
static void overlap_narrow(const attention *a, const kv_span *s, overlap *o)
{
    size_t end = s->first + s->n_keys, first = SIZE_MAX;
    while (o->begin < o->end && attention_first(a, o->begin) >= end)
        o->begin++;
    while (o->begin < o->end && attention_first(a, o->end - 1) >= end)
        o->end--;
    for (size_t i = o->begin; i < o->end; i++)
        first = attention_first(a, i) < first ? attention_first(a, i) : first;
    o->first_key = first > s->first ? first - s->first : 0;
}

static bool overlap_of(const attention *a, const kv_span *s, const size_t range[2],
                       overlap *o)
{
    o->begin = range[0] > s->q_begin ? range[0] : s->q_begin;
    o->end = range[1] < s->q_end ? range[1] : s->q_end;
    size_t furthest = 0;
    o->first_key = 0;
    if (a->reach > 0)
        overlap_narrow(a, s, o);
    for (size_t i = o->begin; i < o->end; i++)
        if (a->positions[i] >= furthest)
            furthest = a->positions[i] + 1;
    if (o->begin >= o->end || furthest <= s->first)
        return false;
    o->n_keys = furthest - s->first < s->n_keys ? furthest - s->first : s->n_keys;
    return true;
}

/* Scores of query i (n_padded) become probabilities but for a factor: the sum of them.
 * They count from `lowest` on, the first position that any query of the range sees. */
static float weigh(const backend_context *c, const attention *a, size_t i, size_t lowest,
                   size_t n_padded, float *scores)
{
    /* whole vectors begin at the same positions whatever the company */
    size_t first = attention_first(a, i), whole = first / KERNEL_LANES * KERNEL_LANES;
    if (lowest < whole)
        memset(scores + lowest, 0, (whole - lowest) * sizeof(float));
    for (size_t j = whole; j < first; j++)
        scores[j] = -INFINITY;
    return c->kernels->softmax(scores + whole, a->positions[i] + 1 - whole,
                               n_padded - whole, c->score_scale);
}

static size_t range_lowest(const attention *a, const size_t range[2])
{
    size_t lowest = SIZE_MAX;
    for (size_t i = range[0]; i < range[1]; i++)
        lowest = attention_first(a, i) < lowest ? attention_first(a, i) : lowest;
    return lowest;
}

/* Queries [range) of head h. scores: (range, ld). */
static void attend_range(const backend_context *c, const attention *a,
                         const size_t range[2], size_t h, size_t n_padded, size_t ld,
                         float *scores)
{
    const kernels *k = c->kernels;
    const model_shape *s = &c->shape;
    size_t D = s->D, kv_head = h / (s->H / s->Hkv), padded = cpu_padded_head(s);
    size_t lowest = a->reach > 0 ? range_lowest(a, range) : 0;
    float sums[MAX_ROWS];
    overlap o;
    for (const kv_span *p = a->spans; p < a->spans + a->n_spans; p++) {
        if (!overlap_of(a, p, range, &o))
            continue;
        /* Whole panels from the first key, whole vectors to the last: what this writes
         * beyond n_keys, a later span or the softmax overwrites. */
        size_t width = cpu_key_width(k, p->capacity), skip = o.first_key / width * width;
        k->product(o.end - o.begin, cpu_round_up(o.n_keys - skip, k->lanes), D,
                   a->q + o.begin * a->q_stride + h * D, a->q_stride,
                   p->kv + kv_head * cpu_key_floats(k, s, p->capacity) + skip * D, width,
                   D * width, scores + (o.begin - range[0]) * ld + p->first + skip, ld,
                   PRODUCT_SET);
    }
    for (size_t i = range[0]; i < range[1]; i++) {
        sums[i - range[0]] =
            weigh(c, a, i, lowest, n_padded, scores + (i - range[0]) * ld);
        memset(a->out + i * a->out_stride + h * D, 0, D * sizeof(float));
    }
    for (const kv_span *p = a->spans; p < a->spans + a->n_spans; p++) {
        if (!overlap_of(a, p, range, &o))
            continue;
        const float *values = p->kv + s->Hkv * cpu_key_floats(k, s, p->capacity) +
                              (kv_head * p->capacity + o.first_key) * padded;
        k->product(o.end - o.begin, D, o.n_keys - o.first_key,
                   scores + (o.begin - range[0]) * ld + p->first + o.first_key, ld,
                   values, padded, k->panel, a->out + o.begin * a->out_stride + h * D,
                   a->out_stride, PRODUCT_CONTINUE);
    }
    for (size_t i = range[0]; i < range[1]; i++)
        k->scale(a->out + i * a->out_stride + h * D, D, 1 / sums[i - range[0]]);
}

int cpu_attend(backend_context *c, const attention *a, error *err)
{
    size_t longest = 1;
    for (size_t i = 0; i < a->m; i++)
        if (a->positions[i] >= longest)
            longest = a->positions[i] + 1;
    size_t n_padded = cpu_round_up(longest, KERNEL_LANES), ld = n_padded + SCORE_SLACK;
    size_t rows = SCORE_FLOATS / ld;
    rows = rows > MAX_ROWS                ? MAX_ROWS
           : rows < c->kernels->tile_rows ? c->kernels->tile_rows
                                          : rows;
    TRY(cpu_scratch_grow(c, rows * ld, err));
    size_t n_ranges = (a->m + rows - 1) / rows, H = c->shape.H;
    size_t n_tasks = n_ranges * H;
#pragma omp parallel for schedule(dynamic) num_threads((int)c->n_threads) if (n_tasks > 1)
    for (size_t t = 0; t < n_tasks; t++) {
        size_t r = t / H, h = t % H;
        size_t range[2] = {a->m * r / n_ranges, a->m * (r + 1) / n_ranges};
        attend_range(c, a, range, h, n_padded, ld,
                     c->scratch[omp_get_thread_num()].floats);
    }
    return 0;
}

/* The reference backend: plain C, one loop per operation, sums in double. It is the
 * specification that the other backends are held to, and stays as slow as it is clear.
 * Gradients are in backend_ref_back.c.
 *
 * Keys and values of a block: k (Hkv, capacity, D), then v (Hkv, capacity, D). */
#include "backend_ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void weight_free(backend_weight *w)
{
    if (w == NULL)
        return;
    free(w->w);
    free(w->bias);
    free(w);
}

/* Nothing to choose. */
static int packer_new(backend_packer **out, size_t n_threads, error *err)
{
    (void)n_threads;
    (void)err;
    *out = NULL;
    return 0;
}

static void packer_free(backend_packer *p)
{
    (void)p;
}

static int weight_new(backend_weight **out, backend_packer *p,
                      const weight_source *source, error *err)
{
    (void)p;
    size_t n;
    backend_weight *w = array_new(1, sizeof(*w));
    if (w == NULL || !size_mul(source->n_in, source->n_out, &n)) {
        free(w);
        return error_memory(err, sizeof(*w));
    }
    int rc = 0;
    *w = (backend_weight){.n_in = source->n_in, .n_out = source->n_out};
    w->w = array_new(n, sizeof(float));
    w->bias = array_new(w->n_out, sizeof(float));
    if (w->w == NULL || w->bias == NULL)
        rc = error_memory(err, n * sizeof(float));
    else
        rc = weight_source_bias(source, w->bias, err);
    for (size_t r = 0; rc == 0 && r < w->n_out; r++)
        weight_source_row(source, r, w->w + r * w->n_in);
    if (rc < 0)
        weight_free(w);
    else
        *out = w;
    return rc;
}

static int context_new(backend_context **out, const model_shape *shape, size_t n_threads,
                       error *err)
{
    (void)n_threads;
    backend_context *c = array_new(1, sizeof(*c));
    if (c == NULL)
        return error_memory(err, sizeof(*c));
    c->shape = *shape;
    *out = c;
    return 0;
}

static void context_free(backend_context *c)
{
    free(c);
}

static int describe(const backend_context *c, const backend_packer *p, text *out,
                    error *err)
{
    (void)c;
    (void)p;
    return text_add_string(out, "ref: plain C, sums in double, one thread", err);
}

static int embed(backend_context *c, const weight_source *embedding, const int32_t *ids,
                 size_t m, float *y, error *err)
{
    (void)err;
    for (size_t i = 0; i < m; i++)
        weight_source_row(embedding, (size_t)ids[i], y + i * c->shape.C);
    return 0;
}

static void norm(backend_context *c, const float *x, const float *w, size_t m, float *y)
{
    size_t C = c->shape.C;
    for (size_t i = 0; i < m; i++, x += C, y += C) {
        double squares = 0;
        for (size_t j = 0; j < C; j++)
            squares += (double)x[j] * (double)x[j];
        double factor = 1 / sqrt(squares / (double)C + (double)c->shape.norm_eps);
        for (size_t j = 0; j < C; j++)
            y[j] = (float)((double)x[j] * factor * (double)w[j]);
    }
}

int ref_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err)
{
    (void)c;
    (void)err;
    for (size_t i = 0; i < m; i++)
        for (size_t o = 0; o < w->n_out; o++) {
            double sum = (double)w->bias[o];
            for (size_t j = 0; j < w->n_in; j++)
                sum += (double)x[i * w->n_in + j] * (double)w->w[o * w->n_in + j];
            float *at = y + i * w->n_out + o;
            *at = (float)(add ? (double)*at + sum : sum);
        }
    return 0;
}

static int gated(backend_context *c, const backend_weight *w, const float *x, size_t m,
                 float *y, error *err)
{
    size_t F = w->n_out / 2;
    float *both = array_new(w->n_out, sizeof(*both)); /* gate, then up */
    if (both == NULL)
        return error_memory(err, w->n_out * sizeof(*both));
    for (size_t i = 0; i < m; i++) {
        ref_product(c, w, x + i * w->n_in, 1, both, false, err);
        for (size_t j = 0; j < F; j++) {
            double z = (double)both[j];
            y[i * F + j] = (float)(z / (1 + exp(-z)) * (double)both[F + j]);
        }
    }
    free(both);
    return 0;
}

static void rotate(backend_context *c, float *x, size_t stride, size_t n_heads, size_t m,
                   const size_t *at, const float *cosine, const float *sine)
{
    size_t D = c->shape.D, half = c->shape.n_rot / 2;
    for (size_t i = 0; i < m; i++)
        for (size_t h = 0; h < n_heads; h++)
            for (size_t j = 0; j < half; j++) {
                float *p = x + i * stride + h * D + j;
                double co = (double)cosine[at[i] * half + j];
                double si = (double)sine[at[i] * half + j];
                double a = (double)p[0], b = (double)p[half];
                p[0] = (float)(a * co - b * si);
                p[half] = (float)(b * co + a * si);
            }
}

static size_t kv_floats(const model_shape *shape, size_t capacity)
{
    return 2 * shape->Hkv * capacity * shape->D;
}

static void keep(backend_context *c, const float *k, const float *v, size_t stride,
                 const kv_target *targets, size_t n_targets)
{
    size_t D = c->shape.D, Hkv = c->shape.Hkv;
    for (const kv_target *t = targets; t < targets + n_targets; t++)
        for (size_t i = 0; i < t->m; i++, k += stride, v += stride)
            for (size_t h = 0; h < Hkv; h++) {
                float *to = t->kv + (h * t->capacity + t->offset + i) * D;
                memcpy(to, k + h * D, D * sizeof(float));
                memcpy(to + Hkv * t->capacity * D, v + h * D, D * sizeof(float));
            }
}

static void fetch(backend_context *c, const kv_target *from, float *k, float *v,
                  size_t stride)
{
    size_t D = c->shape.D, Hkv = c->shape.Hkv;
    for (size_t i = 0; i < from->m; i++, k += stride, v += stride)
        for (size_t h = 0; h < Hkv; h++) {
            const float *at = from->kv + (h * from->capacity + from->offset + i) * D;
            memcpy(k + h * D, at, D * sizeof(float));
            memcpy(v + h * D, at + Hkv * from->capacity * D, D * sizeof(float));
        }
}

/* Scores of one query against the keys of one span that it may see, from score[first];
 * returns the largest. */
double ref_score_span(const attention *a, const kv_span *s, size_t i, size_t h,
                      size_t kv_head, size_t D, double *score, double max)
{
    const float *q = a->q + i * a->q_stride + h * D;
    const float *k = s->kv + kv_head * s->capacity * D;
    size_t seen = attention_first(a, i);
    for (size_t j = 0; j < s->n_keys && s->first + j <= a->positions[i]; j++, k += D) {
        if (s->first + j < seen)
            continue;
        double dot = 0;
        for (size_t d = 0; d < D; d++)
            dot += (double)q[d] * (double)k[d];
        score[s->first + j] = dot / sqrt((double)D);
        max = fmax(max, score[s->first + j]);
    }
    return max;
}

bool ref_sees(const kv_span *s, size_t i)
{
    return s->q_begin <= i && i < s->q_end;
}

/* One query of one head; `score` (position + 1) and `sum` (D) are room to work in. */
static void attend_one(const model_shape *shape, const attention *a, size_t i, size_t h,
                       double *score, double *sum)
{
    size_t D = shape->D, kv_head = h / (shape->H / shape->Hkv), n = a->positions[i] + 1;
    size_t first = attention_first(a, i);
    const kv_span *end = a->spans + a->n_spans;
    double max = -INFINITY, total = 0;
    for (const kv_span *s = a->spans; s < end; s++)
        if (ref_sees(s, i))
            max = ref_score_span(a, s, i, h, kv_head, D, score, max);
    for (size_t j = first; j < n; j++)
        total += score[j] = exp(score[j] - max);
    memset(sum, 0, D * sizeof(*sum));
    for (const kv_span *s = a->spans; s < end; s++) {
        const float *v = s->kv + (shape->Hkv + kv_head) * s->capacity * D;
        for (size_t j = 0; ref_sees(s, i) && j < s->n_keys && s->first + j < n;
             j++, v += D)
            for (size_t d = 0; s->first + j >= first && d < D; d++)
                sum[d] += score[s->first + j] * (double)v[d];
    }
    for (size_t d = 0; d < D; d++)
        a->out[i * a->out_stride + h * D + d] = (float)(sum[d] / total);
}

static int attend(backend_context *c, const attention *a, error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < a->m; i++)
        if (a->positions[i] >= longest)
            longest = a->positions[i] + 1;
    double *score = array_new(longest + c->shape.D, sizeof(*score));
    if (score == NULL)
        return error_memory(err, (longest + c->shape.D) * sizeof(*score));
    for (size_t i = 0; i < a->m; i++)
        for (size_t h = 0; h < c->shape.H; h++)
            attend_one(&c->shape, a, i, h, score, score + longest);
    free(score);
    return 0;
}

static void stats(backend_context *c, const float *logits, size_t m, logit_stats *out)
{
    size_t V = c->shape.V;
    for (size_t i = 0; i < m; i++, logits += V) {
        logit_stats s = {.max = logits[0], .finite = true};
        for (size_t j = 0; j < V; j++) {
            s.finite = s.finite && !isnan(logits[j]) && logits[j] < INFINITY;
            if (logits[j] > s.max) {
                s.max = logits[j];
                s.argmax = j;
            }
        }
        s.finite = s.finite && isfinite(s.max);
        double sum = 0;
        for (size_t j = 0; s.finite && j < V; j++)
            sum += exp((double)logits[j] - (double)s.max);
        s.log_sum = s.finite ? log(sum) : 0;
        out[i] = s;
    }
}

const backend backend_ref = {
    .name = "ref",
    .packer_new = packer_new,
    .packer_free = packer_free,
    .weight_new = weight_new,
    .weight_free = weight_free,
    .context_new = context_new,
    .context_free = context_free,
    .describe = describe,
    .embed = embed,
    .norm = norm,
    .product = ref_product,
    .gated = gated,
    .rotate = rotate,
    .kv_floats = kv_floats,
    .keep = keep,
    .attend = attend,
    .stats = stats,
    .fetch = fetch,
    .gated_keep = ref_gated_keep,
    .gate_back = ref_gate_back,
    .product_back = ref_product_back,
    .norm_back = ref_norm_back,
    .rotate_back = ref_rotate_back,
    .attend_back = ref_attend_back,
    .softmax_rows = ref_softmax_rows,
};

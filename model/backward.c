/* A pass through the layers, forwards and back: the same steps as in forward.c with what
 * the way back needs left in the pass, then their transposes in the reverse order.
 *
 * Everything as wide as attention is laid out for all positions; the feed-forward part,
 * whose rows do not know each other, goes in chunks of the session's buffers. */
#include "gradient_pass.h"

#include <string.h>

static size_t chunk_at(const gradient_pass *p, size_t at, size_t m)
{
    return m - at < p->s->max_chunk ? m - at : p->s->max_chunk;
}

static bool is_last(const gradient_pass *p, size_t l)
{
    return l + 1 == p->s->weights->shape.L;
}

static const query_set *queries(const gradient_pass *p, size_t l)
{
    return is_last(p, l) ? &p->last : &p->all;
}

/* Rows of n floats from src to dst: those that layer l goes on with. */
static void take_rows(const gradient_pass *p, size_t l, const float *src, size_t stride,
                      size_t n, float *dst)
{
    for (size_t i = 0; i < queries(p, l)->m; i++)
        memcpy(dst + i * n, src + (is_last(p, l) ? p->wanted[i] : i) * stride,
               n * sizeof(float));
}

/* The reverse: the others become 0. */
static void put_rows(const gradient_pass *p, size_t l, const float *src, size_t n,
                     float *dst, size_t stride)
{
    if (is_last(p, l))
        for (size_t i = 0; i < p->n_positions; i++)
            memset(dst + i * stride, 0, n * sizeof(float));
    for (size_t i = 0; i < queries(p, l)->m; i++)
        memcpy(dst + (is_last(p, l) ? p->wanted[i] : i) * stride, src + i * n,
               n * sizeof(float));
}

/* ---- Forwards ---- */

static int embed(gradient_pass *p, error *err)
{
    const session *s = p->s;
    size_t C = s->weights->shape.C;
    float *x = p->layers[0].x;
    for (size_t r = 0; r < p->n_runs; r++) {
        const forward_run *run = &p->runs[r];
        float *at = x + p->starts[r] * C;
        if (run->x != NULL)
            memcpy(at, run->x, run->n * C * sizeof(float));
        else
            TRY(s->backend->embed(s->context, &s->weights->embedding, run->tokens, run->n,
                                  at, err));
    }
    return 0;
}

/* p->qkv of a layer from its input. */
static int make_qkv(gradient_pass *p, size_t l, error *err)
{
    session *s = p->s;
    const model_shape *m = &s->weights->shape;
    const layer_sources *layer = &s->weights->layers[l];
    size_t N = p->n_positions, C = m->C, stride = (m->H + 2 * m->Hkv) * m->D, n;
    for (size_t at = 0; at < N; at += n) {
        n = chunk_at(p, at, N);
        s->backend->norm(s->context, p->layers[l].x + at * C, layer->attention_norm, n,
                         s->normed);
        TRY(forward_product(s, s->packed->layers[l].qkv, &layer->qkv, s->normed, n,
                            p->qkv + at * stride, false, err));
    }
    s->backend->rotate(s->context, p->qkv, stride, m->H + m->Hkv, N, p->all.positions,
                       s->cosine, s->sine);
    return 0;
}

static void keep_kv(gradient_pass *p, size_t l)
{
    const session *s = p->s;
    const model_shape *m = &s->weights->shape;
    size_t Q = m->H * m->D, K = m->Hkv * m->D;
    for (size_t r = 0; r < p->n_runs; r++)
        p->targets[r].kv = p->blocks[r].data + l * p->blocks[r].layer_floats;
    s->backend->keep(s->context, p->qkv + Q, p->qkv + Q + K, Q + 2 * K, p->targets,
                     p->n_runs);
}

/* Where gradients of a block's keys and values go. */
static float *block_d_kv(const gradient_pass *p, const kv_block *b)
{
    const model_shape *m = &p->s->weights->shape;
    bool is_prefix = b == p->s->prefix.block;
    if (is_prefix && p->prefix_sums == NULL)
        return NULL;
    size_t first = is_prefix ? p->n_positions : p->starts[b - p->blocks];
    return p->d_kv + first * 2 * m->Hkv * m->D;
}

static attention layer_attention(gradient_pass *p, size_t l, bool back)
{
    const model_shape *m = &p->s->weights->shape;
    const query_set *set = queries(p, l);
    const layer_store *store = &p->layers[l];
    for (size_t i = 0; i < set->n_spans; i++) {
        const kv_block *b = set->spans[i].block;
        p->spans[i] = set->spans[i].span;
        p->spans[i].kv = b->data + l * b->layer_floats;
        p->spans[i].d_kv = back ? block_d_kv(p, b) : NULL;
    }
    return (attention){.q = store->q,
                       .q_stride = m->H * m->D,
                       .positions = set->positions,
                       .m = set->m,
                       .reach = p->s->weights->layers[l].reach,
                       .spans = p->spans,
                       .n_spans = set->n_spans,
                       .out = store->heads,
                       .out_stride = m->H * m->D};
}

/* A query meets as many values as keys. */
static void count_attention(gradient_pass *p, const attention *a, double products)
{
    const model_shape *m = &p->s->weights->shape;
    double keys = 0;
    for (size_t i = 0; i < a->m; i++)
        keys += (double)attention_seen(a, i);
    p->s->counters.multiply_adds += products * keys * (double)(m->H * m->D);
}

/* q, heads and mid of a layer, from p->qkv and the keys and values of all positions. */
static int attend(gradient_pass *p, size_t l, error *err)
{
    session *s = p->s;
    const model_shape *m = &s->weights->shape;
    layer_store *store = &p->layers[l];
    size_t Q = m->H * m->D;
    take_rows(p, l, p->qkv, Q + 2 * m->Hkv * m->D, Q, store->q);
    attention a = layer_attention(p, l, false);
    count_attention(p, &a, 2);
    TRY(s->backend->attend(s->context, &a, err));
    take_rows(p, l, store->x, m->C, m->C, store->mid);
    return forward_product(s, s->packed->layers[l].output, &s->weights->layers[l].output,
                           store->heads, a.m, store->mid, true, err);
}

/* hidden of rows [at, at + n), and what is before the gate. */
static int gate(gradient_pass *p, size_t l, size_t at, size_t n, float *both, error *err)
{
    session *s = p->s;
    const layer_sources *layer = &s->weights->layers[l];
    s->backend->norm(s->context, p->layers[l].mid + at * s->weights->shape.C,
                     layer->feed_norm, n, s->normed);
    forward_count(s, &layer->gate_up, n);
    if (both == NULL)
        return s->backend->gated(s->context, s->packed->layers[l].gate_up, s->normed, n,
                                 s->hidden, err);
    return s->backend->gated_keep(s->context, s->packed->layers[l].gate_up, s->normed, n,
                                  both, s->hidden, err);
}

/* y (m, C) = mid and the feed-forward part. */
static int feed(gradient_pass *p, size_t l, float *y, error *err)
{
    session *s = p->s;
    const model_shape *shape = &s->weights->shape;
    const layer_store *store = &p->layers[l];
    size_t m = queries(p, l)->m, C = shape->C, n;
    memcpy(y, store->mid, m * C * sizeof(float));
    for (size_t at = 0; at < m; at += n) {
        n = chunk_at(p, at, m);
        float *both = store->both == NULL ? NULL : store->both + at * 2 * shape->F;
        TRY(gate(p, l, at, n, both, err));
        TRY(forward_product(s, s->packed->layers[l].down, &s->weights->layers[l].down,
                            s->hidden, n, y + at * C, true, err));
    }
    return 0;
}

int pass_forward(gradient_pass *p, error *err)
{
    size_t L = p->s->weights->shape.L;
    TRY(embed(p, err));
    for (size_t l = 0; l < L; l++) {
        TRY(session_check_interrupt(p->s, err));
        TRY(make_qkv(p, l, err));
        keep_kv(p, l);
        TRY(attend(p, l, err));
        TRY(feed(p, l, is_last(p, l) ? p->out : p->layers[l + 1].x, err));
    }
    p->s->counters.positions += p->n_positions;
    return 0;
}

/* ---- Backwards ---- */

static int product_back(session *s, const backend_weight *w, const weight_source *shape,
                        const float *dy, size_t m, float *dx, error *err)
{
    forward_count(s, shape, m);
    return s->backend->product_back(s->context, w, dy, m, dx, false, err);
}

/* dx (m, C), the gradient behind the layer, becomes that at mid. */
static int feed_back(gradient_pass *p, size_t l, float *dx, error *err)
{
    session *s = p->s;
    const model_shape *shape = &s->weights->shape;
    const layer_sources *layer = &s->weights->layers[l];
    const packed_layer *packed = &s->packed->layers[l];
    const layer_store *store = &p->layers[l];
    size_t m = queries(p, l)->m, C = shape->C, F = shape->F, n;
    for (size_t at = 0; at < m; at += n) {
        n = chunk_at(p, at, m);
        float *both = store->both == NULL ? p->both : store->both + at * 2 * F;
        if (store->both == NULL)
            TRY(gate(p, l, at, n, both, err));
        TRY(product_back(s, packed->down, &layer->down, dx + at * C, n, s->hidden, err));
        s->backend->gate_back(s->context, s->hidden, n, F, both);
        TRY(product_back(s, packed->gate_up, &layer->gate_up, both, n, s->normed, err));
        s->backend->norm_back(s->context, store->mid + at * C, layer->feed_norm,
                              s->normed, n, dx + at * C);
    }
    return 0;
}

/* p->dq and p->d_kv from dx (m, C) at mid. */
static int attend_back(gradient_pass *p, size_t l, const float *dx, error *err)
{
    session *s = p->s;
    const model_shape *m = &s->weights->shape;
    size_t kv_rows = p->n_positions + p->n_prefix_kv;
    float *d_heads = p->qkv; /* free until the gradients are put together there */
    TRY(product_back(s, s->packed->layers[l].output, &s->weights->layers[l].output, dx,
                     queries(p, l)->m, d_heads, err));
    memset(p->d_kv, 0, kv_rows * 2 * m->Hkv * m->D * sizeof(float));
    attention a = layer_attention(p, l, true);
    count_attention(p, &a, 5); /* scores, values, and the gradients of q, k and v */
    return s->backend->attend_back(s->context, &a, d_heads, p->dq, err);
}

static void add_prefix_kv(gradient_pass *p, size_t l)
{
    const model_shape *m = &p->s->weights->shape;
    size_t width = 2 * m->Hkv * m->D;
    const float *from = p->d_kv + p->n_positions * width;
    for (size_t i = 0; p->prefix_sums != NULL && i < p->n_prefix_kv; i++)
        for (size_t j = 0; j < width; j++)
            p->prefix_sums[(i * m->L + l) * width + j] += (double)from[i * width + j];
}

/* p->dx, at mid, becomes the gradient at the layer's input. */
static int qkv_back(gradient_pass *p, size_t l, error *err)
{
    session *s = p->s;
    const model_shape *m = &s->weights->shape;
    const layer_sources *layer = &s->weights->layers[l];
    size_t N = p->n_positions, C = m->C, n;
    size_t Q = m->H * m->D, K2 = 2 * m->Hkv * m->D, stride = Q + K2;
    put_rows(p, l, p->dq, Q, p->qkv, stride);
    for (size_t i = 0; i < N; i++)
        memcpy(p->qkv + i * stride + Q, p->d_kv + i * K2, K2 * sizeof(float));
    s->backend->rotate_back(s->context, p->qkv, stride, m->H + m->Hkv, N,
                            p->all.positions, s->cosine, s->sine);
    for (size_t at = 0; at < N; at += n) {
        n = chunk_at(p, at, N);
        TRY(product_back(s, s->packed->layers[l].qkv, &layer->qkv, p->qkv + at * stride,
                         n, s->normed, err));
        s->backend->norm_back(s->context, p->layers[l].x + at * C, layer->attention_norm,
                              s->normed, n, p->dx + at * C);
    }
    return 0;
}

static int layer_back(gradient_pass *p, size_t l, error *err)
{
    size_t C = p->s->weights->shape.C;
    float *dx = is_last(p, l) ? p->d_out : p->dx;
    if (p->layers[l].both == NULL) {
        TRY(make_qkv(p, l, err));
        TRY(attend(p, l, err));
    }
    TRY(feed_back(p, l, dx, err));
    TRY(attend_back(p, l, dx, err));
    add_prefix_kv(p, l);
    if (is_last(p, l))
        put_rows(p, l, dx, C, p->dx, C);
    return qkv_back(p, l, err);
}

int pass_backward(gradient_pass *p, error *err)
{
    for (size_t l = p->s->weights->shape.L; l-- > 0;) {
        TRY(session_check_interrupt(p->s, err));
        TRY(layer_back(p, l, err));
    }
    return 0;
}

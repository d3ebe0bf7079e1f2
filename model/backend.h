/* A backend is a table of functions that compute; the graph that calls them is elsewhere
 * and is the same for all.
 *
 * Rules for every slot: tensors are row-major floats, shapes are in the comments, strides
 * count floats between rows. The result of a row depends on that row's inputs alone, bit
 * for bit: not on m, not on the row's place, not on the number of threads. NULL slots are
 * unsupported. Weights belong to a model and are shared by contexts; a context belongs to
 * one session, hence to one thread at a time. */
#ifndef LAMARCK_MODEL_BACKEND_H
#define LAMARCK_MODEL_BACKEND_H

#include "base.h"
#include "kernels.h"
#include "weights.h"

/* One matrix, as the backend wants it, with its bias. */
typedef struct backend_weight backend_weight;
typedef struct backend_packer backend_packer;
typedef struct backend_context backend_context;

/* Keys and values of consecutive positions, as seen by a range of queries. */
typedef struct kv_span {
    const float *kv; /* one layer of a block, in the backend's own layout */
    size_t capacity; /* positions that the block was made for */
    size_t n_keys;
    size_t first;          /* position of the first key in its row */
    size_t q_begin, q_end; /* the queries that see them, up to their own position */
    /* attend_back only: (n_keys, 2 Hkv D), the gradients of these keys and then values,
     * a row per position; added to. NULL: not wanted. */
    float *d_kv;
} kv_span;

/* Where keys and values of m consecutive positions go: [offset, offset + m) of a block.
 */
typedef struct kv_target {
    float *kv; /* one layer of a block */
    size_t capacity;
    size_t offset, m;
} kv_target;

typedef struct attention {
    const float *q; /* (m, H D), stride q_stride, already rotated */
    size_t q_stride;
    const size_t *positions; /* (m): a query sees the keys at positions <= its own */
    size_t m;
    size_t reach;         /* and at positions > its own - reach; 0: all of them */
    const kv_span *spans; /* by ascending first; together [0, position] of each query */
    size_t n_spans;
    float *out; /* (m, H D), stride out_stride */
    size_t out_stride;
} attention;

/* The first position that query i sees. */
static inline size_t attention_first(const attention *a, size_t i)
{
    size_t end = a->positions[i] + 1;
    return a->reach > 0 && end > a->reach ? end - a->reach : 0;
}

/* How many positions query i sees. */
static inline size_t attention_seen(const attention *a, size_t i)
{
    return a->positions[i] + 1 - attention_first(a, i);
}

typedef struct backend {
    const char *name;

    /* What the weights of one model are packed with: it chooses how, and must outlive
     * them. */
    int (*packer_new)(backend_packer **out, size_t n_threads, error *err);
    void (*packer_free)(backend_packer *p);
    /* Widen and pack (n_out, n_in) weights. */
    int (*weight_new)(backend_weight **out, backend_packer *p,
                      const weight_source *source, error *err);
    void (*weight_free)(backend_weight *w);

    int (*context_new)(backend_context **out, const model_shape *shape, size_t n_threads,
                       error *err);
    void (*context_free)(backend_context *c);
    /* Appends one line: calls chosen, CPU. */
    int (*describe)(const backend_context *c, const backend_packer *p, text *out,
                    error *err);

    /* y (m, C): the rows of the embedding that the ids name. */
    int (*embed)(backend_context *c, const weight_source *embedding, const int32_t *ids,
                 size_t m, float *y, error *err);
    /* y (m, C) = rms norm of x (m, C), times w (C). */
    void (*norm)(backend_context *c, const float *x, const float *w, size_t m, float *y);
    /* y (m, n_out) = x (m, n_in) W^T + bias; y += x W^T + bias when `add`. */
    int (*product)(backend_context *c, const backend_weight *w, const float *x, size_t m,
                   float *y, bool add, error *err);
    /* y (m, n_out / 2) = silu(g) * u, (g, u) = x (m, n_in) W^T + bias, of a gated weight.
     */
    int (*gated)(backend_context *c, const backend_weight *w, const float *x, size_t m,
                 float *y, error *err);
    /* Rotate the first n_heads heads of each row of x (m, stride) by the row's angles:
     * cosine and sine are (m, n_rot / 2), strided by angle_stride through `at`:
     * row i uses cosine + at[i] * n_rot / 2. */
    void (*rotate)(backend_context *c, float *x, size_t stride, size_t n_heads, size_t m,
                   const size_t *at, const float *cosine, const float *sine);
    /* Floats that one layer of keys and values of `capacity` positions takes. */
    size_t (*kv_floats)(const model_shape *shape, size_t capacity);
    /* Put the rows of k and v (sum of m, Hkv D), stride, into the targets in turn. */
    void (*keep)(backend_context *c, const float *k, const float *v, size_t stride,
                 const kv_target *targets, size_t n_targets);
    /* softmax(q k^T / sqrt(D)) v over the keys that a query sees, head by head; query
     * head h uses key head h / (H/Hkv). */
    int (*attend)(backend_context *c, const attention *a, error *err);
    /* Per row of logits (m, V). */
    void (*stats)(backend_context *c, const float *logits, size_t m, logit_stats *out);

    /* The reverse of keep: m positions of a block from `offset` on, into rows of k and v
     * (m, Hkv D), stride. */
    void (*fetch)(backend_context *c, const kv_target *from, float *k, float *v,
                  size_t stride);

    /* Backwards: gradients of activations, never of weights. dx is the gradient of the
     * loss at x. Sums over rows (d_kv) run in an order that does not depend on threads.
     */

    /* gated, which also leaves (g, u), before the gate, in both (m, n_out). */
    int (*gated_keep)(backend_context *c, const backend_weight *w, const float *x,
                      size_t m, float *both, float *y, error *err);
    /* both (m, 2 F), as gated_keep left it, becomes its own gradient, given dy (m, F). */
    void (*gate_back)(backend_context *c, const float *dy, size_t m, size_t F,
                      float *both);
    /* dx (m, n_in) = dy (m, n_out) W; dx += dy W when `add`. */
    int (*product_back)(backend_context *c, const backend_weight *w, const float *dy,
                        size_t m, float *dx, bool add, error *err);
    /* dx (m, C) += the gradient at x of norm(x, w), given dy (m, C). */
    void (*norm_back)(backend_context *c, const float *x, const float *w, const float *dy,
                      size_t m, float *dx);
    /* The transpose of rotate: by the negative angles. */
    void (*rotate_back)(backend_context *c, float *dx, size_t stride, size_t n_heads,
                        size_t m, const size_t *at, const float *cosine,
                        const float *sine);
    /* Given attend's inputs, its result in a->out, and d_out (m, H D; a->out_stride):
     * d_q (m, H D; a->q_stride) is set, the spans' d_kv are added to. */
    int (*attend_back)(backend_context *c, const attention *a, const float *d_out,
                       float *d_q, error *err);
    /* Logits (m, V) become factors[i] * softmax(row i). */
    void (*softmax_rows)(backend_context *c, float *logits, const logit_stats *stats,
                         const double *factors, size_t m);
} backend;

extern const backend backend_ref, backend_cpu;

/* NULL for an unknown name. */
const backend *backend_find(const char *name);
/* "cpu, ref", for error messages. */
const char *backend_list(void);

#endif

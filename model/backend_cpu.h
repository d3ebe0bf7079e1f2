/* What the files of the cpu backend share. Not for others. */
#ifndef LAMARCK_MODEL_BACKEND_CPU_H
#define LAMARCK_MODEL_BACKEND_CPU_H

#include "backend.h"
#include "cpu_choice.h"
#include "kernels.h"
#include "pages.h"

struct backend_packer {
    size_t n_threads;
    product_choices choices;
    product_choice *used; /* one for each shape packed so far; owned */
    size_t n_used, used_capacity;
    bool forced; /* tests: `kind` whatever was measured */
    product_kind kind;
};

/* W is packed in units of some columns of the product (rows of W), each (n_in, unit) in
 * its call's own layout, with zeros beyond n_out. Units of a gate and of what it gates
 * take turns. */
struct backend_weight {
    size_t n_in, n_out;
    bool gated;
    size_t unit, n_units;
    size_t unit_floats;
    pages packed;
    onednn_product *onednn; /* NULL: kernels */
    float *bias;            /* (n_out) or NULL */
};

/* Room that one thread works in. */
typedef struct cpu_scratch {
    float *floats;
    size_t n;
} cpu_scratch;

struct backend_context {
    model_shape shape;
    const kernels *kernels;
    size_t n_threads;
    float score_scale;    /* 1 / sqrt(D) */
    cpu_scratch *scratch; /* (n_threads) */
};

/* backend_cpu.c: at least n floats for every thread, contents lost */
int cpu_scratch_grow(backend_context *c, size_t n, error *err);

/* cpu_weight.c */
int cpu_packer_new(backend_packer **out, size_t n_threads, error *err);
void cpu_packer_free(backend_packer *p);
int cpu_weight_new(backend_weight **out, backend_packer *p, const weight_source *source,
                   error *err);
void cpu_weight_free(backend_weight *w);

/* cpu_product.c */
int cpu_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err);

int cpu_gated(backend_context *c, const backend_weight *w, const float *x, size_t m,
              float *y, error *err);
int cpu_gated_keep(backend_context *c, const backend_weight *w, const float *x, size_t m,
                   float *both, float *y, error *err);

/* cpu_backward.c */
void cpu_gate_back(backend_context *c, const float *dy, size_t m, size_t F, float *both);
int cpu_product_back(backend_context *c, const backend_weight *w, const float *dy,
                     size_t m, float *dx, bool add, error *err);
void cpu_norm_back(backend_context *c, const float *x, const float *w, const float *dy,
                   size_t m, float *dx);
void cpu_rotate_back(backend_context *c, float *dx, size_t stride, size_t n_heads,
                     size_t m, const size_t *at, const float *cosine, const float *sine);
void cpu_softmax_rows(backend_context *c, float *logits, const logit_stats *stats,
                      const double *factors, size_t m);

/* cpu_attention_back.c */
int cpu_attend_back(backend_context *c, const attention *a, const float *d_out,
                    float *d_q, error *err);

/* cpu_attention.c: the layout of keys and values, and */
size_t cpu_round_up(size_t n, size_t to);
size_t cpu_padded_head(const model_shape *s); /* padded D: floats of a row of values */
size_t cpu_key_width(const kernels *k, size_t capacity);
size_t cpu_key_floats(const kernels *k, const model_shape *s, size_t capacity);
size_t cpu_kv_floats(const model_shape *shape, size_t capacity);
void cpu_keep(backend_context *c, const float *k, const float *v, size_t stride,
              const kv_target *targets, size_t n_targets);
void cpu_fetch(backend_context *c, const kv_target *from, float *k, float *v,
               size_t stride);
int cpu_attend(backend_context *c, const attention *a, error *err);

#endif

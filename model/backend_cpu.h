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

/* cpu_attention.c */
size_t cpu_kv_floats(const model_shape *shape, size_t capacity);
void cpu_keep(backend_context *c, const float *k, const float *v, size_t stride,
              const kv_target *targets, size_t n_targets);
int cpu_attend(backend_context *c, const attention *a, error *err);

#endif

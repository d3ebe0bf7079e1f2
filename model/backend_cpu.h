/* What the files of the cpu backend share. Not for others. */
#ifndef LAMARCK_MODEL_BACKEND_CPU_H
#define LAMARCK_MODEL_BACKEND_CPU_H

#include "backend.h"
#include "kernels.h"
#include "pages.h"

struct backend_weight {
    size_t n_in, n_out;
    pages panels; /* (n_panels, n_in, panel width), zeros beyond n_out */
    size_t n_panels;
    bool gated;  /* panels of the gate and of what it gates take turns */
    float *bias; /* (n_out) or NULL */
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
int cpu_weight_new(backend_weight **out, const weight_source *source, size_t n_threads,
                   error *err);
void cpu_weight_free(backend_weight *w);
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

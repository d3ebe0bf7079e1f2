/* Vector kernels: what the cpu backend does to one block of memory in one thread.
 *
 * kernels.c is compiled once per instruction set; kernels_best picks the set that this
 * CPU can run. Every kernel computes an output element by one chain of operations whose
 * order depends on the element alone, never on how many rows or columns the call has or
 * where a block begins. That is why the numbers of a row do not depend on its company.
 * Sets differ from each other in rounding. Stateless; any thread. */
#ifndef LAMARCK_MODEL_KERNELS_H
#define LAMARCK_MODEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    KERNEL_MAX_PANEL = 32, /* widest panel of all sets */
    KERNEL_LANES = 16,     /* padding that suits all sets */
};

/* What a softmax over a row needs; log p(i) = x[i] - max - log_sum. */
typedef struct logit_stats {
    float max;
    size_t argmax;  /* lowest index of the maximum */
    double log_sum; /* ln sum exp(x - max) */
    bool finite;    /* no NaN and no infinite maximum */
} logit_stats;

/* What a product does to c. */
typedef enum product_mode {
    PRODUCT_SET,      /* c = a b */
    PRODUCT_GROW,     /* c += a b, summed apart from c: the smallest rounding error */
    PRODUCT_CONTINUE, /* c is where each sum begins: products over the parts of a longer
                         depth, in order, give the same bits wherever it was cut */
} product_mode;

typedef struct kernels {
    const char *name; /* "avx512" */
    size_t lanes;     /* floats in a vector */
    size_t panel;     /* columns of a packed panel: two vectors */
    size_t tile_rows; /* rows that one register tile holds */
    size_t depth;     /* products this deep are one slice, summed by itself */

    /* c (m, n; row stride ldc) from a (m, k; row stride lda) b, as `mode` says.
     * Element (r, j) of b is b[(j / panel) * panel_stride + r * ldb + j % panel]; its
     * columns must be readable up to the next multiple of `lanes`. */
    void (*product)(size_t m, size_t n, size_t k, const float *a, size_t lda,
                    const float *b, size_t ldb, size_t panel_stride, float *c, size_t ldc,
                    product_mode mode);

    /* y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]. Zhang & Sennrich 2019. */
    void (*rms_norm)(const float *x, const float *w, size_t n, float eps, float *y);

    /* Rotate the pairs (x[i], x[i + half]) by the angles whose cosine and sine are given.
     * Su et al. 2021. */
    void (*rotate)(float *x, const float *cosine, const float *sine, size_t half);

    /* x[i] = exp((x[i] - max x) * scale) for i < n; 0 for n <= i < n_padded. Returns the
     * sum. `x` must have room up to the next multiple of KERNEL_LANES. */
    float (*softmax)(float *x, size_t n, size_t n_padded, float scale);

    void (*scale)(float *x, size_t n, float factor);

    /* y (m, n; stride ldy) = silu(gate) * up, both (m, n; stride ld); silu(z) =
     * z / (1 + exp(-z)). Shazeer 2020. */
    void (*silu_gate)(const float *gate, const float *up, size_t m, size_t n, size_t ld,
                      float *y, size_t ldy);

    void (*stats)(const float *logits, size_t n, logit_stats *out);

    /* x[i] = factor * exp((x[i] - shift) * scale). Returns the sum of the results. */
    float (*exp_scaled)(float *x, size_t n, float shift, float scale, float factor);

    /* to (n_columns, n_rows; row stride ldt) = the transpose of from (n_rows, n_columns;
     * ldf). */
    void (*turn)(const float *from, size_t n_rows, size_t n_columns, size_t ldf,
                 float *to, size_t ldt);

    /* Gradients: d(loss)/d(input) from d(loss)/d(output). */

    /* dx[i] += at x, of rms_norm(x, w), given dy (n). */
    void (*rms_norm_back)(const float *x, const float *w, const float *dy, size_t n,
                          float eps, float *dx);
    /* The transpose of rotate. */
    void (*rotate_back)(float *x, const float *cosine, const float *sine, size_t half);
    /* gate and up (n) become their own gradients, given dy (n) at silu(gate) * up. */
    void (*silu_gate_back)(const float *dy, size_t n, float *gate, float *up);

    /* y[i] = exp(x[i]), relative error below 2.5e-7 for x in [-87.3, 88]; 0 below. */
    void (*exponential)(const float *x, size_t n, float *y);
} kernels;

/* The fastest set that this CPU can run; never NULL. */
const kernels *kernels_best(void);
/* By name, for tests; NULL when unknown or when this CPU cannot run it. */
const kernels *kernels_find(const char *name);

#endif

/* The reparameterisation of prefix tuning: a prefix as the output of a small MLP.
 *
 * out (n, W) = W2 tanh(W1 X + b1) + b2, X (n, I) learned too. Li & Liang 2021, section
 * 4.3; the tensors are PEFT's (embedding.weight, transform.0, transform.2), so that its
 * adapters fold. Trained in place of the prefix, and folded away when it is saved.
 *
 * All parameters are one flat float array, so that an optimiser sees one vector.
 * Ownership: the caller owns every array. Threads: plain functions. */
#ifndef LAMARCK_PREFIX_REPARAM_H
#define LAMARCK_PREFIX_REPARAM_H

#include "../model/base.h"

#include <gsl/gsl_rng.h>

typedef struct reparam {
    size_t n;        /* virtual tokens */
    size_t n_inputs; /* I: width of the embedding */
    size_t n_hidden; /* E */
    size_t width;    /* W: floats of one virtual token */
} reparam;

/* Where the parts lie in the flat array. */
typedef struct reparam_parts {
    size_t inputs;  /* X  (n, I) */
    size_t weight1; /* W1 (E, I) */
    size_t bias1;   /* b1 (E) */
    size_t weight2; /* W2 (W, E) */
    size_t bias2;   /* b2 (W) */
    size_t count;   /* parameters in all */
} reparam_parts;

/* E_MEMORY when the sizes overflow. */
int reparam_layout(const reparam *r, reparam_parts *out, error *err);

/* Random X, W1 and b1; W2 and b2 such that the output starts close to `start` (n, W):
 * NULL: plain random as PEFT does. */
int reparam_init(const reparam *r, float *parameters, const float *start, gsl_rng *rng,
                 error *err);

/* out (n, W); hidden (n, E) is kept for reparam_backward. */
void reparam_forward(const reparam *r, const float *parameters, float *hidden,
                     float *out);
/* gradient (count) = that of the parameters for d_out (n, W); overwritten. */
int reparam_backward(const reparam *r, const float *parameters, const float *hidden,
                     const float *d_out, float *gradient, error *err);

#endif

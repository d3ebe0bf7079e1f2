/* What the two files of the reference backend share. Not for others. */
#ifndef LAMARCK_MODEL_BACKEND_REF_H
#define LAMARCK_MODEL_BACKEND_REF_H

#include "backend.h"

struct backend_weight {
    size_t n_in, n_out;
    float *w;    /* (n_out, n_in) */
    float *bias; /* (n_out) */
};

struct backend_context {
    model_shape shape;
};

/* backend_ref.c */
int ref_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err);
/* Scores of one query against the keys of one span that it may see, from score[first];
 * returns the largest, or max. */
double ref_score_span(const attention *a, const kv_span *s, size_t i, size_t h,
                      size_t kv_head, size_t D, double *score, double max);
/* Is query i one of those that see the span? */
bool ref_sees(const kv_span *s, size_t i);

/* backend_ref_back.c: slots of the table */
int ref_gated_keep(backend_context *c, const backend_weight *w, const float *x, size_t m,
                   float *both, float *y, error *err);
void ref_gate_back(backend_context *c, const float *dy, size_t m, size_t F, float *both);
int ref_product_back(backend_context *c, const backend_weight *w, const float *dy,
                     size_t m, float *dx, bool add, error *err);
void ref_norm_back(backend_context *c, const float *x, const float *w, const float *dy,
                   size_t m, float *dx);
void ref_rotate_back(backend_context *c, float *dx, size_t stride, size_t n_heads,
                     size_t m, const size_t *at, const float *cosine, const float *sine);
int ref_attend_back(backend_context *c, const attention *a, const float *d_out,
                    float *d_q, error *err);
void ref_softmax_rows(backend_context *c, float *logits, const logit_stats *stats,
                      const double *factors, size_t m);

#endif

/* Choosing a token from logits. Not for other folders.
 *
 * Order: repetition penalty, temperature, top-k, top-p (on what top-k left), one uniform
 * draw. Temperature 0 takes the largest penalised logit, the lowest id among equals. */
#ifndef LAMARCK_MODEL_SAMPLE_H
#define LAMARCK_MODEL_SAMPLE_H

#include "kernels.h"
#include "model.h"

typedef struct candidate_token {
    int32_t id;
    double weight; /* unnormalised probability */
} candidate_token;

/* Room to work in; one thread. */
typedef struct sampler {
    const sampling *options;
    size_t V;
    float *logits;               /* (V), penalised */
    candidate_token *candidates; /* (V) */
} sampler;

/* Checks the options: E_ARGUMENT with the value and what would be right. */
int sampler_open(sampler *out, const sampling *options, size_t V, error *err);
void sampler_close(sampler *s);

/* history: all tokens before, context and sampled. */
int32_t sample_token(sampler *s, const float *logits, const int32_t *history,
                     size_t n_history, gsl_rng *rng);

#endif

/* AdamW with decoupled weight decay, a rate schedule and clipping by the global norm.
 *
 * Pure arithmetic on float parameters. Loshchilov & Hutter 2019, algorithm 2, as
 * torch.optim.AdamW has it. Moments are double: a prefix is small, so they cost little,
 * and a second moment of float would lose gradients below 1e-23, which appear when a loss
 * is driven to nought.
 *
 * Ownership: optimizer_new gives, optimizer_free takes. Threads: one at a time. */
#ifndef LAMARCK_PREFIX_OPTIMIZER_H
#define LAMARCK_PREFIX_OPTIMIZER_H

#include "../model/base.h"

typedef struct adamw_options {
    double beta1, beta2; /* 0.9, 0.999 */
    double epsilon;      /* 1e-8 */
    double weight_decay; /* decoupled: parameters shrink by lr * weight_decay */
} adamw_options;

adamw_options adamw_defaults(void);

typedef struct optimizer {
    adamw_options options;
    size_t n;               /* parameters */
    uint64_t n_steps;       /* done */
    double *first, *second; /* (n) moments; owned */
} optimizer;

int optimizer_new(optimizer *out, size_t n, const adamw_options *options, error *err);
void optimizer_free(optimizer *o);

/* One step: parameters (n) move against gradient (n). rates (n): what lr is multiplied
 * with, per parameter; NULL: 1 each. */
void optimizer_step(optimizer *o, float *parameters, const float *gradient,
                    const float *rates, double lr);

/* The Euclidean norm, summed in double. */
double gradient_norm(const float *gradient, size_t n);
/* Scale to at most `limit` (0: no limit), as torch.nn.utils.clip_grad_norm_ does; returns
 * the norm before. */
double gradient_clip(float *gradient, size_t n, double limit);

typedef enum rate_schedule { RATE_CONSTANT, RATE_COSINE } rate_schedule;

/* The factor on the rate of step `step` (from 0) of n_steps: linear over the warm-up,
 * (step + 1) / (n_warmup + 1), then 1, or half a cosine down to 0 at n_steps (Loshchilov
 * & Hutter 2017, SGDR, eq. 5, without restarts). */
double rate_factor(rate_schedule schedule, size_t step, size_t n_warmup, size_t n_steps);

#endif

/* What the files of the trainer share. Private to prefix/. */
#ifndef LAMARCK_PREFIX_TRAIN_PARTS_H
#define LAMARCK_PREFIX_TRAIN_PARTS_H

#include "reparam.h"
#include "train.h"

#include <gsl/gsl_rng.h>

enum {
    PROBE_STEPS = 3, /* of each rate */
};
extern const double probe_rates[TRAIN_PROBE_RATES];

/* The rows of an epoch in the order drawn for it. Drawn anew when another is asked for:
 * a cache, so it is no part of a trainer's state. */
typedef struct epoch_order {
    uint64_t epoch; /* that it is for, from 1; 0: none yet */
    size_t rows[];  /* (n_train) */
} epoch_order;

struct trainer {
    session *session;
    const model *model;
    train_options options;
    const row *train, *selection;
    size_t n_train, n_selection;
    size_t longest; /* tokens of a training row */
    size_t batch;   /* rows of a step */

    size_t n_tokens, width, n_values; /* n_values = n_tokens * width */
    float *values;                    /* (n_values): the prefix as it stands */
    float *start;                     /* where it began */
    float *best;                      /* of the best look */
    float *gradient;                  /* (n_values) */
    float *scales;                    /* (n_values): what each rate is multiplied with */

    reparam mlp; /* n_hidden 0: none, and parameters are the values */
    float *hidden;
    size_t n_parameters;
    float *parameters, *parameter_start, *parameter_gradient;
    optimizer optimizer;

    gsl_rng *rng;
    epoch_order *order;
    double lr;     /* 0 until the probe has found it */
    size_t probed; /* rates tried */
    double probe_losses[TRAIN_PROBE_RATES];

    bool look_due;
    double best_loss, first_loss;
    uint64_t best_step;
    size_t n_worse; /* looks in a row that were no better */
    train_end end;
};

/* ---- train_init.c ---- */

/* n_tokens from the options and the text. */
int train_count_tokens(trainer *t, error *err);
/* Fill `start`. */
int train_start(trainer *t, error *err);
/* Fill `scales`. */
void train_scales(trainer *t);

/* ---- train_step.c ---- */

int train_step(trainer *t, train_event *e, error *err);
int train_probe(trainer *t, train_event *e, error *err);
int train_look(trainer *t, train_event *e, error *err);
/* What step `step` (from 0), and what one rate of the probe, charge. */
uint64_t train_batch_tokens(const trainer *t, uint64_t step);
uint64_t train_probe_tokens(const trainer *t);
/* The n longest training rows; n is at most their number. */
void train_longest(const trainer *t, row *out, size_t n);

#endif

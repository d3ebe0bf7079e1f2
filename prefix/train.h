/* Learning a prefix by gradients through the frozen model, one step at a time.
 *
 * The caller drives: trainer_next says what is due and what it costs, trainer_advance
 * does it. Between any two advances the caller may stop, save the state, and go on later,
 * in another process, to the bit-identical result.
 *
 * Loss: mean over the target tokens of a batch of -ln p, so that rows weigh by their
 * targets, as PEFT's has it. Every token is charged as rows have it, virtual tokens
 * included: a training row three times (one backward = two forwards), an evaluated one
 * once.
 *
 * Ownership: the trainer borrows session, rows and what options point to, all of which
 * must outlive it; it sets and takes away the session's prefix. Threads: one at a time.
 */
#ifndef LAMARCK_PREFIX_TRAIN_H
#define LAMARCK_PREFIX_TRAIN_H

#include "optimizer.h"
#include "prefix.h"

typedef enum prefix_init {
    PREFIX_INIT_TEXT, /* the text's embeddings, or its real keys and values */
    PREFIX_INIT_RANDOM,
    PREFIX_INIT_VOCABULARY, /* n tokens drawn from the vocabulary */
    PREFIX_INIT_LABELS,     /* the class labels, one after the other */
    PREFIX_INIT_GIVEN,      /* another prefix */
} prefix_init;

/* "text", "random", "vocabulary", "labels", "given". */
const char *prefix_init_name(prefix_init init);

typedef struct train_options {
    prefix_kind kind;
    size_t n_tokens; /* virtual tokens; 0: as many as the text has, 20 without a text */
    size_t reparameterise; /* hidden width E of the MLP; 0: none. Key-values only */
    prefix_init init;
    /* Shorter than n tokens: repeated; longer: cut (PEFT's rule). Encoded as the start of
     * a row: with BOS where the tokenizer adds one. */
    const char *text;
    const char *const *labels;
    size_t n_labels;
    const prefix *given;
    double lr; /* 0: found by a probe */
    rate_schedule schedule;
    size_t n_warmup; /* steps */
    size_t n_steps;
    size_t batch;      /* rows of one optimiser step; 0: all */
    size_t accumulate; /* parts that a batch is run in, 1 or more: memory, not meaning */
    bool in_order;     /* rows in the order given, not shuffled anew in each epoch */
    double weight_decay; /* towards the start, not towards 0: see train.c */
    bool decay_to_zero;  /* as PEFT decays */
    double clip;         /* of the gradient's norm; 0: none */
    bool same_rate;      /* one rate for all layers, as PEFT; else rates by their scale */
    size_t eval_every;   /* steps between looks at the selection rows */
    size_t patience;     /* looks without a better one before the end; 0: never */
    uint64_t seed;
} train_options;

/* Defaults that train. */
train_options train_defaults(prefix_kind kind);

enum { TRAIN_PROBE_RATES = 4 }; /* that a probe tries */

typedef enum train_action {
    TRAIN_PROBE,    /* one rate of the probe */
    TRAIN_STEP,     /* one optimiser step */
    TRAIN_EVALUATE, /* a look at the selection rows */
    TRAIN_END,
} train_action;

typedef enum train_end {
    TRAIN_GOES_ON,
    TRAIN_ALL_STEPS, /* n_steps are done */
    TRAIN_NO_BETTER, /* patience */
    TRAIN_DIVERGED,  /* a loss or gradient that is not a number, or that exploded */
} train_end;

/* What an advance did. */
typedef struct train_event {
    train_action action;
    size_t step;          /* optimiser steps done */
    double loss;          /* nats per target token: of the batch before the step, or of
                             the selection rows */
    double gradient_norm; /* before clipping; 0 for evaluations */
    double lr;            /* of the step; of a probe: the rate tried */
    uint64_t tokens;      /* charged */
    bool best;            /* an evaluation: better than all before */
} train_event;

typedef struct trainer trainer;

/* Checks everything that can be checked before the first step: E_ARGUMENT (no training
 * rows, a text of no tokens, options out of range), E_LIMIT (no room for the prefix in
 * the window). selection may be empty: then the last prefix is the best one. */
int trainer_new(trainer **out, session *s, const model *m, const train_options *options,
                const row *train, size_t n_train, const row *selection,
                size_t n_selection, error *err);
void trainer_free(trainer *t);

/* What is due, and what it will charge (NULL allowed). */
train_action trainer_next(const trainer *t, uint64_t *tokens);
/* Do it. E_NUMERIC names the step whose loss or gradient is no number, or exploded: the
 * training ends there and trainer_best still gives the last good prefix. After any other
 * failure (E_INTERRUPTED) nothing has happened, and the same action is due. */
int trainer_advance(trainer *t, train_event *out, error *err);
train_end trainer_ended(const trainer *t);

/* The rate in use: 0 while the probe goes on. */
double trainer_rate(const trainer *t);
const train_options *trainer_options(const trainer *t); /* as completed; borrowed */
size_t trainer_steps(const trainer *t);

/* New copies: the prefix of the best selection loss (the start until the first look), and
 * the latest one. */
int trainer_best(const trainer *t, prefix *out, error *err);
int trainer_latest(const trainer *t, prefix *out, error *err);

/* Mean nats per target token of rows behind a prefix (NULL: behind nothing). The
 * session is left without a prefix. */
int train_loss(session *s, const prefix *p, const row *rows, size_t n, double *out,
               error *err);

/* What a step takes of memory, at its largest batch. */
int trainer_estimate(trainer *t, gradient_estimate *out, error *err);

/* All state, for a later trainer of the same options, rows and model; E_FORMAT when the
 * bytes are not whole, E_ARGUMENT when they are of another training. */
int trainer_save_state(const trainer *t, text *out, error *err);
int trainer_load_state(trainer *t, const void *bytes, size_t n, error *err);

#endif

/* What a run of `lamarck prefix` writes down: its steps, its evaluations, where it can go
 * on from, and the best vectors so far. A part of the store, whose rules hold here too.
 *
 * Everything that belongs to one moment is written in one transaction: a run killed
 * between two of them goes on from its last checkpoint and repeats the steps after it,
 * which come out, and are charged, as they were. */
#ifndef LAMARCK_EXPERIMENTS_STORE_TRAINING_H
#define LAMARCK_EXPERIMENTS_STORE_TRAINING_H

#include "../../prefix/prefix.h"
#include "store.h"

typedef struct training_step {
    size_t step;            /* from 1 */
    double loss, grad_norm; /* of the batch, before the update */
    double rate;
    uint64_t tokens; /* of all purposes, up to here */
    double seconds;  /* as in history_point */
} training_step;

typedef struct training_evaluation {
    size_t step; /* after so many updates */
    double loss; /* on the selection split */
    bool best;   /* so far */
    uint64_t tokens;
    double seconds;
} training_evaluation;

/* Where a training goes on from. */
typedef struct training_checkpoint {
    size_t step;
    spend spent[N_PURPOSES];
    double seconds;
    char *state; /* trainer_save_state; owned */
    size_t n;
} training_checkpoint;

/* Facts that stand when a training begins. */
typedef struct training_facts {
    char *method; /* "prompt", "prefix" */
    size_t n_tokens;
    char *start;    /* what the vectors began as, in words */
    size_t planned; /* steps */
    double rate;    /* peak learning rate; NaN while a probe has not chosen it */
    uint64_t peak_bytes;
    uint64_t parameters; /* numbers that are learned */
} training_facts;

struct training_record {
    training_facts facts;
    training_step *steps;
    size_t n_steps;
    training_evaluation *evaluations;
    size_t n_evaluations;
    size_t best_step; /* of the vectors that are kept */
    double best_loss;
    bool has_prefix;
    /* With the verdict: the same rows with nothing before them, and the vectors against
     * that. */
    bool has_bare;
    split_score bare;
    double difference, ci_low, ci_high, p;
};

/* What it owns, not t itself. */
void training_record_clear(training_record *t);

/* Marks run `id` as a training, and keeps its facts up to date. */
int store_put_training(store *s, uint64_t run, const training_facts *f, error *err);
int store_put_training_step(store *s, uint64_t run, const training_step *t, error *err);
/* A step as an earlier process recorded it: 1, or 0 if the step is new. */
int store_get_training_step(store *s, uint64_t run, size_t step, training_step *out,
                            error *err);
int store_put_evaluation(store *s, uint64_t run, const training_evaluation *e,
                         error *err);
/* In the place of the last one. */
int store_put_checkpoint(store *s, uint64_t run, const training_checkpoint *c,
                         error *err);
/* 1 (free(out->state)) or 0. */
int store_get_checkpoint(store *s, uint64_t run, training_checkpoint *out, error *err);
/* The best vectors so far. */
int store_put_prefix(store *s, uint64_t run, const prefix *p, error *err);
/* 1 (prefix_free(out)) or 0; E_FORMAT when what is there has not the size it says. */
int store_get_prefix(store *s, const run_record *r, prefix *out, error *err);
/* Beside store_put_verdict: how the vectors compare with nothing. */
int store_put_bare(store *s, uint64_t run, const training_record *t, error *err);

#endif

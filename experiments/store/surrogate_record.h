/* How it stood with a reward that chooses what people see, after each batch that people
 * decided in part: for those who look at a run. Kept in the memo, under the run and the
 * number of the batch, before the next batch begins; a replay writes the same again. */
#ifndef LAMARCK_EXPERIMENTS_STORE_SURROGATE_RECORD_H
#define LAMARCK_EXPERIMENTS_STORE_SURROGATE_RECORD_H

#include "store.h"

typedef enum surrogate_stage {
    SURROGATE_LEARNS, /* there are too few ratings: people see everything */
    SURROGATE_TRIAL,  /* it predicts, and people see everything still, or again */
    SURROGATE_TRUSTED /* people see what it does not decide */
} surrogate_stage;
enum { N_SURROGATE_STAGES = SURROGATE_TRUSTED + 1 };
extern const char *const surrogate_stage_names[]; /* "learning", "on trial", "trusted" */

typedef struct surrogate_record {
    surrogate_stage stage; /* of the next batch */
    size_t batches;
    size_t by_people, by_reward; /* scores so far; of a text like the seed's, neither */
    size_t ratings;              /* that the next fit learns from */
    size_t predicted;            /* ratings of the guard's window */
    double tau, low, high;       /* their correlation with what was predicted; NaN */
    size_t hand_backs;           /* times that it was handed back to people */
    double slope; /* of people's scores on the reward's, both as log odds */
} surrogate_record;

/* After batch number `batch`, from 0. */
int surrogate_record_put(store *s, uint64_t run, size_t batch, const surrogate_record *r,
                         error *err);
/* 1, or 0 when there is none of this batch. */
int surrogate_record_get(store *s, uint64_t run, size_t batch, surrogate_record *out,
                         error *err);
/* All of a run, in order: *out is new, free(). */
int surrogate_record_list(store *s, uint64_t run, surrogate_record **out, size_t *n,
                          error *err);

/* Where something of a batch is in the memo. */
int surrogate_key(uint64_t run, size_t batch, const char *what, char key[SHA256_HEX],
                  error *err);

#endif

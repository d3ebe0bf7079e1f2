/* Inside the scorer: a list of rows on its way through the memo, the same for scores,
 * texts and next tokens. Only scorer*.c include this. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_SCORER_JOB_H
#define LAMARCK_EXPERIMENTS_FITNESS_SCORER_JOB_H

#include "key_ledger.h"
#include "scorer.h"

struct scorer {
    const model *model;
    session *session;
    scorer_options options;
    size_t window;
    text prefix;      /* of what is hashed: who computes, and how; and behind what */
    size_t n_who;     /* bytes of it that say who and how */
    size_t n_virtual; /* tokens before every row */
    key_ledger keys;
    double slice_tokens;
};

/* What is asked of rows: the part of the key that they share. */
typedef enum task_kind { TASK_SCORE, TASK_GENERATE, TASK_NEXT } task_kind;
typedef struct task {
    task_kind kind;
    const sampling *sampling; /* TASK_GENERATE */
    size_t k;                 /* TASK_NEXT */
} task;

/* A result as the memo keeps it. */
typedef struct value {
    char *bytes; /* owned; NULL: not there */
    size_t n;
    bool foreign;
} value;

typedef struct job {
    scorer *scorer;
    task task;
    const row *rows;
    size_t n;
    char (*keys)[SHA256_HEX];
    size_t *first; /* the first row of the list with the same key: itself, mostly */
    bool *due;     /* to be charged */
    value *values; /* only at first rows */
    size_t *missing;
    size_t n_missing;
} job;

/* Computes the values of rows index[0..n). */
typedef int compute_function(job *j, const size_t *index, size_t n, error *err);

/* Names every row; finds equal ones and those to be charged. */
int job_new(job *j, scorer *c, task t, const row *rows, size_t n, error *err);
void job_free(job *j);

/* From here on every first row has a value: out of the memo, or computed in slices, each
 * kept before the next. E_FORMAT unless all values have `bytes` bytes (at least, when not
 * `exact`). Then charges what is due. */
int job_run(job *j, compute_function *compute, size_t bytes, bool exact, expense *spent,
            error *err);

/* Tell who listens; returns the seconds that the next slice may take. */
double scorer_tick(const scorer *c, uint64_t tokens);

/* The most that the row can be charged. */
uint64_t row_price(const scorer *c, const task *t, const row *r);

/* For a compute_function: the rows it is to compute (new), and a place for a result. */
int job_collect_rows(const job *j, const size_t *index, size_t n, row **out, error *err);
int job_set_value(job *j, size_t i, const void *bytes, size_t n, error *err);

#endif

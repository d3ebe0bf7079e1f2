/* The honest end of a search: the few best again on the selection split, then the winner
 * and the user's own prompt on the final split, which nobody has seen so far. What that
 * can cost at most is known before each step and kept in reserve. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_FINISH_H
#define LAMARCK_EXPERIMENTS_RUNS_FINISH_H

#include "ledger.h"

/* What measuring one candidate on each of the last two splits would be charged. */
typedef struct finish_cost {
    expense selection, final;
    bool known;
} finish_cost;

typedef struct finish {
    const experiment *experiment; /* borrowed */
    objective *objective;         /* borrowed */
    finish_cost *costs;           /* by candidate id - 1 */
    size_t n, capacity;
} finish;

void finish_free(finish *f);

/* An upper bound of what the finish costs, if the search stood as it does now after
 * `queries` are answered. `s` may be NULL: then only the queried candidates exist. */
int finish_reserve(finish *f, const search *s, const search_query *queries, size_t n,
                   expense *out, error *err);

/* Measure and judge; charges the ledger. stage(context, "selection" or "final") is called
 * as each part begins. 1: *out is filled; 0: some answers are pending (people), ask
 * again later. */
int finish_run(finish *f, const search *s, ledger *l,
               void (*stage)(void *context, const char *name), void *context,
               verdict *out, error *err);

/* What a candidate got, less `penalty`; takes m->scores. */
split_score split_score_of(measurement *m, uint64_t id, double penalty);
/* Fill in how v->best differs from v->seed, from their scores. */
int verdict_compare(verdict *v, uint64_t seed, error *err);

#endif

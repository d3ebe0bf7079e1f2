/* The loop of a run, for any objective: ask, measure, tell, record, until the budget or
 * the search ends; then the finish. Always from the beginning: what a former process
 * measured comes out of the objective's memory, what it recorded is checked, and the
 * seconds it took are taken over. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_RUN_LOOP_H
#define LAMARCK_EXPERIMENTS_RUNS_RUN_LOOP_H

#include "../fitness/objective.h"
#include "../fitness/scorer.h"
#include "run.h"

/* All borrowed. */
typedef struct run_parts {
    const experiment *experiment;
    store *store; /* holds run `id` */
    uint64_t id;
    objective *objective;
    paid_proposer *proposer; /* NULL: none */
    ticker *ticker;          /* what the objective calls as it works; filled in here */
    double (*clock)(void);   /* seconds, monotone; NULL: CLOCK_MONOTONIC */
} run_parts;

/* Returns 0 when the run is finished, or waits for answers that are pending (its status
 * in the store says which). On failure, E_INTERRUPTED among them, everything measured is
 * kept and the status is "stopped". */
int run_loop(const run_parts *parts, const run_options *options, error *err);

/* What the first generation and the finish would cost; nothing is measured. E_LIMIT,
 * saying what would be enough, when the experiment's budget is smaller. `pace` is tokens
 * per second, 0 when unknown. */
int run_check_budget(const experiment *e, objective *o, double pace, expense *first,
                     expense *finish_most, error *err);

#endif

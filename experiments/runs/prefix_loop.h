/* The loop of a run that learns a prefix: advance, charge, record, until the budget or
 * the training ends; then the finish. A run that was killed goes on from its last
 * checkpoint: the steps after that are done again, must come out as they are on record,
 * and cost no more than they did. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_PREFIX_LOOP_H
#define LAMARCK_EXPERIMENTS_RUNS_PREFIX_LOOP_H

#include "prefix_run.h"
#include "prefix_task.h"

/* All borrowed. */
typedef struct prefix_parts {
    prefix_task *task;
    store *store; /* holds run `id` */
    uint64_t id;
    ticker *ticker; /* what the objectives call as they work; filled in here */
} prefix_parts;

/* Returns 0 when the run is finished. On failure everything done is kept and the status
 * is "stopped". */
int prefix_loop(const prefix_parts *parts, const prefix_run_options *options, error *err);

#endif

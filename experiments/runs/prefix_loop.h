/* The loop of a run that learns a prefix: advance, charge, record, until the budget or
 * the training ends; then the finish. A run that was killed goes on from its last
 * checkpoint: the steps after that are done again, must come out as they are on record,
 * and cost no more than they did. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_PREFIX_LOOP_H
#define LAMARCK_EXPERIMENTS_RUNS_PREFIX_LOOP_H

#include "prefix_run.h"
#include "prefix_task.h"
#include "run_frame.h"

/* Returns 0 when the run is finished. On failure everything done is kept and the status
 * is "stopped". */
int prefix_loop(prefix_task *task, const run_place *place,
                const prefix_run_options *options, error *err);

#endif

/* A simulated crowd at work on a run's own tasks, in this process: the raters of
 * rater/simulate.h, through crowd_assign and crowd_submit like everybody else, with the
 * source "simulated". Reports say so. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_CROWD_SIMULATED_H
#define LAMARCK_EXPERIMENTS_FITNESS_CROWD_SIMULATED_H

#include "../definition/experiment.h"

/* Let the crowd of the experiment give up to `most` answers, each rater in his turn;
 * *given: how many it gave before nobody had anything left to answer. All or nothing. */
int crowd_simulated_work(crowd *c, const experiment *e, size_t most, size_t *given,
                         error *err);

#endif

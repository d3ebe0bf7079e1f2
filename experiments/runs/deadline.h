/* A run's time while a step is under way. The ledger knows complete steps, and decides
 * what may begin; this knows the clock, and when what has begun must end so that the
 * finish still fits into a budget of seconds. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_DEADLINE_H
#define LAMARCK_EXPERIMENTS_RUNS_DEADLINE_H

#include "ledger.h"

typedef struct deadline {
    const ledger *ledger;  /* borrowed */
    double (*clock)(void); /* seconds, monotone */
    double mark;           /* the clock when the last step was complete */
    bool held;             /* no: whatever is done now is done to its end */
    double ticked;         /* the clock at the last tick */
    speed late;            /* as the ledger's, with what was computed since */
    uint64_t fresh;        /* tokens computed since deadline_begin */
} deadline;

void deadline_open(deadline *d, const ledger *l, double (*clock)(void));
/* Seconds of the run so far. */
double deadline_elapsed(const deadline *d);
/* The ledger knows all that has passed. */
void deadline_mark(deadline *d);
/* Seconds of the run so far, of which the ledger is about to be told. */
double deadline_take(deadline *d);

/* A step or a stage of the finish begins. `hold` it to the budget, if that has seconds.
 */
void deadline_begin(deadline *d, bool hold);
/* So many tokens were computed since the last tick. Returns the seconds until what is
 * being done must end, so that `reserve` can follow; INFINITY when it is not held. */
double deadline_tick(deadline *d, uint64_t tokens, const expense *reserve);

#endif

/* What a run writes down after each step: the point of its history, its operators'
 * rates, and every candidate that changed; or, while it is replayed, the check that it
 * still does what was written down. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_RUN_RECORD_H
#define LAMARCK_EXPERIMENTS_RUNS_RUN_RECORD_H

#include "../definition/experiment.h"
#include "../store/store.h"

typedef struct recorder {
    const experiment *experiment; /* borrowed, as the store */
    store *store;
    uint64_t id;       /* the run */
    struct seen *seen; /* by candidate id - 1: as last written */
    size_t n, capacity;
    text prompt; /* the best one, as a person reads it */
} recorder;

/* Fill the rest of *h (its step, spent and seconds are the caller's) and record the step.
 * 1 when a former process had recorded it: then h->seconds is what that one took.
 * E_FORMAT when the replay does not do what was recorded. */
int recorder_step(recorder *r, const search *s, history_point *h, error *err);
void recorder_free(recorder *r);

#endif

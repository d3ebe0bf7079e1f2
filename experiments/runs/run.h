/* A run: a search, an objective and a store, driven to the end of a budget and to an
 * honest verdict; the same function starts a run and goes on with a killed one (by
 * replay). */
#ifndef LAMARCK_EXPERIMENTS_RUNS_RUN_H
#define LAMARCK_EXPERIMENTS_RUNS_RUN_H

#include "../definition/experiment.h"
#include "../fitness/objective.h"
#include "../store/store.h"

/* What a watcher sees; all pointers borrowed for the call. */
typedef struct run_progress {
    const experiment *experiment;
    const search *search;       /* NULL once the finish has begun */
    const char *stage;          /* "replaying", "search", "selection", "final" */
    const history_point *point; /* the latest; NULL before the first */
    const char *best_prompt;    /* as a person reads it; NULL before the first */
    double seconds;
    double tokens_per_second;
    const people_state *people; /* NULL: nobody is asked */
} run_progress;

typedef struct run_options {
    void (*watch)(void *context, const run_progress *p); /* NULL: nobody */
    void *context;
    const volatile int *interrupt; /* set by a signal: stop soon, keep everything */
    double poll_seconds; /* where people judge: stay, and look for answers so often; 0: as
                            the experiment says. E_ARGUMENT where the model judges */
} run_options;

/* Start: a new run in `dir`, which is not touched before everything that can be known to
 * be wrong has been checked: E_LIMIT for a seed that does not fit the window or a budget
 * below the first generation and the finish. 0 when the run is finished, or waits for
 * answers that are pending (status "waiting"). E_INTERRUPTED after Ctrl-C (everything
 * kept, status "stopped"). */
int run_start(const experiment *e, const char *dir, const run_options *options,
              uint64_t *id, error *err);
/* Go on with run `id` (0: the latest unfinished) of `dir`; a finished one is left alone.
 * E_BUSY with the process id of whoever works on it; E_FORMAT when the model is another,
 * or when the replay does not do what was recorded. */
int run_resume(const char *dir, uint64_t id, const run_options *options,
               uint64_t *done_id, error *err);

/* What a run would cost, from a short probe of this machine; nothing is written. */
typedef struct run_estimate {
    uint64_t tokens, evaluations; /* at most: the budget, or what the search would ask */
    uint64_t first_generation_tokens, finish_tokens;
    uint64_t first_generation_ratings, finish_ratings;
    double tokens_per_second, seconds;
    uint64_t ratings; /* asked of people, at most; 0 where nobody is asked */
    double cents, people_seconds;
} run_estimate;
int run_dry(const experiment *e, run_estimate *out, error *err);

#endif

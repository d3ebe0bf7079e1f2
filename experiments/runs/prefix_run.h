/* A run that learns a prefix: a trainer, a store and the objective of its experiment,
 * driven to the end of a budget and to an honest verdict; begun, gone on with, and
 * foretold, as run.h does for searches. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_PREFIX_RUN_H
#define LAMARCK_EXPERIMENTS_RUNS_PREFIX_RUN_H

#include "../definition/experiment.h"
#include "../store/training.h"

/* What a watcher sees; all pointers borrowed for the call. */
typedef struct prefix_progress {
    const experiment *experiment;
    const char *stage; /* "replaying", "rate", "training", "final" */
    const training_record *so_far;
    spend spent;
    double rate; /* "rate": the one that is tried */
    double seconds, tokens_per_second;
} prefix_progress;

typedef struct prefix_run_options {
    void (*watch)(void *context, const prefix_progress *p); /* NULL: nobody */
    void *context;
    const volatile int *interrupt; /* set by a signal: stop soon, keep everything */
    double (*clock)(void);         /* seconds, monotone; NULL: CLOCK_MONOTONIC */
} prefix_run_options;

/* With `init: run`: look up the best prompt of that run and let the prefix begin as it,
 * learned on the rows that stand behind it there (unless the section has its own). To be
 * called before the experiment is run or foretold; does nothing for other inits. */
int prefix_run_look_up(experiment *e, error *err);

/* Start a new run in `dir`, which is not touched before everything that can be known to
 * be wrong has been checked: E_LIMIT for rows that do not fit behind the vectors, or a
 * budget below the first step and the finish. 0 when the run is finished; E_INTERRUPTED
 * after Ctrl-C (everything kept, status "stopped"); E_NUMERIC, naming the step, when the
 * loss was no number any more or grew beyond bounds: the best vectors until then are
 * kept, and there is no verdict. */
int prefix_run_start(const experiment *e, const char *dir,
                     const prefix_run_options *options, uint64_t *id, error *err);
/* Go on with run `id` (0: the latest unfinished) of `dir` from its last checkpoint, to
 * the bit-identical vectors and the same spend; a finished one is left alone. E_BUSY and
 * E_FORMAT as run_resume; E_ARGUMENT for a run that is a search. */
int prefix_run_resume(const char *dir, uint64_t id, const prefix_run_options *options,
                      uint64_t *done_id, error *err);

/* What a run would cost, from a short probe of this machine; nothing is written. */
typedef struct prefix_estimate {
    uint64_t tokens;      /* at most: the budget, or all steps */
    uint64_t step_tokens; /* of an average step, its share of the evaluations included */
    uint64_t finish_tokens;
    size_t steps;    /* at most */
    size_t n_tokens; /* virtual ones */
    uint64_t parameters;
    uint64_t peak_bytes; /* beside the weights */
    double tokens_per_second, seconds;
} prefix_estimate;
int prefix_run_dry(const experiment *e, prefix_estimate *out, error *err);

#endif

/* What stands around the work of every run, be it a search or the training of a prefix:
 * the folder and its lock, the experiment as it is recorded, the model, and the end.
 *
 * A kind of run says how it opens, what it records of itself, and what its work is. One
 * thread. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_RUN_FRAME_H
#define LAMARCK_EXPERIMENTS_RUNS_RUN_FRAME_H

#include "../fitness/fitness_lm.h"
#include "ledger.h"

/* Where the work is done. All borrowed. */
typedef struct run_place {
    store *store; /* holds run `id`, whose lock it has */
    const char *dir;
    uint64_t id;
    ticker *ticker; /* what the objective calls as it works; filled in by the work */
} run_place;

/* A run at work: the first member of what each kind keeps. */
typedef struct run_work {
    const struct run_kind *kind;
    const volatile int *interrupt; /* set by a signal; NULL: none */
    const experiment *experiment;  /* filled in by the frame, before open() */
    judge *judge;                  /* filled in by open(); borrowed */
} run_work;

typedef struct run_kind {
    bool trains; /* a training, not a search */
    /* The model, and all that the work wants. On failure nothing is left to close. */
    int (*open)(run_work *w, const judge_options *options, error *err);
    /* Whether the run can come to an end: before there is a folder, and nothing is spent
     */
    int (*check)(run_work *w, error *err);
    /* What belongs to the run from its first moment; NULL: nothing more */
    int (*record)(run_work *w, store *s, uint64_t id, error *err);
    int (*work)(run_work *w, const run_place *place, error *err);
    void (*close)(run_work *w);
} run_kind;

/* A new run in `dir`, which is not touched before open() and check() have succeeded. */
int run_frame_start(run_work *w, const experiment *e, const char *dir, uint64_t *id,
                    error *err);
/* Go on with run `id` (0: the latest unfinished); a finished one is left alone. The
 * numbers are remembered under the backend that the run began with, so that what was
 * measured then is found again even if this machine would round otherwise. E_ARGUMENT for
 * a run of the other kind. */
int run_frame_resume(run_work *w, const char *dir, uint64_t id, uint64_t *done_id,
                     error *err);

/* ---- For the work itself ---- */

/* E_INTERRUPTED when the flag (NULL: none) is set. */
int run_check_interrupt(const volatile int *interrupt, error *err);

/* How a run ends, or pauses. */
typedef struct run_ending {
    const char *reason;
    run_status status;
    const verdict *verdict; /* NULL: none */
} run_ending;
/* To be called between store_begin and store_end. */
int run_put_ending(store *s, uint64_t id, const ledger *l, const run_ending *ending,
                   error *err);

#endif

#include "run_frame.h"

#include <stdlib.h>

/* ---- A new run ---- */

/* The run, and what its kind keeps of it: at once, so that a kill leaves a whole run or
 * none. */
static int begin(run_work *w, store *s, uint64_t *id, error *err)
{
    const experiment *e = w->experiment;
    const char *hash;
    char *json = NULL;
    TRY(model_hash(w->judge->model, &hash, err));
    TRY(experiment_dump(e, &json, err));
    int rc = store_begin(s, err);
    if (rc == 0) {
        rc = store_run_begin(s, e->name, e->seed, json, hash,
                             session_describe(w->judge->session), id, err);
        if (rc == 0 && w->kind->record)
            rc = w->kind->record(w, s, *id, err);
        rc = store_end(s, rc, err);
    }
    free(json);
    return rc;
}

static int start(run_work *w, const char *dir, ticker *t, uint64_t *id, error *err)
{
    store *s = NULL;
    TRY(w->kind->check(w, err));
    TRY(store_open(&s, dir, true, err));
    scorer_use_store(w->judge->scorer, s);
    int rc = begin(w, s, id, err);
    if (rc == 0)
        rc = w->kind->work(w, &(run_place){s, dir, *id, t}, err);
    scorer_use_store(w->judge->scorer, NULL);
    store_close(s);
    return rc;
}

int run_frame_start(run_work *w, const experiment *e, const char *dir, uint64_t *id,
                    error *err)
{
    ticker t = {0};
    w->experiment = e;
    TRY(w->kind->open(w, &(judge_options){.interrupt = w->interrupt, .ticker = &t}, err));
    int rc = start(w, dir, &t, id, err);
    w->kind->close(w);
    return rc;
}

/* ---- A run that is there ---- */

static int go_on(run_work *w, store *s, const char *dir, const run_record *r, error *err)
{
    experiment *e = NULL;
    ticker t = {0};
    TRY(experiment_restore(&e, r->experiment, err));
    judge_options how = {.store = s,
                         .model_hash = r->model_hash,
                         .backend = r->backend,
                         .interrupt = w->interrupt,
                         .ticker = &t};
    w->experiment = e;
    int rc = w->kind->open(w, &how, err);
    if (rc == 0) {
        rc = w->kind->work(w, &(run_place){s, dir, r->id, &t}, err);
        w->kind->close(w);
    }
    experiment_free(e);
    return rc;
}

static int refuse_other_kind(const run_record *r, const char *dir, error *err)
{
    return error_set(err, E_ARGUMENT,
                     "run %llu of %s is %s: go on with 'lamarck %s --resume %s'",
                     (unsigned long long)r->id, dir,
                     r->training ? "the training of a prefix" : "a search",
                     r->training ? "prefix" : "evolve", dir);
}

static int resume(run_work *w, store *s, const char *dir, uint64_t id, uint64_t *done_id,
                  error *err)
{
    run_record *r = NULL;
    if (id == 0) {
        TRY(store_run_latest(s, true, &id, err));
        if (id == 0)
            return error_set(err, E_ARGUMENT, "%s holds no run that is not finished",
                             dir);
    }
    TRY(store_run_lock(s, id, err));
    TRY(store_run_read(s, id, &r, err));
    int rc = 0;
    if (w->kind->trains != (r->training != NULL))
        rc = refuse_other_kind(r, dir, err);
    else if (r->status != RUN_FINISHED)
        rc = go_on(w, s, dir, r, err);
    run_record_free(r);
    *done_id = id;
    return rc;
}

int run_frame_resume(run_work *w, const char *dir, uint64_t id, uint64_t *done_id,
                     error *err)
{
    store *s = NULL;
    TRY(store_open(&s, dir, false, err));
    int rc = resume(w, s, dir, id, done_id, err);
    store_close(s);
    return rc;
}

/* ---- For the work itself ---- */

int run_check_interrupt(const volatile int *interrupt, error *err)
{
    return interrupt && *interrupt ? error_set(err, E_INTERRUPTED, "stopped by the user")
                                   : 0;
}

int run_put_ending(store *s, uint64_t id, const ledger *l, const run_ending *ending,
                   error *err)
{
    TRY(store_put_end(s, id, ending->reason, l->spent, l->seconds, err));
    if (ending->verdict)
        TRY(store_put_verdict(s, id, ending->verdict, err));
    return store_run_status(s, id, ending->status, err);
}

/* What the store keeps about runs, and the lock that lets one process at a time write a
 * run. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_sql.h"

static const char *const status_names[] = {"running", "stopped", "waiting", "finished"};
static const char *const purpose_names[] = {"search", "proposals", "training",
                                            "selection", "final"};

const char *run_status_name(run_status s)
{
    return status_names[s];
}

const char *purpose_name(purpose p)
{
    return purpose_names[p];
}

void spend_add(spend *sum, const spend *x)
{
    sum->tokens += x->tokens;
    sum->evaluations += x->evaluations;
    sum->reused += x->reused;
    sum->ratings += x->ratings;
}

/* ---- The lock ----
 *
 * DIR/lock has one line of LOCK_BYTES per run. Whoever works on run i holds an open file
 * description lock (fcntl(2), F_OFD_SETLK) on line i, which the kernel drops with the
 * process however that dies, and has written its process id there for others to name. */

enum { LOCK_BYTES = 16 };

static struct flock lock_range(uint64_t run)
{
    return (struct flock){.l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)((run - 1) * LOCK_BYTES),
                          .l_len = LOCK_BYTES};
}

static int open_lock_file(const store *s, int flags, char *path, size_t n)
{
    snprintf(path, n, "%s/lock", s->dir);
    return open(path, flags | O_CLOEXEC, 0666);
}

/* The process id that the holder wrote; 0 when it has not come to that yet. */
static long lock_holder(int fd, uint64_t run)
{
    char line[LOCK_BYTES + 1] = "";
    if (pread(fd, line, LOCK_BYTES, (off_t)((run - 1) * LOCK_BYTES)) <= 0)
        return 0;
    return strtol(line, NULL, 10);
}

static int take_lock(store *s, uint64_t run, error *err)
{
    char path[4096], line[LOCK_BYTES + 1];
    if (s->lock_fd >= 0)
        return error_set(err, E_BUSY, "this store already holds run %llu of %s",
                         (unsigned long long)s->run, s->dir);
    int fd = open_lock_file(s, O_RDWR | O_CREAT, path, sizeof path);
    if (fd < 0)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    struct flock range = lock_range(run);
    snprintf(line, sizeof line, "%*ld\n", LOCK_BYTES - 1, (long)getpid());
    int rc = 0;
    if (fcntl(fd, F_OFD_SETLK, &range) != 0)
        rc = errno == EAGAIN || errno == EACCES
                 ? error_set(err, E_BUSY,
                             "run %llu of %s is being worked on by process %ld",
                             (unsigned long long)run, s->dir, lock_holder(fd, run))
                 : error_set(err, E_IO, "cannot lock %s: %s", path, strerror(errno));
    else if (pwrite(fd, line, LOCK_BYTES, range.l_start) != LOCK_BYTES)
        rc = error_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
    if (rc < 0) {
        close(fd);
        return rc;
    }
    s->lock_fd = fd;
    s->run = run;
    return 0;
}

static void drop_lock(store *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    s->lock_fd = -1;
    s->run = 0;
}

bool store_run_is_held(const store *s, uint64_t id)
{
    char path[4096];
    if (s->lock_fd >= 0 && s->run == id)
        return true;
    int fd = open_lock_file(s, O_RDWR, path, sizeof path);
    if (fd < 0) /* no file: no run was ever locked; no permission: assume the best */
        return errno != ENOENT;
    struct flock range = lock_range(id);
    bool held = fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
    close(fd);
    return held;
}

/* ---- Runs ---- */

int store_run_begin(store *s, const char *name, uint64_t seed,
                    const char *experiment_json, const char *model_hash,
                    const char *backend, uint64_t *id, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc = store_execute(s, SQL_RUN_NEW, "begin a run", err, "sisss", name,
                           (int64_t)seed, experiment_json, model_hash, backend);
    uint64_t run = (uint64_t)sqlite3_last_insert_rowid(s->file.db);
    /* Locked before anybody can see it, so that no other process resumes it first. */
    if (rc == 0)
        rc = take_lock(s, run, err);
    bool locked = rc == 0;
    rc = store_leave(s, opened, rc, err);
    if (rc < 0 && locked)
        drop_lock(s);
    if (rc == 0)
        *id = run;
    return rc;
}

int store_run_lock(store *s, uint64_t id, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_RUN_EXISTS, &q, err, "i", (int64_t)id));
    int found = store_next(s, q, "look for a run", err);
    if (found < 0)
        return found;
    if (!found) {
        uint64_t latest = 0;
        TRY(store_run_latest(s, false, &latest, err));
        return error_set(err, E_ARGUMENT, "%s has no run %llu; its latest is %llu",
                         s->dir, (unsigned long long)id, (unsigned long long)latest);
    }
    store_done(q);
    return take_lock(s, id, err);
}

int store_run_status(store *s, uint64_t id, run_status status, error *err)
{
    return store_execute(s, SQL_RUN_STATUS, "set a run's status", err, "si",
                         run_status_name(status), (int64_t)id);
}

int store_run_latest(store *s, bool unfinished, uint64_t *id, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, unfinished ? SQL_RUN_LATEST_UNFINISHED : SQL_RUN_LATEST, &q, err,
                    ""));
    int rc = store_next(s, q, "look for the latest run", err);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        *id = (uint64_t)sqlite3_column_int64(q, 0);
        store_done(q);
    }
    return 0;
}

/* ---- Steps ---- */

int store_put_spend(store *s, uint64_t run, int64_t step, const spend spent[N_PURPOSES],
                    error *err)
{
    for (purpose p = 0; p < N_PURPOSES; p++)
        TRY(store_execute(s, SQL_SPEND_PUT, "record what was spent", err, "iisiiii",
                          (int64_t)run, step, purpose_name(p), (int64_t)spent[p].tokens,
                          (int64_t)spent[p].evaluations, (int64_t)spent[p].reused,
                          (int64_t)spent[p].ratings));
    return 0;
}

int store_put_history(store *s, uint64_t run, const history_point *h, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc =
        store_execute(s, SQL_HISTORY_PUT, "record a step", err, "iiidddiid", (int64_t)run,
                      (int64_t)h->step, (int64_t)h->generation, h->best, h->best_se,
                      h->median, (int64_t)h->best_id, (int64_t)h->n_alive, h->seconds);
    if (rc == 0)
        rc = store_put_spend(s, run, (int64_t)h->step, h->spent, err);
    return store_leave(s, opened, rc, err);
}

int store_put_cut(store *s, uint64_t run, const search_cut *c, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc = store_execute(s, SQL_CUT_PUT, "record the end of a search", err, "iidd",
                           (int64_t)run, (int64_t)c->step, c->seconds, c->pace);
    if (rc == 0)
        rc = store_put_spend(s, run, STEP_CUT, c->spent, err);
    return store_leave(s, opened, rc, err);
}

int store_put_operator(store *s, uint64_t run, const operator_point *o, error *err)
{
    return store_execute(s, SQL_OPERATOR_PUT, "record an operator's rate", err, "iisddii",
                         (int64_t)run, (int64_t)o->step, o->name, o->rate, o->credit,
                         (int64_t)o->tries, (int64_t)o->wins);
}

int store_put_candidate(store *s, uint64_t run, const candidate_record *c, error *err)
{
    return store_execute(s, SQL_CANDIDATE_PUT, "record a candidate", err, "iiiiissssddi",
                         (int64_t)run, (int64_t)c->id, (int64_t)c->parents[0],
                         (int64_t)c->parents[1], (int64_t)c->generation, c->genome,
                         c->prompt, c->operators, c->state, c->value, c->se,
                         (int64_t)c->n);
}

/* ---- The end ---- */

int store_put_score(store *s, uint64_t run, score_role role, size_t place,
                    const split_score *x, error *err)
{
    return store_execute(s, SQL_SCORE_PUT, "record a verdict", err, "iiiiddibd",
                         (int64_t)run, (int64_t)role, (int64_t)place,
                         (int64_t)x->candidate, x->score, x->se, (int64_t)x->n, x->each,
                         x->each ? x->n * sizeof *x->each : 0, x->first_choice);
}

static int put_verdict(store *s, uint64_t run, const verdict *v, error *err)
{
    TRY(store_execute(s, SQL_SCORES_CLEAR, "record a verdict", err, "i", (int64_t)run));
    for (size_t i = 0; i < v->n_selection; i++)
        TRY(store_put_score(s, run, ROLE_SELECTION, i, &v->selection[i], err));
    TRY(store_put_score(s, run, ROLE_SEED, 0, &v->seed, err));
    TRY(store_put_score(s, run, ROLE_BEST, 0, &v->best, err));
    return store_execute(s, SQL_VERDICT_PUT, "record a verdict", err, "idddd",
                         (int64_t)run, v->difference, v->ci_low, v->ci_high, v->p);
}

int store_put_verdict(store *s, uint64_t run, const verdict *v, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    return store_leave(s, opened, put_verdict(s, run, v, err), err);
}

int store_put_end(store *s, uint64_t run, const char *stop_reason,
                  const spend spent[N_PURPOSES], double seconds, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc = store_execute(s, SQL_RUN_END, "record a run's end", err, "sdi", stop_reason,
                           seconds, (int64_t)run);
    if (rc == 0)
        rc = store_put_spend(s, run, STEP_END, spent, err);
    return store_leave(s, opened, rc, err);
}

/* Mechanical Turk for a run: opening, what an earlier process left, ending. */
#include "mturk.h"
#include "mturk_jobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How far in the past a HIT is made to expire: clocks differ. */
enum { EXPIRE_BEFORE_SECONDS = 3600 };

int mturk_open(mturk **out, const char *path, mturk_place place,
               const mturk_api_options *api, error *err)
{
    mturk *m = calloc(1, sizeof *m);
    if (!m)
        return error_memory(err, sizeof *m);
    m->place = place;
    m->lock_fd = -1;
    m->interrupt = api ? api->interrupt : NULL;
    int rc = crowd_open(&m->people, path, err);
    if (rc == 0)
        rc = mturk_store_open(&m->books, path, place, err);
    if (rc == 0 && api)
        rc = mturk_api_open(&m->api, api, err);
    if (rc == 0 && api)
        rc = mturk_lock_open(m, path, err);
    if (rc < 0) {
        mturk_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

void mturk_close(mturk *m)
{
    if (!m)
        return;
    if (m->lock_fd >= 0)
        close(m->lock_fd);
    mturk_api_close(m->api);
    mturk_store_close(m->books);
    crowd_close(m->people);
    free(m);
}

mturk_store *mturk_books(mturk *m)
{
    return m->books;
}

int mturk_check_interrupt(const mturk *m, error *err)
{
    return m->interrupt && *m->interrupt ? error_set(err, E_INTERRUPTED, "interrupted")
                                         : 0;
}

/* ---- What an earlier process left ---- */

typedef struct recovery {
    mturk *m;
    hit_row *rows;
    char **annotations;
    size_t n, n_found;
} recovery;

/* A HIT of the account: is it one that we do not know the fate of? */
static int recognise(void *context, const mturk_hit *hit, error *err)
{
    recovery *r = context;
    for (size_t i = 0; i < r->n; i++) {
        if (r->rows[i].state != HIT_SENDING ||
            strcmp(r->annotations[i], hit->annotation) != 0)
            continue;
        TRY(mturk_store_opened(r->m->books, r->rows[i].token, hit->id, err));
        r->rows[i].state = HIT_OPEN;
        r->n_found++;
    }
    return 0;
}

static int make_annotations(recovery *r, error *err)
{
    r->annotations = array_new(r->n, sizeof *r->annotations);
    if (!r->annotations)
        return error_memory(err, r->n * sizeof *r->annotations);
    for (size_t i = 0; i < r->n; i++) {
        text t = {0};
        TRY(mturk_annotation(r->rows[i].task, r->rows[i].token, &t, err));
        r->annotations[i] = t.s;
    }
    return 0;
}

/* Ask again. That Amazon refuses now what it never made is an answer, too: it is in the
 * books, and nothing that keeps workers from their pay. */
static int send_again(recovery *r, const hit_row *row, mturk_recovered *out, error *err)
{
    error why = {0};
    int rc = mturk_send(r->m, row, true, &why);
    if (rc == E_EXTERNAL && mturk_store_is_sending(r->m->books, row->token, NULL) == 0)
        return 0;
    if (rc < 0 && err)
        *err = why;
    out->sent_again += rc == MTURK_SENT;
    return rc < 0 ? rc : 0;
}

/* The list first: a token is good for 24 hours only, an annotation always. */
static int recover(recovery *r, mturk_recovered *out, error *err)
{
    TRY(make_annotations(r, err));
    TRY(mturk_each_hit(r->m->api, recognise, r, err));
    out->found = r->n_found;
    for (size_t i = 0; i < r->n; i++) {
        if (r->rows[i].state != HIT_SENDING)
            continue;
        TRY(mturk_check_interrupt(r->m, err));
        TRY(send_again(r, &r->rows[i], out, err));
    }
    return 0;
}

int mturk_reconcile(mturk *m, mturk_recovered *out, error *err)
{
    recovery r = {.m = m};
    mturk_recovered done = {0};
    TRY(mturk_store_hits(m->books, HIT_SENDING, &r.rows, &r.n, err));
    int rc = r.n > 0 ? recover(&r, &done, err) : 0;
    for (size_t i = 0; r.annotations && i < r.n; i++)
        free(r.annotations[i]);
    free(r.annotations);
    hit_rows_free(r.rows, r.n);
    if (rc == 0 && out)
        *out = done;
    return rc;
}

/* ---- Ending ---- */

/* Amazon refuses to expire what is over already: then it is as it should be. */
static int expire_one(mturk *m, const hit_row *hit, int64_t now, error *err)
{
    mturk_fault fault;
    mturk_hit stands = {0};
    int rc = mturk_expire_hit(m->api, hit->id, now - EXPIRE_BEFORE_SECONDS, &fault, err);
    if (rc == 0 || strcmp(fault.type, "RequestError") != 0)
        return rc;
    error why = {0};
    int there = mturk_get_hit(m->api, hit->id, &stands, &why);
    if (there < 0 || (there == 1 && strcmp(stands.status, "Assignable") == 0))
        return rc;
    return 0;
}

int mturk_expire(mturk *m, int64_t now, size_t *n, error *err)
{
    hit_row *rows;
    size_t count, done = 0;
    TRY(mturk_store_hits(m->books, HIT_OPEN, &rows, &count, err));
    int rc = 0;
    for (; rc == 0 && done < count; done += rc == 0) {
        rc = mturk_check_interrupt(m, err);
        if (rc == 0)
            rc = expire_one(m, &rows[done], now, err);
    }
    hit_rows_free(rows, count);
    *n = done;
    return rc;
}

/* Is anything of the HIT still to be rated or paid? */
static bool is_settled(const hit_row *hit, const work_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].token, hit->token) == 0)
            return false;
    return true;
}

static int delete_one(mturk *m, const hit_row *hit, error *err)
{
    mturk_fault fault;
    int rc = mturk_delete_hit(m->api, hit->id, &fault, err);
    if (rc < 0 && strcmp(fault.type, "RequestError") == 0) {
        mturk_hit stands;
        error why = {0};
        int there = mturk_get_hit(m->api, hit->id, &stands, &why);
        if (there == 0 || (there == 1 && strcmp(stands.status, "Disposed") == 0))
            rc = 0; /* an earlier try, whose answer was lost, did it */
    }
    return rc < 0 ? rc : mturk_store_deleted(m->books, hit->token, err);
}

int mturk_delete(mturk *m, size_t *n, error *err)
{
    hit_row *hits = NULL;
    work_row *due = NULL, *raw = NULL;
    size_t n_hits = 0, n_due = 0, n_raw = 0, done = 0;
    int rc = mturk_store_hits(m->books, HIT_CLOSED, &hits, &n_hits, err);
    if (rc == 0)
        rc = mturk_store_due(m->books, &due, &n_due, err);
    if (rc == 0)
        rc = mturk_store_new(m->books, &raw, &n_raw, err);
    for (size_t i = 0; rc == 0 && i < n_hits; i++) {
        if (!is_settled(&hits[i], due, n_due) || !is_settled(&hits[i], raw, n_raw))
            continue;
        rc = mturk_check_interrupt(m, err);
        if (rc == 0)
            rc = delete_one(m, &hits[i], err);
        done += rc == 0;
    }
    hit_rows_free(hits, n_hits);
    work_rows_free(due, n_due);
    work_rows_free(raw, n_raw);
    *n = done;
    return rc;
}

int mturk_balance(mturk *m, int64_t *available_cents, int64_t *on_hold_cents, error *err)
{
    return mturk_account_balance(m->api, available_cents, on_hold_cents, err);
}

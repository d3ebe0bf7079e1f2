/* Mechanical Turk's tables: what workers sent, what they are owed, and lists of rows. */
#include "mturk_store_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const hit_states[N_HIT_STATES] = {"sending", "open", "refused",
                                                     "closed", "deleted"};
static const char *const payment_states[N_PAYMENT_STATES] = {"due", "paying", "paid",
                                                             "rejecting", "rejected"};

/* The index of a name, or n. */
static size_t index_of(const char *const *names, size_t n, const unsigned char *name)
{
    size_t i = 0;
    while (i < n && (!name || strcmp(names[i], (const char *)name) != 0))
        i++;
    return i;
}

static void column_copy(sqlite3_stmt *q, int column, char *out, size_t capacity)
{
    const unsigned char *s = sqlite3_column_text(q, column);
    snprintf(out, capacity, "%s", s ? (const char *)s : "");
}

/* ---- Lists of HITs ---- */

void hit_rows_free(hit_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].request);
        free(rows[i].why);
    }
    free(rows);
}

static int column_hit(sqlite3_stmt *q, hit_row *out, error *err)
{
    column_copy(q, 0, out->token, sizeof out->token);
    column_copy(q, 1, out->task, sizeof out->task);
    column_copy(q, 2, out->id, sizeof out->id);
    out->state = (hit_state)index_of(hit_states, N_HIT_STATES, sqlite3_column_text(q, 3));
    out->assignments = (size_t)sqlite3_column_int64(q, 4);
    out->reward_cents = sqlite3_column_int64(q, 5);
    out->fee_cents = sqlite3_column_int64(q, 6);
    TRY(column_text(q, 7, &out->request, err));
    return column_text(q, 8, &out->why, err);
}

int mturk_store_hits(mturk_store *s, hit_state state, hit_row **out, size_t *n,
                     error *err)
{
    hit_row *rows = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_HITS, &q, err, "ss", s->place, hit_states[state]));
    int rc;
    while ((rc = sql_next(&s->file, q, "read the HITs", err)) > 0) {
        rc = array_grow(&rows, &capacity, count, sizeof *rows, err);
        if (rc == 0) {
            rows[count] = (hit_row){0};
            rc = column_hit(q, &rows[count++], err);
        }
        if (rc < 0)
            break;
    }
    if (rc < 0) {
        sql_done(q);
        hit_rows_free(rows, count);
        return rc;
    }
    *out = rows;
    *n = count;
    return 0;
}

/* ---- Lists of assignments ---- */

void work_rows_free(work_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].answer);
        free(rows[i].crowd_token);
        free(rows[i].rating);
    }
    free(rows);
}

static int column_work(sqlite3_stmt *q, work_row *out, error *err)
{
    column_copy(q, 0, out->id, sizeof out->id);
    column_copy(q, 1, out->worker, sizeof out->worker);
    column_copy(q, 2, out->token, sizeof out->token);
    column_copy(q, 3, out->task, sizeof out->task);
    column_copy(q, 4, out->hit, sizeof out->hit);
    TRY(column_text(q, 5, &out->answer, err));
    out->seconds = column_number(q, 6);
    TRY(column_text(q, 7, &out->crowd_token, err));
    TRY(column_text(q, 8, &out->rating, err));
    out->payment = (payment_state)index_of(payment_states, N_PAYMENT_STATES,
                                           sqlite3_column_text(q, 9));
    out->reward_cents = sqlite3_column_int64(q, 10);
    out->fee_cents = sqlite3_column_int64(q, 11);
    return 0;
}

static int read_work(mturk_store *s, mturk_statement which, work_row **out, size_t *n,
                     error *err)
{
    work_row *rows = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, which, &q, err, "s", s->place));
    int rc;
    while ((rc = sql_next(&s->file, q, "read the assignments", err)) > 0) {
        rc = array_grow(&rows, &capacity, count, sizeof *rows, err);
        if (rc == 0) {
            rows[count] = (work_row){0};
            rc = column_work(q, &rows[count++], err);
        }
        if (rc < 0)
            break;
    }
    if (rc < 0) {
        sql_done(q);
        work_rows_free(rows, count);
        return rc;
    }
    *out = rows;
    *n = count;
    return 0;
}

int mturk_store_new(mturk_store *s, work_row **out, size_t *n, error *err)
{
    return read_work(s, MTURK_ASSIGNMENTS_NEW, out, n, err);
}

int mturk_store_due(mturk_store *s, work_row **out, size_t *n, error *err)
{
    return read_work(s, MTURK_ASSIGNMENTS_DUE, out, n, err);
}

/* ---- What became of assignments ---- */

static int put_payment(mturk_store *s, const char *id, payment_state payment, error *err)
{
    return sql_execute(&s->file, MTURK_ASSIGNMENT_PAYMENT, "write a payment down", err,
                       "ss", id, payment_states[payment]);
}

static int put_listed(mturk_store *s, const char *hit_token,
                      const listed_assignment *listed, size_t n, size_t *n_new,
                      error *err)
{
    for (size_t i = 0; i < n; i++) {
        const listed_assignment *x = &listed[i];
        TRY(sql_execute(&s->file, MTURK_ASSIGNMENT_PUT, "write an assignment down", err,
                        "ssssd", x->id, hit_token, x->worker, x->answer, x->seconds));
        *n_new += (size_t)sqlite3_changes(s->file.db);
        if (strcmp(x->status, "Approved") == 0)
            TRY(put_payment(s, x->id, PAYMENT_PAID, err));
        else if (strcmp(x->status, "Rejected") == 0)
            TRY(put_payment(s, x->id, PAYMENT_REJECTED, err));
    }
    return sql_execute(&s->file, MTURK_HIT_HOLD, "add up a HIT", err, "s", hit_token);
}

int mturk_store_put_listed(mturk_store *s, const char *hit_token,
                           const listed_assignment *listed, size_t n, size_t *n_new,
                           error *err)
{
    size_t count = 0;
    if (n > 0) {
        TRY(mturk_enter(s, err));
        TRY(mturk_leave(s, put_listed(s, hit_token, listed, n, &count, err), err));
    }
    *n_new = count;
    return 0;
}

int mturk_store_assigned(mturk_store *s, const char *id, const char *crowd_token,
                         error *err)
{
    return sql_execute(&s->file, MTURK_ASSIGNMENT_ASSIGNED, "write an assignment down",
                       err, "ss", id, crowd_token);
}

int mturk_store_rated(mturk_store *s, const char *id, const char *rating, error *err)
{
    return sql_execute(&s->file, MTURK_ASSIGNMENT_RATED, "write a rating down", err, "ss",
                       id, rating);
}

/* A rejection gives the money back to what may still be promised. */
static int pay(mturk_store *s, const char *id, payment_state payment, error *err)
{
    char token[SHA256_HEX];
    sqlite3_stmt *q;
    TRY(put_payment(s, id, payment, err));
    TRY(sql_query(&s->file, MTURK_ASSIGNMENT_TOKEN, &q, err, "s", id));
    int rc = sql_next(&s->file, q, "find an assignment", err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_ARGUMENT, "no assignment %s", id);
    column_copy(q, 0, token, sizeof token);
    sql_done(q);
    return sql_execute(&s->file, MTURK_HIT_HOLD, "add up a HIT", err, "s", token);
}

int mturk_store_payment(mturk_store *s, const char *id, payment_state payment, error *err)
{
    TRY(mturk_enter(s, err));
    return mturk_leave(s, pay(s, id, payment, err), err);
}

/* ---- Counts ---- */

/* Rows of (name, count) added up by name. */
static int count_states(mturk_store *s, mturk_statement which, const char *const *names,
                        size_t n, size_t *out, error *err)
{
    sqlite3_stmt *q;
    int rc;
    TRY(sql_query(&s->file, which, &q, err, "s", s->place));
    while ((rc = sql_next(&s->file, q, "count", err)) > 0) {
        size_t i = index_of(names, n, sqlite3_column_text(q, 0));
        if (i < n)
            out[i] += (size_t)sqlite3_column_int64(q, 1);
    }
    return rc;
}

static int count_hits(mturk_store *s, mturk_counts *out, error *err)
{
    sqlite3_stmt *q;
    int rc;
    TRY(sql_query(&s->file, MTURK_COUNT_HITS, &q, err, "s", s->place));
    while ((rc = sql_next(&s->file, q, "count the HITs", err)) > 0) {
        size_t i = index_of(hit_states, N_HIT_STATES, sqlite3_column_text(q, 0));
        size_t n = (size_t)sqlite3_column_int64(q, 2);
        if (!sqlite3_column_int(q, 1))
            out->elsewhere += n;
        else if (i < N_HIT_STATES)
            out->hits[i] += n;
    }
    return rc;
}

int mturk_store_count(mturk_store *s, mturk_counts *out, error *err)
{
    mturk_counts c = {0};
    sqlite3_stmt *q;
    TRY(count_hits(s, &c, err));
    TRY(count_states(s, MTURK_COUNT_PAYMENTS, payment_states, N_PAYMENT_STATES,
                     c.payments, err));
    TRY(sql_query(&s->file, MTURK_COUNT_ASSIGNMENTS, &q, err, "s", s->place));
    TRY(sql_next(&s->file, q, "count the assignments", err));
    c.assignments = (size_t)sqlite3_column_int64(q, 0);
    c.unusable = (size_t)sqlite3_column_int64(q, 1);
    c.unrated = (size_t)sqlite3_column_int64(q, 2);
    c.workers = (size_t)sqlite3_column_int64(q, 3);
    sql_done(q);
    *out = c;
    return 0;
}

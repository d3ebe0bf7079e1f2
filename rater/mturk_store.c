/* Mechanical Turk's tables: opening, money and HITs. */
#include "mturk_store_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLES_VERSION = 1 };

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS mturk_version (version INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mturk_account ("
    " place TEXT PRIMARY KEY,"
    " nonce TEXT NOT NULL," /* so that no other file has the same tokens */
    " cap_cents INTEGER NOT NULL DEFAULT -1) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS mturk_hit ("
    " n INTEGER PRIMARY KEY,"
    " token TEXT NOT NULL UNIQUE,"
    " place TEXT NOT NULL,"
    " task TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " hit TEXT NOT NULL DEFAULT '',"
    " assignments INTEGER NOT NULL,"
    " reward_cents INTEGER NOT NULL,"
    " fee_cents INTEGER NOT NULL,"
    " held_cents INTEGER NOT NULL," /* what of the money is committed to it */
    " request TEXT NOT NULL,"
    " why TEXT NOT NULL DEFAULT '',"
    " intended INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS mturk_hit_state ON mturk_hit (place, state);"
    "CREATE INDEX IF NOT EXISTS mturk_hit_task ON mturk_hit (task);"
    "CREATE TABLE IF NOT EXISTS mturk_assignment ("
    " n INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL UNIQUE,"
    " token TEXT NOT NULL REFERENCES mturk_hit (token),"
    " worker TEXT NOT NULL,"
    " answer TEXT NOT NULL,"
    " seconds REAL,"
    " crowd_token TEXT NOT NULL DEFAULT '',"
    " rating TEXT NOT NULL DEFAULT 'new',"
    " payment TEXT NOT NULL DEFAULT 'due');"
    "CREATE INDEX IF NOT EXISTS mturk_assignment_hit ON mturk_assignment (token);"
    "CREATE INDEX IF NOT EXISTS mturk_assignment_new ON mturk_assignment (rating)"
    " WHERE rating = 'new';"
    "CREATE INDEX IF NOT EXISTS mturk_assignment_due ON mturk_assignment (payment)"
    " WHERE payment IN ('due', 'paying', 'rejecting');";

#define LIVE "('sending', 'open')"

static const char *const texts[N_MTURK_STATEMENTS] = {
    [MTURK_BEGIN] = "BEGIN IMMEDIATE",
    [MTURK_COMMIT] = "COMMIT",
    [MTURK_ROLLBACK] = "ROLLBACK",
    [MTURK_VERSION_GET] = "SELECT max(version) FROM mturk_version",
    [MTURK_VERSION_PUT] = "INSERT INTO mturk_version SELECT ?1 WHERE NOT EXISTS"
                          " (SELECT 1 FROM mturk_version)",
    [MTURK_ACCOUNT_PUT] = "INSERT OR IGNORE INTO mturk_account (place, nonce)"
                          " VALUES (?, lower(hex(randomblob(16))))",
    [MTURK_ACCOUNT_GET] = "SELECT nonce, cap_cents FROM mturk_account WHERE place = ?",
    [MTURK_CAP_PUT] = "UPDATE mturk_account SET cap_cents = ?2 WHERE place = ?1",
    [MTURK_COMMITTED] = "SELECT coalesce(sum(held_cents), 0) FROM mturk_hit"
                        " WHERE place = ?",
    [MTURK_PAID] =
        "SELECT coalesce(sum(iif(a.payment = 'paid', h.reward_cents, 0)), 0),"
        " coalesce(sum(iif(a.payment = 'paid', h.fee_cents, 0)), 0),"
        " coalesce(sum(iif(a.payment = 'rejected', h.reward_cents + h.fee_cents, 0)), 0)"
        " FROM mturk_assignment a JOIN mturk_hit h USING (token) WHERE h.place = ?",
    [MTURK_HITS] = "SELECT token, task, hit, state, assignments, reward_cents, fee_cents,"
                   " request, why FROM mturk_hit WHERE place = ? AND state = ?"
                   " ORDER BY n",
    [MTURK_VIEWS] =
        "SELECT h.task, sum(iif(h.state IN " LIVE ", h.assignments - h.handled, 0)),"
        " sum(h.handled), count(*) FROM (SELECT task, state, assignments,"
        "  (SELECT count(*) FROM mturk_assignment a WHERE a.token = x.token"
        "   AND a.rating <> 'new') AS handled FROM mturk_hit x WHERE place = ?) h"
        " GROUP BY h.task ORDER BY h.task",
    [MTURK_VIEW] =
        "SELECT coalesce(sum(iif(h.state IN " LIVE ", h.assignments - h.handled, 0)), 0),"
        " coalesce(sum(h.handled), 0), count(*) FROM (SELECT state, assignments,"
        "  (SELECT count(*) FROM mturk_assignment a WHERE a.token = x.token"
        "   AND a.rating <> 'new') AS handled FROM mturk_hit x"
        "  WHERE place = ? AND task = ?) h",
    [MTURK_HIT_PUT] =
        "INSERT INTO mturk_hit (token, place, task, state, assignments, reward_cents,"
        " fee_cents, held_cents, request, intended)"
        " VALUES (?, ?, ?, 'sending', ?, ?, ?, ?, ?, ?)",
    [MTURK_HIT_SENDING] = "SELECT state = 'sending' FROM mturk_hit WHERE token = ?",
    [MTURK_HIT_OPENED] = "UPDATE mturk_hit SET hit = ?2, why = '',"
                         " held_cents = assignments * (reward_cents + fee_cents),"
                         " state = 'open' WHERE token = ?1"
                         " AND state IN ('sending', 'refused')",
    [MTURK_HIT_REFUSED] = "UPDATE mturk_hit SET state = 'refused', held_cents = 0,"
                          " why = ?2 WHERE token = ?1 AND state = 'sending'",
    [MTURK_HIT_CLOSED] = "UPDATE mturk_hit SET state = 'closed' WHERE token = ?"
                         " AND state = 'open'",
    [MTURK_HIT_DELETED] = "UPDATE mturk_hit SET state = 'deleted' WHERE token = ?"
                          " AND state = 'closed'",
    /* Of a HIT that brings no further answers: those that came and were not rejected. */
    [MTURK_HIT_HOLD] =
        "UPDATE mturk_hit SET held_cents = (reward_cents + fee_cents) *"
        " (SELECT count(*) FROM mturk_assignment a WHERE a.token = mturk_hit.token"
        "  AND a.payment <> 'rejected')"
        " WHERE token = ? AND state IN ('closed', 'deleted')",
    [MTURK_ASSIGNMENT_PUT] =
        "INSERT OR IGNORE INTO mturk_assignment (id, token, worker, answer, seconds)"
        " VALUES (?, ?, ?, ?, ?)",
    [MTURK_ASSIGNMENT_ASSIGNED] =
        "UPDATE mturk_assignment SET crowd_token = ?2 WHERE id = ?1",
    [MTURK_ASSIGNMENT_RATED] = "UPDATE mturk_assignment SET rating = ?2 WHERE id = ?1",
    [MTURK_ASSIGNMENT_PAYMENT] =
        "UPDATE mturk_assignment SET payment = ?2 WHERE id = ?1 AND payment <> ?2"
        " AND payment <> 'paid'",
    [MTURK_ASSIGNMENT_TOKEN] = "SELECT token FROM mturk_assignment WHERE id = ?",
    [MTURK_ASSIGNMENTS_NEW] =
        "SELECT a.id, a.worker, a.token, h.task, h.hit, a.answer, a.seconds,"
        " a.crowd_token, a.rating, a.payment, h.reward_cents, h.fee_cents"
        " FROM mturk_assignment a"
        " JOIN mturk_hit h USING (token) WHERE h.place = ? AND a.rating = 'new'"
        " ORDER BY a.n",
    [MTURK_ASSIGNMENTS_DUE] =
        "SELECT a.id, a.worker, a.token, h.task, h.hit, a.answer, a.seconds,"
        " a.crowd_token, a.rating, a.payment, h.reward_cents, h.fee_cents"
        " FROM mturk_assignment a"
        " JOIN mturk_hit h USING (token) WHERE h.place = ? AND a.rating <> 'new'"
        " AND a.payment IN ('due', 'paying', 'rejecting') ORDER BY a.n",
    [MTURK_COUNT_HITS] = "SELECT state, place = ?, count(*) FROM mturk_hit GROUP BY 1, 2",
    [MTURK_COUNT_PAYMENTS] =
        "SELECT a.payment, count(*) FROM mturk_assignment a JOIN mturk_hit h"
        " USING (token) WHERE h.place = ? GROUP BY 1",
    [MTURK_COUNT_ASSIGNMENTS] =
        "SELECT count(*), coalesce(sum(a.rating LIKE 'unusable%'), 0),"
        " coalesce(sum(a.rating = 'new'), 0), count(DISTINCT a.worker)"
        " FROM mturk_assignment a JOIN mturk_hit h USING (token) WHERE h.place = ?",
};

/* ---- Opening ---- */

static int make_tables(mturk_store *s, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_run(&s->file, tables, "make Mechanical Turk's tables", err));
    TRY(sql_execute(&s->file, MTURK_VERSION_PUT, "mark the tables", err, "i",
                    (int64_t)TABLES_VERSION));
    TRY(sql_query(&s->file, MTURK_VERSION_GET, &q, err, ""));
    TRY(sql_next(&s->file, q, "read the version of the tables", err));
    int64_t version = sqlite3_column_int64(q, 0);
    sql_done(q);
    if (version != TABLES_VERSION)
        return error_set(err, E_FORMAT,
                         "%s has Mechanical Turk tables of version %lld; this program "
                         "knows version %d",
                         s->path, (long long)version, TABLES_VERSION);
    return sql_execute(&s->file, MTURK_ACCOUNT_PUT, "open the account", err, "s",
                       s->place);
}

int mturk_store_open(mturk_store **out, const char *path, mturk_place place, error *err)
{
    mturk_store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = string_copy(path))) {
        free(s);
        return error_memory(err, sizeof *s + strlen(path));
    }
    s->place = mturk_place_names[place];
    s->file = (sql_file){.path = s->path,
                         .texts = texts,
                         .prepared = s->statements,
                         .n = N_MTURK_STATEMENTS};
    int rc = sql_open(&s->file, path, SQLITE_OPEN_READWRITE, err);
    if (rc == 0)
        rc = sql_run(&s->file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                     "switch to a write-ahead log", err);
    if (rc == 0)
        rc = mturk_enter(s, err);
    if (rc == 0)
        rc = mturk_leave(s, make_tables(s, err), err);
    if (rc < 0) {
        mturk_store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void mturk_store_close(mturk_store *s)
{
    if (!s)
        return;
    sql_close(&s->file);
    free(s->path);
    free(s);
}

int mturk_enter(mturk_store *s, error *err)
{
    return sql_execute(&s->file, MTURK_BEGIN, "begin a transaction", err, "");
}

int mturk_leave(mturk_store *s, int rc, error *err)
{
    int end = rc >= 0
                  ? sql_execute(&s->file, MTURK_COMMIT, "commit a transaction", err, "")
                  : 0;
    if ((rc < 0 || end < 0) && !sqlite3_get_autocommit(s->file.db))
        sql_execute(&s->file, MTURK_ROLLBACK, "roll back", NULL, "");
    return rc < 0 || end == 0 ? rc : end;
}

/* ---- Money ---- */

int64_t mturk_fee_cents(int64_t reward_cents, size_t assignments, bool masters)
{
    int64_t percent = 20 + (assignments >= 10 ? 20 : 0) + (masters ? 5 : 0);
    int64_t fee = (reward_cents * percent + 99) / 100;
    return fee > 1 ? fee : 1;
}

static int read_account(mturk_store *s, char nonce[33], int64_t *cap, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_ACCOUNT_GET, &q, err, "s", s->place));
    int rc = sql_next(&s->file, q, "read the account", err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_FORMAT, "%s has no account", s->path);
    if (nonce)
        snprintf(nonce, 33, "%s", (const char *)sqlite3_column_text(q, 0));
    if (cap)
        *cap = sqlite3_column_int64(q, 1);
    sql_done(q);
    return 0;
}

static int read_committed(mturk_store *s, int64_t *cents, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_COMMITTED, &q, err, "s", s->place));
    TRY(sql_next(&s->file, q, "add up what is committed", err));
    *cents = sqlite3_column_int64(q, 0);
    sql_done(q);
    return 0;
}

int mturk_store_money(mturk_store *s, mturk_money *out, error *err)
{
    mturk_money m = {0};
    sqlite3_stmt *q;
    TRY(read_account(s, NULL, &m.cap_cents, err));
    TRY(read_committed(s, &m.committed_cents, err));
    TRY(sql_query(&s->file, MTURK_PAID, &q, err, "s", s->place));
    TRY(sql_next(&s->file, q, "add up what is paid", err));
    m.rewards_cents = sqlite3_column_int64(q, 0);
    m.fees_cents = sqlite3_column_int64(q, 1);
    m.rejected_cents = sqlite3_column_int64(q, 2);
    sql_done(q);
    *out = m;
    return 0;
}

static int set_cap(mturk_store *s, int64_t cents, error *err)
{
    int64_t committed;
    TRY(read_committed(s, &committed, err));
    if (cents < committed)
        return error_set(err, E_LIMIT,
                         "a cap of %lld cents is below the %lld cents that are paid or "
                         "promised already; expire HITs and collect first",
                         (long long)cents, (long long)committed);
    return sql_execute(&s->file, MTURK_CAP_PUT, "set the cap", err, "si", s->place,
                       cents);
}

int mturk_store_set_cap(mturk_store *s, int64_t cents, error *err)
{
    TRY(mturk_enter(s, err));
    return mturk_leave(s, set_cap(s, cents, err), err);
}

/* ---- HITs ---- */

int mturk_store_token(mturk_store *s, const char *task, size_t batches,
                      char token[SHA256_HEX], error *err)
{
    char nonce[33];
    text content = {0};
    TRY(read_account(s, nonce, NULL, err));
    int rc = text_add_format(&content, err, "lamarck mturk\n%s\n%s\n%s\n%zu\n", nonce,
                             s->place, task, batches);
    if (rc == 0)
        rc = sha256_hex(text_string(&content), content.n, token, err);
    text_free(&content);
    return rc;
}

static void column_view(sqlite3_stmt *q, int first, task_view *out)
{
    int64_t flying = sqlite3_column_int64(q, first);
    out->in_flight = flying > 0 ? (size_t)flying : 0;
    out->handled = (size_t)sqlite3_column_int64(q, first + 1);
    out->batches = (size_t)sqlite3_column_int64(q, first + 2);
}

int mturk_store_views(mturk_store *s, task_view **out, size_t *n, error *err)
{
    task_view *views = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_VIEWS, &q, err, "s", s->place));
    int rc;
    while ((rc = sql_next(&s->file, q, "read the tasks", err)) > 0) {
        rc = array_grow(&views, &capacity, count, sizeof *views, err);
        if (rc < 0)
            break;
        task_view *v = &views[count++];
        snprintf(v->task, sizeof v->task, "%s", (const char *)sqlite3_column_text(q, 0));
        column_view(q, 1, v);
    }
    if (rc < 0) {
        sql_done(q);
        free(views);
        return rc;
    }
    *out = views;
    *n = count;
    return 0;
}

/* Within a transaction: a reserve_result, the row written when it is RESERVED. */
static int reserve(mturk_store *s, const hit_row *hit, const task_view *view, int64_t now,
                   error *err)
{
    int64_t cap, committed, price;
    task_view stands = {0};
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_VIEW, &q, err, "ss", s->place, hit->task));
    TRY(sql_next(&s->file, q, "read a task", err));
    column_view(q, 0, &stands);
    sql_done(q);
    if (stands.in_flight != view->in_flight || stands.handled != view->handled ||
        stands.batches != view->batches)
        return RESERVE_CHANGED;
    TRY(read_account(s, NULL, &cap, err));
    TRY(read_committed(s, &committed, err));
    price = (int64_t)hit->assignments * (hit->reward_cents + hit->fee_cents);
    if (price > cap - committed)
        return RESERVE_OVER_CAP;
    TRY(sql_execute(&s->file, MTURK_HIT_PUT, "write a HIT down", err, "sssiiiisi",
                    hit->token, s->place, hit->task, (int64_t)hit->assignments,
                    hit->reward_cents, hit->fee_cents, price, hit->request, now));
    return RESERVED;
}

int mturk_store_reserve(mturk_store *s, const hit_row *hit, const task_view *view,
                        int64_t now, error *err)
{
    TRY(mturk_enter(s, err));
    return mturk_leave(s, reserve(s, hit, view, now, err), err);
}

int mturk_store_is_sending(mturk_store *s, const char *token, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&s->file, MTURK_HIT_SENDING, &q, err, "s", token));
    int rc = sql_next(&s->file, q, "look up a HIT", err);
    if (rc != 1)
        return rc;
    rc = sqlite3_column_int(q, 0);
    sql_done(q);
    return rc;
}

int mturk_store_opened(mturk_store *s, const char *token, const char *id, error *err)
{
    return sql_execute(&s->file, MTURK_HIT_OPENED, "write a HIT's id down", err, "ss",
                       token, id);
}

int mturk_store_refused(mturk_store *s, const char *token, const char *why, error *err)
{
    return sql_execute(&s->file, MTURK_HIT_REFUSED, "write a refusal down", err, "ss",
                       token, why);
}

int mturk_store_closed(mturk_store *s, const char *token, error *err)
{
    TRY(mturk_enter(s, err));
    int rc = sql_execute(&s->file, MTURK_HIT_CLOSED, "close a HIT", err, "s", token);
    if (rc == 0)
        rc = sql_execute(&s->file, MTURK_HIT_HOLD, "close a HIT", err, "s", token);
    return mturk_leave(s, rc, err);
}

int mturk_store_deleted(mturk_store *s, const char *token, error *err)
{
    return sql_execute(&s->file, MTURK_HIT_DELETED, "write a deletion down", err, "s",
                       token);
}

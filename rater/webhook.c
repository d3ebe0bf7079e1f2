/* The queue of outgoing webhooks. */
#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_json.h"
#include "sql.h"

typedef enum webhook_statement {
    WEBHOOK_ENDPOINT_PUT,
    WEBHOOK_MISSING,
    WEBHOOK_PUT,
    WEBHOOK_UNENDED,
    WEBHOOK_PUT_ENDED,
    WEBHOOK_CLAIM,
    WEBHOOK_SETTLE,
    WEBHOOK_NEXT,
    WEBHOOK_REVIVE,
    WEBHOOK_STATUS,
    WEBHOOK_QUESTION,
    N_WEBHOOK_STATEMENTS
} webhook_statement;

struct webhook {
    sql_file file;
    char *path;
    crowd *crowd;
    char endpoint[SHA256_HEX];
    sqlite3_stmt *statements[N_WEBHOOK_STATEMENTS];
};

const char *const webhook_state_names[N_WEBHOOK_STATES] = {"waiting", "delivered", "dead",
                                                           "needless"};

/* Numbers of states are part of the format: add at the end only. `wanted` is below 0 for
 * the end of a task, of which that many were wanted. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS webhook_endpoint (id TEXT PRIMARY KEY, origin TEXT)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS webhook_delivery (id INTEGER PRIMARY KEY,"
    " endpoint TEXT, task TEXT, wanted INTEGER, key TEXT NOT NULL UNIQUE, state INTEGER,"
    " tries INTEGER, due_ms INTEGER, made_ms INTEGER, status INTEGER, problem TEXT,"
    " UNIQUE (endpoint, task, wanted));"
    "CREATE INDEX IF NOT EXISTS webhook_delivery_due ON webhook_delivery"
    " (endpoint, due_ms, id) WHERE state = 0;";

#define TASKS_NOT_TOLD                                                                   \
    " FROM crowd_task t WHERE " WANTS_ANSWERS                                            \
    " AND NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.endpoint = ?1"            \
    " AND d.task = t.id AND d.wanted >= t.wanted)"

#define WANTS_ANSWERS "t.closed = 0 AND (t.open = 1 OR t.gold IS NOT NULL)"

/* One that was not answered may have arrived all the same. An end also stands for all
 * that was told of the task before. */
#define ENDS_NOT_TOLD                                                                    \
    " FROM webhook_delivery d JOIN crowd_task t ON t.id = d.task WHERE d.endpoint = ?1"  \
    " AND d.wanted > 0 AND (d.state = 1 OR (d.state IN (2, 3) AND d.tries > 1))"         \
    " AND NOT (" WANTS_ANSWERS ") AND NOT EXISTS (SELECT 1 FROM webhook_delivery e"      \
    " WHERE e.endpoint = ?1 AND e.task = d.task AND e.wanted <= -d.wanted)"

static const char *const texts[N_WEBHOOK_STATEMENTS] = {
    [WEBHOOK_ENDPOINT_PUT] = "INSERT OR IGNORE INTO webhook_endpoint VALUES (?, ?)",
    [WEBHOOK_MISSING] = "SELECT 1" TASKS_NOT_TOLD " LIMIT 1",
    [WEBHOOK_PUT] = "INSERT INTO webhook_delivery (endpoint, task, wanted, key, state,"
                    " tries, due_ms, made_ms, status, problem) SELECT ?1, t.id, t.wanted,"
                    " lower(hex(randomblob(32))), 0, 0, ?2, ?2, 0, ''" TASKS_NOT_TOLD
                    " ORDER BY t.priority DESC, t.n",
    [WEBHOOK_UNENDED] = "SELECT 1" ENDS_NOT_TOLD " LIMIT 1",
    [WEBHOOK_PUT_ENDED] =
        "INSERT INTO webhook_delivery (endpoint, task, wanted, key, state, tries, due_ms,"
        " made_ms, status, problem) SELECT ?1, d.task, -max(d.wanted),"
        " lower(hex(randomblob(32))), 0, 0, ?2, ?2, 0, ''" ENDS_NOT_TOLD
        " GROUP BY d.task ORDER BY min(d.id)",
    [WEBHOOK_CLAIM] =
        "UPDATE webhook_delivery SET due_ms = ?3, tries = tries + 1 WHERE id = (SELECT id"
        " FROM webhook_delivery WHERE endpoint = ?1 AND state = 0 AND due_ms <= ?2"
        " ORDER BY due_ms, id LIMIT 1)"
        " RETURNING id, key, task, wanted, tries, made_ms",
    [WEBHOOK_SETTLE] = "UPDATE webhook_delivery SET state = ?2, due_ms = ?3, status = ?4,"
                       " problem = ?5 WHERE id = ?1 AND state = 0",
    [WEBHOOK_NEXT] = "SELECT due_ms FROM webhook_delivery WHERE endpoint = ?"
                     " AND state = 0 ORDER BY due_ms LIMIT 1",
    [WEBHOOK_REVIVE] = "UPDATE webhook_delivery SET state = 0, tries = 0, due_ms = ?2"
                       " WHERE endpoint = ?1 AND state = 2",
    [WEBHOOK_STATUS] =
        "SELECT e.origin, count(d.id) FILTER (WHERE state = 0), count(d.id) FILTER (WHERE"
        " state = 1), count(d.id) FILTER (WHERE state = 2), count(d.id) FILTER (WHERE"
        " state = 3), total(d.tries), coalesce((SELECT problem FROM webhook_delivery x"
        " WHERE x.endpoint = e.id AND x.state IN (0, 2) AND x.problem <> ''"
        " ORDER BY x.due_ms DESC LIMIT 1), '') FROM webhook_endpoint e"
        " LEFT JOIN webhook_delivery d ON d.endpoint = e.id GROUP BY e.id ORDER BY e.id",
    [WEBHOOK_QUESTION] = "SELECT question FROM crowd_task WHERE id = ?",
};

/* ---- Life ---- */

/* "https://example.org:8443" of a URL, without what might be a password. */
static int find_origin(const char *url, text *out, error *err)
{
    const char *host = strstr(url, "://");
    size_t scheme = host ? (size_t)(host - url) : 0;
    bool known = (scheme == 4 && strncmp(url, "http", 4) == 0) ||
                 (scheme == 5 && strncmp(url, "https", 5) == 0);
    if (!known)
        return error_set(err, E_ARGUMENT,
                         "a webhook's URL begins with http:// or https://");
    host += 3;
    size_t n = strcspn(host, "/?#");
    for (size_t i = n; i-- > 0;)
        if (host[i] == '@') {
            n -= i + 1;
            host += i + 1;
            break;
        }
    for (const char *s = url; *s; s++)
        if (*s <= ' ' || *s > '~')
            n = 0;
    if (n == 0)
        return error_set(err, E_ARGUMENT,
                         "a webhook's URL has no host, or characters that a URL has not");
    TRY(text_add(out, url, scheme, err));
    TRY(text_add_string(out, "://", err));
    return text_add(out, host, n, err);
}

static int put_endpoint(webhook *w, const char *url, error *err)
{
    text origin = {0};
    int rc = find_origin(url, &origin, err);
    if (rc == 0)
        rc = sha256_hex(url, strlen(url), w->endpoint, err);
    if (rc == 0)
        rc = sql_run(&w->file, schema, "make the table of webhooks", err);
    if (rc == 0)
        rc = sql_execute(&w->file, WEBHOOK_ENDPOINT_PUT, "write an endpoint down", err,
                         "ss", w->endpoint, origin.s);
    text_free(&origin);
    return rc;
}

int webhook_open(webhook **out, const char *path, const char *url, error *err)
{
    webhook *w = calloc(1, sizeof *w);
    if (!w || !(w->path = string_copy(path))) {
        free(w);
        return error_memory(err, sizeof *w + strlen(path));
    }
    w->file = (sql_file){.path = w->path,
                         .texts = texts,
                         .prepared = w->statements,
                         .n = N_WEBHOOK_STATEMENTS};
    int rc = crowd_open(&w->crowd, path, err);
    if (rc == 0)
        rc = sql_open(&w->file, path, SQLITE_OPEN_READWRITE, err);
    if (rc == 0)
        rc = sql_run(&w->file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                     "switch to a write-ahead log", err);
    if (rc == 0 && url)
        rc = put_endpoint(w, url, err);
    if (rc < 0) {
        webhook_close(w);
        return rc;
    }
    *out = w;
    return 0;
}

void webhook_close(webhook *w)
{
    if (!w)
        return;
    sql_close(&w->file);
    crowd_close(w->crowd);
    free(w->path);
    free(w);
}

/* ---- The queue ---- */

/* Write down what `missing` finds, adding to *n. Most of the time there is nothing to
 * write, and nobody is kept from writing. */
static int enqueue(webhook *w, webhook_statement missing, webhook_statement put,
                   int64_t now_ms, size_t *n, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&w->file, missing, &q, err, "s", w->endpoint));
    int rc = sql_next(&w->file, q, "look for what is to be told", err);
    if (rc <= 0)
        return rc;
    sql_done(q);
    TRY(sql_execute(&w->file, put, "write deliveries down", err, "si", w->endpoint,
                    now_ms));
    *n += (size_t)sqlite3_changes(w->file.db);
    return 0;
}

int webhook_enqueue(webhook *w, int64_t now_ms, size_t *n, error *err)
{
    *n = 0;
    TRY(enqueue(w, WEBHOOK_MISSING, WEBHOOK_PUT, now_ms, n, err));
    return enqueue(w, WEBHOOK_UNENDED, WEBHOOK_PUT_ENDED, now_ms, n, err);
}

static void read_text(sqlite3_stmt *q, int column, char *out, size_t size)
{
    const char *s = (const char *)sqlite3_column_text(q, column);
    snprintf(out, size, "%s", s ? s : "");
}

int webhook_claim(webhook *w, int64_t now_ms, int64_t hold_ms, webhook_job *out,
                  error *err)
{
    int64_t due;
    sqlite3_stmt *q;
    TRY(webhook_next_due(w, &due, err));
    if (due > now_ms)
        return 0;
    TRY(sql_query(&w->file, WEBHOOK_CLAIM, &q, err, "sii", w->endpoint, now_ms,
                  now_ms + hold_ms));
    int rc = sql_next(&w->file, q, "take a delivery", err);
    if (rc <= 0)
        return rc;
    int64_t wanted = sqlite3_column_int64(q, 3);
    *out = (webhook_job){.id = sqlite3_column_int64(q, 0),
                         .wanted = (size_t)(wanted < 0 ? -wanted : wanted),
                         .ended = wanted < 0,
                         .tries = (size_t)sqlite3_column_int64(q, 4),
                         .made_ms = sqlite3_column_int64(q, 5)};
    read_text(q, 1, out->key, sizeof out->key);
    read_text(q, 2, out->task, sizeof out->task);
    /* To its end: only then is it durable. */
    rc = sql_next(&w->file, q, "take a delivery", err);
    return rc < 0 ? rc : 1;
}

int webhook_settle(webhook *w, const webhook_job *j, webhook_state state, int64_t due_ms,
                   long status, const char *problem, error *err)
{
    return sql_execute(&w->file, WEBHOOK_SETTLE, "write down what came of a delivery",
                       err, "iiiis", j->id, (int64_t)state, due_ms, (int64_t)status,
                       problem);
}

int webhook_next_due(webhook *w, int64_t *due_ms, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&w->file, WEBHOOK_NEXT, &q, err, "s", w->endpoint));
    int rc = sql_next(&w->file, q, "look for deliveries", err);
    *due_ms = rc == 1 ? sqlite3_column_int64(q, 0) : INT64_MAX;
    if (rc == 1)
        sql_done(q);
    return rc < 0 ? rc : 0;
}

int webhook_revive(webhook *w, int64_t now_ms, size_t *n, error *err)
{
    TRY(sql_execute(&w->file, WEBHOOK_REVIVE, "revive deliveries", err, "si", w->endpoint,
                    now_ms));
    *n = (size_t)sqlite3_changes(w->file.db);
    return 0;
}

/* ---- Status ---- */

void webhook_statuses_free(webhook_status *s, size_t n)
{
    for (size_t i = 0; s && i < n; i++) {
        free(s[i].origin);
        free(s[i].problem);
    }
    free(s);
}

static int read_status(sqlite3_stmt *q, webhook_status *s, error *err)
{
    *s = (webhook_status){.tries = (size_t)sqlite3_column_double(q, 5)};
    for (int i = 0; i < N_WEBHOOK_STATES; i++)
        s->n[i] = (size_t)sqlite3_column_int64(q, 1 + i);
    TRY(column_text(q, 0, &s->origin, err));
    return column_text(q, 6, &s->problem, err);
}

static int read_statuses(webhook *w, webhook_status **out, size_t *n, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int64_t is_there = 0;
    int rc;
    TRY(sql_read_number(&w->file,
                        "SELECT count(*) FROM sqlite_master WHERE name ="
                        " 'webhook_delivery'",
                        &is_there, err));
    if (!is_there)
        return 0;
    TRY(sql_query(&w->file, WEBHOOK_STATUS, &q, err, ""));
    while ((rc = sql_next(&w->file, q, "read the state of webhooks", err)) == 1) {
        rc = array_grow(out, &capacity, *n + 1, sizeof **out, err);
        if (rc == 0)
            rc = read_status(q, &(*out)[(*n)++], err);
        if (rc < 0) {
            sql_done(q);
            return rc;
        }
    }
    return rc;
}

int webhook_statuses(const char *path, webhook_status **out, size_t *n, error *err)
{
    webhook *w = NULL;
    webhook_status *all = NULL;
    size_t count = 0;
    TRY(webhook_open(&w, path, NULL, err));
    int rc = read_statuses(w, &all, &count, err);
    webhook_close(w);
    if (rc < 0) {
        webhook_statuses_free(all, count);
        return rc;
    }
    *out = all;
    *n = count;
    return 0;
}

/* ---- What is sent ---- */

static int hash_both(const char *key, const char *id, char hash[SHA256_HEX], error *err)
{
    text both = {0};
    int rc = text_add_format(&both, err, "%s%s", key, id);
    if (rc == 0)
        rc = sha256_hex(both.s, both.n, hash, err);
    text_free(&both);
    return rc;
}

/* The task's outputs in the order of the hashes of key and id: random to whoever does not
 * know the key beforehand, the same for every try. */
static int shuffle(const char *key, char ids[MAX_OUTPUTS][SHA256_HEX], size_t n,
                   size_t order[MAX_OUTPUTS], error *err)
{
    char hash[MAX_OUTPUTS][SHA256_HEX];
    for (size_t i = 0; i < n; i++) {
        TRY(hash_both(key, ids[i], hash[i], err));
        size_t at = i;
        for (; at > 0 && strcmp(hash[order[at - 1]], hash[i]) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return 0;
}

static int add_outputs(webhook *w, const webhook_job *j, json_t *list, char **context,
                       error *err)
{
    char ids[MAX_OUTPUTS][SHA256_HEX];
    size_t order[MAX_OUTPUTS];
    int n = crowd_task_outputs(w->crowd, j->task, ids, err);
    TRY(n);
    TRY(shuffle(j->key, ids, (size_t)n, order, err));
    for (int i = 0; i < n; i++) {
        char *said = NULL;
        const char *id = ids[order[i]];
        int rc = crowd_output(w->crowd, id, i ? NULL : context, &said, err);
        if (rc == 0)
            rc = error_set(err, E_FORMAT, "%s: an output of a task is gone", w->path);
        json_t *one = rc < 0 ? NULL : json_pack("{s:s, s:s}", "output", id, "text", said);
        free(said);
        TRY(rc);
        if (json_array_append_new(list, one) < 0)
            return error_memory(err, SHA256_HEX);
    }
    return n > 0 ? 0 : error_set(err, E_FORMAT, "%s: a task is gone", w->path);
}

static json_t *question_json(const question *q)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < q->n_labels; i++)
        if (json_array_append_new(labels, json_string(q->labels[i])) < 0) {
            json_decref(labels);
            return NULL;
        }
    return json_pack("{s:s, s:b, s:s, s:s, s:o}", "kind", question_names[q->kind], "ties",
                     q->ties, "text", q->text, "instructions", q->instructions, "labels",
                     labels);
}

static int find_question(webhook *w, const char *task, question *out, error *err)
{
    char id[SHA256_HEX];
    sqlite3_stmt *q;
    TRY(sql_query(&w->file, WEBHOOK_QUESTION, &q, err, "s", task));
    int rc = sql_next(&w->file, q, "read a task", err);
    if (rc == 1) {
        read_text(q, 0, id, sizeof id);
        sql_done(q);
        rc = crowd_question(w->crowd, id, out, err);
    }
    if (rc == 0)
        return error_set(err, E_FORMAT, "%s: a task has no question", w->path);
    return rc < 0 ? rc : 0;
}

static int add_body(webhook *w, const webhook_job *j, const char *answer_url, text *out,
                    error *err)
{
    question q = {0};
    char *context = NULL;
    json_t *outputs = json_array();
    int rc = outputs ? find_question(w, j->task, &q, err) : error_memory(err, 64);
    if (rc == 0) {
        rc = add_outputs(w, j, outputs, &context, err);
        if (rc == 0)
            rc = api_print(out,
                           json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:O, s:s?}",
                                     "type", "task", "key", j->key, "task", j->task,
                                     "wanted", (json_int_t)j->wanted, "created",
                                     (json_int_t)(j->made_ms / 1000), "question",
                                     question_json(&q), "context", context, "outputs",
                                     outputs, "answer_to", answer_url),
                           err);
        question_free(&q);
    }
    json_decref(outputs);
    free(context);
    return rc < 0 ? rc : 1;
}

static int add_end(const webhook_job *j, text *out, error *err)
{
    json_t *end = json_pack("{s:s, s:s, s:s, s:I, s:I}", "type", "ended", "key", j->key,
                            "task", j->task, "wanted", (json_int_t)j->wanted, "created",
                            (json_int_t)(j->made_ms / 1000));
    int rc = api_print(out, end, err);
    return rc < 0 ? rc : 1;
}

int webhook_body(webhook *w, const webhook_job *j, const char *answer_url, text *out,
                 error *err)
{
    int wanted = crowd_task_wanted(w->crowd, j->task, err);
    if (wanted < 0 || (wanted > 0) == j->ended)
        return wanted < 0 ? wanted : 0;
    return j->ended ? add_end(j, out, err) : add_body(w, j, answer_url, out, err);
}

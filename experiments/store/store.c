/* The store's file: opening and recognising it, statements, transactions, the memo. What
 * is written about runs is in store_run.c, reading them back in store_read.c. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_sql.h"

/* Numbers are REAL, or an 8-byte blob where REAL would not give the same bits back (see
 * bind_number), so their columns have no type. */
static const char schema_1[] =
    "CREATE TABLE memo (key TEXT PRIMARY KEY, run INTEGER, value BLOB) WITHOUT ROWID;"
    "CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT, seed INTEGER, experiment TEXT,"
    " model_hash TEXT, backend TEXT, started TEXT, status TEXT, stop_reason TEXT,"
    " seconds);"
    "CREATE TABLE history (run INTEGER, step INTEGER, generation INTEGER, best, best_se,"
    " median, best_id INTEGER, n_alive INTEGER, seconds, PRIMARY KEY (run, step))"
    " WITHOUT ROWID;"
    "CREATE TABLE spend (run INTEGER, step INTEGER, purpose TEXT, tokens INTEGER,"
    " evaluations INTEGER, reused INTEGER, PRIMARY KEY (run, step, purpose))"
    " WITHOUT ROWID;"
    "CREATE TABLE operator (run INTEGER, step INTEGER, name TEXT, rate, credit,"
    " tries INTEGER, wins INTEGER, PRIMARY KEY (run, step, name)) WITHOUT ROWID;"
    "CREATE TABLE candidate (run INTEGER, id INTEGER, parent1 INTEGER, parent2 INTEGER,"
    " generation INTEGER, genome TEXT, prompt TEXT, operators TEXT, state TEXT, value,"
    " se, n INTEGER, PRIMARY KEY (run, id)) WITHOUT ROWID;"
    "CREATE TABLE verdict (run INTEGER PRIMARY KEY, difference, ci_low, ci_high, p);"
    "CREATE TABLE score (run INTEGER, role INTEGER, place INTEGER, candidate INTEGER,"
    " score, se, n INTEGER, each BLOB, first_choice,"
    " PRIMARY KEY (run, role, place)) WITHOUT ROWID;";

static const char schema_2[] =
    "CREATE TABLE cut (run INTEGER PRIMARY KEY, step INTEGER, seconds, pace);";

/* What `lamarck prefix` writes: see training.h. */
static const char schema_3[] =
    "CREATE TABLE training (run INTEGER PRIMARY KEY, method TEXT, n_tokens INTEGER,"
    " start TEXT, planned INTEGER, rate, peak_bytes INTEGER, parameters INTEGER);"
    "CREATE TABLE training_step (run INTEGER, step INTEGER, loss, grad_norm, rate,"
    " tokens INTEGER, seconds, PRIMARY KEY (run, step)) WITHOUT ROWID;"
    "CREATE TABLE training_evaluation (run INTEGER, step INTEGER, loss, best INTEGER,"
    " tokens INTEGER, seconds, PRIMARY KEY (run, step)) WITHOUT ROWID;"
    "CREATE TABLE checkpoint (run INTEGER PRIMARY KEY, step INTEGER, seconds,"
    " state BLOB);"
    "CREATE TABLE prefix (run INTEGER PRIMARY KEY, step INTEGER, loss, kind INTEGER,"
    " n INTEGER, shape TEXT, base_model TEXT, init TEXT, numbers BLOB);"
    "CREATE TABLE comparison (run INTEGER, role INTEGER, difference, ci_low, ci_high, p,"
    " PRIMARY KEY (run, role)) WITHOUT ROWID;";

/* What people gave. */
static const char schema_4[] =
    "ALTER TABLE spend ADD COLUMN ratings INTEGER NOT NULL DEFAULT 0;";

/* What takes a file from each version to the next; its version (PRAGMA user_version) is
 * how many of these it has. */
static const char *const schema_steps[] = {schema_1, schema_2, schema_3, schema_4};
enum { SCHEMA_VERSION = sizeof schema_steps / sizeof *schema_steps };

/* ---- Transactions ---- */

int store_begin(store *s, error *err)
{
    return store_execute(s, SQL_BEGIN, "begin a transaction", err, "");
}

void store_rollback(store *s)
{
    /* SQLite may have rolled back by itself: after a full disk, for one. */
    if (!sqlite3_get_autocommit(s->file.db))
        store_execute(s, SQL_ROLLBACK, "roll back", NULL, "");
}

int store_end(store *s, int rc, error *err)
{
    if (rc == 0)
        rc = store_execute(s, SQL_COMMIT, "commit a transaction", err, "");
    if (rc < 0)
        store_rollback(s);
    return rc;
}

int store_enter(store *s, bool *opened, error *err)
{
    *opened = sqlite3_get_autocommit(s->file.db);
    return *opened ? store_begin(s, err) : 0;
}

int store_leave(store *s, bool opened, int rc, error *err)
{
    return opened ? store_end(s, rc, err) : rc;
}

/* ---- Opening ---- */

/* Is this a file of ours, of this version? *empty: a new file, one whose making was cut
 * off before its schema was whole, or one that only holds a crowd (rater/crowd.h). */
static int recognise(store *s, bool *empty, error *err)
{
    int64_t application = 0, version = 0, tables = 0;
    TRY(sql_read_number(&s->file, "PRAGMA application_id", &application, err));
    TRY(sql_read_number(&s->file, "PRAGMA user_version", &version, err));
    TRY(sql_read_number(&s->file, "SELECT count(*) FROM sqlite_master", &tables, err));
    *empty = version == 0 &&
             (application == SQL_APPLICATION_ID || (application == 0 && tables == 0));
    if (*empty)
        return 0;
    if (application != SQL_APPLICATION_ID)
        return error_set(err, E_FORMAT,
                         "%s is an SQLite file, but not one that Lamarck made", s->path);
    if (version < 1 || version > SCHEMA_VERSION)
        return error_set(err, E_FORMAT,
                         "%s has schema version %lld; this program reads and writes "
                         "versions 1 to %d only",
                         s->path, (long long)version, SCHEMA_VERSION);
    s->version = (int)version;
    return 0;
}

static int make_schema(store *s, error *err)
{
    bool empty = false;
    TRY(store_begin(s, err));
    int rc = recognise(s, &empty, err); /* another process may have been first */
    bool old = s->version < SCHEMA_VERSION;
    for (; rc == 0 && s->version < SCHEMA_VERSION; s->version++)
        rc = sql_run(&s->file, schema_steps[s->version], "make the tables", err);
    char pragmas[100];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA application_id = %d; PRAGMA user_version = %d;", SQL_APPLICATION_ID,
             SCHEMA_VERSION);
    if (rc == 0 && old)
        rc = sql_run(&s->file, pragmas, "mark the file", err);
    return store_end(s, rc, err);
}

/* mkdir -p */
static int make_folders(const char *dir, error *err)
{
    char *path = string_copy(dir);
    if (!path)
        return error_memory(err, strlen(dir));
    int rc = 0;
    for (char *p = path + 1; rc == 0; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            rc = error_set(err, E_IO, "cannot make the folder %s: %s", path,
                           strerror(errno));
        *p = c;
        if (c == '\0')
            break;
    }
    free(path);
    return rc;
}

static int store_new(store **out, const char *dir, error *err)
{
    store *s = calloc(1, sizeof *s);
    text path = {0};
    if (!s || !(s->dir = string_copy(dir)) ||
        text_add_format(&path, NULL, "%s/lamarck.sqlite", dir) < 0) {
        if (s)
            free(s->dir);
        free(s);
        return error_memory(err, sizeof *s + strlen(dir));
    }
    s->path = path.s;
    s->file = (sql_file){.path = s->path,
                         .texts = store_statements(),
                         .prepared = s->statements,
                         .n = N_STATEMENTS};
    s->lock_fd = -1;
    *out = s;
    return 0;
}

static int open_for_writing(store *s, error *err)
{
    struct stat info;
    bool was_there = stat(s->path, &info) == 0;
    TRY(sql_open(&s->file, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
    if (sqlite3_db_readonly(s->file.db, "main") == 1)
        return error_set(err, E_IO, "no permission to write %s", s->path);
    bool empty = false;
    if (was_there)
        TRY(recognise(s, &empty, err)); /* before the WAL pragma would write to it */
    /* FULL: in WAL mode a commit is on the disk when it returns, not only in the cache.
     */
    TRY(sql_run(&s->file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                "switch to a write-ahead log", err));
    return make_schema(s, err);
}

int store_open(store **out, const char *dir, bool create, error *err)
{
    struct stat info;
    store *s;
    TRY(store_new(&s, dir, err));
    int rc = 0;
    if (create)
        rc = make_folders(dir, err);
    else if (stat(s->path, &info) != 0)
        rc = error_set(err, E_IO, "%s is not a run folder: cannot open %s: %s", dir,
                       s->path, strerror(errno));
    if (rc == 0)
        rc = open_for_writing(s, err);
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* A finished file in WAL mode, in a folder where nobody may write, can only be read when
 * SQLite is told that nothing will change it; `?immutable=1` says so. */
static int open_immutable(store *s, error *err)
{
    text uri = {0};
    int rc = text_add_string(&uri, "file:", err);
    for (const char *p = s->path; *p && rc == 0; p++)
        rc = strchr("%?#", *p) ? text_add_format(&uri, err, "%%%02x", *p)
                               : text_add(&uri, p, 1, err);
    if (rc == 0)
        rc = text_add_string(&uri, "?immutable=1", err);
    sql_close(&s->file);
    if (rc == 0)
        rc = sql_open(&s->file, uri.s, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    text_free(&uri);
    return rc;
}

static int open_for_reading(store *s, error *err)
{
    bool empty = false;
    TRY(sql_open(&s->file, s->path, SQLITE_OPEN_READONLY, err));
    int rc = recognise(s, &empty, err);
    if (rc == E_IO && access(s->dir, W_OK) != 0) {
        TRY(open_immutable(s, err));
        rc = recognise(s, &empty, err);
    }
    if (rc == 0 && empty)
        rc = error_set(err, E_ARGUMENT, "%s is empty: no run was ever begun in it",
                       s->path);
    return rc;
}

int store_open_readonly(store **out, const char *dir, error *err)
{
    struct stat info;
    store *s;
    TRY(store_new(&s, dir, err));
    int rc = stat(s->path, &info) == 0
                 ? open_for_reading(s, err)
                 : error_set(err, E_IO, "%s is not a run folder: cannot open %s: %s", dir,
                             s->path, strerror(errno));
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void store_close(store *s)
{
    if (!s)
        return;
    sql_close(&s->file);
    if (s->lock_fd >= 0)
        close(s->lock_fd); /* lets the lock go */
    free(s->dir);
    free(s->path);
    free(s);
}

/* ---- The memo ---- */

int store_memo_get(store *s, const char *key, char **value, size_t *n, bool *foreign,
                   error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_MEMO_GET, &q, err, "s", key));
    int rc = store_next(s, q, "look up a score", err);
    if (rc <= 0)
        return rc;
    size_t bytes = (size_t)sqlite3_column_bytes(q, 0);
    char *copy = bytes_copy(sqlite3_column_blob(q, 0), bytes);
    bool other = (uint64_t)sqlite3_column_int64(q, 1) != s->run;
    store_done(q);
    if (!copy)
        return error_memory(err, bytes);
    *value = copy;
    *n = bytes;
    if (foreign)
        *foreign = other;
    return 1;
}

int store_memo_put(store *s, const char *key, const void *value, size_t n, error *err)
{
    return store_execute(s, SQL_MEMO_PUT, "record a score", err, "sib", key,
                         (int64_t)s->run, value, n);
}

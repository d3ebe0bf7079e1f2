/* The store's statements: their text, preparing, binding, stepping, and what SQLite's
 * failures mean to us. */
#include "store_sql.h"

#include <stdarg.h>
#include <string.h>

static const char *const statement_sql[N_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_MEMO_GET] = "SELECT value, run FROM memo WHERE key = ?",
    [SQL_MEMO_PUT] = "INSERT OR IGNORE INTO memo VALUES (?, ?, ?)",
    [SQL_RUN_NEW] = "INSERT INTO run (name, seed, experiment, model_hash, backend,"
                    " started, status, stop_reason, seconds) VALUES (?, ?, ?, ?, ?,"
                    " strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'running', '', 0)",
    [SQL_RUN_EXISTS] = "SELECT 1 FROM run WHERE id = ?",
    [SQL_RUN_STATUS] = "UPDATE run SET status = ? WHERE id = ?",
    [SQL_RUN_END] = "UPDATE run SET stop_reason = ?, seconds = ? WHERE id = ?",
    [SQL_RUN_LATEST] = "SELECT max(id) FROM run",
    [SQL_RUN_LATEST_UNFINISHED] = "SELECT max(id) FROM run WHERE status <> 'finished'",
    [SQL_RUN_IDS] = "SELECT id FROM run ORDER BY id",
    [SQL_RUN_READ] =
        "SELECT seed, name, experiment, model_hash, backend, started, status,"
        " stop_reason, seconds FROM run WHERE id = ?",
    [SQL_SPEND_PUT] = "INSERT OR REPLACE INTO spend VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_SPEND_READ] = "SELECT purpose, tokens, evaluations, reused FROM spend"
                       " WHERE run = ? AND step = ?",
    [SQL_HISTORY_PUT] =
        "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_HISTORY_GET] =
        "SELECT step, generation, best, best_se, median, best_id, n_alive,"
        " seconds FROM history WHERE run = ? AND step = ?",
    [SQL_HISTORY_READ] = "SELECT step FROM history WHERE run = ? ORDER BY step",
    [SQL_OPERATOR_PUT] = "INSERT OR REPLACE INTO operator VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_OPERATOR_READ] = "SELECT step, name, rate, credit, tries, wins FROM operator"
                          " WHERE run = ? ORDER BY step, name",
    [SQL_CANDIDATE_PUT] = "INSERT OR REPLACE INTO candidate VALUES"
                          " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_CANDIDATE_READ] = "SELECT id, parent1, parent2, generation, genome, prompt,"
                           " operators, state, value, se, n FROM candidate"
                           " WHERE run = ? ORDER BY id",
    [SQL_CUT_PUT] = "INSERT OR REPLACE INTO cut VALUES (?, ?, ?, ?)",
    [SQL_CUT_GET] = "SELECT step, seconds, pace FROM cut WHERE run = ?",
    [SQL_VERDICT_PUT] = "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)",
    [SQL_VERDICT_READ] =
        "SELECT difference, ci_low, ci_high, p FROM verdict WHERE run = ?",
    [SQL_SCORES_CLEAR] = "DELETE FROM score WHERE run = ?",
    [SQL_SCORE_PUT] = "INSERT INTO score VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_SCORE_READ] =
        "SELECT role, candidate, score, se, n, each, first_choice FROM score"
        " WHERE run = ? ORDER BY role, place",
    [SQL_TRAINING_PUT] =
        "INSERT OR REPLACE INTO training VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_TRAINING_READ] = "SELECT method, n_tokens, start, planned, rate, peak_bytes,"
                          " parameters FROM training WHERE run = ?",
    [SQL_TRAINING_STEP_PUT] =
        "INSERT OR REPLACE INTO training_step VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_TRAINING_STEP_GET] = "SELECT step, loss, grad_norm, rate, tokens, seconds"
                              " FROM training_step WHERE run = ? AND step = ?",
    [SQL_TRAINING_STEPS_READ] = "SELECT step, loss, grad_norm, rate, tokens, seconds"
                                " FROM training_step WHERE run = ? ORDER BY step",
    [SQL_EVALUATION_PUT] =
        "INSERT OR REPLACE INTO training_evaluation VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_EVALUATIONS_READ] = "SELECT step, loss, best, tokens, seconds"
                             " FROM training_evaluation WHERE run = ? ORDER BY step",
    [SQL_CHECKPOINT_PUT] = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)",
    [SQL_CHECKPOINT_READ] = "SELECT step, seconds, state FROM checkpoint WHERE run = ?",
    [SQL_PREFIX_PUT] = "INSERT OR REPLACE INTO prefix VALUES"
                       " (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_PREFIX_READ] = "SELECT step, loss, kind, n, shape, base_model, init, numbers"
                        " FROM prefix WHERE run = ?",
    [SQL_COMPARISON_PUT] = "INSERT OR REPLACE INTO comparison VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_COMPARISON_READ] = "SELECT difference, ci_low, ci_high, p FROM comparison"
                            " WHERE run = ? AND role = ?",
};

/* ---- Errors and statements ---- */

/* The class of a failure, from SQLite's primary result code. */
static int error_class(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return E_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return E_FORMAT;
    case SQLITE_NOMEM:
        return E_MEMORY;
    default:
        return E_EXTERNAL;
    }
}

int store_error(store *s, const char *doing, error *err)
{
    int code = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const char *why = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    const char *hint = (code & 0xff) == SQLITE_FULL
                           ? " (nothing that was written before is lost; make room and "
                             "resume)"
                           : "";
    return error_set(err, error_class(code), "cannot %s in %s: %s%s", doing, s->path, why,
                     hint);
}

/* REAL keeps every double except two kinds: NaN becomes NULL, and -0.0 becomes 0. Those
 * go in as their 8 bytes, so that what comes out has the same bits. */
static int bind_number(sqlite3_stmt *q, int i, double x)
{
    static const double zero = 0.0;
    bool negative_zero = x == 0.0 && memcmp(&x, &zero, sizeof x) != 0;
    if (x != x || negative_zero)
        return sqlite3_bind_blob(q, i, &x, sizeof x, SQLITE_TRANSIENT);
    return sqlite3_bind_double(q, i, x);
}

double column_number(sqlite3_stmt *q, int column)
{
    double x;
    if (sqlite3_column_type(q, column) == SQLITE_BLOB &&
        sqlite3_column_bytes(q, column) == (int)sizeof x) {
        memcpy(&x, sqlite3_column_blob(q, column), sizeof x);
        return x;
    }
    return sqlite3_column_double(q, column);
}

int column_text(sqlite3_stmt *q, int column, char **out, error *err)
{
    const unsigned char *s = sqlite3_column_text(q, column);
    size_t n = (size_t)sqlite3_column_bytes(q, column);
    *out = bytes_copy(s, s ? n : 0);
    return *out ? 0 : error_memory(err, n + 1);
}

static int bind_all(sqlite3_stmt *q, const char *types, va_list args)
{
    int rc = SQLITE_OK, i = 1;
    for (; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 'i') {
            rc = sqlite3_bind_int64(q, i, va_arg(args, int64_t));
        } else if (*types == 'd') {
            rc = bind_number(q, i, va_arg(args, double));
        } else if (*types == 's') {
            rc = sqlite3_bind_text(q, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else {
            const void *bytes = va_arg(args, const void *);
            size_t n = va_arg(args, size_t);
            rc = sqlite3_bind_blob64(q, i, bytes ? bytes : "", n, SQLITE_STATIC);
        }
    }
    return rc;
}

static int query_bound(store *s, statement id, sqlite3_stmt **out, error *err,
                       const char *types, va_list args)
{
    if (!s->statements[id] &&
        sqlite3_prepare_v3(s->db, statement_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                           &s->statements[id], NULL) != SQLITE_OK)
        return store_error(s, "prepare a statement", err);
    sqlite3_stmt *q = s->statements[id];
    if (bind_all(q, types, args) != SQLITE_OK) {
        int rc = store_error(s, "bind a value", err);
        store_done(q);
        return rc;
    }
    *out = q;
    return 0;
}

int store_query(store *s, statement id, sqlite3_stmt **out, error *err, const char *types,
                ...)
{
    va_list args;
    va_start(args, types);
    int rc = query_bound(s, id, out, err, types, args);
    va_end(args);
    return rc;
}

void store_done(sqlite3_stmt *q)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

int store_next(store *s, sqlite3_stmt *q, const char *doing, error *err)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        return 1;
    int rc = code == SQLITE_DONE ? 0 : store_error(s, doing, err);
    store_done(q);
    return rc;
}

int store_execute(store *s, statement id, const char *doing, error *err,
                  const char *types, ...)
{
    va_list args;
    sqlite3_stmt *q;
    va_start(args, types);
    int rc = query_bound(s, id, &q, err, types, args);
    va_end(args);
    return rc < 0 ? rc : store_next(s, q, doing, err);
}

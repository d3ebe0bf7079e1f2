/* Preparing, binding and stepping statements, and what SQLite's failures mean to us. */
#include "sql.h"

#include <string.h>

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

int sql_error(const sql_file *f, const char *doing, error *err)
{
    int code = f->db ? sqlite3_extended_errcode(f->db) : SQLITE_NOMEM;
    const char *why = f->db ? sqlite3_errmsg(f->db) : "out of memory";
    const char *hint = (code & 0xff) == SQLITE_FULL
                           ? " (nothing that was written before is lost; make room and "
                             "resume)"
                           : "";
    return error_set(err, error_class(code), "cannot %s in %s: %s%s", doing, f->path, why,
                     hint);
}

int sql_open(sql_file *f, const char *name, int flags, error *err)
{
    if (sqlite3_open_v2(name, &f->db, flags, NULL) != SQLITE_OK)
        return sql_error(f, "open the run folder's file", err);
    sqlite3_extended_result_codes(f->db, 1);
    sqlite3_busy_timeout(f->db, SQL_BUSY_MS);
    return 0;
}

void sql_close(sql_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        sqlite3_finalize(f->prepared[i]);
        f->prepared[i] = NULL;
    }
    sqlite3_close(f->db);
    f->db = NULL;
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

int sql_query_list(sql_file *f, size_t id, sqlite3_stmt **out, error *err,
                   const char *types, va_list args)
{
    if (!f->prepared[id] &&
        sqlite3_prepare_v3(f->db, f->texts[id], -1, SQLITE_PREPARE_PERSISTENT,
                           &f->prepared[id], NULL) != SQLITE_OK)
        return sql_error(f, "prepare a statement", err);
    sqlite3_stmt *q = f->prepared[id];
    if (bind_all(q, types, args) != SQLITE_OK) {
        int rc = sql_error(f, "bind a value", err);
        sql_done(q);
        return rc;
    }
    *out = q;
    return 0;
}

int sql_query(sql_file *f, size_t id, sqlite3_stmt **out, error *err, const char *types,
              ...)
{
    va_list args;
    va_start(args, types);
    int rc = sql_query_list(f, id, out, err, types, args);
    va_end(args);
    return rc;
}

void sql_done(sqlite3_stmt *q)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

int sql_next(sql_file *f, sqlite3_stmt *q, const char *doing, error *err)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        return 1;
    int rc = code == SQLITE_DONE ? 0 : sql_error(f, doing, err);
    sql_done(q);
    return rc;
}

int sql_execute(sql_file *f, size_t id, const char *doing, error *err, const char *types,
                ...)
{
    va_list args;
    sqlite3_stmt *q;
    va_start(args, types);
    int rc = sql_query_list(f, id, &q, err, types, args);
    va_end(args);
    return rc < 0 ? rc : sql_next(f, q, doing, err);
}

int sql_read_number(sql_file *f, const char *query, int64_t *out, error *err)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(f->db, query, -1, &q, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    int rc = 0;
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        rc = sql_error(f, "read the header", err);
    sqlite3_finalize(q);
    return rc;
}

int sql_run(sql_file *f, const char *script, const char *doing, error *err)
{
    return sqlite3_exec(f->db, script, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : sql_error(f, doing, err);
}

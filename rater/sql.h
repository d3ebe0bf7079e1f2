/* What everybody who keeps tables in a run's SQLite file needs: statements prepared at
 * first use, values bound by letters, rows stepped, and SQLite's failures as ours.
 *
 * An sql_file is part of its owner, who opens it, fills in its texts and closes it. One
 * thread at a time. */
#ifndef LAMARCK_RATER_SQL_H
#define LAMARCK_RATER_SQL_H

#include "../model/base.h"

#include <sqlite3.h>

enum {
    SQL_APPLICATION_ID = 0x4c4d524b, /* "LMRK", PRAGMA application_id of our files */
    SQL_BUSY_MS = 60000,             /* others write for milliseconds */
};

typedef struct sql_file {
    sqlite3 *db;              /* NULL: not open */
    const char *path;         /* what errors name; borrowed */
    const char *const *texts; /* of the statements, by number; borrowed */
    sqlite3_stmt **prepared;  /* as many; the owner's array, NULL where not yet */
    size_t n;
} sql_file;

/* sqlite3_open_v2 with extended codes and a busy timeout. */
int sql_open(sql_file *f, const char *name, int flags, error *err);
void sql_close(sql_file *f);

/* Turn SQLite's last error into one of ours: "cannot DOING in PATH: …". */
int sql_error(const sql_file *f, const char *doing, error *err);

/* Bind by `types`, one letter per argument: i int64_t, d double, s const char * (NULL
 * allowed), b const void * and size_t. Borrowed until the statement is reset. */
int sql_query(sql_file *f, size_t id, sqlite3_stmt **out, error *err, const char *types,
              ...);
int sql_query_list(sql_file *f, size_t id, sqlite3_stmt **out, error *err,
                   const char *types, va_list args);
/* 1: a row is there; 0: no more rows (the statement is reset); or an error (reset too).
 */
int sql_next(sql_file *f, sqlite3_stmt *q, const char *doing, error *err);
/* Leave a query before its last row. */
void sql_done(sqlite3_stmt *q);
/* Bind and run a statement that returns no rows. */
int sql_execute(sql_file *f, size_t id, const char *doing, error *err, const char *types,
                ...);
/* One whole number from a query, -1 and an error when it has no row. */
int sql_read_number(sql_file *f, const char *query, int64_t *out, error *err);
/* Statements without values, run once. */
int sql_run(sql_file *f, const char *script, const char *doing, error *err);

/* Columns of the current row. Text is new, and "" for NULL; numbers have the bits that
 * were bound. */
int column_text(sqlite3_stmt *q, int column, char **out, error *err);
double column_number(sqlite3_stmt *q, int column);

#endif

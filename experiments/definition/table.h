/* Rows of a table with cells of text: CSV (RFC 4180: quotes, doubled quotes, newlines
 * inside quotes, CRLF or LF) and TSV (no quoting at all). What the cells mean is the
 * caller's business.
 *
 * Borrows the stream and the path; owns the bytes of the row at hand. One thread. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_TABLE_H
#define LAMARCK_EXPERIMENTS_DEFINITION_TABLE_H

#include <stdio.h>

#include "../../model/base.h"

enum {
    TABLE_MAX_CELLS = 1024,   /* of a row */
    TABLE_MAX_ROW = 16 << 20, /* bytes: more is no row but a mistake */
};

typedef struct table {
    FILE *f;
    const char *path;              /* what errors say */
    bool quoted;                   /* CSV, else TSV */
    size_t line;                   /* of the next byte */
    size_t begun;                  /* line on which the row began */
    text bytes;                    /* the cells, a NUL after each */
    size_t cells[TABLE_MAX_CELLS]; /* where each begins */
    size_t n;
} table;

/* At the first byte of f; a byte order mark is skipped. */
void table_begin(table *t, FILE *f, const char *path, bool quoted);
void table_end(table *t);

/* The next row that is not blank: 1, or 0 at the end, or an error with file and line.
 * Cells are well-formed UTF-8 without NUL. */
int table_next(table *t, error *err);
/* The same for a row of the body: E_FORMAT unless it has n_columns cells. */
int table_next_of(table *t, size_t n_columns, error *err);

/* Borrowed until the next row. */
const char *table_cell(const table *t, size_t i);
/* The first cell with these bytes, or t->n. */
size_t table_find(const table *t, const char *name);
/* E_FORMAT if a name of the header at hand is empty or there twice. */
int table_check_header(const table *t, error *err);
/* E_FORMAT: the header at hand lacks this column; `usual` is said after its name. */
int table_missing_column(const table *t, const char *wanted, const char *usual,
                         error *err);

#endif

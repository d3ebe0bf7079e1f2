/* Reads tables with a header: CSV (RFC 4180: quotes, doubled quotes, newlines inside
 * quotes, CRLF or LF) and TSV (no quoting at all). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_read.h"

enum { TABLE_MAX_CELLS = 1024 }; /* of a row; only some may become fields */

/* One row at a time. */
typedef struct table {
    FILE *f;
    const char *path;
    bool quoted;
    size_t line;                   /* of the next byte */
    size_t begun;                  /* line on which the row began */
    text bytes;                    /* the cells, a NUL after each */
    size_t cells[TABLE_MAX_CELLS]; /* where each begins */
    size_t n;
} table;

static int add_byte(table *t, int c, error *err)
{
    char byte = (char)c;
    if (t->bytes.n >= DATASET_MAX_RECORD)
        return error_set(err, E_LIMIT,
                         "%s:%zu: the row is longer than the limit of %d bytes%s",
                         t->path, t->begun, DATASET_MAX_RECORD,
                         t->quoted ? " (is a closing quote missing?)" : "");
    if (c == '\0')
        return error_set(err, E_FORMAT, "%s:%zu: a NUL byte", t->path, t->line);
    return text_add(&t->bytes, &byte, 1, err);
}

static int begin_cell(table *t, error *err)
{
    if (t->n == TABLE_MAX_CELLS)
        return error_set(err, E_LIMIT, "%s:%zu: more than %d columns", t->path, t->begun,
                         TABLE_MAX_CELLS);
    t->cells[t->n++] = t->bytes.n;
    return 0;
}

static int end_cell(table *t, error *err)
{
    return text_add(&t->bytes, "", 1, err);
}

/* The rest of a quoted cell; returns the byte after the closing quote. */
static int read_quoted(table *t, int *after, error *err)
{
    size_t opened = t->line;
    for (;;) {
        int c = getc_unlocked(t->f);
        if (c == EOF)
            return error_set(err, E_FORMAT,
                             "%s:%zu: the quote that opens here is never closed", t->path,
                             opened);
        if (c == '"') {
            c = getc_unlocked(t->f);
            if (c != '"') {
                *after = c;
                return 0;
            }
        }
        TRY(add_byte(t, c, err));
        if (c == '\n')
            t->line++;
    }
}

/* One cell from its first byte on; *c is the separator, newline or EOF that ended it. */
static int read_cell(table *t, int *c, error *err)
{
    TRY(begin_cell(t, err));
    int separator = t->quoted ? ',' : '\t';
    if (t->quoted && *c == '"') {
        TRY(read_quoted(t, c, err));
        if (*c == '\r')
            *c = getc_unlocked(t->f);
        if (*c != separator && *c != '\n' && *c != EOF)
            return error_set(err, E_FORMAT,
                             "%s:%zu: column %zu goes on after its closing quote: a "
                             "quote inside a quoted cell is written twice",
                             t->path, t->line, t->n);
        return end_cell(t, err);
    }
    while (*c != separator && *c != '\n' && *c != EOF) {
        if (t->quoted && *c == '"')
            return error_set(err, E_FORMAT,
                             "%s:%zu: a quote inside column %zu, which does not begin "
                             "with one: quote the whole cell and double its quotes",
                             t->path, t->line, t->n);
        TRY(add_byte(t, *c, err));
        *c = getc_unlocked(t->f);
    }
    bool ends_row = *c != separator;
    bool has_return =
        t->bytes.n > t->cells[t->n - 1] && t->bytes.s[t->bytes.n - 1] == '\r';
    if (ends_row && has_return)
        t->bytes.n--;
    return end_cell(t, err);
}

/* The next row that is not blank: 1, or 0 at the end, or an error. */
static int next_row(table *t, error *err)
{
    for (;;) {
        text_clear(&t->bytes);
        t->n = 0;
        t->begun = t->line;
        int c = getc_unlocked(t->f);
        if (c == EOF && ferror(t->f))
            return error_set(err, E_IO, "cannot read %s: %s", t->path, strerror(errno));
        if (c == EOF)
            return 0;
        for (;;) {
            TRY(read_cell(t, &c, err));
            if (c == '\n')
                t->line++;
            if (c == '\n' || c == EOF)
                break;
            c = getc_unlocked(t->f);
        }
        if (t->n == 1 && t->bytes.n == 1)
            continue;
        for (size_t i = 0; i < t->n; i++) {
            const char *cell = t->bytes.s + t->cells[i];
            TRY(check_bytes(t->path, t->begun, cell, strlen(cell), err));
        }
        return 1;
    }
}

static const char *cell_of(const table *t, size_t i)
{
    return t->bytes.s + t->cells[i];
}

static size_t find_cell(const table *t, const char *name)
{
    size_t i = 0;
    while (i < t->n && strcmp(cell_of(t, i), name) != 0)
        i++;
    return i;
}

/* What each column of the header becomes. */
typedef struct header {
    size_t n;
    size_t target;                 /* its column */
    size_t field[TABLE_MAX_CELLS]; /* of the others */
} header;

static int missing_column(const table *t, const char *wanted, const char *usual,
                          error *err)
{
    const char *names[TABLE_MAX_CELLS];
    for (size_t i = 0; i < t->n; i++)
        names[i] = cell_of(t, i);
    const char *near = nearest_name(wanted, names, t->n);
    return error_set(err, E_FORMAT,
                     "%s:%zu: the header has no column \"%.60s\"%s%s%.60s%s", t->path,
                     t->begun, wanted, usual, near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"?" : "");
}

static int check_header(const table *t, error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!*cell_of(t, i))
            return error_set(err, E_FORMAT,
                             "%s:%zu: column %zu of the header has no name", t->path,
                             t->begun, i + 1);
        if (find_cell(t, cell_of(t, i)) < i)
            return error_set(err, E_FORMAT,
                             "%s:%zu: the header names column \"%.60s\" twice", t->path,
                             t->begun, cell_of(t, i));
    }
    return 0;
}

static int read_header(dataset_builder *b, const table *t, header *out, error *err)
{
    TRY(check_header(t, err));
    const char *input = b->names.input ? b->names.input : "input";
    if (find_cell(t, input) == t->n)
        return missing_column(t, input, "", err);
    const char *target = b->names.target ? b->names.target : "target";
    out->n = t->n;
    out->target = find_cell(t, target);
    if (out->target == t->n && !b->names.target)
        out->target = find_cell(t, "label");
    if (out->target == t->n)
        return missing_column(t, target, b->names.target ? "" : " (nor \"label\")", err);
    for (size_t i = 0; i < t->n; i++)
        if (i != out->target)
            TRY(builder_field(b, cell_of(t, i), t->begun, &out->field[i], err));
    return 0;
}

static int read_body(dataset_builder *b, table *t, const header *columns, error *err)
{
    for (;;) {
        int rc = next_row(t, err);
        if (rc <= 0)
            return rc;
        if (t->n != columns->n)
            return error_set(err, E_FORMAT,
                             "%s:%zu: the row has %zu columns, the header has %zu",
                             t->path, t->begun, t->n, columns->n);
        TRY(builder_row(b, t->begun, err));
        for (size_t i = 0; i < t->n; i++) {
            const char *cell = cell_of(t, i);
            if (i == columns->target)
                TRY(builder_target(b, cell, strlen(cell), err));
            else
                TRY(builder_value(b, columns->field[i], cell, strlen(cell), err));
        }
        TRY(builder_row_end(b, err));
    }
}

int read_table(dataset_builder *b, FILE *f, bool quoted, error *err)
{
    table *t = calloc(1, sizeof *t);
    header *columns = calloc(1, sizeof *columns);
    int rc = t && columns ? 0 : error_memory(err, sizeof *t);
    if (rc < 0)
        goto out;
    *t = (table){.f = f, .path = b->d->path, .quoted = quoted, .line = 1};
    skip_mark(f);
    TRY_OUT(rc, next_row(t, err));
    if (rc == 0) {
        rc = error_set(err, E_FORMAT, "%s is empty: it needs a header", b->d->path);
        goto out;
    }
    TRY_OUT(rc, read_header(b, t, columns, err));
    rc = read_body(b, t, columns, err);
out:
    if (t)
        text_free(&t->bytes);
    free(t);
    free(columns);
    return rc;
}

/* Reads rows of cells, and knows nothing of what they are for. */
#include "table.h"

#include <errno.h>
#include <string.h>

#include "lines.h"

void table_begin(table *t, FILE *f, const char *path, bool quoted)
{
    *t = (table){.f = f, .path = path, .quoted = quoted, .line = 1};
    skip_mark(f);
}

void table_end(table *t)
{
    text_free(&t->bytes);
}

static int add_byte(table *t, int c, error *err)
{
    char byte = (char)c;
    if (t->bytes.n >= TABLE_MAX_ROW)
        return error_set(err, E_LIMIT,
                         "%s:%zu: the row is longer than the limit of %d bytes%s",
                         t->path, t->begun, TABLE_MAX_ROW,
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

int table_next(table *t, error *err)
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

const char *table_cell(const table *t, size_t i)
{
    return t->bytes.s + t->cells[i];
}

size_t table_find(const table *t, const char *name)
{
    size_t i = 0;
    while (i < t->n && strcmp(table_cell(t, i), name) != 0)
        i++;
    return i;
}

int table_next_of(table *t, size_t n_columns, error *err)
{
    int rc = table_next(t, err);
    if (rc <= 0 || t->n == n_columns)
        return rc;
    return error_set(err, E_FORMAT, "%s:%zu: the row has %zu columns, the header has %zu",
                     t->path, t->begun, t->n, n_columns);
}

/* The header's names in quotes, as many as there is room for. */
static void list_names(const table *t, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < t->n; i++) {
        const char *name = table_cell(t, i);
        if (used + strlen(name) + sizeof ", \"\", …" > size) {
            snprintf(out + used, size - used, "%s…", i ? ", " : "");
            return;
        }
        used +=
            (size_t)snprintf(out + used, size - used, "%s\"%s\"", i ? ", " : "", name);
    }
}

int table_missing_column(const table *t, const char *wanted, const char *usual,
                         error *err)
{
    const char *names[TABLE_MAX_CELLS];
    char all[300] = "";
    for (size_t i = 0; i < t->n; i++)
        names[i] = table_cell(t, i);
    const char *near = nearest_name(wanted, names, t->n);
    list_names(t, all, sizeof all);
    return error_set(
        err, E_FORMAT, "%s:%zu: the header has no column \"%.60s\"%s, but %s%s%.60s%s",
        t->path, t->begun, wanted, usual, all, near ? "; did you mean \"" : "",
        near ? near : "", near ? "\"?" : "");
}

int table_check_header(const table *t, error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!*table_cell(t, i))
            return error_set(err, E_FORMAT,
                             "%s:%zu: column %zu of the header has no name", t->path,
                             t->begun, i + 1);
        if (table_find(t, table_cell(t, i)) < i)
            return error_set(err, E_FORMAT,
                             "%s:%zu: the header names column \"%.60s\" twice", t->path,
                             t->begun, table_cell(t, i));
    }
    return 0;
}

/* Which column of a table of ratings is what, and what may stand in it. */
#include "ratings_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "table.h"

/* A column that somebody asks for. */
typedef struct wanted {
    const char *given, *usual; /* given: by the user, or NULL */
    bool optional;             /* if not given */
    size_t at;                 /* found here; SIZE_MAX: absent */
} wanted;

/* Whether a name of the header is this one, but for blanks around it. */
static bool is_named(const char *cell, const char *name)
{
    static const char blanks[] = " \t";
    cell += strspn(cell, blanks);
    size_t n = strlen(name);
    return strncmp(cell, name, n) == 0 && !cell[n + strspn(cell + n, blanks)];
}

static size_t find_column(const table *t, const char *name)
{
    size_t i = table_find(t, name);
    for (size_t k = 0; i == t->n && k < t->n; k++)
        if (is_named(table_cell(t, k), name))
            return k;
    return i;
}

/* Columns that nobody asks for may be called what they like: nothing at all, as the row
 * numbers that pandas writes, or the same twice. */
static int check_unique(const table *t, size_t at, error *err)
{
    for (size_t i = at + 1; i < t->n; i++)
        if (strcmp(table_cell(t, i), table_cell(t, at)) == 0)
            return error_set(err, E_FORMAT,
                             "%s:%zu: the header names column \"%.60s\" twice", t->path,
                             t->begun, table_cell(t, at));
    return 0;
}

static int find_columns(const table *t, wanted *columns, size_t n, const char *hint,
                        error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = columns[i].given ? columns[i].given : columns[i].usual;
        columns[i].at = find_column(t, name);
        if (columns[i].at < t->n) {
            TRY(check_unique(t, columns[i].at, err));
            continue;
        }
        columns[i].at = SIZE_MAX;
        if (columns[i].given || !columns[i].optional)
            return table_missing_column(t, name, columns[i].given ? "" : hint, err);
    }
    return 0;
}

/* The cell of a column that must not be empty. */
static int take_cell(const table *t, const wanted *column, const char **out, error *err)
{
    *out = table_cell(t, column->at);
    if (**out)
        return 0;
    return error_set(err, E_FORMAT, "%s:%zu: column \"%.60s\" is empty: it must name %s",
                     t->path, t->begun, column->given ? column->given : column->usual,
                     strcmp(column->usual, "rater") == 0 ? "the rater" : "an item");
}

static bool is_not_a_number(const char *s)
{
    return strcasecmp(s, "nan") == 0 || strcasecmp(s, "na") == 0 ||
           strcasecmp(s, "inf") == 0 || strcasecmp(s, "-inf") == 0;
}

static int check_value(const table *t, const wanted *column, const ratings *r,
                       bool numbers, error *err)
{
    const rating *x = &r->list[r->n - 1];
    const char *cell = r->labels.names[x->label];
    const char *name = column->given ? column->given : column->usual;
    if (is_not_a_number(cell))
        return error_set(err, E_FORMAT,
                         "%s:%zu: column \"%.60s\" says %s: leave the cell empty where "
                         "there is no rating",
                         t->path, t->begun, name, cell);
    if (numbers && isnan(x->value))
        return error_set(err, E_FORMAT,
                         "%s:%zu: column \"%.60s\" says \"%.60s\": this method needs a "
                         "number there, such as 3 or 4.5",
                         t->path, t->begun, name, cell);
    return 0;
}

static int no_rows(const table *t, size_t n_missing, error *err)
{
    if (n_missing)
        return error_set(err, E_FORMAT, "%s: none of the %zu rows has a value", t->path,
                         n_missing);
    return error_set(err, E_FORMAT, "%s: no rows below the header", t->path);
}

static int read_header(table *t, wanted *columns, size_t n, const char *hint, error *err)
{
    int rc = table_next(t, err);
    if (rc == 0)
        return error_set(err, E_FORMAT, "%s is empty: it needs a header", t->path);
    return rc < 0 ? rc : find_columns(t, columns, n, hint, err);
}

static int read_ratings(ratings *out, table *t, const ratings_columns *names,
                        bool numbers, size_t *n_missing, error *err)
{
    wanted columns[] = {{names->item, "item", false, 0},
                        {names->rater, "rater", false, 0},
                        {names->value, "value", false, 0}};
    TRY(read_header(t, columns, 3, " (this method reads item,rater,value)", err));
    size_t n_columns = t->n;
    for (;;) {
        const char *item, *rater;
        int rc = table_next_of(t, n_columns, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        /* First of all, since spreadsheets end in rows of nothing but commas. */
        const char *value = table_cell(t, columns[2].at);
        if (!*value) {
            ++*n_missing;
            continue;
        }
        TRY(take_cell(t, &columns[0], &item, err));
        TRY(take_cell(t, &columns[1], &rater, err));
        TRY(ratings_add(out, item, rater, value, t->begun, err));
        TRY(check_value(t, &columns[2], out, numbers, err));
    }
    return out->n ? 0 : no_rows(t, *n_missing, err);
}

static int read_tie(const table *t, const wanted *column, bool *tie, error *err)
{
    static const char *const yes[] = {"1", "true", "yes"};
    static const char *const no[] = {"", "0", "false", "no"};
    *tie = false;
    if (column->at == SIZE_MAX)
        return 0;
    const char *cell = table_cell(t, column->at);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcasecmp(cell, no[i]) == 0)
            return 0;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(cell, yes[i]) == 0)
            *tie = true;
    if (*tie)
        return 0;
    return error_set(err, E_FORMAT,
                     "%s:%zu: column \"%.60s\" says \"%.60s\": a tie is 1, true or yes, "
                     "no tie is 0, false, no or empty",
                     t->path, t->begun, column->given ? column->given : column->usual,
                     cell);
}

static int read_comparisons(comparisons *out, table *t, const ratings_columns *names,
                            error *err)
{
    wanted columns[] = {{names->winner, "winner", false, 0},
                        {names->loser, "loser", false, 0},
                        {names->rater, "rater", true, 0},
                        {names->tie, "tie", true, 0}};
    TRY(read_header(t, columns, 4, " (this method reads winner,loser,rater)", err));
    size_t n_columns = t->n;
    for (;;) {
        const char *winner, *loser, *rater = "";
        bool tie;
        int rc = table_next_of(t, n_columns, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        if (strcmp(table_cell(t, columns[0].at), table_cell(t, columns[1].at)) == 0) {
            out->n_missing++;
            continue;
        }
        TRY(take_cell(t, &columns[0], &winner, err));
        TRY(take_cell(t, &columns[1], &loser, err));
        if (columns[2].at != SIZE_MAX)
            TRY(take_cell(t, &columns[2], &rater, err));
        TRY(read_tie(t, &columns[3], &tie, err));
        rc = comparisons_add(out, winner, loser, rater, tie, err);
        if (rc < 0)
            return error_prefix(err, "%s:%zu", t->path, t->begun), rc;
    }
    if (out->n == 0 && out->n_missing)
        return error_set(err, E_FORMAT, "%s: none of the %zu rows compares two items",
                         t->path, out->n_missing);
    return out->n ? 0 : no_rows(t, 0, err);
}

/* ---- Where the bytes are ---- */

typedef struct source {
    ratings *ratings; /* one of the two */
    comparisons *comparisons;
    const ratings_columns *columns;
    bool numbers;
    size_t *n_missing;
} source;

static int read_stream(const source *s, FILE *f, const char *path, bool quoted,
                       error *err)
{
    table *t = malloc(sizeof *t);
    if (!t)
        return error_memory(err, sizeof *t);
    table_begin(t, f, path, quoted);
    int rc = s->ratings
                 ? read_ratings(s->ratings, t, s->columns, s->numbers, s->n_missing, err)
                 : read_comparisons(s->comparisons, t, s->columns, err);
    table_end(t);
    free(t);
    if (rc < 0 && s->ratings)
        ratings_free(s->ratings);
    else if (rc < 0)
        comparisons_free(s->comparisons);
    return rc;
}

static int read_path(const source *s, const char *path, error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(s, stdin, "stdin", true, err);
    FILE *f = file_open(path);
    if (!f)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    size_t n = strlen(path);
    bool tabs = n >= 4 && strcmp(path + n - 4, ".tsv") == 0;
    int rc = read_stream(s, f, path, !tabs, err);
    fclose(f);
    return rc;
}

static int read_bytes(const source *s, const char *bytes, size_t n, const char *path,
                      error *err)
{
    /* fmemopen refuses an empty buffer on some systems; an empty line is as empty. */
    char *copy = bytes_copy(n ? bytes : "\n", n ? n : 1);
    FILE *f = copy ? fmemopen(copy, n ? n : 1, "r") : NULL;
    int rc = f ? read_stream(s, f, path, true, err) : error_memory(err, n);
    if (f)
        fclose(f);
    free(copy);
    return rc;
}

int ratings_load(ratings *out, const char *path, const ratings_columns *columns,
                 bool numbers, size_t *n_missing, error *err)
{
    *n_missing = 0;
    return read_path(&(source){out, NULL, columns, numbers, n_missing}, path, err);
}

int comparisons_load(comparisons *out, const char *path, const ratings_columns *columns,
                     error *err)
{
    return read_path(&(source){NULL, out, columns, false, NULL}, path, err);
}

int ratings_parse(ratings *out, const char *bytes, size_t n, const char *path,
                  const ratings_columns *columns, bool numbers, size_t *n_missing,
                  error *err)
{
    *n_missing = 0;
    return read_bytes(&(source){out, NULL, columns, numbers, n_missing}, bytes, n, path,
                      err);
}

int comparisons_parse(comparisons *out, const char *bytes, size_t n, const char *path,
                      const ratings_columns *columns, error *err)
{
    return read_bytes(&(source){NULL, out, columns, false, NULL}, bytes, n, path, err);
}

/* Rows of named texts from two formats. */
#include "crowd_rows.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Opening ---- */

static size_t count_names(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

/* A name that is nearly a known one is a slip; others are somebody's own columns. */
static int check_name(const crowd_rows *r, const char *name, const char *const *known,
                      error *err)
{
    size_t n = count_names(known);
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], name) == 0)
            return 0;
    const char *near = nearest_name(name, known, n);
    if (!near || edit_distance(name, near) > 2)
        return 0;
    return crowd_rows_error(r, err, "column \"%.60s\" is unknown; did you mean \"%s\"?",
                            name, near);
}

static int read_header(crowd_rows *r, const char *const *known, error *err)
{
    TRY(table_next(r->table, err));
    TRY(table_check_header(r->table, err));
    r->columns = array_new(r->table->n, sizeof *r->columns);
    if (!r->columns)
        return error_memory(err, r->table->n * sizeof *r->columns);
    for (; r->n_columns < r->table->n; r->n_columns++) {
        const char *name = table_cell(r->table, r->n_columns);
        TRY(check_name(r, name, known, err));
        r->columns[r->n_columns] = string_copy(name);
        if (!r->columns[r->n_columns])
            return error_memory(err, strlen(name) + 1);
    }
    return 0;
}

/* The first byte that is no white space, which stays in the stream; lines above it are
 * blank in both formats. */
static int first_byte(FILE *f)
{
    int c;
    do
        c = getc(f);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t');
    if (c != EOF)
        ungetc(c, f);
    return c;
}

int crowd_rows_begin(crowd_rows *r, FILE *f, const char *path, const char *const *known,
                     error *err)
{
    *r = (crowd_rows){.path = path, .file = f};
    int first = first_byte(f);
    r->is_json = first == '{' || first == EOF; /* JSON Lines of nothing are empty */
    if (r->is_json) {
        r->lines = (json_lines){.file = f, .path = path};
        return 0;
    }
    r->table = malloc(sizeof *r->table);
    if (!r->table)
        return error_memory(err, sizeof *r->table);
    table_begin(r->table, f, path, true);
    return read_header(r, known, err);
}

int crowd_rows_open(crowd_rows *r, const char *path, const char *const *known, error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : file_open(path);
    *r = (crowd_rows){0};
    if (!f)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    return crowd_rows_begin(r, f, standard ? "stdin" : path, known, err);
}

static void forget_row(crowd_rows *r)
{
    json_decref(r->object);
    r->object = NULL;
    for (size_t i = 0; i < r->n_numbers; i++)
        free(r->numbers[i]);
    r->n_numbers = 0;
}

void crowd_rows_close(crowd_rows *r)
{
    forget_row(r);
    free(r->numbers);
    if (r->table)
        table_end(r->table);
    free(r->table);
    for (size_t i = 0; i < r->n_columns; i++)
        free(r->columns[i]);
    free(r->columns);
    text_free(&r->lines.buffer);
    if (r->file && r->file != stdin)
        fclose(r->file);
    *r = (crowd_rows){0};
}

size_t crowd_rows_line(const crowd_rows *r)
{
    return r->is_json ? r->lines.line : r->table->begun;
}

int crowd_rows_error(const crowd_rows *r, error *err, const char *format, ...)
{
    char message[700];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, E_FORMAT, "%s:%zu: %s", r->path, crowd_rows_line(r), message);
}

int crowd_rows_next(crowd_rows *r, const char *const *known, error *err)
{
    forget_row(r);
    if (!r->is_json)
        return table_next_of(r->table, r->n_columns, err);
    int rc = json_lines_next(&r->lines, &r->object, err);
    if (rc <= 0)
        return rc;
    const char *name;
    const json_t *value;
    json_object_foreach(r->object, name, value)
    {
        TRY(check_name(r, name, known, err));
    }
    return 1;
}

/* ---- Texts ---- */

static bool guards(const char *s)
{
    return s[0] == '\'' && s[1] && strchr("=+-@'\t\r", s[1]);
}

static int cell_text(const crowd_rows *r, const char *name, const char **out)
{
    for (size_t i = 0; i < r->n_columns; i++) {
        if (strcmp(r->columns[i], name) != 0)
            continue;
        const char *s = table_cell(r->table, i);
        *out = guards(s) ? s + 1 : s;
        return 1;
    }
    return 0;
}

/* "output3" is the third of a list "outputs", if that is how the row has it. */
static const json_t *find_in_list(const json_t *object, const char *name)
{
    char list[20];
    size_t n = strcspn(name, "0123456789");
    if (!name[n] || n + 2 > sizeof list)
        return NULL;
    snprintf(list, sizeof list, "%.*ss", (int)n, name);
    char *end;
    unsigned long place = strtoul(name + n, &end, 10);
    return *end || place == 0 ? NULL
                              : json_array_get(json_object_get(object, list), place - 1);
}

static const json_t *find_value(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        value = find_in_list(object, name);
    const json_t *asked = json_object_get(object, "question");
    if (!value && json_is_object(asked))
        value = find_value(asked, name);
    return json_is_null(value) ? NULL : value;
}

/* A number's or truth's own text, kept with the row. */
static int keep_number(crowd_rows *r, const json_t *value, const char **out, error *err)
{
    TRY(array_grow(&r->numbers, &r->numbers_capacity, r->n_numbers, sizeof *r->numbers,
                   err));
    char *s = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!s)
        return error_memory(err, 32);
    r->numbers[r->n_numbers++] = s;
    *out = s;
    return 1;
}

static int member_text(crowd_rows *r, const char *name, const char **out, error *err)
{
    const json_t *value = find_value(r->object, name);
    if (!value)
        return 0;
    if (json_is_number(value) || json_is_boolean(value))
        return keep_number(r, value, out, err);
    if (!json_is_string(value))
        return crowd_rows_error(r, err, "\"%s\" is neither a text nor a number", name);
    *out = json_string_value(value);
    if (strlen(*out) != json_string_length(value))
        return crowd_rows_error(r, err, "\"%s\" has a NUL character", name);
    return 1;
}

int crowd_rows_text(crowd_rows *r, const char *name, const char **out, error *err)
{
    *out = "";
    return r->is_json ? member_text(r, name, out, err) : cell_text(r, name, out);
}

/* ---- Numbers ---- */

int crowd_rows_real(crowd_rows *r, const char *name, double *out, error *err)
{
    const char *s;
    char *end = NULL;
    TRY(crowd_rows_text(r, name, &s, err));
    if (!*s)
        return 0;
    double x = strspn(s, "+-.0123456789eE") == strlen(s) ? strtod(s, &end) : (double)NAN;
    if (!isfinite(x) || !end || *end)
        return crowd_rows_error(r, err, "\"%s\" says \"%.60s\": it must be a number",
                                name, s);
    *out = x;
    return 1;
}

int crowd_rows_whole(crowd_rows *r, const char *name, int64_t least, int64_t most,
                     int64_t *out, error *err)
{
    const char *s;
    char *end = NULL;
    TRY(crowd_rows_text(r, name, &s, err));
    if (!*s)
        return 0;
    errno = 0;
    bool whole = s[0] == '-' || isdigit((unsigned char)s[0]);
    long long x = whole ? strtoll(s, &end, 10) : 0;
    if (!whole || *end || errno || x < least || x > most)
        return crowd_rows_error(r, err,
                                "\"%s\" says \"%.60s\": it must be a whole number from "
                                "%lld to %lld",
                                name, s, (long long)least, (long long)most);
    *out = x;
    return 1;
}

int crowd_rows_bool(crowd_rows *r, const char *name, bool *out, error *err)
{
    static const char *const no[] = {"0", "false", "no"};
    static const char *const yes[] = {"1", "true", "yes"};
    const char *s;
    TRY(crowd_rows_text(r, name, &s, err));
    if (!*s)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        bool is_yes = strcasecmp(s, yes[i]) == 0;
        if (!is_yes && strcasecmp(s, no[i]) != 0)
            continue;
        *out = is_yes;
        return 1;
    }
    return crowd_rows_error(r, err,
                            "\"%s\" says \"%.60s\": it must be 1, true, yes, or 0, "
                            "false, no",
                            name, s);
}

/* Reads JSON Lines: one object per line; blank lines are skipped. */
#include <string.h>

#include <jansson.h>

#include "dataset_read.h"
#include "lines.h"

/* Call `use` with the text of a JSON scalar. Whole numbers and booleans are taken as JSON
 * spells them; other numbers have many spellings, so they must be quoted. */
typedef int scalar_use(dataset_builder *b, size_t field, const char *s, size_t n,
                       error *err);

static int with_scalar(dataset_builder *b, const json_t *value, const char *key,
                       size_t field, scalar_use *use, error *err)
{
    char number[32];
    size_t line = b->d->examples[b->d->n - 1].line;
    switch (json_typeof(value)) {
    case JSON_STRING:
        return use(b, field, json_string_value(value), json_string_length(value), err);
    case JSON_INTEGER: {
        int n = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                         json_integer_value(value));
        return use(b, field, number, (size_t)n, err);
    }
    case JSON_TRUE:
        return use(b, field, "true", 4, err);
    case JSON_FALSE:
        return use(b, field, "false", 5, err);
    case JSON_REAL:
        return error_set(err, E_FORMAT,
                         "%s:%zu: \"%.60s\" is a fractional number: put it in quotes, so "
                         "that it is read digit for digit",
                         b->d->path, line, key);
    default:
        return error_set(err, E_FORMAT, "%s:%zu: \"%.60s\" is not a text", b->d->path,
                         line, key);
    }
}

static int use_value(dataset_builder *b, size_t field, const char *s, size_t n,
                     error *err)
{
    return builder_value(b, field, s, n, err);
}

static int use_target(dataset_builder *b, size_t field, const char *s, size_t n,
                      error *err)
{
    (void)field;
    return builder_target(b, s, n, err);
}

static int read_targets(dataset_builder *b, const char *key, const json_t *value,
                        error *err)
{
    if (!json_is_array(value))
        return with_scalar(b, value, key, 0, use_target, err);
    size_t i;
    json_t *each;
    json_array_foreach(value, i, each) TRY(with_scalar(b, each, key, 0, use_target, err));
    if (!json_array_size(value))
        return error_set(err, E_FORMAT, "%s:%zu: \"%.60s\" is an empty list", b->d->path,
                         b->d->examples[b->d->n - 1].line, key);
    return 0;
}

/* The key that holds this row's targets. NULL if none. */
static const char *target_key(const dataset_builder *b, const json_t *row)
{
    static const char *const usual[] = {"target", "targets", "label"};
    if (b->names.target)
        return json_object_get(row, b->names.target) ? b->names.target : NULL;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (json_object_get(row, usual[i]))
            return usual[i];
    return NULL;
}

/* E_FORMAT for a mapped column that this row lacks, with the nearest that it has. */
static int check_mapped(const dataset_builder *b, json_t *row, const char *wanted,
                        size_t line, error *err)
{
    const char *keys[DATASET_MAX_FIELDS], *key;
    json_t *value;
    size_t n = 0;
    if (!wanted || json_object_get(row, wanted))
        return 0;
    json_object_foreach(row, key, value)
    {
        if (n < DATASET_MAX_FIELDS)
            keys[n++] = key;
    }
    const char *near = nearest_name(wanted, keys, n);
    return error_set(err, E_FORMAT, "%s:%zu: no field \"%.60s\" in this row%s%.60s%s",
                     b->d->path, line, wanted, near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"?" : "");
}

static int read_row(dataset_builder *b, json_t *row, size_t line, error *err)
{
    TRY(check_mapped(b, row, b->names.input, line, err));
    TRY(check_mapped(b, row, b->names.target, line, err));
    TRY(builder_row(b, line, err));
    const char *targets = target_key(b, row);
    const char *key;
    json_t *value;
    json_object_foreach(row, key, value)
    {
        if (json_is_null(value))
            continue;
        if (targets && strcmp(key, targets) == 0) {
            TRY(read_targets(b, key, value, err));
            continue;
        }
        /* Lists and objects in further columns cannot be shown in a prompt; files from
         * elsewhere often carry some, so they are left aside. */
        bool shown = !json_is_array(value) && !json_is_object(value);
        if (!shown && !builder_is_input(b, key))
            continue;
        size_t field;
        TRY(builder_field(b, key, line, &field, err));
        TRY(with_scalar(b, value, key, field, use_value, err));
    }
    return builder_row_end(b, err);
}

static int parse_row(dataset_builder *b, const text *line, size_t number, error *err)
{
    json_error_t problem;
    json_t *row = json_loadb(line->s, line->n, JSON_REJECT_DUPLICATES, &problem);
    /* Without memory jansson often has nothing to say. */
    if (!row && (!*problem.text || json_error_code(&problem) == json_error_out_of_memory))
        return error_memory(err, line->n);
    if (!row)
        return error_set(err, E_FORMAT, "%s:%zu:%d: not a JSON object: %s", b->d->path,
                         number, problem.column, problem.text);
    int rc = json_is_object(row)
                 ? read_row(b, row, number, err)
                 : error_set(err, E_FORMAT,
                             "%s:%zu: not a JSON object such as {\"input\": …, "
                             "\"target\": …}",
                             b->d->path, number);
    json_decref(row);
    return rc;
}

int read_jsonl(dataset_builder *b, FILE *f, error *err)
{
    text line = {0};
    int rc;
    skip_mark(f);
    for (size_t number = 1;; number++) {
        text_clear(&line);
        TRY_OUT(rc, read_line(f, b->d->path, number, &line, err));
        if (rc == 0)
            break;
        TRY_OUT(rc, check_bytes(b->d->path, number, line.s, line.n, err));
        if (strspn(text_string(&line), " \t\r\n") == line.n)
            continue;
        TRY_OUT(rc, parse_row(b, &line, number, err));
    }
out:
    text_free(&line);
    return rc;
}

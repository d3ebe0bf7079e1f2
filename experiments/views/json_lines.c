/* JSON Lines, with file:line in every error. */
#include "json_lines.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE_BYTES = 16 << 20 };

int json_lines_open(json_lines *l, const char *path, error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : file_open(path);
    if (!f)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    *l = (json_lines){.file = f, .path = standard ? "stdin" : path};
    return 0;
}

void json_lines_close(json_lines *l)
{
    if (l->file && l->file != stdin)
        fclose(l->file);
    text_free(&l->buffer);
    *l = (json_lines){0};
}

int json_lines_error(const json_lines *l, int code, error *err, const char *format, ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, code, "%s:%zu: %s", l->path, l->line, message);
}

/* The next line into the buffer, without its end: 1, or 0 at the end of the file. */
static int read_line(json_lines *l, error *err)
{
    text_clear(&l->buffer);
    l->line++;
    int c;
    while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
        char byte = (char)c;
        if (l->buffer.n >= MAX_LINE_BYTES)
            return json_lines_error(l, E_LIMIT, err, "the line is over %d MiB long",
                                    MAX_LINE_BYTES >> 20);
        TRY(text_add(&l->buffer, &byte, 1, err));
    }
    if (ferror(l->file))
        return json_lines_error(l, E_IO, err, "cannot read: %s", strerror(errno));
    return c != EOF || l->buffer.n > 0;
}

int json_lines_next(json_lines *l, json_t **object, error *err)
{
    int more;
    while ((more = read_line(l, err)) > 0) {
        const char *s = text_string(&l->buffer);
        if (strspn(s, " \t\r") == l->buffer.n)
            continue;
        json_error_t problem;
        json_t *value =
            json_loadb(s, l->buffer.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
        if (!value)
            return json_lines_error(l, E_FORMAT, err, "not JSON at column %d: %s",
                                    problem.column, problem.text);
        if (!json_is_object(value)) {
            json_decref(value);
            return json_lines_error(l, E_FORMAT, err, "not a JSON object");
        }
        *object = value;
        return 1;
    }
    return more;
}

int json_lines_text(const json_lines *l, const json_t *object, const char *key,
                    const char **s, size_t *n, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return json_lines_error(l, E_FORMAT, err, "\"%s\" is not a text", key);
    *s = json_string_value(value);
    *n = json_string_length(value);
    return 1;
}

int json_lines_ids(const json_lines *l, const json_t *object, const char *key,
                   size_t n_vocabulary, int32_t **ids, size_t *n, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_array(value))
        return json_lines_error(l, E_FORMAT, err, "\"%s\" is not a list of token ids",
                                key);
    size_t count = json_array_size(value);
    int32_t *list = array_new(count, sizeof *list);
    if (!list)
        return error_memory(err, count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(value, i);
        json_int_t number = json_integer_value(id);
        if (!json_is_integer(id) || number < 0 || (uint64_t)number >= n_vocabulary) {
            free(list);
            return json_lines_error(
                l, E_FORMAT, err, "\"%s\"[%zu] is not a token id: ids are from 0 to %zu",
                key, i, n_vocabulary - 1);
        }
        list[i] = (int32_t)number;
    }
    *ids = list;
    *n = count;
    return 1;
}

int json_lines_known(const json_lines *l, const json_t *object, const char *const *names,
                     size_t n, error *err)
{
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known = known || strcmp(key, names[i]) == 0;
        if (known)
            continue;
        const char *near = nearest_name(key, names, n);
        return json_lines_error(l, E_FORMAT, err, "\"%.100s\" is unknown here%s%s%s", key,
                                near ? "; did you mean \"" : "", near ? near : "",
                                near ? "\"?" : "");
    }
    return 0;
}

static int print(json_t *value, size_t flags, error *err)
{
    if (!value)
        return error_set(err, E_MEMORY, "out of memory while a result was put together");
    int rc = json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(17));
    json_decref(value);
    if (rc < 0 || putchar('\n') == EOF)
        return error_set(err, E_IO, "cannot write to standard output: %s",
                         strerror(errno));
    return 0;
}

int json_print_line(json_t *value, error *err)
{
    return print(value, JSON_COMPACT, err);
}

int json_print(json_t *value, error *err)
{
    return print(value, JSON_INDENT(2), err);
}

json_t *json_real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

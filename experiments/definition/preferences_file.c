/* Lines of preferences. */
#include "preferences_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lines.h"

/* One line, for errors to say where. */
typedef struct place {
    const char *path;
    size_t line;
} place;

static const char *const keys[] = {"context", "a",     "b",     "preferred",
                                   "output",  "value", "rater", "simulated"};
enum { N_KEYS = sizeof keys / sizeof *keys };

static int bad(const place *at, error *err, const char *key, const char *what)
{
    return error_set(err, E_FORMAT, "%s:%zu: \"%s\" %s", at->path, at->line, key, what);
}

/* A member that is a text without NUL; NULL in *out when it is not there. */
static int get_text(const place *at, const json_t *x, const char *key, const char **out,
                    error *err)
{
    const json_t *value = json_object_get(x, key);
    *out = json_string_value(value);
    if (value && !*out)
        return bad(at, err, key, "is not a text");
    if (*out && strlen(*out) != json_string_length(value))
        return bad(at, err, key, "has a NUL character");
    return 0;
}

static int need_text(const place *at, const json_t *x, const char *key, const char **out,
                     error *err)
{
    TRY(get_text(at, x, key, out, err));
    return *out ? 0 : bad(at, err, key, "is missing");
}

static int check_known(const place *at, const json_t *x, error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)x, key, value)
    {
        size_t k = 0;
        while (k < N_KEYS && strcmp(key, keys[k]) != 0)
            k++;
        const char *near = nearest_name(key, keys, N_KEYS);
        if (k == N_KEYS)
            return error_set(err, E_FORMAT, "%s:%zu: \"%.60s\" is not known%s%s%s",
                             at->path, at->line, key, near ? "; did you mean \"" : "",
                             near ? near : "", near ? "\"?" : "");
    }
    return 0;
}

static int read_comparison(const place *at, const json_t *x, const char *context,
                           bool simulated, reward_texts *to, error *err)
{
    static const char *const answers[] = {"b", "tie", "a"};
    const char *a, *b, *preferred;
    TRY(need_text(at, x, "a", &a, err));
    TRY(need_text(at, x, "b", &b, err));
    TRY(need_text(at, x, "preferred", &preferred, err));
    if (json_object_get(x, "output") || json_object_get(x, "value"))
        return bad(at, err, "a", "and \"output\" or \"value\" do not go together");
    for (size_t k = 0; k < 3; k++)
        if (strcmp(preferred, answers[k]) == 0)
            return reward_texts_compare(to, context, a, b, (double)k / 2, simulated, err);
    return bad(at, err, "preferred", "is none of \"a\", \"b\" and \"tie\"");
}

static int read_value(const place *at, const json_t *x, const char *context,
                      bool simulated, reward_texts *to, error *err)
{
    const char *output;
    const json_t *value = json_object_get(x, "value");
    TRY(need_text(at, x, "output", &output, err));
    if (!json_is_number(value))
        return bad(at, err, "value", value ? "is not a number" : "is missing");
    return reward_texts_value(to, context, output, json_number_value(value), simulated,
                              err);
}

static int read_object(const place *at, const json_t *x, reward_texts *to, error *err)
{
    const char *context, *rater;
    const json_t *simulated = json_object_get(x, "simulated");
    if (!json_is_object(x))
        return error_set(err, E_FORMAT, "%s:%zu: the line is not a JSON object", at->path,
                         at->line);
    TRY(check_known(at, x, err));
    TRY(need_text(at, x, "context", &context, err));
    TRY(get_text(at, x, "rater", &rater, err));
    if (simulated && !json_is_boolean(simulated))
        return bad(at, err, "simulated", "is neither true nor false");
    error why = {0};
    bool pair = json_object_get(x, "a") || json_object_get(x, "b") ||
                json_object_get(x, "preferred");
    int rc = pair ? read_comparison(at, x, context, json_is_true(simulated), to, &why)
                  : read_value(at, x, context, json_is_true(simulated), to, &why);
    if (rc < 0 && strncmp(why.text, at->path, strlen(at->path)) != 0)
        return error_set(err, rc, "%s:%zu: %s", at->path, at->line, why.text);
    return rc < 0 ? error_set(err, rc, "%s", why.text) : 0;
}

static int parse_line(const place *at, const text *line, reward_texts *to, error *err)
{
    json_error_t why;
    if (strspn(text_string(line), " \t\r") == line->n)
        return 0;
    json_t *x = json_loadb(line->s, line->n, JSON_REJECT_DUPLICATES, &why);
    if (!x)
        return error_set(err, E_FORMAT, "%s:%zu: not JSON: %s", at->path, at->line,
                         why.text);
    int rc = read_object(at, x, to, err);
    json_decref(x);
    return rc;
}

static int read_stream(reward_texts *to, FILE *f, const char *path, error *err)
{
    place at = {path, 0};
    text line = {0};
    int rc;
    skip_mark(f);
    for (;;) {
        at.line++;
        text_clear(&line);
        rc = read_line(f, path, at.line, &line, err);
        if (rc <= 0)
            break;
        rc = parse_line(&at, &line, to, err);
        if (rc < 0)
            break;
    }
    text_free(&line);
    return rc;
}

int preferences_load(reward_texts *to, const char *path, error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(to, stdin, "stdin", err);
    FILE *f = file_open(path);
    if (!f)
        return error_set(err, E_IO, "cannot read %s: %s", path, strerror(errno));
    int rc = read_stream(to, f, path, err);
    fclose(f); /* read only: nothing is lost */
    return rc;
}

int preferences_parse(reward_texts *to, const char *bytes, size_t n, const char *path,
                      error *err)
{
    if (n == 0)
        return 0; /* fmemopen does not open nothing */
    FILE *f = fmemopen((void *)(uintptr_t)bytes, n, "rb");
    if (!f)
        return error_memory(err, n);
    int rc = read_stream(to, f, path, err);
    fclose(f);
    return rc;
}

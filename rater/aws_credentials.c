/* Keys for AWS, from the environment or the credentials file. */
#include "aws_credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_VALUE = 4096 };

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void aws_credentials_free(aws_credentials *c)
{
    wipe(c->key);
    wipe(c->secret);
    wipe(c->session_token);
    *c = (aws_credentials){0};
}

/* A value that can stand in an HTTP header: visible ASCII. */
static bool is_sound(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    return n > 0 && n <= MAX_VALUE;
}

static const char *set_in(environment get, const char *name)
{
    const char *value = get(name);
    return value && *value ? value : NULL;
}

/* ---- The environment ---- */

/* 1, or 0 when the environment says nothing. */
static int from_environment(aws_credentials *out, environment get, error *err)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN"};
    const char *values[3];
    for (size_t i = 0; i < 3; i++)
        values[i] = set_in(get, names[i]);
    if (!values[0] && !values[1])
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (!values[i])
            return error_set(err, E_ARGUMENT,
                             "%s is set in the environment but %s is not: set both",
                             names[1 - i], names[i]);
    for (size_t i = 0; i < 3; i++)
        if (values[i] && !is_sound(values[i], strlen(values[i])))
            return error_set(err, E_ARGUMENT,
                             "%s in the environment is not a key: it has blanks, "
                             "control characters or more than %d bytes",
                             names[i], MAX_VALUE);
    out->key = string_copy(values[0]);
    out->secret = string_copy(values[1]);
    out->session_token = values[2] ? string_copy(values[2]) : NULL;
    snprintf(out->source, sizeof out->source, "the environment");
    return out->key && out->secret && (out->session_token || !values[2])
               ? 1
               : error_memory(err, MAX_VALUE);
}

/* ---- The file: [section], then key = value; # and ; begin comments ---- */

typedef struct span {
    const char *s;
    size_t n;
} span;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static span trimmed(const char *s, size_t n)
{
    while (n > 0 && is_blank(*s))
        s++, n--;
    while (n > 0 && is_blank(s[n - 1]))
        n--;
    return (span){s, n};
}

static bool span_is(span a, const char *b)
{
    return a.n == strlen(b) && memcmp(a.s, b, a.n) == 0;
}

/* The profile of a section line; "[profile x]", as in the config file, is x too. */
static int section_name(span line, const char *path, size_t number, span *out, error *err)
{
    const char *end = memchr(line.s, ']', line.n);
    if (!end)
        return error_set(err, E_FORMAT, "%s:%zu: the section has no ]", path, number);
    *out = trimmed(line.s + 1, (size_t)(end - line.s - 1));
    static const char word[] = "profile ";
    if (out->n > sizeof word - 1 && memcmp(out->s, word, sizeof word - 1) == 0)
        *out = trimmed(out->s + sizeof word - 1, out->n - (sizeof word - 1));
    return 0;
}

/* "key = value" of the wanted section; keys that we do not use are skipped. */
static int take_setting(aws_credentials *out, span line, const char *path, size_t number,
                        error *err)
{
    const char *equals = memchr(line.s, '=', line.n);
    if (!equals)
        return error_set(err, E_FORMAT, "%s:%zu: neither [section] nor key = value", path,
                         number);
    span key = trimmed(line.s, (size_t)(equals - line.s));
    span value = trimmed(equals + 1, (size_t)(line.s + line.n - equals - 1));
    char **place = span_is(key, "aws_access_key_id")       ? &out->key
                   : span_is(key, "aws_secret_access_key") ? &out->secret
                   : span_is(key, "aws_session_token")     ? &out->session_token
                                                           : NULL;
    if (!place)
        return 0;
    if (value.n == 0 && place == &out->session_token)
        return 0;
    if (!is_sound(value.s, value.n))
        return error_set(err, E_FORMAT,
                         "%s:%zu: the value of %.*s is empty, or has blanks, control "
                         "characters or more than %d bytes",
                         path, number, (int)key.n, key.s, MAX_VALUE);
    wipe(*place);
    *place = bytes_copy(value.s, value.n);
    return *place ? 0 : error_memory(err, value.n);
}

static int parse_lines(aws_credentials *out, const char *bytes, size_t n,
                       const char *path, const char *profile, bool *found, error *err)
{
    bool wanted = false;
    size_t number = 0;
    for (const char *s = bytes, *end = bytes + n; s < end; number++) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t length = newline ? (size_t)(newline - s) : (size_t)(end - s);
        span line = trimmed(s, length);
        /* What is indented belongs to a nested setting ("s3 =" and lines below it). */
        bool nested = length > 0 && is_blank(*s) && line.n > 0 && *line.s != '[';
        s += length + 1;
        if (line.n == 0 || *line.s == '#' || *line.s == ';')
            continue;
        if (*line.s == '[') {
            span name = {"", 0};
            TRY(section_name(line, path, number + 1, &name, err));
            wanted = span_is(name, profile);
            *found = *found || wanted;
        } else if (wanted && !nested) {
            TRY(take_setting(out, line, path, number + 1, err));
        }
    }
    return 0;
}

int aws_credentials_parse(aws_credentials *out, const char *bytes, size_t n,
                          const char *path, const char *profile, error *err)
{
    aws_credentials c = {0};
    bool found = false;
    int rc = parse_lines(&c, bytes, n, path, profile, &found, err);
    if (rc == 0 && !found)
        rc = error_set(err, E_ARGUMENT, "%s has no section [%s]", path, profile);
    if (rc == 0 && (!c.key || !c.secret))
        rc = error_set(err, E_ARGUMENT, "section [%s] of %s has no %s", profile, path,
                       c.key ? "aws_secret_access_key" : "aws_access_key_id");
    if (rc < 0) {
        aws_credentials_free(&c);
        return rc;
    }
    snprintf(c.source, sizeof c.source, "section [%s] of %s", profile, path);
    *out = c;
    return 0;
}

/* ~/.aws/credentials, or what AWS_SHARED_CREDENTIALS_FILE says instead. */
static int file_path(environment get, text *out, error *err)
{
    const char *path = set_in(get, "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = set_in(get, "HOME");
    if (path && !(path[0] == '~' && path[1] == '/'))
        return text_add_string(out, path, err);
    return text_add_format(out, err, "%s/%s", home ? home : ".",
                           path ? path + 2 : ".aws/credentials");
}

static int from_file(aws_credentials *out, environment get, error *err)
{
    const char *profile = set_in(get, "AWS_PROFILE");
    text path = {0};
    char *bytes = NULL;
    size_t n = 0;
    error reading = {0};
    int rc = file_path(get, &path, err);
    if (rc == 0 &&
        file_read(text_string(&path), MAX_FILE_BYTES, &bytes, &n, &reading) < 0)
        rc = error_set(err, E_ARGUMENT,
                       "no AWS keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not "
                       "set, and %s",
                       reading.text);
    if (rc == 0)
        rc = aws_credentials_parse(out, bytes, n, text_string(&path),
                                   profile ? profile : "default", err);
    if (bytes)
        explicit_bzero(bytes, n);
    free(bytes);
    text_free(&path);
    return rc;
}

int aws_credentials_find(aws_credentials *out, environment get, error *err)
{
    aws_credentials c = {0};
    int rc = from_environment(&c, get, err);
    if (rc == 0)
        rc = from_file(&c, get, err);
    if (rc < 0) {
        aws_credentials_free(&c);
        return rc;
    }
    *out = c;
    return 0;
}

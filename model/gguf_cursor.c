/* Checked little-endian reading for the GGUF parser. */
#include "gguf_parts.h"

#include <string.h>

uint64_t little_endian(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

const uint8_t *cursor_take(cursor *c, size_t n, const char *what, error *err)
{
    if (n > c->n - c->at) {
        error_set(err, E_FORMAT,
                  "byte %zu: expected %s (%zu bytes), but the file ends %zu bytes later",
                  c->at, what, n, c->n - c->at);
        return NULL;
    }
    const uint8_t *p = c->bytes + c->at;
    c->at += n;
    return p;
}

int cursor_u32(cursor *c, const char *what, uint32_t *out, error *err)
{
    const uint8_t *p = cursor_take(c, 4, what, err);
    if (!p)
        return E_FORMAT;
    *out = (uint32_t)little_endian(p, 4);
    return 0;
}

int cursor_u64(cursor *c, const char *what, uint64_t *out, error *err)
{
    const uint8_t *p = cursor_take(c, 8, what, err);
    if (!p)
        return E_FORMAT;
    *out = little_endian(p, 8);
    return 0;
}

int cursor_count(cursor *c, const char *what, size_t each, size_t *out, error *err)
{
    size_t at = c->at;
    uint64_t count;
    TRY(cursor_u64(c, what, &count, err));
    size_t room = (c->n - c->at) / each;
    if (count > room)
        return error_set(err, E_FORMAT,
                         "byte %zu: %s is %llu, but the rest of the file holds at most "
                         "%zu (%zu bytes each)",
                         at, what, (unsigned long long)count, room, each);
    *out = (size_t)count;
    return 0;
}

const char *cursor_string(cursor *c, const char *what, size_t *n, error *err)
{
    size_t at = c->at;
    *n = 0;
    const uint8_t *p = cursor_take(c, 8, what, err);
    if (!p)
        return NULL;
    uint64_t length = little_endian(p, 8);
    if (length > c->n - c->at) {
        error_set(err, E_FORMAT,
                  "byte %zu: %s is %llu bytes long, but the file ends %zu bytes later",
                  at, what, (unsigned long long)length, c->n - c->at);
        return NULL;
    }
    c->at += (size_t)length;
    *n = (size_t)length;
    return (const char *)p + 8;
}

int cursor_name(cursor *c, const char *what, size_t limit, char **out, error *err)
{
    size_t at = c->at, n;
    const char *s = cursor_string(c, what, &n, err);
    if (!s)
        return E_FORMAT;
    if (n == 0 || n > limit)
        return error_set(err, E_FORMAT, "byte %zu: %s has %zu bytes, expected 1 to %zu",
                         at, what, n, limit);
    if (memchr(s, '\0', n))
        return error_set(err, E_FORMAT, "byte %zu: %s holds a NUL byte", at, what);
    if (utf8_check(s, n) < n)
        return error_set(err, E_FORMAT, "byte %zu: %s is not UTF-8", at, what);
    char *copy = bytes_copy(s, n);
    if (!copy)
        return error_memory(err, n + 1);
    *out = copy;
    return 0;
}

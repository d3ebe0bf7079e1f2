/* The metadata of a GGUF file: parsing, and the getters of gguf.h. */
#include "gguf_parts.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct value_kind {
    const char *name;
    size_t bytes; /* of a scalar; 0 for strings and arrays */
    gguf_kind kind;
} value_kinds[VALUE_TYPES] = {
    [VALUE_U8] = {"u8", 1, GGUF_UNSIGNED},       [VALUE_I8] = {"i8", 1, GGUF_SIGNED},
    [VALUE_U16] = {"u16", 2, GGUF_UNSIGNED},     [VALUE_I16] = {"i16", 2, GGUF_SIGNED},
    [VALUE_U32] = {"u32", 4, GGUF_UNSIGNED},     [VALUE_I32] = {"i32", 4, GGUF_SIGNED},
    [VALUE_F32] = {"f32", 4, GGUF_FLOAT},        [VALUE_BOOL] = {"bool", 1, GGUF_BOOL},
    [VALUE_STRING] = {"string", 0, GGUF_STRING}, [VALUE_ARRAY] = {"array", 0, GGUF_ARRAY},
    [VALUE_U64] = {"u64", 8, GGUF_UNSIGNED},     [VALUE_I64] = {"i64", 8, GGUF_SIGNED},
    [VALUE_F64] = {"f64", 8, GGUF_FLOAT},
};

/* ---- Numbers ---- */

static int64_t signed_at(const uint8_t *p, size_t bytes)
{
    uint64_t value = little_endian(p, bytes), sign = 1ull << (8 * bytes - 1);
    return (int64_t)((value ^ sign) - sign);
}

static double float_at(const uint8_t *p, size_t bytes)
{
    if (bytes == 4) {
        uint32_t bits = (uint32_t)little_endian(p, 4);
        float x;
        memcpy(&x, &bits, sizeof x);
        return (double)x;
    }
    uint64_t bits = little_endian(p, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- Parsing ---- */

static int type_parse(cursor *c, const char *what, value_type *out, error *err)
{
    size_t at = c->at;
    uint32_t type;
    TRY(cursor_u32(c, what, &type, err));
    if (type >= VALUE_TYPES)
        return error_set(err, E_FORMAT, "byte %zu: %s is %u, expected 0 to %d", at, what,
                         type, VALUE_TYPES - 1);
    *out = (value_type)type;
    return 0;
}

static int scalar_parse(entry *e, cursor *c, error *err)
{
    size_t bytes = value_kinds[e->type].bytes;
    const uint8_t *p = cursor_take(c, bytes, value_kinds[e->type].name, err);
    if (!p)
        return E_FORMAT;
    switch (value_kinds[e->type].kind) {
    case GGUF_SIGNED:
        e->value.i = signed_at(p, bytes);
        break;
    case GGUF_FLOAT:
        e->value.f = float_at(p, bytes);
        break;
    default:
        e->value.u = little_endian(p, bytes);
        break;
    }
    if (e->type == VALUE_BOOL && e->value.u > 1)
        return error_set(err, E_FORMAT, "byte %zu: a bool is %llu, expected 0 or 1",
                         e->at, (unsigned long long)e->value.u);
    return 0;
}

/* Note that the value at byte `at` cannot be handed out; the first one counts. */
static void note_bad(entry *e, size_t at)
{
    if (!e->bad_at)
        e->bad_at = at;
}

static int string_parse(entry *e, cursor *c, error *err)
{
    size_t n;
    const char *s = cursor_string(c, "a string", &n, err);
    if (!s)
        return E_FORMAT;
    e->value.string = bytes_copy(s, n);
    if (!e->value.string)
        return error_memory(err, n + 1);
    if (memchr(s, '\0', n))
        note_bad(e, e->at);
    return 0;
}

/* Two walks: the first checks and measures, the second copies. The pointers and the bytes
 * that they point at are one allocation. */
static int strings_parse(entry *e, cursor *c, error *err)
{
    cursor begin = *c;
    size_t bytes, n;
    if (!size_mul(e->n, sizeof(char *), &bytes))
        return error_memory(err, SIZE_MAX);
    for (size_t i = 0; i < e->n; i++) {
        if (!cursor_string(c, "a string of an array", &n, err))
            return E_FORMAT;
        if (!size_add(bytes, n + 1, &bytes))
            return error_memory(err, SIZE_MAX);
    }
    char **list = malloc(bytes ? bytes : 1);
    if (!list)
        return error_memory(err, bytes);
    e->value.array = list;
    char *to = (char *)(list + e->n);
    for (size_t i = 0; i < e->n; i++) {
        size_t at = begin.at;
        const char *s = cursor_string(&begin, "a string of an array", &n, err);
        if (!s)
            return E_FORMAT; /* not on the second walk */
        if (memchr(s, '\0', n))
            note_bad(e, at);
        memcpy(to, s, n);
        to[n] = '\0';
        list[i] = to;
        to += n + 1;
    }
    return 0;
}

static int32_t int_element(entry *e, const uint8_t *p, size_t bytes, size_t at)
{
    bool is_signed = value_kinds[e->element].kind == GGUF_SIGNED;
    uint64_t value = is_signed ? (uint64_t)signed_at(p, bytes) : little_endian(p, bytes);
    /* An unsigned value of 2^63 and more turns negative, which unsigned never is. */
    int64_t wide = (int64_t)value;
    if (wide > INT32_MAX || wide < (is_signed ? INT32_MIN : 0)) {
        note_bad(e, at);
        return 0;
    }
    return (int32_t)wide;
}

static float float_element(entry *e, const uint8_t *p, size_t bytes, size_t at)
{
    double wide = float_at(p, bytes);
    if (isfinite(wide) && fabs(wide) > (double)FLT_MAX) {
        note_bad(e, at);
        return 0;
    }
    return (float)wide;
}

static int bools_copy(entry *e, const uint8_t *p, size_t at, error *err)
{
    bool *list = array_new(e->n, sizeof(*list));
    if (!list)
        return error_memory(err, e->n * sizeof(*list));
    e->value.array = list;
    for (size_t i = 0; i < e->n; i++) {
        list[i] = p[i] == 1;
        if (p[i] > 1)
            note_bad(e, at + i);
    }
    return 0;
}

static int numbers_parse(entry *e, cursor *c, error *err)
{
    size_t bytes = value_kinds[e->element].bytes, at = c->at;
    /* cursor_count has seen that n * bytes are there */
    const uint8_t *p = cursor_take(c, e->n * bytes, "the elements of an array", err);
    if (!p)
        return E_FORMAT;
    if (e->element == VALUE_BOOL)
        return bools_copy(e, p, at, err);
    bool floats = value_kinds[e->element].kind == GGUF_FLOAT;
    e->value.array = array_new(e->n, floats ? sizeof(float) : sizeof(int32_t));
    if (!e->value.array)
        return error_memory(err, e->n * sizeof(float));
    for (size_t i = 0; i < e->n; i++, p += bytes, at += bytes)
        if (floats)
            ((float *)e->value.array)[i] = float_element(e, p, bytes, at);
        else
            ((int32_t *)e->value.array)[i] = int_element(e, p, bytes, at);
    return 0;
}

static int array_parse(entry *e, cursor *c, error *err)
{
    size_t at = c->at;
    TRY(type_parse(c, "the element type of an array", &e->element, err));
    if (e->element == VALUE_ARRAY)
        return error_set(
            err, E_FORMAT,
            "byte %zu: an array of arrays, expected elements of a plain type", at);
    bool strings = e->element == VALUE_STRING;
    size_t each = strings ? sizeof(uint64_t) : value_kinds[e->element].bytes;
    TRY(cursor_count(c, "the length of an array", each, &e->n, err));
    return strings ? strings_parse(e, c, err) : numbers_parse(e, c, err);
}

/* The key is in *e already; what the value owns is released by metadata_free. */
static int value_parse(entry *e, cursor *c, error *err)
{
    TRY(type_parse(c, "the type of a value", &e->type, err));
    e->at = c->at;
    if (e->type == VALUE_ARRAY)
        return array_parse(e, c, err);
    if (e->type == VALUE_STRING)
        return string_parse(e, c, err);
    return scalar_parse(e, c, err);
}

static int compare_keys(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static int index_keys(gguf *g, error *err)
{
    g->by_key = array_new(g->n_entries, sizeof(entry *));
    if (!g->by_key)
        return error_memory(err, g->n_entries * sizeof(entry *));
    for (size_t i = 0; i < g->n_entries; i++)
        g->by_key[i] = &g->entries[i];
    qsort(g->by_key, g->n_entries, sizeof(entry *), compare_keys);
    for (size_t i = 1; i < g->n_entries; i++) {
        const entry *a = g->by_key[i - 1], *b = g->by_key[i];
        if (strcmp(a->key, b->key) == 0)
            return error_set(err, E_FORMAT,
                             "byte %zu: key \"%.100s\" is there a second time (also at "
                             "byte %zu)",
                             a->at > b->at ? a->at : b->at, a->key,
                             a->at > b->at ? b->at : a->at);
    }
    return 0;
}

int metadata_parse(gguf *g, cursor *c, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++) {
        TRY(array_grow(&g->entries, &g->entry_capacity, i, sizeof(entry), err));
        entry *e = &g->entries[i];
        *e = (entry){0};
        TRY(cursor_name(c, "a key", KEY_MAX_BYTES, &e->key, err));
        g->n_entries = i + 1;
        int rc = value_parse(e, c, err);
        if (rc < 0) {
            error_prefix(err, "key \"%.100s\"", e->key);
            return rc;
        }
    }
    return index_keys(g, err);
}

void metadata_free(gguf *g)
{
    for (size_t i = 0; i < g->n_entries; i++) {
        entry *e = &g->entries[i];
        if (e->type == VALUE_STRING)
            free(e->value.string);
        else if (e->type == VALUE_ARRAY)
            free(e->value.array);
        free(e->key);
    }
    free(g->entries);
    free(g->by_key);
}

/* ---- Looking up ---- */

const entry *metadata_find(const gguf *g, const char *key)
{
    size_t low = 0, high = g->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, g->by_key[middle]->key);
        if (order == 0)
            return g->by_key[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t gguf_key_count(const gguf *g)
{
    return g->n_entries;
}

const char *gguf_key(const gguf *g, size_t i)
{
    return i < g->n_entries ? g->entries[i].key : NULL;
}

gguf_kind gguf_kind_of(const gguf *g, const char *key)
{
    const entry *e = metadata_find(g, key);
    return e ? value_kinds[e->type].kind : GGUF_ABSENT;
}

/* " (-7)", the value of a number, or "" for what may be long. */
static const char *shown(const entry *e, char out[static 40])
{
    out[0] = '\0';
    switch (value_kinds[e->type].kind) {
    case GGUF_UNSIGNED:
    case GGUF_BOOL:
        snprintf(out, 40, " (%" PRIu64 ")", e->value.u);
        break;
    case GGUF_SIGNED:
        snprintf(out, 40, " (%" PRId64 ")", e->value.i);
        break;
    case GGUF_FLOAT:
        snprintf(out, 40, " (%.9g)", e->value.f);
        break;
    default:
        break;
    }
    return out;
}

static int wrong_kind(const entry *e, const char *expected, error *err)
{
    bool array = e->type == VALUE_ARRAY;
    char value[40];
    return error_set(err, E_FORMAT, "byte %zu: key \"%.100s\" holds %s%s%s, expected %s",
                     e->at, e->key, array ? "an array of " : "a value of type ",
                     value_kinds[array ? e->element : e->type].name, shown(e, value),
                     expected);
}

int gguf_get_uint(const gguf *g, const char *key, uint64_t *out, error *err)
{
    const entry *e = metadata_find(g, key);
    if (!e)
        return 0;
    gguf_kind kind = value_kinds[e->type].kind;
    if (kind != GGUF_UNSIGNED && kind != GGUF_SIGNED)
        return wrong_kind(e, "an integer", err);
    if (kind == GGUF_SIGNED && e->value.i < 0)
        return error_set(err, E_FORMAT,
                         "byte %zu: key \"%.100s\" is %lld, expected at least 0", e->at,
                         e->key, (long long)e->value.i);
    *out = e->value.u; /* a signed value that is not negative reads the same */
    return 1;
}

int gguf_get_double(const gguf *g, const char *key, double *out, error *err)
{
    const entry *e = metadata_find(g, key);
    if (!e)
        return 0;
    switch (value_kinds[e->type].kind) {
    case GGUF_UNSIGNED:
        *out = (double)e->value.u;
        return 1;
    case GGUF_SIGNED:
        *out = (double)e->value.i;
        return 1;
    case GGUF_FLOAT:
        *out = e->value.f;
        return 1;
    default:
        return wrong_kind(e, "a number", err);
    }
}

int gguf_get_bool(const gguf *g, const char *key, bool *out, error *err)
{
    const entry *e = metadata_find(g, key);
    if (!e)
        return 0;
    if (e->type != VALUE_BOOL)
        return wrong_kind(e, "a bool", err);
    *out = e->value.u == 1;
    return 1;
}

int gguf_get_string(const gguf *g, const char *key, const char **out, error *err)
{
    const entry *e = metadata_find(g, key);
    if (!e)
        return 0;
    if (e->type != VALUE_STRING)
        return wrong_kind(e, "a string", err);
    if (e->bad_at)
        return error_set(err, E_FORMAT,
                         "byte %zu: the string of key \"%.100s\" holds a NUL byte",
                         e->bad_at, e->key);
    *out = e->value.string;
    return 1;
}

/* 1 with *e set to a sound array of one of the two kinds, 0 if absent. */
static int find_array(const gguf *g, const char *key, gguf_kind kind, gguf_kind or_kind,
                      const char *expected, const entry **e, error *err)
{
    *e = metadata_find(g, key);
    if (!*e)
        return 0;
    gguf_kind found = value_kinds[(*e)->element].kind;
    if ((*e)->type != VALUE_ARRAY || (found != kind && found != or_kind))
        return wrong_kind(*e, expected, err);
    if ((*e)->bad_at)
        return error_set(err, E_FORMAT,
                         "byte %zu: an element of key \"%.100s\" is not what it must be, "
                         "expected %s",
                         (*e)->bad_at, (*e)->key, expected);
    return 1;
}

int gguf_get_strings(const gguf *g, const char *key, const char *const **out, size_t *n,
                     error *err)
{
    const entry *e;
    int rc = find_array(g, key, GGUF_STRING, GGUF_STRING,
                        "an array of strings without NUL", &e, err);
    if (rc == 1) {
        *out = e->value.array;
        *n = e->n;
    }
    return rc;
}

int gguf_get_ints(const gguf *g, const char *key, const int32_t **out, size_t *n,
                  error *err)
{
    const entry *e;
    int rc = find_array(g, key, GGUF_UNSIGNED, GGUF_SIGNED,
                        "an array of integers within 32 signed bits", &e, err);
    if (rc == 1) {
        *out = e->value.array;
        *n = e->n;
    }
    return rc;
}

int gguf_get_bools(const gguf *g, const char *key, const bool **out, size_t *n,
                   error *err)
{
    const entry *e;
    int rc = find_array(g, key, GGUF_BOOL, GGUF_BOOL, "an array of bools, each 0 or 1",
                        &e, err);
    if (rc == 1) {
        *out = e->value.array;
        *n = e->n;
    }
    return rc;
}

int gguf_get_floats(const gguf *g, const char *key, const float **out, size_t *n,
                    error *err)
{
    const entry *e;
    int rc = find_array(g, key, GGUF_FLOAT, GGUF_FLOAT,
                        "an array of floats within the range of f32", &e, err);
    if (rc == 1) {
        *out = e->value.array;
        *n = e->n;
    }
    return rc;
}

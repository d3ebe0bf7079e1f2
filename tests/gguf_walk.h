/* Reads everything that an open GGUF file hands out, so that a sanitizer sees any byte
 * that is not the file's. A header, since fuzzers link no helpers of the cmocka tests. */
#ifndef LAMARCK_TESTS_GGUF_WALK_H
#define LAMARCK_TESTS_GGUF_WALK_H

#include "../model/gguf.h"

#include <stdlib.h>
#include <string.h>

/* Ask for a key in every way. Returns a sum of what came, so that no read is left out. */
static inline uint64_t walk_key(const gguf *g, const char *key)
{
    error err;
    uint64_t sum = (uint64_t)gguf_kind_of(g, key), whole = 0;
    double real;
    bool truth;
    const char *s;
    const char *const *strings;
    const int32_t *ints;
    const bool *truths;
    const float *floats;
    size_t n;
    if (gguf_get_uint(g, key, &whole, &err) == 1)
        sum += whole;
    if (gguf_get_double(g, key, &real, &err) == 1)
        sum += real > 0;
    if (gguf_get_bool(g, key, &truth, &err) == 1)
        sum += truth;
    if (gguf_get_string(g, key, &s, &err) == 1)
        sum += strlen(s);
    if (gguf_get_strings(g, key, &strings, &n, &err) == 1)
        for (size_t i = 0; i < n; i++)
            sum += strlen(strings[i]);
    if (gguf_get_ints(g, key, &ints, &n, &err) == 1)
        for (size_t i = 0; i < n; i++)
            sum += (uint64_t)ints[i];
    if (gguf_get_bools(g, key, &truths, &n, &err) == 1)
        for (size_t i = 0; i < n; i++)
            sum += truths[i];
    if (gguf_get_floats(g, key, &floats, &n, &err) == 1)
        for (size_t i = 0; i < n; i++)
            sum += floats[i] > 0;
    return sum;
}

/* Widen the tensor a row at a time. */
static inline uint64_t walk_tensor(const gguf_tensor *t)
{
    const quant_format *format = quant_find(t->type);
    const char *data = t->data;
    size_t n_blocks = t->dims[0] / format->values, n_rows = t->n_elements / t->dims[0];
    float *row = malloc(t->dims[0] * sizeof *row);
    if (!row)
        return 0;
    uint64_t sum = 0;
    for (size_t r = 0; r < n_rows; r++) {
        format->widen(data + r * n_blocks * format->bytes, n_blocks, row);
        sum += row[0] > 0;
        sum += row[t->dims[0] - 1] > 0;
    }
    free(row);
    return sum;
}

static inline uint64_t walk_gguf(const gguf *g)
{
    uint64_t sum = gguf_version(g) + gguf_file_bytes(g);
    for (size_t i = 0; i < gguf_key_count(g); i++)
        sum += walk_key(g, gguf_key(g, i));
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        if (gguf_tensor_find(g, t->name) != t)
            abort(); /* every tensor is found by its name */
        sum += walk_tensor(t);
    }
    return sum;
}

#endif

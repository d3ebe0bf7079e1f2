/* GGUF files in memory, for tests. */
#include "gguf_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void put_bytes(text *t, const void *bytes, size_t n)
{
    assert_int_equal(text_add(t, bytes, n, NULL), 0);
}

static void put_number(text *t, uint64_t value, size_t bytes)
{
    uint8_t little[8];
    for (size_t i = 0; i < bytes; i++)
        little[i] = (uint8_t)(value >> (8 * i));
    put_bytes(t, little, bytes);
}

void put_u32(text *t, uint32_t value)
{
    put_number(t, value, 4);
}

void put_u64(text *t, uint64_t value)
{
    put_number(t, value, 8);
}

void put_string(text *t, const char *bytes, size_t n)
{
    put_u64(t, n);
    put_bytes(t, bytes, n);
}

static void put_key(gguf_build *b, const char *key, uint32_t type)
{
    put_string(&b->keys, key, strlen(key));
    put_u32(&b->keys, type);
    b->n_keys++;
}

void build_value(gguf_build *b, const char *key, uint32_t type, const void *value,
                 size_t n)
{
    put_key(b, key, type);
    put_bytes(&b->keys, value, n);
}

void build_u32(gguf_build *b, const char *key, uint32_t value)
{
    put_key(b, key, BUILD_U32);
    put_u32(&b->keys, value);
}

void build_string(gguf_build *b, const char *key, const char *value)
{
    put_key(b, key, BUILD_STRING);
    put_string(&b->keys, value, strlen(value));
}

void build_array(gguf_build *b, const char *key, uint32_t element, uint64_t n,
                 const void *values, size_t bytes)
{
    put_key(b, key, BUILD_ARRAY);
    put_u32(&b->keys, element);
    put_u64(&b->keys, n);
    put_bytes(&b->keys, values, bytes);
}

void build_strings(gguf_build *b, const char *key, const char *const *values, size_t n)
{
    build_array(b, key, BUILD_STRING, n, NULL, 0);
    for (size_t i = 0; i < n; i++)
        put_string(&b->keys, values[i], strlen(values[i]));
}

static void pad(text *t)
{
    static const char zeros[BUILD_ALIGNMENT];
    if (t->n % BUILD_ALIGNMENT)
        put_bytes(t, zeros, BUILD_ALIGNMENT - t->n % BUILD_ALIGNMENT);
}

void build_description(gguf_build *b, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, uint64_t offset)
{
    put_string(&b->tensors, name, strlen(name));
    put_u32(&b->tensors, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(&b->tensors, dims[i]);
    put_u32(&b->tensors, type);
    put_u64(&b->tensors, offset);
    b->n_tensors++;
}

void build_tensor(gguf_build *b, const char *name, uint32_t type, size_t n_dims,
                  const uint64_t *dims, const void *data, size_t bytes)
{
    pad(&b->data);
    build_description(b, name, type, (uint32_t)n_dims, dims, b->data.n);
    if (data) {
        put_bytes(&b->data, data, bytes);
    } else {
        char *zeros = calloc(1, bytes ? bytes : 1);
        assert_non_null(zeros);
        put_bytes(&b->data, zeros, bytes);
        free(zeros);
    }
}

char *build_finish(gguf_build *b, size_t *n)
{
    text file = {0};
    put_bytes(&file, "GGUF", 4);
    put_u32(&file, 3);
    put_u64(&file, b->n_tensors);
    put_u64(&file, b->n_keys);
    put_bytes(&file, b->keys.s, b->keys.n);
    put_bytes(&file, b->tensors.s, b->tensors.n);
    if (b->data.n) {
        pad(&file);
        put_bytes(&file, b->data.s, b->data.n);
    }
    *n = file.n;
    char *bytes = malloc(file.n);
    assert_non_null(bytes);
    memcpy(bytes, file.s, file.n);
    text_free(&file);
    text_free(&b->keys);
    text_free(&b->tensors);
    text_free(&b->data);
    *b = (gguf_build){0};
    return bytes;
}

/* Builds GGUF files in memory, right ones and, byte by byte, wrong ones. Failures of
 * memory end the running test. */
#ifndef LAMARCK_TESTS_GGUF_BUILD_H
#define LAMARCK_TESTS_GGUF_BUILD_H

#include "../model/base.h"

/* Value types of the file. */
enum {
    BUILD_U8,
    BUILD_I8,
    BUILD_U16,
    BUILD_I16,
    BUILD_U32,
    BUILD_I32,
    BUILD_F32,
    BUILD_BOOL,
    BUILD_STRING,
    BUILD_ARRAY,
    BUILD_U64,
    BUILD_I64,
    BUILD_F64,
};

enum { BUILD_ALIGNMENT = 32 };

/* {0} is an empty file. Keys and tensor descriptions may be written to directly. */
typedef struct gguf_build {
    text keys, tensors, data;
    uint64_t n_keys, n_tensors;
} gguf_build;

void put_bytes(text *t, const void *bytes, size_t n);
void put_u32(text *t, uint32_t value);
void put_u64(text *t, uint64_t value);
void put_string(text *t, const char *bytes, size_t n);

/* A key, its type, and its value as it lies in the file. */
void build_value(gguf_build *b, const char *key, uint32_t type, const void *value,
                 size_t n);
void build_u32(gguf_build *b, const char *key, uint32_t value);
void build_string(gguf_build *b, const char *key, const char *value);
/* An array of n numbers of `element` type that take `bytes` in all. */
void build_array(gguf_build *b, const char *key, uint32_t element, uint64_t n,
                 const void *values, size_t bytes);
void build_strings(gguf_build *b, const char *key, const char *const *values, size_t n);

/* A tensor with `bytes` of data (zeros when `data` is NULL) behind those before it. */
void build_tensor(gguf_build *b, const char *name, uint32_t type, size_t n_dims,
                  const uint64_t *dims, const void *data, size_t bytes);
/* Only its description, with any offset. */
void build_description(gguf_build *b, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, uint64_t offset);

/* The file, of version 3; `b` is emptied. free() the bytes: they are an allocation of
 * exactly *n bytes, so that sanitizers see every read too far. */
char *build_finish(gguf_build *b, size_t *n);

#endif

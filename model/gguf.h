/* A GGUF file (versions 2 and 3), memory-mapped and checked in full before anything is
 * handed out: every offset, count and size in it is hostile until proven inside the file.
 *
 * Format: ggml-org/ggml docs/gguf.md. A gguf is immutable once open; shared by threads.
 * All pointers it returns are borrowed from it and die with gguf_close. The file must not
 * be cut while it is mapped: reading beyond its new end is a SIGBUS. */
#ifndef LAMARCK_MODEL_GGUF_H
#define LAMARCK_MODEL_GGUF_H

#include "base.h"
#include "quant.h"

typedef struct gguf gguf;

/* E_IO; E_FORMAT with the byte offset and what was expected there; E_UNSUPPORTED for
 * version 1, big-endian files, and a tensor type that quant_find does not know. */
int gguf_open(gguf **out, const char *path, error *err);
void gguf_close(gguf *g);

/* The same from bytes in memory (borrowed until close): for tests and the fuzzer. */
int gguf_parse(gguf **out, const void *bytes, size_t n, error *err);

uint32_t gguf_version(const gguf *g);
uint64_t gguf_file_bytes(const gguf *g);
const void *gguf_file_data(const gguf *g); /* the whole file, for hashing */

/* ---- Metadata: each getter says by its return whether the key is there. ---- */

typedef enum gguf_kind {
    GGUF_ABSENT,
    GGUF_UNSIGNED, /* u8 u16 u32 u64 */
    GGUF_SIGNED,   /* i8 i16 i32 i64 */
    GGUF_FLOAT,    /* f32 f64 */
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
} gguf_kind;

size_t gguf_key_count(const gguf *g);
const char *gguf_key(const gguf *g, size_t i);
gguf_kind gguf_kind_of(const gguf *g, const char *key);

/* Scalars. Return 1 if there, 0 if absent (*out untouched), E_FORMAT if of another kind
 * or out of the range of the type; integers convert among each other and to double. */
int gguf_get_uint(const gguf *g, const char *key, uint64_t *out, error *err);
int gguf_get_double(const gguf *g, const char *key, double *out, error *err);
int gguf_get_bool(const gguf *g, const char *key, bool *out, error *err);
int gguf_get_string(const gguf *g, const char *key, const char **out,
                    error *err); /* NUL-terminated; E_FORMAT when it holds a NUL */

/* Arrays: same returns; int32_t from any integer elements, float from f32 and f64. Arrays
 * and strings are copies made at open, strings NUL-terminated. A bool that is neither 0
 * nor 1 is E_FORMAT. */
int gguf_get_strings(const gguf *g, const char *key, const char *const **out, size_t *n,
                     error *err);
int gguf_get_ints(const gguf *g, const char *key, const int32_t **out, size_t *n,
                  error *err);
int gguf_get_bools(const gguf *g, const char *key, const bool **out, size_t *n,
                   error *err);
int gguf_get_floats(const gguf *g, const char *key, const float **out, size_t *n,
                    error *err);

/* ---- Tensors ---- */

enum { GGUF_MAX_DIMS = 4 };

typedef struct gguf_tensor {
    const char *name;
    quant_type type;
    size_t n_dims;
    size_t dims[GGUF_MAX_DIMS]; /* dims[0] varies fastest: a (rows, columns) matrix is
                                   {columns, rows} */
    size_t n_elements;
    const void *data; /* in the map, at least 8-byte aligned; no two tensors share bytes;
                         (rows, columns) row-major, rows of whole blocks */
    size_t bytes;
} gguf_tensor;

size_t gguf_tensor_count(const gguf *g);
const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i);
const gguf_tensor *gguf_tensor_find(const gguf *g, const char *name); /* NULL if absent */

#endif

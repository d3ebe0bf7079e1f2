/* What the three files of the GGUF reader share: gguf.c (the file and its tensors),
 * gguf_metadata.c (keys and values), gguf_cursor.c (checked reading). Private to them. */
#ifndef LAMARCK_MODEL_GGUF_PARTS_H
#define LAMARCK_MODEL_GGUF_PARTS_H

#include "gguf.h"

/* ---- A cursor: reads little-endian values, never past the end. Errors name the byte
 * offset, what was expected there, and how many bytes the file has left. ---- */

typedef struct cursor {
    const uint8_t *bytes;
    size_t n, at; /* at <= n */
} cursor;

/* Step over n bytes. Returns where they are in the file; NULL, with E_FORMAT in *err,
 * when it ends before. */
const uint8_t *cursor_take(cursor *c, size_t n, const char *what, error *err);
int cursor_u32(cursor *c, const char *what, uint32_t *out, error *err);
int cursor_u64(cursor *c, const char *what, uint64_t *out, error *err);
/* A count of things that take at least `each` bytes apiece: E_FORMAT when the rest of
 * the file cannot hold them. */
int cursor_count(cursor *c, const char *what, size_t each, size_t *out, error *err);
/* A length and that many bytes, in the file, not terminated; NULL as above. */
const char *cursor_string(cursor *c, const char *what, size_t *n, error *err);
/* A key or name as a new NUL-terminated string: 1 to `limit` bytes without NUL. */
int cursor_name(cursor *c, const char *what, size_t limit, char **out, error *err);

/* The little-endian number of `bytes` (1, 2, 4, 8) bytes at p. */
uint64_t little_endian(const uint8_t *p, size_t bytes);

/* ---- Metadata ---- */

/* Value types as numbered in the file. */
typedef enum value_type {
    VALUE_U8,
    VALUE_I8,
    VALUE_U16,
    VALUE_I16,
    VALUE_U32,
    VALUE_I32,
    VALUE_F32,
    VALUE_BOOL,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_U64,
    VALUE_I64,
    VALUE_F64,
    VALUE_TYPES,
} value_type;

/* One key. Values are decoded while parsing, so that the getters only look up: an open
 * gguf is never written to. A value that its kind of getter cannot hand out (a NUL in a
 * string, an integer beyond int32_t or a bool of 2 in an array) is kept with the offset
 * of the first offender, since only who asks for it needs to fail. */
typedef struct entry {
    char *key;       /* owned */
    size_t at;       /* byte offset of the value */
    value_type type; /* of the value; VALUE_ARRAY: of an array of `element` */
    value_type element;
    size_t n; /* elements of an array */
    union {
        uint64_t u;
        int64_t i;
        double f;
        char *string;
        void *array; /* char *[n] with its bytes behind it, int32_t[n], float[n] or
                        bool[n] */
    } value;         /* the pointers are owned */
    size_t bad_at;   /* offset of the first offender, 0 when there is none */
} entry;

/* One tensor and what only the checks need. */
typedef struct tensor_slot {
    gguf_tensor tensor; /* its name is `name` */
    char *name;         /* owned */
    size_t at;          /* byte offset of its description */
    uint64_t offset;    /* of its data in the data section, as the file claims */
} tensor_slot;

struct gguf {
    const uint8_t *bytes;
    size_t n_bytes;
    bool mapped; /* bytes are to be unmapped at close */
    uint32_t version;
    entry *entries; /* in the order of the file */
    size_t n_entries, entry_capacity;
    const entry **by_key; /* sorted */
    tensor_slot *tensors; /* in the order of the file */
    size_t n_tensors, tensor_capacity;
    const tensor_slot **by_name; /* sorted */
};

/* Read n entries at the cursor into g and index them. */
int metadata_parse(gguf *g, cursor *c, size_t n, error *err);
void metadata_free(gguf *g);
const entry *metadata_find(const gguf *g, const char *key); /* NULL if absent */

enum {
    METADATA_ENTRY_BYTES = 8 + 1 + 4 + 1, /* the least that an entry takes in a file */
    KEY_MAX_BYTES = 65535,                /* docs/gguf.md */
};

#endif

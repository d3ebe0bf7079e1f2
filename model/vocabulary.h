/* The tokens of a byte-level vocabulary: their spelling in GPT-2's byte alphabet, their
 * exact bytes, their types, and the way from a spelling to an id.
 *
 * Immutable once made; shared by threads. What it returns is borrowed from it. */
#ifndef LAMARCK_MODEL_VOCABULARY_H
#define LAMARCK_MODEL_VOCABULARY_H

#include "base.h"

/* tokenizer.ggml.token_type */
typedef enum token_type {
    TOKEN_UNDEFINED = 0,
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
} token_type;

typedef struct vocabulary vocabulary;

/* types may be NULL: all normal. Two tokens may share a spelling: the later one is found
 * by it, as in the reference, and both can be decoded. */
int vocabulary_new(vocabulary **out, const char *const *tokens, const int32_t *types,
                   size_t n, error *err);
void vocabulary_free(vocabulary *v);

size_t vocabulary_size(const vocabulary *v);
token_type vocabulary_type(const vocabulary *v, int32_t id);

/* The spelling that the file gives, and the bytes that the token stands for, both
 * followed by a NUL. A special token, and one that is not spelled in the byte alphabet,
 * stands for its spelling. The id must be inside. */
const char *vocabulary_spelling(const vocabulary *v, int32_t id, size_t *n);
const char *vocabulary_bytes(const vocabulary *v, int32_t id, size_t *n);

/* The id of a spelling of n bytes; -1 when there is none. */
int32_t vocabulary_find(const vocabulary *v, const char *spelling, size_t n);
/* The id of the one-byte token of `byte`, -1 when there is none. */
int32_t vocabulary_find_byte(const vocabulary *v, unsigned char byte);
/* The normal token that stands for exactly these bytes, -1 when there is none. */
int32_t vocabulary_find_bytes(const vocabulary *v, const char *bytes, size_t n);

/* Spelling of one byte in the alphabet: writes 1 or 2 bytes, says how many. */
size_t alphabet_spell(unsigned char byte, char out[2]);

#endif

/* Tokens, their bytes, and a hash from spelling to id. */
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* Strings laid end to end, each followed by a NUL. */
typedef struct pool {
    text chars;
    size_t *begin; /* (n + 1) */
} pool;

struct vocabulary {
    size_t n;
    uint8_t *types; /* (n) */
    pool spellings, bytes;
    size_t longest_spelling;
    int32_t *slots; /* (n_slots) open addressing, -1 is free */
    size_t n_slots; /* a power of two, at least twice n */
};

/* ---- GPT-2's byte alphabet: printable Latin-1 stands for itself, the other 68 bytes for
 * U+0100 and on, in order. ---- */

enum { ALPHABET_SHIFT = 0x100, ALPHABET_END = 0x144 };

static bool byte_stands_for_itself(unsigned char b)
{
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
}

/* The bytes that do not stand for themselves, in three runs and a single one. */
static unsigned byte_to_letter(unsigned char b)
{
    if (byte_stands_for_itself(b))
        return b;
    if (b <= 0x20)
        return ALPHABET_SHIFT + b;
    if (b == 0xad)
        return ALPHABET_END - 1;
    return ALPHABET_SHIFT + 0x21 + (b - 0x7fu); /* 0x7f to 0xa0 */
}

/* -1 when the code point is no letter of the alphabet. */
static int letter_to_byte(unsigned letter)
{
    if (letter < ALPHABET_SHIFT)
        return byte_stands_for_itself((unsigned char)letter) ? (int)letter : -1;
    if (letter >= ALPHABET_END)
        return -1;
    if (letter == ALPHABET_END - 1)
        return 0xad;
    unsigned k = letter - ALPHABET_SHIFT;
    return (int)(k <= 0x20 ? k : 0x7f + (k - 0x21));
}

size_t alphabet_spell(unsigned char byte, char out[2])
{
    unsigned letter = byte_to_letter(byte);
    if (letter < 0x80) {
        out[0] = (char)letter;
        return 1;
    }
    out[0] = (char)(0xc0 | letter >> 6);
    out[1] = (char)(0x80 | (letter & 0x3f));
    return 2;
}

/* Append the bytes that a spelling stands for; false, with *out as it was, when a part of
 * it is no letter of the alphabet. */
static int alphabet_read(const char *s, size_t n, text *out, bool *all, error *err)
{
    size_t before = out->n;
    *all = false;
    for (size_t i = 0; i < n; i++) {
        unsigned letter = (unsigned char)s[i];
        if (letter >= 0xc2 && letter <= 0xdf && i + 1 < n && (s[i + 1] & 0xc0) == 0x80)
            letter = (letter & 0x1f) << 6 | (s[++i] & 0x3f);
        else if (letter >= 0x80)
            letter = ALPHABET_END;
        int byte = letter_to_byte(letter);
        if (byte < 0) {
            out->n = before;
            return 0;
        }
        TRY(text_add(out, &(char){(char)byte}, 1, err));
    }
    *all = true;
    return 0;
}

/* ---- Making one ---- */

static int pool_add(pool *p, size_t i, const char *s, size_t n, error *err)
{
    p->begin[i] = p->chars.n;
    TRY(text_add(&p->chars, s, n, err));
    TRY(text_add(&p->chars, "", 1, err));
    p->begin[i + 1] = p->chars.n;
    return 0;
}

static int add_bytes(vocabulary *v, size_t i, const char *spelling, size_t n, error *err)
{
    pool *p = &v->bytes;
    token_type type = (token_type)v->types[i];
    bool raw =
        type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN;
    bool all = false;
    p->begin[i] = p->chars.n;
    if (!raw)
        TRY(alphabet_read(spelling, n, &p->chars, &all, err));
    if (!all)
        return pool_add(p, i, spelling, n, err);
    TRY(text_add(&p->chars, "", 1, err));
    p->begin[i + 1] = p->chars.n;
    return 0;
}

/* FNV-1a, with a finaliser because the low bits choose the slot. */
static size_t hash_spelling(const char *s, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return (size_t)seed_mix(h, n);
}

/* The slot of a spelling: where it is, or the free one where it belongs. */
static size_t find_slot(const vocabulary *v, const char *s, size_t n)
{
    size_t slot = hash_spelling(s, n) & (v->n_slots - 1);
    for (; v->slots[slot] >= 0; slot = (slot + 1) & (v->n_slots - 1)) {
        size_t length;
        const char *there = vocabulary_spelling(v, v->slots[slot], &length);
        if (length == n && memcmp(there, s, n) == 0)
            break;
    }
    return slot;
}

static int allocate(vocabulary *v, size_t n, error *err)
{
    v->n = n;
    v->n_slots = 16;
    while (v->n_slots < 2 * n)
        v->n_slots *= 2;
    v->types = array_new(n, 1);
    v->spellings.begin = array_new(n + 1, sizeof(size_t));
    v->bytes.begin = array_new(n + 1, sizeof(size_t));
    v->slots = array_new(v->n_slots, sizeof *v->slots);
    if (!v->types || !v->spellings.begin || !v->bytes.begin || !v->slots)
        return error_memory(err, n * 17 + v->n_slots * sizeof *v->slots);
    for (size_t i = 0; i < v->n_slots; i++)
        v->slots[i] = -1;
    return 0;
}

static int fill(vocabulary *v, const char *const *tokens, const int32_t *types,
                error *err)
{
    for (size_t i = 0; i < v->n; i++) {
        int32_t type = types ? types[i] : TOKEN_NORMAL;
        if (type < TOKEN_UNDEFINED || type > TOKEN_BYTE)
            return error_set(
                err, E_FORMAT,
                "token %zu (\"%.40s\") has type %d, but types go from %d to %d", i,
                tokens[i], (int)type, TOKEN_UNDEFINED, TOKEN_BYTE);
        v->types[i] = (uint8_t)type;
        size_t n = strlen(tokens[i]);
        TRY(pool_add(&v->spellings, i, tokens[i], n, err));
        TRY(add_bytes(v, i, tokens[i], n, err));
        if (n > v->longest_spelling)
            v->longest_spelling = n;
        v->slots[find_slot(v, tokens[i], n)] = (int32_t)i;
    }
    return 0;
}

int vocabulary_new(vocabulary **out, const char *const *tokens, const int32_t *types,
                   size_t n, error *err)
{
    if (n > INT32_MAX / 2)
        return error_set(err, E_LIMIT, "the vocabulary has %zu tokens, at most %d fit", n,
                         INT32_MAX / 2);
    vocabulary *v = array_new(1, sizeof *v);
    if (!v)
        return error_memory(err, sizeof *v);
    int rc = allocate(v, n, err);
    if (rc == 0)
        rc = fill(v, tokens, types, err);
    if (rc < 0) {
        vocabulary_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

void vocabulary_free(vocabulary *v)
{
    if (!v)
        return;
    free(v->types);
    free(v->spellings.begin);
    free(v->bytes.begin);
    text_free(&v->spellings.chars);
    text_free(&v->bytes.chars);
    free(v->slots);
    free(v);
}

/* ---- Asking ---- */

size_t vocabulary_size(const vocabulary *v)
{
    return v->n;
}

token_type vocabulary_type(const vocabulary *v, int32_t id)
{
    return (token_type)v->types[id];
}

static const char *pool_get(const pool *p, int32_t id, size_t *n)
{
    *n = p->begin[id + 1] - p->begin[id] - 1;
    return p->chars.s + p->begin[id];
}

const char *vocabulary_spelling(const vocabulary *v, int32_t id, size_t *n)
{
    return pool_get(&v->spellings, id, n);
}

const char *vocabulary_bytes(const vocabulary *v, int32_t id, size_t *n)
{
    return pool_get(&v->bytes, id, n);
}

int32_t vocabulary_find(const vocabulary *v, const char *spelling, size_t n)
{
    return n > v->longest_spelling ? -1 : v->slots[find_slot(v, spelling, n)];
}

int32_t vocabulary_find_byte(const vocabulary *v, unsigned char byte)
{
    char spelling[2];
    size_t n = alphabet_spell(byte, spelling);
    return vocabulary_find(v, spelling, n);
}

int32_t vocabulary_find_bytes(const vocabulary *v, const char *bytes, size_t n)
{
    enum { LONGEST = 256 }; /* bytes of a word that is looked up whole */
    char spelling[2 * LONGEST];
    if (n > LONGEST || n > v->longest_spelling)
        return -1;
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += alphabet_spell((unsigned char)bytes[i], spelling + length);
    int32_t id = vocabulary_find(v, spelling, length);
    return id >= 0 && v->types[id] == TOKEN_NORMAL ? id : -1;
}

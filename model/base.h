/* What every folder of Lamarck stands on: errors, checked sizes, growable text, hashes.
 *
 * Ownership: an `error` and a `text` live in the caller's frame; nothing here keeps
 * pointers. Threads: nothing here has state. */
#ifndef LAMARCK_MODEL_BASE_H
#define LAMARCK_MODEL_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- Errors: functions that can fail return 0 or one of these, and fill *err once. ----
 */

enum {
    E_ARGUMENT = -1,    /* the caller asked for something that makes no sense */
    E_MEMORY = -2,      /* out of memory, or over a memory budget */
    E_IO = -3,          /* the operating system said no: open, read, write, full disk */
    E_FORMAT = -4,      /* bytes that we did not write are not what they claim to be */
    E_UNSUPPORTED = -5, /* well-formed, but not something this build can do */
    E_LIMIT = -6,       /* does not fit: a context window, a budget */
    E_BUSY = -7,        /* somebody else holds it */
    E_NUMERIC = -8,     /* NaN or infinity where a number is needed */
    E_INTERRUPTED = -9, /* the user asked to stop */
    E_EXTERNAL = -10,   /* a library or a remote side failed */
};

typedef struct error {
    int code;        /* 0 or one of the above */
    char text[1000]; /* one sentence: doing what, to what, the limit broken; no newline */
} error;

/* Fill *err (NULL allowed) and return `code`, so that `return error_set(err, E_IO, …)`
 * reads well. */
int error_set(error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " before the text that is already in *err; returns err's code. For the
 * one caller who knows what the callee could not: a file name, a row number. */
int error_prefix(error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* E_MEMORY with the number of bytes that were wanted. */
int error_memory(error *err, size_t bytes);

/* Forward a failure unchanged: from a function without, and with, things to release. */
#define TRY(call)                                                                        \
    do {                                                                                 \
        int try_rc_ = (call);                                                            \
        if (try_rc_ < 0)                                                                 \
            return try_rc_;                                                              \
    } while (0)
#define TRY_OUT(rc, call)                                                                \
    do {                                                                                 \
        (rc) = (call);                                                                   \
        if ((rc) < 0)                                                                    \
            goto out;                                                                    \
    } while (0)

/* ---- Sizes that come from files are hostile: multiply and add with these. ---- */

/* *out = a * b (a + b); false on overflow, *out untouched. */
bool size_mul(size_t a, size_t b, size_t *out);
bool size_add(size_t a, size_t b, size_t *out);

/* calloc/realloc with the product checked; NULL on overflow or no memory. `count` 0 gives
 * a pointer that may be freed. */
void *array_new(size_t count, size_t size);
void *array_resize(void *old, size_t count, size_t size);

/* Make room for one more element of `size` bytes in *array (*capacity elements long),
 * doubling. Returns 0 or E_MEMORY. */
int array_grow(void *array, size_t *capacity, size_t count, size_t size, error *err);

/* ---- Growable bytes, always followed by a NUL that `n` does not count. {0} is empty.
 * ---- */

typedef struct text {
    char *s; /* NULL while empty and never written to; owned */
    size_t n;
    size_t capacity;
} text;

int text_add(text *t, const void *bytes, size_t n, error *err);
int text_add_string(text *t, const char *s, error *err);
int text_add_format(text *t, error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The bytes as a string: "" while empty. Borrowed. */
const char *text_string(const text *t);
void text_clear(text *t); /* n = 0, memory kept */
void text_free(text *t);

/* strndup for any bytes; NULL when out of memory. New. */
char *bytes_copy(const void *bytes, size_t n);
char *string_copy(const char *s);

/* ---- Files and UTF-8 ---- */

/* Open for reading; NULL, and errno says why. A FIFO that nobody writes to is empty, and
 * not waited for. */
FILE *file_open(const char *path);
/* Read a whole file, at most `limit` bytes. *out is NUL-terminated; new, free() it. */
int file_read(const char *path, size_t limit, char **out, size_t *n, error *err);
/* Write a temporary file beside `path`, flush it to the disk, rename it: the file is the
 * old one or the whole new one, whatever happens meanwhile. */
int file_write(const char *path, const void *bytes, size_t n, error *err);
/* What file_write would say of `path` now, before there is anything to write: for those
 * who work long for what they write. Leaves nothing behind. */
int file_check_writable(const char *path, error *err);

/* Index of the first byte that is not part of well-formed UTF-8 (RFC 3629: no surrogates,
 * no overlong forms), or n when all are. */
size_t utf8_check(const char *s, size_t n);
#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
/* Append the bytes, each that is not part of well-formed UTF-8 replaced by U+FFFD. */
int utf8_mend(text *out, const char *s, size_t n, error *err);

/* ---- SHA-256, for content addresses ---- */

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };
typedef struct sha256 {
    void *state;
} sha256;
int sha256_begin(sha256 *h, error *err);
int sha256_add(sha256 *h, const void *bytes, size_t n, error *err);
/* Ends and releases. `hex` receives 64 lower-case digits and a NUL. NULL hex only
 * releases. */
int sha256_end(sha256 *h, char hex[SHA256_HEX], error *err);
int sha256_hex(const void *bytes, size_t n, char hex[SHA256_HEX], error *err);

/* A 64-bit mix of `seed` and `value` (splitmix64 finaliser, Steele et al. 2014):
 * independent streams for gsl_rng from one user seed. */
uint64_t seed_mix(uint64_t seed, uint64_t value);

/* Seconds on a clock that only goes forward, for durations. */
double clock_seconds(void);

/* ---- Nearest name, for "did you mean" ---- */

/* Restricted Damerau-Levenshtein distance of two strings, bytes. */
size_t edit_distance(const char *a, const char *b);
/* The nearest of names[0..n) within a third of its length, or NULL. Borrowed. */
const char *nearest_name(const char *wrong, const char *const *names, size_t n);

#endif

/* Errors, checked sizes, growable text, files, hashes. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

/* ---- Errors ---- */

/* A message is one line: control characters from hostile input become '?'. */
static void make_printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

int error_set(error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        make_printable(err->text);
        err->code = code;
    }
    return code;
}

int error_prefix(error *err, const char *format, ...)
{
    if (!err)
        return E_ARGUMENT;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    /* What does not fit is cut at the end, where the least is lost. */
    const char *const parts[] = {": ", old};
    size_t n = printed < 0 ? 0 : strlen(err->text);
    for (size_t i = 0; i < 2; i++) {
        size_t room = sizeof err->text - 1 - n, length = strlen(parts[i]);
        size_t kept = length < room ? length : room;
        memcpy(err->text + n, parts[i], kept);
        n += kept;
    }
    err->text[n] = '\0';
    make_printable(err->text);
    return err->code;
}

int error_memory(error *err, size_t bytes)
{
    return error_set(err, E_MEMORY, "out of memory: %zu bytes were wanted", bytes);
}

/* ---- Sizes and arrays ---- */

bool size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

void *array_new(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *array_resize(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes))
        return NULL;
    return realloc(old, bytes ? bytes : 1);
}

int array_grow(void *array, size_t *capacity, size_t count, size_t size, error *err)
{
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted <= count)
        if (!size_mul(wanted, 2, &wanted))
            return error_memory(err, SIZE_MAX);
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = array_resize(old, wanted, size);
    if (!grown)
        return error_memory(err, wanted * size);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return 0;
}

/* ---- Text ---- */

static int text_reserve(text *t, size_t more, error *err)
{
    size_t wanted;
    if (!size_add(t->n, more, &wanted) || !size_add(wanted, 1, &wanted))
        return error_memory(err, SIZE_MAX);
    if (wanted <= t->capacity)
        return 0;
    size_t capacity = t->capacity > SIZE_MAX / 2 ? wanted : t->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity < 32)
        capacity = 32;
    char *grown = realloc(t->s, capacity);
    if (!grown)
        return error_memory(err, capacity);
    t->s = grown;
    t->capacity = capacity;
    return 0;
}

int text_add(text *t, const void *bytes, size_t n, error *err)
{
    TRY(text_reserve(t, n, err));
    if (n)
        memcpy(t->s + t->n, bytes, n);
    t->n += n;
    t->s[t->n] = '\0';
    return 0;
}

int text_add_string(text *t, const char *s, error *err)
{
    return text_add(t, s, strlen(s), err);
}

int text_add_format(text *t, error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = n < 0 ? error_set(err, E_ARGUMENT, "cannot format a text")
                   : text_reserve(t, (size_t)n, err);
    if (rc == 0) {
        vsnprintf(t->s + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
    return rc;
}

const char *text_string(const text *t)
{
    return t->s ? t->s : "";
}

void text_clear(text *t)
{
    t->n = 0;
    if (t->s)
        t->s[0] = '\0';
}

void text_free(text *t)
{
    if (t) {
        free(t->s);
        *t = (text){0};
    }
}

char *bytes_copy(const void *bytes, size_t n)
{
    char *copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
    if (copy) {
        if (n)
            memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

char *string_copy(const char *s)
{
    return bytes_copy(s, strlen(s));
}

/* ---- Files and UTF-8 ---- */

static int open_descriptor(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

FILE *file_open(const char *path)
{
    int fd = open_descriptor(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (fd >= 0 && !f)
        close(fd);
    return f;
}

/* Read from fd to the end; the size that fstat gave is a hint only (pipes, /proc). */
static int read_all(int fd, const char *path, size_t limit, text *t, error *err)
{
    for (;;) {
        TRY(text_reserve(t, 1 << 16, err));
        ssize_t got = read(fd, t->s + t->n, t->capacity - t->n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, E_IO, "cannot read %s: %s", path, strerror(errno));
        t->n += (size_t)got;
        t->s[t->n] = '\0';
        if (t->n > limit)
            return error_set(err, E_LIMIT, "%s is larger than the limit of %zu bytes",
                             path, limit);
        if (got == 0)
            return 0;
    }
}

int file_read(const char *path, size_t limit, char **out, size_t *n, error *err)
{
    int fd = open_descriptor(path);
    if (fd < 0)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    text t = {0};
    int rc = read_all(fd, path, limit, &t, err);
    close(fd);
    if (rc < 0) {
        text_free(&t);
        return rc;
    }
    *out = t.s;
    *n = t.n;
    return 0;
}

/* Length of the well-formed sequence at s (n > 0 bytes left), 0 if ill-formed. RFC 3629
 * table. */
static size_t utf8_sequence(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t want = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n < want)
        return 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return want;
}

size_t utf8_check(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t length = utf8_sequence((const unsigned char *)s + i, n - i);
        if (!length)
            return i;
        i += length;
    }
    return n;
}

int utf8_mend(text *out, const char *s, size_t n, error *err)
{
    for (size_t good; n; s += good + 1, n -= good + 1) {
        good = utf8_check(s, n);
        TRY(text_add(out, s, good, err));
        if (good == n)
            return 0;
        TRY(text_add_string(out, UTF8_REPLACEMENT, err));
    }
    return 0;
}

/* ---- SHA-256 ---- */

int sha256_begin(sha256 *h, error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return error_memory(err, sizeof(void *));
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return error_set(err, E_EXTERNAL, "libcrypto refuses SHA-256");
    }
    h->state = ctx;
    return 0;
}

int sha256_add(sha256 *h, const void *bytes, size_t n, error *err)
{
    if (EVP_DigestUpdate(h->state, bytes, n) != 1)
        return error_set(err, E_EXTERNAL, "libcrypto failed to hash %zu bytes", n);
    return 0;
}

int sha256_end(sha256 *h, char hex[SHA256_HEX], error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    int rc = 0;
    if (hex && EVP_DigestFinal_ex(h->state, digest, NULL) != 1)
        rc = error_set(err, E_EXTERNAL, "libcrypto failed to finish a hash");
    else if (hex)
        for (size_t i = 0; i < SHA256_BYTES; i++)
            snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(h->state);
    h->state = NULL;
    return rc;
}

int sha256_hex(const void *bytes, size_t n, char hex[SHA256_HEX], error *err)
{
    sha256 h;
    TRY(sha256_begin(&h, err));
    int rc = sha256_add(&h, bytes, n, err);
    if (rc < 0) {
        sha256_end(&h, NULL, NULL);
        return rc;
    }
    return sha256_end(&h, hex, err);
}

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t seed_mix(uint64_t seed, uint64_t value)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u * (value + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- Nearest name ---- */

enum { NAME_MAX_BYTES = 64 }; /* longer names are compared by their first bytes */

size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t na = strnlen(a, NAME_MAX_BYTES), nb = strnlen(b, NAME_MAX_BYTES);
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3];
        const size_t *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && two_before[j - 2] + 1 < best)
                best = two_before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[na % 3][nb];
}

const char *nearest_name(const char *wrong, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = strlen(wrong) / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(wrong, names[i]);
        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}

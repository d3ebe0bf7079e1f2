/* The spellings in order, narrowed byte by byte: the range of those that agree with the
 * text so far shrinks until none is left. */
#include "specials.h"

#include <stdlib.h>
#include <string.h>

/* A hostile file could otherwise make every position of a text cost as much as its
 * longest token; those in use are below 100 bytes. */
enum { LONGEST_SPECIAL = 512 };

typedef struct spelling {
    const char *s; /* borrowed from the vocabulary */
    size_t n;
    int32_t id;
} spelling;

struct specials {
    spelling *sorted; /* (n) */
    size_t n;
    size_t count; /* with those that share a spelling */
    bool first[256];
};

static int compare_spellings(const void *a, const void *b)
{
    const spelling *x = a, *y = b;
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static bool is_matched(token_type type)
{
    return type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN;
}

static int collect(specials *s, const vocabulary *v, error *err)
{
    size_t capacity = 0, size = vocabulary_size(v);
    for (size_t i = 0; i < size; i++) {
        int32_t id = (int32_t)i;
        spelling one = {.id = id};
        if (!is_matched(vocabulary_type(v, id)))
            continue;
        s->count++;
        one.s = vocabulary_spelling(v, id, &one.n);
        if (one.n > LONGEST_SPECIAL)
            return error_set(
                err, E_LIMIT,
                "special token %zu (\"%.40s…\") is %zu bytes long; at most %d "
                "are supported",
                i, one.s, one.n, LONGEST_SPECIAL);
        if (one.n == 0 || vocabulary_find(v, one.s, one.n) != id)
            continue; /* nothing to match, or a later token has the same spelling */
        TRY(array_grow(&s->sorted, &capacity, s->n, sizeof *s->sorted, err));
        s->sorted[s->n++] = one;
        s->first[(unsigned char)one.s[0]] = true;
    }
    if (s->n)
        qsort(s->sorted, s->n, sizeof *s->sorted, compare_spellings);
    return 0;
}

int specials_new(specials **out, const vocabulary *v, error *err)
{
    specials *s = array_new(1, sizeof *s);
    if (!s)
        return error_memory(err, sizeof *s);
    int rc = collect(s, v, err);
    if (rc < 0) {
        specials_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void specials_free(specials *s)
{
    if (!s)
        return;
    free(s->sorted);
    free(s);
}

size_t specials_count(const specials *s)
{
    return s->count;
}

/* First of sorted[low..high) whose byte at `depth` is not below `byte`. All of them are
 * longer than depth. */
static size_t lower_bound(const specials *s, size_t low, size_t high, size_t depth,
                          unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)s->sorted[middle].s[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest spelling at the start of text, or NULL. */
static const spelling *longest_at(const specials *s, const char *bytes, size_t n)
{
    const spelling *longest = NULL;
    size_t low = 0, high = s->n;
    for (size_t depth = 0; depth < n && low < high; depth++) {
        unsigned byte = (unsigned char)bytes[depth];
        low = lower_bound(s, low, high, depth, byte);
        high = lower_bound(s, low, high, depth, byte + 1);
        if (low < high && s->sorted[low].n == depth + 1)
            longest = &s->sorted[low++]; /* the shortest of a range comes first */
    }
    return longest;
}

int32_t specials_next(const specials *s, const char *bytes, size_t n, size_t from,
                      size_t *begin, size_t *length)
{
    for (size_t i = from; i < n; i++) {
        if (!s->first[(unsigned char)bytes[i]])
            continue;
        const spelling *found = longest_at(s, bytes + i, n - i);
        if (found) {
            *begin = i;
            *length = found->n;
            return found->id;
        }
    }
    return -1;
}

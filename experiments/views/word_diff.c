/* Word-level differences by longest common subsequence. */
#include "word_diff.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 4 << 20 };

/* A word, and with it the white space after it. */
typedef struct piece {
    const char *s;
    size_t n_word, n;
} piece;

typedef struct pieces {
    piece *p;
    size_t n, capacity;
} pieces;

/* Split at white space; white space before the first word is a piece with an empty word.
 */
static int split(const char *s, pieces *out, error *err)
{
    while (*s) {
        TRY(array_grow(&out->p, &out->capacity, out->n, sizeof *out->p, err));
        size_t word = 0, all;
        while (s[word] && !isspace((unsigned char)s[word]))
            word++;
        all = word;
        while (s[all] && isspace((unsigned char)s[all]))
            all++;
        out->p[out->n++] = (piece){s, word, all};
        s += all;
    }
    return 0;
}

static bool same_word(const piece *a, const piece *b)
{
    return a->n_word == b->n_word && memcmp(a->s, b->s, a->n_word) == 0;
}

/* Adds a piece, to the last part if it goes on there. */
typedef struct builder {
    diff_part *parts;
    size_t n, capacity;
} builder;

static int add(builder *b, diff_kind kind, const piece *p, error *err)
{
    diff_part *last = b->n ? &b->parts[b->n - 1] : NULL;
    if (last && last->kind == kind && last->s + last->n == p->s) {
        last->n += p->n;
        return 0;
    }
    TRY(array_grow(&b->parts, &b->capacity, b->n, sizeof *b->parts, err));
    b->parts[b->n++] = (diff_part){kind, p->s, p->n};
    return 0;
}

/* length[i * (nb + 1) + j]: the longest common subsequence of a[i..) and b[j..). */
static uint32_t *common_lengths(const pieces *a, const pieces *b)
{
    size_t stride = b->n + 1;
    uint32_t *length = array_new((a->n + 1) * stride, sizeof *length);
    for (size_t i = a->n; length && i-- > 0;)
        for (size_t j = b->n; j-- > 0;) {
            uint32_t down = length[(i + 1) * stride + j],
                     right = length[i * stride + j + 1];
            length[i * stride + j] = same_word(&a->p[i], &b->p[j])
                                         ? length[(i + 1) * stride + j + 1] + 1
                                     : down >= right ? down
                                                     : right;
        }
    return length;
}

static int walk(const pieces *a, const pieces *b, const uint32_t *length, builder *out,
                error *err)
{
    size_t i = 0, j = 0, stride = b->n + 1;
    while (i < a->n || j < b->n) {
        bool same = length && i < a->n && j < b->n && same_word(&a->p[i], &b->p[j]);
        if (same) {
            TRY(add(out, DIFF_SAME, &b->p[j++], err));
            i++;
            continue;
        }
        bool removed =
            i < a->n && (j == b->n || !length ||
                         length[(i + 1) * stride + j] >= length[i * stride + j + 1]);
        if (removed)
            TRY(add(out, DIFF_REMOVED, &a->p[i++], err));
        else
            TRY(add(out, DIFF_ADDED, &b->p[j++], err));
    }
    return 0;
}

/* Between two kept parts the removed pieces may alternate with added ones: a reader wants
 * first what went, then what came. Stable within each kind. */
static void gather(builder *b)
{
    for (size_t begin = 0; begin < b->n;) {
        size_t end = begin;
        while (end < b->n && b->parts[end].kind != DIFF_SAME)
            end++;
        for (size_t i = begin; i < end; i++)
            for (size_t j = i; j > begin && b->parts[j].kind == DIFF_REMOVED &&
                               b->parts[j - 1].kind == DIFF_ADDED;
                 j--) {
                diff_part swap = b->parts[j];
                b->parts[j] = b->parts[j - 1];
                b->parts[j - 1] = swap;
            }
        begin = end + 1;
    }
}

/* Join what now stands side by side and continues. */
static void join(builder *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        diff_part *last = n ? &b->parts[n - 1] : NULL;
        if (last && last->kind == b->parts[i].kind && last->s + last->n == b->parts[i].s)
            last->n += b->parts[i].n;
        else
            b->parts[n++] = b->parts[i];
    }
    b->n = n;
}

int word_diff(const char *old_text, const char *new_text, diff_part **parts, size_t *n,
              error *err)
{
    pieces a = {0}, b = {0};
    builder out = {0};
    uint32_t *length = NULL;
    int rc;
    TRY_OUT(rc, split(old_text, &a, err));
    TRY_OUT(rc, split(new_text, &b, err));
    size_t pairs;
    if (size_mul(a.n + 1, b.n + 1, &pairs) && pairs <= MAX_PAIRS) {
        length = common_lengths(&a, &b);
        if (!length) {
            rc = error_memory(err, pairs * sizeof *length);
            goto out;
        }
    }
    TRY_OUT(rc, walk(&a, &b, length, &out, err));
    gather(&out);
    join(&out);
    *parts = out.parts;
    *n = out.n;
    out.parts = NULL;
out:
    free(length);
    free(a.p);
    free(b.p);
    free(out.parts);
    return rc;
}

#include "answer.h"

#include <stdlib.h>
#include <string.h>

/* By ASCII alone, whatever the locale. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static void trim(const char **s, size_t *n)
{
    while (*n && is_space(**s))
        ++*s, --*n;
    while (*n && is_space((*s)[*n - 1]))
        --*n;
}

double answer_exact(const char *answer, char *const *targets, size_t n_targets)
{
    size_t n = strlen(answer);
    trim(&answer, &n);
    for (size_t i = 0; i < n_targets; i++) {
        const char *target = targets[i];
        size_t nt = strlen(target);
        trim(&target, &nt);
        if (nt == n && memcmp(answer, target, n) == 0)
            return 1;
    }
    return 0;
}

/* ---- Token F1 ---- */

typedef struct word_list {
    char *bytes;  /* owned; the words, each with its NUL */
    char **words; /* owned array, into bytes */
    size_t n;
} word_list;

static void word_list_free(word_list *l)
{
    free(l->bytes);
    free(l->words);
}

static bool is_article(const char *word)
{
    return strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The text's words, normalised and sorted. */
static int normalise(const char *s, word_list *out, error *err)
{
    size_t n = strlen(s), at = 0;
    word_list l = {.bytes = array_new(n + 1, 1),
                   .words = array_new(n + 1, sizeof(char *))};
    if (!l.bytes || !l.words) {
        word_list_free(&l);
        return error_memory(err, n * sizeof(char *));
    }
    for (const char *p = s; *p;) {
        size_t begin = at;
        for (; *p && !is_space(*p); p++)
            if (!is_punctuation(*p))
                l.bytes[at++] = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        while (is_space(*p))
            p++;
        l.bytes[at] = '\0';
        if (at == begin || is_article(l.bytes + begin))
            at = begin;
        else
            l.words[l.n++] = l.bytes + begin, at++;
    }
    qsort(l.words, l.n, sizeof *l.words, by_text);
    *out = l;
    return 0;
}

/* Both sorted: the size of the common bag is one merge. */
static double f1(const word_list *a, const word_list *b)
{
    size_t common = 0, i = 0, j = 0;
    if (a->n == 0 || b->n == 0)
        return a->n == b->n;
    while (i < a->n && j < b->n) {
        int order = strcmp(a->words[i], b->words[j]);
        common += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return 2.0 * (double)common / (double)(a->n + b->n);
}

int answer_f1(const char *answer, char *const *targets, size_t n_targets, double *out,
              error *err)
{
    word_list given, wanted;
    double best = 0;
    TRY(normalise(answer, &given, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n_targets; i++) {
        rc = normalise(targets[i], &wanted, err);
        if (rc < 0)
            break;
        double x = f1(&given, &wanted);
        best = x > best ? x : best;
        word_list_free(&wanted);
    }
    word_list_free(&given);
    if (rc == 0)
        *out = best;
    return rc;
}

/* Splitting and splicing the words of text genes: the only code that moves white space
 * and frozen marks about. What to edit is left to the operators. */
#include "words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "operators.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static void word_clear(word *w)
{
    free(w->space);
    free(w->s);
    *w = (word){0};
}

static int word_make(word *out, const char *space, size_t n_space, const char *s,
                     size_t n, error *err)
{
    word w = {.space = bytes_copy(space, n_space), .s = bytes_copy(s, n)};
    if (!w.space || !w.s) {
        word_clear(&w);
        return error_memory(err, n + n_space + 2);
    }
    *out = w;
    return 0;
}

static int word_copy(word *out, const word *from, error *err)
{
    TRY(word_make(out, from->space, strlen(from->space), from->s, strlen(from->s), err));
    out->frozen = from->frozen;
    return 0;
}

static int space_set(word *w, const char *space, error *err)
{
    char *copy = string_copy(space);
    if (!copy)
        return error_memory(err, strlen(space) + 1);
    free(w->space);
    w->space = copy;
    return 0;
}

int words_append(gene *g, size_t *capacity, const word *w, error *err)
{
    TRY(array_grow(&g->words, capacity, g->n_words, sizeof *g->words, err));
    TRY(word_copy(&g->words[g->n_words], w, err));
    g->n_words++;
    return 0;
}

int words_split(gene *out, const char *s, size_t n, error *err)
{
    gene g = {0};
    size_t capacity = 0, at = 0;
    int rc = 0;
    for (;;) {
        size_t space = at;
        while (at < n && is_space(s[at]))
            at++;
        size_t begin = at;
        while (at < n && !is_space(s[at]))
            at++;
        if (at == begin) {
            g.trail = bytes_copy(s + space, begin - space);
            if (!g.trail)
                rc = error_memory(err, begin - space + 1);
            break;
        }
        TRY_OUT(rc, array_grow(&g.words, &capacity, g.n_words, sizeof *g.words, err));
        TRY_OUT(rc, word_make(&g.words[g.n_words], s + space, begin - space, s + begin,
                              at - begin, err));
        g.n_words++;
    }
out:
    if (rc < 0) {
        gene_free(&g);
        return rc;
    }
    gene_free(out);
    *out = g;
    return 0;
}

/* Steals the words' letters. */
static bool take_letters(gene *g, gene *from)
{
    bool changed = false;
    for (size_t i = 0; i < g->n_words; i++) {
        char *swap = g->words[i].s;
        changed = changed || strcmp(swap, from->words[i].s) != 0;
        g->words[i].s = from->words[i].s;
        from->words[i].s = swap;
    }
    return changed;
}

int gene_rewrite(gene *g, const char *s, error *err)
{
    gene new = {0};
    if (utf8_check(s, strlen(s)) < strlen(s))
        return 0;
    TRY(words_split(&new, s, strlen(s), err));
    bool fits = new.n_words == g->n_words;
    for (size_t i = 0; fits && i < g->n_words; i++)
        fits = !g->words[i].frozen || strcmp(g->words[i].s, new.words[i].s) == 0;
    bool changed = fits && take_letters(g, &new);
    gene_free(&new);
    return changed;
}

/* ---- What the laws allow ---- */

bool words_may_insert(const gene *g, size_t at)
{
    bool inside = at > 0 && at < g->n_words;
    return !(inside && g->words[at - 1].frozen && g->words[at].frozen);
}

bool words_free_span(const gene *g, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (g->words[i].frozen)
            return false;
    return end <= g->n_words;
}

bool words_may_remove(const gene *g, size_t begin, size_t end)
{
    if (begin >= end || !words_free_span(g, begin, end) || end - begin >= g->n_words)
        return false;
    bool closes = begin > 0 && end < g->n_words && g->words[begin - 1].frozen &&
                  g->words[end].frozen;
    return !closes;
}

/* ---- Capitals: a word that comes to stand first takes over the capital of the word that
 * stood there, where both are plain. Frozen words keep theirs. ---- */

static bool starts_sentence(const gene *g)
{
    return g->n_words > 0 && !g->words[0].frozen && is_upper(g->words[0].s[0]);
}

static void first_word_capitalise(gene *g)
{
    if (g->n_words > 0 && !g->words[0].frozen && is_lower(g->words[0].s[0]))
        g->words[0].s[0] = (char)(g->words[0].s[0] - 'a' + 'A');
}

/* "Write", but not "I", "NASA", "English:" or "McDuff". */
static bool is_plain_capitalised(const char *s)
{
    if (!is_upper(s[0]) || s[1] == '\0')
        return false;
    for (s++; *s; s++)
        if (!is_lower(*s))
            return false;
    return true;
}

static void word_lower(word *w)
{
    if (!w->frozen && is_plain_capitalised(w->s))
        w->s[0] = (char)(w->s[0] - 'A' + 'a');
}

/* ---- Edits ---- */

/* Copies of from[0..n), thawed, each with some white space before it. */
static int phrase_copy(word **out, const word *from, size_t n, error *err)
{
    word *copy = array_new(n, sizeof *copy);
    if (!copy)
        return error_memory(err, n * sizeof *copy);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = word_copy(&copy[i], &from[i], err);
        copy[i].frozen = false;
        if (rc == 0 && (i == 0 || copy[i].space[0] == '\0'))
            rc = space_set(&copy[i], " ", err);
    }
    if (rc < 0) {
        for (size_t i = 0; i < n; i++)
            word_clear(&copy[i]);
        free(copy);
        return rc;
    }
    *out = copy;
    return 0;
}

static void space_swap(word *a, word *b)
{
    char *space = a->space;
    a->space = b->space;
    b->space = space;
}

/* White space at the seams, before words [begin, end) of g give way to `fresh`. */
static int seams_mend(gene *g, size_t begin, size_t end, word *fresh, size_t n,
                      error *err)
{
    if (n > 0 && end > begin)
        space_swap(&fresh[0], &g->words[begin]);
    else if (n > 0 && begin == 0 && g->n_words > 0)
        space_swap(&fresh[0], &g->words[0]); /* the old first word gets the " " */
    else if (n > 0 && begin == 0)
        return space_set(&fresh[0], "", err);
    else if (n == 0 && begin == 0 && end > 0 && end < g->n_words)
        space_swap(&g->words[0], &g->words[end]);
    return 0;
}

int words_splice(gene *g, size_t begin, size_t end, const word *from, size_t n,
                 error *err)
{
    word *fresh = NULL, *joined = NULL;
    TRY(phrase_copy(&fresh, from, n, err));
    bool capital = begin == 0 && starts_sentence(g);
    size_t total = g->n_words - (end - begin) + n;
    int rc = 0;
    joined = array_new(total, sizeof *joined);
    if (!joined)
        rc = error_memory(err, total * sizeof *joined);
    if (rc == 0)
        rc = seams_mend(g, begin, end, fresh, n, err);
    if (rc < 0) {
        for (size_t i = 0; i < n; i++)
            word_clear(&fresh[i]);
        free(fresh);
        free(joined);
        return rc;
    }
    for (size_t i = begin; i < end; i++)
        word_clear(&g->words[i]);
    size_t after = g->n_words - end;
    if (begin)
        memcpy(joined, g->words, begin * sizeof *joined);
    if (n)
        memcpy(joined + begin, fresh, n * sizeof *joined);
    if (after)
        memcpy(joined + begin + n, g->words + end, after * sizeof *joined);
    free(fresh);
    free(g->words);
    g->words = joined;
    g->n_words = total;
    if (capital) {
        first_word_capitalise(g);
        if (begin == end && n < total)
            word_lower(&g->words[n]); /* stood first before the insertion */
    }
    return 0;
}

int words_splice_text(gene *g, size_t begin, size_t end, const char *s, error *err)
{
    gene phrase = {0};
    TRY(words_split(&phrase, s, strlen(s), err));
    int rc = words_splice(g, begin, end, phrase.words, phrase.n_words, err);
    gene_free(&phrase);
    return rc;
}

int words_exchange(gene *g, size_t a, size_t b, size_t n, error *err)
{
    if (a + n > b || b + n > g->n_words)
        return error_set(err, E_ARGUMENT,
                         "cannot exchange words %zu and %zu, %zu long, of %zu", a, b, n,
                         g->n_words);
    bool capital = a == 0 && starts_sentence(g);
    for (size_t i = 0; i < n; i++) {
        char *s = g->words[a + i].s;
        g->words[a + i].s = g->words[b + i].s;
        g->words[b + i].s = s;
    }
    if (capital) {
        first_word_capitalise(g);
        word_lower(&g->words[b]);
    }
    return 0;
}

int words_mend_spaces(gene *g, const char *space, error *err)
{
    if (g->n_words)
        TRY(space_set(&g->words[0], space, err));
    for (size_t i = 1; i < g->n_words; i++)
        if (g->words[i].space[0] == '\0')
            TRY(space_set(&g->words[i], " ", err));
    return 0;
}

/* ---- Distance ---- */

enum { DISTANCE_ROW = 1024 }; /* one row of the table, on the stack */

size_t words_distance(const gene *a, const gene *b)
{
    if (a->n_words < b->n_words) {
        const gene *swap = a;
        a = b;
        b = swap;
    }
    const word *x = a->words, *y = b->words;
    size_t n = a->n_words, m = b->n_words, row[DISTANCE_ROW + 1], cut = 0;
    while (m > 0 && strcmp(x[0].s, y[0].s) == 0)
        x++, y++, n--, m--;
    while (m > 0 && strcmp(x[n - 1].s, y[m - 1].s) == 0)
        n--, m--;
    if (m > DISTANCE_ROW) {
        cut = n - DISTANCE_ROW; /* of these, the longer tail, all count as changed */
        n = m = DISTANCE_ROW;
    }
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (strcmp(x[i - 1].s, y[j - 1].s) != 0);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m] + cut;
}

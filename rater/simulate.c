#include "simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "ratings.h"

const char *const taste_names[N_TASTES] = {"names", "prose", "summary"};

enum { NAME_BYTES = 24, NAME_WORDS = 3, NAMES_WANTED = 8, WORD_LETTERS = 4 };

/* By ASCII alone, whatever the locale; a byte of a longer character counts as a letter.
 */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- Names ---- */

/* What a list puts before an entry: white space, numbers, bullets, quotes. */
static void trim_entry(const char **s, size_t *n)
{
    static const char before[] = " \t\r-*.)(\"0123456789", after[] = " \t\r.\"";
    while (*n && strchr(before, **s))
        ++*s, --*n;
    while (*n && strchr(after, (*s)[*n - 1]))
        --*n;
}

static bool is_name(const char *s, size_t n)
{
    size_t words = 0;
    bool at_start = true;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ') {
            at_start = true;
        } else if (at_start) {
            if (!is_letter(s[i]) || lower(s[i]) == s[i])
                return false;
            words++;
            at_start = false;
        } else if (!is_letter(s[i]) && s[i] != '-' && s[i] != '\'') {
            return false;
        }
    }
    return words >= 1 && words <= NAME_WORDS && n >= 2 && n <= NAME_BYTES;
}

typedef struct name_count {
    name_index seen;
    size_t repeated, bad;
} name_count;

static int count_entry(name_count *c, const char *s, size_t n, error *err)
{
    char name[NAME_BYTES + 1];
    size_t before = c->seen.n, number;
    trim_entry(&s, &n);
    if (n == 0)
        return 0;
    if (!is_name(s, n)) {
        c->bad++;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        name[i] = lower(s[i]);
    name[n] = '\0';
    TRY(name_index_add(&c->seen, name, &number, err));
    c->repeated += c->seen.n == before;
    return 0;
}

static int like_names(const char *output, double *out, error *err)
{
    name_count c = {0};
    int rc = 0;
    for (const char *s = output; rc == 0 && *s;) {
        size_t n = strcspn(s, ",\n");
        rc = count_entry(&c, s, n, err);
        s += n + (s[n] != '\0');
    }
    size_t good = c.seen.n < NAMES_WANTED ? c.seen.n : NAMES_WANTED;
    *out = 0.5 * (double)good - 0.4 * (double)c.repeated - 0.3 * (double)c.bad;
    name_index_free(&c.seen);
    return rc;
}

/* ---- Words ---- */

typedef struct word_count {
    name_index all, content;
    size_t n; /* words, repeated ones included */
} word_count;

static void word_count_free(word_count *w)
{
    name_index_free(&w->all);
    name_index_free(&w->content);
}

static bool is_common(const char *word)
{
    static const char *const common[] = {
        "about", "after", "also", "been",  "before", "could", "dream", "from",
        "have",  "into",  "just", "more",  "that",   "their", "them",  "then",
        "there", "they",  "this", "very",  "were",   "what",  "when",  "where",
        "which", "will",  "with", "would", "your"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(word, common[i]) == 0)
            return true;
    return false;
}

static int count_words(const char *s, word_count *w, error *err)
{
    char word[64];
    size_t number;
    while (*s) {
        size_t n = 0, letters = 0;
        while (*s && !is_letter(*s))
            s++;
        for (; is_letter(*s) || (letters && *s == '\''); s++, letters++)
            if (n + 1 < sizeof word)
                word[n++] = lower(*s);
        word[n] = '\0';
        if (n == 0)
            break;
        w->n++;
        TRY(name_index_add(&w->all, word, &number, err));
        if (n >= WORD_LETTERS && !is_common(word))
            TRY(name_index_add(&w->content, word, &number, err));
    }
    return 0;
}

/* The share of a's words that b has too; 0 of none. */
static int share_of(const name_index *a, name_index *b, double *out, error *err)
{
    size_t had = 0, before = b->n, number;
    for (size_t i = 0; i < a->n; i++) {
        TRY(name_index_add(b, a->names[i], &number, err));
        had += number < before;
    }
    *out = a->n ? (double)had / (double)a->n : 0;
    return 0;
}

/* 1 within the bounds, less in proportion outside them. */
static double length_score(size_t n, size_t least, size_t most)
{
    if (n < least)
        return (double)n / (double)least;
    return n > most ? (double)most / (double)n : 1;
}

static bool ends_sentence(const char *s)
{
    size_t n = strlen(s);
    while (n && strchr(" \n\r\t\"", s[n - 1]))
        n--;
    return n && strchr(".!?", s[n - 1]);
}

static int like_words(taste t, word_count *context, word_count *output, const char *said,
                      double *out, error *err)
{
    double mentions, faithful;
    name_index copy = {0};
    size_t number;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < output->content.n; i++)
        rc = name_index_add(&copy, output->content.names[i], &number, err);
    if (rc == 0)
        rc = share_of(&context->content, &copy, &mentions, err);
    name_index_free(&copy);
    if (rc == 0)
        rc = share_of(&output->content, &context->content, &faithful, err);
    TRY(rc);
    double distinct = output->n ? (double)output->all.n / (double)output->n : 0;
    double end = output->n && ends_sentence(said) ? 0.5 : 0;
    if (t == TASTE_PROSE)
        *out = 2 * mentions + 2 * distinct + 1.5 * length_score(output->n, 30, 90) + end;
    else
        *out = output->n ? 3 * faithful + 1.5 * fmin(1, 3 * mentions) +
                               length_score(output->n, 8, 30) + end
                         : 0;
    return 0;
}

/* Are there words, and none of two different letters? */
static bool is_junk(const char *s)
{
    char first = 0;
    bool words = false;
    for (; *s; s++) {
        if (!is_letter(*s)) {
            first = 0;
        } else if (first == 0) {
            first = *s;
            words = true;
        } else if (*s != first) {
            return false;
        }
    }
    return words;
}

static int like(taste t, const char *context, const char *output, double *out, error *err)
{
    if (t == TASTE_NAMES)
        return like_names(output, out, err);
    word_count a = {0}, b = {0};
    int rc = count_words(context, &a, err);
    if (rc == 0)
        rc = count_words(output, &b, err);
    if (rc == 0)
        rc = like_words(t, &a, &b, output, out, err);
    word_count_free(&a);
    word_count_free(&b);
    return rc;
}

int simulated_liking(taste t, const char *context, const char *output, double *out,
                     error *err)
{
    TRY(like(t, context, output, out, err));
    *out -= is_junk(output) ? 4 : 0;
    return 0;
}

/* ---- Raters ---- */

void simulated_rater_make(simulated_rater *r, uint64_t seed, size_t i)
{
    uint64_t bits = seed_mix(seed, i);
    double u = (double)(bits >> 11) / 9007199254740992.0;
    *r = (simulated_rater){.manner = i % 10 == 3   ? MANNER_FIRST
                                     : i % 10 == 7 ? MANNER_SPAM
                                                   : MANNER_HONEST,
                           .noise = 0.6 + u,
                           .tie_width = 0.25 + 0.25 * u,
                           .bias = 2 * u - 1};
    snprintf(r->name, sizeof r->name, "sim-%zu", i + 1);
}

/* What each output seems worth to him at this moment: for two of them the difference of
 * the errors is logistic when each is Gumbel (McFadden 1974). */
static void perceive(const simulated_rater *r, const double *liking, size_t n,
                     gsl_rng *rng, double *worth)
{
    for (size_t i = 0; i < n; i++)
        worth[i] = liking[i] + r->noise * gsl_ran_gumbel1(rng, 1, 1);
}

static int pick(const simulated_rater *r, const question *q, const double *worth,
                size_t n)
{
    size_t best = 0;
    double second = -INFINITY;
    for (size_t i = 1; i < n; i++)
        if (worth[i] > worth[best])
            best = i;
    for (size_t i = 0; i < n; i++)
        if (i != best)
            second = fmax(second, worth[i]);
    return q->ties && worth[best] - second < r->tie_width ? ANSWER_TIE : (int)best;
}

/* A liking of 2.5 is the middle of the scale, and of accepting. */
static int rate(const simulated_rater *r, const question *q, double worth)
{
    double x = worth - 2.5 + r->bias;
    if (q->kind == QUESTION_ACCEPT)
        return x > 0;
    double at = 1 + (double)(q->n_labels - 1) / (1 + exp(-x));
    return (int)lround(fmin(fmax(at, 1), (double)q->n_labels));
}

static int answer_first(const question *q, size_t n, gsl_rng *rng)
{
    bool first = gsl_rng_uniform(rng) < 0.8;
    if (q->kind == QUESTION_ACCEPT)
        return first;
    if (q->kind == QUESTION_SCALE)
        return first ? (int)q->n_labels
                     : 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)q->n_labels);
    return first ? 0 : (int)gsl_rng_uniform_int(rng, (unsigned long)n);
}

static int answer_anything(const question *q, size_t n, gsl_rng *rng)
{
    if (q->kind == QUESTION_ACCEPT)
        return (int)gsl_rng_uniform_int(rng, 2);
    if (q->kind == QUESTION_SCALE)
        return 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)q->n_labels);
    return (int)gsl_rng_uniform_int(rng, (unsigned long)n);
}

static int check_shown(size_t n, error *err)
{
    if (n == 0 || n > MAX_OUTPUTS)
        return error_set(err, E_ARGUMENT, "%zu outputs cannot be shown at once", n);
    return 0;
}

int simulated_rater_judge(const simulated_rater *r, const question *q,
                          const double *liking, size_t n, gsl_rng *rng,
                          simulated_answer *out, error *err)
{
    double worth[MAX_OUTPUTS];
    TRY(check_shown(n, err));
    out->seconds = (r->manner == MANNER_SPAM ? 1.2 : 3) + gsl_ran_exponential(rng, 4);
    if (r->manner == MANNER_FIRST) {
        out->answer = answer_first(q, n, rng);
    } else if (r->manner == MANNER_SPAM) {
        out->answer = answer_anything(q, n, rng);
    } else {
        perceive(r, liking, n, rng, worth);
        out->answer = n > 1 ? pick(r, q, worth, n) : rate(r, q, worth[0]);
    }
    return 0;
}

int simulated_rater_answer(const simulated_rater *r, taste t, const question *q,
                           const char *context, char *const *shown, size_t n,
                           gsl_rng *rng, simulated_answer *out, error *err)
{
    double liking[MAX_OUTPUTS] = {0};
    TRY(check_shown(n, err));
    for (size_t i = 0; i < n && r->manner == MANNER_HONEST; i++)
        TRY(simulated_liking(t, context, shown[i], &liking[i], err));
    return simulated_rater_judge(r, q, liking, n, rng, out, err);
}

#include "propose_lm.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lm_row.h"

/* What is looked at around the place: enough to be fluent, little enough to be cheap. */
enum { LEFT_WORDS = 24, RIGHT_WORDS = 4 };
enum { NEXT_TOKENS = 64 }; /* most of the likeliest tokens are no whole words */

typedef struct propose_lm {
    paid_proposer base; /* first, so that one pointer is both */
    scorer *scorer;
    size_t most;
} propose_lm;

/* The place that words are wanted for. */
typedef struct place {
    const gene *gene;
    size_t begin, end;
    text left, right, gap; /* gap: the white space between left and the new word */
    bool opens;            /* nothing stands to the left */
} place;

static void place_free(place *p)
{
    text_free(&p->left);
    text_free(&p->right);
    text_free(&p->gap);
}

static int add_words(text *out, const gene *g, size_t begin, size_t end, error *err)
{
    for (size_t i = begin; i < end; i++) {
        TRY(text_add_string(out, g->words[i].space, err));
        TRY(text_add_string(out, g->words[i].s, err));
    }
    return 0;
}

/* A text that begins or ends here is taken to begin or end a line. */
static int place_read(place *p, error *err)
{
    const gene *g = p->gene;
    size_t from = p->begin > LEFT_WORDS ? p->begin - LEFT_WORDS : 0;
    size_t to = g->n_words - p->end > RIGHT_WORDS ? p->end + RIGHT_WORDS : g->n_words;
    p->opens = p->begin == 0;
    TRY(add_words(&p->left, g, from, p->begin, err));
    if (p->opens)
        TRY(text_add_string(&p->left, "\n", err));
    else
        TRY(text_add_string(&p->gap,
                            p->begin < g->n_words ? g->words[p->begin].space : " ", err));
    if (p->end < to && g->words[p->end].space[0] == '\0')
        TRY(text_add_string(&p->right, " ", err));
    TRY(add_words(&p->right, g, p->end, to, err));
    return p->end < to ? 0 : text_add_string(&p->right, "\n", err);
}

static bool affordable(const propose_lm *q, uint64_t tokens)
{
    uint64_t spent = q->base.spent.tokens, allowance = q->base.allowance;
    return spent <= allowance && tokens <= allowance - spent;
}

/* ---- Likely words ---- */

static bool is_word(const char *s, size_t n)
{
    bool letter = n && ((s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z') ||
                        (unsigned char)s[0] >= 0x80);
    for (size_t i = 0; letter && i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
            return false;
    return letter && utf8_check(s, n) == n;
}

/* Is it what stands there already? */
static bool is_old_word(const place *p, const char *s)
{
    return p->end - p->begin == 1 && strcasecmp(p->gene->words[p->begin].s, s) == 0;
}

/* The token as a word for the place (new), or NULL if it is none. */
static char *token_word(const place *p, const tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *s = tokenizer_token(t, id, &n);
    if (!s || tokenizer_is_special(t, id))
        return NULL;
    if (!p->opens) { /* inside a text, words begin with their space */
        if (n == 0 || s[0] != ' ')
            return NULL;
        s++;
        n--;
    }
    char *copy = is_word(s, n) ? bytes_copy(s, n) : NULL;
    if (copy && is_old_word(p, copy)) {
        free(copy);
        copy = NULL;
    }
    return copy;
}

/* The likeliest whole words after what stands to the left: up to `most`, best first. */
static int likely_words(propose_lm *q, const place *p, size_t most, char **out, size_t *n,
                        error *err)
{
    const tokenizer *t = model_tokenizer(scorer_model(q->scorer));
    size_t k = model_describe(scorer_model(q->scorer))->n_vocabulary;
    int32_t ids[NEXT_TOKENS];
    double logprobs[NEXT_TOKENS];
    row r;
    k = k < NEXT_TOKENS ? k : NEXT_TOKENS;
    *n = 0;
    TRY(row_encode_context(&r, t, p->left.s, p->left.n, false, err));
    int rc = 0;
    if (r.n > 0 && affordable(q, r.n)) {
        rc = scorer_next(q->scorer, &r, k, ids, logprobs, &q->base.spent, err);
        for (size_t i = 0; rc == 0 && i < k && *n < most; i++)
            if ((out[*n] = token_word(p, t, ids[i])))
                ++*n;
    }
    free((int32_t *)(uintptr_t)r.tokens);
    return rc;
}

/* ---- Ranking ---- */

typedef struct offer {
    char *word;
    double logprob;
    size_t rank; /* before: ties keep it */
} offer;

static int by_logprob(const void *a, const void *b)
{
    const offer *x = a, *y = b;
    if (x->logprob != y->logprob)
        return x->logprob > y->logprob ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int offer_row(const propose_lm *q, const place *p, const char *s, row_list *to,
                     error *err)
{
    row r;
    text tail = {0};
    int rc = text_add(&tail, p->gap.s, p->gap.n, err);
    if (rc == 0)
        rc = text_add_string(&tail, s, err);
    if (rc == 0)
        rc = text_add(&tail, p->right.s, p->right.n, err);
    row_text x = {.context = p->left.s,
                  .n_context = p->left.n,
                  .tail = tail.s,
                  .n_tail = tail.n,
                  .n_target = tail.n};
    if (rc == 0)
        rc = row_encode(&r, model_tokenizer(scorer_model(q->scorer)), &x, err);
    text_free(&tail);
    return rc < 0 ? rc : row_list_add(to, r, err);
}

/* Best first by ln p(word and what follows | left). 0 when there is no budget for it. */
static int rank_words(propose_lm *q, const place *p, char **words, size_t n, error *err)
{
    row_list rows = {0};
    uint64_t price = 0;
    offer *offers = array_new(n, sizeof *offers);
    row_score *scores = array_new(n, sizeof *scores);
    int rc = offers && scores ? 0 : error_memory(err, n * sizeof *scores);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = offer_row(q, p, words[i], &rows, err);
    if (rc == 0)
        rc = scorer_price(q->scorer, rows.rows, n, NULL, &price, NULL, err);
    bool yes = rc == 0 && affordable(q, price);
    if (yes)
        rc = scorer_score(q->scorer, rows.rows, n, scores, &q->base.spent, err);
    if (yes && rc == 0) {
        for (size_t i = 0; i < n; i++)
            offers[i] = (offer){words[i], scores[i].logprob, i};
        qsort(offers, n, sizeof *offers, by_logprob);
        for (size_t i = 0; i < n; i++)
            words[i] = offers[i].word;
        rc = (int)n;
    }
    row_list_free(&rows);
    free(offers);
    free(scores);
    return rc;
}

/* ---- The proposer ---- */

static int propose(proposer *base, const genome_spec *spec, const genome *g, size_t which,
                   size_t begin, size_t end, size_t k, char **out, error *err)
{
    propose_lm *q = (propose_lm *)base;
    place p = {.gene = &g->genes[which], .begin = begin, .end = end};
    size_t n = 0, most = k < q->most ? k : q->most;
    (void)spec;
    int rc = most ? place_read(&p, err) : 0;
    if (rc == 0 && most)
        rc = likely_words(q, &p, most, out, &n, err);
    if (rc == 0 && n)
        rc = rank_words(q, &p, out, n, err);
    for (size_t i = rc > 0 ? (size_t)rc : 0; i < n; i++) {
        free(out[i]);
        out[i] = NULL;
    }
    place_free(&p);
    return rc;
}

static void propose_free(paid_proposer *p)
{
    free(p);
}

int propose_lm_new(paid_proposer **out, scorer *c, size_t words, error *err)
{
    propose_lm *q = calloc(1, sizeof *q);
    if (!q)
        return error_memory(err, sizeof *q);
    q->base = (paid_proposer){
        .proposer.words = propose, .allowance = UINT64_MAX, .free = propose_free};
    q->scorer = c;
    q->most = words;
    *out = &q->base;
    return 0;
}

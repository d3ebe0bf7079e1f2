/* Swaps of single words that the gradient of the answers' likelihood promises most of.
 *
 * One backward pass over some rows of the search split gives the gradient g at the
 * embedding e of each word of the gene that is one token; putting token e' there changes
 * the loss by about (e' - e) . g (HotFlip, Ebrahimi et al. 2018, eq. 1; AutoPrompt, Shin
 * et al. 2020, eq. 2). The most promising whole words are then ranked once more together
 * with how well each reads in its place, compared with the word that stands there now. */
#include <stdlib.h>
#include <string.h>

#include "gene_rows.h"
#include "propose_parts.h"

enum {
    TOP_TOKENS = 64, /* per word; most tokens are no whole words */
    PER_WORD = 8,    /* offers for one word, so that others come to theirs */
    MOST_OFFERS = 32,
    BACKWARD_PRICE = 3, /* forward, and backward as two */
};

/* ---- The gradient ---- */

/* What the gradient promises: remembered as bytes. */
typedef struct promise {
    uint32_t at; /* word */
    int32_t id;
    double change; /* of the summed loss */
} promise;

static int by_change(const void *a, const void *b)
{
    const promise *x = a, *y = b;
    if (x->change != y->change)
        return x->change < y->change ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int read_place(const gene_rows *r, size_t w, place *p, error *err)
{
    *p = (place){.gene = &r->genome->genes[r->which], .begin = w, .end = w + 1};
    return place_read(p, err);
}

/* The best whole words among k tokens for one word of the gene. */
static int keep_words(const gene_rows *r, size_t w, const int32_t *ids,
                      const double *changes, size_t k, promise *out, size_t *n,
                      error *err)
{
    place p;
    int rc = read_place(r, w, &p, err);
    for (size_t i = 0, kept = 0; rc == 0 && i < k && kept < PER_WORD; i++) {
        char *s = changes[i] < 0 ? place_token_word(&p, r->tokenizer, ids[i]) : NULL;
        if (s) {
            out[(*n)++] = (promise){(uint32_t)w, ids[i], changes[i]};
            kept++;
        }
        free(s);
    }
    place_free(&p);
    return rc;
}

/* Gradients (n_sites, C) to promises, the best first. */
static int find_promises(const gene_rows *r, session *s, const float *gradients, size_t C,
                         size_t V, text *out, error *err)
{
    size_t k = V < TOP_TOKENS ? V : TOP_TOKENS, n = 0;
    int32_t *ids = array_new(k, sizeof *ids);
    double *changes = array_new(k, sizeof *changes);
    promise *all = array_new(r->n_sites * PER_WORD, sizeof *all);
    int rc = ids && changes && all ? 0 : error_memory(err, r->n_sites * sizeof *all);
    for (size_t w = 0; rc == 0 && w < r->n_sites; w++) {
        if (!r->sites[w].usable)
            continue;
        rc = model_token_gradient(s, gradients + w * C, &r->sites[w].id, 1, k, ids,
                                  changes, err);
        if (rc == 0)
            rc = keep_words(r, w, ids, changes, k, all, &n, err);
    }
    if (rc == 0) {
        qsort(all, n, sizeof *all, by_change);
        rc = text_add(out, all, (n < MOST_OFFERS ? n : MOST_OFFERS) * sizeof *all, err);
    }
    free(ids);
    free(changes);
    free(all);
    return rc;
}

typedef struct compute_context {
    const gene_rows *rows;
    const model_info *info;
} compute_context;

static int compute_promises(void *context, session *s, text *out, error *err)
{
    const compute_context *c = context;
    const gene_rows *r = c->rows;
    size_t C = c->info->width;
    float *gradients = array_new(r->n_sites * C, sizeof *gradients);
    row_score *scores = array_new(r->rows.n, sizeof *scores);
    int rc = gradients && scores ? 0 : error_memory(err, r->n_sites * C * sizeof(float));
    gradient_request q = {.places = (const uint32_t *const *)r->places,
                          .n_places = r->n_sites,
                          .place_gradients = gradients};
    if (rc == 0)
        rc = model_gradient(s, r->rows.rows, r->rows.n, &q, scores, err);
    if (rc == 0)
        rc = find_promises(r, s, gradients, C, c->info->n_vocabulary, out, err);
    free(gradients);
    free(scores);
    return rc;
}

/* 1: *out holds them; 0: nothing can be asked, or it is too dear. */
static int ask_promises(propose_lm *q, const gene_rows *r, text *out, error *err)
{
    compute_context c = {r, model_describe(scorer_model(q->scorer))};
    size_t usable = 0;
    uint64_t tokens = 0, spent = q->base.spent.tokens;
    for (size_t w = 0; w < r->n_sites; w++)
        usable += r->sites[w].usable;
    for (size_t i = 0; i < r->rows.n; i++) {
        tokens += BACKWARD_PRICE * r->rows.rows[i].n;
        if (r->rows.rows[i].n > c.info->window)
            return 0; /* it would have to be cut, and the words would move */
    }
    if (usable == 0)
        return 0;
    text name = {0};
    int rc = text_add_format(&name, err, "swaps %d %d %d %zu\n", TOP_TOKENS, PER_WORD,
                             MOST_OFFERS, r->which);
    if (rc == 0)
        rc = text_add(&name, r->gene.s, r->gene.n, err);
    scorer_question asked = {.name = text_string(&name),
                             .rows = r->rows.rows,
                             .n = r->rows.n,
                             .tokens = tokens,
                             .compute = compute_promises,
                             .context = &c};
    uint64_t left = spent < q->base.allowance ? q->base.allowance - spent : 0;
    if (rc == 0)
        rc = scorer_remember(q->scorer, &asked, left, out, &q->base.spent, err);
    text_free(&name);
    return rc;
}

/* ---- Fluency ---- */

/* One promise on its way to an offer. */
typedef struct candidate_word {
    promise promise;
    char *word;
    double fluency; /* ln p here, minus that of the word that stands here now */
    size_t by_gradient, by_fluency;
} candidate_word;

/* Rows 2 i and 2 i + 1: the new word in its place, and the old one. */
static int fluency_rows(const propose_lm *q, const gene_rows *r, const candidate_word *c,
                        size_t n, row_list *rows, error *err)
{
    const tokenizer *t = model_tokenizer(scorer_model(q->scorer));
    for (size_t i = 0; i < n; i++) {
        place p;
        int rc = read_place(r, c[i].promise.at, &p, err);
        if (rc == 0)
            rc = place_row(&p, t, c[i].word, rows, err);
        if (rc == 0)
            rc = place_row(&p, t, p.gene->words[p.begin].s, rows, err);
        place_free(&p);
        TRY(rc);
    }
    return 0;
}

static int by_fluency(const void *a, const void *b)
{
    const candidate_word *x = a, *y = b;
    if (x->fluency != y->fluency)
        return x->fluency > y->fluency ? -1 : 1;
    return (x->by_gradient > y->by_gradient) - (x->by_gradient < y->by_gradient);
}

static int by_both(const void *a, const void *b)
{
    const candidate_word *x = a, *y = b;
    size_t i = x->by_gradient + x->by_fluency, j = y->by_gradient + y->by_fluency;
    if (i != j)
        return i < j ? -1 : 1;
    return (x->by_gradient > y->by_gradient) - (x->by_gradient < y->by_gradient);
}

/* By the sum of both ranks; by the gradient alone when there is no budget for more. */
static int rank_candidates(propose_lm *q, const gene_rows *r, candidate_word *c, size_t n,
                           error *err)
{
    row_list rows = {0};
    uint64_t price = 0;
    row_score *scores = array_new(2 * n, sizeof *scores);
    int rc = scores ? fluency_rows(q, r, c, n, &rows, err)
                    : error_memory(err, 2 * n * sizeof *scores);
    if (rc == 0)
        rc = scorer_price(q->scorer, rows.rows, rows.n, NULL, &price, NULL, err);
    if (rc == 0 && propose_affordable(q, price)) {
        rc = scorer_score(q->scorer, rows.rows, rows.n, scores, &q->base.spent, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            c[i].fluency = scores[2 * i].logprob - scores[2 * i + 1].logprob;
        if (rc == 0) {
            qsort(c, n, sizeof *c, by_fluency);
            for (size_t i = 0; i < n; i++)
                c[i].by_fluency = i;
            qsort(c, n, sizeof *c, by_both);
        }
    }
    row_list_free(&rows);
    free(scores);
    return rc;
}

/* ---- Offers ---- */

/* Promises to words; those of which the vocabulary makes no word here are left out. */
static int read_candidates(const gene_rows *r, const text *promises, candidate_word *c,
                           size_t *n, error *err)
{
    size_t count = promises->n / sizeof(promise);
    for (size_t i = 0; i < count && i < MOST_OFFERS; i++) {
        promise x;
        place p;
        memcpy(&x, promises->s + i * sizeof x, sizeof x);
        if (x.at >= r->n_sites)
            continue;
        TRY(read_place(r, x.at, &p, err));
        char *s = place_token_word(&p, r->tokenizer, x.id);
        place_free(&p);
        if (s) {
            c[*n] = (candidate_word){.promise = x, .word = s, .by_gradient = *n};
            ++*n;
        }
    }
    return 0;
}

static int offer_swaps(propose_lm *q, const gene_rows *r, size_t k, word_swap *out,
                       error *err)
{
    text promises = {0};
    candidate_word c[MOST_OFFERS] = {0};
    size_t n = 0, given = 0;
    int rc = ask_promises(q, r, &promises, err);
    if (rc == 1)
        rc = read_candidates(r, &promises, c, &n, err);
    if (rc == 0 && n > 0)
        rc = rank_candidates(q, r, c, n, err);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0 && given < k)
            out[given++] = (word_swap){c[i].promise.at, c[i].word};
        else
            free(c[i].word);
    }
    text_free(&promises);
    return rc < 0 ? rc : (int)given;
}

int propose_swaps(proposer *base, const genome_spec *spec, const genome *g, size_t which,
                  size_t k, word_swap *out, error *err)
{
    propose_lm *q = (propose_lm *)base;
    const experiment *e = q->experiment;
    gene_rows r;
    (void)spec;
    if (g->genes[which].n_words == 0)
        return 0;
    int rc = gene_rows_new(&r, e, model_tokenizer(scorer_model(q->scorer)), g, which,
                           e->proposals.gradient_rows, err);
    if (rc == E_LIMIT) /* the candidate cannot be measured either */
        return 0;
    TRY(rc);
    rc = offer_swaps(q, &r, k, out, err);
    gene_rows_free(&r);
    return rc;
}

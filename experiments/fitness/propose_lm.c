#include "propose_lm.h"

#include <stdlib.h>
#include <string.h>

#include "propose_parts.h"

enum { NEXT_TOKENS = 64 }; /* most of the likeliest tokens are no whole words */

bool propose_affordable(const propose_lm *q, uint64_t tokens)
{
    uint64_t spent = q->base.spent.tokens, allowance = q->base.allowance;
    return spent <= allowance && tokens <= allowance - spent;
}

/* ---- Likely words ---- */

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
    if (r.n > 0 && propose_affordable(q, r.n)) {
        rc = scorer_next(q->scorer, &r, k, ids, logprobs, &q->base.spent, err);
        for (size_t i = 0; rc == 0 && i < k && *n < most; i++)
            if ((out[*n] = place_token_word(p, t, ids[i])))
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

/* Best first by ln p(word and what follows | left). 0 when there is no budget for it. */
static int rank_words(propose_lm *q, const place *p, char **words, size_t n, error *err)
{
    row_list rows = {0};
    uint64_t price = 0;
    const tokenizer *t = model_tokenizer(scorer_model(q->scorer));
    offer *offers = array_new(n, sizeof *offers);
    row_score *scores = array_new(n, sizeof *scores);
    int rc = offers && scores ? 0 : error_memory(err, n * sizeof *scores);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = place_row(p, t, words[i], &rows, err);
    if (rc == 0)
        rc = scorer_price(q->scorer, rows.rows, n, NULL, &price, NULL, err);
    bool yes = rc == 0 && propose_affordable(q, price);
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
    size_t n = 0, asked = q->experiment->proposals.words, most = k < asked ? k : asked;
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

int propose_lm_new(paid_proposer **out, scorer *c, const experiment *e, error *err)
{
    propose_lm *q = calloc(1, sizeof *q);
    if (!q)
        return error_memory(err, sizeof *q);
    const proposal_options *o = &e->proposals;
    q->base = (paid_proposer){.allowance = UINT64_MAX, .free = propose_free};
    q->base.proposer.words = o->words ? propose : NULL;
    q->base.proposer.swaps = o->swaps && o->gradient_rows ? propose_swaps : NULL;
    /* behind a soft prompt, which differs from candidate to candidate, it knows none */
    bool plain = experiment_soft_gene(e) == e->spec.n_genes && o->gradient_rows;
    q->base.proposer.texts = plain && (o->nearest || o->projected) ? propose_texts : NULL;
    q->scorer = c;
    q->experiment = e;
    *out = &q->base;
    return 0;
}

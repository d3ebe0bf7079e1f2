/* Operators that bring words from elsewhere into a text gene: from the rest of the
 * population, the user's lexicon, a model. */
#include "variation.h"

#include <stdlib.h>
#include <string.h>

#include "words.h"

/* Words [begin, end) to replace, or a place to insert (begin == end), for n new words at
 * most; false when the gene has no room or no place. */
static bool pick_site(const variation *v, const gene *t, const gene_spec *spec,
                      bool insertion, size_t length, size_t *begin, size_t *end)
{
    if (insertion) {
        if (!pick_place(v->rng, t, begin))
            return false;
        *end = *begin;
    } else if (!pick_span(v->rng, t, length, false, begin, end)) {
        return false;
    }
    return words_room(spec, t, *end - *begin) > 0;
}

static bool same_words(const gene *t, size_t begin, size_t end, const word *w, size_t n)
{
    if (end - begin != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(t->words[begin + i].s, w[i].s) != 0)
            return false;
    return true;
}

/* Somebody's text gene: the gene itself now and then, so that it works in a population
 * of one. */
static const gene *pick_donor(const variation *v, const genome *g, size_t at)
{
    size_t who = pick_below(v->rng, v->n_others + 1);
    return who < v->n_others ? &v->others[who]->genes[at] : &g->genes[at];
}

/* One to three words, each from anywhere in the population, inserted together. */
int operator_insert(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    const gene_spec *spec = &v->spec->genes[which];
    size_t at, end, n = pick_length(v->rng);
    if (!pick_site(v, t, spec, true, 0, &at, &end))
        return 0;
    word phrase[3];
    if (n > words_room(spec, t, 0))
        n = words_room(spec, t, 0);
    for (size_t i = 0; i < n; i++) {
        const gene *donor = pick_donor(v, g, which);
        if (!donor->n_words)
            return 0;
        phrase[i] = donor->words[pick_below(v->rng, donor->n_words)];
    }
    TRY(words_splice(t, at, end, phrase, n, err));
    return 1;
}

/* A phrase of another member, in the place of some words here. */
int operator_borrow(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    const gene_spec *spec = &v->spec->genes[which];
    if (v->n_others == 0)
        return 0;
    const gene *donor = &v->others[pick_below(v->rng, v->n_others)]->genes[which];
    size_t begin, end, n = pick_length(v->rng);
    bool insertion = gsl_rng_uniform(v->rng) < 0.5;
    if (!donor->n_words ||
        !pick_site(v, t, spec, insertion, pick_length(v->rng), &begin, &end))
        return 0;
    if (n > donor->n_words)
        n = donor->n_words;
    if (n > words_room(spec, t, end - begin))
        n = words_room(spec, t, end - begin);
    const word *phrase = donor->words + pick_below(v->rng, donor->n_words - n + 1);
    if (same_words(t, begin, end, phrase, n))
        return 0;
    TRY(words_splice(t, begin, end, phrase, n, err));
    return 1;
}

/* Put the words of `s` at [begin, end) if there is room for them and they differ. What is
 * only a piece of a character, as some tokens are, is no word. */
static int text_place(const gene_spec *spec, gene *t, size_t begin, size_t end,
                      const char *s, error *err)
{
    gene phrase = {0};
    if (utf8_check(s, strlen(s)) < strlen(s))
        return 0;
    TRY(words_split(&phrase, s, strlen(s), err));
    int rc = 0;
    if (phrase.n_words && phrase.n_words <= words_room(spec, t, end - begin) &&
        !same_words(t, begin, end, phrase.words, phrase.n_words)) {
        rc = words_splice(t, begin, end, phrase.words, phrase.n_words, err);
        rc = rc < 0 ? rc : 1;
    }
    gene_free(&phrase);
    return rc;
}

static int lexicon_apply(const variation *v, genome *g, size_t which, bool insertion,
                         error *err)
{
    gene *t = &g->genes[which];
    const gene_spec *spec = &v->spec->genes[which];
    size_t begin, end;
    if (!spec->n_lexicon || !pick_site(v, t, spec, insertion, 1, &begin, &end))
        return 0;
    const char *s = spec->lexicon[pick_below(v->rng, spec->n_lexicon)];
    return text_place(spec, t, begin, end, s, err);
}

int operator_lexicon(const variation *v, genome *g, size_t which, error *err)
{
    return lexicon_apply(v, g, which, false, err);
}

int operator_lexicon_insert(const variation *v, genome *g, size_t which, error *err)
{
    return lexicon_apply(v, g, which, true, err);
}

/* The proposer answers the same question the same way for ever, so chance is in which of
 * its answers is taken: the r-th with probability about 0.6 * 0.4^r. */
enum { PROPOSALS = 8 };

static size_t pick_rank(gsl_rng *rng, size_t n)
{
    size_t rank = 0;
    while (rank + 1 < n && gsl_rng_uniform(rng) < 0.4)
        rank++;
    return rank;
}

static int model_apply(const variation *v, genome *g, size_t which, bool insertion,
                       error *err)
{
    gene *t = &g->genes[which];
    const gene_spec *spec = &v->spec->genes[which];
    size_t begin, end, length = gsl_rng_uniform(v->rng) < 0.7 ? 1 : 2;
    if (!v->proposer || !pick_site(v, t, spec, insertion, length, &begin, &end))
        return 0;
    char *offers[PROPOSALS] = {0};
    int n = v->proposer->words(v->proposer, v->spec, g, which, begin, end, PROPOSALS,
                               offers, err);
    int rc = n < 0 ? n : 0;
    if (n > 0) {
        size_t count = (size_t)n < PROPOSALS ? (size_t)n : PROPOSALS;
        size_t first = pick_rank(v->rng, count);
        for (size_t i = 0; i < count && rc == 0; i++) {
            rc = text_place(spec, t, begin, end, offers[(first + i) % count], err);
        }
    }
    for (size_t i = 0; i < PROPOSALS; i++)
        free(offers[i]);
    return rc;
}

int operator_model(const variation *v, genome *g, size_t which, error *err)
{
    return model_apply(v, g, which, false, err);
}

int operator_model_insert(const variation *v, genome *g, size_t which, error *err)
{
    return model_apply(v, g, which, true, err);
}

/* The swap that the gradient promises most of, or one of the next (HotFlip, Ebrahimi et
 * al. 2018; a choice among the best by chance: GCG, Zou et al. 2023). The promise is of
 * first order only: the race tells whether it is kept. */
enum { SWAPS = 16 };

int operator_gradient(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    const gene_spec *spec = &v->spec->genes[which];
    word_swap offers[SWAPS] = {0};
    if (!v->proposer || !v->proposer->swaps)
        return 0;
    int n = v->proposer->swaps(v->proposer, v->spec, g, which, SWAPS, offers, err);
    int rc = n < 0 ? n : 0;
    size_t count = n > 0 ? (size_t)n : 0;
    size_t first = count ? pick_below(v->rng, count) : 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const word_swap *s = &offers[(first + i) % count];
        if (s->at < t->n_words && words_free_span(t, s->at, s->at + 1))
            rc = text_place(spec, t, s->at, s->at + 1, s->word, err);
    }
    for (size_t i = 0; i < SWAPS; i++)
        free(offers[i].word);
    return rc;
}

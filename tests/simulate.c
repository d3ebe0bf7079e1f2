/* Landscapes with the structure that prompts show: every example has its difficulty,
 * every word, pair of neighbours and demonstration a main effect and an interaction with
 * each example, every whole prompt some chaos of its own; and scores saturate, as
 * log-probabilities do at 0. */
#include "simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../evolve/stats.h"

enum { HELD_OUT = 400, POOL = 40, LEXICON = 60, EXAMPLE_TOKENS = 15, DEMO_TOKENS = 12 };

static const char *const lexicon[LEXICON] = {
    "write",   "give",    "the",      "a",        "word",    "of",      "opposite",
    "meaning", "answer",  "with",     "one",      "only",    "please",  "input",
    "output",  "for",     "each",     "is",       "this",    "that",    "short",
    "correct", "exact",   "now",      "next",     "line",    "say",     "think",
    "name",    "text",    "question", "reply",    "form",    "list",    "plain",
    "English", "grammar", "sentence", "result",   "example", "follows", "below",
    "above",   "task",    "student",  "expert",   "you",     "are",     "an",
    "find",    "term",    "clear",    "simple",   "best",    "in",      "to",
    "and",     "not",     "always",   "carefully"};
static const char *const hidden[] = {"find", "the",  "exact",    "opposite",
                                     "of",   "each", "sentence", "below"};
enum { HIDDEN = 8 };
static const char *const seed_texts[] = {"Write the answer.",
                                         "Give a correct word for this input",
                                         "You are an expert; reply with one term:"};
static const char *const separators[] = {"\n", "\n\n", " -> ", ": "};

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "simulate: failed with %d\n", rc);
        abort();
    }
}

void landscape_open(landscape *l, landscape_kind kind, uint64_t seed, size_t n_examples)
{
    *l = (landscape){.kind = kind, .seed = seed, .n_examples = n_examples, .n_seeds = 3};
    bool toy = kind == LANDSCAPE_SENTENCE || kind == LANDSCAPE_SUBSET;
    size_t n = 0, words = n;
    l->genes[n++] = (gene_spec){.name = "instruction",
                                .kind = GENE_TEXT,
                                .max_words = 20,
                                .lexicon = lexicon,
                                .n_lexicon = LEXICON};
    if (kind != LANDSCAPE_TEXT && kind != LANDSCAPE_SENTENCE)
        l->genes[n++] = (gene_spec){
            .name = "demos", .kind = GENE_DEMOS, .n_pool = POOL, .max_demos = 6};
    if (!toy)
        l->genes[n++] = (gene_spec){.name = "separator",
                                    .kind = GENE_CHOICE,
                                    .options = separators,
                                    .n_options = 4};
    l->spec = (genome_spec){l->genes, n};
    for (size_t i = 0; i < l->n_seeds; i++) {
        must(genome_new(&l->seeds[i], &l->spec, NULL));
        must(gene_set_text(&l->seeds[i].genes[words], seed_texts[i], NULL, 0, NULL));
    }
}

void landscape_close(landscape *l)
{
    for (size_t i = 0; i < l->n_seeds; i++)
        genome_free(&l->seeds[i]);
}

/* ---- Scores ---- */

/* A standard normal that belongs to (landscape, key). */
static double normal_of(const landscape *l, uint64_t key)
{
    uint64_t a = seed_mix(l->seed, key), b = seed_mix(a, 1);
    double u = ((double)(a >> 11) + 0.5) / 9007199254740992.0;
    double v = (double)(b >> 11) / 9007199254740992.0;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static uint64_t string_key(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return seed_mix(h, 77);
}

/* Main effect and interaction of one feature with one example. */
static double feature(const landscape *l, uint64_t key, double main, double interaction,
                      size_t example)
{
    return main * normal_of(l, key) +
           interaction * normal_of(l, seed_mix(key, 1000 + example));
}

static double words_effect(const landscape *l, const gene *g, double size, size_t example)
{
    double sum = 0;
    uint64_t last = 1;
    for (size_t i = 0; i < g->n_words; i++) {
        uint64_t key = string_key(2, g->words[i].s);
        sum += feature(l, key, size, 1.0 * size, example);
        sum += feature(l, seed_mix(key, last), 0.6 * size, 0.6 * size, example);
        last = key;
    }
    return sum - 0.02 * (double)g->n_words;
}

static double demos_effect(const landscape *l, const gene *g, double worth,
                           size_t example)
{
    double sum = 0, n = (double)g->n_demos;
    for (size_t i = 0; i < g->n_demos; i++) {
        double near = i + 1 == g->n_demos ? 1.5 : 1; /* the last one weighs more */
        sum += near * feature(l, 1000000 + g->demos[i], 0.6, 0.6, example);
    }
    return worth * (1 - exp(-n / 1.5)) + sum / sqrt(n + 1);
}

static uint64_t genome_key(const genome *g, const genome_spec *spec)
{
    uint64_t h = 3;
    for (size_t i = 0; i < spec->n_genes; i++) {
        const gene *at = &g->genes[i];
        for (size_t j = 0; j < at->n_words; j++)
            h = string_key(h, at->words[j].s);
        for (size_t j = 0; j < at->n_demos; j++)
            h = seed_mix(h, at->demos[j]);
        h = seed_mix(h, at->choice);
    }
    return h;
}

/* Effects bend off: no wording makes a model infinitely good. */
static double bend(double x, double most)
{
    return most * tanh(x / most);
}

static double noisy_score(const landscape *l, const genome *g, size_t example)
{
    bool text_only = l->kind == LANDSCAPE_TEXT, demos = l->kind == LANDSCAPE_DEMOS;
    const gene *choice = &g->genes[text_only ? 1 : 2];
    uint64_t key = genome_key(g, &l->spec);
    double x = bend(words_effect(l, &g->genes[0], demos ? 0.1 : 0.2, example), 1.5);
    if (!text_only)
        x += bend(demos_effect(l, &g->genes[1], demos ? 2 : -1.5, example), 3);
    x += feature(l, 2000000 + choice->choice, 0.3, 0.3, example);
    x += feature(l, key, 0.2, 0.8, example); /* chaos */
    x -= 1 + 1.5 * normal_of(l, 5000000 + example);
    return -2 * log1p(exp(-x));
}

/* Share of the hidden sentence's words that stand in the text in its order. */
static double sentence_score(const gene *g)
{
    size_t best[HIDDEN + 1] = {0};
    for (size_t i = 0; i < g->n_words; i++)
        for (size_t j = HIDDEN; j-- > 0;)
            if (strcmp(g->words[i].s, hidden[j]) == 0)
                for (size_t k = j + 1; k <= HIDDEN; k++)
                    best[k] = best[k] > best[j] + 1 ? best[k] : best[j] + 1;
    return ((double)best[HIDDEN] - 0.01 * (double)g->n_words) / HIDDEN;
}

static double subset_score(const gene *g)
{
    double right = 0;
    for (size_t i = 0; i < g->n_demos; i++)
        right += g->demos[i] % 10 == 3 ? 1 : -0.5;
    return right / 4;
}

double landscape_score(const landscape *l, const genome *g, size_t example)
{
    double easy = 0.1 * normal_of(l, 5000000 + example);
    if (l->kind == LANDSCAPE_SENTENCE)
        return sentence_score(&g->genes[0]) + easy;
    if (l->kind == LANDSCAPE_SUBSET)
        return subset_score(&g->genes[1]) + easy;
    return noisy_score(l, g, example);
}

double landscape_quality(const landscape *l, const genome *g)
{
    double sum = 0;
    for (size_t i = 0; i < HELD_OUT; i++)
        sum += landscape_score(l, g, l->n_examples + i);
    return sum / HELD_OUT;
}

/* ---- Runs ---- */

static void answer_query(const landscape *l, search *s, const search_query *q)
{
    double *scores = calloc(q->n_examples, sizeof *scores);
    must(scores ? 0 : E_MEMORY);
    for (size_t i = 0; i < q->n_examples; i++)
        scores[i] = landscape_score(l, q->genome, q->examples[i]);
    search_answer a = {
        .id = q->id, .status = FITNESS_DONE, .scores = scores, .n_scores = q->n_examples};
    must(search_tell(s, &a, 1, NULL));
    free(scores);
}

/* What a query costs: the prompt once, then every example. */
static size_t query_tokens(const search_query *q)
{
    size_t tokens = EXAMPLE_TOKENS * q->n_examples;
    for (size_t i = 0; i < q->genome->n_genes; i++)
        tokens += q->genome->genes[i].n_words + DEMO_TOKENS * q->genome->genes[i].n_demos;
    return tokens;
}

simulation simulate(const landscape *l, const search_type *type,
                    const search_options *options, uint64_t seed, size_t tokens)
{
    simulation out = {0};
    search_problem problem = {.spec = &l->spec,
                              .seeds = l->seeds,
                              .n_seeds = l->n_seeds,
                              .n_examples = l->n_examples,
                              .random_seed = seed};
    search *s = NULL;
    must(search_new(&s, type, &problem, options, NULL));
    for (bool spent = false; !spent;) {
        const search_query *q;
        size_t n;
        must(search_ask(s, &q, &n, NULL));
        spent = n == 0;
        while (n > 0 && !spent) {
            spent = out.tokens + query_tokens(q) > tokens;
            if (!spent) {
                out.tokens += query_tokens(q);
                answer_query(l, s, q);
                if (--n > 0)
                    must(search_ask(s, &q, &n, NULL));
            }
        }
    }
    uint64_t best = 0;
    if (search_best(s, 1, &best) == 1) {
        const candidate *c = search_find(s, best);
        out.quality = landscape_quality(l, c->genome);
        out.value = c->fitness.value;
    }
    out.candidates = search_candidate_count(s);
    out.generations = search_generation(s);
    out.restarts = search_restarts(s);
    search_free(s);
    return out;
}

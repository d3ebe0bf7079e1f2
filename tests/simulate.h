/* Made-up prompt landscapes, to try and tune searches on without a model. */
#ifndef LAMARCK_TESTS_SIMULATE_H
#define LAMARCK_TESTS_SIMULATE_H

#include "../evolve/search.h"

typedef enum landscape_kind {
    LANDSCAPE_DEMOS,    /* demonstrations are worth much, words little */
    LANDSCAPE_WORDS,    /* demonstrations do harm, words matter */
    LANDSCAPE_TEXT,     /* there is no demonstrations gene */
    LANDSCAPE_SENTENCE, /* a hidden sentence; the score counts its words: no noise */
    LANDSCAPE_SUBSET,   /* four of forty demonstrations are right: no noise */
} landscape_kind;

typedef struct landscape {
    landscape_kind kind;
    uint64_t seed;
    gene_spec genes[3];
    genome_spec spec;
    genome seeds[3];
    size_t n_seeds;
    size_t n_examples;
} landscape;

/* Aborts on failure: only for tests. */
void landscape_open(landscape *l, landscape_kind kind, uint64_t seed, size_t n_examples);
void landscape_close(landscape *l);

/* The score of a candidate on an example; examples from n_examples on are held out. */
double landscape_score(const landscape *l, const genome *g, size_t example);
/* Mean over 400 held-out examples. */
double landscape_quality(const landscape *l, const genome *g);

typedef struct simulation {
    double quality; /* of search_best on held-out examples */
    double value;   /* as the search believes */
    size_t tokens, candidates, generations, restarts;
} simulation;

/* Run a search until `tokens` are spent, at 15 an example, 12 a demonstration and 1 a
 * word, the prompt paid for once a query. The last step is cut to the budget. */
simulation simulate(const landscape *l, const search_type *type,
                    const search_options *options, uint64_t seed, size_t tokens);

#endif

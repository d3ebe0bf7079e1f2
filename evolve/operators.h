/* Variation: small units in a table.
 *
 * Operators change a genome in place. They draw from the rng handed in and from nothing
 * else, so a child depends only on (parents, rng, proposer's answers). */
#ifndef LAMARCK_EVOLVE_OPERATORS_H
#define LAMARCK_EVOLVE_OPERATORS_H

#include "genome.h"

/* Words from elsewhere, e.g. a language model. Implemented outside; answers must be a
 * pure function of the arguments. */
typedef struct proposer proposer;

/* One word of a text gene in the place of another. */
typedef struct word_swap {
    size_t at;  /* index of the word that goes */
    char *word; /* the one that comes, without white space; owned */
} word_swap;

/* A whole text of a gene, as many words as it has. */
typedef struct proposed_text {
    const char *origin; /* what its candidate's lineage will say: "nearest"; static */
    char *text;         /* owned */
} proposed_text;

struct proposer {
    /* Propose up to k replacements for words [begin, end) of a text gene (begin == end:
     * an insertion there), best first: each an owned word sequence without leading space,
     * in out[0..return). Returns how many (0: nothing to offer, or no budget left) or an
     * error. */
    int (*words)(proposer *p, const genome_spec *spec, const genome *g, size_t gene,
                 size_t begin, size_t end, size_t k, char **out, error *err);
    /* Propose up to k swaps of single words anywhere in a text gene, those first whose
     * gradient promises most: in out[0..return), a word each may have several. NULL: it
     * knows no gradient. */
    int (*swaps)(proposer *p, const genome_spec *spec, const genome *g, size_t gene,
                 size_t k, word_swap *out, error *err);
    /* Propose up to k whole texts for a text gene, found by other means than edits, in
     * out[0..return): a search lets them immigrate. NULL: it knows none. */
    int (*texts)(proposer *p, const genome_spec *spec, const genome *g, size_t gene,
                 size_t k, proposed_text *out, error *err);
};

/* What an operator may draw on. */
typedef struct variation {
    const genome_spec *spec;
    gsl_rng *rng;
    proposer *proposer; /* NULL: none */
    const genome *const
        *others; /* the living population: phrases to borrow; may be empty */
    size_t n_others;
} variation;

typedef enum operator_needs {
    NEEDS_NOTHING,
    NEEDS_LEXICON,
    NEEDS_PROPOSER, /* words */
    NEEDS_GRADIENT  /* a proposer's swaps */
} operator_needs;

/* Returns 1: changed; 0: nothing it could do here (genome untouched); or an error. */
typedef struct variation_operator {
    const char *name; /* "delete", "swap", "lexicon", "model", "demo_add"… */
    gene_kind kind;   /* the genes it works on */
    operator_needs needs;
    int (*apply)(const variation *v, genome *g, size_t gene, error *err);
    /* False: it can do nothing to gene `which`, which is *g. No chance is drawn. */
    bool (*able)(const variation *v, size_t which, const gene *g);
} variation_operator;

extern const variation_operator variation_operators[];
extern const size_t n_variation_operators;

/* Whether the operator can ever do anything to this gene: right kind, more than one
 * option, a lexicon, a proposer… */
bool operator_suits(const variation_operator *op, const gene_spec *spec,
                    const proposer *proposer);

/* Whether it suits the gene, and could do something to it as it is in *g: there are
 * demonstrations to drop, words to delete, room to insert… */
bool operator_able(const variation_operator *op, const variation *v, size_t which,
                   const genome *g);

/* Homologous crossover: TEXT genes are aligned word by word (Needleman-Wunsch on equal
 * words) and each differing stretch comes from one parent or the other; DEMOS are mixed
 * in order without repeats; CHOICE and NUMBER from either, VECTOR number by
 * number. */
int genome_crossover(const variation *v, const genome *a, const genome *b, genome *out,
                     error *err);

/* Let the gene have the words of a proposed text, one for one; white space stays. 1: it
 * has them; 0, and it is as it was: there are more or fewer of them, a frozen word would
 * change, or nothing would. */
int gene_rewrite(gene *g, const char *s, error *err);

/* What an operator has earned; the bandit that keeps it is in bandit.h. */
typedef struct operator_rate {
    const char *name;
    double rate;    /* current probability; rates sum to 1 */
    double credit;  /* running quality estimate */
    uint64_t tries; /* children it took part in */
    uint64_t wins;  /* of which better than their better parent */
} operator_rate;

#endif

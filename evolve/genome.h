/* Candidates: genomes of named genes. A genome does not know what it means; a template
 * gives it meaning elsewhere.
 *
 * A genome_spec (the genes, their bounds) is immutable during a search and shared;
 * genomes are plain values owned by their holder, made and freed here. */
#ifndef LAMARCK_EVOLVE_GENOME_H
#define LAMARCK_EVOLVE_GENOME_H

#include "../model/base.h"

#include <gsl/gsl_rng.h>

typedef enum gene_kind {
    GENE_TEXT,   /* a sequence of words */
    GENE_CHOICE, /* one of a list of texts */
    GENE_DEMOS,  /* an ordered list of distinct example indices */
    GENE_NUMBER, /* a real or whole number in a range */
    GENE_VECTOR, /* reals without bounds, around 0 */
} gene_kind;
enum { N_GENE_KINDS = GENE_VECTOR + 1 };

/* One gene's law. Strings and arrays are borrowed from whoever made the spec. */
typedef struct gene_spec {
    const char *name;
    gene_kind kind;
    /* GENE_TEXT */
    size_t max_words;           /* 0: no limit */
    const char *const *lexicon; /* words to substitute and insert; may be empty */
    size_t n_lexicon;
    /* GENE_CHOICE */
    const char *const *options;
    size_t n_options;
    /* GENE_DEMOS */
    size_t n_pool; /* indices are in [0, n_pool) */
    size_t max_demos;
    /* GENE_NUMBER */
    double lowest, highest;
    bool whole;
    /* GENE_VECTOR */
    size_t n_dimensions;
    double spread; /* standard deviation of each number at the initial step */
} gene_spec;

typedef struct genome_spec {
    const gene_spec *genes;
    size_t n_genes;
} genome_spec;

/* A word carries the white space before it, so that rendering gives back the user's own
 * text byte for byte. White space is that of ASCII. */
typedef struct word {
    char *space; /* "", " ", "\n\n"; only a gene's first word may have ""; owned */
    char *s;     /* never empty, no white space inside; owned */
    bool frozen; /* no operator may touch, move or part it from a frozen neighbour */
} word;

typedef struct gene {
    word *words; /* GENE_TEXT; owned */
    size_t n_words;
    char *trail;   /* GENE_TEXT: white space after the last word; owned, NULL means "" */
    size_t choice; /* GENE_CHOICE */
    size_t *demos; /* GENE_DEMOS; owned */
    size_t n_demos;
    double number;  /* GENE_NUMBER */
    double *vector; /* GENE_VECTOR; owned */
    size_t n_vector;
} gene;

/* Parallel to its spec's genes. */
typedef struct genome {
    gene *genes; /* owned */
    size_t n_genes;
} genome;

/* Empty genes, first choices, lowest numbers, zero vectors. */
int genome_new(genome *out, const genome_spec *spec, error *err);
int genome_copy(genome *out, const genome *from, error *err);
void genome_free(genome *g);
int gene_copy(gene *out, const gene *from, error *err);
void gene_free(gene *g);
/* E_ARGUMENT, naming the gene, its value and the bound, when a genome breaks its spec. */
int genome_check(const genome_spec *spec, const genome *g, error *err);

/* Set a text gene from a string, split at white space (kept). Each phrase of frozen[0..n)
 * that occurs in it on word boundaries freezes its words; a phrase that does not occur is
 * E_ARGUMENT. */
int gene_set_text(gene *g, const char *s, const char *const *frozen, size_t n_frozen,
                  error *err);
/* Append the gene's text to *out. */
int gene_text(const gene *g, text *out, error *err);

/* A canonical text of the whole genome, equal for equal genomes and only for them: the
 * key of duplicate removal and of the store. JSON array of one value per gene, appended
 * to *out: TEXT is a string, or, where words are frozen, [string, begin, end, …] with the
 * runs of frozen words; CHOICE an index; DEMOS an array of indices; NUMBER a number;
 * VECTOR an array of numbers. */
int genome_serialise(const genome_spec *spec, const genome *g, text *out, error *err);
/* The reverse. E_FORMAT when it does not fit the spec. Frozen marks travel too. */
int genome_parse(genome *out, const genome_spec *spec, const char *s, size_t n,
                 error *err);

/* How different two genomes are, in [0, 1]: the mean over genes of the normalised edit
 * distance over words (TEXT), over demos (DEMOS), 0/1 (CHOICE), |a-b| / range (NUMBER),
 * the root mean square difference in units of the spread, at most 1 (VECTOR). */
double genome_distance(const genome_spec *spec, const genome *a, const genome *b);

#endif

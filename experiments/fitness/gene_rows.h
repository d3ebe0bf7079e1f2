/* A candidate's rows on some examples, and where in them the words of one of its text
 * genes stand: what a gradient at words needs. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_GENE_ROWS_H
#define LAMARCK_EXPERIMENTS_FITNESS_GENE_ROWS_H

#include "../definition/experiment.h"
#include "lm_row.h"

/* A word of the gene in the rows: the same one token everywhere, or not usable. */
typedef struct word_site {
    size_t begin, end; /* bytes of the gene's text, white space before it left out */
    int32_t id;        /* -1: not met yet */
    bool usable;
} word_site;

/* The rows behind a gradient, and which tokens of them are which words. */
typedef struct gene_rows {
    const experiment *experiment;
    const tokenizer *tokenizer;
    const genome *genome;
    size_t which;
    genome marked; /* the same with the mark for the gene */
    text gene;
    word_site *sites; /* one per word */
    size_t n_sites;
    row_list rows;
    uint32_t **places; /* one list per row; owned */
    size_t *examples;  /* which one each row is of; owned */
} gene_rows;

/* n rows (or all) of the search split, from a place in it that depends on the genome
 * alone. The experiment, the tokenizer and the genome are borrowed for the rows' life.
 * E_LIMIT when a row has no target that something comes before. */
int gene_rows_new(gene_rows *out, const experiment *e, const tokenizer *t,
                  const genome *g, size_t which, size_t n, error *err);
void gene_rows_free(gene_rows *r);

/* 1: of candidate g, which differs in the gene's words alone, the rows are token by token
 * these, with ids[w] for each usable word w; 0: it is tokenised otherwise. */
int gene_rows_match(const gene_rows *r, const genome *g, const int32_t *ids, error *err);

#endif

/* The rows that candidates on examples come to: one layout for pricing, measuring and
 * checking. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_SHEET_H
#define LAMARCK_EXPERIMENTS_FITNESS_SHEET_H

#include "../definition/experiment.h"
#include "lm_row.h"
#include "objective.h"

/* What rows are made with. */
typedef struct sheet_maker {
    const experiment *experiment; /* borrowed */
    const tokenizer *tokenizer;   /* borrowed */
    size_t window;
} sheet_maker;

/* One candidate's part: from row `fluency` on its text genes, from row `blank` on the
 * labels under the empty input, then the examples' own. */
typedef struct sheet_part {
    size_t fluency, n_fluency, blank, n_blank;
    size_t first_pair;
    size_t prompt_tokens; /* of all text genes */
    bool failed;          /* some row does not fit: no rows, and `reason` */
    char reason[200];
} sheet_part;

/* Rows [first, first + n) of the sheet. */
typedef struct sheet_pair {
    size_t first, n;
} sheet_pair;

typedef struct sheet {
    row_list rows;     /* to be scored */
    row_list contexts; /* to be continued: one per pair of a generating fitness */
    sheet_part *parts; /* one per measurement */
    size_t n_parts;
    /* Candidate x example, in order, failed candidates left out. Pair p's rows are its
     * targets or labels; or, when the fitness generates, context p. */
    sheet_pair *pairs;
    size_t n_pairs;
} sheet;

/* The row of candidate g on example i for one target; out->tokens is new. `context` and
 * `tail` are room that may be used again. E_LIMIT as row_encode. */
int sheet_row(const sheet_maker *m, const genome *g, size_t i, const char *target,
              text *context, text *tail, row *out, error *err);

int sheet_new(sheet *out, const sheet_maker *m, const measurement *batch, size_t n,
              error *err);
void sheet_free(sheet *s);

#endif

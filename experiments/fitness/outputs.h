/* What the candidates of a batch are to say, and the seed beside them on every example of
 * the batch: the contexts, and, once generated, the texts. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_OUTPUTS_H
#define LAMARCK_EXPERIMENTS_FITNESS_OUTPUTS_H

#include "panel.h"
#include "scorer.h"
#include "sheet.h"

typedef struct outputs {
    measurement *of; /* n + 1; the last is the seed on all examples, without repeats */
    size_t n;
    size_t *examples; /* of the seed; owned */
    size_t *seed_at;  /* by data row: place in those */
    sheet sheet;
    char **texts; /* by context; the caller's to fill with new ones */
} outputs;

/* A fitness that generates. E_LIMIT when the seed cannot answer. */
int outputs_new(const experiment *e, const scorer *c, const measurement *batch, size_t n,
                outputs *o, error *err);
void outputs_free(outputs *o);

/* What generating them costs at most: tokens, and evaluations. charged[c]: context c of
 * the sheet is among them (it has not been paid for). */
int outputs_price(const experiment *e, scorer *c, const outputs *o, bool *charged,
                  expense *out, error *err);
/* Put every cell into the panel, candidate by candidate; those that failed said nothing.
 * shown[k] (NULL: all) says whether cell k is put. */
int outputs_show(const outputs *o, const bool *shown, panel *p, error *err);

#endif

/* What the model does while people think: outputs that the next steps will ask for, or
 * may, are generated into the store's memo beforehand. Who asks for one later finds it
 * there and is charged for it then, as if it had been generated at that moment: a run
 * spends the same whether anything was prepared or not. What nobody ever asks for has
 * cost time alone.
 *
 * First what is sure to be needed, the seed on the last two splits; then what is likely,
 * the candidates at hand on the rows of the search split. One thread. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PREPARE_H
#define LAMARCK_EXPERIMENTS_FITNESS_PREPARE_H

#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

typedef struct preparer preparer;

/* Beside a scorer that remembers; both borrowed for its life. */
int preparer_open(preparer **out, const experiment *e, const scorer *c, error *err);
void preparer_close(preparer *p);
/* From now on these candidates are at hand (borrowed until the next call). */
void preparer_turn(preparer *p, const measurement *batch, size_t n);
/* A few outputs more. 1, or 0 when nothing is left to prepare; *n_prepared counts up. */
int preparer_step(preparer *p, size_t *n_prepared, error *err);

#endif

/* The model's part of a mixed fitness: its own score of each candidate, put on the scale
 * that people's answers are on, and, if the experiment says so, the choice of who is
 * shown to people at all.
 *
 * On that scale the seed's score on the same example is 0.5: for a log-probability the
 * score is s(candidate - seed), s(x) = 1 / (1 + e^-x), for scores from 0 to 1 half the
 * difference, added. One thread. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_MODEL_PART_H
#define LAMARCK_EXPERIMENTS_FITNESS_MODEL_PART_H

#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

typedef struct model_part model_part;

/* Experiment and scorer are borrowed for its life. */
int model_part_open(model_part **out, const experiment *e, scorer *c, error *err);
void model_part_close(model_part *m);

/* As objective.cost, the seed beside the batch included. */
int model_part_cost(model_part *m, const measurement *batch, size_t n, expense *out,
                    error *err);
/* Fill the scores of the batch, on people's scale; status DONE or FAILED, never PENDING.
 */
int model_part_measure(model_part *m, measurement *batch, size_t n, expense *out,
                       error *err);
/* With a screen, on examples of the search split: let those FAIL whom the model's scores
 * put below the share that people are shown. The seed, and whoever was shown before, is
 * shown. */
int model_part_screen(model_part *m, measurement *batch, size_t n, error *err);

#endif

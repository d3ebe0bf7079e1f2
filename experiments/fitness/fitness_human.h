/* The objective made of people (and, for a mixed fitness, of the model as well): each
 * candidate's outputs are generated, people are asked about them, and until they have
 * said enough everything is PENDING.
 *
 * What a batch scored is decided once, when the answers that it wants are there, and is
 * in the store's memo before anybody hears of it: a fact like a model's score, which a
 * replay finds again whatever people say later. Answers that come late count for later
 * batches with the same outputs. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_FITNESS_HUMAN_H
#define LAMARCK_EXPERIMENTS_FITNESS_FITNESS_HUMAN_H

#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

/* For an experiment that asks people. Both are borrowed for the objective's life. Only
 * costs can be asked before fitness_human_join. `how`: of a scorer beside `c`. */
int fitness_human_new(objective **out, const experiment *e, scorer *c,
                      const scorer_options *how, error *err);

/* Take part in run `id` of `dir`, whose store is `s` (borrowed, as dir is not): opens its
 * crowd, and gives it the experiment's rules if nothing was asked yet. It looks for
 * answers every so many seconds; 0: as the experiment says. */
int fitness_human_join(objective *o, store *s, const char *dir, uint64_t id,
                       double poll_seconds, error *err);

#endif

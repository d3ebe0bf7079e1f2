/* The objective made of a reward: what candidates make the model say is scored by heads
 * that were learned from people, in the context that people would have seen. Nobody is
 * asked.
 *
 * A score is the mean over the reward's heads; what the heads look at, the text's
 * features, is remembered like a model's score. The reward's model must be the
 * experiment's. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_FITNESS_REWARD_H
#define LAMARCK_EXPERIMENTS_FITNESS_FITNESS_REWARD_H

#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

/* For an experiment of FITNESS_REWARD; it and the scorer, which generates, are borrowed
 * for the objective's life. `how`: of the scorer that reads texts. E_FORMAT when the file
 * is not the one that the experiment was read with, or belongs to another model (names
 * both hashes). */
int fitness_reward_new(objective **out, const experiment *e, scorer *c,
                       const scorer_options *how, error *err);

/* The standard deviation over heads of each score of a measurement that was DONE: how
 * much it depends on who was asked. What measure() has paid for is free. sd (m->n). */
int fitness_reward_doubt(objective *o, const measurement *m, double *sd, error *err);

#endif

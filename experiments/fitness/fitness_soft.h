/* Candidates that carry a soft prompt: a vector z stands for the virtual tokens
 * P = E + (A z) before every row, E (n, C) the embeddings of a text, A (n C, d) a random
 * projection that is the same for the whole run (black-box tuning, Sun et al. 2022, eq.
 * 3). An objective around another one. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_FITNESS_SOFT_H
#define LAMARCK_EXPERIMENTS_FITNESS_FITNESS_SOFT_H

#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

/* `inner` measures through `c`; it is taken over, on failure too. */
int fitness_soft_new(objective **out, objective *inner, const experiment *e, scorer *c,
                     error *err);

/* The soft prompt of a candidate: *values new (n_tokens of the gene, C); free(). */
int soft_prompt_values(const experiment *e, const model *m, const genome *g,
                       float **values, error *err);

#endif

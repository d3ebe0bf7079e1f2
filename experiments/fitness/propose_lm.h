/* Words proposed by a frozen model for a place in a text: likely after what stands to
 * the left (the model's own conditional distribution), and ranked by how likely they make
 * what stands there together with what follows to the right. And swaps of words by the
 * gradient of the answers' likelihood. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_LM_H
#define LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_LM_H

#include "../definition/experiment.h"
#include "scorer.h"

/* As the experiment's proposal options say; NULL slots where they say nothing. Charges
 * through `c`; both are borrowed. */
int propose_lm_new(paid_proposer **out, scorer *c, const experiment *e, error *err);

#endif

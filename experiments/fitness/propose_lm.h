/* Words proposed by a frozen model for a place in a text: likely after what stands to
 * the left (the model's own conditional distribution), and ranked by how likely they make
 * what stands there together with what follows to the right. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_LM_H
#define LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_LM_H

#include "scorer.h"

/* At most `words` proposals at a time. Charges through `c`, which it borrows. */
int propose_lm_new(paid_proposer **out, scorer *c, size_t words, error *err);

#endif

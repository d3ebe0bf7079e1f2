/* What heads say of ratings that they were neither chosen nor fitted on; private to
 * reward_judge.c. */
#ifndef LAMARCK_RATER_REWARD_HELD_OUT_H
#define LAMARCK_RATER_REWARD_HELD_OUT_H

#include "reward_learn.h"

enum { BY_REWARD, BY_LENGTH, BY_LIKELIHOOD, N_SCORERS };

/* PAIRWISE: the margin of each rating; SCALAR: the predicted value of each. Owns its
 * arrays, borrows the rest. */
typedef struct held_out {
    const reward_data *data;
    const size_t *fold;           /* (n_contexts) */
    double *predicted[N_SCORERS]; /* (n) */
    double n_learned;             /* ratings, mean over folds */
} held_out;

/* fold: of each context, as reward_deal_folds has it. */
int held_out_new(held_out *out, const reward_data *d, const size_t *fold, error *err);
void held_out_free(held_out *h);

/* Predict each fold from a random share of the other folds' ratings: 0; 1 when some fold
 * would have had a single context to learn from. A larger share holds a smaller one's
 * ratings. */
int held_out_predict(held_out *h, size_t n_folds, double share, uint64_t seed,
                     error *err);

#endif

/* What a reward is learned from: texts as features, and what people said of them.
 *
 * Items are texts in a context; the last N_REWARD_EXTRAS of their features are their mean
 * log-probability per token and the logarithm of their number of tokens, which the
 * baselines use alone. All borrowed by whoever learns. */
#ifndef LAMARCK_RATER_REWARD_DATA_H
#define LAMARCK_RATER_REWARD_DATA_H

#include "../model/base.h"

typedef enum reward_head {
    HEAD_PAIRWISE, /* which of two: logistic regression on differences of features, which
                      is Bradley-Terry with a linear score; a tie is half a win of each */
    HEAD_SCALAR,   /* a number for one: ridge regression */
    N_REWARD_HEADS
} reward_head;
extern const char *const reward_head_names[N_REWARD_HEADS]; /* "pairwise", "scalar" */

enum { EXTRA_LIKELIHOOD, EXTRA_LENGTH, N_REWARD_EXTRAS };

typedef struct reward_rating {
    size_t a, b;    /* items of one context; of a SCALAR head b is a */
    double outcome; /* PAIRWISE: 1 for a, 0 for b, 1/2 for a tie. SCALAR: the value */
} reward_rating;

typedef struct reward_data {
    reward_head head;
    const double *x; /* (n_items, n_features) */
    size_t n_items, n_features;
    const size_t *context; /* (n_items), below n_contexts */
    size_t n_contexts;
    const reward_rating *ratings;
    size_t n;
} reward_data;

#endif

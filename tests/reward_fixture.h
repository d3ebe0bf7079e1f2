/* Made-up texts and people: features, contexts, and ratings by a known preference. */
#ifndef LAMARCK_TESTS_REWARD_FIXTURE_H
#define LAMARCK_TESTS_REWARD_FIXTURE_H

#include "../rater/reward.h"

typedef struct crowd_plan {
    reward_head head;
    size_t n_contexts, per_context, p; /* texts of a context; features, the extras too */
    size_t n_ratings;
    double signal;     /* weight of feature 0 in the margin, or in the value */
    double length;     /* of the length, an extra */
    double by_context; /* of feature 1, whose sign each context draws anew */
    double noise;      /* SCALAR: standard deviation. PAIRWISE answers are logistic */
    double ties;       /* share */
    uint64_t seed;
} crowd_plan;

/* Owns what its data point to. */
typedef struct reward_fixture {
    reward_data data;
    double *x;
    size_t *context;
    reward_rating *ratings;
} reward_fixture;

void reward_fixture_make(reward_fixture *f, const crowd_plan *plan);
void reward_fixture_free(reward_fixture *f);

/* Facts of a reward on a model that is not there. */
reward_facts made_up_facts(void);

#endif

/* Racing: which candidates stop before they have met every example.
 *
 * All candidates of a race meet the same examples in the same shuffled order. Looks are
 * taken after first * 1, 2, 4, 8… examples, while some are left. At each look every
 * candidate is compared with the leader, the one of highest mean so far (the elder of
 * equals), on the paired differences of all examples seen. It stops when a one-sided
 * sign-flip test (stats_flip_below) finds it worse at level alpha; or when, from the
 * second look on, it has not differed from the leader at all: it is the leader over
 * again. (Races on paired samples: Maron and Moore 1994; by a test against the best:
 * F-race and t-race, Birattari 2009, Tuning Metaheuristics; at alpha 0.2, for prompts:
 * CAPO, Zehle et al. 2025. Sign flips and doubling come from here: accuracies break t at
 * few examples, a late look is worth as much evidence again, and a prompt is not read
 * anew for a few examples.)
 *
 * Error rate: a candidate truly as good as a given rival is stopped by it at one look
 * with probability alpha or less, in the whole race with at most alpha times the looks
 * (80 examples from 5: four looks; tests/test_race.c measures 0.38). There is no
 * correction for the number of candidates on purpose: of equally good ones one is enough,
 * the leader never stops, and the lenient test buys more candidates. Pure functions. */
#ifndef LAMARCK_EVOLVE_RACE_H
#define LAMARCK_EVOLVE_RACE_H

#include "../model/base.h"

typedef struct race_plan {
    size_t n_examples;
    size_t first; /* examples before the first look; > 0 */
    double alpha;
} race_plan;

/* Examples seen at look 0, 1, 2…; n_examples when no test is left. */
size_t race_examples(const race_plan *plan, size_t look);

/* One look: scores is (k, n), row by row, all measured; penalty (k) comes off the means.
 * stop[i] becomes true for those that stop; the leader never does. */
int race_judge(const race_plan *plan, const double *scores, const double *penalty,
               size_t k, size_t n, bool *stop, error *err);

#endif

/* Racing: which candidates stop before they have met every example.
 *
 * All candidates of a race meet the same examples in the same shuffled order, block after
 * block. At each look (after first_blocks blocks, then after every block, but not after
 * the last: nothing is left to save) every candidate is compared with the leader, the one
 * of highest mean so far, on the paired differences of the examples that both have seen.
 * Pure functions. */
#ifndef LAMARCK_EVOLVE_RACE_H
#define LAMARCK_EVOLVE_RACE_H

#include "../model/base.h"

typedef struct race_plan {
    size_t n_examples;
    size_t block;        /* > 0 */
    size_t first_blocks; /* > 0 */
    double alpha;
} race_plan;

/* Examples seen at look 0, 1, 2…; n_examples when the look is past the last test. */
size_t race_examples(const race_plan *plan, size_t look);
/* How many tests a race has. */
size_t race_looks(const race_plan *plan);

/* One look: scores is (k, n), row by row, all measured; penalty (k) comes off the means.
 * stop[i] becomes true for those that stop; the leader never does. */
int race_judge(const race_plan *plan, const double *scores, const double *penalty,
               size_t k, size_t n, bool *stop, error *err);

#endif

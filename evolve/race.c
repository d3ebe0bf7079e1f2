/* The race's stopping rule; who races and what is asked of them is in heat.c. */
#include "race.h"

#include <stdlib.h>

#include "stats.h"

size_t race_examples(const race_plan *plan, size_t look)
{
    size_t blocks, n;
    if (!size_add(plan->first_blocks, look, &blocks) ||
        !size_mul(blocks, plan->block, &n) || n > plan->n_examples)
        return plan->n_examples;
    return n;
}

size_t race_looks(const race_plan *plan)
{
    size_t looks = 0;
    while (race_examples(plan, looks) < plan->n_examples)
        looks++;
    return looks;
}

/* Row of the highest mean; the first of equals. */
static size_t race_leader(const double *scores, const double *penalty, size_t k, size_t n)
{
    size_t leader = 0;
    double highest = 0;
    for (size_t i = 0; i < k; i++) {
        double mean = stats_mean(scores + i * n, n) - penalty[i];
        if (i == 0 || mean > highest) {
            leader = i;
            highest = mean;
        }
    }
    return leader;
}

int race_judge(const race_plan *plan, const double *scores, const double *penalty,
               size_t k, size_t n, bool *stop, error *err)
{
    size_t looks = race_looks(plan);
    double *d = array_new(n, sizeof *d);
    if (!d)
        return error_memory(err, n * sizeof *d);
    size_t leader = race_leader(scores, penalty, k, n);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < n; j++)
            d[j] =
                scores[i * n + j] - penalty[i] - scores[leader * n + j] + penalty[leader];
        stop[i] = i != leader && looks > 0 &&
                  stats_paired_t_below(d, n) < plan->alpha / (double)looks;
    }
    free(d);
    return 0;
}

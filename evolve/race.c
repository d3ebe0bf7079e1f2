/* The race's stopping rule; who races and what is asked of them is in heat.c. */
#include "race.h"

#include <stdlib.h>

#include "stats.h"

size_t race_examples(const race_plan *plan, size_t look)
{
    size_t n = plan->first;
    while (look-- > 0 && n < plan->n_examples)
        if (!size_mul(n, 2, &n))
            return plan->n_examples;
    return n < plan->n_examples ? n : plan->n_examples;
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

enum { FLIPS = 400 }; /* p = 0.2 to a standard error of 0.02 */

/* Whether a candidate with paired differences d from the leader stops. */
static int race_stops(const race_plan *plan, const double *d, size_t n, bool *stop,
                      error *err)
{
    size_t equal = 0;
    while (equal < n && d[equal] == 0)
        equal++;
    if (equal == n) {
        *stop = n > plan->first;
        return 0;
    }
    double p = 1;
    TRY(stats_flip_below(d, n, FLIPS, &p, err));
    *stop = p < plan->alpha;
    return 0;
}

int race_judge(const race_plan *plan, const double *scores, const double *penalty,
               size_t k, size_t n, bool *stop, error *err)
{
    double *d = array_new(n, sizeof *d);
    if (!d)
        return error_memory(err, n * sizeof *d);
    size_t leader = race_leader(scores, penalty, k, n);
    int rc = 0;
    for (size_t i = 0; i < k && rc == 0; i++) {
        double fine = penalty[i] - penalty[leader];
        for (size_t j = 0; j < n; j++)
            d[j] = scores[i * n + j] - scores[leader * n + j] - fine;
        stop[i] = false;
        if (i != leader)
            rc = race_stops(plan, d, n, &stop[i], err);
    }
    free(d);
    return rc;
}

/* Running a race: blocks of examples go out, losers stop, survivors meet everything.
 *
 * Every race shuffles the examples anew. Incumbents have been measured on all of them, so
 * the pairing costs nothing, and no first block is met by every generation: with one
 * fixed order the population would come to be chosen for its luck on the first block. */
#include "search_state.h"

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

void heat_free(heat *h)
{
    free(h->racers);
    free(h->order);
    *h = (heat){0};
}

static race_plan heat_plan(const search *s)
{
    size_t n = s->problem.n_examples, first;
    if (!s->options.racing ||
        !size_mul(s->options.block, s->options.first_blocks, &first))
        first = n;
    return (race_plan){.n_examples = n, .first = first, .alpha = s->options.race_alpha};
}

int heat_begin(search *s, size_t n_veterans, record *const *litter, size_t n, error *err)
{
    size_t n_examples = s->problem.n_examples, all = n_veterans + n;
    heat h = {.racers = array_new(all, sizeof *h.racers),
              .order = array_new(n_examples, sizeof *h.order),
              .n = all,
              .open = all > 0};
    if (!h.racers || !h.order) {
        heat_free(&h);
        return error_memory(err, all * sizeof *h.racers + n_examples * sizeof *h.order);
    }
    if (n_veterans)
        memcpy(h.racers, s->population, n_veterans * sizeof *h.racers);
    memcpy(h.racers + n_veterans, litter, n * sizeof *h.racers);
    for (size_t i = 0; i < n_examples; i++)
        h.order[i] = i;
    gsl_ran_shuffle(s->rng, h.order, n_examples, sizeof *h.order);
    heat_free(&s->heat);
    s->heat = h;
    return 0;
}

static bool still_racing(const record *r)
{
    return r->public.alive && r->public.fitness.status != FITNESS_FAILED;
}

int heat_ask(search *s, error *err)
{
    const heat *h = &s->heat;
    race_plan plan = heat_plan(s);
    size_t seen = race_examples(&plan, h->look);
    for (size_t i = 0; i < h->n; i++)
        if (still_racing(h->racers[i]))
            TRY(search_add_query(s, h->racers[i], h->order, seen, err));
    return 0;
}

/* The scores of every racer on the first n examples of the race, and who they are. */
static size_t heat_gather(const search *s, size_t n, record **who, double *scores,
                          double *penalty, double *dense)
{
    const heat *h = &s->heat;
    size_t k = 0;
    for (size_t i = 0; i < h->n; i++) {
        record *r = h->racers[i];
        if (!still_racing(r))
            continue;
        for (size_t j = 0; j < r->n_scores; j++)
            dense[r->index[j]] = r->score[j];
        for (size_t j = 0; j < n; j++)
            scores[k * n + j] = dense[h->order[j]];
        penalty[k] = r->penalty;
        who[k++] = r;
    }
    return k;
}

static int heat_judge(search *s, const race_plan *plan, size_t n, error *err)
{
    const heat *h = &s->heat;
    double *scores = NULL, *penalty = array_new(h->n, sizeof *penalty);
    double *dense = array_new(s->problem.n_examples, sizeof *dense);
    record **who = array_new(h->n, sizeof *who);
    bool *stop = array_new(h->n, sizeof *stop);
    size_t cells;
    int rc = 0;
    if (size_mul(h->n, n, &cells))
        scores = array_new(cells, sizeof *scores);
    if (!scores || !penalty || !dense || !who || !stop)
        TRY_OUT(rc, error_memory(err, h->n * n * sizeof *scores));
    size_t k = heat_gather(s, n, who, scores, penalty, dense);
    TRY_OUT(rc, race_judge(plan, scores, penalty, k, n, stop, err));
    for (size_t i = 0; i < k; i++)
        if (stop[i] && !search_measured_fully(s, who[i])) {
            who[i]->public.alive = false;
            who[i]->public.eliminated = true;
        }
out:
    free(scores);
    free(penalty);
    free(dense);
    free(who);
    free(stop);
    return rc;
}

/* Whether somebody who still races has not met every example. */
static bool heat_goes_on(const search *s)
{
    for (size_t i = 0; i < s->heat.n; i++)
        if (still_racing(s->heat.racers[i]) &&
            !search_measured_fully(s, s->heat.racers[i]))
            return true;
    return false;
}

int heat_tell(search *s, error *err)
{
    race_plan plan = heat_plan(s);
    size_t seen = race_examples(&plan, s->heat.look);
    if (seen < s->problem.n_examples)
        TRY(heat_judge(s, &plan, seen, err));
    s->heat.look++;
    s->heat.open = heat_goes_on(s);
    return 0;
}

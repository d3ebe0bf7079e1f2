/* What a run will cost before it costs anything. */
#include "run_loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finish.h"

/* The rows of the first batch, as measurements without room for scores: only priced. */
static int price_first(const experiment *e, objective *o, const search_query *queries,
                       size_t n, expense *out, error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += queries[i].n_examples;
    measurement *of = array_new(n, sizeof *of);
    size_t *examples = array_new(total, sizeof *examples);
    int rc = of && examples ? 0 : error_memory(err, total * sizeof *examples);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        of[i] = (measurement){.genome = queries[i].genome,
                              .examples = examples + at,
                              .n = queries[i].n_examples};
        for (size_t j = 0; j < queries[i].n_examples; j++)
            examples[at++] = e->splits[SPLIT_SEARCH].index[queries[i].examples[j]];
    }
    if (rc == 0)
        rc = o->cost(o, of, n, out, err);
    free(of);
    free(examples);
    return rc;
}

static int refuse(const char *what, double have, double first, double last, error *err)
{
    /* Seconds come in fractions, however small. What would be enough is never rounded to
     * less: three digits are off by half a per cent at most. */
    bool fractions = strcmp(what, "seconds") == 0;
    double enough = fractions ? 1.005 * (first + last) : ceil(first + last);
    return error_set(err, E_LIMIT,
                     "the budget of %.*g %s is too small: the first generation takes "
                     "%.*g and the finish up to %.*g, so %.*g would be just enough",
                     fractions ? 3 : 15, have, what, fractions ? 3 : 15, first,
                     fractions ? 3 : 15, last, fractions ? 3 : 15, enough);
}

int run_check_budget(const experiment *e, objective *o, double pace, expense *first,
                     expense *finish_most, error *err)
{
    search_problem problem = {.spec = &e->spec,
                              .seeds = e->seeds,
                              .n_seeds = e->n_seeds,
                              .n_examples = e->splits[SPLIT_SEARCH].n,
                              .random_seed = e->seed};
    search *s = NULL;
    finish f = {.experiment = e, .objective = o};
    const search_query *queries = NULL;
    size_t n = 0;
    TRY(search_new(&s, e->search, &problem, &e->search_options, err));
    int rc = search_ask(s, &queries, &n, err);
    if (rc == 0)
        rc = price_first(e, o, queries, n, first, err);
    if (rc == 0)
        rc = finish_reserve(&f, s, queries, n, finish_most, err);
    finish_free(&f);
    search_free(s);
    TRY(rc);
    const budget *b = &e->budget;
    double tokens = (double)(first->tokens + finish_most->tokens);
    if (b->tokens && tokens > (double)b->tokens)
        return refuse("tokens", (double)b->tokens, (double)first->tokens,
                      (double)finish_most->tokens, err);
    if (b->evaluations && first->evaluations + finish_most->evaluations > b->evaluations)
        return refuse("evaluations", (double)b->evaluations, (double)first->evaluations,
                      (double)finish_most->evaluations, err);
    if (b->ratings && first->ratings + finish_most->ratings > b->ratings)
        return refuse("ratings", (double)b->ratings, (double)first->ratings,
                      (double)finish_most->ratings, err);
    if (b->seconds > 0 && pace > 0 && tokens / pace > b->seconds)
        return refuse("seconds", b->seconds, (double)first->tokens / pace,
                      (double)finish_most->tokens / pace, err);
    return 0;
}

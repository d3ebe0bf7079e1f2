#include "reward_fixture.h"

#include "../rater/linear_fit.h"
#include "../rater/reward_learn.h"

#include <stdlib.h>

#include <gsl/gsl_randist.h>

static double feature(const reward_fixture *f, size_t item, size_t c)
{
    return f->x[item * f->data.n_features + c];
}

static double liking(const reward_fixture *f, const crowd_plan *plan, const double *signs,
                     size_t item)
{
    return plan->signal * feature(f, item, 0) +
           plan->length * feature(f, item, plan->p - N_REWARD_EXTRAS + EXTRA_LENGTH) +
           plan->by_context * signs[f->context[item]] * feature(f, item, 1);
}

static reward_rating rate(const reward_fixture *f, const crowd_plan *plan,
                          const double *signs, gsl_rng *rng)
{
    size_t m = plan->per_context;
    size_t first = gsl_rng_uniform_int(rng, plan->n_contexts) * m;
    reward_rating r = {.a = first + gsl_rng_uniform_int(rng, m)};
    r.b = r.a;
    if (plan->head == HEAD_SCALAR) {
        r.outcome = liking(f, plan, signs, r.a) + gsl_ran_gaussian(rng, plan->noise);
        return r;
    }
    while (r.b == r.a)
        r.b = first + gsl_rng_uniform_int(rng, m);
    double margin = liking(f, plan, signs, r.a) - liking(f, plan, signs, r.b);
    r.outcome = gsl_rng_uniform(rng) < logistic(margin);
    if (gsl_rng_uniform(rng) < plan->ties)
        r.outcome = 0.5;
    return r;
}

void reward_fixture_make(reward_fixture *f, const crowd_plan *plan)
{
    size_t n = plan->n_contexts * plan->per_context;
    gsl_rng *rng = reward_rng(plan->seed, 0);
    double *signs = array_new(plan->n_contexts, sizeof *signs);
    f->x = array_new(n * plan->p, sizeof *f->x);
    f->context = array_new(n, sizeof *f->context);
    f->ratings = array_new(plan->n_ratings, sizeof *f->ratings);
    f->data = (reward_data){plan->head, f->x,           n,
                            plan->p,    f->context,     plan->n_contexts,
                            f->ratings, plan->n_ratings};
    for (size_t c = 0; c < plan->n_contexts; c++)
        signs[c] = gsl_rng_uniform(rng) < 0.5 ? -1 : 1;
    for (size_t i = 0; i < n * plan->p; i++)
        f->x[i] = 3 + gsl_ran_gaussian(rng, 1);
    for (size_t i = 0; i < n; i++)
        f->context[i] = i / plan->per_context;
    for (size_t i = 0; i < plan->n_ratings; i++)
        f->ratings[i] = rate(f, plan, signs, rng);
    free(signs);
    gsl_rng_free(rng);
}

void reward_fixture_free(reward_fixture *f)
{
    free(f->x);
    free(f->context);
    free(f->ratings);
}

reward_facts made_up_facts(void)
{
    return (reward_facts){
        .pooling = POOLING_MEAN,
        .model = "tiny",
        .model_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        .question = "Which is nicer?",
        .source = "made up",
        .n_simulated = 7};
}

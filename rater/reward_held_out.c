/* Nested cross-validation. */
#include "reward_held_out.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_randist.h>

enum { INNER_FOLDS = 3 };
/* A baseline has one weight, and hundreds of ratings for it. */
static const double baseline_penalty = 1;

void held_out_free(held_out *h)
{
    for (size_t s = 0; s < N_SCORERS; s++)
        free(h->predicted[s]);
}

int held_out_new(held_out *out, const reward_data *d, const size_t *fold, error *err)
{
    held_out h = {.data = d, .fold = fold};
    for (size_t s = 0; s < N_SCORERS; s++) {
        h.predicted[s] = array_new(d->n, sizeof(double));
        for (size_t i = 0; h.predicted[s] && i < d->n; i++)
            h.predicted[s][i] = (double)NAN;
    }
    for (size_t s = 0; s < N_SCORERS; s++)
        if (!h.predicted[s]) {
            held_out_free(&h);
            return error_memory(err, d->n * sizeof(double));
        }
    *out = h;
    return 0;
}

static size_t fold_of(const held_out *h, size_t rating)
{
    return h->fold[h->data->context[h->data->ratings[rating].a]];
}

static void predict(held_out *h, const learner *l, size_t at, int scorer, size_t first,
                    size_t n, const double *v, double intercept)
{
    const reward_data *d = h->data;
    for (size_t i = 0; i < d->n; i++) {
        const reward_rating *r = &d->ratings[i];
        if (fold_of(h, i) != at)
            continue;
        double score = learner_score(l, r->a, first, n, v) + intercept;
        if (d->head == HEAD_PAIRWISE)
            score -= learner_score(l, r->b, first, n, v) + intercept;
        h->predicted[scorer][i] = score;
    }
}

static int predict_by_reward(held_out *h, const learner *l, const rating_list *seen,
                             size_t at, uint64_t seed, error *err)
{
    reward_choice choice;
    double intercept;
    TRY(learner_choose(l, seen, INNER_FOLDS, seed, &choice, err));
    double *v = array_new(choice.n_columns, sizeof *v);
    if (!v)
        return error_memory(err, choice.n_columns * sizeof *v);
    int rc = learner_fit(l, seen, 0, choice, v, &intercept, err);
    if (rc == 0)
        predict(h, l, at, BY_REWARD, 0, choice.n_columns, v, intercept);
    free(v);
    return rc;
}

static int predict_by_baselines(held_out *h, const learner *l, const rating_list *seen,
                                size_t at, error *err)
{
    static const struct {
        int scorer;
        size_t column;
    } baselines[] = {{BY_LENGTH, EXTRA_LENGTH}, {BY_LIKELIHOOD, EXTRA_LIKELIHOOD}};
    for (size_t b = 0; b < 2; b++) {
        double v, intercept;
        reward_choice one = {.n_columns = 1, .lambda = baseline_penalty};
        TRY(learner_fit(l, seen, baselines[b].column, one, &v, &intercept, err));
        predict(h, l, at, baselines[b].scorer, baselines[b].column, 1, &v, intercept);
    }
    return 0;
}

/* A random share of the ratings outside fold `at`: the same order for every share, so
 * that a larger list holds the smaller. */
static int take_share(const held_out *h, size_t at, double share, uint64_t seed,
                      rating_list *out, error *err)
{
    const reward_data *d = h->data;
    gsl_rng *rng = reward_rng(seed, 100 + at);
    rating_list list = {array_new(d->n, sizeof *list.index), 0};
    if (!rng || !list.index) {
        if (rng)
            gsl_rng_free(rng);
        free(list.index);
        return error_memory(err, d->n * sizeof *list.index);
    }
    for (size_t i = 0; i < d->n; i++)
        if (fold_of(h, i) != at)
            list.index[list.n++] = i;
    gsl_ran_shuffle(rng, list.index, list.n, sizeof *list.index);
    gsl_rng_free(rng);
    list.n = (size_t)ceil(share * (double)list.n);
    *out = list;
    return 0;
}

/* Are the ratings of more than one context? */
static bool spans_contexts(const reward_data *d, const rating_list *seen)
{
    for (size_t i = 1; i < seen->n; i++)
        if (d->context[d->ratings[seen->index[i]].a] !=
            d->context[d->ratings[seen->index[0]].a])
            return true;
    return false;
}

int held_out_predict(held_out *h, size_t n_folds, double share, uint64_t seed, error *err)
{
    int rc = 0;
    h->n_learned = 0;
    for (size_t f = 0; rc == 0 && f < n_folds; f++) {
        rating_list seen;
        learner l = {0};
        TRY(take_share(h, f, share, seed, &seen, err));
        h->n_learned += (double)seen.n / (double)n_folds;
        if (!spans_contexts(h->data, &seen))
            rc = 1;
        if (rc == 0)
            rc = learner_new(&l, h->data, &seen, err);
        if (rc == 0)
            rc = predict_by_reward(h, &l, &seen, f, seed, err);
        if (rc == 0)
            rc = predict_by_baselines(h, &l, &seen, f, err);
        learner_free(&l);
        free(seen.index);
    }
    return rc;
}

/* Fitting a reward's heads: how many components and how much penalty are chosen by
 * cross-validation in which no context is on both sides.
 *
 * Everything is a function of the data, the list of ratings that may be looked at, and a
 * seed. A learner borrows its data and owns the rest; one thread at a time. */
#ifndef LAMARCK_RATER_REWARD_LEARN_H
#define LAMARCK_RATER_REWARD_LEARN_H

#include "projection.h"
#include "reward_data.h"

#include <gsl/gsl_rng.h>

/* A list of ratings, by index; repeated ones count repeatedly. */
typedef struct rating_list {
    size_t *index; /* owned by whoever made it */
    size_t n;
} rating_list;

typedef struct learner {
    const reward_data *data;
    projection projection;
    double *z; /* (n_items, width): the extras, then components */
} learner;

/* The projection is made of the texts that `seen` names, and applied to all. */
int learner_new(learner *out, const reward_data *d, const rating_list *seen, error *err);
void learner_free(learner *l);

typedef struct reward_choice {
    size_t n_columns; /* of z: the extras and some components */
    double lambda;
} reward_choice;

/* The choice of least held-out loss over n_folds parts of the contexts in `seen`; of
 * equal ones the simpler. E_ARGUMENT with fewer contexts than 2. */
int learner_choose(const learner *l, const rating_list *seen, size_t n_folds,
                   uint64_t seed, reward_choice *out, error *err);

/* v (n_columns) from columns [first, first + n_columns) of z. */
int learner_fit(const learner *l, const rating_list *seen, size_t first,
                reward_choice choice, double *v, double *intercept, error *err);

/* Columns [first, first + n) of item i, times v. */
double learner_score(const learner *l, size_t i, size_t first, size_t n, const double *v);

/* fold (n_contexts): 0 to n_folds - 1 for each context that has ratings, dealt in random
 * order; SIZE_MAX for one without. *n_contexts: how many have ratings. */
int reward_deal_folds(const reward_data *d, const rating_list *seen, size_t n_folds,
                      gsl_rng *rng, size_t *fold, size_t *n_contexts, error *err);

/* A generator for one purpose of one seed; NULL when out of memory. */
gsl_rng *reward_rng(uint64_t seed, uint64_t purpose);

#endif

/* A guard over a reward that drives a search in the place of people: does what it says
 * still agree with what people say?
 *
 * It is told of each fresh rating together with what the reward had predicted before that
 * rating came; of the latest `window` of these it takes the rank correlation (Kendall's
 * tau-b, which knows ties) with an interval. When even the upper end is below what was
 * asked for, the search has found texts that the reward likes and people do not: it is to
 * be handed back to people, and stays there until the guard is told to begin anew. The
 * reward may be fitted again and again meanwhile: each prediction was made by the reward
 * of its moment. Owns its window. No clock, no randomness: a replay decides the same. */
#ifndef LAMARCK_RATER_REWARD_GUARD_H
#define LAMARCK_RATER_REWARD_GUARD_H

#include "../model/base.h"

typedef struct guard_options {
    size_t window; /* (60) ratings that are looked at */
    size_t least;  /* (20) ratings before anything is decided; at least 10 */
    double needed; /* (0.1) correlation: handed back when the upper end is below */
    double z;      /* (1.645) of the interval: 95 % one-sided */
} guard_options;
guard_options guard_defaults(void);

typedef struct guard_state {
    size_t n;              /* ratings in the window */
    size_t n_seen;         /* since the reward was fitted */
    double tau, low, high; /* NaN where it cannot be said */
    bool handed_back;
    bool agrees; /* enough ratings, a correlation of what is needed at least, and its
                    lower end above 0: a reward that may be tried */
} guard_state;

typedef struct reward_guard reward_guard;

/* E_ARGUMENT for options that make no sense. */
int reward_guard_new(reward_guard **out, const guard_options *o, error *err);
void reward_guard_free(reward_guard *g);

/* One fresh rating: of a comparison, the margin that was predicted for the first text and
 * 1, 0 or 1/2 as people saw it (which text is first must not hang on the answer); of a
 * value, the predicted and the given one. One guard sees one kind. E_ARGUMENT for numbers
 * that are none. */
int reward_guard_see(reward_guard *g, double predicted, double rated, error *err);
/* The reward was fitted anew: its earlier predictions say nothing of it any more. */
void reward_guard_refitted(reward_guard *g);
guard_state reward_guard_state(const reward_guard *g);

/* Kendall's tau-b of n pairs, and its standard error if the pairs are independent draws
 * (jackknife). NaN where one side does not vary. 0 or E_MEMORY. */
int kendall_tau(const double *x, const double *y, size_t n, double *tau, double *se,
                error *err);

#endif

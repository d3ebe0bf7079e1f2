/* How good a reward is, on ratings that it has not learned from.
 *
 * The contexts are parted into folds; each fold's ratings are predicted by heads that
 * were chosen and fitted on the others (nested cross-validation), so every rating counts
 * once and no context is on both sides. Two baselines see the same ratings: the length of
 * a text, and its likelihood under the model, each with a fitted weight. Intervals are
 * percentile bootstraps over contexts, since ratings of one context depend on each other.
 * A judgement owns nothing; a function of data, options and seed. */
#ifndef LAMARCK_RATER_REWARD_JUDGE_H
#define LAMARCK_RATER_REWARD_JUDGE_H

#include "reward_data.h"

enum {
    REWARD_BINS = 5,  /* of the chance given to the likelier of two: 0.5 to 1 */
    REWARD_SIZES = 4, /* points of a learning curve */
    REWARD_LEAST_CONTEXTS = 4,
};

typedef struct reward_judge_options {
    size_t n_folds;     /* (5) */
    size_t n_resamples; /* of each bootstrap (1000); 0: no intervals */
    uint64_t seed;
} reward_judge_options;
reward_judge_options reward_judge_defaults(void);

typedef struct reward_interval {
    double value, low, high; /* NaN where it cannot be said */
} reward_interval;

typedef struct reward_judgement {
    size_t n_ratings, n_contexts;
    /* Pairs that are judged: ratings that are no ties; of a SCALAR head, pairs of texts
     * of one context with different mean ratings. */
    size_t n_pairs, n_ties;
    reward_interval accuracy; /* share of pairs whose preferred text scores higher */
    reward_interval length, likelihood;           /* the same of the baselines */
    reward_interval over_length, over_likelihood; /* accuracy minus theirs, paired */
    /* PAIRWISE. Pairs by the chance that the head gives the likelier text, and how often
     * that one was preferred (a tie: half). */
    struct {
        size_t n;
        double chance, right;
    } bins[REWARD_BINS];
    double calibration_error; /* mean over pairs of |right - chance| of their bin */
    double log_loss;          /* per rating; ln 2 = 0.693 is a coin's */
    double correlation;       /* SCALAR: of ratings and predictions (Pearson) */
    struct {
        double n_ratings; /* that were learned from, mean over folds */
        reward_interval accuracy;
    } curve[REWARD_SIZES]; /* rising; the last is `accuracy` */
    size_t n_sizes;
} reward_judgement;

/* E_ARGUMENT with fewer than REWARD_LEAST_CONTEXTS contexts, or no pair to judge. */
int reward_judge(reward_judgement *out, const reward_data *d,
                 const reward_judge_options *o, error *err);

/* Does the interval of the differences exclude 0? */
bool reward_beats(const reward_interval *over);

#endif

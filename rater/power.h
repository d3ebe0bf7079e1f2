/* How many ratings does it take? The whole process with a simulated crowd, many times,
 * without a server: raters come in turn, some of what they are asked is gold or was asked
 * before, those who fail are excluded and their ratings do not count, and what is left
 * says, or does not, that one prompt's outputs are preferred to another's.
 *
 * The model. Pair j is an output of either prompt in one context. The crowd prefers the
 * second by d_j ~ N(difference, spread^2) log odds; a rater of simulate.h answers. Each
 * pair is asked per_pair times, then the next. The test: the mean over pairs of the share
 * of ratings for the second (a tie is half) against one half, two-sided t with pairs as
 * the unit (ratings of one pair are not independent); where all shares are alike, the
 * exact sign test.
 *
 * Pure: the same design gives the same numbers. */
#ifndef LAMARCK_RATER_POWER_H
#define LAMARCK_RATER_POWER_H

#include "simulate.h"

typedef struct power_design {
    double difference, spread; /* log odds */
    double gold_difference;    /* of pairs whose right answer is known */
    size_t n_raters, per_pair; /* per_pair <= n_raters */
    double honest;             /* share of raters; of the others half prefer the first,
                                  half answer at random */
    double noise; /* of all honest ones; 0: 0.6 to 1.6, as simulate.h has it */
    bool ties;
    quality_rules rules; /* shares of gold and repeats, min_checks, min_right */
    double alpha;        /* of the test */
    size_t most;         /* ratings, all that are asked included */
    size_t repetitions;
    uint64_t seed;
} power_design;
/* 0.5, 0.5, 3; 20, 1; 0.8, 0, no ties; quality_defaults(); 0.05; 4000, 1000, seed 1. */
power_design power_defaults(void);

/* After this many ratings, over all repetitions. */
typedef struct power_point {
    size_t ratings;   /* asked: what is paid */
    double counted;   /* mean share of them that counts */
    double excluded;  /* mean number of raters excluded */
    double power, se; /* share of repetitions that found the better prompt better, and
                         its Monte Carlo standard error */
    double wrong;     /* share that found the worse one better */
    double false_alarm, false_alarm_se; /* share that found any difference where there is
                                           none, but the spread */
} power_point;

typedef struct power_table {
    power_point *points; /* by ratings; owned */
    size_t n;
} power_table;
int power_simulate(const power_design *d, power_table *out, error *err);
void power_table_free(power_table *t);

/* Ratings at which the power is `wanted`, between points by interpolation over the
 * logarithm; low and high: the same where 1.96 standard errors are added to the power,
 * and taken off. NaN: not within the table. */
typedef struct power_need {
    double ratings, low, high;
} power_need;
power_need power_needed(const power_table *t, double wanted);

#endif

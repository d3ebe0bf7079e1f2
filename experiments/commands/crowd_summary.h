/* How a crowd stands: counts, questions with the raters' agreement, raters' records. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_CROWD_SUMMARY_H
#define LAMARCK_EXPERIMENTS_COMMANDS_CROWD_SUMMARY_H

#include "../../rater/crowd_ratings.h"

/* Why ratings that stand do not count; each has one reason, the first that holds. */
typedef struct uncounted_ratings {
    size_t excluded; /* of raters who failed the rules */
    size_t checks;   /* gold and repeats */
    size_t fast;
} uncounted_ratings;

typedef struct question_summary {
    char id[SHA256_HEX];
    question asked;
    size_t tasks, gold, ratings; /* ratings: that count */
    bool has_alpha;              /* else `why` */
    double alpha, low, high;     /* Krippendorff's, 95 % from a bootstrap over tasks */
    size_t n_units;              /* tasks with two ratings or more */
    char why[160];
} question_summary;

typedef struct rater_summary {
    rater_quality quality; /* name borrowed from `qualities` */
    double weight;         /* rater_weight */
    size_t n_pairs;        /* with others' answers to the same tasks */
    double agreement;      /* share of them that are equal; NaN without one */
} rater_summary;

typedef struct crowd_summary {
    crowd_counts counts;
    quality_rules rules;
    uncounted_ratings uncounted;
    question_summary *questions; /* in the order of their first tasks */
    size_t n_questions, questions_capacity;
    rater_summary *raters; /* by id */
    size_t n_raters;
    rater_quality *qualities;
} crowd_summary;

/* New; the intervals of the agreements come from n_resamples bootstrap samples. */
int crowd_summarise(crowd *c, size_t n_resamples, crowd_summary *out, error *err);
void crowd_summary_free(crowd_summary *s);

#endif

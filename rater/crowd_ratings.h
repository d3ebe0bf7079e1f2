/* What a crowd said, as the lists that aggregation takes (ratings.h).
 *
 * Outputs are named by their ids, raters "SOURCE:NAME". By default only ratings that
 * count are taken. Lists begin as {0} and are left empty on failure; ratings still want
 * ratings_finish. One thread, as the crowd. */
#ifndef LAMARCK_RATER_CROWD_RATINGS_H
#define LAMARCK_RATER_CROWD_RATINGS_H

#include "agreement.h"
#include "crowd.h"
#include "ratings.h"

/* "SOURCE:NAME". */
enum { RATER_LABEL = 256 }; /* the longest source, a colon, the longest name */
void rater_label(char out[RATER_LABEL], rater_source source, const char *name);

/* Which ratings. */
typedef struct crowd_choice {
    const char *question; /* id; NULL: of all questions */
    int64_t after;        /* ids above this only; 0: all */
    bool uncounted;       /* also those that do not count, but for withdrawn ones and
                             repeats */
} crowd_choice;

/* COMPARE: one comparison. BEST: the chosen output beat each of the three others, or all
 * six pairs tied. Other kinds: nothing. */
int crowd_comparisons(crowd *c, const crowd_choice *which, comparisons *out, error *err);
/* SCALE, ACCEPT: the answer is the output's value. Other kinds: nothing. */
int crowd_values(crowd *c, const crowd_choice *which, ratings *out, error *err);
/* Every kind, for agreement: the item is the task, the label the answer (an index into
 * its sorted outputs, or "tie"; else the number). Labels of tasks of several questions
 * mean different things: name one. */
int crowd_votes(crowd *c, const crowd_choice *which, ratings *out, error *err);

/* How far a rater can be trusted by his checks: with p = (right + 4) / (checks + 5), the
 * mean of a Beta(4, 1) prior and his gold and repeats, the log odds log(p / (1 - p)) over
 * those of a rater without checks, log 4; never below 0. Log odds are what votes of
 * independent raters should weigh (Nitzan & Paroush 1982, International Economic Review
 * 23(2), 289-297). */
double rater_weight(const rater_quality *q);
/* One per name of `raters`, 1 for names that the crowd does not know; new. */
int crowd_weights(crowd *c, const name_index *raters, double **out, error *err);

/* Each rater against the others on the tasks of one question: agreement.h with the level
 * that the question's kind asks for (SCALE ordinal, others nominal). *r are the votes,
 * whose raters' order is that of out->raters. E_FORMAT, E_NUMERIC as there. */
int crowd_agreement(crowd *c, const char *question, size_t n_resamples, uint64_t seed,
                    ratings *r, agreement *out, error *err);

#endif

/* Which pairs of outputs to ask about next: those that would decide most, not each in
 * turn.
 *
 * What an answer about (i, j) is worth is the uncertainty about the difference times how
 * close the two are, log(1 + p (1 - p) Var(t_i - t_j)): twice the information that a
 * logistic answer is expected to bring, p the probability that i is preferred. It is
 * multiplied with how open it still is which of the candidates behind the two is the
 * better one, and whether both may be the best: that is the caller's relevance. Pairs are
 * chosen one by one; after each the covariance is what it would be had the answer come
 * (it does not depend on which answer, by the normal approximation).
 */
#ifndef LAMARCK_RATER_NEXT_QUESTION_H
#define LAMARCK_RATER_NEXT_QUESTION_H

#include "preference.h"

/* Where a candidate stands whose outputs are items of several groups: the probabilities
 * that they are preferred to the anchors there. */
typedef struct standing {
    double sum, variance; /* of the sum */
    size_t n;
    double hope; /* 1 for the best, less the surer it is that it is not the best */
} standing;
/* One output more. */
void standing_add(standing *s, const preference_group *g, size_t item, size_t anchor);
/* Fill hope: what a two-sided test of each and the best would say. */
void standings_hope(standing *all, size_t n);
/* What an answer about outputs of a and b may decide: 1 when it is open which of the two
 * is better and both may be the best, least where that is settled. */
double question_relevance(const standing *a, const standing *b);
extern const double question_least_relevance;

/* A pair of a group that may be asked about. */
typedef struct pair_option {
    size_t group, i, j;
    double relevance; /* 0 to 1 */
    bool first;       /* to be chosen once before all others */
    size_t room;      /* answers that may still be wanted, at most */
    size_t chosen;    /* out: how many are */
    double worth;     /* out: of the first of them; 0 where none is */
} pair_option;

/* Choose n answers among the options, fewer if there is no room for more. The groups'
 * covariances are used up: they are those after the answers. */
int next_questions(preference_group *groups, size_t n_groups, pair_option *options,
                   size_t n_options, size_t n, error *err);

#endif

/* Which pairs of outputs to ask about next: those that would decide most, not each in
 * turn.
 *
 * What an answer about (i, j) is worth is the uncertainty about the difference times how
 * close the two are, log(1 + p (1 - p) Var(t_i - t_j)): twice the information that a
 * logistic answer is expected to bring, p the probability that i is preferred. It is
 * multiplied with how open it still is which of the candidates behind the two is the
 * better one. Pairs are chosen one by one; after each the covariance is what it would be
 * had the answer come (it does not depend on which answer, by the normal approximation).
 */
#ifndef LAMARCK_RATER_NEXT_QUESTION_H
#define LAMARCK_RATER_NEXT_QUESTION_H

#include "preference.h"

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

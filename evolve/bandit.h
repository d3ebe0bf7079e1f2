/* Adaptive operator selection: which operator gets how many tries.
 *
 * Probability matching with a floor (Goldberg 1990; in the form of Thierens 2005, An
 * adaptive pursuit strategy for allocating operator probabilities, eq. 1-3):
 *   Q_i <- Q_i + alpha (reward - Q_i)             after a child by operator i
 *   P_i  = P_min + (1 - K P_min) Q_i / sum_j Q_j  over K operators
 * A draw is among the operators that could do something to the genome at hand; the rates
 * on record are of those that could to somebody in the population. One that has nothing
 * to act on (no demonstration to drop) holds no share, and its Q stays what it was.
 * The reward is the child's mean improvement over its better parent on the examples that
 * both have seen, and 0 for a child that is not better, that lost its race, or that
 * failed. A child of several operators pays each the same.
 *
 * Q starts at one share per kind of gene, divided among the kind's operators, so that ten
 * ways to edit words do not crowd out four ways to change demonstrations; rewards are
 * divided by a running mean of the positive ones, so that scores of any scale move Q by
 * the same steps. */
#ifndef LAMARCK_EVOLVE_BANDIT_H
#define LAMARCK_EVOLVE_BANDIT_H

#include "operators.h"

enum { BANDIT_MOST = 32 }; /* operators; the table is checked against it */

typedef struct bandit {
    size_t operators[BANDIT_MOST]; /* indices into variation_operators */
    operator_rate rates[BANDIT_MOST];
    size_t n;
    uint32_t sharing; /* the arms that hold a share */
    double scale;     /* running mean of positive improvements; 0 while there was none */
} bandit;

/* One arm for every operator that suits a gene of the spec. */
void bandit_init(bandit *b, const genome_spec *spec, const proposer *proposer);
/* The arms that could do something to *g, as a set. */
uint32_t bandit_able(const bandit *b, const variation *v, const genome *g);
/* From now on these arms hold all shares; when there are none of them, all do. */
void bandit_share(bandit *b, uint32_t arms);
/* Draw one of `arms`, not empty, at the rates that they have among themselves. */
size_t bandit_draw(const bandit *b, uint32_t arms, gsl_rng *rng);
/* A child had arms[0..n) (a set): `improvement` over the better parent, 0 if none. */
void bandit_reward(bandit *b, uint32_t arms, double improvement);

#endif

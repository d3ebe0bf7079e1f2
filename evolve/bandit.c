/* Probability matching over the operators that suit the genome. */
#include "bandit.h"

#include <assert.h>

static const double learning = 0.1;    /* alpha: the last ten tries count most */
static const double floor_share = 0.3; /* K P_min: tries that are dealt out evenly */

static void bandit_match(bandit *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->n; i++)
        sum += b->rates[i].credit;
    for (size_t i = 0; i < b->n; i++) {
        double even = 1 / (double)b->n;
        double earned = sum > 0 ? b->rates[i].credit / sum : even;
        b->rates[i].rate = floor_share * even + (1 - floor_share) * earned;
    }
}

static bool suits_any(const variation_operator *op, const genome_spec *spec,
                      const proposer *from)
{
    for (size_t i = 0; i < spec->n_genes; i++)
        if (operator_suits(op, &spec->genes[i], from))
            return true;
    return false;
}

void bandit_init(bandit *b, const genome_spec *spec, const proposer *from)
{
    assert(n_variation_operators <= BANDIT_MOST);
    size_t of_kind[GENE_NUMBER + 1] = {0};
    *b = (bandit){0};
    for (size_t i = 0; i < n_variation_operators; i++) {
        const variation_operator *op = &variation_operators[i];
        if (!suits_any(op, spec, from))
            continue;
        b->operators[b->n] = i;
        b->rates[b->n].name = op->name;
        b->n++;
        of_kind[op->kind]++;
    }
    for (size_t i = 0; i < b->n; i++)
        b->rates[i].credit =
            1 / (double)of_kind[variation_operators[b->operators[i]].kind];
    bandit_match(b);
}

size_t bandit_draw(const bandit *b, gsl_rng *rng)
{
    double u = gsl_rng_uniform(rng);
    for (size_t i = 0; i + 1 < b->n; i++) {
        u -= b->rates[i].rate;
        if (u < 0)
            return i;
    }
    return b->n - 1;
}

void bandit_reward(bandit *b, uint32_t arms, double improvement)
{
    bool won = improvement > 0;
    if (won)
        b->scale =
            b->scale > 0 ? b->scale + learning * (improvement - b->scale) : improvement;
    double reward = won ? improvement / b->scale : 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!(arms >> i & 1))
            continue;
        operator_rate *rate = &b->rates[i];
        rate->credit += learning * (reward - rate->credit);
        rate->tries++;
        rate->wins += won;
    }
    bandit_match(b);
}

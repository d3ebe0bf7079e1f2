/* Probability matching over the operators that suit the genome. */
#include "bandit.h"

#include <assert.h>

static const double learning = 0.1;    /* alpha: the last ten tries count most */
static const double floor_share = 0.3; /* K P_min: tries that are dealt out evenly */

static bool holds(uint32_t arms, size_t i)
{
    return arms >> i & 1;
}

/* The rates of `arms` among themselves; 0 for all others. */
static void match(const bandit *b, uint32_t arms, double rates[BANDIT_MOST])
{
    double sum = 0, k = 0;
    for (size_t i = 0; i < b->n; i++) {
        sum += holds(arms, i) ? b->rates[i].credit : 0;
        k += holds(arms, i);
    }
    for (size_t i = 0; i < b->n; i++) {
        double earned = sum > 0 ? b->rates[i].credit / sum : 1 / k;
        rates[i] = holds(arms, i) ? floor_share / k + (1 - floor_share) * earned : 0;
    }
}

static void match_sharing(bandit *b)
{
    double rates[BANDIT_MOST];
    match(b, b->sharing, rates);
    for (size_t i = 0; i < b->n; i++)
        b->rates[i].rate = rates[i];
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
    size_t of_kind[N_GENE_KINDS] = {0};
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
    bandit_share(b, 0);
}

uint32_t bandit_able(const bandit *b, const variation *v, const genome *g)
{
    uint32_t arms = 0;
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < v->spec->n_genes && !holds(arms, i); k++)
            if (operator_able(&variation_operators[b->operators[i]], v, k, g))
                arms |= UINT32_C(1) << i;
    return arms;
}

void bandit_share(bandit *b, uint32_t arms)
{
    b->sharing = arms ? arms : UINT32_MAX;
    match_sharing(b);
}

size_t bandit_draw(const bandit *b, uint32_t arms, gsl_rng *rng)
{
    double u = gsl_rng_uniform(rng), rates[BANDIT_MOST];
    size_t last = 0;
    match(b, arms, rates);
    for (size_t i = 0; i < b->n; i++) {
        if (!holds(arms, i))
            continue;
        last = i;
        u -= rates[i];
        if (u < 0)
            break;
    }
    return last;
}

void bandit_reward(bandit *b, uint32_t arms, double improvement)
{
    bool won = improvement > 0;
    if (won)
        b->scale =
            b->scale > 0 ? b->scale + learning * (improvement - b->scale) : improvement;
    double reward = won ? improvement / b->scale : 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!holds(arms, i))
            continue;
        operator_rate *rate = &b->rates[i];
        rate->credit += learning * (reward - rate->credit);
        rate->tries++;
        rate->wins += won;
    }
    match_sharing(b);
}

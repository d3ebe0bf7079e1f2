#include "ledger.h"

/* A forecast of seconds is taken this much longer: rows differ in how much they share,
 * and machines in what else they do. */
static const double seconds_margin = 1.25;

void ledger_charge(ledger *l, purpose p, const expense *x)
{
    l->spent[p].tokens += x->tokens;
    l->spent[p].evaluations += x->evaluations;
    l->spent[p].reused += x->reused;
}

spend ledger_total(const ledger *l)
{
    spend total = {0};
    for (purpose p = 0; p < N_PURPOSES; p++) {
        total.tokens += l->spent[p].tokens;
        total.evaluations += l->spent[p].evaluations;
        total.reused += l->spent[p].reused;
    }
    return total;
}

double ledger_pace(const ledger *l)
{
    spend total = ledger_total(l);
    return l->seconds > 0 ? (double)(total.tokens - total.reused) / l->seconds : 0;
}

/* Is used + next + reserve over the limit? Written without sums that could overflow. */
static bool over(uint64_t limit, uint64_t used, uint64_t next, uint64_t reserve)
{
    if (limit == 0)
        return false;
    return used > limit || next > limit - used || reserve > limit - used - next;
}

/* Seconds that the work will take at the pace so far. Objectives without tokens are paced
 * by their evaluations. */
static double forecast(const ledger *l, const expense *next, const expense *reserve)
{
    spend total = ledger_total(l);
    double done = (double)(total.tokens - total.reused);
    double todo = (double)next->tokens + (double)reserve->tokens;
    if (total.tokens == 0) {
        done = (double)total.evaluations;
        todo = (double)next->evaluations + (double)reserve->evaluations;
    }
    return done > 0 ? seconds_margin * todo * l->seconds / done : 0;
}

const char *ledger_refuses(const ledger *l, const expense *next, const expense *reserve)
{
    spend total = ledger_total(l);
    if (over(l->budget.tokens, total.tokens, next->tokens, reserve->tokens))
        return "budget: tokens";
    if (over(l->budget.evaluations, total.evaluations, next->evaluations,
             reserve->evaluations))
        return "budget: evaluations";
    if (l->budget.seconds > 0 &&
        l->seconds + forecast(l, next, reserve) > l->budget.seconds)
        return "budget: seconds";
    return NULL;
}

uint64_t ledger_allowance(const ledger *l, const expense *reserve)
{
    spend total = ledger_total(l);
    const expense nothing = {0};
    if (ledger_refuses(l, &nothing, reserve))
        return 0;
    if (l->budget.tokens == 0)
        return UINT64_MAX;
    return l->budget.tokens - total.tokens - reserve->tokens;
}

#include "ledger.h"

#include <math.h>

/* Forecasts of seconds are taken this much longer. A batch that takes longer still is cut
 * short, and its work is lost; a finish that does leaves no verdict. */
static const double batch_margin = 1.25, finish_margin = 1.5;
static const double late_seconds = 10; /* after which a pace counts half */

void speed_note(speed *p, double tokens, double seconds)
{
    if (!(tokens > 0 && seconds > 0))
        return;
    double weight = late_seconds / (late_seconds + seconds);
    p->tokens = weight * p->tokens + tokens;
    p->seconds = weight * p->seconds + seconds;
}

double speed_rate(const speed *p)
{
    return p->seconds > 0 ? p->tokens / p->seconds : 0;
}

void ledger_charge(ledger *l, purpose p, const expense *x)
{
    l->spent[p].tokens += x->tokens;
    l->spent[p].evaluations += x->evaluations;
    l->spent[p].reused += x->reused;
    l->spent[p].ratings += x->ratings;
}

spend ledger_total(const ledger *l)
{
    spend total = {0};
    for (purpose p = 0; p < N_PURPOSES; p++)
        spend_add(&total, &l->spent[p]);
    return total;
}

static double computed(const ledger *l)
{
    spend total = ledger_total(l);
    return (double)(total.tokens - total.reused);
}

void ledger_advance(ledger *l, double seconds)
{
    speed_note(&l->late, computed(l) - l->noted, seconds - l->seconds);
    l->noted = computed(l);
    l->seconds = seconds;
}

double ledger_pace(const ledger *l)
{
    return l->seconds > 0 ? computed(l) / l->seconds : 0;
}

double ledger_hold(const expense *next, const expense *reserve, double tokens_per_second)
{
    double tokens =
        batch_margin * (double)next->tokens + finish_margin * (double)reserve->tokens;
    return tokens_per_second > 0 ? tokens / tokens_per_second : 0;
}

/* Is used + next + reserve over the limit? Written without sums that could overflow. */
static bool over(uint64_t limit, uint64_t used, uint64_t next, uint64_t reserve)
{
    if (limit == 0)
        return false;
    return used > limit || next > limit - used || reserve > limit - used - next;
}

/* Seconds that the work will take. Objectives without tokens are paced by their
 * evaluations. */
static double forecast(const ledger *l, const expense *next, const expense *reserve)
{
    spend total = ledger_total(l);
    double rate = ledger_pace(l), late = speed_rate(&l->late);
    if (total.tokens > 0)
        return ledger_hold(next, reserve, late > 0 ? fmin(rate, late) : rate);
    rate = l->seconds > 0 ? (double)total.evaluations / l->seconds : 0;
    return ledger_hold(&(expense){.tokens = next->evaluations},
                       &(expense){.tokens = reserve->evaluations}, rate);
}

const char *ledger_refuses(const ledger *l, const expense *next, const expense *reserve)
{
    spend total = ledger_total(l);
    if (over(l->budget.tokens, total.tokens, next->tokens, reserve->tokens))
        return "budget: tokens";
    if (over(l->budget.evaluations, total.evaluations, next->evaluations,
             reserve->evaluations))
        return "budget: evaluations";
    if (over(l->budget.ratings, total.ratings, next->ratings, reserve->ratings))
        return "budget: ratings";
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

uint64_t ledger_ratings_left(const ledger *l, const expense *reserve)
{
    uint64_t most = l->budget.ratings, used = ledger_total(l).ratings;
    if (most == 0)
        return UINT64_MAX;
    if (used >= most || reserve->ratings >= most - used)
        return 0;
    return most - used - reserve->ratings;
}

#include "deadline.h"

#include <math.h>

void deadline_open(deadline *d, const ledger *l, double (*clock)(void))
{
    *d = (deadline){.ledger = l, .clock = clock ? clock : clock_seconds};
    deadline_mark(d);
}

double deadline_elapsed(const deadline *d)
{
    return d->ledger->seconds + d->clock() - d->mark;
}

void deadline_mark(deadline *d)
{
    d->mark = d->clock();
}

double deadline_take(deadline *d)
{
    double now = d->clock(), seconds = d->ledger->seconds + now - d->mark;
    d->mark = now;
    return seconds;
}

void deadline_begin(deadline *d, bool hold)
{
    d->held = hold && d->ledger->budget.seconds > 0;
    d->late = d->ledger->late;
    d->fresh = 0;
}

/* The slower of the paces, since whatever made the work slow may well go on. */
static double careful_rate(const deadline *d)
{
    double rate = ledger_pace(d->ledger), late = speed_rate(&d->late);
    return late > 0 && (rate == 0 || late < rate) ? late : rate;
}

double deadline_tick(deadline *d, uint64_t tokens, const expense *reserve)
{
    const expense nothing = {0};
    double now = d->clock();
    if (tokens)
        speed_note(&d->late, (double)tokens, now - d->ticked);
    d->fresh += tokens;
    d->ticked = now;
    if (!d->held)
        return INFINITY;
    return d->ledger->budget.seconds - (d->ledger->seconds + now - d->mark) -
           ledger_hold(&nothing, reserve, careful_rate(d));
}

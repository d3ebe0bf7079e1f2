/* A run's account: what was spent on what, and what the budget still allows. Plain
 * numbers; no clock is read here. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_LEDGER_H
#define LAMARCK_EXPERIMENTS_RUNS_LEDGER_H

#include "../definition/experiment.h"
#include "../fitness/objective.h"
#include "../store/store.h"

typedef struct ledger {
    budget budget;
    spend spent[N_PURPOSES];
    double seconds; /* up to the last complete step, as the store recorded it */
} ledger;

void ledger_charge(ledger *l, purpose p, const expense *x);
spend ledger_total(const ledger *l);

/* Would the next expense, and after it the reserve, still be within the budget? NULL, or
 * the limit that would be broken: "budget: tokens", "budget: evaluations", "budget:
 * seconds". Time is foretold from the pace so far; before there is a pace it never says
 * no. */
const char *ledger_refuses(const ledger *l, const expense *next, const expense *reserve);

/* Tokens that may be spent now so that the reserve is still there; UINT64_MAX when tokens
 * are not limited, 0 when the time is up. */
uint64_t ledger_allowance(const ledger *l, const expense *reserve);

/* Tokens per second computed so far, those taken from other runs left out; 0: unknown. */
double ledger_pace(const ledger *l);

#endif

/* A run's account: what was spent on what, and what the budget still allows. Plain
 * numbers; no clock is read here. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_LEDGER_H
#define LAMARCK_EXPERIMENTS_RUNS_LEDGER_H

#include "../definition/experiment.h"
#include "../fitness/objective.h"
#include "../store/store.h"

/* How fast the work went of late: sums in which what is ten seconds old counts half. */
typedef struct speed {
    double tokens, seconds;
} speed;
void speed_note(speed *p, double tokens, double seconds);
double speed_rate(const speed *p); /* tokens per second; 0: unknown */

typedef struct ledger {
    budget budget;
    spend spent[N_PURPOSES];
    double seconds; /* up to the last complete step, as the store recorded it */
    speed late;     /* from what the store recorded, too */
    double noted;   /* computed tokens that `late` has heard of */
} ledger;

void ledger_charge(ledger *l, purpose p, const expense *x);
spend ledger_total(const ledger *l);
/* A step is complete, and it is so late now: what was charged since the last one is how
 * fast the work goes. */
void ledger_advance(ledger *l, double seconds);

/* Would the next expense, and after it the reserve, still be within the budget? NULL, or
 * the limit that would be broken: "budget: tokens", "budget: evaluations", "budget:
 * ratings", "budget: seconds". Time is foretold from the pace so far, or of late if that
 * is slower; before there is a pace it never says no. */
const char *ledger_refuses(const ledger *l, const expense *next, const expense *reserve);

/* Tokens that may be spent now so that the reserve is still there; UINT64_MAX when tokens
 * are not limited, 0 when the time is up. */
uint64_t ledger_allowance(const ledger *l, const expense *reserve);

/* The same of ratings. */
uint64_t ledger_ratings_left(const ledger *l, const expense *reserve);

/* Seconds to hold back for work of so many tokens at so many per second: more than it
 * should take, since rows differ in how much they share, and machines in what else they
 * do. `reserve`: the finish, without which a run has no verdict. */
double ledger_hold(const expense *next, const expense *reserve, double tokens_per_second);

/* Tokens per second computed so far, those taken from other runs left out; 0: unknown. */
double ledger_pace(const ledger *l);

#endif

/* A crowd asked through Mechanical Turk: open tasks become HITs, answers become ratings,
 * workers are paid.
 *
 * What is asked of Amazon is in the books (mturk_store.h) before, and what came of it
 * after. A process may be killed at any moment: the next one finds out what Amazon did
 * (mturk_reconcile), so that no HIT is lost or made twice, and nobody is paid twice.
 * Several processes may work at once. `now` is seconds since 1970. One thread per mturk.
 */
#ifndef LAMARCK_RATER_MTURK_H
#define LAMARCK_RATER_MTURK_H

#include "mturk_question.h"
#include "mturk_store.h"

typedef struct mturk mturk;

/* `path`: the SQLite file of a run. `api` NULL: for looking and planning only. What it
 * points to is borrowed as long as the mturk lives. */
int mturk_open(mturk **out, const char *path, mturk_place place,
               const mturk_api_options *api, error *err);
void mturk_close(mturk *m);
mturk_store *mturk_books(mturk *m); /* borrowed */

/* Find out what became of HITs that were being asked for when a process ended: by the
 * list of all HITs and our annotation, else by asking again with the same token. */
typedef struct mturk_recovered {
    size_t found, sent_again;
} mturk_recovered;
int mturk_reconcile(mturk *m, mturk_recovered *out, error *err);

/* ---- Posting ---- */

typedef struct mturk_post_options {
    mturk_terms terms;
    size_t max_hits;        /* 0: no limit */
    size_t assignments;     /* for each task; 0: as many ratings as are missing */
    bool gold;              /* gold tasks, too: each once */
    int64_t plan_cap_cents; /* mturk_plan: under this cap; 0: the one in the books */
} mturk_post_options;

/* What posting costs at most, or did cost. */
typedef struct mturk_bill {
    size_t hits, assignments;
    int64_t reward_cents, fee_cents;
    size_t over_cap; /* HITs that the cap leaves no room for */
    size_t too_long; /* tasks that Amazon's limit leaves no room for */
    size_t busy;     /* tasks at which another process was */
} mturk_bill;
/* Without asking anybody. */
int mturk_plan(mturk *m, const mturk_post_options *o, mturk_bill *out, error *err);
/* Post until done, highest priority first. On failure *out tells what was done before. */
int mturk_post(mturk *m, const mturk_post_options *o, int64_t now, mturk_bill *out,
               error *err);

/* ---- Collecting ---- */

typedef struct mturk_harvest {
    size_t listed;   /* assignments that are new to us */
    size_t recorded; /* ratings that the crowd took */
    size_t late;     /* took, though task or crowd were closed or full */
    size_t unusable; /* without a usable answer; paid all the same */
    size_t conflict; /* of a worker who had answered the task otherwise before */
    size_t closed;   /* HITs that can bring no more */
} mturk_harvest;
int mturk_collect(mturk *m, int64_t now, mturk_harvest *out, error *err);

/* ---- Paying ---- */

/* Whom not to pay. A worker is paid whatever he answered, unless somebody asks for one
 * of these by name. */
typedef enum reject_rule {
    REJECT_NOBODY,
    REJECT_UNUSABLE, /* no usable answer in the form */
    REJECT_EXCLUDED, /* workers who fail the crowd's rules */
    N_REJECT_RULES
} reject_rule;

typedef struct mturk_payroll {
    size_t paid, rejected;
    int64_t reward_cents, fee_cents; /* of those paid now */
    size_t elsewhere;                /* paid or rejected by Amazon or on its site */
} mturk_payroll;
/* `feedback` is what a rejected worker reads; needed unless nobody is rejected. What
 * Amazon refuses to settle is told (E_EXTERNAL) when all others are settled. */
int mturk_pay(mturk *m, reject_rule rule, const char *feedback, mturk_payroll *out,
              error *err);

/* ---- Ending ---- */

/* Withdraw all open HITs: who has accepted one may finish it. */
int mturk_expire(mturk *m, int64_t now, size_t *n, error *err);
/* Delete, at Amazon, the HITs that are closed and settled; the books keep them. */
int mturk_delete(mturk *m, size_t *n, error *err);
int mturk_balance(mturk *m, int64_t *available_cents, int64_t *on_hold_cents, error *err);

#endif

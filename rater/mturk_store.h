/* Mechanical Turk's books: tables mturk_* of a run's SQLite file. Whatever is about to be
 * asked of Amazon is written here before, and what came of it after, so that a process
 * that was killed in between is understood by the next one.
 *
 * A store is of one place (sandbox or production): each has its own HITs, money and cap.
 * Each function is one transaction; any number of processes may work at once. Rows that
 * come out are new. One thread per store. */
#ifndef LAMARCK_RATER_MTURK_STORE_H
#define LAMARCK_RATER_MTURK_STORE_H

#include "mturk_api.h"

typedef struct mturk_store mturk_store;

/* The SQLite file `path` must exist; the tables are made if they are not there. */
int mturk_store_open(mturk_store **out, const char *path, mturk_place place, error *err);
void mturk_store_close(mturk_store *s);

/* ---- Money ---- */

/* What Amazon takes for one assignment beside the reward: 20 % of it, 20 % more when a
 * HIT has 10 or more assignments, 5 % more for workers with the Masters qualification, at
 * least 1 cent (https://requester.mturk.com/pricing). Rounded up, where Amazon rounds to
 * the nearest cent: a cap must hold whatever the rounding. */
int64_t mturk_fee_cents(int64_t reward_cents, size_t assignments, bool masters);

typedef struct mturk_money {
    int64_t cap_cents;       /* -1: none is set */
    int64_t committed_cents; /* paid, owed, or promised to whoever answers: never above
                                the cap */
    int64_t rewards_cents, fees_cents; /* of the assignments that are paid */
    int64_t rejected_cents; /* reward and fee of those that were rejected: not paid */
} mturk_money;
int mturk_store_money(mturk_store *s, mturk_money *out, error *err);
/* E_LIMIT when more than that is committed already. */
int mturk_store_set_cap(mturk_store *s, int64_t cents, error *err);

/* ---- HITs ---- */

typedef enum hit_state {
    HIT_SENDING, /* about to be asked for; whether it exists is not known */
    HIT_OPEN,
    HIT_REFUSED, /* Amazon did not make it */
    HIT_CLOSED,  /* no further answer can come, all are here */
    HIT_DELETED,
    N_HIT_STATES
} hit_state;

typedef struct hit_row {
    char token[SHA256_HEX]; /* UniqueRequestToken */
    char task[SHA256_HEX];
    char id[MTURK_ID]; /* Amazon's; "" until it is open */
    hit_state state;
    size_t assignments;
    int64_t reward_cents, fee_cents; /* of one assignment */
    char *request;                   /* CreateHIT's input, as it was first sent */
    char *why;                       /* of a refusal; "" */
} hit_row;
void hit_rows_free(hit_row *rows, size_t n);
int mturk_store_hits(mturk_store *s, hit_state state, hit_row **out, size_t *n,
                     error *err);

/* How a task stands here. What is read before the crowd is asked how many ratings are
 * missing, and is still true when a HIT is reserved, guards against asking twice. */
typedef struct task_view {
    char task[SHA256_HEX];
    size_t in_flight; /* answers that HITs sent or open may still bring */
    size_t handled;   /* answers that the crowd has */
    size_t batches;   /* HITs ever reserved */
} task_view;
/* All tasks that ever had a HIT, sorted by task; *out new. */
int mturk_store_views(mturk_store *s, task_view **out, size_t *n, error *err);

/* The token of the next HIT of a task: a hash of this file, the place, the task and the
 * number of HITs that it had. */
int mturk_store_token(mturk_store *s, const char *task, size_t batches,
                      char token[SHA256_HEX], error *err);

typedef enum reserve_result {
    RESERVED,         /* the HIT is to be sent now */
    RESERVE_CHANGED,  /* somebody else was at the task: look again */
    RESERVE_OVER_CAP, /* would pass the cap, or there is none */
} reserve_result;
/* Write down that the HIT will be asked for, its money committed. Returns a
 * reserve_result. */
int mturk_store_reserve(mturk_store *s, const hit_row *hit, const task_view *view,
                        int64_t now, error *err);

/* 1: its fate is not known; 0: it is, or there is no such HIT. */
int mturk_store_is_sending(mturk_store *s, const char *token, error *err);
/* What came of it. A HIT that was found is never refused afterwards. */
int mturk_store_opened(mturk_store *s, const char *token, const char *id, error *err);
int mturk_store_refused(mturk_store *s, const char *token, const char *why, error *err);
/* No further answers: what nobody answered is not owed any more. */
int mturk_store_closed(mturk_store *s, const char *token, error *err);
int mturk_store_deleted(mturk_store *s, const char *token, error *err);

/* ---- Assignments ---- */

typedef enum payment_state {
    PAYMENT_DUE,
    PAYMENT_PAYING, /* approval is being asked for */
    PAYMENT_PAID,
    PAYMENT_REJECTING,
    PAYMENT_REJECTED,
    N_PAYMENT_STATES
} payment_state;

typedef struct work_row {
    char id[MTURK_ID], worker[MTURK_ID];
    char token[SHA256_HEX]; /* of the HIT */
    char task[SHA256_HEX], hit[MTURK_ID];
    char *answer;      /* XML */
    double seconds;    /* from accepting to submitting; NaN */
    char *crowd_token; /* of the crowd's assignment; "" until there is one */
    char *rating;      /* "new", then how the crowd took it: "recorded", "late", "same" or
                          "unusable: …" */
    payment_state payment;
    int64_t reward_cents, fee_cents;
} work_row;
void work_rows_free(work_row *rows, size_t n);

/* Those with rating "new" / whose payment is DUE, PAYING or REJECTING and whose rating is
 * not "new". */
int mturk_store_new(mturk_store *s, work_row **out, size_t *n, error *err);
int mturk_store_due(mturk_store *s, work_row **out, size_t *n, error *err);

/* All that Amazon lists for a HIT, in one transaction: new ones are added, payments that
 * were made elsewhere (automatic approval, the web site) taken over. *n_new are new. */
typedef struct listed_assignment {
    char id[MTURK_ID], worker[MTURK_ID], status[MTURK_STATUS];
    char *answer;
    double seconds;
} listed_assignment;
int mturk_store_put_listed(mturk_store *s, const char *hit_token,
                           const listed_assignment *listed, size_t n, size_t *n_new,
                           error *err);
int mturk_store_assigned(mturk_store *s, const char *id, const char *crowd_token,
                         error *err);
int mturk_store_rated(mturk_store *s, const char *id, const char *rating, error *err);
int mturk_store_payment(mturk_store *s, const char *id, payment_state payment,
                        error *err);

typedef struct mturk_counts {
    size_t hits[N_HIT_STATES], payments[N_PAYMENT_STATES];
    size_t assignments, unusable, unrated, workers;
    size_t elsewhere; /* HITs of this file at the other place */
} mturk_counts;
int mturk_store_count(mturk_store *s, mturk_counts *out, error *err);

#endif

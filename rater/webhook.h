/* Outgoing webhooks: every task that wants answers is told once to an endpoint, and so is
 * the end of every task that it was told of, table webhook_delivery of the run's SQLite
 * file. A delivery is written down before it is sent
 * and again after, so that a process killed in between sends it again under the same key:
 * at least once, and never twice for a receiver that keeps keys.
 *
 * Of an endpoint only a hash and its origin (scheme, host, port) are kept: paths of
 * webhooks are often secrets.
 *
 * Times are milliseconds since 1970, handed in. One thread per webhook; any number of
 * processes. */
#ifndef LAMARCK_RATER_WEBHOOK_H
#define LAMARCK_RATER_WEBHOOK_H

#include "crowd.h"

typedef struct webhook webhook;

/* The SQLite file `path` must exist. `url`: the endpoint; NULL: nothing is to be sent.
 * E_ARGUMENT for a URL that is none. */
int webhook_open(webhook **out, const char *path, const char *url, error *err);
void webhook_close(webhook *w);

/* Write down deliveries for the tasks that want answers and have none: those that are
 * new, and those of which more ratings are wanted than they were told of. And for those
 * that the endpoint may know of, and that want no answers any more. */
int webhook_enqueue(webhook *w, int64_t now_ms, size_t *n, error *err);

enum { WEBHOOK_KEY = 65 };
typedef struct webhook_job {
    int64_t id;
    char key[WEBHOOK_KEY]; /* Idempotency-Key, the same for every try */
    char task[SHA256_HEX];
    size_t wanted;   /* ratings, of a task that ended as well */
    bool ended;      /* no answers are wanted any more */
    size_t tries;    /* this one included */
    int64_t made_ms; /* when it was written down */
} webhook_job;

/* The next one that is due: 1, or 0. For hold_ms it is nobody else's, even should this
 * process be killed. */
int webhook_claim(webhook *w, int64_t now_ms, int64_t hold_ms, webhook_job *out,
                  error *err);
/* What is sent for it, appended as JSON: outputs in an order that only the key decides.
 * 1, or 0 when that is not so any more: no answers are wanted, or again. `answer_url`:
 * where ratings go; NULL. */
int webhook_body(webhook *w, const webhook_job *j, const char *answer_url, text *out,
                 error *err);

typedef enum webhook_state {
    WEBHOOK_WAITING,
    WEBHOOK_DELIVERED,
    WEBHOOK_DEAD,     /* given up after the stated number of tries */
    WEBHOOK_NEEDLESS, /* its task was done or closed, or open again, before it was told */
    N_WEBHOOK_STATES
} webhook_state;
extern const char *const webhook_state_names[N_WEBHOOK_STATES];

/* What came of a try. WEBHOOK_WAITING: again at due_ms. `status`: of HTTP, 0 without an
 * answer; `problem`: what is told of it. */
int webhook_settle(webhook *w, const webhook_job *j, webhook_state state, int64_t due_ms,
                   long status, const char *problem, error *err);
/* When the next one is due; INT64_MAX when none waits. */
int webhook_next_due(webhook *w, int64_t *due_ms, error *err);
/* Dead ones of this endpoint wait again, with all their tries. */
int webhook_revive(webhook *w, int64_t now_ms, size_t *n, error *err);

/* How the deliveries of an endpoint stand. */
typedef struct webhook_status {
    char *origin;
    size_t n[N_WEBHOOK_STATES];
    size_t tries;  /* of all */
    char *problem; /* of the latest delivery that is waiting or dead; "" */
} webhook_status;
/* Of all endpoints, *out new. A file without webhooks has none, and is left as it is. */
int webhook_statuses(const char *path, webhook_status **out, size_t *n, error *err);
void webhook_statuses_free(webhook_status *s, size_t n);

#endif

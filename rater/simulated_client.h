/* A simulated crowd at the API of a running server: every rater keeps a connection of his
 * own, asks for a task, takes his time, answers, and asks again, all at once.
 *
 * A server may be killed at any time: what got no answer is sent again until the patience
 * ends, a rating under the same Idempotency-Key. What a rater says depends on the seed,
 * on who he is and on the task as it is shown to him, never on when he comes; which task
 * that is, the server decides.
 *
 * One thread; options are borrowed for the call. */
#ifndef LAMARCK_RATER_SIMULATED_CLIENT_H
#define LAMARCK_RATER_SIMULATED_CLIENT_H

#include "client_report.h"
#include "simulate.h"

/* A rating that the server says it has. */
typedef struct client_rating {
    const char *key;        /* Idempotency-Key */
    const char *assignment; /* token */
    const char *task;
    const char *result; /* "recorded", "same", "late" */
    int64_t rater;
    int answer; /* as in a submission */
} client_rating;

typedef struct client_options {
    const char *url; /* of the server, without a slash at the end */
    const char *api_key;
    taste taste;
    uint64_t seed;
    size_t n_raters;         /* 1 to CLIENT_RATERS_MOST */
    size_t n_ratings;        /* stop after so many; 0: when nothing is left */
    double speed;            /* simulated seconds that pass in one; 0: nobody thinks */
    double patience_seconds; /* that the server may be away */
    double wait_seconds;     /* for new tasks, before a rater leaves */
    /* Called for each rating that the server has; a failure ends the work. NULL: none. */
    int (*acknowledged)(void *context, const client_rating *r, error *err);
    void *context;
    const volatile int *interrupt; /* not 0: stop; NULL: nobody does */
} client_options;
enum { CLIENT_RATERS_MOST = 800 }; /* the server has connections for 900 */

/* E_EXTERNAL when the server is away for longer than the patience, or says something that
 * makes no sense, E_ARGUMENT when it refuses the key, E_INTERRUPTED. *out is filled in
 * every case. */
int simulated_client_run(const client_options *o, client_report *out, error *err);

#endif

/* The Mechanical Turk requester API (2017-01-17): signed calls in AWS JSON 1.1, what is
 * read out of the answers, and what a refusal means.
 *
 * Knows nothing of runs, tasks or money: that is mturk.h. Keys are borrowed and appear in
 * no error. One thread per mturk_api; strings in results are owned by them. */
#ifndef LAMARCK_RATER_MTURK_API_H
#define LAMARCK_RATER_MTURK_API_H

#include "../model/base.h"
#include "aws_credentials.h"

#include <jansson.h>

typedef enum mturk_place { MTURK_SANDBOX, MTURK_PRODUCTION, N_MTURK_PLACES } mturk_place;
extern const char *const mturk_place_names[N_MTURK_PLACES]; /* "sandbox", "production" */
/* Where a place is unless somebody says otherwise. */
extern const char *const mturk_endpoints[N_MTURK_PLACES];

typedef struct mturk_api_options {
    const char *endpoint;                /* URL */
    const char *region;                  /* NULL: "us-east-1", the only one */
    const aws_credentials *credentials;  /* borrowed as long as the mturk_api lives */
    size_t max_tries;                    /* of one call; 0: 10 */
    int64_t first_wait_ms, most_wait_ms; /* between tries; 0: 100 and 20,000 */
    long total_ms;                       /* of one try; 0: 60,000 */
    const volatile int *interrupt;       /* NULL: nobody stops it */
} mturk_api_options;

typedef struct mturk_api mturk_api;

int mturk_api_open(mturk_api **out, const mturk_api_options *o, error *err);
void mturk_api_close(mturk_api *a);

/* How a call failed. */
typedef enum mturk_outcome {
    MTURK_DONE,
    MTURK_REFUSED, /* Amazon said no and did nothing */
    MTURK_UNKNOWN, /* it may have been done: the connection was lost, or Amazon failed */
} mturk_outcome;

typedef struct mturk_fault {
    mturk_outcome outcome;
    char type[64];     /* "RequestError", "ThrottlingException", … */
    char code[96];     /* TurkErrorCode: "AWS.MechanicalTurk.…", or "" */
    char message[400]; /* Amazon's, without control characters and keys */
} mturk_fault;

/* One call, tried again while it is throttled, the connection drops or Amazon fails.
 * *output (NULL allowed) is new. E_EXTERNAL names the operation, what Amazon said, and
 * what to check. *fault (NULL allowed) is always filled. */
int mturk_call(mturk_api *a, const char *operation, const json_t *input, json_t **output,
               mturk_fault *fault, error *err);

/* ---- What answers hold ---- */

enum { MTURK_ID = 65, MTURK_ANNOTATION = 256, MTURK_STATUS = 16 };

typedef struct mturk_hit {
    char id[MTURK_ID];
    char annotation[MTURK_ANNOTATION];
    char status[MTURK_STATUS]; /* "Assignable", "Unassignable", "Reviewable", … */
    size_t pending;            /* assignments that somebody has accepted */
} mturk_hit;

typedef struct mturk_assignment {
    char id[MTURK_ID], worker[MTURK_ID], hit[MTURK_ID];
    char status[MTURK_STATUS];  /* "Submitted", "Approved", "Rejected" */
    double accepted, submitted; /* seconds since 1970; NaN: not told */
    const char *answer;         /* XML; borrowed from the JSON value */
} mturk_assignment;

/* Read one HIT, one Assignment. E_FORMAT names the field. */
int mturk_read_hit(const json_t *value, mturk_hit *out, error *err);
int mturk_read_assignment(const json_t *value, mturk_assignment *out, error *err);
/* "12.34" (dollars, at most two decimals) as cents. */
int mturk_read_money(const char *s, int64_t *cents, error *err);

/* ---- Calls ---- */

/* The request is CreateHIT's input. A HIT that the request's UniqueRequestToken made
 * before is a success, too: it is found by its id or by the request's annotation. */
int mturk_create_hit(mturk_api *a, const json_t *request, mturk_hit *out,
                     mturk_fault *fault, error *err);
/* 1, or 0 when Amazon knows no such HIT. */
int mturk_get_hit(mturk_api *a, const char *id, mturk_hit *out, error *err);

/* Call `each` for every one of all pages; a negative value of it ends the walk and is
 * returned. */
int mturk_each_hit(mturk_api *a,
                   int (*each)(void *context, const mturk_hit *hit, error *err),
                   void *context, error *err);
int mturk_each_assignment(mturk_api *a, const char *hit,
                          int (*each)(void *context, const mturk_assignment *x,
                                      error *err),
                          void *context, error *err);

int mturk_approve_assignment(mturk_api *a, const char *id, mturk_fault *fault,
                             error *err);
int mturk_reject_assignment(mturk_api *a, const char *id, const char *feedback,
                            mturk_fault *fault, error *err);
/* Nobody can accept the HIT from time `at` (seconds since 1970) on. */
int mturk_expire_hit(mturk_api *a, const char *id, int64_t at, mturk_fault *fault,
                     error *err);
int mturk_delete_hit(mturk_api *a, const char *id, mturk_fault *fault, error *err);
/* *on_hold_cents is -1 where Amazon does not tell it. */
int mturk_account_balance(mturk_api *a, int64_t *available_cents, int64_t *on_hold_cents,
                          error *err);

#endif

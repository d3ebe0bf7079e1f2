/* Sending what the queue of webhooks holds: one request after another, each limited in
 * time, signed, tried again after growing pauses, and given up after so many tries. It
 * runs in a process of its own (lamarck rate hook), so that an endpoint that hangs keeps
 * nobody waiting but itself. */
#ifndef LAMARCK_RATER_WEBHOOK_SEND_H
#define LAMARCK_RATER_WEBHOOK_SEND_H

#include "webhook.h"

typedef struct webhook_sender {
    const char *url, *secret;
    const char *answer_url;    /* told with each task; NULL: not */
    size_t max_tries;          /* at least 1 */
    int64_t first_ms, most_ms; /* try i + 1 waits between half and all of first * 2^i, at
                                  random, and no longer than most; at least what the
                                  endpoint asks for with Retry-After */
    long timeout_ms;           /* of one request */
    const volatile int *interrupt; /* not 0: stop; NULL: nobody does */
    /* Called with one line for every failed try; NULL: nobody listens. */
    void (*tell)(void *context, const char *line);
    void *context;
} webhook_sender;

typedef struct webhook_sent {
    size_t delivered, failed, dead, needless; /* failed: tries that will be repeated */
} webhook_sent;

/* Send all that is due now, adding to *out. E_INTERRUPTED: what was under way is sent
 * again later. Failures of the endpoint are no errors. */
int webhook_send_due(webhook *w, const webhook_sender *s, webhook_sent *out, error *err);

/* Milliseconds since 1970. */
int64_t webhook_now_ms(void);

#endif

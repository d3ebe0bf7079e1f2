/* What a simulated crowd did at a server, and how long it had to wait for that. */
#ifndef LAMARCK_RATER_CLIENT_REPORT_H
#define LAMARCK_RATER_CLIENT_REPORT_H

#include "simulate.h"

/* How long requests took that were answered when they were sent first, in seconds. */
typedef struct client_latency {
    double *seconds;
    size_t n, capacity;
} client_latency;

typedef struct client_report {
    size_t recorded, late, same;             /* by what the server said of a rating */
    size_t nothing, limit, excluded, closed; /* raters, by why they left */
    size_t retries;                          /* requests that had to be sent again */
    size_t by_manner[N_RATER_MANNERS];       /* ratings */
    client_latency asking, answering; /* GET next, POST ratings; sorted in the end */
    double seconds;
} client_report;

int client_latency_add(client_latency *l, double seconds, error *err);
void client_report_sort(client_report *r);
/* Of sorted ones, the smallest that is not below a share q of them; NaN without any. */
double client_quantile(const client_latency *l, double q);
void client_report_free(client_report *r); /* what it owns */

#endif

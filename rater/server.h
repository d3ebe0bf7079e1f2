/* The server of a rating page and its API: libmicrohttpd in front of a crowd.
 *
 * Threads: one (poll) reads and writes all connections, one works on the crowd. The
 * second takes all requests that wait, answers them in one transaction, and lets the
 * first send the answers once it is durable: so a disk that needs 5 ms to be sure serves
 * hundreds of answers a second, no two connections of ours ever wait for each other's
 * lock, and whoever came first is served first. A request that fails is done again by
 * itself, so that it takes nobody along.
 *
 * Nothing is lost by a kill, nor by a power cut as far as the disk keeps what fdatasync
 * promised: a client that has seen its answer has it on the disk. */
#ifndef LAMARCK_RATER_SERVER_H
#define LAMARCK_RATER_SERVER_H

#include "../model/base.h"

typedef struct server server;

typedef struct server_options {
    const char *database;   /* the SQLite file of the run */
    const char *host;       /* a numeric address */
    size_t port;            /* 0: any that is free */
    bool beyond_loopback;   /* host may be an address that others can reach */
    const char *public_url; /* NULL: the address; how a proxy is called */
    const char *certificate, *secret_key; /* PEM texts; NULL: plain HTTP */
    const char *api_key;                  /* NULL: no API */
    const char *webhook_secret;           /* NULL: no webhook comes in */
    bool open;                            /* whoever comes may rate */
    bool mturk;                           /* pages for Mechanical Turk, in its frames */
    double rater_per_minute, address_per_minute; /* requests; 0: no limit */
    double patience_seconds; /* a client may take to bring a request, or take an answer */
    void (*log)(void *context, const char *line); /* failures that are not the client's;
                                                     from any thread */
    void *log_context;
} server_options;

/* Listens when it returns. What the options point to must outlive the server. E_ARGUMENT
 * for an address that is not loopback without beyond_loopback; E_IO when the port is
 * taken. */
int server_start(server **out, const server_options *o, error *err);
/* How it is reached, without a slash at the end. Borrowed. */
const char *server_url(const server *s);
/* Takes no more connections, answers what waits, ends. NULL allowed. */
void server_stop(server *s);

#endif

/* Inside the server. Only server*.c include this. */
#ifndef LAMARCK_RATER_SERVER_PARTS_H
#define LAMARCK_RATER_SERVER_PARTS_H

#include "limiter.h"
#include "routes.h"
#include "server.h"

#include <pthread.h>

#include <microhttpd.h>

/* A connection, for as long as it lives: what a slow client is caught by. */
typedef struct visit {
    struct visit *next, *previous;
    int fd;
    double since; /* we wait for the client */
    bool ours;    /* he waits for us */
} visit;

typedef enum exchange_state {
    EXCHANGE_NEW,     /* headers are being read */
    EXCHANGE_BODY,    /* a body may follow */
    EXCHANGE_WAITING, /* for the crowd's thread */
    EXCHANGE_DONE     /* the response is there */
} exchange_state;

/* A request on its way through the server. */
typedef struct exchange {
    server *server;
    struct MHD_Connection *connection;
    exchange_state state;
    const route *route;
    request q;
    response r;
    char *target;  /* as it came */
    bool settled;  /* the response is known; what is left of the body is thrown away */
    size_t thrown; /* bytes of the body that were */
    struct exchange *next; /* in the queue */
} exchange;

struct server {
    server_options options;
    site site;
    text origin, base;
    crowd *crowd;  /* the crowd's thread alone */
    int listening; /* -1: not yet */
    unsigned port;
    struct MHD_Daemon *daemon;
    limiter *raters, *addresses; /* the connections' thread alone */
    pthread_t worker;
    bool working; /* the thread is there */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t came;  /* something for the worker */
    pthread_cond_t left;  /* an exchange has ended */
    exchange *first, **last;
    bool stopping;
    size_t n_exchanges;
    visit *visits;
};

/* Fill x->r with a page or problem document; when even that fails, an empty 500. */
void exchange_problem(exchange *x, int status, const char *detail);
/* Call the route's handler, outside of any transaction. */
int exchange_handle(exchange *x, error *err);
void server_log(const server *s, const char *line);

/* server_connection.c: what libmicrohttpd calls. */
void *server_on_target(void *context, const char *target, struct MHD_Connection *c);
enum MHD_Result server_on_request(void *context, struct MHD_Connection *c,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **state);
void server_on_completed(void *context, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode code);
void server_on_connection(void *context, struct MHD_Connection *c, void **visitor,
                          enum MHD_ConnectionNotificationCode code);

/* server_send.c: queue x->r. */
enum MHD_Result server_send(exchange *x);

/* server_worker.c: the crowd's thread. */
void *server_work(void *context);
/* Hand x over to it, its connection suspended; false when it ends. */
bool server_enqueue(exchange *x);

#endif

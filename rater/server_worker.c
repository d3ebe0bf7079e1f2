/* The crowd's thread: takes what waits, answers it in one transaction. */
#include "server_parts.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH_MOST = 128 };

bool server_enqueue(exchange *x)
{
    server *s = x->server;
    pthread_mutex_lock(&s->lock);
    bool taken = !s->stopping;
    if (taken) {
        x->next = NULL;
        *s->last = x;
        s->last = &x->next;
        pthread_cond_signal(&s->came);
    }
    pthread_mutex_unlock(&s->lock);
    return taken;
}

/* Close connections whose clients let us wait for too long. */
static void drop_slow(server *s)
{
    double now = clock_seconds();
    for (visit *v = s->visits; v; v = v->next)
        if (!v->ours && now - v->since > s->options.patience_seconds)
            shutdown(v->fd, SHUT_RDWR); /* libmicrohttpd closes it */
}

static void wait_a_second(server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_cond_timedwait(&s->came, &s->lock, &until);
}

/* What waits, at most a batch of it, in the order of coming; 0 when the server ends. */
static size_t take_batch(server *s, exchange *batch[BATCH_MOST])
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->stopping) {
        wait_a_second(s);
        drop_slow(s);
    }
    for (; s->first && n < BATCH_MOST; n++) {
        batch[n] = s->first;
        s->first = s->first->next;
    }
    if (!s->first)
        s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void tell_failure(exchange *x, int rc, const error *err)
{
    int status = route_status(rc);
    if (status >= 500)
        server_log(x->server, err->text);
    /* What went wrong inside is for the log, not for whoever is there. */
    exchange_problem(x, status,
                     status == 500   ? "Something went wrong here."
                     : status == 503 ? "The run is busy."
                                     : err->text);
}

/* One request, in a transaction of its own or in none. */
static void answer_alone(exchange *x)
{
    crowd *c = x->server->crowd;
    error err = {0};
    bool outside = x->route->flags & ROUTE_OUTSIDE;
    int rc = outside ? exchange_handle(x, &err) : crowd_begin(c, &err);
    if (rc == 0 && !outside) {
        rc = exchange_handle(x, &err);
        if (rc >= 0 && !x->r.discard)
            rc = crowd_commit(c, &err);
        if (rc < 0 || x->r.discard)
            crowd_rollback(c);
    }
    if (rc < 0)
        tell_failure(x, rc, &err);
}

/* All of them in one transaction: 0, or a failure after which nothing was done. */
static int answer_together(crowd *c, exchange **batch, size_t n)
{
    error err = {0};
    int rc = crowd_begin(c, &err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = exchange_handle(batch[i], &err);
    if (rc >= 0)
        rc = crowd_commit(c, &err);
    if (rc < 0)
        crowd_rollback(c);
    return rc;
}

static void answer_run(server *s, exchange **batch, size_t n)
{
    if (n > 1 && answer_together(s->crowd, batch, n) >= 0)
        return;
    for (size_t i = 0; i < n; i++)
        answer_alone(batch[i]);
}

/* Runs of requests that may share a transaction, and the others by themselves. */
static void answer_batch(server *s, exchange **batch, size_t n)
{
    size_t begin = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(batch[i]->route->flags & (ROUTE_ALONE | ROUTE_OUTSIDE)))
            continue;
        answer_run(s, batch + begin, i - begin);
        answer_alone(batch[i]);
        begin = i + 1;
    }
    answer_run(s, batch + begin, n - begin);
}

void *server_work(void *context)
{
    server *s = context;
    exchange *batch[BATCH_MOST];
    for (size_t n; (n = take_batch(s, batch)) > 0;) {
        answer_batch(s, batch, n);
        for (size_t i = 0; i < n; i++) {
            batch[i]->state = EXCHANGE_DONE;
            MHD_resume_connection(batch[i]->connection);
        }
    }
    return NULL;
}

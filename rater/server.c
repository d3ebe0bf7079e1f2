#include "server_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/rand.h>

enum {
    CONNECTIONS_MOST = 900, /* below the usual limit of 1024 files */
    BACKLOG = 511,
    GRACE_SECONDS = 3,  /* for answers on their way when the server ends */
    BURST_SECONDS = 20, /* of the average rate may come at once */
};

void server_log(const server *s, const char *line)
{
    if (s->options.log)
        s->options.log(s->options.log_context, line);
}

void exchange_problem(exchange *x, int status, const char *detail)
{
    const route *to = x->route;
    bool api = (to && to->flags & ROUTE_API) || (x->q.path && route_is_api(x->q.path));
    bool framed = to && to->flags & ROUTE_MTURK;
    if (route_problem(&x->server->site, &x->q, api, status, detail, &x->r, NULL) < 0) {
        response_clear(&x->r);
        x->r.status = 500;
    }
    x->r.framed = framed;
}

int exchange_handle(exchange *x, error *err)
{
    response_clear(&x->r);
    return x->route->handle(&x->server->site, x->server->crowd, &x->q, &x->r, err);
}

/* ---- Addresses ---- */

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static int read_address(const server_options *o, address *a, socklen_t *n, error *err)
{
    if (o->port > 65535)
        return error_set(err, E_ARGUMENT, "there is no port %zu, the limit is 65535",
                         o->port);
    bool loopback;
    if (inet_pton(AF_INET, o->host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons((uint16_t)o->port);
        *n = sizeof a->v4;
        loopback = ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    } else if (inet_pton(AF_INET6, o->host, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons((uint16_t)o->port);
        *n = sizeof a->v6;
        loopback = IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    } else {
        return error_set(err, E_ARGUMENT,
                         "'%s' is not a numeric address like 127.0.0.1 or ::1", o->host);
    }
    if (!loopback && !o->beyond_loopback)
        return error_set(err, E_ARGUMENT,
                         "%s can be reached by others: that needs --public", o->host);
    return 0;
}

/* Bind and listen; s->port is what it got. */
static int open_socket(server *s, error *err)
{
    const server_options *o = &s->options;
    address a = {0};
    socklen_t n = 0;
    TRY(read_address(o, &a, &n, err));
    int on = 1;
    s->listening = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listening < 0 ||
        setsockopt(s->listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(s->listening, &a.any, n) < 0 || listen(s->listening, BACKLOG) < 0 ||
        getsockname(s->listening, &a.any, &n) < 0)
        return error_set(err, E_IO, "cannot listen on %s port %zu: %s", o->host, o->port,
                         strerror(errno));
    s->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return 0;
}

static int name_public(server *s, error *err)
{
    const char *url = s->options.public_url, *host = strstr(url, "://");
    size_t n = host ? strcspn(host + 3, "/") : 0;
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || n == 0 ||
        strpbrk(url, " \t\r\n?#\"'<>\\"))
        return error_set(err, E_ARGUMENT,
                         "'%s' is not an address like https://rate.example.org", url);
    TRY(text_add(&s->origin, url, (size_t)(host + 3 - url) + n, err));
    n = strlen(url);
    while (url[n - 1] == '/')
        n--;
    return text_add(&s->base, url, n, err);
}

/* Origin and base: of the proxy, or of the socket. */
static int name_site(server *s, error *err)
{
    const server_options *o = &s->options;
    if (o->public_url)
        return name_public(s, err);
    bool v6 = strchr(o->host, ':') != NULL;
    TRY(text_add_format(&s->origin, err, "%s://%s%s%s:%u",
                        o->certificate ? "https" : "http", v6 ? "[" : "", o->host,
                        v6 ? "]" : "", s->port));
    return text_add_string(&s->base, s->origin.s, err);
}

static void set_site(server *s)
{
    const server_options *o = &s->options;
    s->site = (site){
        .origin = text_string(&s->origin),
        .base = text_string(&s->base),
        .api_key = o->api_key,
        .webhook_secret = o->webhook_secret,
        .database = o->database,
        .open = o->open,
        .mturk = o->mturk,
        .secure = strncmp(text_string(&s->origin), "https", 5) == 0,
        .any_host = o->beyond_loopback && !o->public_url,
        .proxied = o->public_url != NULL,
    };
}

/* ---- Beginning and end ---- */

static int open_parts(server *s, error *err)
{
    const server_options *o = &s->options;
    uint64_t seed;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->came, &clock);
    pthread_cond_init(&s->left, &clock);
    pthread_condattr_destroy(&clock);
    s->last = &s->first;
    if (RAND_bytes((unsigned char *)&seed, sizeof seed) != 1)
        return error_set(err, E_EXTERNAL, "no random numbers for the server");
    TRY(limiter_new(&s->raters, o->rater_per_minute / 60,
                    o->rater_per_minute / 60 * BURST_SECONDS, seed, err));
    TRY(limiter_new(&s->addresses, o->address_per_minute / 60,
                    o->address_per_minute / 60 * BURST_SECONDS, seed + 1, err));
    return crowd_open(&s->crowd, o->database, err);
}

static int start_daemon(server *s, error *err)
{
    const server_options *o = &s->options;
    /* Not epoll: with exactly 128 connections ready, libmicrohttpd 0.9.75 waits for one
     * more, or for a timeout, before it looks at any. */
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    if (strchr(o->host, ':'))
        flags |= MHD_USE_IPv6;
    if (o->certificate)
        flags |= MHD_USE_TLS;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->secret_key},
        {MHD_OPTION_END, 0, NULL},
    };
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, server_on_request, s, MHD_OPTION_LISTEN_SOCKET,
        s->listening, MHD_OPTION_URI_LOG_CALLBACK, server_on_target, s,
        MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        server_on_connection, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(o->patience_seconds + 1),
        MHD_OPTION_ARRAY, o->certificate ? tls : tls + 2, MHD_OPTION_END);
    if (!s->daemon)
        return error_set(err, E_EXTERNAL, "libmicrohttpd cannot serve %s: %s",
                         s->origin.s,
                         o->certificate ? "certificate and key cannot be read, or do not "
                                          "belong together"
                                        : "it gives no reason");
    return 0;
}

/* The thread of the crowd first, so that whatever arrives is answered. */
static int start_threads(server *s, error *err)
{
    s->working = pthread_create(&s->worker, NULL, server_work, s) == 0;
    if (!s->working)
        return error_set(err, E_EXTERNAL, "cannot start the thread of the crowd");
    return start_daemon(s, err);
}

int server_start(server **out, const server_options *o, error *err)
{
    server *s = calloc(1, sizeof *s);
    if (!s)
        return error_memory(err, sizeof *s);
    s->options = *o;
    s->listening = -1;
    int rc = open_parts(s, err);
    if (rc == 0)
        rc = open_socket(s, err);
    if (rc == 0)
        rc = name_site(s, err);
    if (rc == 0) {
        set_site(s);
        rc = start_threads(s, err);
    }
    if (rc < 0)
        server_stop(s);
    else
        *out = s;
    return rc;
}

const char *server_url(const server *s)
{
    return text_string(&s->base);
}

/* Let answers reach their clients, for a while. */
static void wait_for_answers(server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GRACE_SECONDS;
    pthread_mutex_lock(&s->lock);
    while (s->n_exchanges &&
           pthread_cond_timedwait(&s->left, &s->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&s->lock);
}

static void stop_threads(server *s)
{
    if (s->daemon)
        MHD_quiesce_daemon(s->daemon);
    if (s->listening >= 0)
        close(s->listening);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->came);
    pthread_mutex_unlock(&s->lock);
    if (s->working) {
        pthread_join(s->worker, NULL);
        wait_for_answers(s);
    }
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
}

void server_stop(server *s)
{
    if (!s)
        return;
    stop_threads(s);
    crowd_close(s->crowd);
    limiter_free(s->raters);
    limiter_free(s->addresses);
    text_free(&s->origin);
    text_free(&s->base);
    pthread_cond_destroy(&s->came);
    pthread_cond_destroy(&s->left);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* What libmicrohttpd calls, on its own thread: a request is gathered, the cheap reasons
 * to refuse it are looked at before anything is spent on it, and the rest goes to the
 * crowd's thread. */
#include "server_parts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    TARGET_MOST = 2048,    /* bytes of path and query */
    THROWN_MOST = 4 << 20, /* bytes of a refused body that are still read, so that the
                              client gets to see why */
};

/* ---- Connections ---- */

void server_on_connection(void *context, struct MHD_Connection *c, void **visitor,
                          enum MHD_ConnectionNotificationCode code)
{
    server *s = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        visit *v = info ? calloc(1, sizeof *v) : NULL;
        *visitor = v;
        if (!v)
            return;
        v->fd = info->connect_fd;
        v->since = clock_seconds();
        pthread_mutex_lock(&s->lock);
        v->next = s->visits;
        if (v->next)
            v->next->previous = v;
        s->visits = v;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    visit *v = *visitor;
    if (!v)
        return;
    pthread_mutex_lock(&s->lock);
    *(v->previous ? &v->previous->next : &s->visits) = v->next;
    if (v->next)
        v->next->previous = v->previous;
    pthread_mutex_unlock(&s->lock);
    free(v);
    *visitor = NULL;
}

/* From now on we wait for the client, or he for us. */
static void set_turn(exchange *x, bool ours)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    visit *v = info ? info->socket_context : NULL;
    if (!v)
        return;
    pthread_mutex_lock(&x->server->lock);
    v->ours = ours;
    v->since = clock_seconds();
    pthread_mutex_unlock(&x->server->lock);
}

/* ---- Taking a request in ---- */

void *server_on_target(void *context, const char *target, struct MHD_Connection *c)
{
    server *s = context;
    exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    *x = (exchange){.server = s, .connection = c, .target = string_copy(target)};
    if (!x->target) {
        free(x);
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    s->n_exchanges++;
    pthread_mutex_unlock(&s->lock);
    return x;
}

void server_on_completed(void *context, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode code)
{
    server *s = context;
    exchange *x = *state;
    (void)c, (void)code;
    if (!x)
        return;
    set_turn(x, false);
    request_free(&x->q);
    response_free(&x->r);
    free(x->target);
    free(x);
    *state = NULL;
    pthread_mutex_lock(&s->lock);
    s->n_exchanges--;
    pthread_cond_signal(&s->left);
    pthread_mutex_unlock(&s->lock);
}

/* Keep the headers that we know; one that is there twice is nobody's. */
static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind,
                                   const char *name, const char *value)
{
    request *q = context;
    (void)kind;
    for (size_t i = 0; i < N_HEADERS; i++) {
        if (strcasecmp(name, http_header_names[i]) != 0)
            continue;
        bool twice = q->header[i] != NULL;
        free(q->header[i]);
        q->header[i] = twice ? string_copy("") : string_copy(value ? value : "");
    }
    return MHD_YES;
}

/* The peer's address; of IPv6 the network, since everybody there has 2^64 addresses. */
static void peer_address(const struct sockaddr *a, char out[ADDRESS_BYTES])
{
    snprintf(out, ADDRESS_BYTES, "unknown");
    if (a && a->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, out,
                  ADDRESS_BYTES);
    } else if (a && a->sa_family == AF_INET6) {
        struct in6_addr network =
            ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(&network) && !IN6_IS_ADDR_LOOPBACK(&network))
            memset(network.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &network, out, ADDRESS_BYTES);
    }
}

/* Behind a proxy on this machine: whom the proxy names last, which is whom it saw. */
static void forwarded_address(const site *s, request *q)
{
    const char *list = q->header[HEADER_FORWARDED_FOR];
    bool local = strncmp(q->address, "127.", 4) == 0 || strcmp(q->address, "::1") == 0;
    if (!s->proxied || !list || !local)
        return;
    const char *last = strrchr(list, ',');
    last = last ? last + 1 : list;
    last += strspn(last, " ");
    if (*last && strlen(last) < ADDRESS_BYTES)
        snprintf(q->address, ADDRESS_BYTES, "%s", last);
}

static void take_head(exchange *x, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    x->q.method = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? HTTP_GET
                  : strcmp(method, "POST") == 0                             ? HTTP_POST
                                                                            : HTTP_OTHER;
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, take_header, &x->q);
    peer_address(info ? info->client_addr : NULL, x->q.address);
    forwarded_address(&x->server->site, &x->q);
    x->q.now = (int64_t)time(NULL);
}

/* ---- Reasons to refuse ---- */

static void refuse(exchange *x, int status, const char *detail)
{
    x->settled = true;
    exchange_problem(x, status, detail);
}

/* The key of the API: true when it is right. */
static bool has_key(const exchange *x)
{
    static const char bearer[] = "Bearer ";
    const char *key = x->server->site.api_key;
    const char *given = x->q.header[HEADER_AUTHORIZATION];
    size_t n = strlen(bearer);
    return key && given && strncasecmp(given, bearer, n) == 0 &&
           guard_equal(given + n, key);
}

static bool too_often(exchange *x, limiter *l, const char *key)
{
    double wait = limiter_take(l, key, clock_seconds());
    if (!(wait > 0))
        return false;
    refuse(x, 429, "That was too fast.");
    x->r.retry_after = 1 + (unsigned)wait;
    return true;
}

static bool refused_route(exchange *x)
{
    const char *allow = NULL;
    x->route = route_find(&x->server->site, &x->q, &allow);
    if (x->route)
        return false;
    refuse(x, allow ? 405 : 404,
           allow ? "This address does not do that."
                 : "There is nothing at this address.");
    x->r.allow = allow;
    return true;
}

static bool refused_key(exchange *x)
{
    if (!(x->route->flags & ROUTE_API) || has_key(x))
        return false;
    if (x->server->site.api_key)
        refuse(x, 401, "the API wants the header 'Authorization: Bearer KEY'");
    else
        refuse(x, 404, "this server was started without a key, so its API is off");
    return true;
}

/* Two lengths: a proxy may go by the one that we do not, and take what follows for the
 * request of somebody else. */
static bool refused_lengths(exchange *x)
{
    if (!MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND,
                                     MHD_HTTP_HEADER_CONTENT_LENGTH) ||
        !MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND,
                                     MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return false;
    refuse(x, 400, "A body has a Content-Length or a Transfer-Encoding, not both.");
    x->r.close = true;
    return true;
}

static bool refused_size(exchange *x)
{
    const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long n = length ? strtoull(length, NULL, 10) : 0;
    if (n <= x->route->most_bytes)
        return false;
    refuse(x, 413, "That is more than fits here.");
    return true;
}

static void look(exchange *x)
{
    error err = {0};
    server *s = x->server;
    if (strlen(x->target) > TARGET_MOST) {
        refuse(x, 414, "This address is too long.");
        return;
    }
    if (refused_lengths(x))
        return;
    int rc = request_target(&x->q, x->target, &err);
    if (rc < 0) {
        refuse(x, route_status(rc), err.text);
        return;
    }
    bool trusted = route_is_api(x->q.path) && has_key(x);
    if (!guard_host(&s->site, &x->q))
        refuse(x, 421, "This server does not go by that name.");
    else if (!trusted && too_often(x, s->addresses, x->q.address))
        return;
    else if (refused_route(x) || refused_key(x))
        return;
    else if (x->route->flags & ROUTE_RATER && too_often(x, s->raters, x->q.parameter[0]))
        return;
    else if (x->route->flags & ROUTE_SCARCE && too_often(x, s->raters, x->q.address))
        return;
    else
        refused_size(x);
}

/* ---- The body, and the answer ---- */

static bool take_body(exchange *x, const char *bytes, size_t n)
{
    if (!x->settled && x->q.body.n + n > x->route->most_bytes)
        refuse(x, 413, "That is more than fits here.");
    if (!x->settled)
        return text_add(&x->q.body, bytes, n, NULL) == 0;
    x->thrown += n;
    return x->thrown <= THROWN_MOST;
}

static enum MHD_Result answer(exchange *x)
{
    x->state = EXCHANGE_DONE;
    set_turn(x, x->r.stream != NULL);
    return server_send(x);
}

static enum MHD_Result ask(exchange *x)
{
    error err = {0};
    if (x->settled)
        return answer(x);
    if (x->route->flags & ROUTE_STATIC) {
        if (exchange_handle(x, &err) < 0)
            exchange_problem(x, 500, "Something went wrong here.");
        return answer(x);
    }
    set_turn(x, true);
    x->state = EXCHANGE_WAITING;
    MHD_suspend_connection(x->connection);
    if (server_enqueue(x))
        return MHD_YES;
    exchange_problem(x, 503, "The server is going down.");
    x->state = EXCHANGE_DONE;
    MHD_resume_connection(x->connection);
    return MHD_YES;
}

enum MHD_Result server_on_request(void *context, struct MHD_Connection *c,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    exchange *x = *state;
    (void)context, (void)url, (void)version;
    if (!x)
        return MHD_NO;
    switch (x->state) {
    case EXCHANGE_NEW:
        x->connection = c;
        x->state = EXCHANGE_BODY;
        take_head(x, method);
        look(x);
        return MHD_YES;
    case EXCHANGE_BODY:
        if (*upload_size) {
            bool taken = take_body(x, upload, *upload_size);
            *upload_size = 0;
            return taken ? MHD_YES : MHD_NO;
        }
        return ask(x);
    case EXCHANGE_WAITING:
        return MHD_YES; /* not resumed yet */
    case EXCHANGE_DONE:
        return answer(x);
    }
    return MHD_NO;
}

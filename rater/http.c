#include "http.h"
#include "export_stream.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

const char *const http_header_names[N_HEADERS] = {
    [HEADER_HOST] = "Host",
    [HEADER_ORIGIN] = "Origin",
    [HEADER_FETCH_SITE] = "Sec-Fetch-Site",
    [HEADER_COOKIE] = "Cookie",
    [HEADER_CONTENT_TYPE] = "Content-Type",
    [HEADER_AUTHORIZATION] = "Authorization",
    [HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key",
    [HEADER_FORWARDED_FOR] = "X-Forwarded-For",
    [HEADER_SIGNATURE] = "Lamarck-Signature",
};

int request_target(request *q, const char *target, error *err)
{
    if (target[0] != '/')
        return error_set(err, E_FORMAT, "the path does not begin with a slash");
    q->target = string_copy(target);
    if (!q->target)
        return error_memory(err, strlen(target) + 1);
    char *query = strchr(q->target, '?');
    size_t n = query ? (size_t)(query - q->target) : strlen(q->target);
    if (query)
        TRY(form_parse(&q->query, query + 1, strlen(query + 1), err));
    TRY(form_unescape(q->target, n, false, &n, err));
    q->target[n] = '\0';
    q->path = q->target;
    return 0;
}

bool request_has_type(const request *q, const char *type)
{
    const char *header = q->header[HEADER_CONTENT_TYPE];
    size_t n = strlen(type);
    return header && strncasecmp(header, type, n) == 0 && strchr("; \t", header[n]);
}

int request_form(const request *q, form *out, error *err)
{
    if (!request_has_type(q, "application/x-www-form-urlencoded"))
        return error_set(err, E_UNSUPPORTED,
                         "the body must be application/x-www-form-urlencoded");
    return form_parse(out, text_string(&q->body), q->body.n, err);
}

void request_free(request *q)
{
    free(q->target);
    form_free(&q->query);
    text_free(&q->body);
    for (size_t i = 0; i < N_HEADERS; i++)
        free(q->header[i]);
    *q = (request){0};
}

void response_clear(response *r)
{
    export_close(r->stream);
    text body = r->body, location = r->location, cookie = r->cookie, to = r->form_to;
    text_clear(&body);
    text_clear(&location);
    text_clear(&cookie);
    text_clear(&to);
    *r = (response){
        .status = 200,
        .type = "text/html; charset=utf-8",
        .body = body,
        .location = location,
        .cookie = cookie,
        .form_to = to,
    };
}

void response_free(response *r)
{
    export_close(r->stream);
    text_free(&r->body);
    text_free(&r->location);
    text_free(&r->cookie);
    text_free(&r->form_to);
    *r = (response){0};
}

int response_redirect(response *r, const char *location, error *err)
{
    r->status = 303;
    return text_add_string(&r->location, location, err);
}

bool guard_same_site(const site *s, const request *q)
{
    const char *fetch_site = q->header[HEADER_FETCH_SITE];
    const char *origin = q->header[HEADER_ORIGIN], *host = q->header[HEADER_HOST];
    if (fetch_site && strcmp(fetch_site, "same-origin") != 0 &&
        strcmp(fetch_site, "none") != 0)
        return false;
    if (!origin || strcasecmp(origin, s->origin) == 0)
        return true;
    /* The same server by another of its names: localhost for 127.0.0.1. */
    size_t scheme = s->secure ? strlen("https://") : strlen("http://");
    return host && strncasecmp(origin, s->secure ? "https://" : "http://", scheme) == 0 &&
           strcasecmp(origin + scheme, host) == 0;
}

/* The length of the name in "name:port" or "[address]:port". */
static size_t host_length(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : strrchr(host, ':');
    if (end && host[0] == '[')
        return (size_t)(end + 1 - host);
    return end ? (size_t)(end - host) : strlen(host);
}

static bool same_name(const char *host, size_t n, const char *name, size_t n_name)
{
    return n == n_name && strncasecmp(host, name, n) == 0;
}

bool guard_host(const site *s, const request *q)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]", NULL};
    const char *host = q->header[HEADER_HOST];
    if (s->any_host)
        return true;
    if (!host)
        return false;
    size_t n = host_length(host);
    const char *ours = strstr(s->origin, "://") + strlen("://");
    if (same_name(host, n, ours, host_length(ours)))
        return true;
    for (size_t i = 0; loopback[i]; i++)
        if (same_name(host, n, loopback[i], strlen(loopback[i])))
            return true;
    return false;
}

bool guard_equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {303, "See Other"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

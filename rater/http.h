/* One request and its response, as the handlers see them: no sockets, no threads. What
 * turns bytes into them, and back, is server.c; which handler takes which is routes.c.
 *
 * A request owns its bytes; a response owns its text. */
#ifndef LAMARCK_RATER_HTTP_H
#define LAMARCK_RATER_HTTP_H

#include "crowd.h"
#include "form.h"

typedef enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER } http_method;

/* The headers that anything here depends on. */
typedef enum http_header {
    HEADER_HOST,
    HEADER_ORIGIN,
    HEADER_FETCH_SITE, /* Sec-Fetch-Site */
    HEADER_COOKIE,
    HEADER_CONTENT_TYPE,
    HEADER_AUTHORIZATION,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_FORWARDED_FOR, /* X-Forwarded-For */
    HEADER_SIGNATURE,     /* Lamarck-Signature */
    N_HEADERS
} http_header;
extern const char *const http_header_names[N_HEADERS];

enum { N_PARAMETERS = 2, PARAMETER_BYTES = 72, ADDRESS_BYTES = 64 };

typedef struct request {
    http_method method;
    char *target;     /* path and query as they came, cut and unescaped in place */
    const char *path; /* unescaped; into target */
    form query;
    char *header[N_HEADERS]; /* NULL: not there, or there twice */
    text body;
    char parameter[N_PARAMETERS][PARAMETER_BYTES]; /* of the route's path */
    char address[ADDRESS_BYTES];                   /* of the client */
    int64_t now;                                   /* seconds since 1970 */
} request;

/* Take the target apart. E_FORMAT, E_LIMIT for one that makes no sense. */
int request_target(request *q, const char *target, error *err);
/* Whether its Content-Type is this one, whatever the case and the parameters. */
bool request_has_type(const request *q, const char *type);
/* The body as a form. E_FORMAT when it is none, E_UNSUPPORTED when its Content-Type is
 * another. */
int request_form(const request *q, form *out, error *err);
void request_free(request *q);

typedef struct response {
    int status;
    const char *type; /* Content-Type */
    text body;
    text location; /* of a redirection */
    text cookie;   /* Set-Cookie */
    text form_to;  /* one more origin that a form of this page may be sent to */
    const char *allow;
    unsigned retry_after;         /* seconds; 0: not said */
    bool framed;                  /* Mechanical Turk may show it in a frame */
    bool lasting;                 /* the same for everybody, for a while */
    bool discard;                 /* what was written to the crowd for it must not stay */
    bool close;                   /* nothing more is heard on this connection */
    struct export_stream *stream; /* instead of the body; owned */
} response;
/* As new, memory kept. */
void response_clear(response *r);
void response_free(response *r);
/* 303 to a path of ours, relative to the request's. */
int response_redirect(response *r, const char *location, error *err);

/* What a server is told once. */
typedef struct site {
    const char *origin;  /* "http://127.0.0.1:8080", or what the proxy is called */
    const char *base;    /* origin and path under which the routes are, no slash at the
                            end */
    const char *api_key; /* NULL: no API */
    const char *webhook_secret; /* NULL: no webhook comes in */
    const char *database;       /* of the run */
    bool open;                  /* whoever comes may rate */
    bool mturk;                 /* the pages for Mechanical Turk are there */
    bool secure;                /* https */
    bool any_host;              /* the Host header is not held against a list */
    bool proxied;               /* X-Forwarded-For of a loopback peer is believed */
} site;

/* Whether a request that changes something comes from a page of ours: browsers say so in
 * Sec-Fetch-Site and Origin, programs in neither. */
bool guard_same_site(const site *s, const request *q);
/* Whether Host is a name that this server goes by. Against pages of others that point
 * their own name at a loopback address. */
bool guard_host(const site *s, const request *q);
/* Same time for any two texts of one length. */
bool guard_equal(const char *a, const char *b);

/* "Not Found" … */
const char *http_reason(int status);

#endif

/* What the program says to servers over HTTP: one exchange after another through libcurl,
 * repeated when it failed in a way that passes. Redirects are not followed, answers are
 * limited in size and time, and what a request may have set in motion although no answer
 * came is told.
 *
 * Nothing that is sent (bodies, keys, signatures) appears in errors. One thread per
 * client; requests are borrowed for the call, a response is owned by its caller. */
#ifndef LAMARCK_RATER_HTTP_CLIENT_H
#define LAMARCK_RATER_HTTP_CLIENT_H

#include "../model/base.h"

typedef struct http_client http_client;

int http_client_new(http_client **out, error *err);
void http_client_free(http_client *c);

/* AWS signature version 4, made by libcurl over all headers and the body. */
typedef struct http_signature {
    const char *scope; /* "aws:amz:REGION:SERVICE" */
    const char *key, *secret;
    const char *session_token; /* NULL: none */
} http_signature;

typedef struct http_request {
    const char *method;         /* NULL: "POST" */
    const char *url;            /* http or https */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *body;
    size_t n_body;
    long connect_ms, total_ms;       /* of one try; 0: 10 s and 60 s */
    size_t max_bytes;                /* of the answer's body; 0: 1 MiB */
    const http_signature *signature; /* NULL: not signed */
    const volatile int *interrupt;   /* not 0: stop; NULL: nobody does */
} http_request;

typedef struct http_response {
    long status; /* 0: no answer came */
    text body;
    int64_t date;           /* of the server, seconds since 1970; -1: not told */
    int64_t retry_after_ms; /* that the server asks for; -1: not told */
    char error_type[64]; /* as AWS may name what is wrong beside the body; "": not told */
    size_t n_tries;
    bool maybe_done; /* of some try it is not known whether the server acted on it: the
                        connection was lost after something was sent, or a status 5xx */
} http_response;
void http_response_free(http_response *r);

/* When to try again, and how long to wait before: try i waits between half and all of
 * first_ms * 2^i, at random, but no longer than most_ms; at least what the server asks
 * for. */
typedef struct http_retry {
    size_t max_tries;
    int64_t first_ms, most_ms;
    bool (*wanted)(const http_response *r); /* NULL: http_is_passing */
} http_retry;

/* No answer, 408, 425, 429, or 500 and above but 501. */
bool http_is_passing(const http_response *r);

/* 0 when an answer came, whatever its status; *out is then the last one. E_EXTERNAL when
 * none did, E_LIMIT for an answer over max_bytes, E_INTERRUPTED. *out is filled in every
 * case. `retry` NULL: one try. */
int http_send(http_client *c, const http_request *q, const http_retry *retry,
              http_response *out, error *err);

#endif

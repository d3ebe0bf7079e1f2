/* HTTP exchanges over libcurl. */
#include "http_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <curl/curl.h>

enum {
    CONNECT_MS = 10000,
    TOTAL_MS = 60000,
    MAX_BYTES = 1 << 20,
    WAIT_SLICE_MS = 50, /* how soon an interrupted wait ends */
    MOST_DOUBLINGS = 30,
};

struct http_client {
    CURL *curl;
    char failure[CURL_ERROR_SIZE];
};

int http_client_new(http_client **out, error *err)
{
    http_client *c = calloc(1, sizeof *c);
    if (!c)
        return error_memory(err, sizeof *c);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        return error_set(err, E_EXTERNAL, "cannot set up libcurl");
    }
    c->curl = curl_easy_init();
    if (!c->curl) {
        curl_global_cleanup();
        free(c);
        return error_set(err, E_EXTERNAL, "cannot set up a libcurl connection");
    }
    *out = c;
    return 0;
}

void http_client_free(http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_global_cleanup();
    free(c);
}

void http_response_free(http_response *r)
{
    text_free(&r->body);
    *r = (http_response){.date = -1, .retry_after_ms = -1};
}

bool http_is_passing(const http_response *r)
{
    return r->status == 0 || r->status == 408 || r->status == 425 || r->status == 429 ||
           (r->status >= 500 && r->status != 501);
}

/* ---- One try ---- */

/* What libcurl's callbacks write to. */
typedef struct exchange {
    http_response *out;
    size_t max_bytes;
    bool too_long, no_memory;
    const volatile int *interrupt;
} exchange;

static size_t on_body(char *bytes, size_t size, size_t n, void *context)
{
    exchange *x = context;
    size_t all = size * n;
    x->too_long = all > x->max_bytes - x->out->body.n;
    if (x->too_long)
        return 0;
    x->no_memory = text_add(&x->out->body, bytes, all, NULL) < 0;
    return x->no_memory ? 0 : all;
}

/* Fills `value`, cut to its size, if so. */
static bool header_is(const char *line, size_t n, const char *name, char value[64])
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0)
        return false;
    while (k < n && line[k] == ' ')
        k++;
    size_t length = n - k < 63 ? n - k : 63;
    memcpy(value, line + k, length);
    value[length] = '\0';
    value[strcspn(value, "\r\n")] = '\0';
    return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
    exchange *x = context;
    char value[64];
    if (header_is(line, size * n, "Date:", value)) {
        x->out->date = (int64_t)curl_getdate(value, NULL);
    } else if (header_is(line, size * n, "Retry-After:", value)) {
        char *end;
        long seconds = strtol(value, &end, 10);
        if (end != value && !*end && seconds >= 0 && seconds < 86400)
            x->out->retry_after_ms = 1000 * seconds;
    } else {
        header_is(line, size * n, "X-Amzn-ErrorType:", x->out->error_type);
    }
    return size * n;
}

static int on_progress(void *context, curl_off_t down_all, curl_off_t down,
                       curl_off_t up_all, curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all, (void)up;
    const exchange *x = context;
    return x->interrupt && *x->interrupt;
}

/* The headers of a request; *out is NULL when there is no memory. */
static int make_headers(const http_request *q, struct curl_slist **out, error *err)
{
    struct curl_slist *list = NULL;
    text token = {0};
    int rc = 0;
    if (q->signature && q->signature->session_token)
        rc = text_add_format(&token, err, "X-Amz-Security-Token: %s",
                             q->signature->session_token);
    for (size_t i = 0; rc == 0 && i < q->n_headers + (token.s ? 1 : 0); i++) {
        struct curl_slist *longer =
            curl_slist_append(list, i < q->n_headers ? q->headers[i] : token.s);
        if (!longer)
            rc = error_memory(err, 100);
        else
            list = longer;
    }
    text_free(&token);
    if (rc < 0) {
        curl_slist_free_all(list);
        return rc;
    }
    *out = list;
    return 0;
}

static CURLcode set_signature(CURL *curl, const http_signature *s)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, s->scope);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(curl, CURLOPT_USERNAME, s->key);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(curl, CURLOPT_PASSWORD, s->secret);
    return rc;
}

/* A request as options of the handle, which keeps its connections from call to call. */
static int set_options(http_client *c, const http_request *q, struct curl_slist *headers,
                       exchange *x, error *err)
{
    CURL *h = c->curl;
    curl_easy_reset(h);
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                               \
    if (rc == CURLE_OK)                                                                  \
    rc = curl_easy_setopt(h, (option), (value))
    SET(CURLOPT_ERRORBUFFER, c->failure);
    SET(CURLOPT_URL, q->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "lamarck");
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, q->body ? q->body : "");
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->n_body);
    if (q->method)
        SET(CURLOPT_CUSTOMREQUEST, q->method);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_CONNECTTIMEOUT_MS, q->connect_ms > 0 ? q->connect_ms : (long)CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, q->total_ms > 0 ? q->total_ms : (long)TOTAL_MS);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, x);
#undef SET
    if (rc == CURLE_OK && q->signature)
        rc = set_signature(h, q->signature);
    if (rc != CURLE_OK)
        return error_set(err, E_EXTERNAL, "cannot prepare a request to %s: %s", q->url,
                         curl_easy_strerror(rc));
    return 0;
}

/* Did the request surely not reach the server? */
static bool never_arrived(CURLcode rc)
{
    return rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_RESOLVE_PROXY ||
           rc == CURLE_COULDNT_CONNECT || rc == CURLE_SSL_CONNECT_ERROR ||
           rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_URL_MALFORMAT ||
           rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_SSL_CACERT_BADFILE;
}

/* Failures that come again however often one tries. */
static bool is_lasting(CURLcode rc)
{
    return rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL ||
           rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE ||
           rc == CURLE_OUT_OF_MEMORY;
}

/* One try; *again: its failure may pass. */
static int try_once(http_client *c, const http_request *q, http_response *out,
                    bool *again, error *err)
{
    struct curl_slist *headers = NULL;
    exchange x = {out, q->max_bytes ? q->max_bytes : MAX_BYTES, false, false,
                  q->interrupt};
    text_clear(&out->body);
    out->status = 0;
    out->date = out->retry_after_ms = -1;
    out->error_type[0] = '\0';
    *again = false;
    TRY(make_headers(q, &headers, err));
    int made = set_options(c, q, headers, &x, err);
    CURLcode rc = CURLE_OK;
    c->failure[0] = '\0';
    if (made == 0)
        rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    TRY(made);
    if (rc == CURLE_OK) {
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
        out->maybe_done = out->maybe_done || out->status >= 500;
        return 0;
    }
    out->maybe_done = out->maybe_done || !never_arrived(rc);
    if (x.interrupt && *x.interrupt)
        return error_set(err, E_INTERRUPTED, "interrupted while asking %s", q->url);
    if (x.no_memory)
        return error_memory(err, out->body.n);
    if (x.too_long)
        return error_set(err, E_LIMIT, "the answer of %s is longer than %zu bytes",
                         q->url, x.max_bytes);
    *again = !is_lasting(rc);
    const char *why = c->failure[0] ? c->failure : curl_easy_strerror(rc);
    return error_set(err, E_EXTERNAL, "no answer from %s: %.300s", q->url, why);
}

/* ---- Several tries ---- */

/* Uniform in [0, 1): only so that many clients do not come back at the same moment. */
static double jitter(void)
{
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        return 0.5;
    return bits / 4294967296.0;
}

static int64_t wait_ms(const http_retry *retry, size_t i, int64_t asked_ms)
{
    double all = (double)retry->first_ms *
                 (double)(1L << (i < MOST_DOUBLINGS ? i : MOST_DOUBLINGS));
    all = all < (double)retry->most_ms ? all : (double)retry->most_ms;
    int64_t wait = (int64_t)(all * (0.5 + 0.5 * jitter()));
    if (asked_ms > wait)
        wait = asked_ms < retry->most_ms ? asked_ms : retry->most_ms;
    return wait;
}

/* False when the user stopped it. */
static bool wait_for(int64_t ms, const volatile int *interrupt)
{
    while (ms > 0 && !(interrupt && *interrupt)) {
        int64_t slice = ms < WAIT_SLICE_MS ? ms : WAIT_SLICE_MS;
        struct timespec t = {.tv_nsec = slice * 1000000};
        nanosleep(&t, NULL);
        ms -= slice;
    }
    return !(interrupt && *interrupt);
}

int http_send(http_client *c, const http_request *q, const http_retry *retry,
              http_response *out, error *err)
{
    static const http_retry once = {.max_tries = 1};
    if (!retry)
        retry = &once;
    *out = (http_response){.date = -1, .retry_after_ms = -1};
    for (size_t i = 0;; i++) {
        bool again;
        int rc = try_once(c, q, out, &again, err);
        out->n_tries = i + 1;
        if (rc == 0)
            again = retry->wanted ? retry->wanted(out) : http_is_passing(out);
        if (!again)
            return rc;
        if (i + 1 >= retry->max_tries) {
            if (rc < 0 && i > 0)
                error_prefix(err, "after %zu tries", i + 1);
            return rc;
        }
        if (!wait_for(wait_ms(retry, i, out->retry_after_ms), q->interrupt))
            return error_set(err, E_INTERRUPTED, "interrupted while asking %s", q->url);
    }
}

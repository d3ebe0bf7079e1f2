/* Signed calls of the Mechanical Turk API, and what a refusal means. */
#include "mturk_api.h"
#include "http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    MAX_TRIES = 10,
    FIRST_WAIT_MS = 100,
    MOST_WAIT_MS = 20000,
    MAX_ANSWER_BYTES = 64 << 20, /* a page of 100 HITs, each with a question of 64 KB */
};

const char *const mturk_place_names[] = {"sandbox", "production"};
const char *const mturk_endpoints[] = {
    "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
    "https://mturk-requester.us-east-1.amazonaws.com",
};

struct mturk_api {
    http_client *client;
    const aws_credentials *credentials;
    char *url, *scope;
    http_retry retry;
    long total_ms;
    const volatile int *interrupt;
};

/* ---- Opening ---- */

static int make_names(mturk_api *a, const mturk_api_options *o, error *err)
{
    text url = {0}, scope = {0};
    size_t n = strlen(o->endpoint);
    const char *region = o->region ? o->region : "us-east-1";
    /* The path that is signed is "/", so it is the one that is asked for. */
    int rc = text_add_format(&url, err, "%s%s", o->endpoint,
                             n > 0 && o->endpoint[n - 1] == '/' ? "" : "/");
    if (rc == 0)
        rc = text_add_format(&scope, err, "aws:amz:%s:mturk-requester", region);
    a->url = url.s;
    a->scope = scope.s;
    return rc;
}

static bool wants_another_try(const http_response *r);

int mturk_api_open(mturk_api **out, const mturk_api_options *o, error *err)
{
    if (strncasecmp(o->endpoint, "http://", 7) != 0 &&
        strncasecmp(o->endpoint, "https://", 8) != 0)
        return error_set(err, E_ARGUMENT,
                         "the Mechanical Turk endpoint '%.200s' is not a URL that begins "
                         "with http:// or https://",
                         o->endpoint);
    mturk_api *a = calloc(1, sizeof *a);
    if (!a)
        return error_memory(err, sizeof *a);
    a->credentials = o->credentials;
    a->retry = (http_retry){
        .max_tries = o->max_tries ? o->max_tries : MAX_TRIES,
        .first_ms = o->first_wait_ms ? o->first_wait_ms : FIRST_WAIT_MS,
        .most_ms = o->most_wait_ms ? o->most_wait_ms : MOST_WAIT_MS,
        .wanted = wants_another_try,
    };
    a->total_ms = o->total_ms;
    a->interrupt = o->interrupt;
    int rc = make_names(a, o, err);
    if (rc == 0)
        rc = http_client_new(&a->client, err);
    if (rc < 0) {
        mturk_api_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

void mturk_api_close(mturk_api *a)
{
    if (!a)
        return;
    http_client_free(a->client);
    free(a->url);
    free(a->scope);
    free(a);
}

/* ---- Faults ---- */

/* Replace every `secret` in s by asterisks: Amazon quotes what it was sent. */
static void redact(char *s, const char *secret)
{
    size_t n = secret ? strlen(secret) : 0;
    for (char *at = s; n > 0 && (at = strstr(at, secret)); at += n)
        memset(at, '*', n);
}

/* A copy for people: one line, no control characters. */
static void plain_copy(char *out, size_t capacity, const char *s)
{
    size_t n = 0;
    for (; s && s[n] && n + 1 < capacity; n++)
        out[n] = (unsigned char)s[n] < ' ' || s[n] == 0x7f ? ' ' : s[n];
    while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80 && s && s[n])
        n--; /* do not cut a character in two */
    out[n] = '\0';
}

/* "com.amazonaws.x#RequestError:http://…" is RequestError. */
static void short_type(char *out, size_t capacity, const char *type)
{
    const char *hash = type ? strrchr(type, '#') : NULL;
    plain_copy(out, capacity, hash ? hash + 1 : type);
    out[strcspn(out, ":")] = '\0';
}

static const char *member(const json_t *object, const char *a, const char *b)
{
    const char *s = json_string_value(json_object_get(object, a));
    return s ? s : json_string_value(json_object_get(object, b));
}

static void read_fault(const http_response *r, mturk_fault *out)
{
    json_t *body = json_loadb(text_string(&r->body), r->body.n, 0, NULL);
    *out = (mturk_fault){.outcome = r->maybe_done ? MTURK_UNKNOWN : MTURK_REFUSED};
    const char *type = member(body, "__type", "code");
    short_type(out->type, sizeof out->type, type ? type : r->error_type);
    plain_copy(out->code, sizeof out->code,
               member(body, "TurkErrorCode", "turkErrorCode"));
    plain_copy(out->message, sizeof out->message, member(body, "Message", "message"));
    json_decref(body);
}

static bool is_one_of(const char *s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return false;
}

/* Throttling comes with status 400 under several names, as AWS's own clients know. */
static bool wants_another_try(const http_response *r)
{
    static const char *const names[] = {"Throttling",
                                        "ThrottlingException",
                                        "ThrottledException",
                                        "RequestThrottledException",
                                        "RequestThrottled",
                                        "TooManyRequestsException",
                                        "RequestLimitExceeded",
                                        "BandwidthLimitExceeded",
                                        "LimitExceededException",
                                        "ProvisionedThroughputExceededException",
                                        "SlowDown",
                                        "PriorRequestNotComplete",
                                        "RequestTimeout",
                                        "RequestTimeoutException",
                                        NULL};
    if (http_is_passing(r))
        return true;
    if (r->status < 400)
        return false;
    mturk_fault f;
    read_fault(r, &f);
    return is_one_of(f.type, names);
}

static void utc(int64_t seconds, char out[32])
{
    time_t t = (time_t)seconds;
    struct tm parts;
    if (seconds < 0 || !gmtime_r(&t, &parts) ||
        !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        snprintf(out, 32, "an unknown time");
}

static bool is_clock_fault(const mturk_fault *f)
{
    static const char *const names[] = {"RequestExpired", "RequestTimeTooSkewed",
                                        "RequestInTheFuture", NULL};
    return is_one_of(f->type, names) || strstr(f->message, "Signature expired") ||
           strstr(f->message, "Signature not yet current");
}

/* What to check, for a refusal that has nothing to do with what was asked. "" if none. */
static void advice(const mturk_fault *f, const aws_credentials *c, const http_response *r,
                   char out[600])
{
    static const char *const wrong_key[] = {"UnrecognizedClientException",
                                            "InvalidClientTokenId",
                                            "InvalidAccessKeyId",
                                            "MissingAuthenticationToken",
                                            "MissingAuthenticationTokenException",
                                            NULL};
    static const char *const wrong_secret[] = {"SignatureDoesNotMatch",
                                               "InvalidSignatureException",
                                               "IncompleteSignature", NULL};
    static const char *const old_token[] = {"ExpiredToken", "ExpiredTokenException",
                                            "TokenRefreshRequired", NULL};
    char here[32], there[32];
    out[0] = '\0';
    utc((int64_t)time(NULL), here);
    utc(r->date, there);
    if (is_clock_fault(f))
        snprintf(out, 600,
                 "; this machine's clock says %s, the server's %s: set the clock "
                 "(timedatectl set-ntp true), signatures are good for five minutes",
                 here, there);
    else if (is_one_of(f->type, wrong_secret))
        snprintf(out, 600,
                 "; the secret key does not belong to the key id, or was copied "
                 "incompletely: check the keys in %s (this machine's clock says %s)",
                 c->source, here);
    else if (is_one_of(f->type, wrong_key))
        snprintf(out, 600,
                 "; Amazon does not know this access key: check the keys in %s, and that "
                 "they are not of a deleted user",
                 c->source);
    else if (is_one_of(f->type, old_token))
        snprintf(out, 600, "; the session token in %s has expired: get a new one",
                 c->source);
    else if (strncmp(f->type, "AccessDenied", 12) == 0)
        snprintf(out, 600,
                 "; the keys in %s may not use Mechanical Turk: attach the policy "
                 "AmazonMechanicalTurkFullAccess, and link the AWS account on "
                 "requester.mturk.com",
                 c->source);
    else if (strstr(f->code, "InsufficientFunds"))
        snprintf(out, 600, "; 'lamarck rate mturk balance' shows what there is");
}

/* The error of an answer that is no success. */
static int refuse(mturk_api *a, const char *operation, const http_response *r,
                  mturk_fault *f, error *err)
{
    char check[600];
    read_fault(r, f);
    /* Signature errors quote the request as it was signed, session token included. */
    char *quoted = strstr(f->message, " The Canonical String");
    if (quoted)
        *quoted = '\0';
    redact(f->message, a->credentials->secret);
    redact(f->message, a->credentials->session_token);
    redact(f->message, a->credentials->key);
    advice(f, a->credentials, r, check);
    return error_set(err, E_EXTERNAL, "%s at %s failed: HTTP status %ld%s%s%s%s%s%s%s%s",
                     operation, a->url, r->status, f->type[0] ? ", " : "", f->type,
                     f->code[0] ? ", " : "", f->code, f->message[0] ? ": " : "",
                     f->message, check, r->n_tries > 1 ? " (tried again in vain)" : "");
}

/* ---- One call ---- */

static int send_call(mturk_api *a, const char *target, const char *body,
                     http_response *out, error *err)
{
    const char *headers[] = {"Content-Type: application/x-amz-json-1.1", target};
    const http_signature signature = {a->scope, a->credentials->key,
                                      a->credentials->secret,
                                      a->credentials->session_token};
    const http_request q = {
        .url = a->url,
        .headers = headers,
        .n_headers = 2,
        .body = body,
        .n_body = strlen(body),
        .total_ms = a->total_ms,
        .max_bytes = MAX_ANSWER_BYTES,
        .signature = &signature,
        .interrupt = a->interrupt,
    };
    return http_send(a->client, &q, &a->retry, out, err);
}

static int read_output(const char *operation, const http_response *r, json_t **out,
                       error *err)
{
    json_error_t why;
    json_t *value =
        r->body.n ? json_loadb(text_string(&r->body), r->body.n, 0, &why) : json_object();
    if (!json_is_object(value)) {
        json_decref(value);
        return error_set(err, E_FORMAT, "the answer to %s is not a JSON object",
                         operation);
    }
    *out = value;
    return 0;
}

int mturk_call(mturk_api *a, const char *operation, const json_t *input, json_t **output,
               mturk_fault *fault, error *err)
{
    mturk_fault unused;
    mturk_fault *f = fault ? fault : &unused;
    http_response r = {.date = -1};
    text target = {0};
    json_t *answer = NULL;
    *f = (mturk_fault){.outcome = MTURK_REFUSED};
    char *body = json_dumps(input, JSON_COMPACT);
    int rc = body ? 0 : error_memory(err, 1000);
    if (rc == 0)
        rc = text_add_format(
            &target, err, "X-Amz-Target: MTurkRequesterServiceV20170117.%s", operation);
    if (rc == 0) {
        rc = send_call(a, text_string(&target), body, &r, err);
        f->outcome = r.maybe_done ? MTURK_UNKNOWN : MTURK_REFUSED;
        if (rc < 0 && err)
            error_prefix(err, "%s", operation);
    }
    if (rc == 0 && (r.status < 200 || r.status > 299))
        rc = refuse(a, operation, &r, f, err);
    else if (rc == 0) {
        f->outcome = MTURK_UNKNOWN; /* done, but if nobody can read what it was … */
        rc = read_output(operation, &r, &answer, err);
    }
    if (rc == 0)
        f->outcome = MTURK_DONE;
    if (rc == 0 && output) {
        *output = answer;
        answer = NULL;
    }
    json_decref(answer);
    http_response_free(&r);
    text_free(&target);
    free(body);
    return rc;
}

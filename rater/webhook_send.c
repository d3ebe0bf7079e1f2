#include "webhook_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_client.h"
#include "webhook_sign.h"

enum { HOLD_MARGIN_MS = 2000, ANSWER_MOST = 64 << 10, MOST_DOUBLINGS = 30 };

int64_t webhook_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How long to wait after this many tries. */
static int64_t pause_ms(const webhook_sender *s, const webhook_job *j, int64_t asked_ms)
{
    size_t doublings = j->tries - 1 < MOST_DOUBLINGS ? j->tries - 1 : MOST_DOUBLINGS;
    double all = (double)s->first_ms * (double)(1L << doublings);
    all = all < (double)s->most_ms ? all : (double)s->most_ms;
    /* At random, so that what failed together does not come back together. */
    uint64_t bits = seed_mix(strtoull(j->key + 48, NULL, 16), j->tries);
    int64_t wait = (int64_t)(all * (0.5 + (double)(bits >> 11) / 18014398509481984.0));
    if (asked_ms > wait)
        wait = asked_ms < s->most_ms ? asked_ms : s->most_ms;
    return wait;
}

static void tell(const webhook_sender *s, const webhook_job *j, webhook_state state,
                 int64_t wait_ms, const char *problem)
{
    char line[600], then[80] = "given up";
    if (state == WEBHOOK_WAITING)
        snprintf(then, sizeof then, "again in %.1f s", (double)wait_ms / 1e3);
    snprintf(line, sizeof line, "%stask %.12s…: try %zu of %zu: %.400s; %s",
             j->ended ? "the end of " : "", j->task, j->tries, s->max_tries, problem,
             then);
    if (s->tell)
        s->tell(s->context, line);
}

/* It did not work: later again, or never. */
static int fail(webhook *w, const webhook_sender *s, const webhook_job *j, long status,
                int64_t asked_ms, const char *problem, webhook_sent *out, error *err)
{
    int64_t wait = pause_ms(s, j, asked_ms), now = webhook_now_ms();
    webhook_state state = j->tries < s->max_tries ? WEBHOOK_WAITING : WEBHOOK_DEAD;
    out->failed += state == WEBHOOK_WAITING;
    out->dead += state == WEBHOOK_DEAD;
    tell(s, j, state, wait, problem);
    return webhook_settle(w, j, state, now + wait, status, problem, err);
}

static int settle(webhook *w, const webhook_sender *s, const webhook_job *j, int rc,
                  const http_response *r, const error *why, webhook_sent *out, error *err)
{
    char problem[40];
    if (rc < 0) /* the URL, which is not for the file, is in curl's words at most */
        return fail(w, s, j, 0, r->retry_after_ms, why->text, out, err);
    if (r->status >= 200 && r->status < 300) {
        out->delivered++;
        return webhook_settle(w, j, WEBHOOK_DELIVERED, 0, r->status, "", err);
    }
    snprintf(problem, sizeof problem, "it answers %ld", r->status);
    return fail(w, s, j, r->status, r->retry_after_ms, problem, out, err);
}

/* The path of an endpoint is often a secret: in what is written down and told it is not.
 */
static void hide_url(error *why, const char *url)
{
    size_t n = strlen(url);
    for (char *at; n && (at = strstr(why->text, url));) {
        static const char instead[] = "it";
        size_t k = n < strlen(instead) ? n : strlen(instead);
        memcpy(at, instead, k);
        memmove(at + k, at + n, strlen(at + n) + 1);
    }
}

static int post(http_client *c, const webhook_sender *s, const webhook_job *j,
                const text *body, http_response *r, error *err)
{
    text signature = {0};
    char key[WEBHOOK_KEY + 20];
    const char *headers[] = {"Content-Type: application/json", key, NULL};
    snprintf(key, sizeof key, "Idempotency-Key: %s", j->key);
    int rc = text_add_string(&signature, "Lamarck-Signature: ", err);
    if (rc == 0)
        rc = webhook_sign(s->secret, webhook_now_ms() / 1000, body->s, body->n,
                          &signature, err);
    if (rc == 0) {
        headers[2] = signature.s;
        const http_request q = {.url = s->url,
                                .headers = headers,
                                .n_headers = 3,
                                .body = body->s,
                                .n_body = body->n,
                                .connect_ms = s->timeout_ms,
                                .total_ms = s->timeout_ms,
                                .max_bytes = ANSWER_MOST,
                                .interrupt = s->interrupt};
        rc = http_send(c, &q, NULL, r, err);
    }
    text_free(&signature);
    return rc;
}

static int send_one(webhook *w, http_client *c, const webhook_sender *s,
                    const webhook_job *j, webhook_sent *out, error *err)
{
    text body = {0};
    error why = {0};
    http_response r = {.date = -1, .retry_after_ms = -1};
    int rc = webhook_body(w, j, s->answer_url, &body, err);
    if (rc == 0) {
        out->needless++;
        rc = webhook_settle(w, j, WEBHOOK_NEEDLESS, 0, 0, "", err);
    } else if (rc == 1) {
        int sent = post(c, s, j, &body, &r, &why);
        hide_url(&why, s->url);
        if (sent == E_INTERRUPTED || sent == E_MEMORY) {
            webhook_settle(w, j, WEBHOOK_WAITING, webhook_now_ms(), 0, "", NULL);
            rc = error_set(err, sent, "%s", why.text);
        } else {
            rc = settle(w, s, j, sent, &r, &why, out, err);
        }
    }
    http_response_free(&r);
    text_free(&body);
    return rc;
}

int webhook_send_due(webhook *w, const webhook_sender *s, webhook_sent *out, error *err)
{
    http_client *c;
    webhook_job j;
    TRY(http_client_new(&c, err));
    int rc;
    while ((rc = webhook_claim(w, webhook_now_ms(), s->timeout_ms + HOLD_MARGIN_MS, &j,
                               err)) == 1) {
        rc = send_one(w, c, s, &j, out, err);
        if (rc == 0 && s->interrupt && *s->interrupt)
            rc = error_set(err, E_INTERRUPTED, "stopped by the user");
        if (rc < 0)
            break;
    }
    http_client_free(c);
    return rc;
}

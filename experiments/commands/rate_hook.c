/* lamarck rate hook: outgoing webhooks. */
#include "rate_hook.h"
#include "../../rater/webhook_send.h"
#include "../views/json_lines.h"
#include "hook_status.h"
#include "options.h"
#include "run_file.h"
#include "secret.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck rate hook RUN --to URL [--once]\n"
    "       lamarck rate hook RUN --status [--json]\n"
    "\n"
    "Tells an endpoint of every task of RUN that wants answers, as it comes, so that "
    "any\n"
    "crowd can be attached: one POST per task, JSON with the question and the outputs "
    "in\n"
    "random order, without a word of where they come from, and one when a task that it "
    "was\n"
    "told of wants no more. Answers come back to POST /api/v1/webhook of 'lamarck rate "
    "serve\n"
    "RUN', or by any other way. Stays until Ctrl-C. It is a process of its own, so that "
    "an\n"
    "endpoint that hangs holds up neither the run nor its server; it may be killed at "
    "any\n"
    "time.\n"
    "\n"
    "Each POST has a key that stays the same when it is sent again (Idempotency-Key) and "
    "a\n"
    "signature, Lamarck-Signature: t=SECONDS,v1=HEX, the HMAC-SHA256 of\n"
    "'SECONDS.BODY' under the secret. Anything but 2xx is tried again. /openapi.json of\n"
    "the server describes both directions.\n"
    "\n"
    "  --to URL             the endpoint. Of it only scheme, host and a hash are kept\n"
    "  --secret-file FILE   the secret; default: the environment's\n"
    "                       LAMARCK_WEBHOOK_SECRET\n"
    "  --answer-to URL      told with every task: where its ratings go\n"
    "  --tries N            before a task is given up; default 12\n"
    "  --first SECONDS      pause after the first failure, doubled after each; default "
    "1\n"
    "  --most SECONDS       longest pause; default 3600\n"
    "  --timeout SECONDS    of one request; default 10\n"
    "  --once               end when nothing waits any more; exit status 1 if something\n"
    "                       was given up\n"
    "  --revive             what was given up is tried again, with all its tries\n"
    "  --status             how deliveries stand, and nothing else; with --json for "
    "scripts\n";

enum { LOOK_MS = 1000, WAKE_MS = 100 };

typedef struct hook {
    const char *run, *secret_file;
    webhook_sender s;
    double first, most, timeout;
    bool once, revive, status, json;
    char *secret;
    text database;
} hook;

static int check(const hook *h, error *err)
{
    if (!h->status && !h->s.url)
        return error_set(err, E_USAGE, "hook wants --to URL, or --status");
    if (h->json && !h->status)
        return error_set(err, E_USAGE, "--json belongs to --status");
    if (h->s.max_tries < 1 || h->s.max_tries > 1000)
        return error_set(err, E_USAGE, "--tries is %zu; it must be 1 to 1000",
                         h->s.max_tries);
    if (!(h->first > 0 && h->first <= h->most && h->most <= 7 * 86400))
        return error_set(
            err, E_USAGE,
            "--first %g and --most %g: it must be 0 < first <= most <= a week", h->first,
            h->most);
    if (!(h->timeout >= 0.1 && h->timeout <= 600))
        return error_set(err, E_USAGE, "--timeout is %g; it must be 0.1 to 600 seconds",
                         h->timeout);
    return 0;
}

static int parse(int argc, char **argv, hook *h, error *err)
{
    const option options[] = {
        {"to", OPTION_TEXT, &h->s.url, NULL, NULL},
        {"secret-file", OPTION_TEXT, &h->secret_file, NULL, NULL},
        {"answer-to", OPTION_TEXT, &h->s.answer_url, NULL, NULL},
        {"tries", OPTION_SIZE, &h->s.max_tries, NULL, NULL},
        {"first", OPTION_REAL, &h->first, NULL, NULL},
        {"most", OPTION_REAL, &h->most, NULL, NULL},
        {"timeout", OPTION_REAL, &h->timeout, NULL, NULL},
        {"once", OPTION_FLAG, &h->once, NULL, NULL},
        {"revive", OPTION_FLAG, &h->revive, NULL, NULL},
        {"status", OPTION_FLAG, &h->status, NULL, NULL},
        {"json", OPTION_FLAG, &h->json, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 1, 1}, &n, err));
    h->run = argv[1];
    TRY(check(h, err));
    h->s.first_ms = (int64_t)(1e3 * h->first);
    h->s.most_ms = (int64_t)(1e3 * h->most);
    h->s.timeout_ms = (long)(1e3 * h->timeout);
    return 0;
}

static int tell_status(const hook *h, error *err)
{
    text out = {0};
    json_t *list = NULL;
    if (h->json) {
        TRY(hook_status_json(&list, h->run, err));
        return json_print(json_pack("{s:o}", "endpoints", list), err);
    }
    int rc = hook_status_add(&out, h->run, err);
    if (rc == 0)
        printf("%s", out.n ? out.s : "no webhooks were sent from here\n");
    text_free(&out);
    return rc;
}

/* ---- Sending ---- */

static void tell_failure(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "lamarck: %s\n", line);
}

/* Until the next one is due, new tasks are to be looked for, or Ctrl-C. */
static int wait_for_work(webhook *w, bool *idle, error *err)
{
    int64_t due, now = webhook_now_ms(), until = now + LOOK_MS;
    TRY(webhook_next_due(w, &due, err));
    *idle = due == INT64_MAX;
    until = due < until ? due : until;
    while (!*idle && now < until && !command_interrupted) {
        poll(NULL, 0, until - now < WAKE_MS ? (int)(until - now) : WAKE_MS);
        now = webhook_now_ms();
    }
    return 0;
}

static int work(const hook *h, webhook *w, webhook_sent *sent, error *err)
{
    size_t n;
    if (h->revive) {
        TRY(webhook_revive(w, webhook_now_ms(), &n, err));
        fprintf(stderr, "lamarck: %zu deliveries wait again\n", n);
    }
    bool idle = false;
    while (!command_interrupted) {
        TRY(webhook_enqueue(w, webhook_now_ms(), &n, err));
        if (idle && n == 0 && h->once)
            break;
        int rc = webhook_send_due(w, &h->s, sent, err);
        if (rc == E_INTERRUPTED)
            break;
        TRY(rc);
        TRY(wait_for_work(w, &idle, err));
        if (idle && !h->once && !command_interrupted)
            poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

static int send_all(hook *h, error *err)
{
    webhook *w;
    webhook_sent sent = {0};
    int rc = secret_read("webhook secret", h->secret_file, "LAMARCK_WEBHOOK_SECRET",
                         &h->secret, err);
    if (rc == 0)
        return error_set(err, E_ARGUMENT,
                         "a secret to sign with is wanted: --secret-file FILE, or "
                         "LAMARCK_WEBHOOK_SECRET");
    TRY(rc);
    h->s.secret = h->secret;
    h->s.interrupt = &command_interrupted;
    h->s.tell = tell_failure;
    TRY(webhook_open(&w, h->database.s, h->s.url, err));
    rc = work(h, w, &sent, err);
    webhook_close(w);
    TRY(rc);
    printf("%zu delivered, %zu tries failed, %zu given up, %zu needless\n",
           sent.delivered, sent.failed + sent.dead, sent.dead, sent.needless);
    if (h->once && sent.dead)
        return error_set(err, E_EXTERNAL,
                         "%zu deliveries were given up; --revive tries them again",
                         sent.dead);
    return 0;
}

static int run(int argc, char **argv, error *err)
{
    hook h = {.s = {.max_tries = 12}, .first = 1, .most = 3600, .timeout = 10};
    int rc = parse(argc, argv, &h, err);
    if (rc == 0)
        rc = run_file(&h.database, h.run, err);
    if (rc == 0)
        rc = h.status ? tell_status(&h, err) : send_all(&h, err);
    text_free(&h.database);
    free(h.secret);
    return rc;
}

const command rate_hook = {
    .name = "hook",
    .group = "people",
    .summary = "webhooks to any crowd: a POST per task",
    .usage = usage,
    .run = run,
};

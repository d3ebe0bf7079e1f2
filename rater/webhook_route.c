/* POST /api/v1/webhook: a rating that somebody else's crowd made, signed. */
#include "api_json.h"
#include "routes.h"
#include "webhook_rating.h"
#include "webhook_sign.h"

#include <string.h>

static int refuse(response *r, int status, const char *detail, error *err)
{
    r->status = status;
    r->type = "application/problem+json";
    return api_problem(&r->body, status, detail, err);
}

static int give_result(int result, const webhook_rating *g, int64_t rater, response *r,
                       error *err)
{
    static const char *const names[] = {
        [SUBMIT_RECORDED] = "recorded", [SUBMIT_SAME] = "same", [SUBMIT_LATE] = "late"};
    if (result == SUBMIT_CONFLICT)
        return refuse(
            r, 409,
            "the rater has another answer to this task, or the key was used for "
            "another",
            err);
    r->status = result == SUBMIT_SAME ? 200 : 201;
    r->type = "application/json";
    return api_print(&r->body,
                     json_pack("{s:s, s:s, s:I}", "result", names[result], "task",
                               g->task, "rater", (json_int_t)rater),
                     err);
}

/* The answer as the crowd keeps it, from the id of an output. */
static int find_answer(crowd *c, const webhook_rating *g, int *answer, error *err)
{
    char outputs[MAX_OUTPUTS][SHA256_HEX];
    int n = crowd_task_outputs(c, g->task, outputs, err);
    TRY(n);
    *answer = g->answer;
    if (n > 1 && !g->output && g->answer != ANSWER_TIE)
        return error_set(err, E_FORMAT,
                         "'answer' must be the id of one of the task's outputs, or "
                         "\"tie\"");
    if (!g->output)
        return 0;
    for (int i = 0; i < n; i++)
        if (n > 1 && strcmp(outputs[i], g->output) == 0) {
            *answer = i;
            return 0;
        }
    return error_set(err, E_FORMAT,
                     n > 1 ? "'answer' is no output of the task"
                           : "'answer' must be a number here");
}

static int take(crowd *c, const request *q, const webhook_rating *g, response *r,
                error *err)
{
    char outputs[MAX_OUTPUTS][SHA256_HEX];
    int64_t rater;
    int found = crowd_task_outputs(c, g->task, outputs, err);
    TRY(found);
    if (found == 0)
        return refuse(r, 404, "there is no such task", err);
    foreign_rating given = {.task = g->task,
                            .seconds = g->seconds,
                            .time = q->now,
                            .comment = g->comment,
                            .source = g->simulated ? "simulated" : "webhook",
                            .key = g->key};
    TRY(find_answer(c, g, &given.answer, err));
    int wanted = crowd_task_wanted(c, g->task, err);
    TRY(wanted);
    TRY(crowd_rater(c, g->simulated ? RATER_SIMULATED : RATER_API, g->rater, q->now,
                    &rater, err));
    given.rater = rater;
    given.late = !wanted;
    int result = crowd_record(c, &given, err);
    if (result == SUBMIT_RECORDED && given.late)
        result = SUBMIT_LATE;
    return result < 0 ? result : give_result(result, g, rater, r, err);
}

/* Whoever holds the secret may rate, and nobody else learns anything. */
static int check(const site *s, const request *q, response *r, bool *fine, error *err)
{
    const char *header = q->header[HEADER_SIGNATURE];
    error why = {0};
    *fine = false;
    if (!s->webhook_secret)
        return refuse(r, 404,
                      "this server was started without a webhook secret, so it takes no "
                      "webhooks",
                      err);
    if (!header)
        return refuse(r, 401, "the header Lamarck-Signature is missing, or there twice",
                      err);
    if (webhook_verify(s->webhook_secret, header, text_string(&q->body), q->body.n,
                       q->now, &why) < 0)
        return refuse(r, 401, why.text, err);
    *fine = true;
    return 0;
}

int webhook_post_rating(const site *s, crowd *c, const request *q, response *r,
                        error *err)
{
    const char *key = q->header[HEADER_IDEMPOTENCY_KEY];
    const char *type = q->header[HEADER_CONTENT_TYPE];
    webhook_rating given;
    bool fine;
    TRY(check(s, q, r, &fine, err));
    if (!fine)
        return 0;
    if (!type || strncmp(type, "application/json", strlen("application/json")) != 0)
        return error_set(err, E_UNSUPPORTED, "the body must be application/json");
    TRY(webhook_rating_parse(&given, text_string(&q->body), q->body.n, err));
    int rc = 0;
    if (key && strcmp(key, given.key) != 0)
        rc = error_set(err, E_FORMAT,
                       "Idempotency-Key is not the 'key' of the body, which is signed");
    if (rc == 0)
        rc = take(c, q, &given, r, err);
    webhook_rating_free(&given);
    return rc;
}

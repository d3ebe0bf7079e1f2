/* The API's handlers. What they take and give is in openapi.json. */
#include "api_json.h"
#include "export_stream.h"
#include "routes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char content_type[] = "application/json";
enum { NAME_MOST = 200, WANTED_MOST = 1000000 };

static int body_object(const request *q, json_t **out, const char *const *known,
                       error *err)
{
    if (!request_has_type(q, content_type))
        return error_set(err, E_UNSUPPORTED, "the body must be application/json");
    json_t *object;
    TRY(api_parse(&object, text_string(&q->body), q->body.n, err));
    int rc = api_known(object, known, err);
    if (rc < 0)
        json_decref(object);
    else
        *out = object;
    return rc;
}

static int missing(const char *name, error *err)
{
    return error_set(err, E_FORMAT, "'%s' is missing", name);
}

static int give(response *r, int status, json_t *value, error *err)
{
    r->status = status;
    r->type = content_type;
    return api_print(&r->body, value, err);
}

/* A whole number in the query: 1, or 0 when absent. */
static int query_number(const request *q, const char *name, int64_t *out, error *err)
{
    const char *s = form_get(&q->query, name);
    char *end;
    if (!s)
        return 0;
    errno = 0;
    long long value = strtoll(s, &end, 10);
    if (*s < '0' || *s > '9' || *end || errno)
        return error_set(err, E_FORMAT, "'%s' must be a whole number", name);
    *out = value;
    return 1;
}

/* ---- Raters ---- */

/* Sources that a program may claim for a rater. */
static int api_source(const json_t *body, rater_source *out, error *err)
{
    const char *name = NULL;
    TRY(api_get_text(body, "source", &name, err));
    if (!name || strcmp(name, "api") == 0)
        *out = RATER_API;
    else if (strcmp(name, "invited") == 0)
        *out = RATER_INVITED;
    else if (strcmp(name, "simulated") == 0)
        *out = RATER_SIMULATED;
    else
        return error_set(err, E_FORMAT, "'source' must be api, invited or simulated");
    return 0;
}

static int new_rater(const site *s, crowd *c, const request *q, const json_t *body,
                     response *r, error *err)
{
    const char *name = NULL;
    rater_source source = RATER_API;
    int64_t rater = 0;
    char token[RATER_TOKEN];
    text link = {0};
    TRY(api_source(body, &source, err));
    TRY(api_get_text(body, "name", &name, err));
    if (!name || !*name || strlen(name) > NAME_MOST)
        return error_set(err, E_FORMAT, "'name' must be a string of 1 to %d bytes",
                         NAME_MOST);
    TRY(crowd_rater(c, source, name, q->now, &rater, err));
    TRY(crowd_invite(c, rater, token, err));
    int rc = text_add_format(&link, err, "%s/r/%s", s->base, token);
    if (rc == 0)
        rc = give(r, 201,
                  json_pack("{s:I, s:s, s:s, s:s}", "rater", (json_int_t)rater, "name",
                            name, "source", rater_source_names[source], "invitation",
                            link.s),
                  err);
    text_free(&link);
    return rc;
}

int api_post_raters(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const known[] = {"name", "source", NULL};
    json_t *body = NULL;
    TRY(body_object(q, &body, known, err));
    int rc = new_rater(s, c, q, body, r, err);
    json_decref(body);
    return rc;
}

int api_get_raters(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)s, (void)q;
    rater_quality *all = NULL;
    size_t n = 0;
    TRY(crowd_raters(c, &all, &n, err));
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        if (json_array_append_new(list, api_quality(&all[i])) < 0) {
            json_decref(list);
            list = NULL;
        }
    rater_quality_free(all, n);
    return give(r, 200, json_pack("{s:o}", "raters", list), err);
}

/* ---- Asking and answering ---- */

int api_get_next(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const results[] = {
        [ASSIGN_NOTHING] = "nothing", [ASSIGN_GIVEN] = "given",
        [ASSIGN_LIMIT] = "limit",     [ASSIGN_EXCLUDED] = "excluded",
        [ASSIGN_CLOSED] = "closed",
    };
    (void)s;
    int64_t rater = 0;
    int rc = query_number(q, "rater", &rater, err);
    if (rc <= 0)
        return rc < 0 ? rc : missing("rater", err);
    assignment a = {0};
    rc = crowd_assign(c, rater, q->now, &a, err);
    if (rc == E_ARGUMENT)
        return error_set(err, E_ARGUMENT, "there is no rater %lld", (long long)rater);
    if (rc >= 0)
        rc = give(r, 200,
                  json_pack("{s:s, s:o}", "result", results[rc], "assignment",
                            rc == ASSIGN_GIVEN ? api_assignment(&a) : json_null()),
                  err);
    assignment_free(&a);
    return rc;
}

static int give_result(int result, const char *token, response *r, error *err)
{
    static const char *const names[] = {
        [SUBMIT_UNKNOWN] = "unknown", [SUBMIT_RECORDED] = "recorded",
        [SUBMIT_SAME] = "same",       [SUBMIT_CONFLICT] = "conflict",
        [SUBMIT_LATE] = "late",
    };
    if (result == SUBMIT_UNKNOWN || result == SUBMIT_CONFLICT) {
        r->status = result == SUBMIT_UNKNOWN ? 404 : 409;
        r->type = "application/problem+json";
        return api_problem(&r->body, r->status,
                           result == SUBMIT_UNKNOWN
                               ? "there is no such assignment"
                               : "the assignment has another answer, or the key was used "
                                 "for another assignment; undo first",
                           err);
    }
    return give(r, result == SUBMIT_SAME ? 200 : 201,
                json_pack("{s:s, s:s}", "result", names[result], "assignment", token),
                err);
}

static int submit(crowd *c, const request *q, const json_t *body, response *r, error *err)
{
    submission given = {.seconds = NAN, .source = "api"};
    const char *source = NULL;
    int rc = api_get_text(body, "assignment", &given.token, err);
    if (rc <= 0)
        return rc < 0 ? rc : missing("assignment", err);
    rc = api_get_answer(body, "answer", &given.answer, err);
    if (rc <= 0)
        return rc < 0 ? rc : missing("answer", err);
    TRY(api_get_real(body, "seconds", &given.seconds, err));
    if (given.seconds < 0)
        return error_set(err, E_FORMAT, "'seconds' must not be negative");
    TRY(api_get_text(body, "comment", &given.comment, err));
    TRY(api_get_text(body, "source", &source, err));
    if (source && strcmp(source, "api") != 0 && strcmp(source, "simulated") != 0)
        return error_set(err, E_FORMAT, "'source' must be api or simulated");
    given.source = source ? source : "api";
    given.key = q->header[HEADER_IDEMPOTENCY_KEY];
    if (given.key && (!*given.key || strlen(given.key) > NAME_MOST))
        return error_set(err, E_FORMAT, "Idempotency-Key must have 1 to %d bytes",
                         NAME_MOST);
    int result = crowd_submit(c, &given, q->now, err);
    return result < 0 ? result : give_result(result, given.token, r, err);
}

int api_post_ratings(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const known[] = {"assignment", "answer", "seconds",
                                        "comment",    "source", NULL};
    (void)s;
    json_t *body = NULL;
    TRY(body_object(q, &body, known, err));
    int rc = submit(c, q, body, r, err);
    json_decref(body);
    return rc;
}

int api_post_undo(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const known[] = {"rater", NULL};
    (void)s;
    json_t *body = NULL;
    int64_t rater = 0;
    TRY(body_object(q, &body, known, err));
    int rc = api_get_whole(body, "rater", 0, INT64_MAX, &rater, err);
    json_decref(body);
    if (rc <= 0)
        return rc < 0 ? rc : missing("rater", err);
    assignment a = {0};
    rc = crowd_undo(c, rater, q->now, &a, err);
    if (rc >= 0)
        rc = give(r, 200,
                  json_pack("{s:b, s:o}", "undone", rc, "assignment",
                            rc ? api_assignment(&a) : json_null()),
                  err);
    assignment_free(&a);
    return rc;
}

/* ---- What came of it ---- */

int api_get_statistics(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)s, (void)q;
    crowd_counts n;
    TRY(crowd_count(c, &n, err));
    return give(r, 200, api_counts(&n), err);
}

int api_get_export(const site *s, crowd *c, const request *q, response *r, error *err)
{
    (void)c;
    const char *format = form_get(&q->query, "format");
    int64_t after = 0;
    bool csv = format && strcmp(format, "csv") == 0;
    if (format && !csv && strcmp(format, "jsonl") != 0)
        return error_set(err, E_FORMAT, "'format' must be csv or jsonl");
    TRY(query_number(q, "after", &after, err));
    r->type = csv ? "text/csv; charset=utf-8" : "application/jsonl";
    return export_open(&r->stream, s->database, csv, after, err);
}

int api_post_state(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const known[] = {"open", NULL};
    (void)s;
    json_t *body = NULL;
    bool open = false;
    TRY(body_object(q, &body, known, err));
    int rc = api_get_bool(body, "open", &open, err);
    json_decref(body);
    if (rc <= 0)
        return rc < 0 ? rc : missing("open", err);
    TRY(crowd_set_open(c, open, err));
    return give(r, 200, json_pack("{s:b}", "open", open), err);
}

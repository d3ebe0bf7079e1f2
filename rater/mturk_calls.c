/* The operations of the Mechanical Turk API that we use, and what their answers hold. */
#include "mturk_api.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 100,          /* the most that a page may hold */
    MAX_PAGES = 1000000, /* an account with more is none */
};

/* ---- Reading ---- */

/* An id: visible ASCII, fit for messages and for being sent back. */
static int read_id(const json_t *value, const char *key, bool needed, char out[MTURK_ID],
                   error *err)
{
    const json_t *x = json_object_get(value, key);
    if (!needed && (!x || json_is_null(x))) {
        out[0] = '\0';
        return 0;
    }
    const char *s = json_string_value(x);
    size_t n = s ? strlen(s) : 0;
    for (size_t i = 0; i < n; i++)
        if (!isgraph((unsigned char)s[i]) || s[i] == '"')
            n = 0;
    if (n == 0 || n >= MTURK_ID)
        return error_set(err, E_FORMAT, "Amazon's answer has no usable %s", key);
    memcpy(out, s, n + 1);
    return 0;
}

/* A text that is compared but never shown; one that is too long is like none. */
static void read_text(const json_t *value, const char *key, char *out, size_t capacity)
{
    const char *s = json_string_value(json_object_get(value, key));
    size_t n = s ? strlen(s) : 0;
    if (n >= capacity)
        n = 0;
    memcpy(out, n ? s : "", n);
    out[n] = '\0';
}

int mturk_read_hit(const json_t *value, mturk_hit *out, error *err)
{
    mturk_hit h = {0};
    TRY(read_id(value, "HITId", true, h.id, err));
    read_text(value, "RequesterAnnotation", h.annotation, sizeof h.annotation);
    read_text(value, "HITStatus", h.status, sizeof h.status);
    json_int_t pending =
        json_integer_value(json_object_get(value, "NumberOfAssignmentsPending"));
    h.pending = pending > 0 ? (size_t)pending : 0;
    *out = h;
    return 0;
}

/* Times are numbers in AWS JSON 1.1. */
static double read_time(const json_t *value, const char *key)
{
    const json_t *x = json_object_get(value, key);
    return json_is_number(x) ? json_number_value(x) : (double)NAN;
}

int mturk_read_assignment(const json_t *value, mturk_assignment *out, error *err)
{
    mturk_assignment a = {0};
    TRY(read_id(value, "AssignmentId", true, a.id, err));
    TRY(read_id(value, "WorkerId", true, a.worker, err));
    TRY(read_id(value, "HITId", false, a.hit, err));
    read_text(value, "AssignmentStatus", a.status, sizeof a.status);
    a.accepted = read_time(value, "AcceptTime");
    a.submitted = read_time(value, "SubmitTime");
    a.answer = json_string_value(json_object_get(value, "Answer"));
    *out = a;
    return 0;
}

int mturk_read_money(const char *s, int64_t *cents, error *err)
{
    int64_t all = 0;
    size_t decimals = 0, digits = 0;
    bool dot = false;
    const char *at = s;
    for (; *at; at++) {
        if (*at == '.' && !dot && digits) {
            dot = true;
            continue;
        }
        if (*at < '0' || *at > '9' || digits > 14 || decimals == 2)
            break;
        all = 10 * all + (*at - '0');
        digits++;
        decimals += dot;
    }
    if (*at || digits == 0)
        return error_set(err, E_FORMAT, "'%.40s' is not an amount of dollars and cents",
                         s);
    for (; decimals < 2; decimals++)
        all *= 10;
    *cents = all;
    return 0;
}

/* ---- HITs ---- */

/* Look for the HIT with this annotation; ends the walk with 1 when it is there. */
typedef struct hit_search {
    const char *annotation;
    mturk_hit *out;
    bool found;
} hit_search;

static int compare_annotation(void *context, const mturk_hit *hit, error *err)
{
    (void)err;
    hit_search *s = context;
    if (!s->found && strcmp(hit->annotation, s->annotation) == 0) {
        *s->out = *hit;
        s->found = true;
    }
    return 0;
}

static bool says_no_such_hit(const mturk_fault *f)
{
    return strstr(f->code, "DoesNotExist") || strstr(f->message, "does not exist");
}

int mturk_get_hit(mturk_api *a, const char *id, mturk_hit *out, error *err)
{
    mturk_fault f;
    json_t *answer = NULL, *input = json_pack("{s:s}", "HITId", id);
    if (!input)
        return error_memory(err, strlen(id));
    int rc = mturk_call(a, "GetHIT", input, &answer, &f, err);
    json_decref(input);
    if (rc < 0)
        return f.outcome == MTURK_REFUSED && says_no_such_hit(&f) ? 0 : rc;
    rc = mturk_read_hit(json_object_get(answer, "HIT"), out, err);
    json_decref(answer);
    return rc < 0 ? rc : 1;
}

/* Amazon says that the token has made a HIT already: which? It is named in quotes; what
 * is named has to carry the annotation of the request. */
static int find_existing(mturk_api *a, const json_t *request, const mturk_fault *f,
                         mturk_hit *out, error *err)
{
    const char *annotation =
        json_string_value(json_object_get(request, "RequesterAnnotation"));
    if (!annotation)
        return error_set(err, E_ARGUMENT, "a HIT without a RequesterAnnotation");
    const char *open = strchr(f->message, '"'),
               *close = open ? strchr(open + 1, '"') : NULL;
    if (close && close - open - 1 < MTURK_ID && close - open > 1) {
        char id[MTURK_ID] = "";
        memcpy(id, open + 1, (size_t)(close - open - 1));
        mturk_hit hit;
        int got = mturk_get_hit(a, id, &hit, err);
        TRY(got);
        if (got == 1 && strcmp(hit.annotation, annotation) == 0) {
            *out = hit;
            return 0;
        }
    }
    hit_search s = {annotation, out, false};
    TRY(mturk_each_hit(a, compare_annotation, &s, err));
    if (!s.found)
        return error_set(
            err, E_EXTERNAL,
            "CreateHIT: Amazon says that the HIT exists already (%.200s), but "
            "lists none with our annotation",
            f->message);
    return 0;
}

static bool says_exists_already(const mturk_fault *f)
{
    return strcasestr(f->code, "HITAlreadyExists") ||
           strcasestr(f->message, "HITAlreadyExists") ||
           (strstr(f->message, "HIT with ID") && strstr(f->message, "already exists"));
}

int mturk_create_hit(mturk_api *a, const json_t *request, mturk_hit *out,
                     mturk_fault *fault, error *err)
{
    json_t *answer = NULL;
    int rc = mturk_call(a, "CreateHIT", request, &answer, fault, err);
    if (rc < 0 && says_exists_already(fault)) {
        fault->outcome = MTURK_UNKNOWN; /* until it is found */
        TRY(find_existing(a, request, fault, out, err));
        *fault = (mturk_fault){.outcome = MTURK_DONE};
        return 0;
    }
    if (rc == 0)
        rc = mturk_read_hit(json_object_get(answer, "HIT"), out, err);
    if (rc < 0 && fault->outcome == MTURK_DONE)
        fault->outcome = MTURK_UNKNOWN;
    json_decref(answer);
    return rc;
}

/* ---- Pages ---- */

/* One page of `operation`: its items under `key`, and the token of the next in `token`
 * (NULL at the end, replaced by a new string). */
static int read_page(mturk_api *a, const char *operation, const char *hit, json_t **token,
                     json_t **answer, error *err)
{
    json_t *input = json_pack("{s:i}", "MaxResults", PAGE);
    bool made =
        input && (!hit || json_object_set_new(input, "HITId", json_string(hit)) == 0);
    if (made && hit)
        made = json_object_set_new(
                   input, "AssignmentStatuses",
                   json_pack("[sss]", "Submitted", "Approved", "Rejected")) == 0;
    if (made && *token)
        made = json_object_set(input, "NextToken", *token) == 0;
    int rc = made ? mturk_call(a, operation, input, answer, NULL, err)
                  : error_memory(err, 1000);
    json_decref(input);
    if (rc < 0)
        return rc;
    json_t *next = json_object_get(*answer, "NextToken");
    if (next && !json_is_string(next))
        next = NULL;
    if (next && *token && json_equal(next, *token))
        rc =
            error_set(err, E_FORMAT, "%s gives the same page again and again", operation);
    json_incref(next);
    json_decref(*token);
    *token = next;
    return rc;
}

/* What a walk over pages does with each item. */
typedef int visit_item(void *context, const json_t *item, error *err);

static int each_item(mturk_api *a, const char *operation, const char *hit,
                     const char *key, visit_item *visit, void *context, error *err)
{
    json_t *token = NULL;
    int rc = 0;
    for (size_t page = 0; rc == 0 && (page == 0 || token); page++) {
        json_t *answer = NULL, *item;
        size_t i;
        rc = page < MAX_PAGES ? read_page(a, operation, hit, &token, &answer, err)
                              : error_set(err, E_LIMIT, "%s has no end", operation);
        json_array_foreach(json_object_get(answer, key), i, item)
        {
            if (rc == 0)
                rc = visit(context, item, err);
        }
        json_decref(answer);
    }
    json_decref(token);
    return rc;
}

typedef struct hit_visit {
    int (*each)(void *context, const mturk_hit *hit, error *err);
    void *context;
} hit_visit;

static int visit_hit(void *context, const json_t *item, error *err)
{
    hit_visit *v = context;
    mturk_hit hit;
    TRY(mturk_read_hit(item, &hit, err));
    return v->each(v->context, &hit, err);
}

int mturk_each_hit(mturk_api *a,
                   int (*each)(void *context, const mturk_hit *hit, error *err),
                   void *context, error *err)
{
    hit_visit v = {each, context};
    return each_item(a, "ListHITs", NULL, "HITs", visit_hit, &v, err);
}

typedef struct assignment_visit {
    int (*each)(void *context, const mturk_assignment *x, error *err);
    void *context;
} assignment_visit;

static int visit_assignment(void *context, const json_t *item, error *err)
{
    assignment_visit *v = context;
    mturk_assignment x;
    TRY(mturk_read_assignment(item, &x, err));
    return v->each(v->context, &x, err);
}

int mturk_each_assignment(mturk_api *a, const char *hit,
                          int (*each)(void *context, const mturk_assignment *x,
                                      error *err),
                          void *context, error *err)
{
    assignment_visit v = {each, context};
    return each_item(a, "ListAssignmentsForHIT", hit, "Assignments", visit_assignment, &v,
                     err);
}

/* ---- What is done to assignments and HITs ---- */

/* Call with an input that is given away. */
static int call_with(mturk_api *a, const char *operation, json_t *input,
                     mturk_fault *fault, error *err)
{
    if (!input)
        return error_memory(err, 100);
    int rc = mturk_call(a, operation, input, NULL, fault, err);
    json_decref(input);
    return rc;
}

int mturk_approve_assignment(mturk_api *a, const char *id, mturk_fault *fault, error *err)
{
    return call_with(a, "ApproveAssignment", json_pack("{s:s}", "AssignmentId", id),
                     fault, err);
}

int mturk_reject_assignment(mturk_api *a, const char *id, const char *feedback,
                            mturk_fault *fault, error *err)
{
    return call_with(
        a, "RejectAssignment",
        json_pack("{s:s,s:s}", "AssignmentId", id, "RequesterFeedback", feedback), fault,
        err);
}

int mturk_expire_hit(mturk_api *a, const char *id, int64_t at, mturk_fault *fault,
                     error *err)
{
    return call_with(a, "UpdateExpirationForHIT",
                     json_pack("{s:s,s:I}", "HITId", id, "ExpireAt", (json_int_t)at),
                     fault, err);
}

int mturk_delete_hit(mturk_api *a, const char *id, mturk_fault *fault, error *err)
{
    return call_with(a, "DeleteHIT", json_pack("{s:s}", "HITId", id), fault, err);
}

int mturk_account_balance(mturk_api *a, int64_t *available_cents, int64_t *on_hold_cents,
                          error *err)
{
    json_t *answer = NULL, *input = json_object();
    if (!input)
        return error_memory(err, 100);
    int rc = mturk_call(a, "GetAccountBalance", input, &answer, NULL, err);
    json_decref(input);
    TRY(rc);
    const char *available =
        json_string_value(json_object_get(answer, "AvailableBalance"));
    const char *held = json_string_value(json_object_get(answer, "OnHoldBalance"));
    if (!available)
        rc = error_set(err, E_FORMAT,
                       "the answer to GetAccountBalance has no "
                       "AvailableBalance");
    int64_t hold = -1, balance = 0;
    if (rc == 0)
        rc = mturk_read_money(available, &balance, err);
    if (rc == 0 && held)
        rc = mturk_read_money(held, &hold, err);
    json_decref(answer);
    TRY(rc);
    *available_cents = balance;
    *on_hold_cents = hold;
    return 0;
}

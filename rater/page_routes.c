/* The pages of invited and open raters.
 *
 * A rater is known by the token in the path of his link, not by a cookie: the link can be
 * kept and opened anywhere, two invitations live side by side in one browser, and no page
 * of others can make his browser act for him, since it does not know the path. The open
 * page's cookie only remembers which link is his. Nothing leaks by Referer: it is sent to
 * this server alone, and no page names a foreign address. */
#include "page.h"
#include "routes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <openssl/rand.h>

static const char cookie_name[] = "lamarck_rater";

static int not_known(const site *s, const request *q, response *r, error *err)
{
    return route_problem(s, q, false, 404, "Nobody was invited by this link.", r, err);
}

static int not_from_here(const site *s, const request *q, response *r, error *err)
{
    return route_problem(s, q, false, 403,
                         "This form was sent from a page that is not ours.", r, err);
}

/* The rater of the path: 1; 0 when the answer is in `r` already. */
static int find_rater(const site *s, crowd *c, const request *q, int64_t *rater,
                      response *r, error *err)
{
    if (q->method == HTTP_POST && !guard_same_site(s, q)) {
        TRY(not_from_here(s, q, r, err));
        return 0;
    }
    int found = crowd_rater_by_token(c, q->parameter[0], rater, err);
    if (found == 0)
        TRY(not_known(s, q, r, err));
    return found;
}

/* ---- Coming in ---- */

int page_get_home(const site *s, crowd *c, const request *q, response *r, error *err)
{
    char token[RATER_TOKEN];
    int64_t rater;
    if (s->open &&
        cookie_get(q->header[HEADER_COOKIE], cookie_name, token, sizeof token)) {
        int found = crowd_rater_by_token(c, token, &rater, err);
        if (found < 0)
            return found;
        if (found) {
            TRY(response_redirect(r, "r/", err));
            return text_add_string(&r->location, token, err);
        }
    }
    return page_home(&r->body, &(page_place){"", "", NULL}, s->open, err);
}

/* A new rater of the open page, under a name of chance. */
static int new_rater(crowd *c, int64_t now, char token[RATER_TOKEN], error *err)
{
    uint64_t chance;
    char name[32];
    int64_t rater;
    if (RAND_bytes((unsigned char *)&chance, sizeof chance) != 1)
        return error_set(err, E_EXTERNAL, "no random numbers for a new rater");
    snprintf(name, sizeof name, "open-%016" PRIx64, chance);
    TRY(crowd_rater(c, RATER_OPEN, name, now, &rater, err));
    return crowd_invite(c, rater, token, err);
}

int page_post_begin(const site *s, crowd *c, const request *q, response *r, error *err)
{
    char token[RATER_TOKEN];
    if (!s->open)
        return not_known(s, q, r, err);
    if (!guard_same_site(s, q))
        return not_from_here(s, q, r, err);
    TRY(new_rater(c, q->now, token, err));
    TRY(text_add_format(&r->cookie, err,
                        "%s=%s; Max-Age=31536000; HttpOnly; SameSite=Lax%s", cookie_name,
                        token, s->secure ? "; Secure" : ""));
    TRY(response_redirect(r, "r/", err));
    return text_add_string(&r->location, token, err);
}

/* ---- Tasks ---- */

static int show_next(crowd *c, int64_t rater, const request *q, const page_place *p,
                     bool intro, response *r, error *err)
{
    assignment a = {0};
    int rc = crowd_assign(c, rater, q->now, &a, err);
    if (rc >= 0 && rc != ASSIGN_GIVEN)
        rc = page_thanks(&r->body, p, (assign_result)rc, err);
    else if (rc >= 0 && intro && a.n_done == 0 && *a.question.instructions)
        rc = page_intro(&r->body, p, &a, err);
    else if (rc >= 0)
        rc = page_task(&r->body, p, &a, err);
    assignment_free(&a);
    return rc;
}

int page_get_rater(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    int rc = find_rater(s, c, q, &rater, r, err);
    if (rc <= 0)
        return rc;
    text here = {0};
    rc = text_add_format(&here, err, "%s/", q->parameter[0]);
    if (rc == 0)
        rc = show_next(c, rater, q, &(page_place){"../", text_string(&here), NULL}, true,
                       r, err);
    text_free(&here);
    return rc;
}

/* What is said above the page after a redirection. */
static const char *note_of(const request *q)
{
    const char *said = form_get(&q->query, "said");
    if (said && strcmp(said, "undone") == 0)
        return "Your last answer was taken back. Please answer again.";
    if (said && strcmp(said, "nothing") == 0)
        return "There is no answer to take back.";
    if (said && strcmp(said, "late") == 0)
        return "Your answer came after the question was closed. It is kept all the same.";
    if (said && strcmp(said, "choose") == 0)
        return "Please choose one of the answers.";
    return NULL;
}

/* The rater's own assignment of this token: 1, or 0. */
static int own_assignment(crowd *c, int64_t rater, const char *token, assignment *a,
                          error *err)
{
    int rc = crowd_assignment(c, token, a, err);
    if (rc == 1 && a->rater != rater) {
        assignment_free(a);
        *a = (assignment){0};
        return 0;
    }
    return rc;
}

int page_get_task(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    int rc = find_rater(s, c, q, &rater, r, err);
    if (rc <= 0)
        return rc;
    const page_place p = {"../../", "", note_of(q)};
    const char *token = form_get(&q->query, "assignment");
    if (!token)
        return show_next(c, rater, q, &p, false, r, err);
    assignment a = {0};
    rc = own_assignment(c, rater, token, &a, err);
    if (rc == 1)
        rc = page_task(&r->body, &p, &a, err);
    else if (rc == 0)
        rc = route_problem(s, q, false, 404, "This question is not yours, or not there.",
                           r, err);
    assignment_free(&a);
    return rc;
}

/* ---- Answering ---- */

/* What became of the answer, as a page. */
static int show_result(const site *s, const request *q, int result, const assignment *a,
                       response *r, error *err)
{
    switch ((submit_result)result) {
    case SUBMIT_RECORDED:
    case SUBMIT_SAME:
        return response_redirect(r, "task", err);
    case SUBMIT_LATE:
        return response_redirect(r, "task?said=late", err);
    case SUBMIT_CONFLICT:
        r->status = 409;
        return page_conflict(&r->body, &(page_place){"../../", "", NULL}, a, err);
    case SUBMIT_UNKNOWN:
        break;
    }
    return route_problem(s, q, false, 404, "This question is not there any more.", r,
                         err);
}

static int take_answer(const site *s, crowd *c, const request *q, const form *f,
                       int64_t rater, assignment *a, response *r, error *err)
{
    const char *token = form_get(f, "assignment"), *answer = form_get(f, "answer");
    if (!token)
        return route_problem(s, q, false, 400, "The form names no question.", r, err);
    int rc = own_assignment(c, rater, token, a, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return route_problem(s, q, false, 403, "This question was not put to you.", r,
                             err);
    if (!answer)
        return response_redirect(r, "task?said=choose", err);
    submission given = {
        .token = token,
        .seconds = NAN,
        .comment = form_get(f, "comment"),
        .source = "page",
    };
    error why = {0};
    if (page_answer(a, answer, &given.answer, &why) < 0)
        return route_problem(s, q, false, 400, why.text, r, err);
    if (given.comment && !*given.comment)
        given.comment = NULL;
    int result = crowd_submit(c, &given, q->now, err);
    return result < 0 ? result : show_result(s, q, result, a, r, err);
}

int page_post_answer(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    form f = {0};
    assignment a = {0};
    int rc = find_rater(s, c, q, &rater, r, err);
    if (rc <= 0)
        return rc;
    rc = request_form(q, &f, err);
    if (rc == 0)
        rc = take_answer(s, c, q, &f, rater, &a, r, err);
    assignment_free(&a);
    form_free(&f);
    return rc;
}

int page_post_undo(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    int rc = find_rater(s, c, q, &rater, r, err);
    if (rc <= 0)
        return rc;
    assignment a = {0};
    rc = crowd_undo(c, rater, q->now, &a, err);
    if (rc == 1) {
        rc = response_redirect(r, "task?said=undone&assignment=", err);
        if (rc == 0)
            rc = text_add_string(&r->location, a.token, err);
    } else if (rc == 0) {
        rc = response_redirect(r, "task?said=nothing", err);
    }
    assignment_free(&a);
    return rc;
}

int page_post_leave(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    int rc = find_rater(s, c, q, &rater, r, err);
    if (rc <= 0)
        return rc;
    TRY(crowd_leave(c, rater, err));
    return response_redirect(r, "bye", err);
}

int page_get_bye(const site *s, crowd *c, const request *q, response *r, error *err)
{
    int64_t rater;
    int rc = find_rater(s, c, q, &rater, r, err);
    return rc <= 0 ? rc : page_bye(&r->body, &(page_place){"../../", "", NULL}, err);
}

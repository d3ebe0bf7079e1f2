/* The page inside a HIT of Mechanical Turk (ExternalQuestion). Their site opens
 * /mturk?task=ID&assignmentId=…&hitId=…&workerId=…&turkSubmitTo=… in a frame; the answer
 * is looked at here, and then handed in there, by a form of the worker's browser.
 *
 * Who a worker is, is what the query says: nothing in it is signed, and anybody who has
 * seen the HIT can write one. So an answer is no rating until their API lists it as
 * handed in by that worker (mturk_collect.c). */
#include "html.h"
#include "page.h"
#include "routes.h"

#include <stdio.h>
#include <string.h>

static const char not_available[] = "ASSIGNMENT_ID_NOT_AVAILABLE";

/* Where an assignment may be handed in: Mechanical Turk's two sites, or a loopback
 * address for tests. Writes the origin without a slash at its end. */
static bool submit_origin(const char *to, char *out, size_t size)
{
    static const char *const sites[] = {"https://www.mturk.com",
                                        "https://workersandbox.mturk.com", NULL};
    static const char *const loopback[] = {"http://127.0.0.1", "http://localhost",
                                           "http://[::1]", NULL};
    size_t n = to ? strlen(to) : 0;
    while (n && to[n - 1] == '/')
        n--;
    if (!n || n >= size)
        return false;
    memcpy(out, to, n);
    out[n] = '\0';
    for (size_t i = 0; sites[i]; i++)
        if (strcmp(out, sites[i]) == 0)
            return true;
    for (size_t i = 0; loopback[i]; i++) {
        size_t host = strlen(loopback[i]);
        const char *port = out + host;
        if (strncmp(out, loopback[i], host) == 0 &&
            (!*port || (*port == ':' && port[1] &&
                        strspn(port + 1, "0123456789") == strlen(port + 1))))
            return true;
    }
    return false;
}

/* An identifier of theirs: what their format has, and nothing that needs thought. */
static bool is_id(const char *s)
{
    return s && *s && strlen(s) <= 64 &&
           strspn(s,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               strlen(s);
}

static int refuse(const site *s, const request *q, const char *why, response *r,
                  error *err)
{
    TRY(route_problem(s, q, false, 400, why, r, err));
    r->framed = true;
    return 0;
}

static int task_fields(text *out, const char *assignment_id, const char *to, error *err)
{
    return html_add(out, err,
                    "<input type=\"hidden\" name=\"assignmentId\" value=\"%s\">\n"
                    "<input type=\"hidden\" name=\"turkSubmitTo\" value=\"%s\">\n",
                    assignment_id, to);
}

static int show_task(crowd *c, const request *q, const char *worker, bool preview,
                     const char *fields, response *r, error *err)
{
    const char *task = form_get(&q->query, "task");
    int64_t rater;
    assignment a = {0};
    TRY(crowd_rater(c, RATER_MTURK, worker, q->now, &rater, err));
    int rc = crowd_assign_task(c, rater, task, q->now, &a, err);
    if (rc == E_ARGUMENT)
        return error_set(err, E_ARGUMENT, "There is no such task here.");
    if (rc == ASSIGN_GIVEN)
        rc = page_mturk_task(&r->body, &(page_place){"", "", NULL}, &a, preview, fields,
                             err);
    else if (rc >= 0)
        rc = page_mturk_closed(&r->body, &(page_place){"", "", NULL}, err);
    assignment_free(&a);
    return rc;
}

int mturk_get_task(const site *s, crowd *c, const request *q, response *r, error *err)
{
    const char *id = form_get(&q->query, "assignmentId");
    const char *worker = form_get(&q->query, "workerId");
    const char *task = form_get(&q->query, "task");
    char to[128] = "";
    bool preview = !id || strcmp(id, not_available) == 0;
    r->framed = true;
    if (!task || strlen(task) != SHA256_HEX - 1 ||
        strspn(task, "0123456789abcdef") != SHA256_HEX - 1)
        return refuse(s, q, "The address names no task.", r, err);
    if (!preview && (!is_id(id) || !is_id(worker)))
        return refuse(s, q, "The address names no assignment and worker.", r, err);
    if (!preview && !submit_origin(form_get(&q->query, "turkSubmitTo"), to, sizeof to))
        return refuse(s, q, "turkSubmitTo is not Mechanical Turk.", r, err);
    /* Nobody looks at a preview: whom it is shown to must not stay. */
    r->discard = preview;
    text fields = {0};
    int rc = preview ? 0 : task_fields(&fields, id, to, err);
    if (rc == 0)
        rc = show_task(c, q, preview ? "preview" : worker, preview, text_string(&fields),
                       r, err);
    text_free(&fields);
    return rc;
}

static int show_done(const form *f, const char *to, response *r, error *err)
{
    char action[192];
    snprintf(action, sizeof action, "%s/mturk/externalSubmit", to);
    const char *comment = form_get(f, "comment");
    TRY(text_add_string(&r->form_to, to, err));
    return page_mturk_done(&r->body, &(page_place){"../", "", NULL},
                           &(page_hand_in){.action = action,
                                           .assignment_id = form_get(f, "assignmentId"),
                                           .token = form_get(f, "assignment"),
                                           .answer = form_get(f, "answer"),
                                           .comment = comment ? comment : ""},
                           err);
}

static int take_answer(const site *s, crowd *c, const request *q, const form *f,
                       assignment *a, response *r, error *err)
{
    const char *token = form_get(f, "assignment"), *answer = form_get(f, "answer");
    char to[128];
    int chosen;
    if (!is_id(form_get(f, "assignmentId")) ||
        !submit_origin(form_get(f, "turkSubmitTo"), to, sizeof to))
        return refuse(s, q, "The form names no assignment.", r, err);
    int rc = token ? crowd_assignment(c, token, a, err) : 0;
    if (rc < 0)
        return rc;
    if (rc == 0)
        return refuse(s, q, "The form names no question that was shown.", r, err);
    error why = {0};
    if (!answer)
        return refuse(s, q, "Nothing was chosen. Please go back and choose.", r, err);
    if (page_answer(a, answer, &chosen, &why) < 0)
        return refuse(s, q, why.text, r, err);
    return show_done(f, to, r, err);
}

int mturk_post_answer(const site *s, crowd *c, const request *q, response *r, error *err)
{
    form f = {0};
    assignment a = {0};
    r->framed = true;
    if (!guard_same_site(s, q))
        return route_problem(s, q, false, 403,
                             "This form was sent from a page that is not ours.", r, err);
    int rc = request_form(q, &f, err);
    if (rc == 0)
        rc = take_answer(s, c, q, &f, &a, r, err);
    assignment_free(&a);
    form_free(&f);
    return rc;
}

/* Whole pages. */
#include "http.h"
#include "page_parts.h"

#include <string.h>

static int add_head(text *out, const page_place *p, const char *title, error *err)
{
    return html_add(
        out, err,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n<title>%s</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"robots\" content=\"noindex\">\n"
        "<link rel=\"stylesheet\" href=\"%spage.css\">\n"
        "<script src=\"%spage.js\" defer></script>\n</head>\n<body>\n"
        "<a class=\"skip\" href=\"#main\">Skip to the question</a>\n",
        title, p->root, p->root);
}

static int add_note(text *out, const page_place *p, error *err)
{
    return html_add(out, err,
                    "<p class=\"note\" role=\"status\" aria-live=\"polite\">%s</p>\n",
                    p->note ? p->note : "");
}

int page_open(text *out, const page_place *p, const char *title, error *err)
{
    TRY(add_head(out, p, title, err));
    TRY(html_add(out, err, "<main id=\"main\" tabindex=\"-1\">\n"));
    return add_note(out, p, err);
}

int page_open_progress(text *out, const page_place *p, const char *title,
                       const assignment *a, error *err)
{
    size_t all = a->n_done + a->n_left;
    TRY(add_head(out, p, title, err));
    TRY(html_add(out, err,
                 "<header role=\"banner\"><label for=\"progress\">%u answered, %u to go"
                 "</label>\n<progress id=\"progress\" value=\"%u\" max=\"%u\"></progress>"
                 "</header>\n<main id=\"main\" tabindex=\"-1\">\n",
                 a->n_done, a->n_left, a->n_done, all ? all : (size_t)1));
    return add_note(out, p, err);
}

int page_close(text *out, error *err)
{
    return html_add(out, err, "</main>\n</body>\n</html>\n");
}

static int add_instructions(text *out, const assignment *a, error *err)
{
    if (!a->question.instructions || !*a->question.instructions)
        return 0;
    return html_add(out, err,
                    "<details class=\"instructions\"><summary>Instructions</summary>"
                    "<div class=\"text\" dir=\"auto\">%s</div></details>\n",
                    a->question.instructions);
}

static int add_undo(text *out, const page_place *p, error *err)
{
    return html_add(
        out, err,
        "<form id=\"undo\" method=\"post\" action=\"%sundo\">"
        "<button class=\"quiet\" type=\"submit\" data-key=\"u\">"
        "<span>Take back my last answer</span> <kbd aria-hidden=\"true\">u</kbd>"
        "</button></form>\n",
        p->rater);
}

/* What a rater can do besides answering. */
static int add_tools(text *out, const page_place *p, const assignment *a, error *err)
{
    TRY(html_add(out, err, "</main>\n<footer>\n<nav aria-label=\"More\">\n"));
    if (a->can_undo)
        TRY(add_undo(out, p, err));
    return html_add(out, err,
                    "<form id=\"leave\" method=\"post\" action=\"%sleave\">"
                    "<button class=\"quiet\" type=\"submit\"><span>Stop for "
                    "now</span></button></form>\n"
                    "</nav>\n</footer>\n</body>\n</html>\n",
                    p->rater);
}

static int task_title(text *title, const assignment *a, error *err)
{
    if (a->answered)
        return text_add_string(title, "Your answer", err);
    return text_add_format(title, err, "Question %zu of %zu", a->n_done + 1,
                           a->n_done + a->n_left);
}

static int add_answered(text *out, const assignment *a, error *err)
{
    text words = {0};
    int rc = page_answer_words(&words, a, a->answer, err);
    if (rc == 0)
        rc = html_add(out, err,
                      "<p class=\"card\">You answered: <strong>%m</strong>. "
                      "<a class=\"go\" href=\"task\">Go on</a></p>\n",
                      text_string(&words));
    text_free(&words);
    return rc;
}

int page_task(text *out, const page_place *p, const assignment *a, error *err)
{
    text title = {0}, action = {0};
    int rc = task_title(&title, a, err);
    if (rc == 0)
        rc = text_add_format(&action, err, "%sanswer", p->rater);
    if (rc == 0)
        rc = page_open_progress(out, p, text_string(&title), a, err);
    if (rc == 0 && a->answered)
        rc = add_answered(out, a, err);
    if (rc == 0)
        rc = page_question(out, a, &(page_form){text_string(&action), "", a->answered},
                           err);
    if (rc == 0)
        rc = add_instructions(out, a, err);
    if (rc == 0)
        rc = add_tools(out, p, a, err);
    text_free(&title);
    text_free(&action);
    return rc;
}

int page_mturk_task(text *out, const page_place *p, const assignment *a, bool preview,
                    const char *fields, error *err)
{
    TRY(page_open(out, p, preview ? "Preview" : "One question", err));
    if (preview)
        TRY(html_add(out, err,
                     "<p class=\"card\">This is a preview. Accept the HIT to "
                     "answer.</p>\n"));
    else if (a->answered)
        TRY(html_add(out, err,
                     "<p class=\"card\">Your answer is on record. Choose it again "
                     "to hand it in.</p>\n"));
    if (a->question.instructions && *a->question.instructions)
        TRY(html_add(out, err, "<div class=\"card text\" dir=\"auto\">%s</div>\n",
                     a->question.instructions));
    TRY(page_question(out, a, &(page_form){"mturk/answer", fields, preview}, err));
    return page_close(out, err);
}

int page_mturk_done(text *out, const page_place *p, const page_hand_in *h, error *err)
{
    TRY(page_open(out, p, "Thank you", err));
    TRY(html_add(
        out, err,
        "<h1>Thank you</h1>\n"
        "<p>One more step: hand the HIT in at Mechanical Turk, so that your answer "
        "counts and you are paid.</p>\n"
        "<form id=\"submit\" method=\"post\" action=\"%s\">\n"
        "<input type=\"hidden\" name=\"assignmentId\" value=\"%s\">\n"
        "<input type=\"hidden\" name=\"token\" value=\"%s\">\n"
        "<input type=\"hidden\" name=\"answer\" value=\"%s\">\n"
        "<input type=\"hidden\" name=\"comment\" value=\"%s\">\n"
        "<button class=\"choice main\" type=\"submit\" autofocus>Hand in</button>\n"
        "</form>\n",
        h->action, h->assignment_id, h->token, h->answer, h->comment));
    return page_close(out, err);
}

int page_mturk_closed(text *out, const page_place *p, error *err)
{
    TRY(page_open(out, p, "Closed", err));
    TRY(html_add(
        out, err,
        "<h1>There is nothing to answer here</h1>\n<p class=\"lead\">The questions "
        "are closed, or closed to you. Please return the HIT: nothing counts "
        "against you.</p>\n"));
    return page_close(out, err);
}

int page_intro(text *out, const page_place *p, const assignment *a, error *err)
{
    TRY(page_open(out, p, "What you are asked", err));
    TRY(html_add(out, err,
                 "<h1>What you are asked</h1>\n<p class=\"lead\" dir=\"auto\">%s</p>\n",
                 a->question.text));
    if (*a->question.instructions)
        TRY(html_add(out, err, "<div class=\"card text\" dir=\"auto\">%s</div>\n",
                     a->question.instructions));
    TRY(html_add(
        out, err,
        "<p>There are %u questions. You may stop at any time and come back by the "
        "same link: each answer is kept the moment you give it, and you can take "
        "back the last one.</p>\n"
        "<p class=\"keys\">Keys: <kbd>1</kbd> <kbd>2</kbd> … choose, arrows move, "
        "<kbd>0</kbd> or <kbd>=</kbd> is no difference, <kbd>u</kbd> takes back.</p>\n"
        "<p><a class=\"button\" href=\"%stask\" autofocus>Start</a></p>\n",
        a->n_left, p->rater));
    return page_close(out, err);
}

static const char *thanks_words(assign_result why)
{
    switch (why) {
    case ASSIGN_LIMIT:
        return "You have answered as many questions as one person may. Thank you.";
    case ASSIGN_CLOSED:
        return "The questions are closed. What you answered is kept.";
    case ASSIGN_EXCLUDED:
        return "There are no further questions for you. What you answered is kept.";
    case ASSIGN_NOTHING:
    case ASSIGN_GIVEN:
        break;
    }
    return "There is nothing left to answer at the moment.";
}

int page_thanks(text *out, const page_place *p, assign_result why, error *err)
{
    TRY(page_open(out, p, "Thank you", err));
    TRY(html_add(out, err, "<h1>Thank you</h1>\n<p class=\"lead\">%s</p>\n",
                 thanks_words(why)));
    if (why == ASSIGN_NOTHING)
        TRY(html_add(out, err,
                     "<p><a class=\"button\" href=\"%stask\">Look again</a></p>\n",
                     p->rater));
    if (why == ASSIGN_CLOSED || why == ASSIGN_EXCLUDED)
        return page_close(out, err);
    TRY(html_add(out, err, "</main>\n<footer>\n"));
    TRY(add_undo(out, p, err));
    return html_add(out, err, "</footer>\n</body>\n</html>\n");
}

int page_bye(text *out, const page_place *p, error *err)
{
    TRY(page_open(out, p, "Thank you", err));
    TRY(html_add(
        out, err,
        "<h1>Thank you, and see you</h1>\n<p class=\"lead\">All your answers are "
        "kept. You can close this page.</p>\n"
        "<p><a class=\"button\" href=\"%stask\">Go on after all</a></p>\n",
        p->rater));
    return page_close(out, err);
}

int page_home(text *out, const page_place *p, bool open, error *err)
{
    TRY(page_open(out, p, "Ratings", err));
    if (!open)
        TRY(html_add(out, err,
                     "<h1>You need an invitation</h1>\n<p class=\"lead\">Please open "
                     "the link that you were sent: it ends with a long code of "
                     "your own.</p>\n"));
    else
        TRY(html_add(
            out, err,
            "<h1>Your opinion, please</h1>\n<p class=\"lead\">You will see texts, "
            "and say what you think of them.</p>\n<p>A cookie remembers you, so "
            "that no question comes twice. Your answers and how long they took "
            "are kept, and nothing else about you.</p>\n"
            "<form method=\"post\" action=\"begin\"><button class=\"choice main\" "
            "type=\"submit\" autofocus>Begin</button></form>\n"));
    return page_close(out, err);
}

int page_conflict(text *out, const page_place *p, const assignment *a, error *err)
{
    text words = {0};
    int rc = page_answer_words(&words, a, a->answer, err);
    if (rc == 0)
        rc = page_open(out, p, "Answered already", err);
    if (rc == 0)
        rc = html_add(
            out, err,
            "<h1>You have answered this one already</h1>\n<p class=\"lead\">Perhaps in "
            "another tab. What you said there stands: <strong>%m</strong>. If it "
            "was your last answer, you can take it back and answer anew.</p>\n"
            "<p><a class=\"button\" href=\"task\" autofocus>Go on</a></p>\n",
            text_string(&words));
    text_free(&words);
    if (rc < 0 || !a->can_undo)
        return rc < 0 ? rc : page_close(out, err);
    TRY(html_add(out, err, "</main>\n<footer>\n"));
    TRY(add_undo(out, p, err));
    return html_add(out, err, "</footer>\n</body>\n</html>\n");
}

/* What to do about it, for people. */
static const char *advice(int status)
{
    switch (status) {
    case 403:
        return "Go back to the page that you came from, reload it, and answer there.";
    case 404:
        return "Please check the link that you were sent.";
    case 429:
        return "Please wait a little, then reload this page.";
    case 500:
        return "Nothing of your answers is lost. Please reload this page in a moment.";
    case 503:
        return "The server is busy. Please reload this page in a moment.";
    default:
        return "Please go back and try again.";
    }
}

int page_error(text *out, const char *root, int status, const char *detail, error *err)
{
    const page_place p = {root, "", NULL};
    TRY(page_open(out, &p, http_reason(status), err));
    TRY(html_add(out, err, "<h1>%s</h1>\n<p class=\"lead\">%s</p>\n", detail,
                 advice(status)));
    return page_close(out, err);
}

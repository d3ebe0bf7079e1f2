/* A question, its outputs and the buttons: the part of a page that rates. */
#include "page_parts.h"

#include <stdlib.h>
#include <string.h>

static const char *const places[MAX_OUTPUTS] = {"First", "Second", "Third", "Fourth"};
static const char *const choosing[MAX_OUTPUTS] = {
    "Choose the first", "Choose the second", "Choose the third", "Choose the fourth"};

static bool chooses(question_kind kind)
{
    return kind == QUESTION_COMPARE || kind == QUESTION_BEST;
}

int page_answer(const assignment *a, const char *s, int *answer, error *err)
{
    const question *q = &a->question;
    if (chooses(q->kind) && q->ties && strcmp(s, "tie") == 0) {
        *answer = ANSWER_TIE;
        return 0;
    }
    size_t least = q->kind == QUESTION_SCALE ? 1 : 0;
    size_t most = q->kind == QUESTION_SCALE    ? q->n_labels
                  : q->kind == QUESTION_ACCEPT ? 1
                                               : a->n_shown - 1;
    bool digits = *s && strspn(s, "0123456789") == strlen(s) && strlen(s) <= 2;
    size_t value = digits ? (size_t)strtoul(s, NULL, 10) : 0;
    if (!digits || value < least || value > most)
        return error_set(err, E_ARGUMENT,
                         "'%.20s' is not an answer to this question: %s%zu to %zu", s,
                         chooses(q->kind) && q->ties ? "tie, or " : "", least, most);
    *answer = (int)value;
    return 0;
}

int page_answer_words(text *out, const assignment *a, int answer, error *err)
{
    const question *q = &a->question;
    if (answer == ANSWER_TIE)
        return html_add(out, err, "no difference");
    if (q->kind == QUESTION_ACCEPT)
        return html_add(out, err, answer ? "yes" : "no");
    if (q->kind == QUESTION_SCALE)
        return html_add(out, err, "%u of %u", (size_t)answer, q->n_labels);
    return html_add(out, err, "the %s",
                    answer == 0   ? "first"
                    : answer == 1 ? "second"
                    : answer == 2 ? "third"
                                  : "fourth");
}

/* One way to answer. `label` says it, `key` is the key that does it. */
typedef struct choice {
    const char *value, *key, *label, *class;
    bool chosen;
} choice;

static int add_choice(text *out, const page_form *f, const choice *c, error *err)
{
    TRY(html_add(
        out, err,
        "<button class=\"choice %m%m\" type=\"submit\" name=\"answer\" value=\"%s\" "
        "data-key=\"%s\"%m%m>",
        c->class, c->chosen ? " chosen" : "", c->value, c->key, f->off ? " disabled" : "",
        c->chosen ? " aria-pressed=\"true\"" : ""));
    return html_add(out, err,
                    "<span>%s</span> <kbd aria-hidden=\"true\">%s</kbd></button>\n",
                    c->label, c->key);
}

static bool is_answer(const assignment *a, int answer)
{
    return a->answered && a->answer == answer;
}

/* Outputs to choose between, each with its button. */
static int add_outputs(text *out, const assignment *a, const page_form *f, error *err)
{
    TRY(html_add(out, err, "<div class=\"outputs of%u\">\n", a->n_shown));
    for (size_t i = 0; i < a->n_shown; i++) {
        const char value[2] = {(char)('0' + i)}, key[2] = {(char)('1' + i)};
        TRY(html_add(
            out, err,
            "<section class=\"output\" aria-labelledby=\"o%s\">"
            "<h2 id=\"o%s\">%s</h2>\n<div class=\"text\" dir=\"auto\">%s</div>\n",
            key, key, places[i], a->shown[i]));
        TRY(add_choice(out, f,
                       &(choice){value, key, choosing[i], "main", is_answer(a, (int)i)},
                       err));
        TRY(html_add(out, err, "</section>\n"));
    }
    TRY(html_add(out, err, "</div>\n"));
    if (!a->question.ties)
        return 0;
    TRY(html_add(out, err, "<div class=\"row\">"));
    TRY(add_choice(
        out, f, &(choice){"tie", "0", "No difference", "tie", is_answer(a, ANSWER_TIE)},
        err));
    return html_add(out, err, "</div>\n");
}

/* The one output that is judged by itself. */
static int add_output(text *out, const assignment *a, error *err)
{
    return html_add(out, err,
                    "<section class=\"output alone\" aria-label=\"What to judge\">"
                    "<div class=\"text\" dir=\"auto\">%s</div></section>\n",
                    a->n_shown ? a->shown[0] : "");
}

/* Keys: 1 to 9, 0 for the tenth, - for the eleventh. */
static int add_step(text *out, const assignment *a, const page_form *f, size_t i,
                    error *err)
{
    static const char keys[] = "1234567890-";
    const char *label = a->question.labels[i - 1];
    const char key[2] = {keys[(i - 1) % strlen(keys)]};
    bool chosen = is_answer(a, (int)i);
    TRY(html_add(out, err,
                 "<li><button class=\"choice step%m\" type=\"submit\" name=\"answer\" "
                 "value=\"%u\" data-key=\"%s\"%m%m>",
                 chosen ? " chosen" : "", i, key, f->off ? " disabled" : "",
                 chosen ? " aria-pressed=\"true\"" : ""));
    return html_add(out, err, "<b>%u</b> <span>%s</span></button></li>\n", i, label);
}

static int add_scale(text *out, const assignment *a, const page_form *f, error *err)
{
    TRY(add_output(out, a, err));
    TRY(html_add(out, err, "<ol class=\"scale\">\n"));
    for (size_t i = 1; i <= a->question.n_labels; i++)
        TRY(add_step(out, a, f, i, err));
    return html_add(out, err, "</ol>\n");
}

/* Both alike: a button that stands out asks to be pressed. */
static int add_accept(text *out, const assignment *a, const page_form *f, error *err)
{
    TRY(add_output(out, a, err));
    TRY(html_add(out, err, "<div class=\"row two\">"));
    TRY(add_choice(out, f, &(choice){"0", "1", "No", "main", is_answer(a, 0)}, err));
    TRY(add_choice(out, f, &(choice){"1", "2", "Yes", "main", is_answer(a, 1)}, err));
    return html_add(out, err, "</div>\n");
}

static int add_context(text *out, const assignment *a, error *err)
{
    if (!a->context || !*a->context)
        return 0;
    return html_add(out, err,
                    "<section class=\"context\" aria-labelledby=\"context\">"
                    "<h2 id=\"context\">About</h2>\n"
                    "<div class=\"text\" dir=\"auto\">%s</div></section>\n",
                    a->context);
}

/* A text area, since Enter in a line of text would press the first button. */
static int add_comment(text *out, error *err)
{
    return html_add(out, err,
                    "<details class=\"comment\"><summary>Add a comment</summary>\n"
                    "<label for=\"comment\">Comment (optional), sent with your answer"
                    "</label>\n<textarea id=\"comment\" name=\"comment\" rows=\"3\" "
                    "maxlength=\"1000\"></textarea></details>\n");
}

int page_question(text *out, const assignment *a, const page_form *f, error *err)
{
    static int (*const ways[])(text *, const assignment *, const page_form *, error *) = {
        [QUESTION_COMPARE] = add_outputs,
        [QUESTION_BEST] = add_outputs,
        [QUESTION_SCALE] = add_scale,
        [QUESTION_ACCEPT] = add_accept,
    };
    TRY(html_add(out, err,
                 "<form id=\"task\" method=\"post\" action=\"%s\" autocomplete=\"off\">\n"
                 "<input type=\"hidden\" name=\"assignment\" value=\"%s\">\n%m",
                 f->action, a->token, f->fields));
    TRY(html_add(out, err, "<fieldset><legend><h1>%s</h1></legend>\n", a->question.text));
    TRY(add_context(out, a, err));
    TRY(ways[a->question.kind](out, a, f, err));
    if (!f->off)
        TRY(add_comment(out, err));
    return html_add(out, err, "</fieldset>\n</form>\n");
}

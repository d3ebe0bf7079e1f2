/* Pages, as functions of an assignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../rater/html.h"
#include "../rater/page.h"

static const page_place place = {"../../", "", NULL};

/* An assignment whose texts are all `s`. */
static assignment made(question_kind kind, bool ties, char *s, char **labels, size_t n)
{
    assignment a = {
        .token = "TOKEN",
        .question = {kind, ties, s, s, labels, n},
        .context = s,
        .n_shown = kind == QUESTION_COMPARE ? 2
                   : kind == QUESTION_BEST  ? 4
                                            : 1,
        .n_done = 3,
        .n_left = 5,
        .can_undo = true,
    };
    for (size_t i = 0; i < a.n_shown; i++)
        a.shown[i] = s;
    return a;
}

static size_t occurrences(const char *page, const char *s)
{
    size_t n = 0;
    for (; (page = strstr(page, s)); page += strlen(s))
        n++;
    return n;
}

static void html_add_escapes_what_is_not_markup(void **state)
{
    text t = {0};
    (void)state;
    assert_int_equal(
        html_add(&t, NULL, "<p title=\"%s\">%m %u%%</p>", "\"<&>'\x01", "<b>", (size_t)7),
        0);
    assert_string_equal(t.s, "<p title=\"&quot;&lt;&amp;&gt;&#39;" UTF8_REPLACEMENT
                             "\"><b> 7%</p>");
    assert_int_equal(html_add(&t, NULL, "%x"), E_ARGUMENT);
    assert_int_equal(html_add(&t, NULL, "%"), E_ARGUMENT);
    text_free(&t);
}

static void every_kind_offers_its_answers(void **state)
{
    static const struct {
        question_kind kind;
        bool ties;
        const char *values; /* in order */
    } kinds[] = {
        {QUESTION_COMPARE, false, "0 1 "},     {QUESTION_COMPARE, true, "0 1 tie "},
        {QUESTION_BEST, false, "0 1 2 3 "},    {QUESTION_BEST, true, "0 1 2 3 tie "},
        {QUESTION_SCALE, false, "1 2 3 4 5 "}, {QUESTION_ACCEPT, false, "0 1 "},
    };
    char s[] = "text", *labels[] = {s, s, s, s, s};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        text t = {0};
        char values[64] = "";
        const assignment a = made(kinds[i].kind, kinds[i].ties, s, labels, 5);
        assert_int_equal(page_task(&t, &place, &a, NULL), 0);
        static const char name[] = "name=\"answer\" value=\"";
        for (const char *at = t.s; (at = strstr(at, name)); at++) {
            at += strlen(name);
            snprintf(values + strlen(values), sizeof values - strlen(values), "%.*s ",
                     (int)strcspn(at, "\""), at);
        }
        assert_string_equal(values, kinds[i].values);
        assert_int_equal(occurrences(t.s, "<fieldset><legend><h1>text</h1></legend>"), 1);
        assert_int_equal(occurrences(t.s, "<main"), 1);
        assert_non_null(strstr(t.s, "3 answered, 5 to go"));
        assert_non_null(strstr(t.s, "<title>Question 4 of 8</title>"));
        text_free(&t);
    }
}

/* No byte of a foreign string opens a tag or leaves an attribute. */
static void foreign_strings_are_text_on_every_page(void **state)
{
    char nasty[] =
        "</textarea></title><script>\"'><img onerror=x>\x01\x1b\x7f\xff\xed\xa0\x80";
    char *labels[] = {nasty, nasty};
    (void)state;
    for (int kind = 0; kind < N_QUESTION_KINDS; kind++) {
        const assignment a = made((question_kind)kind, true, nasty, labels, 2);
        text t = {0};
        const page_place p = {"", "TOKEN/", nasty};
        assert_int_equal(page_task(&t, &p, &a, NULL), 0);
        assert_int_equal(page_intro(&t, &p, &a, NULL), 0);
        assert_int_equal(page_mturk_task(&t, &p, &a, false, "", NULL), 0);
        assert_int_equal(
            page_mturk_done(&t, &p, &(page_hand_in){nasty, nasty, nasty, nasty, nasty},
                            NULL),
            0);
        assert_int_equal(page_error(&t, "", 400, nasty, NULL), 0);
        assert_null(strstr(t.s, "<img"));
        assert_null(strstr(t.s, "<script>"));
        assert_null(strstr(t.s, "\"'"));
        assert_int_equal(occurrences(t.s, "</title>"), 5);
        assert_int_equal(utf8_check(t.s, t.n), t.n);
        for (size_t i = 0; i < t.n; i++)
            assert_true((unsigned char)t.s[i] >= ' ' || t.s[i] == '\n');
        text_free(&t);
    }
}

static void an_answered_one_says_so_and_cannot_be_answered_again(void **state)
{
    char s[] = "text", *labels[] = {s, s, s};
    assignment a = made(QUESTION_SCALE, false, s, labels, 3);
    text t = {0};
    (void)state;
    a.answered = true;
    a.answer = 2;
    assert_int_equal(page_task(&t, &place, &a, NULL), 0);
    assert_non_null(strstr(t.s, "You answered: <strong>2 of 3</strong>"));
    assert_int_equal(occurrences(t.s, " disabled"), 3);
    assert_int_equal(occurrences(t.s, "step chosen"), 1);
    text_free(&t);
}

static void a_preview_cannot_be_answered(void **state)
{
    char s[] = "text";
    const assignment a = made(QUESTION_COMPARE, true, s, NULL, 0);
    text t = {0};
    (void)state;
    assert_int_equal(page_mturk_task(&t, &place, &a, true, "", NULL), 0);
    assert_non_null(strstr(t.s, "This is a preview"));
    assert_int_equal(occurrences(t.s, "<button"), occurrences(t.s, " disabled"));
    text_free(&t);
}

static void an_answer_is_one_that_the_question_has(void **state)
{
    static const struct {
        question_kind kind;
        bool ties;
        const char *s;
        int answer; /* -2: none */
    } answers[] = {
        {QUESTION_COMPARE, true, "tie", ANSWER_TIE},
        {QUESTION_COMPARE, false, "tie", -2},
        {QUESTION_COMPARE, true, "0", 0},
        {QUESTION_COMPARE, true, "1", 1},
        {QUESTION_COMPARE, true, "2", -2},
        {QUESTION_COMPARE, true, "-1", -2},
        {QUESTION_COMPARE, true, "", -2},
        {QUESTION_COMPARE, true, " 1", -2},
        {QUESTION_COMPARE, true, "1 ", -2},
        {QUESTION_COMPARE, true, "001", -2},
        {QUESTION_BEST, false, "3", 3},
        {QUESTION_BEST, false, "4", -2},
        {QUESTION_SCALE, true, "0", -2},
        {QUESTION_SCALE, true, "1", 1},
        {QUESTION_SCALE, true, "11", 11},
        {QUESTION_SCALE, true, "12", -2},
        {QUESTION_SCALE, true, "tie", -2},
        {QUESTION_ACCEPT, true, "1", 1},
        {QUESTION_ACCEPT, true, "2", -2},
        {QUESTION_ACCEPT, true, "yes", -2},
    };
    char s[] = "text";
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const assignment a = made(answers[i].kind, answers[i].ties, s, NULL, 11);
        int answer = -2;
        int rc = page_answer(&a, answers[i].s, &answer, NULL);
        assert_int_equal(rc, answers[i].answer == -2 ? E_ARGUMENT : 0);
        assert_int_equal(answer, answers[i].answer);
    }
}

static void links_lead_where_the_page_stands(void **state)
{
    char s[] = "text";
    const assignment a = made(QUESTION_COMPARE, true, s, NULL, 0);
    text t = {0};
    (void)state;
    assert_int_equal(page_task(&t, &(page_place){"../", "TOKEN/", NULL}, &a, NULL), 0);
    assert_non_null(strstr(t.s, "href=\"../page.css\""));
    assert_non_null(strstr(t.s, "action=\"TOKEN/answer\""));
    assert_non_null(strstr(t.s, "action=\"TOKEN/undo\""));
    assert_non_null(strstr(t.s, "action=\"TOKEN/leave\""));
    assert_null(strstr(t.s, "//"));
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_add_escapes_what_is_not_markup),
        cmocka_unit_test(every_kind_offers_its_answers),
        cmocka_unit_test(foreign_strings_are_text_on_every_page),
        cmocka_unit_test(an_answered_one_says_so_and_cannot_be_answered_again),
        cmocka_unit_test(a_preview_cannot_be_answered),
        cmocka_unit_test(an_answer_is_one_that_the_question_has),
        cmocka_unit_test(links_lead_where_the_page_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

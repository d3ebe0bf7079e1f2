/* Pages, forms and the API's JSON when memory runs out: each says so, and keeps none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../rater/api_json.h"
#include "../rater/form.h"
#include "../rater/page.h"

#include "failing_malloc.h"

static char word[] = "wo<r>d \xff";
static char *labels[] = {word, word, word};

static assignment made(question_kind kind)
{
    assignment a = {
        .token = "TOKEN",
        .question = {kind, true, word, word, labels, 3},
        .context = word,
        .n_shown = kind == QUESTION_COMPARE ? 2 : 1,
        .n_left = 2,
        .can_undo = true,
        .answered = kind == QUESTION_ACCEPT,
    };
    for (size_t i = 0; i < a.n_shown; i++)
        a.shown[i] = word;
    return a;
}

static int show_compare(text *out)
{
    const assignment a = made(QUESTION_COMPARE);
    return page_task(out, &(page_place){"", "", word}, &a, NULL);
}

static int show_scale(text *out)
{
    const assignment a = made(QUESTION_SCALE);
    return page_mturk_task(out, &(page_place){"", "", NULL}, &a, false, "", NULL);
}

static int show_answered(text *out)
{
    const assignment a = made(QUESTION_ACCEPT);
    return page_conflict(out, &(page_place){"", "", NULL}, &a, NULL);
}

static int read_form(text *out)
{
    form f = {0};
    int rc = form_parse(&f, "a=1&b=%20", 9, NULL);
    form_free(&f);
    return rc == 0 ? text_add_string(out, "read", NULL) : rc;
}

static int tell_problem(text *out)
{
    return api_problem(out, 400, word, NULL);
}

static int tell_assignment(text *out)
{
    const assignment a = made(QUESTION_COMPARE);
    return api_print(out, api_assignment(&a), NULL);
}

static int tell_rating(text *out)
{
    const crowd_rating r = {.rater_name = word,
                            .task = "t",
                            .question = "q",
                            .n_outputs = 2,
                            .outputs = {"a", "b"},
                            .comment = word,
                            .source = "page"};
    TRY(api_rating_csv(out, &r, NULL));
    return api_rating_jsonl(out, &r, NULL);
}

static void every_failed_allocation_is_told_and_leaves_nothing(void **state)
{
    static int (*const calls[])(text *) = {show_compare, show_scale,   show_answered,
                                           read_form,    tell_problem, tell_assignment,
                                           tell_rating};
    (void)state;
    if (!can_fail_allocations())
        return;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int rc = E_MEMORY;
        long n = 0;
        for (; rc == E_MEMORY && n < 10000; n++) {
            text out = {0};
            long before = allocations_held();
            set_allocations_left(n + 1);
            rc = calls[i](&out);
            set_allocations_left(-1);
            text_free(&out);
            assert_int_equal(allocations_held(), before);
        }
        assert_int_equal(rc, 0);
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

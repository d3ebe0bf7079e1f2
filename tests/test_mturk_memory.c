/* What Mechanical Turk's client reads and writes when memory runs out: at every single
 * allocation, in turn. What is taken is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include "../rater/aws_credentials.h"
#include "../rater/mturk_question.h"
#include "failing_malloc.h"

typedef int attempt(error *err);

static int read_keys(error *err)
{
    static const char file[] =
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
        "aws_session_token = c\n";
    aws_credentials c;
    TRY(aws_credentials_parse(&c, file, sizeof file - 1, "file", "default", err));
    assert_string_equal(c.key, "a");
    assert_string_equal(c.secret, "b");
    assert_string_equal(c.session_token, "c");
    aws_credentials_free(&c);
    return 0;
}

static int read_answer(error *err)
{
    static const char xml[] =
        "<QuestionFormAnswers xmlns=\"x\"><Answer><QuestionIdentifier>task"
        "</QuestionIdentifier><FreeText>a &amp; b &#228; and a text of some length"
        "</FreeText></Answer><Answer><QuestionIdentifier>answer</QuestionIdentifier>"
        "<FreeText>tie</FreeText></Answer></QuestionFormAnswers>";
    mturk_answers a;
    TRY(mturk_answers_parse(&a, xml, sizeof xml - 1, err));
    assert_int_equal(a.n, 2);
    assert_string_equal(mturk_answers_get(&a, "task"),
                        "a & b \xc3\xa4 and a text of some length");
    assert_string_equal(mturk_answers_get(&a, "answer"), "tie");
    mturk_answers_free(&a);
    return 0;
}

static int make_request(error *err)
{
    static char text_of[] = "Better?", nothing[] = "", one[] = "<one>", two[] = "two";
    mturk_task task = {.id = "1",
                       .question = {.kind = QUESTION_COMPARE,
                                    .ties = true,
                                    .text = text_of,
                                    .instructions = nothing},
                       .context = nothing,
                       .outputs = {one, two},
                       .output_ids = {"2", "3"},
                       .n_outputs = 2};
    mturk_terms t = mturk_terms_defaults();
    json_t *request;
    t.reward_cents = 5;
    t.masters = true;
    t.countries = "US,GB";
    t.min_approved_percent = 95;
    TRY(mturk_hit_request(&task, &t, MTURK_SANDBOX, 3, "token", &request, err));
    const json_t *list = json_object_get(request, "QualificationRequirements");
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(list, 2), "LocaleValues")), 2);
    assert_int_equal(json_object_size(request), 12);
    json_decref(request);
    return 0;
}

/* `whole`: all that is allocated is ours to give back; libxml2 keeps errors and tables.
 */
static void fail_at_every_allocation(attempt *try, bool whole)
{
    if (!can_fail_allocations())
        return;
    error err = {0};
    assert_int_equal(try(&err), 0); /* what libraries keep for good is there */
    for (long n = 0;; n++) {
        long held_before = allocations_held();
        err = (error){0};
        set_allocations_left(n + 1);
        int rc = try(&err);
        set_allocations_left(-1);
        if (whole)
            assert_int_equal(allocations_held(), held_before);
        if (rc == 0)
            break;
        if (rc != E_MEMORY && !(rc == E_FORMAT && !whole))
            fail_msg("allocation %ld: %s", n, err.text);
        assert_in_range(n, 0, 2000);
    }
}

static void keys_need_all_their_memory(void **state)
{
    (void)state;
    fail_at_every_allocation(read_keys, true);
}

static void answers_need_all_their_memory(void **state)
{
    (void)state;
    fail_at_every_allocation(read_answer, false);
}

static void requests_need_all_their_memory(void **state)
{
    (void)state;
    fail_at_every_allocation(make_request, true);
}

/* libxml2 tells on standard error when it has no memory for a parser. */
static void be_quiet(void *context, const char *format, ...)
{
    (void)context, (void)format;
}

int main(void)
{
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, be_quiet);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_need_all_their_memory),
        cmocka_unit_test(answers_need_all_their_memory),
        cmocka_unit_test(requests_need_all_their_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

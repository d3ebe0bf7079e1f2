/* Mechanical Turk without a network: requests equal to botocore's, forms, answers.
 * With arguments it makes runs for tests/cli (mturk_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>

#include "../rater/mturk.h"
#include "../rater/mturk_form.h"
#include "mturk_fixture.h"

enum { N_A = 32 };

static json_t *load_requests(void)
{
    json_error_t why;
    json_t *all = json_load_file("tests/data/mturk/requests.json", 0, &why);
    assert_true(json_is_array(all));
    return all;
}

/* The body that botocore makes, borrowed from `all`. */
static const json_t *body_of(const json_t *all, const char *name)
{
    size_t i;
    json_t *x;
    json_array_foreach(all, i, x)
    {
        if (strcmp(json_string_value(json_object_get(x, "name")), name) == 0)
            return json_object_get(x, "body");
    }
    fail_msg("no request %s", name);
    return NULL;
}

static void fill(char *out, const char *two)
{
    for (size_t i = 0; i < N_A; i++)
        memcpy(out + 2 * i, two, 2);
    out[2 * N_A] = '\0';
}

static void hit_requests_are_those_of_botocore(void **state)
{
    (void)state;
    json_t *all = load_requests(), *made;
    mturk_task task = {.question = {.kind = QUESTION_ACCEPT}, .n_outputs = 1};
    char token[SHA256_HEX];
    error err = {0};
    fill(task.id, "ab");
    fill(token, "cd");
    mturk_terms t = mturk_terms_defaults();
    t.page = "https://rate.example.org";
    t.reward_cents = 1200;
    assert_int_equal(mturk_terms_check(&t, &err), 0);
    assert_int_equal(mturk_hit_request(&task, &t, MTURK_SANDBOX, 1, token, &made, &err),
                     0);
    assert_true(json_equal(made, body_of(all, "create_plain")));
    json_decref(made);
    t = (mturk_terms){.title = "Names für Träume",
                      .description = "One \"question\" & no more",
                      .keywords = "a, b",
                      .page = "https://rate.example.org/r/",
                      .reward_cents = 5,
                      .lifetime_seconds = 3600,
                      .duration_seconds = 300,
                      .auto_approve_seconds = 60,
                      .masters = true,
                      .countries = "US,GB",
                      .min_approved_percent = 95,
                      .min_approved_hits = 100,
                      .only_with = "3ABC"};
    assert_int_equal(mturk_terms_check(&t, &err), 0);
    assert_int_equal(mturk_hit_request(&task, &t, MTURK_SANDBOX, 9, token, &made, &err),
                     0);
    assert_true(json_equal(made, body_of(all, "create_all")));
    json_decref(made);
    json_decref(all);
}

static void terms_beyond_amazons_limits_are_refused(void **state)
{
    (void)state;
    error err;
    char title[200];
    memset(title, 'x', 129);
    title[129] = '\0';
    const struct {
        mturk_terms t;
        const char *says;
    } wrong[] = {
        {{.reward_cents = 0}, "reward is 0"},
        {{.reward_cents = 100001}, "reward is 100001"},
        {{.title = ""}, "title has 0"},
        {{.title = title}, "title has 129"},
        {{.title = "\xff"}, "not UTF-8"},
        {{.lifetime_seconds = 29}, "lifetime in seconds is 29"},
        {{.lifetime_seconds = 1209601}, "1209600"},
        {{.duration_seconds = 1}, "duration in seconds is 1"},
        {{.auto_approve_seconds = 2592001}, "2592000"},
        {{.countries = "USA"}, "USA"},
        {{.countries = "US,"}, "'US,'"},
        {{.countries = "us"}, "'us'"},
        {{.countries = ""}, "empty"},
        {{.page = "http://x.org"}, "https://"},
        {{.page = "https://x.org/?a=b"}, "neither"},
        {{.min_approved_percent = 101}, "101"},
        {{.only_with = "a b"}, "qualification"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mturk_terms t = mturk_terms_defaults(), w = wrong[i].t;
        t.reward_cents = w.reward_cents || i == 0 ? w.reward_cents : 5;
        t.title = w.title ? w.title : t.title;
        t.countries = w.countries;
        t.page = w.page;
        t.only_with = w.only_with;
        t.min_approved_percent = w.min_approved_percent;
        t.lifetime_seconds = w.lifetime_seconds ? w.lifetime_seconds : 86400;
        t.duration_seconds = w.duration_seconds ? w.duration_seconds : 600;
        t.auto_approve_seconds = w.auto_approve_seconds;
        assert_int_equal(mturk_terms_check(&t, &err), E_ARGUMENT);
        if (!strstr(err.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", err.text, wrong[i].says);
    }
}

/* ---- Forms ---- */

static void make_task(mturk_task *t, question_kind kind, bool ties)
{
    static char bad[] = "<bad>", good[] = "good",
                context[] = "a\x01 ]]> & <script>alert(1)</script> \xff",
                text_of[] = "Better <i>\"?", nothing[] = "", one[] = "one ]]>",
                two[] = "two", three[] = "three", four[] = "four";
    static char *labels[] = {bad, good}, *texts[] = {one, two, three, four};
    *t = (mturk_task){.n_outputs = question_outputs(kind)};
    fill(t->id, "ab");
    t->question = (question){.kind = kind,
                             .ties = ties,
                             .text = text_of,
                             .instructions = nothing,
                             .labels = kind == QUESTION_SCALE ? labels : NULL,
                             .n_labels = kind == QUESTION_SCALE ? 2 : 0};
    t->context = context;
    for (size_t i = 0; i < t->n_outputs; i++) {
        t->outputs[i] = texts[i];
        fill(t->output_ids[i], (const char *[]){"00", "11", "22", "33"}[i]);
    }
}

static void forms_too_long_for_amazon_are_refused(void **state)
{
    (void)state;
    mturk_task t;
    json_t *request;
    error err = {0};
    mturk_terms terms = mturk_terms_defaults();
    make_task(&t, QUESTION_COMPARE, false);
    char *long_context = calloc(1, 65536);
    assert_non_null(long_context);
    memset(long_context, 'x', 65535);
    t.context = long_context;
    assert_int_equal(
        mturk_hit_request(&t, &terms, MTURK_SANDBOX, 1, "token", &request, &err),
        E_LIMIT);
    assert_non_null(strstr(err.text, "--page"));
    long_context[60000] = '\0';
    assert_int_equal(
        mturk_hit_request(&t, &terms, MTURK_SANDBOX, 1, "token", &request, &err), 0);
    json_decref(request);
    free(long_context);
}

static size_t count(const char *s, const char *what)
{
    size_t n = 0;
    for (; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

static void forms_are_well_formed_whatever_the_texts(void **state)
{
    (void)state;
    static const size_t choices[] = {3, 5, 2, 2};
    for (int kind = 0; kind < N_QUESTION_KINDS; kind++) {
        mturk_task t;
        text xml = {0};
        error err = {0};
        make_task(&t, (question_kind)kind, true);
        assert_int_equal(mturk_form(&t, "https://w/x", &xml, &err), 0);
        xmlDoc *document = xmlReadMemory(xml.s, (int)xml.n, NULL, "UTF-8",
                                         XML_PARSE_NONET | XML_PARSE_NOERROR);
        assert_non_null(document);
        xmlFreeDoc(document);
        assert_int_equal(count(xml.s, "]]>"), 1);
        assert_int_equal(count(xml.s, "<script>"), 1);
        assert_int_equal(count(xml.s, "type=\"radio\""), choices[kind]);
        text_free(&xml);
    }
}

static int rate(const mturk_task *t, const assignment *shown, const char *task,
                const char *answer, error *err)
{
    int out = -99;
    text xml = {0};
    mturk_answers a;
    assert_int_equal(text_add_format(&xml, NULL,
                                     "<QuestionFormAnswers><Answer><QuestionIdentifier>"
                                     "task</QuestionIdentifier><FreeText>%s</FreeText>"
                                     "</Answer><Answer><QuestionIdentifier>answer"
                                     "</QuestionIdentifier><FreeText>%s</FreeText>"
                                     "</Answer></QuestionFormAnswers>",
                                     task, answer),
                     0);
    assert_int_equal(mturk_answers_parse(&a, xml.s, xml.n, err), 0);
    int rc = mturk_rating(t, &a, shown, &out, err);
    mturk_answers_free(&a);
    text_free(&xml);
    return rc < 0 ? rc : out + 100;
}

static void answers_mean_the_output_not_the_place(void **state)
{
    (void)state;
    mturk_task t;
    error err = {0};
    make_task(&t, QUESTION_BEST, false);
    assignment shown = {
        .n_shown = 4, .shown = {t.outputs[2], t.outputs[0], t.outputs[3], t.outputs[1]}};
    char other[SHA256_HEX];
    fill(other, "99");
    assert_int_equal(rate(&t, &shown, t.id, t.output_ids[0], &err), 101);
    assert_int_equal(rate(&t, &shown, t.id, t.output_ids[1], &err), 103);
    assert_int_equal(rate(&t, &shown, t.id, other, &err), E_FORMAT);
    assert_int_equal(rate(&t, &shown, t.id, "tie", &err), E_FORMAT);
    assert_int_equal(rate(&t, &shown, other, t.output_ids[1], &err), E_FORMAT);
    assert_non_null(strstr(err.text, "another task"));
    t.question.ties = true;
    assert_int_equal(rate(&t, &shown, t.id, "tie", &err), 100 + ANSWER_TIE);
    make_task(&t, QUESTION_SCALE, false);
    assert_int_equal(rate(&t, &shown, t.id, "2", &err), 102);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(
            rate(&t, &shown, t.id, (const char *[]){"3", "0", "-1", "2x", "+1"}[i], &err),
            E_FORMAT);
    make_task(&t, QUESTION_ACCEPT, false);
    assert_int_equal(rate(&t, &shown, t.id, "0", &err), 100);
    assert_int_equal(rate(&t, &shown, t.id, "2", &err), E_FORMAT);
}

static void hostile_answers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "x",
        "<a/>",
        "<QuestionFormAnswers>",
        "<QuestionFormAnswers/><x/>",
        "<!DOCTYPE QuestionFormAnswers><QuestionFormAnswers/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><QuestionFormAnswers>"
        "<Answer><QuestionIdentifier>a</QuestionIdentifier><FreeText>&x;</FreeText>"
        "</Answer></QuestionFormAnswers>",
        "<QuestionFormAnswers><Answer><FreeText>a</FreeText></Answer></"
        "QuestionFormAnswers>",
        "<QuestionFormAnswers><Answer><QuestionIdentifier>a</"
        "QuestionIdentifier><FreeText>"
        "<b/></FreeText></Answer></QuestionFormAnswers>",
        "<QuestionFormAnswers><Answer><QuestionIdentifier>a</QuestionIdentifier>"
        "<FreeText>1</FreeText><FreeText>2</FreeText></Answer></QuestionFormAnswers>",
        "<QuestionFormAnswers><Answer><QuestionIdentifier>a</QuestionIdentifier>"
        "<FreeText>1</FreeText></Answer><Answer><QuestionIdentifier>a"
        "</QuestionIdentifier><FreeText>2</FreeText></Answer></QuestionFormAnswers>",
    };
    mturk_answers a = {0};
    error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mturk_answers_parse(&a, wrong[i], strlen(wrong[i]), &err),
                         E_FORMAT);
    char *big = calloc(1, MTURK_MAX_ANSWER_BYTES + 2);
    assert_int_equal(mturk_answers_parse(&a, big, MTURK_MAX_ANSWER_BYTES + 1, &err),
                     E_FORMAT);
    free(big);
    static const char right[] =
        "<?xml version=\"1.0\"?><QuestionFormAnswers xmlns=\"x\"><Answer>"
        "<QuestionIdentifier>a</QuestionIdentifier><FreeText>&lt;&#228;<![CDATA[&]]>"
        "</FreeText></Answer><Answer><QuestionIdentifier>e</QuestionIdentifier>"
        "<FreeText/></Answer></QuestionFormAnswers>";
    assert_int_equal(mturk_answers_parse(&a, right, sizeof right - 1, &err), 0);
    assert_string_equal(mturk_answers_get(&a, "a"), "<\xc3\xa4&");
    assert_string_equal(mturk_answers_get(&a, "e"), "");
    assert_null(mturk_answers_get(&a, "b"));
    mturk_answers_free(&a);
}

/* As programs write down what people type: no XML, and yet an answer. */
static void characters_that_xml_forbids_cost_no_answer(void **state)
{
    (void)state;
    static const char smile[] = "\xf0\x9f\x98\x80", no[] = "\xef\xbf\xbd";
    const struct {
        const char *sent, *parts[3];
    } said[] = {
        {"&#55357;&#56832;!", {smile, "!"}},
        {"&#xD83D;&#xDE00;", {smile}},
        {"&#128512;&#x1f600;", {smile, smile}},
        {"a&#0;&#x1B;", {"a", no, no}},
        {"\x0b&lt;", {no, "<"}},
        {"&#56832;&#55357;x", {no, no, "x"}},
        {"&#55357;", {no}},
        {"&#99999999999999999999;&#xfffe;", {no, no}},
        {"&#38;&amp;#38;&#9;.", {"&", "&#38;", "\t."}},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        text xml = {0}, meant = {0};
        mturk_answers a = {0};
        for (size_t k = 0; k < 3 && said[i].parts[k]; k++)
            assert_int_equal(text_add_string(&meant, said[i].parts[k], NULL), 0);
        assert_int_equal(
            text_add_format(&xml, NULL,
                            "<?xml version=\"1.0\" encoding=\"ASCII\"?>"
                            "<q:QuestionFormAnswers xmlns:q=\"x\"><q:Answer>"
                            "<q:QuestionIdentifier>a</q:QuestionIdentifier><q:FreeText>"
                            "%s</q:FreeText></q:Answer></q:QuestionFormAnswers>",
                            said[i].sent),
            0);
        assert_int_equal(mturk_answers_parse(&a, xml.s, xml.n, NULL), 0);
        assert_string_equal(mturk_answers_get(&a, "a"), text_string(&meant));
        mturk_answers_free(&a);
        text_free(&xml);
        text_free(&meant);
    }
}

/* The program for tests/cli. */
static int act(int argc, char **argv)
{
    error err = {0};
    int rc = E_ARGUMENT;
    if (argc == 5 && strcmp(argv[1], "make") == 0)
        rc = mturk_fixture_run(argv[2], strtoul(argv[3], NULL, 10),
                               strtoul(argv[4], NULL, 10), &err);
    if (rc < 0)
        fprintf(stderr, "%s\n", err.text);
    return rc < 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hit_requests_are_those_of_botocore),
        cmocka_unit_test(terms_beyond_amazons_limits_are_refused),
        cmocka_unit_test(forms_are_well_formed_whatever_the_texts),
        cmocka_unit_test(forms_too_long_for_amazon_are_refused),
        cmocka_unit_test(answers_mean_the_output_not_the_place),
        cmocka_unit_test(hostile_answers_are_refused),
        cmocka_unit_test(characters_that_xml_forbids_cost_no_answer),
    };
    return argc > 1 ? act(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}

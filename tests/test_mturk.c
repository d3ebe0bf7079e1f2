/* Mechanical Turk without a network: requests equal to botocore's, forms, answers, money,
 * books. With arguments it makes runs for tests/cli (mturk_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/parser.h>

#include "../rater/mturk.h"
#include "../rater/mturk_form.h"
#include "mturk_fixture.h"
#include "scratch.h"

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

/* ---- Money and books ---- */

static void fees_are_amazons_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(mturk_fee_cents(1, 1, false), 1);
    assert_int_equal(mturk_fee_cents(5, 9, false), 1);
    assert_int_equal(mturk_fee_cents(5, 10, false), 2);
    assert_int_equal(mturk_fee_cents(100, 9, false), 20);
    assert_int_equal(mturk_fee_cents(100, 10, false), 40);
    assert_int_equal(mturk_fee_cents(100, 9, true), 25);
    assert_int_equal(mturk_fee_cents(7, 3, false), 2); /* 1.4 */
    int64_t cents;
    error err;
    assert_int_equal(mturk_read_money("12.3", &cents, &err), 0);
    assert_int_equal(cents, 1230);
    assert_int_equal(mturk_read_money("0.05", &cents, &err), 0);
    assert_int_equal(cents, 5);
    static const char *const wrong[] = {"",    ".",  "1.234", "-1",
                                        "1e3", "$1", "1,00",  "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mturk_read_money(wrong[i], &cents, &err), E_FORMAT);
}

static void open_books(mturk_store **s, char *path, size_t n, mturk_place place)
{
    error err = {0};
    if (access(path, F_OK) != 0)
        assert_int_equal(mturk_fixture_run(path, n, 3, &err), 0);
    assert_int_equal(mturk_store_open(s, path, place, &err), 0);
}

static hit_row row_for(mturk_store *s, const char *task, size_t batches, size_t n)
{
    error err = {0};
    hit_row h = {.assignments = n, .reward_cents = 5, .fee_cents = 1};
    static char request[] = "{}";
    h.request = request;
    snprintf(h.task, sizeof h.task, "%s", task);
    assert_int_equal(mturk_store_token(s, task, batches, h.token, &err), 0);
    return h;
}

static void the_cap_holds_in_the_transaction_that_reserves(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk_store *a, *b;
    mturk_money m;
    error err = {0};
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    open_books(&a, path, 1, MTURK_SANDBOX);
    open_books(&b, path, 1, MTURK_SANDBOX);
    task_view none = {0};
    hit_row h = row_for(a, "t1", 0, 3), i = row_for(b, "t2", 0, 3);
    assert_int_equal(mturk_store_reserve(a, &h, &none, 1, &err), RESERVE_OVER_CAP);
    assert_int_equal(mturk_store_set_cap(a, 35, &err), 0);
    assert_int_equal(mturk_store_reserve(a, &h, &none, 1, &err), RESERVED);
    assert_int_equal(mturk_store_reserve(b, &i, &none, 1, &err), RESERVE_OVER_CAP);
    assert_int_equal(mturk_store_reserve(b, &h, &none, 1, &err), RESERVE_CHANGED);
    assert_int_equal(mturk_store_set_cap(b, 17, &err), E_LIMIT);
    assert_int_equal(mturk_store_set_cap(b, 36, &err), 0);
    assert_int_equal(mturk_store_reserve(b, &i, &none, 1, &err), RESERVED);
    /* A refusal gives the money back; a HIT that is found is never refused. */
    assert_int_equal(mturk_store_refused(a, i.token, "no", &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 18);
    assert_int_equal(mturk_store_opened(a, h.token, "HIT1", &err), 0);
    assert_int_equal(mturk_store_refused(a, h.token, "no", &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 18);
    /* Of a closed HIT only what was answered and not rejected is owed. */
    size_t n_new;
    static char nothing[] = "";
    listed_assignment listed[] = {{.id = "A1",
                                   .worker = "W1",
                                   .status = "Submitted",
                                   .answer = nothing,
                                   .seconds = 3},
                                  {.id = "A2",
                                   .worker = "W2",
                                   .status = "Approved",
                                   .answer = nothing,
                                   .seconds = 3}};
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(mturk_store_put_listed(a, h.token, listed, 2, &n_new, &err), 0);
    assert_int_equal(n_new, 0); /* the second time */
    assert_int_equal(mturk_store_closed(a, h.token, &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 12);
    assert_int_equal(m.rewards_cents, 5);
    assert_int_equal(m.fees_cents, 1);
    assert_int_equal(mturk_store_payment(a, "A1", PAYMENT_REJECTED, &err), 0);
    assert_int_equal(mturk_store_payment(a, "A2", PAYMENT_REJECTED, &err), 0); /* paid */
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 6);
    assert_int_equal(m.rejected_cents, 6);
    mturk_store_close(a);
    mturk_store_close(b);
    scratch_remove(dir);
}

static void places_have_books_of_their_own(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk_store *a, *b;
    mturk_money m;
    mturk_counts c;
    error err = {0};
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    open_books(&a, path, 1, MTURK_SANDBOX);
    open_books(&b, path, 1, MTURK_PRODUCTION);
    assert_int_equal(mturk_store_set_cap(a, 100, &err), 0);
    hit_row h = row_for(a, "t1", 0, 3), i = row_for(b, "t1", 0, 3);
    assert_string_not_equal(h.token, i.token);
    assert_int_equal(mturk_store_reserve(a, &h, &(task_view){0}, 1, &err), RESERVED);
    assert_int_equal(mturk_store_money(b, &m, &err), 0);
    assert_int_equal(m.cap_cents, -1);
    assert_int_equal(m.committed_cents, 0);
    assert_int_equal(mturk_store_count(b, &c, &err), 0);
    assert_int_equal(c.elsewhere, 1);
    mturk_store_close(a);
    mturk_store_close(b);
    scratch_remove(dir);
}

static void a_plan_counts_what_is_missing_and_asks_nobody(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk *m;
    mturk_bill bill;
    error err = {0};
    mturk_post_options o = {.terms = mturk_terms_defaults(), .plan_cap_cents = 100};
    o.terms.reward_cents = 5;
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_equal(mturk_fixture_run(path, 8, 3, &err), 0);
    assert_int_equal(mturk_open(&m, path, MTURK_SANDBOX, NULL, &err), 0);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 5);
    assert_int_equal(bill.assignments, 15);
    assert_int_equal(bill.reward_cents, 75);
    assert_int_equal(bill.fee_cents, 15);
    assert_int_equal(bill.over_cap, 3);
    o.assignments = 1;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 8);
    o.max_hits = 2;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 2);
    mturk_close(m);
    scratch_remove(dir);
}

static void gold_is_posted_when_asked_for_and_once(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500], question_id[SHA256_HEX], output[SHA256_HEX],
         id[SHA256_HEX];
    const char *outputs[] = {output};
    crowd *c;
    mturk *m;
    mturk_bill bill;
    error err = {0};
    mturk_post_options o = {.terms = mturk_terms_defaults(), .plan_cap_cents = 1000};
    o.terms.reward_cents = 5;
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_equal(mturk_fixture_run(path, 1, 3, &err), 0);
    assert_int_equal(crowd_open(&c, path, &err), 0);
    static char text_of[] = "Good?", nothing[] = "";
    const question q = {
        .kind = QUESTION_ACCEPT, .text = text_of, .instructions = nothing};
    assert_int_equal(crowd_put_question(c, &q, question_id, &err), 0);
    assert_int_equal(crowd_put_output(c, "", "yes", output, &err), 0);
    const task_request gold = {
        .question = question_id, .outputs = outputs, .wanted = 4, .gold = "1"};
    assert_int_equal(crowd_put_task(c, &gold, id, &err), 0);
    crowd_close(c);
    assert_int_equal(mturk_open(&m, path, MTURK_SANDBOX, NULL, &err), 0);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 3);
    o.gold = true;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 7);
    hit_row h = row_for(mturk_books(m), id, 0, 4);
    assert_int_equal(mturk_store_set_cap(mturk_books(m), 1000, &err), 0);
    assert_int_equal(mturk_store_reserve(mturk_books(m), &h, &(task_view){0}, 1, &err),
                     RESERVED);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 3);
    mturk_close(m);
    scratch_remove(dir);
}

/* The program for tests/cli. */
static int act(int argc, char **argv)
{
    error err = {0};
    int rc = E_ARGUMENT;
    if (argc == 5 && strcmp(argv[1], "make") == 0)
        rc = mturk_fixture_run(argv[2], strtoul(argv[3], NULL, 10),
                               strtoul(argv[4], NULL, 10), &err);
    else if (argc == 4 && strcmp(argv[1], "answer") == 0)
        rc = mturk_fixture_answer(argv[2], argv[3], &err);
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
        cmocka_unit_test(answers_mean_the_output_not_the_place),
        cmocka_unit_test(hostile_answers_are_refused),
        cmocka_unit_test(fees_are_amazons_rounded_up),
        cmocka_unit_test(the_cap_holds_in_the_transaction_that_reserves),
        cmocka_unit_test(places_have_books_of_their_own),
        cmocka_unit_test(a_plan_counts_what_is_missing_and_asks_nobody),
        cmocka_unit_test(gold_is_posted_when_asked_for_and_once),
    };
    return argc > 1 ? act(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}

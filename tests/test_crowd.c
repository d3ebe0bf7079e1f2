/* The crowd asks each task of as many raters as it wants, no rater twice, and takes each
 * answer once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_fixture.h"
#include "expect.h"
#include "scratch.h"

/* A crowd with n compare tasks under plain rules; id of the last. */
static crowd *compare_crowd(const char *dir, size_t n, size_t wanted,
                            char task[SHA256_HEX])
{
    char asked[SHA256_HEX];
    crowd *c = crowd_in(dir);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    put_question(c, QUESTION_COMPARE, asked);
    for (size_t i = 0; i < n; i++)
        put_task(c, asked, QUESTION_COMPARE, i, wanted, task);
    return c;
}

/* ---- Content ---- */

static void test_content_is_put_once_and_comes_back(void **state)
{
    char q1[SHA256_HEX], q2[SHA256_HEX], a[SHA256_HEX], b[SHA256_HEX], other[SHA256_HEX];
    char *context = NULL, *output = NULL;
    error err = {0};
    crowd *c = crowd_in(*state);
    put_question(c, QUESTION_SCALE, q1);
    put_question(c, QUESTION_SCALE, q2);
    assert_string_equal(q1, q2);
    put_output(c, "a dream about rain", "Nimbus", a);
    put_output(c, "a dream about rain", "Nimbus", b);
    assert_string_equal(a, b);
    put_output(c, "a dream about rain", "nimbus", other);
    assert_string_not_equal(a, other);
    put_output(c, "a dream about snow", "Nimbus", other);
    assert_string_not_equal(a, other);

    assert_int_equal(crowd_output(c, a, &context, &output, &err), 1);
    assert_string_equal(context, "a dream about rain");
    assert_string_equal(output, "Nimbus");
    free(context);
    free(output);
    assert_int_equal(crowd_output(c, "none", &context, &output, &err), 0);

    question q = {0};
    assert_int_equal(crowd_question(c, q1, &q, &err), 1);
    assert_int_equal(q.kind, QUESTION_SCALE);
    assert_int_equal(q.n_labels, 7);
    assert_string_equal(q.labels[6], "label 7");
    assert_string_equal(q.instructions, "Read both.");
    question_free(&q);
    crowd_close(c);
}

static void test_a_task_put_again_wants_the_larger_and_is_open(void **state)
{
    char asked[SHA256_HEX], t1[SHA256_HEX], t2[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(*state);
    put_question(c, QUESTION_COMPARE, asked);
    put_task(c, asked, QUESTION_COMPARE, 1, 3, t1);
    must(crowd_close_task(c, t1, &err), &err);
    assert_int_equal(counts_of(c).open_tasks, 0);
    assert_int_equal(counts_of(c).wanted, 0);
    put_task(c, asked, QUESTION_COMPARE, 1, 2, t2);
    assert_string_equal(t1, t2);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.tasks, 1);
    assert_int_equal(n.open_tasks, 1);
    assert_int_equal(n.wanted, 3);
    put_task(c, asked, QUESTION_COMPARE, 1, 5, t2);
    assert_int_equal(counts_of(c).wanted, 5);
    must(crowd_close_task(c, NULL, &err), &err);
    assert_int_equal(counts_of(c).open_tasks, 0);
    assert_counters_hold(c);
    assert_int_equal(crowd_close_task(c, "none", &err), E_ARGUMENT);
    crowd_close(c);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    char asked[SHA256_HEX], a[SHA256_HEX], b[SHA256_HEX], x[SHA256_HEX];
    char id[SHA256_HEX] = "untouched", ask[] = "Well?";
    error err = {0};
    crowd *c = crowd_in(*state);
    put_question(c, QUESTION_COMPARE, asked);
    put_output(c, "c", "a", a);
    put_output(c, "c", "b", b);
    put_output(c, "other", "x", x);
    const struct {
        task_request r;
        const char *says;
    } bad[] = {
        {{"none", (const char *[]){a, b}, 1, 0, NULL, false}, "no question"},
        {{asked, (const char *[]){a, "none"}, 1, 0, NULL, false}, "no output"},
        {{asked, (const char *[]){a, a}, 1, 0, NULL, false}, "twice"},
        {{asked, (const char *[]){a, x}, 1, 0, NULL, false}, "different contexts"},
        {{asked, (const char *[]){a, b}, 1, 0, x, false}, "gold"},
        {{asked, (const char *[]){a, b}, 1, 0, "1", false}, "gold"},
        {{asked, (const char *[]){a, b}, 1, 0, NULL, true}, "right answer"},
        {{asked, (const char *[]){a, b}, SIZE_MAX, 0, NULL, false}, "limit"},
        {{asked, (const char *[]){a, b}, 1, (double)NAN, NULL, false}, "priority"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(crowd_put_task(c, &bad[i].r, id, &err) < 0);
        assert_mentions(&err, bad[i].says);
    }
    assert_string_equal(id, "untouched");
    const question scale = {.kind = QUESTION_SCALE, .text = ask};
    assert_int_equal(crowd_put_question(c, &scale, id, &err), E_ARGUMENT);
    assert_mentions(&err, "labels");
    const question accept = {.kind = QUESTION_ACCEPT, .ties = true, .text = ask};
    assert_int_equal(crowd_put_question(c, &accept, id, &err), E_ARGUMENT);
    assert_mentions(&err, "ties");
    assert_int_equal(counts_of(c).tasks, 0);
    crowd_close(c);
}

/* ---- Asking ---- */

static void test_a_rater_gets_each_task_once_and_then_nothing(void **state)
{
    char task[SHA256_HEX];
    crowd *c = compare_crowd(*state, 5, 2, task);
    int64_t rater = rater_named(c, "ada");
    for (size_t i = 0; i < 5; i++) {
        assignment a = assign(c, rater, 2000);
        assert_int_equal(a.n_done, i);
        assert_int_equal(a.n_left, 5 - i);
        assert_int_equal(a.can_undo, i > 0);
        assert_false(a.repeat);
        assert_false(a.answered);
        assert_int_equal(a.n_shown, 2);
        assert_int_equal(submit(c, a.token, 0, 2005), SUBMIT_RECORDED);
        assignment_free(&a);
        assert_counters_hold(c);
    }
    assert_assign(c, rater, 2010, ASSIGN_NOTHING);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.ratings, 5);
    assert_int_equal(n.counted, 5);
    assert_int_equal(n.wanted, 5);
    assert_true(n.median_seconds == 5);
    crowd_close(c);
}

static void test_an_assignment_survives_a_reload_and_a_restart(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 3, 1, task);
    int64_t rater = rater_named(c, "ada");
    assignment a = assign(c, rater, 2000);
    crowd_close(c);
    c = crowd_in(*state);
    assignment b = assign(c, rater, 2100), d = {0};
    assert_string_equal(a.token, b.token);
    assert_string_equal(a.shown[0], b.shown[0]);
    assert_string_equal(a.context, b.context);
    assert_int_equal(crowd_assignment(c, a.token, &d, &err), 1);
    assert_string_equal(d.task, a.task);
    assignment_free(&d);
    assert_int_equal(crowd_assignment(c, "none", &d, &err), 0);
    assignment_free(&a);
    assignment_free(&b);
    crowd_close(c);
}

static void test_places_are_kept_for_the_lease_and_then_given_on(void **state)
{
    char task[SHA256_HEX];
    crowd *c = compare_crowd(*state, 1, 1, task);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    assignment a = assign(c, ada, 2000);
    assert_assign(c, bob, 2899, ASSIGN_NOTHING);
    assignment b = assign(c, bob, 2900);
    assert_counters_hold(c);
    assert_assign(c, ada, 2901, ASSIGN_NOTHING); /* his place is gone */
    assert_int_equal(submit(c, b.token, 0, 2910), SUBMIT_RECORDED);
    assert_int_equal(submit(c, a.token, 0, 2911), SUBMIT_LATE);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.ratings, 2);
    assert_int_equal(n.late, 1);
    assert_int_equal(n.counted, 2);
    assert_counters_hold(c);
    assignment_free(&a);
    assignment_free(&b);
    crowd_close(c);
}

static void test_who_leaves_gives_the_place_back(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 1, 1, task);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    assignment a = assign(c, ada, 2000);
    must(crowd_leave(c, ada, &err), &err);
    assignment b = assign(c, bob, 2001);
    must(crowd_leave(c, bob, &err), &err);
    assignment again = assign(c, ada, 2002); /* the same one: no second rating of ada */
    assert_string_equal(again.token, a.token);
    assert_counters_hold(c);
    assignment_free(&a);
    assignment_free(&b);
    assignment_free(&again);
    crowd_close(c);
}

static void test_the_highest_priority_is_asked_first(void **state)
{
    char asked[SHA256_HEX], task[SHA256_HEX], urgent[SHA256_HEX], a[SHA256_HEX],
        b[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 3, 1, task);
    put_question(c, QUESTION_COMPARE, asked);
    put_output(c, "urgent", "a", a);
    put_output(c, "urgent", "b", b);
    const task_request r = {asked, (const char *[]){b, a}, 1, 7.5, NULL, false};
    must(crowd_put_task(c, &r, urgent, &err), &err);
    assignment x = assign(c, rater_named(c, "ada"), 2000);
    assert_string_equal(x.task, urgent);
    assignment_free(&x);
    crowd_close(c);
}

static void test_sides_are_random(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    size_t first = 0;
    crowd *c = compare_crowd(*state, 200, 1, task);
    int64_t ada = rater_named(c, "ada");
    must(crowd_begin(c, &err), &err);
    for (size_t i = 0; i < 200; i++) {
        char output[60];
        assignment a = assign(c, ada, 2000);
        snprintf(output, sizeof output, "%zu.0", i);
        first += place_of(&a, output) == 0;
        submit(c, a.token, 0, 2005);
        assignment_free(&a);
    }
    must(crowd_commit(c, &err), &err);
    /* 100 +- 5.5 standard deviations of 7.07: fails once in 26 million runs */
    assert_in_range(first, 61, 139);
    crowd_close(c);
}

static void test_a_task_can_be_given_whatever_its_places(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 1, 1, task);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    assignment a = assign(c, ada, 2000), b = {0}, again = {0};
    assert_int_equal(crowd_assign_task(c, bob, task, 2000, &b, &err), ASSIGN_GIVEN);
    assert_int_equal(submit(c, b.token, 1, 2001), SUBMIT_RECORDED);
    assert_int_equal(crowd_assign_task(c, bob, task, 2002, &again, &err), ASSIGN_GIVEN);
    assert_string_equal(again.token, b.token);
    assert_true(again.answered);
    assert_int_equal(again.answer, 1);
    assignment_free(&again);
    assert_int_equal(crowd_assign_task(c, bob, "none", 2002, &again, &err), E_ARGUMENT);
    assert_int_equal(crowd_assign(c, 99, 2002, &again, &err), E_ARGUMENT);
    assert_mentions(&err, "no rater 99");
    assert_counters_hold(c);
    assignment_free(&a);
    assignment_free(&b);
    crowd_close(c);
}

static void test_limit_and_closing_are_told_apart(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 5, 1, task);
    quality_rules r = plain_rules();
    r.max_ratings = 2;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada");
    for (size_t i = 0; i < 2; i++) {
        assignment a = assign(c, ada, 2000);
        submit(c, a.token, 0, 2001);
        assignment_free(&a);
    }
    assert_assign(c, ada, 2002, ASSIGN_LIMIT);
    int64_t bob = rater_named(c, "bob");
    assignment b = assign(c, bob, 2003);
    must(crowd_set_open(c, false, &err), &err);
    assert_false(counts_of(c).open);
    assert_assign(c, bob, 2004, ASSIGN_CLOSED);
    assert_int_equal(submit(c, b.token, 1, 2005), SUBMIT_LATE);
    /* What was answered elsewhere is taken even now, even of somebody at his limit. */
    assignment past = {0};
    assert_int_equal(crowd_assign_task(c, ada, task, 2005, &past, &err), ASSIGN_CLOSED);
    assert_int_equal(crowd_assign_answered(c, ada, task, 2005, &past, &err),
                     ASSIGN_GIVEN);
    assert_false(past.answered);
    assert_int_equal(submit(c, past.token, 1, 2005), SUBMIT_LATE);
    assignment_free(&past);
    must(crowd_set_open(c, true, &err), &err);
    assignment_free(&b);
    b = assign(c, bob, 2006);
    assignment_free(&b);
    crowd_close(c);
}

/* ---- Answers ---- */

static int submit_key(crowd *c, const char *token, int answer, const char *key)
{
    error err = {0};
    const submission s = {.token = token,
                          .answer = answer,
                          .seconds = (double)NAN,
                          .source = "api",
                          .key = key};
    int rc = crowd_submit(c, &s, 3000, &err);
    must(rc, &err);
    return rc;
}

static void test_an_answer_is_taken_once(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 2, 1, task);
    int64_t ada = rater_named(c, "ada");
    assignment a = assign(c, ada, 2000), undone = {0};
    assert_int_equal(submit_key(c, "none", 0, "k1"), SUBMIT_UNKNOWN);
    assert_int_equal(submit_key(c, a.token, 0, "k1"), SUBMIT_RECORDED);
    assert_int_equal(submit_key(c, a.token, 0, "k1"), SUBMIT_SAME);
    assert_int_equal(submit_key(c, a.token, 0, NULL), SUBMIT_SAME);
    assert_int_equal(submit_key(c, a.token, 0, "k2"), SUBMIT_SAME);
    assert_int_equal(submit_key(c, a.token, 1, "k1"), SUBMIT_CONFLICT);
    assert_int_equal(submit_key(c, a.token, 1, NULL), SUBMIT_CONFLICT);
    assignment b = assign(c, ada, 2001);
    assert_int_equal(submit_key(c, b.token, 0, "k1"), SUBMIT_CONFLICT);
    assert_int_equal(counts_of(c).ratings, 1);
    /* A message that is delivered again after an undo changes nothing. */
    assert_int_equal(crowd_undo(c, ada, 2002, &undone, &err), 1);
    assert_string_equal(undone.token, a.token);
    assert_int_equal(submit_key(c, a.token, 0, "k1"), SUBMIT_SAME);
    assert_int_equal(counts_of(c).ratings, 0);
    assert_int_equal(submit_key(c, a.token, 1, "k3"), SUBMIT_RECORDED);
    assert_int_equal(counts_of(c).ratings, 1);
    assert_int_equal(counts_of(c).withdrawn, 1);
    assert_counters_hold(c);
    assignment_free(&a);
    assignment_free(&b);
    assignment_free(&undone);
    crowd_close(c);
}

static void test_answers_out_of_range_are_refused(void **state)
{
    static const int bad[][3] = {[QUESTION_COMPARE] = {-2, 2, 100},
                                 [QUESTION_BEST] = {-2, 4, INT32_MAX},
                                 [QUESTION_SCALE] = {ANSWER_TIE, 0, 8},
                                 [QUESTION_ACCEPT] = {ANSWER_TIE, 2, INT32_MIN}};
    static const int good[] = {ANSWER_TIE, 3, 7, 1};
    crowd *c = crowd_in(*state);
    error err = {0};
    for (question_kind kind = 0; kind < N_QUESTION_KINDS; kind++) {
        char asked[SHA256_HEX], task[SHA256_HEX];
        assignment a = {0};
        put_question(c, kind, asked);
        put_task(c, asked, kind, kind, 1, task);
        assert_int_equal(
            crowd_assign_task(c, rater_named(c, "ada"), task, 2000, &a, &err),
            ASSIGN_GIVEN);
        assert_int_equal(a.question.kind, kind);
        for (size_t i = 0; i < 3; i++) {
            const submission s = {
                .token = a.token, .answer = bad[kind][i], .source = "x"};
            assert_int_equal(crowd_submit(c, &s, 2001, &err), E_ARGUMENT);
            assert_mentions(&err, question_names[kind]);
        }
        assert_int_equal(submit(c, a.token, good[kind], 2001), SUBMIT_RECORDED);
        assignment_free(&a);
        must(crowd_assignment(c, a.token, &a, &err), &err);
    }
    assert_int_equal(counts_of(c).ratings, N_QUESTION_KINDS);
    crowd_close(c);
}

typedef struct seen {
    size_t n;
    crowd_rating last;
    char chosen[SHA256_HEX];
} seen;

static int look(void *context, const crowd_rating *r, error *err)
{
    seen *s = context;
    (void)err;
    s->n++;
    s->last = *r;
    if (r->n_outputs > 1 && r->answer >= 0)
        snprintf(s->chosen, sizeof s->chosen, "%s", r->outputs[r->answer]);
    return 0;
}

static void test_an_answer_names_the_output_that_was_shown(void **state)
{
    char asked[SHA256_HEX], task[SHA256_HEX], wanted[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(*state);
    put_question(c, QUESTION_BEST, asked);
    for (size_t i = 0; i < 8; i++) {
        seen s = {0};
        assignment a = {0}, b = {0};
        put_task(c, asked, QUESTION_BEST, i, 1, task);
        assert_int_equal(
            crowd_assign_task(c, rater_named(c, "ada"), task, 2000, &a, &err),
            ASSIGN_GIVEN);
        char output[60];
        snprintf(output, sizeof output, "%zu.2", i);
        submit(c, a.token, place_of(&a, output), 2005);
        put_output(c, a.context, output, wanted);
        must(crowd_each_rating(c, (int64_t)i, look, &s, &err), &err);
        assert_int_equal(s.n, 1);
        assert_string_equal(s.chosen, wanted);
        assert_true(s.last.counts);
        assert_int_equal(crowd_assignment(c, a.token, &b, &err), 1);
        assert_true(b.answered);
        assert_int_equal(b.answer, place_of(&a, output));
        assignment_free(&a);
        assignment_free(&b);
    }
    crowd_close(c);
}

static void test_undo_goes_back_one_by_one(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 3, 1, task);
    int64_t ada = rater_named(c, "ada");
    assignment undone = {0};
    assert_int_equal(crowd_undo(c, ada, 1999, &undone, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        assignment a = assign(c, ada, 2000);
        submit(c, a.token, 0, 2001);
        assignment_free(&a);
    }
    for (size_t i = 3; i > 0; i--) {
        assert_int_equal(crowd_undo(c, ada, 2002, &undone, &err), 1);
        assert_int_equal(undone.n_done, i - 1);
        assert_int_equal(undone.n_left, 4 - i);
        assert_false(undone.answered);
        assignment_free(&undone);
        assert_counters_hold(c);
    }
    assert_int_equal(crowd_undo(c, ada, 2003, &undone, &err), 0);
    assert_int_equal(counts_of(c).ratings, 0);
    assert_int_equal(counts_of(c).withdrawn, 3);
    assignment a = assign(c, ada, 2004); /* the first one again */
    assert_string_equal(a.shown[place_of(&a, "0.0")], "0.0");
    assignment_free(&a);
    crowd_close(c);
}

/* ---- Ratings from elsewhere ---- */

static void test_a_rating_from_elsewhere_is_recorded_once(void **state)
{
    char task[SHA256_HEX];
    error err = {0};
    crowd *c = compare_crowd(*state, 2, 1, task);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    foreign_rating r = {.task = task,
                        .rater = ada,
                        .answer = 1,
                        .seconds = (double)NAN,
                        .time = 1500,
                        .source = "import",
                        .key = "line 1"};
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_RECORDED);
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_SAME);
    r.key = NULL;
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_SAME);
    r.answer = 0;
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_CONFLICT);
    r.rater = bob;
    r.key = "line 1";
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_CONFLICT);
    r.key = "line 2";
    r.withdrawn = true;
    assert_int_equal(crowd_record(c, &r, &err), SUBMIT_RECORDED);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.ratings, 1);
    assert_int_equal(n.withdrawn, 1);
    assert_int_equal(n.open_tasks, 1);
    assert_true(isnan(n.median_seconds)); /* nobody knows */
    assert_counters_hold(c);
    /* It is no assignment that he has open; and the task is done. */
    assignment a = assign(c, bob, 2000);
    assert_string_not_equal(a.task, task);
    submit(c, a.token, 0, 2004);
    assignment_free(&a);
    assert_true(counts_of(c).median_seconds == 5);
    r.key = NULL;
    r.answer = 2;
    assert_int_equal(crowd_record(c, &r, &err), E_ARGUMENT);
    r.answer = 0;
    r.rater = 99;
    assert_int_equal(crowd_record(c, &r, &err), E_ARGUMENT);
    assert_mentions(&err, "no rater 99");
    r.rater = ada;
    r.task = "none";
    assert_int_equal(crowd_record(c, &r, &err), E_ARGUMENT);
    assert_mentions(&err, "no task");
    assert_counters_hold(c);
    crowd_close(c);
}

/* ---- Raters ---- */

static void test_invitations_are_kept_as_hashes_only(void **state)
{
    char token[RATER_TOKEN], second[RATER_TOKEN], file[CROWD_PATH], *bytes = NULL;
    int64_t id = 0;
    size_t n = 0;
    error err = {0};
    crowd *c = crowd_in(*state);
    int64_t ada = rater_named(c, "ada");
    assert_int_equal(rater_named(c, "ada"), ada);
    must(crowd_invite(c, ada, token, &err), &err);
    must(crowd_invite(c, ada, second, &err), &err);
    assert_int_equal(strlen(token), RATER_TOKEN - 1);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_"),
                     RATER_TOKEN - 1);
    assert_string_not_equal(token, second);
    assert_int_equal(crowd_rater_by_token(c, token, &id, &err), 1);
    assert_int_equal(id, ada);
    assert_int_equal(crowd_rater_by_token(c, second, &id, &err), 1);
    token[0] = token[0] == 'A' ? 'B' : 'A';
    assert_int_equal(crowd_rater_by_token(c, token, &id, &err), 0);
    assert_int_equal(crowd_rater_by_token(c, "", &id, &err), 0);
    assert_int_equal(crowd_invite(c, 77, token, &err), E_ARGUMENT);
    crowd_close(c);
    must(file_read(crowd_path(file, *state), 1 << 24, &bytes, &n, &err), &err);
    assert_null(memmem(bytes, n, second, strlen(second)));
    free(bytes);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_content_is_put_once_and_comes_back),
        T(test_a_task_put_again_wants_the_larger_and_is_open),
        T(test_what_does_not_fit_is_refused),
        T(test_a_rater_gets_each_task_once_and_then_nothing),
        T(test_an_assignment_survives_a_reload_and_a_restart),
        T(test_places_are_kept_for_the_lease_and_then_given_on),
        T(test_who_leaves_gives_the_place_back),
        T(test_the_highest_priority_is_asked_first),
        T(test_sides_are_random),
        T(test_a_task_can_be_given_whatever_its_places),
        T(test_limit_and_closing_are_told_apart),
        T(test_an_answer_is_taken_once),
        T(test_answers_out_of_range_are_refused),
        T(test_an_answer_names_the_output_that_was_shown),
        T(test_undo_goes_back_one_by_one),
        T(test_a_rating_from_elsewhere_is_recorded_once),
        T(test_invitations_are_kept_as_hashes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

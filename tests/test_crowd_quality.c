/* Gold and repeats come by their shares; raters are judged by the stated rule, and their
 * ratings count, or not, accordingly, whenever the record or the rules change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/crowd_sql.h"
#include "crowd_fixture.h"
#include "expect.h"
#include "scratch.h"

/* A crowd of one kind with n tasks and n_gold gold tasks, under plain rules. */
static crowd *mixed_crowd(const char *dir, question_kind kind, size_t n, size_t wanted,
                          size_t n_gold)
{
    char asked[SHA256_HEX], task[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(dir);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    must(crowd_begin(c, &err), &err);
    put_question(c, kind, asked);
    for (size_t i = 0; i < n; i++)
        put_task(c, asked, kind, i, wanted, task);
    for (size_t i = 0; i < n_gold; i++)
        put_gold(c, asked, kind, 1000 + i, task);
    must(crowd_commit(c, &err), &err);
    return c;
}

static rater_quality quality_of(crowd *c, int64_t rater)
{
    rater_quality *all, found = {0};
    size_t n;
    error err = {0};
    must(crowd_raters(c, &all, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (all[i].rater == rater)
            found = all[i];
    rater_quality_free(all, n);
    found.name = NULL;
    return found;
}

typedef struct walk {
    size_t n, gold, repeats, counts, fast, excluded;
} walk;

static int tally(void *context, const crowd_rating *r, error *err)
{
    walk *w = context;
    (void)err;
    w->n++;
    w->gold += r->gold && !r->repeat;
    w->repeats += r->repeat;
    w->counts += r->counts;
    w->fast += r->fast;
    w->excluded += r->excluded;
    return 0;
}

static walk walk_of(crowd *c)
{
    walk w = {0};
    error err = {0};
    must(crowd_each_rating(c, 0, tally, &w, &err), &err);
    return w;
}

/* Is this gold (put_gold's contexts are "context 1000" on)? */
static bool is_gold(const assignment *a)
{
    return strlen(a->context) >= strlen("context 1000");
}

/* Answer n tasks: gold rightly or not, the rest ".0". */
static void answer_many(crowd *c, int64_t rater, size_t n, bool right)
{
    error err = {0};
    must(crowd_begin(c, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assignment a = assign(c, rater, 2000);
        int zero = strstr(a.shown[0], ".0") ? 0 : 1;
        submit(c, a.token, is_gold(&a) && !right ? 1 - zero : zero, 2010);
        assignment_free(&a);
    }
    must(crowd_commit(c, &err), &err);
}

static void test_gold_and_repeats_come_by_their_shares(void **state)
{
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 1000, 1, 400);
    quality_rules r = plain_rules();
    r.gold_share = 0.2;
    r.repeat_share = 0.1;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada");
    answer_many(c, ada, 1000, true);
    walk w = walk_of(c);
    /* binomial: 5.5 standard deviations of 12.6 and 9.5 */
    assert_in_range(w.gold, 131, 269);
    assert_in_range(w.repeats, 48, 152);
    assert_int_equal(w.counts, 1000 - w.gold - w.repeats);
    rater_quality q = quality_of(c, ada);
    assert_int_equal(q.gold, w.gold);
    assert_int_equal(q.gold_right, w.gold);
    assert_int_equal(q.repeats, w.repeats);
    assert_int_equal(q.repeats_agree, w.repeats);
    assert_int_equal(q.counted, w.counts);
    assert_false(q.excluded);
    crowd_close(c);
}

static void test_checks_end_with_the_tasks(void **state)
{
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 1, 1, 50);
    quality_rules r = plain_rules();
    r.gold_share = 1;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    assignment a = assign(c, ada, 2000);
    assert_true(is_gold(&a));
    assert_int_equal(a.n_left, 2); /* it and the open one */
    submit(c, a.token, 0, 2001);
    assignment_free(&a);
    r.gold_share = 0;
    set_rules(c, &r);
    answer_many(c, bob, 1, true);
    r.gold_share = 1;
    set_rules(c, &r);
    assert_assign(c, ada, 2002, ASSIGN_NOTHING); /* gold is left, but nothing to learn */
    crowd_close(c);
}

/* Answers and whoever is at work fill the limit; who is away too long gives it back. */
static void fill_limit(crowd *c, double gold_share)
{
    quality_rules r = plain_rules();
    error err = {0};
    r.gold_share = gold_share;
    r.lease_seconds = 100;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob"),
            eve = rater_named(c, "eve");
    must(crowd_set_limit(c, 3, &err), &err);
    answer_many(c, ada, 2, true);
    assignment a = assign(c, bob, 2000), again = assign(c, bob, 2001);
    assert_int_equal(is_gold(&a), gold_share > 0);
    assert_string_equal(a.token, again.token); /* a reload takes nothing */
    assert_assign(c, eve, 2050, ASSIGN_NOTHING);
    assignment b = assign(c, eve, 2101); /* bob has been away too long */
    submit(c, b.token, 0, 2102);
    assert_int_equal(counts_of(c).ratings, 3);
    assert_assign(c, ada, 2103, ASSIGN_NOTHING);
    submit(c, a.token, 0, 2104); /* nobody asked for it any more, but it is kept */
    assert_int_equal(counts_of(c).ratings, 4);
    must(crowd_set_limit(c, 4, &err), &err);
    assert_assign(c, ada, 2105, ASSIGN_NOTHING);
    must(crowd_set_limit(c, 5, &err), &err);
    assert_assign(c, ada, 2106, ASSIGN_GIVEN);
    assert_assign(c, eve, 2107, ASSIGN_NOTHING);
    must(crowd_set_limit(c, 0, &err), &err);
    assert_assign(c, eve, 2108, ASSIGN_GIVEN);
    assignment_free(&a);
    assignment_free(&again);
    assignment_free(&b);
}

static void test_a_limit_of_ratings_is_kept(void **state)
{
    for (int gold = 0; gold < 2; gold++) {
        char *dir = scratch_new();
        crowd *c = mixed_crowd(dir, QUESTION_COMPARE, 20, 2, 20);
        fill_limit(c, gold);
        crowd_close(c);
        scratch_remove(dir);
    }
    (void)state;
}

static void test_who_fails_is_excluded_and_his_ratings_are_asked_anew(void **state)
{
    error err = {0};
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 40, 1, 40);
    quality_rules r = plain_rules();
    int64_t ada = rater_named(c, "ada");
    answer_many(c, ada, 10, true);
    assert_int_equal(counts_of(c).counted, 10);
    assert_int_equal(counts_of(c).wanted, 30);
    r.gold_share = 1;
    r.min_checks = 4;
    set_rules(c, &r);
    answer_many(c, ada, 3, false);
    assert_false(quality_of(c, ada).excluded); /* three checks are too few */
    answer_many(c, ada, 1, false);
    rater_quality q = quality_of(c, ada);
    assert_true(q.excluded);
    assert_non_null(strstr(q.reason, "0 of 4 gold"));
    assert_int_equal(q.counted, 0);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.excluded, 1);
    assert_int_equal(n.counted, 0);
    assert_int_equal(n.wanted, 40);
    assert_int_equal(n.open_tasks, 40);
    assert_int_equal(walk_of(c).excluded, 14);
    assert_assign(c, ada, 2020, ASSIGN_EXCLUDED);
    /* Undoing the answer that failed him readmits him, and his ratings. */
    assignment undone = {0};
    assert_int_equal(crowd_undo(c, ada, 2021, &undone, &err), 1);
    assignment_free(&undone);
    assert_false(quality_of(c, ada).excluded);
    assert_int_equal(counts_of(c).counted, 10);
    assert_int_equal(counts_of(c).wanted, 30);
    crowd_close(c);
}

static void test_three_of_five_are_enough_at_sixty_percent(void **state)
{
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 40, 1, 40);
    quality_rules r = plain_rules();
    r.gold_share = 1;
    r.min_checks = 5;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada");
    answer_many(c, ada, 3, true);
    answer_many(c, ada, 2, false);
    assert_false(quality_of(c, ada).excluded);
    answer_many(c, ada, 1, false);
    assert_true(quality_of(c, ada).excluded);
    crowd_close(c);
}

static void test_new_rules_judge_what_was_before(void **state)
{
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 20, 1, 20);
    quality_rules r = plain_rules();
    int64_t ada = rater_named(c, "ada");
    answer_many(c, ada, 10, true);
    r.min_seconds = 6; /* they took 5 */
    set_rules(c, &r);
    assert_int_equal(walk_of(c).fast, 10);
    assert_int_equal(counts_of(c).counted, 0);
    assert_int_equal(counts_of(c).wanted, 20);
    assert_int_equal(quality_of(c, ada).fast, 10);
    r.min_seconds = 5;
    r.gold_share = 1;
    r.min_checks = 4;
    set_rules(c, &r);
    assert_int_equal(counts_of(c).counted, 10);
    assert_int_equal(counts_of(c).wanted, 10);
    answer_many(c, ada, 4, false);
    assert_true(quality_of(c, ada).excluded);
    r.min_right = 0;
    set_rules(c, &r);
    assert_false(quality_of(c, ada).excluded);
    assert_int_equal(counts_of(c).counted, 10);
    r.min_right = 0.6;
    set_rules(c, &r);
    assert_true(quality_of(c, ada).excluded);
    quality_rules back = {0};
    error err = {0};
    must(crowd_rules(c, &back, &err), &err);
    assert_memory_equal(&back, &r, sizeof r);
    crowd_close(c);
}

static void test_rules_that_make_no_sense_are_refused(void **state)
{
    error err = {0};
    crowd *c = crowd_in(*state);
    quality_rules r[7];
    for (size_t i = 0; i < 7; i++)
        r[i] = quality_defaults();
    r[0].gold_share = 1.1;
    r[1].repeat_share = -0.1;
    r[2].gold_share = 0.96; /* with 0.05 repeats */
    r[3].min_right = (double)NAN;
    r[4].min_seconds = (double)INFINITY;
    r[5].lease_seconds = 0;
    r[6].lease_seconds = INT64_MAX;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(crowd_set_rules(c, &r[i], &err), E_ARGUMENT);
    quality_rules back, defaults = quality_defaults();
    must(crowd_rules(c, &back, &err), &err);
    assert_true(back.gold_share == defaults.gold_share);
    crowd_close(c);
}

/* ---- Repeats ---- */

/* Answers 4 + 1 tasks, the last of which is a repeat; answered as before or not. */
static rater_quality repeat_of(const char *dir, question_kind kind, int first, int again)
{
    error err = {0};
    crowd *c = mixed_crowd(dir, kind, 10, 1, 0);
    quality_rules r = plain_rules();
    int64_t ada = rater_named(c, "ada");
    for (size_t i = 0; i < 4; i++) {
        assignment a = assign(c, ada, 2000);
        assert_false(a.repeat);
        submit(c, a.token, first, 2001);
        assignment_free(&a);
    }
    r.repeat_share = 1;
    set_rules(c, &r);
    assignment a = assign(c, ada, 2000);
    assert_true(a.repeat);
    assert_false(a.answered);
    assert_int_equal(submit(c, a.token, again, 2001), SUBMIT_RECORDED);
    assignment_free(&a);
    a = assign(c, ada, 2002); /* the one that can be repeated was: an open one */
    assignment_free(&a);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.ratings, 5);
    assert_int_equal(n.counted, 4);
    rater_quality q = quality_of(c, ada);
    assignment undone = {0};
    assert_int_equal(crowd_undo(c, ada, 2003, &undone, &err), 1);
    assert_true(undone.repeat);
    assignment_free(&undone);
    assert_int_equal(quality_of(c, ada).repeats, 0);
    assert_int_equal(quality_of(c, ada).repeats_agree, 0);
    crowd_close(c);
    return q;
}

static void test_a_repeat_agrees_or_not(void **state)
{
    static const struct {
        question_kind kind;
        int first, again;
        size_t agree;
    } cases[] = {
        {QUESTION_ACCEPT, 1, 1, 1}, {QUESTION_ACCEPT, 1, 0, 0},
        {QUESTION_SCALE, 3, 3, 1},  {QUESTION_SCALE, 3, 4, 1}, /* one step of seven */
        {QUESTION_SCALE, 3, 5, 0},  {QUESTION_COMPARE, ANSWER_TIE, ANSWER_TIE, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = scratch_new();
        rater_quality q = repeat_of(dir, cases[i].kind, cases[i].first, cases[i].again);
        assert_int_equal(q.repeats, 1);
        assert_int_equal(q.repeats_agree, cases[i].agree);
        scratch_remove(dir);
    }
}

static void test_gold_of_every_kind_has_its_right_answer(void **state)
{
    static const struct {
        question_kind kind;
        int right, wrong;
    } cases[] = {{QUESTION_SCALE, 7, 4}, {QUESTION_ACCEPT, 1, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = scratch_new();
        crowd *c = mixed_crowd(dir, cases[i].kind, 5, 1, 2);
        quality_rules r = plain_rules();
        r.gold_share = 1;
        set_rules(c, &r);
        int64_t ada = rater_named(c, "ada");
        const int answers[] = {cases[i].right, cases[i].wrong};
        for (size_t k = 0; k < 2; k++) {
            assignment a = assign(c, ada, 2000);
            assert_true(is_gold(&a));
            submit(c, a.token, answers[k], 2001);
            assignment_free(&a);
            assert_int_equal(quality_of(c, ada).gold, k + 1);
            assert_int_equal(quality_of(c, ada).gold_right, 1);
        }
        crowd_close(c);
        scratch_remove(dir);
    }
}

/* ---- Who is no person, and who is too quick ---- */

static void test_simulated_ratings_are_told_apart(void **state)
{
    error err = {0};
    int64_t robot = 0;
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 3, 1, 0);
    must(crowd_rater(c, RATER_SIMULATED, "spammer 1", 1000, &robot, &err), &err);
    answer_many(c, robot, 1, true);
    assignment a = assign(c, rater_named(c, "ada"), 2000);
    const submission s = {
        .token = a.token, .answer = 0, .seconds = 5, .source = "simulated"};
    assert_int_equal(crowd_submit(c, &s, 2001, &err), SUBMIT_RECORDED);
    assignment_free(&a);
    answer_many(c, rater_named(c, "bob"), 1, true);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.simulated, 2);
    assert_int_equal(n.ratings, 3);
    crowd_close(c);
}

static void test_time_is_measured_where_it_is_not_told(void **state)
{
    error err = {0};
    crowd *c = mixed_crowd(*state, QUESTION_COMPARE, 3, 1, 0);
    quality_rules r = plain_rules();
    r.min_seconds = 2;
    set_rules(c, &r);
    int64_t ada = rater_named(c, "ada");
    const int64_t took[] = {1, 2};
    for (size_t i = 0; i < 2; i++) {
        assignment a = assign(c, ada, 2000);
        const submission s = {
            .token = a.token, .answer = 0, .seconds = (double)NAN, .source = "page"};
        assert_int_equal(crowd_submit(c, &s, 2000 + took[i], &err), SUBMIT_RECORDED);
        assignment_free(&a);
    }
    assert_int_equal(walk_of(c).fast, 1);
    assert_int_equal(counts_of(c).counted, 1);
    assert_true(counts_of(c).median_seconds == 1.5);
    assignment a = assign(c, ada, 2000);
    const double bad[] = {-1, (double)INFINITY};
    for (size_t i = 0; i < 2; i++) {
        const submission s = {
            .token = a.token, .answer = 0, .seconds = bad[i], .source = "page"};
        assert_int_equal(crowd_submit(c, &s, 2001, &err), E_ARGUMENT);
    }
    assignment_free(&a);
    crowd_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_gold_and_repeats_come_by_their_shares),
        T(test_checks_end_with_the_tasks),
        T(test_a_limit_of_ratings_is_kept),
        T(test_who_fails_is_excluded_and_his_ratings_are_asked_anew),
        T(test_three_of_five_are_enough_at_sixty_percent),
        T(test_new_rules_judge_what_was_before),
        T(test_rules_that_make_no_sense_are_refused),
        T(test_a_repeat_agrees_or_not),
        T(test_gold_of_every_kind_has_its_right_answer),
        T(test_simulated_ratings_are_told_apart),
        T(test_time_is_measured_where_it_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

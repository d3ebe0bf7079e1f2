/* A cap on the ratings of a run: never overshot, whoever answers; the finish has its
 * part; what it is charged is what the crowd gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "../experiments/runs/ledger.h"
#include "../experiments/store/store.h"
#include "crowd_fixture.h"
#include "people_run.h"
#include "scratch.h"
#include "toy.h"

/* What the first generation and the finish of the small experiment may take. */
enum { LEAST = 62 };

static uint64_t charged_to(const run_record *r)
{
    uint64_t sum = 0;
    for (purpose p = 0; p < N_PURPOSES; p++)
        sum += r->spent[p].ratings;
    return sum;
}

/* Ends within the cap, with a verdict, charged what was given. */
static run_record *capped_run(const char *dir, size_t cap, const char *const *more,
                              size_t n)
{
    char limit[40];
    const char *set[8] = {limit};
    snprintf(limit, sizeof limit, "budget.ratings=%zu", cap);
    for (size_t i = 0; i < n; i++)
        set[i + 1] = more[i];
    run_record *r = people_whole_run(dir, set, n + 1, NULL);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_true(r->has_verdict);
    assert_true(people_ratings(dir) <= cap);
    assert_int_equal(charged_to(r), people_ratings(dir));
    return r;
}

static void test_the_cap_is_never_overshot(void **state)
{
    (void)state;
    size_t before = 0;
    for (size_t cap = LEAST; cap < LEAST + 100; cap += 33) {
        char *dir = scratch_new();
        run_record *r = capped_run(dir, cap, NULL, 0);
        assert_string_equal(r->stop_reason, "budget: ratings");
        assert_true(charged_to(r) >= before); /* what there is, is used */
        before = charged_to(r);
        for (size_t i = 1; i < r->n_history; i++)
            assert_true(r->history[i].spent[FOR_SEARCH].ratings >=
                        r->history[i - 1].spent[FOR_SEARCH].ratings);
        run_record_free(r);
        scratch_remove(dir);
    }
}

static void test_checks_and_the_excluded_count_too(void **state)
{
    (void)state;
    /* Half of what the raters are shown is gold, and who fails it is excluded: more is
     * asked than was foretold. */
    const char *more[] = {"fitness.quality.gold_share=0.5", "fitness.crowd=simulated",
                          "fitness.quality.min_checks=2", "fitness.quality.min_right=0.9",
                          "fitness.taste=prose"};
    for (size_t cap = 2 * LEAST; cap < 2 * LEAST + 60; cap += 19) {
        char *dir = scratch_new();
        run_record_free(capped_run(dir, cap, more, 5));
        scratch_remove(dir);
    }
}

static void test_every_kind_of_question_keeps_to_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < OTHER_QUESTIONS; i++) {
        char *dir = scratch_new();
        run_record_free(capped_run(dir, 150, other_questions[i], 2));
        scratch_remove(dir);
    }
}

static void test_a_second_run_of_the_folder_has_its_own(void **state)
{
    (void)state;
    const char *other[] = {"budget.ratings=120", "seed=9"};
    char *dir = scratch_new();
    run_record *first = capped_run(dir, 100, NULL, 0);
    size_t before = people_ratings(dir);
    run_record *second = people_whole_run(dir, other, 2, NULL);
    assert_int_equal(second->id, 2);
    assert_int_equal(charged_to(first), before);
    assert_int_equal(charged_to(second), people_ratings(dir) - before);
    assert_true(charged_to(second) > 0 && charged_to(second) <= 120);
    run_record_free(first);
    run_record_free(second);
    scratch_remove(dir);
}

static void test_too_small_a_cap_is_an_error_before_anything_is_spent(void **state)
{
    (void)state;
    const char *set[] = {"budget.ratings=61"};
    char *dir = scratch_new(), words[60];
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_people_experiment(dir, set, 1);
    assert_int_equal(run_start(e, dir, NULL, &id, &err), E_LIMIT);
    experiment_free(e);
    snprintf(words, sizeof words, "%d would be just enough", (int)LEAST);
    assert_non_null(strstr(err.text, "the budget of 61 ratings is too small"));
    assert_non_null(strstr(err.text, words));
    assert_int_equal(run_state_of(dir), 0); /* there is no run */
    scratch_remove(dir);
}

static void test_it_is_foretold(void **state)
{
    (void)state;
    const char *set[] = {"budget={ratings: 100}"};
    char *dir = scratch_new();
    error err = {0};
    run_estimate x;
    experiment *e = small_people_experiment(dir, set, 1);
    assert_int_equal(run_dry(e, &x, &err), 0);
    assert_int_equal(x.ratings, 100);
    assert_int_equal(x.first_generation_ratings + x.finish_ratings, LEAST);
    assert_true(x.evaluations > 0 && x.tokens > 0);
    assert_true(x.cents == 300);
    experiment_free(e);
    scratch_remove(dir);
}

static void test_who_asks_nobody_is_told_so(void **state)
{
    (void)state;
    static const char *const kinds[] = {"logprob", "exact", "f1"};
    for (size_t i = 0; i < 3; i++) {
        char kind[60], *dir = scratch_new();
        error err = {0};
        experiment *e = NULL;
        const char *set[] = {SMALL_PEOPLE_TARGETS, kind, "budget.ratings=100"};
        snprintf(kind, sizeof kind, "fitness={kind: %s}", kinds[i]);
        assert_int_equal(small_people_load(dir, set, 4, &e, &err), E_FORMAT);
        assert_non_null(strstr(err.text, "budget.ratings"));
        assert_non_null(strstr(err.text, kinds[i]));
        scratch_remove(dir);
    }
}

/* The ledger's part: nothing overflows, and the reserve stays. */
static void test_the_reserve_is_left(void **state)
{
    (void)state;
    ledger l = {.budget = {.ratings = 100}};
    const expense next = {.ratings = 30}, rest = {.ratings = 40}, more = {.ratings = 31};
    ledger_charge(&l, FOR_SEARCH, &next);
    assert_null(ledger_refuses(&l, &next, &rest));
    assert_string_equal(ledger_refuses(&l, &more, &rest), "budget: ratings");
    assert_int_equal(ledger_ratings_left(&l, &rest), 30);
    assert_int_equal(ledger_ratings_left(&l, &(expense){.ratings = UINT64_MAX}), 0);
    ledger_charge(&l, FOR_SEARCH, &(expense){.ratings = 100});
    assert_int_equal(ledger_ratings_left(&l, &(expense){0}), 0);
    l.budget.ratings = 0;
    assert_true(ledger_ratings_left(&l, &rest) == UINT64_MAX);
}

int main(void)
{
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cap_is_never_overshot),
        cmocka_unit_test(test_checks_and_the_excluded_count_too),
        cmocka_unit_test(test_every_kind_of_question_keeps_to_it),
        cmocka_unit_test(test_a_second_run_of_the_folder_has_its_own),
        cmocka_unit_test(test_too_small_a_cap_is_an_error_before_anything_is_spent),
        cmocka_unit_test(test_it_is_foretold),
        cmocka_unit_test(test_who_asks_nobody_is_told_so),
        cmocka_unit_test(test_the_reserve_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

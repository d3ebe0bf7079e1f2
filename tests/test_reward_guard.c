/* The guard over a reward: Kendall's tau against scipy, and when it hands back. */
#include "expect.h"
#include "fixture.h"

#include "../rater/linear_fit.h"
#include "../rater/reward_guard.h"
#include "../rater/reward_learn.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

static void assert_number(double x, const json_t *want)
{
    if (json_is_null(want))
        assert_true(isnan(x));
    else
        assert_true(fabs(x - json_number_value(want)) < 1e-12);
}

static void tau_and_its_error_equal_scipy(void **state)
{
    (void)state;
    char path[FIXTURE_PATH_BYTES];
    json_t *file = json_load_file(fixture_path(path, "kendall.json"), 0, NULL);
    assert_int_equal(json_array_size(file), 5);
    for (size_t c = 0; c < 5; c++) {
        const json_t *of = json_array_get(file, c);
        double x[30], y[30], tau, se;
        error err = {0};
        size_t n = json_array_size(json_object_get(of, "x"));
        assert_true(n > 0 && n <= 30);
        for (size_t i = 0; i < n; i++) {
            x[i] = json_number_value(json_array_get(json_object_get(of, "x"), i));
            y[i] = json_number_value(json_array_get(json_object_get(of, "y"), i));
        }
        must(kendall_tau(x, y, n, &tau, &se, &err), &err);
        assert_number(tau, json_object_get(of, "tau"));
        assert_number(se, json_object_get(of, "se"));
    }
    json_decref(file);
}

/* Ratings by people whose margin is `agreement` times what was predicted: how many until
 * the guard hands back, or `most`. */
static size_t ratings_until(reward_guard *g, double agreement, size_t most, gsl_rng *rng)
{
    error err = {0};
    for (size_t i = 0; i < most; i++) {
        double predicted = gsl_ran_gaussian(rng, 1);
        double rated = gsl_rng_uniform(rng) < logistic(agreement * predicted);
        if (gsl_rng_uniform(rng) < 0.1)
            rated = 0.5;
        must(reward_guard_see(g, predicted, rated, &err), &err);
        if (reward_guard_state(g).handed_back)
            return i + 1;
    }
    return most;
}

static reward_guard *guard(void)
{
    reward_guard *g;
    error err = {0};
    guard_options o = guard_defaults();
    must(reward_guard_new(&g, &o, &err), &err);
    return g;
}

static void a_reward_that_agrees_is_left_alone(void **state)
{
    (void)state;
    gsl_rng *rng = reward_rng(1, 1);
    size_t alarms = 0;
    for (size_t k = 0; k < 20; k++) {
        reward_guard *g = guard();
        alarms += ratings_until(g, 2, 300, rng) < 300;
        reward_guard_free(g);
    }
    assert_true(alarms <= 1);
    gsl_rng_free(rng);
}

static void a_reward_that_is_gamed_hands_back(void **state)
{
    (void)state;
    gsl_rng *rng = reward_rng(2, 1);
    size_t caught = 0;
    for (size_t k = 0; k < 20; k++) {
        reward_guard *g = guard();
        size_t before = ratings_until(g, 2, 100, rng);
        assert_true(before == 100);                     /* fine at first … */
        caught += ratings_until(g, -1, 120, rng) < 120; /* … until it is found out */
        reward_guard_free(g);
    }
    assert_true(caught >= 19);
    gsl_rng_free(rng);
}

static void nothing_is_decided_on_few_ratings_or_on_none_that_differ(void **state)
{
    (void)state;
    error err = {0};
    reward_guard *g = guard();
    assert_true(isnan(reward_guard_state(g).tau));
    for (size_t i = 0; i < 19; i++) {
        must(reward_guard_see(g, (double)i, -(double)i, &err), &err);
        assert_false(reward_guard_state(g).handed_back);
    }
    assert_true(reward_guard_state(g).tau == -1);
    must(reward_guard_see(g, 19, -19, &err), &err);
    assert_true(reward_guard_state(g).handed_back);
    reward_guard_free(g);
    g = guard();
    for (size_t i = 0; i < 100; i++)
        must(reward_guard_see(g, (double)i, 1, &err), &err);
    assert_false(reward_guard_state(g).handed_back);
    assert_int_equal(reward_guard_state(g).n, 60);
    assert_int_equal(reward_guard_state(g).n_seen, 100);
    reward_guard_free(g);
}

static void only_the_window_counts_until_it_is_refitted(void **state)
{
    (void)state;
    error err = {0};
    reward_guard *g = guard();
    for (size_t i = 0; i < 30; i++) /* this is forgotten … */
        must(reward_guard_see(g, (double)i, (double)i, &err), &err);
    for (size_t i = 0; i < 60; i++)
        must(reward_guard_see(g, (double)i, -(double)i, &err), &err);
    guard_state s = reward_guard_state(g);
    assert_true(s.tau == -1 && fabs(s.high - s.low) < 1e-9 && s.handed_back);
    for (size_t i = 0; i < 60; i++) /* … but not that it was handed back */
        must(reward_guard_see(g, (double)i, (double)i, &err), &err);
    s = reward_guard_state(g);
    assert_true(s.tau == 1 && s.handed_back);
    reward_guard_refitted(g);
    s = reward_guard_state(g);
    assert_true(s.n == 0 && s.n_seen == 0 && isnan(s.tau) && !s.handed_back);
    reward_guard_free(g);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    error err = {0};
    reward_guard *g = NULL;
    const guard_options bad[] = {{60, 9, 0.1, 1.6},  {15, 20, 0.1, 1.6},
                                 {3000, 20, 0.1, 1}, {60, 20, 1.5, 1},
                                 {60, 20, NAN, 1},   {60, 20, 0.1, -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(reward_guard_new(&g, &bad[i], &err), E_ARGUMENT);
        assert_null(g);
    }
    g = guard();
    assert_int_equal(reward_guard_see(g, NAN, 1, &err), E_ARGUMENT);
    assert_int_equal(reward_guard_see(g, 1, INFINITY, &err), E_ARGUMENT);
    assert_int_equal(reward_guard_state(g).n, 0);
    reward_guard_free(g);
    reward_guard_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tau_and_its_error_equal_scipy),
        cmocka_unit_test(a_reward_that_agrees_is_left_alone),
        cmocka_unit_test(a_reward_that_is_gamed_hands_back),
        cmocka_unit_test(nothing_is_decided_on_few_ratings_or_on_none_that_differ),
        cmocka_unit_test(only_the_window_counts_until_it_is_refitted),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

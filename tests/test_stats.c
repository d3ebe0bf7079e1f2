/* Statistics held to scipy (tests/fixtures/make_stats.py), and to their definitions where
 * data are degenerate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "../evolve/stats.h"

static json_t *fixture;

static int load(void **state)
{
    (void)state;
    fixture = json_load_file("tests/data/stats.json", 0, NULL);
    return fixture ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

static double *numbers(const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    double *x = array_new(*n, sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = json_number_value(json_array_get(list, i));
    return x;
}

static double field(const json_t *c, const char *name)
{
    const json_t *value = json_object_get(c, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void check_near(const json_t *c, const char *name, double mine, double tolerance)
{
    double theirs = field(c, name);
    if (!(fabs(mine - theirs) <= tolerance))
        fail_msg("%s of \"%s\" is %.17g, scipy has %.17g", name,
                 json_string_value(json_object_get(c, "name")), mine, theirs);
}

static void means_errors_and_t_tests_are_those_of_scipy(void **state)
{
    (void)state;
    size_t i, n;
    json_t *c;
    json_array_foreach(json_object_get(fixture, "cases"), i, c)
    {
        double *d = numbers(json_object_get(c, "d"), &n);
        check_near(c, "mean", stats_mean(d, n), 1e-13);
        check_near(c, "se", stats_se(d, n), 1e-13);
        check_near(c, "t_below", stats_paired_t_below(d, n), 1e-10);
        free(d);
    }
    assert_true(i >= 7);
}

static void permutation_p_values_are_those_of_scipy(void **state)
{
    (void)state;
    size_t i, n;
    json_t *c;
    json_array_foreach(json_object_get(fixture, "cases"), i, c)
    {
        double *d = numbers(json_object_get(c, "d"), &n), p, again;
        assert_int_equal(stats_permutation_p(d, n, 99999, 3, &p, NULL), 0);
        assert_int_equal(stats_permutation_p(d, n, 99999, 3, &again, NULL), 0);
        assert_true(p == again);
        bool exact = json_is_true(json_object_get(c, "exact"));
        /* Two Monte Carlo estimates of 1e5 draws: five standard errors of their
         * difference at p = 0.5. */
        check_near(c, "permutation", p, exact ? 1e-12 : 5 * sqrt(2 * 0.25 / 1e5));
        free(d);
    }
}

static void one_sided_flips_agree_with_t_where_t_is_right(void **state)
{
    (void)state;
    size_t i, n;
    json_t *c;
    json_array_foreach(json_object_get(fixture, "cases"), i, c)
    {
        double *d = numbers(json_object_get(c, "d"), &n), p;
        assert_int_equal(stats_flip_below(d, n, 99999, &p, NULL), 0);
        if (n >= 12)
            check_near(c, "t_below", p, 0.03);
        free(d);
    }
    const double one_lost[20] = {-1}, two_lost[20] = {-1, 0, -1};
    double p;
    assert_int_equal(stats_flip_below(one_lost, 20, 99, &p, NULL), 0);
    assert_float_equal(p, 0.5, 0);
    assert_int_equal(stats_flip_below(two_lost, 20, 99, &p, NULL), 0);
    assert_float_equal(p, 0.25, 0);
    assert_int_equal(stats_flip_below(NULL, 0, 99, &p, NULL), 0);
    assert_float_equal(p, 1, 0);
}

static void bca_intervals_are_those_of_scipy(void **state)
{
    (void)state;
    size_t i, n;
    json_t *c;
    json_array_foreach(json_object_get(fixture, "cases"), i, c)
    {
        double *d = numbers(json_object_get(c, "d"), &n);
        interval mine, again;
        assert_int_equal(stats_bca(d, n, 0.95, 99999, 3, &mine, NULL), 0);
        assert_int_equal(stats_bca(d, n, 0.95, 99999, 3, &again, NULL), 0);
        assert_true(mine.low == again.low && mine.high == again.high);
        /* The 2.5 % quantile of 1e5 draws has a standard error of about 0.008 of the
         * spread; means of 0/1 scores lie on a grid of 1 / n. */
        double tolerance = 0.05 * stats_se(d, n);
        check_near(c, "low", mine.low, tolerance);
        check_near(c, "high", mine.high, tolerance);
        free(d);
    }
}

static void holm_is_holm(void **state)
{
    (void)state;
    const json_t *h = json_object_get(fixture, "holm");
    size_t n, m;
    double *p = numbers(json_object_get(h, "p"), &n);
    double *expected = numbers(json_object_get(h, "adjusted"), &m);
    assert_int_equal(stats_holm(p, n, p, NULL), 0); /* in place */
    assert_true(n == m && n > 0);
    for (size_t i = 0; i < n; i++)
        assert_float_equal(p[i], expected[i], 1e-12);
    free(p);
    free(expected);
}

static void degenerate_data_have_stated_answers(void **state)
{
    (void)state;
    const double same[] = {-0.3, -0.3, -0.3, -0.3}, zero[20] = {0};
    double p = -1;
    interval ci;
    assert_float_equal(stats_paired_t_below(same, 4), 1.0 / 16, 1e-15);
    assert_float_equal(stats_paired_t_below(zero, 20), 1, 0);
    assert_float_equal(stats_paired_t_below(same, 1), 1, 0);
    assert_float_equal(stats_paired_t_below(NULL, 0), 1, 0);
    assert_int_equal(stats_permutation_p(same, 4, 99, 1, &p, NULL), 0);
    assert_float_equal(p, 2.0 / 16, 1e-15); /* all flipped or none */
    assert_int_equal(stats_permutation_p(zero, 20, 99, 1, &p, NULL), 0);
    assert_float_equal(p, 1, 0);
    assert_int_equal(stats_permutation_p(NULL, 0, 99, 1, &p, NULL), 0);
    assert_float_equal(p, 1, 0);
    assert_int_equal(stats_bca(same, 4, 0.95, 100, 1, &ci, NULL), 0);
    assert_true(ci.low == same[0] && ci.high == same[0]);
    assert_int_equal(stats_bca(same, 1, 0.95, 100, 1, &ci, NULL), 0);
    assert_true(ci.low == same[0] && ci.high == same[0]);
    assert_true(stats_se(same, 1) == 0 && stats_mean(NULL, 0) == 0);
}

static void numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    const double bad[] = {1, NAN, 2};
    double p = 5;
    interval ci = {5, 5};
    error err = {0};
    assert_int_equal(stats_permutation_p(bad, 3, 99, 1, &p, &err), E_NUMERIC);
    assert_int_equal(stats_bca(bad, 3, 0.95, 100, 1, &ci, &err), E_NUMERIC);
    assert_int_equal(stats_bca(bad, 1, 1.5, 100, 1, &ci, &err), E_ARGUMENT);
    assert_true(p == 5 && ci.low == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_errors_and_t_tests_are_those_of_scipy),
        cmocka_unit_test(permutation_p_values_are_those_of_scipy),
        cmocka_unit_test(one_sided_flips_agree_with_t_where_t_is_right),
        cmocka_unit_test(bca_intervals_are_those_of_scipy),
        cmocka_unit_test(holm_is_holm),
        cmocka_unit_test(degenerate_data_have_stated_answers),
        cmocka_unit_test(numbers_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}

/* The simulated power against what can be computed exactly, and what must hold of it
 * whatever the design. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>

#include "../rater/power.h"

enum { REPETITIONS = 1500 };

/* Honest raters of one noise, all of whose answers count. */
static power_design plain(double difference)
{
    power_design d = power_defaults();
    d.difference = difference;
    d.spread = 0;
    d.honest = 1;
    d.noise = 1;
    d.rules.gold_share = d.rules.repeat_share = 0;
    d.most = 160;
    d.repetitions = REPETITIONS;
    return d;
}

static power_table simulate(const power_design *d)
{
    power_table t;
    error err = {0};
    if (power_simulate(d, &t, &err) < 0)
        fail_msg("%s", err.text);
    return t;
}

/* Whether k of n answers for the second prompt make a difference found, from the textbook
 * t statistic of n zeros and ones. */
static bool found_better(unsigned k, unsigned n)
{
    double mean = (double)k / n - 0.5;
    if (mean <= 0)
        return false;
    if (k == n)
        return 2 * pow(0.5, n) < 0.05;
    double variance = (double)k * (n - k) / ((double)n * (n - 1));
    return 2 * gsl_cdf_tdist_Q(mean / sqrt(variance / n), n - 1) < 0.05;
}

static double exact_power(double difference, unsigned n)
{
    double p = 1 / (1 + exp(-difference)), power = 0;
    for (unsigned k = 0; k <= n; k++)
        if (found_better(k, n))
            power += gsl_ran_binomial_pdf(k, p, n);
    return power;
}

static void power_is_what_the_binomial_says(void **state)
{
    (void)state;
    for (double difference = 0.3; difference < 1; difference += 0.3) {
        power_design d = plain(difference);
        power_table t = simulate(&d);
        for (size_t k = 0; k < t.n; k++) {
            unsigned n = (unsigned)t.points[k].ratings;
            double exact = exact_power(difference, n), none = 2 * exact_power(0, n);
            double se = sqrt(exact * (1 - exact) / REPETITIONS);
            assert_true(fabs(t.points[k].power - exact) < 4.5 * se + 1e-9);
            assert_true(fabs(t.points[k].false_alarm - none) <
                        4.5 * sqrt(none / REPETITIONS) + 1e-9);
            assert_float_equal(t.points[k].counted, 1, 1e-12);
        }
        power_table_free(&t);
    }
}

/* n for a power of 0.8 by the normal approximation: (z_0.975 + z_0.8)^2 p q / (p -
 * 1/2)^2.
 */
static void the_number_needed_is_the_textbook_s(void **state)
{
    (void)state;
    power_design d = plain(0.6);
    power_table t = simulate(&d);
    double p = 1 / (1 + exp(-0.6));
    double z = gsl_cdf_ugaussian_Pinv(0.975) + gsl_cdf_ugaussian_Pinv(0.8);
    double textbook = z * z * p * (1 - p) / ((p - 0.5) * (p - 0.5));
    power_need n = power_needed(&t, 0.8);
    assert_true(fabs(n.ratings / textbook - 1) < 0.12);
    assert_true(n.low <= n.ratings && n.ratings <= n.high);
    assert_true(isnan(power_needed(&t, 1.01).ratings));
    power_table_free(&t);
}

static double power_at_the_end(const power_design *d)
{
    power_table t = simulate(d);
    double power = t.points[t.n - 1].power;
    power_table_free(&t);
    return power;
}

static void worse_raters_need_more(void **state)
{
    (void)state;
    power_design d = plain(0.5);
    double good = power_at_the_end(&d);
    d.honest = 0.5;
    double mixed = power_at_the_end(&d);
    d.honest = 1;
    d.noise = 3;
    double noisy = power_at_the_end(&d);
    d.honest = 0;
    double none = power_at_the_end(&d);
    assert_true(good > mixed + 0.1 && good > noisy + 0.1 && mixed > none + 0.1);
    assert_true(none < 0.05); /* a half of what alpha allows, and chance */
}

/* Raters who answer at random are found out by gold. */
static void those_who_fail_do_not_count(void **state)
{
    (void)state;
    power_design d = plain(0.5);
    d.honest = 0.5;
    d.n_raters = 6;
    d.rules.gold_share = 0.3;
    d.gold_difference = 6;
    power_table t = simulate(&d);
    const power_point *first = &t.points[0], *last = &t.points[t.n - 1];
    assert_true(first->excluded < last->excluded);
    assert_true(last->excluded > 1 && last->excluded < 3.5);
    assert_true(last->counted < 0.7 - 0.05);
    power_table_free(&t);
}

/* With several ratings of a pair, and pairs that differ, alarms stay as rare as alpha. */
static void false_alarms_are_as_rare_as_told(void **state)
{
    (void)state;
    power_design d = power_defaults();
    d.spread = 2;
    d.per_pair = 5;
    d.ties = true;
    d.most = 400;
    d.repetitions = REPETITIONS;
    power_table t = simulate(&d);
    const power_point *last = &t.points[t.n - 1];
    assert_true(fabs(last->false_alarm - 0.05) < 4.5 * sqrt(0.05 * 0.95 / REPETITIONS));
    assert_true(last->power > 2 * last->false_alarm);
    power_table_free(&t);
}

static void the_same_seed_is_the_same_table(void **state)
{
    (void)state;
    power_design d = plain(0.4);
    d.repetitions = 50;
    power_table a = simulate(&d), b = simulate(&d);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.points, b.points, a.n * sizeof *a.points);
    d.seed = 2;
    power_table c = simulate(&d);
    assert_true(memcmp(a.points, c.points, a.n * sizeof *a.points) != 0);
    power_table_free(&a);
    power_table_free(&b);
    power_table_free(&c);
}

static void designs_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    power_design bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = power_defaults();
    bad[0].difference = NAN;
    bad[1].spread = -1;
    bad[2].per_pair = 21;
    bad[3].n_raters = 0;
    bad[4].rules.gold_share = 0.9, bad[4].rules.repeat_share = 0.2;
    bad[5].most = 9;
    bad[6].alpha = 0;
    bad[7].repetitions = 1;
    for (size_t i = 0; i < 8; i++) {
        power_table t;
        error err = {0};
        assert_int_equal(power_simulate(&bad[i], &t, &err), E_ARGUMENT);
        assert_true(err.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_is_what_the_binomial_says),
        cmocka_unit_test(the_number_needed_is_the_textbook_s),
        cmocka_unit_test(worse_raters_need_more),
        cmocka_unit_test(those_who_fail_do_not_count),
        cmocka_unit_test(false_alarms_are_as_rare_as_told),
        cmocka_unit_test(the_same_seed_is_the_same_table),
        cmocka_unit_test(designs_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

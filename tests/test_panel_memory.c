/* Asking about a batch and reading what was said when memory runs out, at one allocation
 * after another: an error, and nothing leaked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "../experiments/fitness/crowd_simulated.h"
#include "../experiments/fitness/gold.h"
#include "crowd_fixture.h"
#include "failing_malloc.h"
#include "scratch.h"
#include "small_people.h"

enum { TRIALS = 120 };

static const char *const said[] = {"Mira, Tobias, Ada", "the night was long", "Bo",
                                   "Elena, Ben, Clara, David"};

/* All that a step does with a panel. */
static int step(const experiment *e, crowd *c, error *err)
{
    panel p = {0};
    name_index open = {0};
    double scores[16];
    size_t given;
    int rc = panel_new(&p, e, c, err);
    for (size_t i = 0; rc == 0 && i < 16; i++)
        rc = panel_add(&p, i / 4, i % 4, said[(i / 4 + i) % 4], said[i % 2], err);
    if (rc == 0)
        rc = gold_put(&p, 0, said[0], err);
    if (rc >= 0)
        rc = panel_read(&p, err);
    if (rc == 0)
        rc = panel_ask(&p, panel_missing(&p), &open, err);
    if (rc == 0)
        rc = panel_close_others(&p, &open, err);
    if (rc == 0)
        rc = crowd_simulated_work(c, e, 3, &given, err);
    if (rc == 0)
        rc = panel_read(&p, err);
    if (rc == 0)
        rc = panel_scores(&p, scores, err);
    name_index_free(&open);
    panel_free(&p);
    return rc;
}

static void check_kind(const char *ask, const char *scale)
{
    enum { MANY = 100000000 };
    const char *set[] = {"fitness.crowd=simulated", "fitness.taste=names",
                         "fitness.gold=1", ask, scale};
    char *dir = scratch_new();
    error err = {0};
    experiment *e = small_people_experiment(dir, set, 5);
    crowd *c = crowd_in(dir);
    for (int i = 0; i < 4;
         i++) /* statements are prepared, and there is something to read */
        if (step(e, c, &err) < 0)
            fail_msg("%s", err.text);
    set_allocations_left(MANY);
    assert_int_equal(step(e, c, &err), 0);
    long n = MANY - get_allocations_left(), failures = 0;
    for (long trial = 0; trial < TRIALS; trial++) {
        long at = 1 + trial * n / TRIALS;
        memset(&err, 0, sizeof err);
        set_allocations_left(at);
        int rc = step(e, c, &err);
        set_allocations_left(-1);
        if (rc < 0 && err.text[0] == '\0')
            fail_msg("allocation %ld: error %d without a word", at, rc);
        failures += rc < 0;
    }
    assert_true(failures > TRIALS / 2);
    set_allocations_left(-1);
    crowd_close(c);
    experiment_free(e);
    scratch_remove(dir);
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    check_kind("fitness.ask=compare", "seed=0");
    check_kind("fitness.ask=best", "seed=0");
    check_kind("fitness.ask=accept", "seed=0");
    check_kind("fitness.ask=scale", "fitness.scale=[bad, fair, good]");
}

/* What is held after a failure is what was held before, everything closed. */
static void test_nothing_leaks(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    const char *set[] = {"fitness.crowd=simulated", "fitness.ask=scale",
                         "fitness.scale=[bad, fair, good]"};
    char *dir = scratch_new();
    experiment *e = small_people_experiment(dir, set, 3);
    for (long at = 1; at < 4000; at += 97) {
        error err = {0};
        crowd *c = crowd_in(dir);
        crowd_close(c);
        long before = allocations_held();
        c = crowd_in(dir);
        set_allocations_left(at);
        step(e, c, &err);
        set_allocations_left(-1);
        crowd_close(c);
        assert_int_equal(allocations_held(), before);
    }
    experiment_free(e);
    scratch_remove(dir);
}

int main(void)
{
    gsl_set_error_handler_off(); /* as lamarck does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A run when memory runs out, at one allocation after another: an error, nothing leaked,
 * nothing lost; gone on with, it ends as if nothing had been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "failing_malloc.h"
#include "scratch.h"
#include "toy.h"

enum { TRIALS = 150 };

/* How many allocations a whole run makes, about. */
static long count_allocations(const experiment *e)
{
    enum { MANY = 100000000 };
    char *dir = scratch_new();
    error err = {0};
    toy t = {.experiment = e, .words_price = 9};
    set_allocations_left(MANY);
    int rc = toy_run(&t, dir, 0, NULL, NULL, &err);
    long left = get_allocations_left();
    set_allocations_left(-1);
    toy_close(&t);
    scratch_remove(dir);
    assert_int_equal(rc, 0);
    return MANY - left;
}

static bool has_run(const char *dir)
{
    store *s = NULL;
    uint64_t id = 0;
    error err = {0};
    assert_int_equal(store_open(&s, dir, true, &err), 0);
    assert_int_equal(store_run_latest(s, false, &id, &err), 0);
    store_close(s);
    return id > 0;
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    const char *set[] = {"budget.tokens=5000"};
    char *dir = scratch_new();
    error err = {0};
    experiment *e = toy_experiment(dir, set, 1, 5);
    toy t = {.experiment = e, .words_price = 9};
    assert_int_equal(toy_run(&t, dir, 0, NULL, NULL, &err), 0);
    toy_close(&t);
    run_record *whole = read_run(dir, 0);
    long n = count_allocations(e), failures = 0;
    assert_true(n > 1000);
    for (long trial = 0; trial < TRIALS; trial++) {
        char *there = scratch_new();
        long at = 1 + trial * n / TRIALS, before = allocations_held();
        toy poor = {.experiment = e, .words_price = 9};
        memset(&err, 0, sizeof err);
        set_allocations_left(at);
        int rc = toy_run(&poor, there, 0, NULL, NULL, &err);
        set_allocations_left(-1);
        toy_close(&poor);
        assert_int_equal(allocations_held(), before);
        /* libcrypto does not say that it was memory that failed it. */
        bool told = (rc == E_MEMORY || rc == E_EXTERNAL) && err.text[0] != '\0';
        if (rc < 0 && !told)
            fail_msg("allocation %ld: error %d, \"%s\"", at, rc, err.text);
        failures += rc < 0;
        if (!has_run(there) || rc < 0) {
            memset(&err, 0, sizeof err);
            rc = toy_run(&poor, there, has_run(there), NULL, NULL, &err);
            if (rc < 0)
                fail_msg("after allocation %ld: %s", at, err.text);
            toy_close(&poor);
        }
        run_record *r = read_run(there, 0);
        assert_same_run(whole, r, true);
        run_record_free(r);
        scratch_remove(there);
    }
    assert_true(failures > TRIALS / 2);
    run_record_free(whole);
    experiment_free(e);
    scratch_remove(dir);
}

int main(void)
{
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

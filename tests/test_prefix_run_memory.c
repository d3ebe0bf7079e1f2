/* A training when memory runs out, at one allocation after another: an error, nothing
 * lost; gone on with, it ends as if nothing had been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gsl/gsl_errno.h>

#include "../experiments/runs/prefix_run.h"
#include "failing_malloc.h"
#include "scratch.h"
#include "small_lm.h"
#include "toy.h"

enum { TRIALS = 120, MANY = 100000000 };

/* The plain backend: oneDNN and OpenMP end the process when they get no memory. */
static const char *const set[] = {
    "engine.backend=ref",
    "prefix={tokens: 3, steps: 3, batch: 8, eval_every: 2, lr: 0.02}"};

static int run(const experiment *e, const char *dir, bool begun, error *err)
{
    uint64_t id = 0;
    return begun ? prefix_run_resume(dir, 0, NULL, &id, err)
                 : prefix_run_start(e, dir, NULL, &id, err);
}

/* Fails its n-th allocation in dir, then runs to the end. Returns whether that failed. */
static bool try_one(const experiment *e, const char *dir, long n, const run_record *whole)
{
    error err = {0};
    long before = allocations_held();
    set_allocations_left(n);
    int rc = run(e, dir, false, &err);
    set_allocations_left(-1);
    assert_int_equal(allocations_held(), before);
    /* libcrypto, jansson and SQLite do not always say that it was memory. */
    bool told = (rc == E_MEMORY || rc == E_EXTERNAL || rc == E_FORMAT || rc == E_IO) &&
                err.text[0] != '\0';
    if (rc < 0 && !told)
        fail_msg("allocation %ld: error %d, \"%s\"", n, rc, err.text);
    int state = run_state_of(dir);
    memset(&err, 0, sizeof err);
    if (state < 2 && run(e, dir, state == 1, &err) < 0)
        fail_msg("allocation %ld, gone on with: %s", n, err.text);
    run_record *r = read_run(dir, 0);
    assert_same_run(whole, r, false);
    run_record_free(r);
    return rc < 0;
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    char *dir = scratch_new(), *there = scratch_new();
    error err = {0};
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", set, 2);
    assert_int_equal(run(e, dir, false, &err), 0); /* libraries take theirs once */
    run_record *whole = read_run(dir, 0);
    set_allocations_left(MANY);
    assert_int_equal(run(e, there, false, &err), 0);
    long n = MANY - get_allocations_left(), failures = 0;
    set_allocations_left(-1);
    scratch_remove(there);
    assert_true(n > 1000);
    for (long trial = 0; trial < TRIALS; trial++) {
        there = scratch_new();
        failures += try_one(e, there, 1 + trial * n / TRIALS, whole);
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

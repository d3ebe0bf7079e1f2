/* Every allocation of learning and saving a reward may fail, and nothing is left behind.
 * (Reading one is parsing JSON, where jansson gives up by an assertion.) */
#include "reward_fixture.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>

#include "failing_malloc.h"

static const crowd_plan small = {
    .n_contexts = 6, .per_context = 3, .p = 5, .n_ratings = 30, .signal = 2, .seed = 3};

/* Each of the first hundred allocations, then fewer and fewer of them. */
static long next_failure(long n)
{
    return n < 100 ? n + 1 : n + 1 + n / 16;
}

static reward *train(const reward_fixture *f, error *err)
{
    reward *r = NULL;
    reward_facts facts = made_up_facts();
    reward_options o = {.judge = {.n_folds = 3, .n_resamples = 10, .seed = 1},
                        .n_heads = 2};
    int rc = reward_train(&r, &f->data, &facts, &o, err);
    return rc < 0 ? NULL : r;
}

static void learning_may_run_out_of_memory(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    reward_fixture f;
    reward_fixture_make(&f, &small);
    size_t failures = 0;
    for (long n = 1;; n = next_failure(n)) {
        error err = {0};
        long before = allocations_held();
        set_allocations_left(n);
        reward *r = train(&f, &err);
        set_allocations_left(-1);
        reward_free(r);
        /* gsl_matrix_alloc leaves its own few bytes behind when it fails */
        assert_in_range(allocations_held() - before, 0, r ? 0 : 4);
        if (r)
            break;
        assert_int_equal(err.code, E_MEMORY);
        failures++;
    }
    assert_true(failures > 100);
    reward_fixture_free(&f);
}

static void saving_may_run_out_of_memory(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    char *dir = scratch_new(), path[4200];
    error err = {0};
    reward_fixture f;
    reward_fixture_make(&f, &small);
    reward *r = train(&f, &err);
    snprintf(path, sizeof path, "%s/reward", dir);
    size_t failures = 0;
    for (int rc = -1; rc < 0; failures++) {
        long before = allocations_held();
        set_allocations_left((long)failures + 1);
        rc = reward_save(r, path, &err);
        set_allocations_left(-1);
        assert_int_equal(allocations_held(), before);
    }
    assert_true(failures > 20);
    reward_free(r);
    reward_fixture_free(&f);
    scratch_remove(dir);
}

int main(void)
{
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learning_may_run_out_of_memory),
        cmocka_unit_test(saving_may_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A piece of work done with ever more memory until it succeeds; to be included, with
 * failing_malloc.h, by one file of a test program. */
#ifndef LAMARCK_TESTS_SURVIVE_H
#define LAMARCK_TESTS_SURVIVE_H

#include "../model/base.h"
#include "failing_malloc.h"

/* What it makes is released again before it returns. */
typedef int work(const char *input, error *err);

/* Before it succeeds, after `least` failures or more, it must fail for a reason that lack
 * of memory may give (`fits`), and give back what it had. */
static void assert_survives(work *w, const char *input, bool (*fits)(int rc), long least)
{
    error err = {0};
    if (!can_fail_allocations())
        return;
    /* Libraries make things at their first use that they keep. */
    if (w(input, &err) < 0)
        fail_msg("%s", err.text);
    for (long failures = 0;; failures++) {
        long before = allocations_held();
        set_allocations_left(failures + 1);
        int rc = w(input, &err);
        set_allocations_left(-1);
        assert_int_equal(allocations_held(), before);
        if (rc == 0) {
            assert_true(failures >= least);
            return;
        }
        if (!fits(rc))
            fail_msg("allocation %ld: %d %s", failures, rc, err.text);
    }
}

#endif

/* The scorer's slices: as long as the ticker allows, each kept before the next, and none
 * begun that would not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "scratch.h"
#include "small_lm.h"

enum { EXAMPLES = 34 };

/* Allows so many seconds for each of the first slices, and nothing after them. */
typedef struct hurry {
    double seconds;
    size_t slices; /* so many */
    size_t calls, told;
    uint64_t tokens;
} hurry;

static double allow(void *context, uint64_t tokens)
{
    hurry *h = context;
    h->calls++;
    h->told += tokens > 0;
    h->tokens += tokens;
    return h->calls <= h->slices ? h->seconds : 0;
}

static int measure_all(const char *dir, const experiment *e, hurry *h,
                       double scores[EXAMPLES], expense *spent, error *err)
{
    size_t all[EXAMPLES];
    store *s = NULL;
    judge j;
    ticker t = {allow, h};
    for (size_t i = 0; i < EXAMPLES; i++)
        all[i] = i;
    if (store_open(&s, dir, true, err) < 0 ||
        judge_open(&j, e, &(judge_options){.store = s, .ticker = &t}, err) < 0)
        fail_msg("%s", err->text);
    measurement m = {
        .genome = &e->seeds[0], .examples = all, .n = EXAMPLES, .scores = scores};
    int rc = j.objective->measure(j.objective, &m, 1, spent, err);
    judge_close(&j);
    store_close(s);
    return rc;
}

static void test_a_call_stops_between_slices_and_goes_on_later(void **state)
{
    (void)state;
    double whole[EXAMPLES], parts[EXAMPLES];
    error err = {0};
    expense spent = {0};
    char *dir = scratch_new(), *other = scratch_new();
    const char *set[] = {
        "genes.instruction.seed=the opposite of the questionable question"};
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", set, 1);
    hurry none = {.seconds = INFINITY, .slices = SIZE_MAX};
    assert_int_equal(measure_all(dir, e, &none, whole, &spent, &err), 0);
    assert_int_equal(none.tokens, spent.tokens);
    assert_true(spent.tokens > 700); /* more than a slice of 1.6 seconds */

    hurry late = {.seconds = 1.6, .slices = 1}, later = none;
    assert_int_equal(measure_all(other, e, &late, parts, &spent, &err), E_INTERRUPTED);
    assert_int_equal(late.told, 1);
    assert_true(late.tokens > 500 && late.tokens < none.tokens);
    later.calls = later.told = later.tokens = 0;
    assert_int_equal(measure_all(other, e, &later, parts, &spent, &err), 0);
    assert_int_equal(late.tokens + later.tokens, none.tokens);
    assert_memory_equal(whole, parts, sizeof whole);
    experiment_free(e);
    scratch_remove(dir);
    scratch_remove(other);
}

static void test_a_slice_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    static const double seconds[] = {-1, 0, 0.01, 0.2};
    double scores[EXAMPLES];
    error err = {0};
    expense spent = {0};
    char *dir = scratch_new();
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", NULL, 0);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        hurry h = {.seconds = seconds[i], .slices = SIZE_MAX};
        assert_int_equal(measure_all(dir, e, &h, scores, &spent, &err), E_INTERRUPTED);
        assert_non_null(strstr(err.text, "time is up"));
        assert_int_equal(h.tokens, 0);
    }
    experiment_free(e);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_stops_between_slices_and_goes_on_later),
        cmocka_unit_test(test_a_slice_that_does_not_fit_is_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A budget in seconds holds on a machine that becomes slow at any moment of a run, what
 * was found is kept, and the decision to stop is on record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "toy.h"

static double fake_time;
static double still_clock(void)
{
    return fake_time;
}

enum { CAP_SECONDS = 100, AFTER = 1000 };
static const double score_seconds = 0.05;

/* A run on a machine that becomes slow; fills *cut if its search was cut off. */
static run_record *slow_run(const toy_bench *w, toy *t, search_cut *cut, bool *was_cut)
{
    error err = {0};
    store *s = NULL;
    t->experiment = w->e;
    t->time = &fake_time;
    t->score_seconds = score_seconds;
    t->words_price = 9;
    fake_time = 0;
    if (toy_run(t, w->a, 0, NULL, still_clock, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(store_open_readonly(&s, w->a, &err), 0);
    int found = store_get_cut(s, 1, cut, &err);
    assert_true(found >= 0);
    *was_cut = found;
    store_close(s);
    return read_run(w->a, 1);
}

static void test_a_sudden_slowdown_overshoots_no_seconds(void **state)
{
    (void)state;
    static const double factors[] = {1, 2, 3, 5, 10, 40};
    size_t cuts = 0, verdicts = 0, runs = 0;
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
        for (size_t after = 300; after < 1900; after += 320, runs++) {
            toy_bench w;
            const char *set[] = {"budget={seconds: 100}"};
            toy_bench_open(&w, set, 1);
            toy t = {.slow_after = after, .slow_factor = factors[f]};
            search_cut cut;
            bool was_cut = false;
            run_record *r = slow_run(&w, &t, &cut, &was_cut);
            assert_int_equal(r->status, RUN_FINISHED);
            assert_true(strncmp(r->stop_reason, "budget: seconds", 15) == 0);
            /* One score is what is never cut in two. */
            assert_true(r->seconds <= CAP_SECONDS + score_seconds * factors[f]);
            if (was_cut)
                assert_true(cut.seconds <= CAP_SECONDS);
            if (factors[f] <= 3 &&
                after < 1200) /* later, the finish itself can be hit */ {
                assert_true(r->has_verdict);
                assert_true(r->seconds <= CAP_SECONDS);
            }
            assert_int_equal(r->has_verdict,
                             strcmp(r->stop_reason, "budget: seconds") == 0);
            assert_true(r->n_history > 1); /* what was found is kept */
            cuts += was_cut;
            verdicts += r->has_verdict;
            run_record_free(r);
            toy_close(&t);
            toy_bench_close(&w);
        }
    assert_true(cuts > runs / 4);
    assert_true(verdicts > runs / 2 && verdicts < runs);
}

static void test_what_a_cut_search_computed_is_charged(void **state)
{
    (void)state;
    toy_bench w;
    const char *set[] = {"budget={seconds: 100, tokens: 1000000}"};
    toy_bench_open(&w, set, 1);
    toy t = {.slow_after = AFTER, .slow_factor = 5};
    search_cut cut;
    bool was_cut = false;
    run_record *r = slow_run(&w, &t, &cut, &was_cut);
    assert_true(was_cut);
    assert_int_equal(cut.step, r->n_history);
    const history_point *last = &r->history[r->n_history - 1];
    assert_true(cut.spent[FOR_SEARCH].tokens > last->spent[FOR_SEARCH].tokens);
    assert_int_equal(r->spent[FOR_SEARCH].tokens, cut.spent[FOR_SEARCH].tokens);
    run_record_free(r);
    toy_close(&t);
    toy_bench_close(&w);
}

/* Works on run 1 of w->b until `die_after` new scores; true when it died. */
static bool dies(const toy_bench *w, bool begun, size_t die_after, size_t slow_after)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        error err = {0};
        toy t = {.experiment = w->e,
                 .time = &fake_time,
                 .score_seconds = score_seconds,
                 .words_price = 9,
                 .die_after = die_after,
                 .slow_after = slow_after,
                 .slow_factor = slow_after ? 5 : 1};
        fake_time = 0;
        _exit(toy_run(&t, w->b, begun, NULL, still_clock, &err) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void test_a_recorded_cut_is_repeated_however_fast_the_machine(void **state)
{
    (void)state;
    toy_bench w;
    const char *set[] = {"budget={seconds: 100}"};
    toy_bench_open(&w, set, 1);
    toy t = {.slow_after = AFTER, .slow_factor = 5};
    search_cut cut;
    bool was_cut = false;
    run_record *whole = slow_run(&w, &t, &cut, &was_cut);
    assert_true(was_cut && whole->has_verdict);
    size_t finish = t.outside_seen, all = t.computed;
    assert_true(finish > 40 && all > 400);
    for (size_t into = 1; into < finish; into += 17) {
        assert_true(dies(&w, false, all - finish + into, AFTER));
        assert_true(dies(&w, true, 5, 0)); /* and once more, on a fast machine */
        assert_false(dies(&w, true, 0, 0));
        run_record *r = read_run(w.b, 1);
        assert_same_run(whole, r, true);
        run_record_free(r);
        scratch_remove(w.b);
        w.b = scratch_new();
    }
    run_record_free(whole);
    toy_close(&t);
    toy_bench_close(&w);
}

static void test_time_that_ends_in_the_first_generation_is_an_error(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    const char *set[] = {"budget={seconds: 100}"};
    toy_bench_open(&w, set, 1);
    toy t = {.experiment = w.e,
             .time = &fake_time,
             .score_seconds = score_seconds,
             .slow_after = 10,
             .slow_factor = 40};
    fake_time = 0;
    assert_int_equal(toy_run(&t, w.a, 0, NULL, still_clock, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "first generation"));
    run_record *r = read_run(w.a, 1);
    assert_int_equal(r->status, RUN_STOPPED);
    assert_true(fake_time <= CAP_SECONDS);
    run_record_free(r);
    toy_close(&t);
    toy_bench_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sudden_slowdown_overshoots_no_seconds),
        cmocka_unit_test(test_what_a_cut_search_computed_is_charged),
        cmocka_unit_test(test_a_recorded_cut_is_repeated_however_fast_the_machine),
        cmocka_unit_test(test_time_that_ends_in_the_first_generation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

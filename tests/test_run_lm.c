/* Whole runs on a tiny model, as `lamarck evolve` makes them: the same whatever the
 * number of threads and however often killed; refused before anything is spent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../experiments/runs/run.h"
#include "../experiments/views/summary.h"
#include "child.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"
#include "toy.h"

/* Begins a run in dir and reads it back when it has ended. */
static run_record *start(const char *dir, const char *file, const char *const *set,
                         size_t n)
{
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_lm_experiment(dir, file, set, n);
    if (run_start(e, dir, NULL, &id, &err) < 0)
        fail_msg("%s", err.text);
    experiment_free(e);
    return read_run(dir, id);
}

static void test_threads_and_repetition_change_nothing(void **state)
{
    (void)state;
    const char *sets[] = {"engine.threads=1", "engine.threads=2", "engine.threads=1"};
    run_record *first = NULL;
    for (size_t i = 0; i < 3; i++) {
        char *dir = scratch_new();
        run_record *r = start(dir, "tiny-q4_1.gguf", &sets[i], 1);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->n_history > 2);
        assert_true(r->spent[FOR_PROPOSALS].tokens > 0);
        if (first) {
            assert_same_run(first, r, true);
            run_record_free(r);
        } else {
            first = r;
        }
        scratch_remove(dir);
    }
    run_record_free(first);
}

static void test_another_run_of_the_folder_computes_nothing_again(void **state)
{
    (void)state;
    const char *one[] = {"engine.threads=1"}, *two[] = {"engine.threads=2"};
    char *dir = scratch_new();
    run_record *a = start(dir, "tiny-f32.gguf", one, 1);
    run_record *b = start(dir, "tiny-f32.gguf", two, 1);
    assert_int_equal(b->id, 2);
    assert_same_run(a, b, false);
    for (purpose p = 0; p < N_PURPOSES; p++) {
        assert_int_equal(a->spent[p].reused, 0);
        assert_int_equal(b->spent[p].reused, b->spent[p].tokens);
    }
    run_record_free(a);
    run_record_free(b);
    scratch_remove(dir);
}

/* ---- Kills ---- */

/* With texts found by gradients, and without. */
static const char *const circle[] = {"search.hybrid=on", "search.gradient_rows=4",
                                     "search.guests_every=2"};
enum { CIRCLE = sizeof circle / sizeof *circle };

/* What a child does: begin, with n_set of the circle's settings, or go on with the run of
 * dir. */
static int child_main(const char *dir, const char *file, bool begun, size_t n_set)
{
    error err = {0};
    uint64_t id = 0;
    int rc;
    if (begun) {
        rc = run_resume(dir, 0, NULL, &id, &err);
    } else {
        experiment *e = small_lm_experiment(dir, file, circle, n_set);
        rc = run_start(e, dir, NULL, &id, &err);
        experiment_free(e);
    }
    if (rc < 0)
        fprintf(stderr, "child: %s\n", err.text);
    return rc == 0 ? 0 : 1;
}

static bool run_child(const char *dir, const char *file, size_t n_set, double seconds)
{
    const char *words[] = {dir, file, run_state_of(dir) > 0 ? "1" : "0",
                           n_set ? "circle" : "plain", NULL};
    return child_run(seconds, words);
}

static void kill_and_resume(size_t n_set, size_t most_kills)
{
    static const char file[] = "tiny-f32.gguf";
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, 11);
    char *dir = scratch_new();
    double begin = clock_seconds();
    run_record *whole = start(dir, file, circle, n_set);
    double took = clock_seconds() - begin;
    scratch_remove(dir);
    guest_count came[SUMMARY_GUESTS];
    assert_int_equal(summary_guests(whole, came, NULL), n_set > 0);
    for (size_t kills = 0; kills < most_kills;) {
        dir = scratch_new();
        bool done = false;
        for (int i = 0; !done && i < 4; i++) {
            double moment = took * (0.05 + 0.9 * gsl_rng_uniform(rng));
            done = run_child(dir, file, n_set, moment);
            kills += !done;
            done = done || run_state_of(dir) == 2; /* killed after its last word */
        }
        if (!done)
            assert_true(run_child(dir, file, n_set, 0));
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->id, 1);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_same_run(whole, r, true);
        run_record_free(r);
        scratch_remove(dir);
    }
    run_record_free(whole);
    gsl_rng_free(rng);
}

static void test_killed_and_resumed_it_ends_the_same(void **state)
{
    (void)state;
    kill_and_resume(0, 20);
}

static void test_so_it_does_where_gradients_find_texts(void **state)
{
    (void)state;
    kill_and_resume(CIRCLE, 12);
}

/* ---- What is refused, and foretold ---- */

static void test_a_small_budget_is_refused_before_a_run_exists(void **state)
{
    (void)state;
    const char *set[] = {"budget.tokens=300"};
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", set, 1);
    assert_int_equal(run_start(e, dir, NULL, &id, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "just enough"));
    char path[FIXTURE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_not_equal(access(path, F_OK), 0);
    experiment_free(e);
    scratch_remove(dir);
}

static void test_a_dry_run_writes_nothing_and_foretells(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    run_estimate x = {0};
    struct stat before, after;
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", NULL, 0);
    assert_int_equal(stat(dir, &before), 0);
    if (run_dry(e, &x, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(stat(dir, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(x.tokens, 9000);
    assert_true(x.evaluations > 0 && x.evaluations < 9000);
    assert_true(x.first_generation_tokens > 0);
    assert_true(x.finish_tokens > 0);
    assert_true(x.first_generation_tokens + x.finish_tokens < 9000);
    assert_true(x.tokens_per_second > 0);
    assert_true(x.seconds > 0);
    experiment_free(e);
    scratch_remove(dir);
}

/* A run folder whose model has become another one. */
static void test_another_model_is_refused(void **state)
{
    (void)state;
    char *dir = scratch_new();
    volatile int flag = 1;
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", NULL, 0);
    small_lm_link(e, dir, "tiny-f32.gguf");
    run_options options = {.interrupt = &flag};
    assert_int_equal(run_start(e, dir, &options, &id, &err), E_INTERRUPTED);
    small_lm_link(e, dir, "tiny-q8_0.gguf");
    assert_int_equal(run_resume(dir, 0, NULL, &id, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "not the model"));
    experiment_free(e);
    scratch_remove(dir);
}

static void test_a_finished_run_is_left_alone_and_none_is_an_error(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    run_record *r = start(dir, "tiny-f32.gguf", NULL, 0);
    run_record_free(r);
    assert_int_equal(run_resume(dir, 1, NULL, &id, &err), 0);
    assert_int_equal(id, 1);
    assert_int_equal(run_resume(dir, 0, NULL, &id, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "not finished"));
    assert_int_equal(run_resume("/nowhere", 0, NULL, &id, &err), E_IO);
    scratch_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "child") == 0)
        return child_main(argv[2], argv[3], argv[4][0] == '1',
                          argv[5][0] == 'c' ? CIRCLE : 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_repetition_change_nothing),
        cmocka_unit_test(test_another_run_of_the_folder_computes_nothing_again),
        cmocka_unit_test(test_killed_and_resumed_it_ends_the_same),
        cmocka_unit_test(test_so_it_does_where_gradients_find_texts),
        cmocka_unit_test(test_a_small_budget_is_refused_before_a_run_exists),
        cmocka_unit_test(test_a_dry_run_writes_nothing_and_foretells),
        cmocka_unit_test(test_another_model_is_refused),
        cmocka_unit_test(test_a_finished_run_is_left_alone_and_none_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

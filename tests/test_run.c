/* A run ends in the same verdict, history and spend however often it was killed, stopped,
 * starved of disk or kept waiting; and it never spends more than its budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../experiments/store/store_sql.h"
#include "scratch.h"
#include "toy.h"

/* A whole run in dir, and its record. */
static run_record *whole_run(toy *t, const experiment *e, const char *dir)
{
    error err = {0};
    t->experiment = e;
    if (toy_run(t, dir, 0, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    toy_close(t);
    return read_run(dir, 0);
}

static uint64_t total_tokens(const run_record *r)
{
    uint64_t sum = 0;
    for (purpose p = 0; p < N_PURPOSES; p++)
        sum += r->spent[p].tokens;
    return sum;
}

static uint64_t total_evaluations(const run_record *r)
{
    uint64_t sum = 0;
    for (purpose p = 0; p < N_PURPOSES; p++)
        sum += r->spent[p].evaluations;
    return sum;
}

/* ---- A run ---- */

static void test_a_run_finds_something_better_and_says_so(void **state)
{
    (void)state;
    toy_bench w;
    toy t = {0};
    toy_bench_open(&w, NULL, 0);
    run_record *r = whole_run(&t, w.e, w.a);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_string_equal(r->stop_reason, "budget: tokens");
    assert_true(r->n_history > 5);
    assert_true(r->has_verdict);
    assert_int_equal(r->verdict.n_selection, 3);
    for (size_t i = 1; i < 3; i++)
        assert_true(r->verdict.selection[i - 1].score >= r->verdict.selection[i].score);
    assert_int_equal(r->verdict.selection[0].n, 16);
    assert_int_equal(r->verdict.best.candidate, r->verdict.selection[0].candidate);
    assert_int_equal(r->verdict.seed.candidate, 1);
    assert_int_equal(r->verdict.best.n, 20);
    double difference = 0;
    for (size_t i = 0; i < 20; i++)
        difference += (r->verdict.best.each[i] - r->verdict.seed.each[i]) / 20;
    assert_true(fabs(difference - r->verdict.difference) < 1e-12);
    assert_true(r->verdict.ci_low > 0);
    assert_true(r->verdict.ci_low < difference && difference < r->verdict.ci_high);
    assert_true(r->verdict.p < 0.05);
    assert_true(total_tokens(r) > 18000);
    assert_int_equal(r->spent[FOR_SELECTION].evaluations, 3 * 16);
    assert_int_equal(r->spent[FOR_FINAL].evaluations, 2 * 20);
    const history_point *last = &r->history[r->n_history - 1];
    assert_memory_equal(&last->spent[FOR_SEARCH], &r->spent[FOR_SEARCH], sizeof(spend));
    run_record_free(r);
    toy_bench_close(&w);
}

/* Watches stages: no example but of the search split before the finish. */
typedef struct witness {
    toy *toy;
    size_t n_search, n_selection, n_final, leaked;
} witness;

static void look(void *context, const run_progress *p)
{
    witness *x = context;
    x->n_search += strcmp(p->stage, "search") == 0;
    x->n_selection += strcmp(p->stage, "selection") == 0;
    x->n_final += strcmp(p->stage, "final") == 0;
    if (x->n_selection == 0)
        x->leaked += x->toy->outside_seen;
    if (p->point)
        assert_true(strlen(p->best_prompt) > 0);
    assert_int_equal(p->search == NULL, x->n_selection > 0);
}

static void test_the_held_out_splits_are_not_touched_before_the_finish(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy_bench_open(&w, NULL, 0);
    toy t = {.experiment = w.e};
    witness x = {.toy = &t};
    run_options options = {.watch = look, .context = &x};
    assert_int_equal(toy_run(&t, w.a, 0, &options, NULL, &err), 0);
    assert_true(x.n_search > 5);
    assert_int_equal(x.n_selection, 1);
    assert_int_equal(x.n_final, 1);
    assert_int_equal(x.leaked, 0);
    assert_int_equal(t.outside_seen, 3 * 16 + 2 * 20);
    toy_close(&t);
    toy_bench_close(&w);
}

static void test_when_nothing_beats_the_seed_the_seed_wins(void **state)
{
    (void)state;
    toy_bench w;
    toy t = {.constant = true};
    const char *set[] = {"budget.tokens=6000"};
    toy_bench_open(&w, set, 1);
    run_record *r = whole_run(&t, w.e, w.a);
    assert_int_equal(r->spent[FOR_FINAL].evaluations,
                     r->verdict.best.candidate == 1 ? 20 : 40);
    assert_true(r->verdict.difference == 0);
    assert_true(r->verdict.ci_low == 0 && r->verdict.ci_high == 0);
    assert_true(r->verdict.p == 1);
    run_record_free(r);
    toy_bench_close(&w);
}

/* ---- Budgets ---- */

static void test_no_budget_is_ever_overshot(void **state)
{
    (void)state;
    static const char *const budgets[] = {"budget={tokens: 1700}",
                                          "budget={tokens: 2345}",
                                          "budget={tokens: 5001}",
                                          "budget={tokens: 9999}",
                                          "budget={evaluations: 150}",
                                          "budget={evaluations: 333}",
                                          "budget={tokens: 4000, evaluations: 250}"};
    static const char *const kinds[][2] = {{"search.kind=ga", "search.racing=on"},
                                           {"search.kind=ga", "search.racing=off"},
                                           {"search.kind=random", "search.racing=on"}};
    size_t finished = 0;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        for (size_t k = 0; k < 3; k++) {
            toy_bench w;
            error err = {0};
            const char *set[] = {budgets[i], kinds[k][0], kinds[k][1]};
            toy_bench_open(&w, set, 3);
            toy t = {.experiment = w.e, .words_price = k == 0 ? 17 : 0};
            int rc = toy_run(&t, w.a, 0, NULL, NULL, &err);
            run_record *r = read_run(w.a, 0);
            if (rc == E_LIMIT) /* too small for this search: refused, nothing measured */
                assert_int_equal(t.computed, 0);
            else
                assert_int_equal(rc, 0);
            finished += rc == 0;
            if (w.e->budget.tokens)
                assert_true(total_tokens(r) <= w.e->budget.tokens);
            if (w.e->budget.evaluations)
                assert_true(total_evaluations(r) <= w.e->budget.evaluations);
            if (rc == 0 && k == 0)
                assert_true(r->spent[FOR_PROPOSALS].tokens % 17 == 0);
            run_record_free(r);
            toy_close(&t);
            toy_bench_close(&w);
        }
    assert_true(finished >= 12);
}

static void test_proposals_are_charged_and_stop_before_the_reserve(void **state)
{
    (void)state;
    toy_bench w;
    toy t = {.words_price = 50};
    const char *set[] = {"budget.tokens=8000"};
    toy_bench_open(&w, set, 1);
    run_record *r = whole_run(&t, w.e, w.a);
    assert_true(r->spent[FOR_PROPOSALS].tokens >= 50);
    assert_true(total_tokens(r) <= 8000);
    assert_true(r->has_verdict);
    run_record_free(r);
    toy_bench_close(&w);
}

static void
test_a_budget_below_the_first_generation_is_refused_saying_enough(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    expense first = {0}, last = {0};
    const char *set[] = {"budget.tokens=700"};
    toy_bench_open(&w, set, 1);
    toy t = {0};
    toy_open(&t, w.e, NULL);
    assert_int_equal(run_check_budget(w.e, &t.base, 0, &first, &last, &err), E_LIMIT);
    uint64_t enough = first.tokens + last.tokens;
    char figure[30];
    snprintf(figure, sizeof figure, "%llu would", (unsigned long long)enough);
    assert_non_null(strstr(err.text, figure));
    toy_close(&t);

    w.e->budget.tokens = enough - 1;
    assert_int_equal(run_check_budget(w.e, &t.base, 0, &first, &last, &err), E_LIMIT);
    toy_close(&t);
    w.e->budget.tokens = enough;
    assert_int_equal(run_check_budget(w.e, &t.base, 0, &first, &last, &err), 0);
    toy_close(&t);
    run_record *r = whole_run(&t, w.e, w.a); /* just enough is enough */
    assert_int_equal(r->status, RUN_FINISHED);
    assert_true(total_tokens(r) <= enough);
    run_record_free(r);
    toy_bench_close(&w);
}

static double fake_time;
static double fake_clock(void)
{
    return fake_time += 0.25;
}

static void test_seconds_are_a_limit_too(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    const char *set[] = {"budget={seconds: 30}"};
    toy_bench_open(&w, set, 1);
    toy t = {.experiment = w.e};
    fake_time = 0;
    assert_int_equal(toy_run(&t, w.a, 0, NULL, fake_clock, &err), 0);
    run_record *r = read_run(w.a, 0);
    assert_string_equal(r->stop_reason, "budget: seconds");
    assert_true(r->seconds <= 30);
    assert_true(r->seconds > 15);
    run_record_free(r);
    toy_close(&t);
    toy_bench_close(&w);
}

/* ---- The same again ---- */

static void test_the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    toy_bench w;
    toy t = {.words_price = 9};
    toy_bench_open(&w, NULL, 0);
    run_record *a = whole_run(&t, w.e, w.a), *b = whole_run(&t, w.e, w.b);
    assert_same_run(a, b, true);
    run_record_free(b);
    w.e->seed = 6;
    b = whole_run(&t, w.e, w.b);
    assert_int_not_equal(a->n_candidates && b->n_candidates &&
                             strcmp(a->candidates[a->n_candidates - 1].genome,
                                    b->candidates[b->n_candidates - 1].genome) == 0,
                         1);
    run_record_free(a);
    run_record_free(b);
    toy_bench_close(&w);
}

static void test_a_run_is_charged_the_same_whatever_else_its_folder_holds(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy_bench_open(&w, NULL, 0);
    toy t = {.experiment = w.e};
    run_record *a = whole_run(&t, w.e, w.a);
    assert_int_equal(toy_run(&t, w.a, 0, NULL, NULL, &err), 0);
    assert_int_equal(t.computed, 0);
    run_record *b = read_run(w.a, 0);
    assert_int_equal(b->id, 2);
    assert_same_run(a, b, false);
    assert_int_equal(a->spent[FOR_SEARCH].reused, 0);
    assert_int_equal(b->spent[FOR_SEARCH].reused, b->spent[FOR_SEARCH].tokens);
    run_record_free(a);
    run_record_free(b);
    toy_close(&t);
    toy_bench_close(&w);
}

/* ---- Killed ---- */

/* A child that works on run 1 of dir (beginning it if need be) and dies by its own hand
 * after so many new scores, or is killed from outside after so many microseconds. */
static bool child_run(const experiment *e, const char *dir, bool begun, size_t die_after,
                      long kill_after_us)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        error err = {0};
        toy t = {.experiment = e, .die_after = die_after, .words_price = 9};
        int rc = toy_run(&t, dir, begun, NULL, NULL, &err);
        if (rc < 0)
            fprintf(stderr, "child: %s\n", err.text);
        _exit(rc == 0 ? 0 : 1);
    }
    if (kill_after_us) {
        nanosleep(
            &(struct timespec){kill_after_us / 1000000, kill_after_us % 1000000 * 1000},
            NULL);
        kill(child, SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
}

static bool has_begun(const char *dir)
{
    store *s = NULL;
    uint64_t id = 0;
    error err = {0};
    if (store_open(&s, dir, true, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(store_run_latest(s, false, &id, &err), 0);
    store_close(s);
    return id > 0;
}

static void test_killed_at_any_moment_and_resumed_it_ends_the_same(void **state)
{
    (void)state;
    enum { KILLS = 20 };
    toy_bench w;
    toy t = {.words_price = 9};
    toy_bench_open(&w, NULL, 0);
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, 3);
    double begin = clock_seconds();
    run_record *whole = whole_run(&t, w.e, w.a);
    double took = clock_seconds() - begin;
    size_t kills = 0;
    while (kills < KILLS) {
        char *dir = scratch_new();
        bool done = false;
        /* From outside at a random moment; then by its own hand within its work. */
        long moment = 1 + (long)(1e6 * took * gsl_rng_uniform(rng));
        done = child_run(w.e, dir, false, 0, moment);
        kills += !done;
        for (int again = 0; !done && again < 3; again++) {
            size_t after = 1 + gsl_rng_uniform_int(rng, 400);
            done = child_run(w.e, dir, has_begun(dir), after, 0);
            kills += !done;
        }
        if (!done)
            assert_true(child_run(w.e, dir, has_begun(dir), 0, 0));
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->id, 1);
        assert_same_run(whole, r, true);
        run_record_free(r);
        scratch_remove(dir);
    }
    gsl_rng_free(rng);
    run_record_free(whole);
    toy_bench_close(&w);
}

static void test_seconds_of_a_killed_process_are_taken_over(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy_bench_open(&w, NULL, 0);
    assert_false(child_run(w.e, w.a, false, 600, 0));
    run_record *before = read_run(w.a, 1);
    assert_true(before->n_history > 1);
    assert_int_equal(before->status, RUN_STOPPED);
    assert_string_equal(before->stop_reason, "killed");
    toy t = {.experiment = w.e, .words_price = 9};
    assert_int_equal(toy_run(&t, w.a, 1, NULL, NULL, &err), 0);
    run_record *after = read_run(w.a, 1);
    for (size_t i = 0; i < before->n_history; i++)
        assert_true(before->history[i].seconds == after->history[i].seconds);
    assert_true(after->seconds > before->history[before->n_history - 1].seconds);
    run_record_free(before);
    run_record_free(after);
    toy_close(&t);
    toy_bench_close(&w);
}

/* ---- Stopped, starved, waiting ---- */

static void test_an_interrupt_stops_and_keeps_everything(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy t = {0};
    toy_bench_open(&w, NULL, 0);
    run_record *whole = whole_run(&t, w.e, w.a);
    for (size_t after = 1; after < 900; after += 211) {
        char *dir = scratch_new();
        volatile int flag = 0;
        toy i = {.experiment = w.e, .interrupt = &flag, .interrupt_after = after};
        run_options options = {.interrupt = &flag};
        assert_int_equal(toy_run(&i, dir, 0, &options, NULL, &err), E_INTERRUPTED);
        assert_int_equal(i.computed, after);
        toy_close(&i);
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->status, RUN_STOPPED);
        assert_string_equal(r->stop_reason, "interrupted");
        run_record_free(r);
        i.interrupt = NULL;
        size_t total = 0;
        assert_int_equal(toy_run(&i, dir, 1, NULL, NULL, &err), 0);
        total = i.computed + after;
        r = read_run(dir, 0);
        assert_same_run(whole, r, true);
        assert_true(total <= total_evaluations(r)); /* nothing was computed twice */
        run_record_free(r);
        toy_close(&i);
        scratch_remove(dir);
    }
    run_record_free(whole);
    toy_bench_close(&w);
}

/* Shrinks what the store may grow to, from inside the run. */
static void starve(void *context, const run_progress *p)
{
    toy *t = context;
    if (p->point && p->point->step == 3)
        sqlite3_exec(t->store->file.db, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
}

static void test_a_full_disk_is_an_error_and_the_run_goes_on_later(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy t = {0};
    toy_bench_open(&w, NULL, 0);
    run_record *whole = whole_run(&t, w.e, w.a);
    run_options options = {.watch = starve, .context = &t};
    t.experiment = w.e;
    assert_int_equal(toy_run(&t, w.b, 0, &options, NULL, &err), E_IO);
    assert_non_null(strstr(err.text, "full"));
    toy_close(&t);
    assert_int_equal(toy_run(&t, w.b, 1, NULL, NULL, &err), 0);
    run_record *r = read_run(w.b, 1);
    assert_same_run(whole, r, true);
    run_record_free(whole);
    run_record_free(r);
    toy_close(&t);
    toy_bench_close(&w);
}

static void test_a_run_waits_while_everything_is_pending(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    toy t = {0};
    const char *set[] = {"budget.tokens=4000", "search.racing=off"};
    toy_bench_open(&w, set, 2);
    run_record *whole = whole_run(&t, w.e, w.a);
    size_t waits = 0;
    run_record *r = NULL;
    for (bool finished = false; !finished; run_record_free(r)) {
        /* Three candidates are answered, then nobody has time. */
        toy p = {.experiment = w.e, .pending = 3 * (waits + 1), .never_more = true};
        assert_int_equal(toy_run(&p, w.b, waits > 0, NULL, NULL, &err), 0);
        toy_close(&p);
        r = read_run(w.b, 1);
        finished = r->status == RUN_FINISHED;
        waits += !finished;
        if (finished)
            assert_same_run(whole, r, true);
        else
            assert_int_equal(r->status, RUN_WAITING);
        assert_true(waits < 100);
    }
    assert_true(waits > 3);
    run_record_free(whole);
    toy_bench_close(&w);
}

static void test_answers_that_trickle_in_change_nothing(void **state)
{
    (void)state;
    toy_bench w;
    toy t = {0}, slow = {.pending = 1};
    const char *set[] = {"budget.tokens=6000"};
    toy_bench_open(&w, set, 1);
    run_record *a = whole_run(&t, w.e, w.a), *b = whole_run(&slow, w.e, w.b);
    assert_int_equal(b->status, RUN_WAITING); /* the finish wants all at once */
    assert_int_equal(a->n_history, b->n_history);
    for (size_t i = 0; i < a->n_history; i++)
        assert_true(a->history[i].best == b->history[i].best);
    run_record_free(a);
    run_record_free(b);
    toy_bench_close(&w);
}

static void test_a_replay_that_differs_is_refused(void **state)
{
    (void)state;
    toy_bench w;
    error err = {0};
    store *s = NULL;
    toy_bench_open(&w, NULL, 0);
    assert_false(child_run(w.e, w.a, false, 600, 0));
    assert_int_equal(store_open(&s, w.a, false, &err), 0);
    assert_int_equal(sqlite3_exec(s->file.db,
                                  "UPDATE history SET best = best + 1e-9 "
                                  "WHERE step = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    store_close(s);
    toy t = {.experiment = w.e, .words_price = 9};
    assert_int_equal(toy_run(&t, w.a, 1, NULL, NULL, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "step 1"));
    toy_close(&t);
    toy_bench_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_finds_something_better_and_says_so),
        cmocka_unit_test(test_the_held_out_splits_are_not_touched_before_the_finish),
        cmocka_unit_test(test_when_nothing_beats_the_seed_the_seed_wins),
        cmocka_unit_test(test_no_budget_is_ever_overshot),
        cmocka_unit_test(test_proposals_are_charged_and_stop_before_the_reserve),
        cmocka_unit_test(
            test_a_budget_below_the_first_generation_is_refused_saying_enough),
        cmocka_unit_test(test_seconds_are_a_limit_too),
        cmocka_unit_test(test_the_same_seed_gives_the_same_run),
        cmocka_unit_test(test_a_run_is_charged_the_same_whatever_else_its_folder_holds),
        cmocka_unit_test(test_killed_at_any_moment_and_resumed_it_ends_the_same),
        cmocka_unit_test(test_seconds_of_a_killed_process_are_taken_over),
        cmocka_unit_test(test_an_interrupt_stops_and_keeps_everything),
        cmocka_unit_test(test_a_full_disk_is_an_error_and_the_run_goes_on_later),
        cmocka_unit_test(test_a_run_waits_while_everything_is_pending),
        cmocka_unit_test(test_answers_that_trickle_in_change_nothing),
        cmocka_unit_test(test_a_replay_that_differs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

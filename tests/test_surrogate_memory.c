/* A reward that chooses what people see when memory runs out, at one allocation after
 * another: an error, and on record only what can be gone on from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "../experiments/fitness/crowd_simulated.h"
#include "../experiments/fitness/fitness_lm.h"
#include "../experiments/fitness/surrogate_parts.h"
#include "crowd_fixture.h"
#include "failing_malloc.h"
#include "scratch.h"
#include "small_people.h"

enum { TRIALS = 80, N_BATCHES = 3, N_CANDIDATES = 3, N_EXAMPLES = 4 };

typedef struct bench {
    char *dir;
    experiment *e;
    store *store;
    crowd *crowd;
    judge j;
} bench;

static const char *const said[] = {"Mira, Tobias, Ada",
                                   "the night was long",
                                   "Bo",
                                   "Elena, Ben, Clara, David",
                                   "a b c",
                                   "nobody was there at all",
                                   "Rose"};

/* What candidates said in batch b: something else each time. */
static int say(outputs *o, size_t b, error *err)
{
    o->texts = array_new(o->sheet.contexts.n, sizeof *o->texts);
    if (!o->texts)
        return error_memory(err, o->sheet.contexts.n * sizeof *o->texts);
    for (size_t i = 0; i < o->sheet.contexts.n; i++) {
        size_t which = i >= N_CANDIDATES * N_EXAMPLES ? 0 : 1 + (i * 5 + b) % 6;
        if (!(o->texts[i] = string_copy(said[which])))
            return error_memory(err, 30);
    }
    return 0;
}

/* Ask about those who are shown until they have said enough. */
static int judge_shown(const bench *w, surrogate *s, const outputs *o,
                       const surrogate_choice *c, error *err)
{
    panel p = {0};
    name_index open = {0};
    double scores[N_CANDIDATES * N_EXAMPLES];
    size_t given = 1;
    int rc = panel_new(&p, w->e, w->crowd, err);
    if (rc == 0)
        rc = outputs_show(o, c->shown, &p, err);
    if (rc == 0)
        rc = panel_read(&p, err);
    while (rc == 0 && given && panel_missing(&p)) {
        rc = panel_ask(&p, panel_missing(&p), &open, err);
        if (rc == 0)
            rc = crowd_simulated_work(w->crowd, w->e, 50, &given, err);
        if (rc == 0)
            rc = panel_read(&p, err);
    }
    if (rc == 0)
        rc = panel_scores(&p, scores, err);
    if (rc == 0)
        rc = surrogate_witness(s, w->crowd, &p, err);
    if (rc == 0)
        rc = surrogate_learn(s, &p, scores, err);
    name_index_free(&open);
    panel_free(&p);
    return rc;
}

static int one_batch(const bench *w, surrogate *s, size_t b, error *err)
{
    outputs o;
    surrogate_choice c;
    expense spent = {0};
    measurement of[N_CANDIDATES];
    for (size_t i = 0; i < N_CANDIDATES; i++)
        of[i] = (measurement){.genome = &w->e->seeds[0],
                              .examples = w->e->splits[SPLIT_SEARCH].index,
                              .n = N_EXAMPLES};
    TRY(outputs_new(w->e, w->j.scorer, of, N_CANDIDATES, &o, err));
    int rc = say(&o, b, err);
    if (rc == 0)
        rc = surrogate_choose(s, &o, &c, &spent, err);
    if (rc == 0)
        rc = judge_shown(w, s, &o, &c, err);
    outputs_free(&o);
    return rc;
}

static long last_left; /* allocations, after the last batch */

static void open_store(bench *w)
{
    error err = {0};
    int rc = store_open(&w->store, w->dir, true, &err);
    if (rc == 0)
        rc = judge_open(&w->j, w->e, &(judge_options){.store = w->store, .people = true},
                        &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    w->crowd = crowd_in(w->dir);
}

static void close_store(bench *w)
{
    crowd_close(w->crowd);
    judge_close(&w->j);
    store_close(w->store);
}

/* Batches of run `run`, from the beginning, with `allocations` to go; -1: any. What a
 * connection holds, and a transaction that could not be taken back, end with it. */
static int batches(bench *w, uint64_t run, long allocations, surrogate_record *last,
                   error *err)
{
    surrogate *s = NULL;
    error opening = {0};
    open_store(w);
    if (surrogate_open(&s, w->e, w->j.scorer, &(scorer_options){.store = w->store},
                       &opening) < 0)
        fail_msg("%s", opening.text);
    surrogate_join(s, w->store, run);
    set_allocations_left(allocations);
    int rc = 0;
    for (size_t b = 0; rc == 0 && b < N_BATCHES; b++)
        rc = one_batch(w, s, b, err);
    last_left = get_allocations_left();
    set_allocations_left(-1);
    *last = *surrogate_state(s);
    surrogate_close(s);
    close_store(w);
    return rc;
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    enum { MANY = 100000000 };
    if (!can_fail_allocations())
        return;
    bench w;
    error err = {0};
    surrogate_record whole, last;
    const char *set[] = {"fitness.crowd=simulated", "fitness.taste=names",
                         "fitness.surrogate={ratings: 20, least: 10}"};
    w.dir = scratch_new();
    w.e = small_people_experiment(w.dir, set, 3);
    for (uint64_t run = 1; run < 3; run++) /* ratings, statements, texts are there */
        if (batches(&w, run, -1, &whole, &err) < 0)
            fail_msg("%s", err.text);
    assert_true(whole.stage != SURROGATE_LEARNS && whole.batches == N_BATCHES);
    long failures = 0, n = 0;
    assert_int_equal(batches(&w, 3, MANY, &last, &err), 0);
    n = MANY - last_left;
    assert_true(n > 1000);
    for (long trial = 0; trial < TRIALS; trial++) {
        uint64_t run = (uint64_t)(10 + trial);
        long at = 1 + trial * n / TRIALS;
        memset(&err, 0, sizeof err);
        int rc = batches(&w, run, at, &last, &err);
        if (rc < 0 && err.text[0] == '\0')
            fail_msg("allocation %ld: error %d without a word", at, rc);
        failures += rc < 0;
        memset(&err, 0, sizeof err);
        if (batches(&w, run, -1, &last, &err) < 0) /* it goes on from what is there */
            fail_msg("after allocation %ld: %s", at, err.text);
        assert_int_equal(last.batches, N_BATCHES);
        assert_int_equal(last.ratings, whole.ratings);
    }
    assert_true(failures > TRIALS / 2);
    experiment_free(w.e);
    scratch_remove(w.dir);
}

int main(void)
{
    gsl_set_error_handler_off(); /* as lamarck does */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

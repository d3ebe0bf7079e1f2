/* Whatever happens in whatever order, the counters are what a recount gives; and no
 * statement of asking and answering walks a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/crowd_sql.h"
#include "crowd_fixture.h"
#include "crowd_throng.h"
#include "expect.h"
#include "scratch.h"

static void test_counters_are_what_a_recount_gives(void **state)
{
    (void)state;
    size_t ratings = 0, excluded = 0, withdrawn = 0, late = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        throng t;
        char *dir = scratch_new();
        throng_gather(&t, dir, seed);
        sqlite3_exec(t.c->file.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
        for (size_t i = 0; i < 300; i++) {
            throng_happen(&t);
            assert_counters_hold(t.c);
            excluded += counts_of(t.c).excluded;
        }
        crowd_counts n = counts_of(t.c);
        ratings += n.ratings, withdrawn += n.withdrawn, late += n.late;
        crowd_close(t.c);
        scratch_remove(dir);
    }
    /* All of it happened. */
    assert_true(ratings > 50 && excluded > 50 && withdrawn > 20 && late > 0);
}

/* No rater has two ratings that count for one task, whatever happened. */
static void test_nobody_counts_twice_for_a_task(void **state)
{
    throng t;
    sqlite3_stmt *q = NULL;
    throng_gather(&t, *state, 99);
    sqlite3_exec(t.c->file.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    for (size_t i = 0; i < 1500; i++)
        throng_happen(&t);
    assert_int_equal(sqlite3_prepare_v2(t.c->file.db,
                                        "SELECT 1 FROM crowd_rating WHERE good = 1 GROUP "
                                        "BY rater, task HAVING count(*) > 1",
                                        -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_DONE);
    sqlite3_finalize(q);
    assert_true(counts_of(t.c).ratings > 10);
    crowd_close(t.c);
}

/* ---- Work that does not grow ---- */

/* Statements that may walk: the lists of all raters (asking does, where there is a limit
 * of ratings), a change of rules, closing all. */
static bool may_walk(size_t id)
{
    return id == CROWD_RATER_LIST || id == CROWD_COUNT_RATERS ||
           id == CROWD_LIMIT_REACHED || id == CROWD_REFRESH_FAST ||
           id == CROWD_TASKS_CLOSE || id == CROWD_COUNT_TASKS || id == CROWD_STATE_GET ||
           id == CROWD_OPEN_PUT;
}

/* What SQLite says of it: a scan of a table, or a sort of rows. */
static bool walks(sqlite3 *db, const char *query, char *what, size_t size)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", query);
    sqlite3_stmt *q = NULL;
    bool found = false;
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &q, NULL), SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(q, 3);
        /* A scan along the index of open tasks is the choice by priority itself; the
         * crowd's state has one row. */
        bool scan = strncmp(step, "SCAN", 4) == 0 &&
                    !strstr(step, "USING INDEX crowd_task_next") &&
                    !strstr(step, "USING INDEX crowd_rating_seconds") &&
                    !strstr(step, "USING COVERING INDEX crowd_rating_seconds") &&
                    strcmp(step, "SCAN CONSTANT ROW") != 0 &&
                    !strstr(step, "crowd_state");
        if (scan || strstr(step, "TEMP B-TREE") || strstr(step, "AUTOMATIC")) {
            snprintf(what, size, "%s", step);
            found = true;
        }
    }
    sqlite3_finalize(q);
    sqlite3_free(explain);
    return found;
}

static void test_hot_statements_use_indices(void **state)
{
    char what[200];
    crowd *c = crowd_in(*state);
    assert_true(walks(c->file.db, "SELECT 1 FROM crowd_rating WHERE answer = 1", what,
                      sizeof what)); /* what the others must not do is seen */
    for (size_t i = 0; i < N_CROWD_STATEMENTS; i++) {
        if (i > CROWD_ROLLBACK_TO && !may_walk(i) &&
            walks(c->file.db, crowd_statements[i], what, sizeof what))
            fail_msg("%s\nin: %s", what, crowd_statements[i]);
    }
    crowd_close(c);
}

/* What a walk over everything, or over what is about one output, has seen. */
typedef struct seen {
    const char *output; /* NULL: of those that are asked for */
    size_t n;
    int64_t sum;
} seen;

static void see(seen *s, size_t n_outputs, const char *const *outputs, int64_t id)
{
    bool about = !s->output;
    for (size_t i = 0; !about && i < n_outputs; i++)
        about = strcmp(outputs[i], s->output) == 0;
    s->n += about;
    s->sum += about ? id * id : 0;
}

static int see_rating(void *context, const crowd_rating *r, error *err)
{
    (void)err;
    if (!r->withdrawn)
        see(context, r->n_outputs, r->outputs, r->id);
    return 0;
}

static int see_task(void *context, const crowd_task *t, error *err)
{
    (void)err;
    see(context, t->n_outputs, t->outputs, t->n);
    return 0;
}

static void test_what_is_about_an_output_is_found(void **state)
{
    throng t;
    error err = {0};
    size_t found = 0;
    throng_gather(&t, *state, 5);
    for (size_t i = 0; i < 300; i++)
        throng_happen(&t);
    for (size_t k = 0; k < N_TASKS; k++) {
        char outputs[MAX_OUTPUTS][SHA256_HEX];
        int n = crowd_task_outputs(t.c, t.tasks[k], outputs, &err);
        assert_int_equal(n, 2);
        for (int i = 0; i < n; i++) {
            seen all = {.output = outputs[i]}, of = {0};
            must(crowd_each_rating(t.c, 0, see_rating, &all, &err), &err);
            must(crowd_each_rating_of(t.c, outputs[i], see_rating, &of, &err), &err);
            assert_int_equal(of.n, all.n);
            assert_true(of.sum == all.sum);
            found += of.n;
            all = (seen){.output = outputs[i]};
            of = (seen){0};
            must(crowd_each_task(t.c, 0, see_task, &all, &err), &err);
            must(crowd_each_task_of(t.c, outputs[i], see_task, &of, &err), &err);
            assert_true(of.n == all.n && of.n > 0 && of.sum == all.sum);
        }
    }
    assert_true(found > 20);
    crowd_close(t.c);
}

/* Steps of full scans and virtual machine instructions of the next statements. */
static int64_t work_of(crowd *c, int counter)
{
    int64_t sum = 0;
    for (size_t i = 0; i < N_CROWD_STATEMENTS; i++)
        if (c->statements[i])
            sum += sqlite3_stmt_status(c->statements[i], counter, 1);
    return sum;
}

static int64_t work_of_a_round(crowd *c, int64_t rater)
{
    work_of(c, SQLITE_STMTSTATUS_VM_STEP);
    assignment a = assign(c, rater, 3000);
    submit(c, a.token, 0, 3001);
    assignment_free(&a);
    return work_of(c, SQLITE_STMTSTATUS_VM_STEP);
}

static void test_a_round_costs_the_same_in_a_large_store(void **state)
{
    char asked[SHA256_HEX], task[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(*state);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    put_question(c, QUESTION_ACCEPT, asked);
    put_task(c, asked, QUESTION_ACCEPT, 0, 5, task);
    put_task(c, asked, QUESTION_ACCEPT, 1, 5, task);
    int64_t first = rater_named(c, "first"), other = rater_named(c, "other");
    work_of_a_round(c, first);
    int64_t small = work_of_a_round(c, first);
    must(crowd_begin(c, &err), &err);
    for (size_t i = 2; i < 3000; i++)
        put_task(c, asked, QUESTION_ACCEPT, i, 1, task);
    for (size_t i = 2; i < 2500; i++) {
        assignment a = assign(c, other, 2000);
        submit(c, a.token, 1, 2001);
        assignment_free(&a);
    }
    must(crowd_commit(c, &err), &err);
    int64_t large = work_of_a_round(c, rater_named(c, "late"));
    if (large > 2 * small)
        fail_msg("%lld steps with 2,500 ratings, %lld with one", (long long)large,
                 (long long)small);
    crowd_close(c);
}

/* Pages are reloaded far more often than answered: that must not wait for the disk. */
static void test_a_reload_writes_nothing_for_half_of_the_lease(void **state)
{
    char asked[SHA256_HEX], task[SHA256_HEX];
    crowd *c = crowd_in(*state);
    const quality_rules r = plain_rules(); /* 900 seconds */
    set_rules(c, &r);
    put_question(c, QUESTION_ACCEPT, asked);
    put_task(c, asked, QUESTION_ACCEPT, 0, 1, task);
    int64_t ada = rater_named(c, "ada"), bob = rater_named(c, "bob");
    const int64_t times[] = {2000, 2001, 2449, 2450, 3349, 3350};
    const bool writes[] = {true, false, false, true, true, false};
    for (size_t i = 0; i < 6; i++) {
        int before = sqlite3_total_changes(c->file.db);
        assignment a = assign(c, ada, times[i]);
        assignment_free(&a);
        assert_int_equal(sqlite3_total_changes(c->file.db) > before, writes[i]);
    }
    assert_assign(c, bob, 4248, ASSIGN_NOTHING);
    assignment b = assign(c, bob, 4249); /* 900 seconds after the last that was kept */
    assignment_free(&b);
    crowd_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_counters_are_what_a_recount_gives),
        T(test_nobody_counts_twice_for_a_task),
        T(test_hot_statements_use_indices),
        T(test_what_is_about_an_output_is_found),
        T(test_a_reload_writes_nothing_for_half_of_the_lease),
        T(test_a_round_costs_the_same_in_a_large_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

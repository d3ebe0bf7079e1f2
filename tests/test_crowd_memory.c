/* A crowd when memory runs out, at one allocation after another: an error, nothing
 * leaked, no half of anything written; done again, everything is there once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../experiments/commands/crowd_export.h"
#include "../experiments/commands/crowd_import.h"
#include "../rater/crowd_ratings.h"
#include "../rater/crowd_sql.h"
#include "crowd_fixture.h"
#include "failing_malloc.h"
#include "scratch.h"

enum { TRIALS = 100, MANY = 100000000 };

static const char tasks_file[] = "kind,ties,text,context,output1,output2\n"
                                 "compare,1,\"Which, now?\",c,a,b\n"
                                 "compare,1,\"Which, now?\",d,a,b\n";

static int import_tasks(crowd *c, error *err)
{
    crowd_rows rows;
    import_counts n;
    char copy[sizeof tasks_file];
    memcpy(copy, tasks_file, sizeof copy);
    FILE *f = fmemopen(copy, sizeof copy - 1, "r");
    if (!f)
        return error_memory(err, sizeof copy);
    int rc = crowd_rows_begin(&rows, f, "f", crowd_task_columns, err);
    if (rc == 0)
        rc = crowd_import_tasks(c, &rows, &n, err);
    crowd_rows_close(&rows);
    return rc;
}

/* Answer until nothing is left, taking one answer back on the way. */
static int answer(crowd *c, int64_t rater, error *err)
{
    for (int i = 0;; i++) {
        assignment a = {0}, undone = {0};
        int rc = crowd_assign(c, rater, 2000, &a, err);
        if (rc != ASSIGN_GIVEN)
            return rc < 0 ? rc : 0;
        const submission s = {
            .token = a.token, .seconds = 3, .source = "page", .comment = "well"};
        rc = crowd_submit(c, &s, 2003, err);
        if (rc >= 0 && i == 0)
            rc = crowd_undo(c, rater, 2004, &undone, err);
        assignment_free(&undone);
        assignment_free(&a);
        TRY(rc);
    }
}

static int look(crowd *c, error *err)
{
    comparisons list = {0};
    rater_quality *all = NULL;
    size_t n;
    text out = {0};
    double *w = NULL;
    int rc = crowd_comparisons(c, &(crowd_choice){.question = NULL}, &list, err);
    if (rc == 0)
        rc = crowd_weights(c, &list.raters, &w, err);
    if (rc == 0)
        rc = crowd_raters(c, &all, &n, err);
    if (rc == 0)
        rc = crowd_export_tasks(c, true, &out, err);
    if (rc == 0)
        rc = crowd_export_ratings(c, false, &out, err);
    if (all)
        rater_quality_free(all, n);
    free(w);
    text_free(&out);
    comparisons_free(&list);
    return rc;
}

static int everything(const char *dir, error *err)
{
    char path[CROWD_PATH], token[RATER_TOKEN];
    crowd *c = NULL;
    int64_t rater = 0, found = 0;
    quality_rules rules = plain_rules();
    int rc = crowd_open(&c, crowd_path(path, dir), err);
    if (rc == 0)
        sqlite3_exec(c->file.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    if (rc == 0)
        rc = crowd_set_rules(c, &rules, err);
    if (rc == 0)
        rc = import_tasks(c, err);
    if (rc == 0)
        rc = crowd_rater(c, RATER_INVITED, "ada", 1000, &rater, err);
    if (rc == 0)
        rc = crowd_invite(c, rater, token, err);
    if (rc == 0)
        rc = crowd_rater_by_token(c, token, &found, err);
    if (rc >= 0)
        rc = answer(c, rater, err);
    if (rc == 0)
        rc = look(c, err);
    crowd_close(c);
    return rc;
}

static char *new_folder(void)
{
    char *dir = scratch_new();
    crowd_close(crowd_in(dir));
    return dir;
}

static long count_allocations(void)
{
    char *dir = new_folder();
    error err = {0};
    set_allocations_left(MANY);
    int rc = everything(dir, &err);
    long left = get_allocations_left();
    set_allocations_left(-1);
    scratch_remove(dir);
    assert_int_equal(rc, 0);
    return MANY - left;
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    long n = count_allocations(), failures = 0;
    assert_true(n > 300);
    for (long trial = 0; trial < TRIALS; trial++) {
        char *dir = new_folder();
        error err = {0};
        long at = 1 + trial * n / TRIALS, before = allocations_held();
        set_allocations_left(at);
        int rc = everything(dir, &err);
        set_allocations_left(-1);
        if (allocations_held() != before)
            fail_msg("allocation %ld: %ld are not freed", at,
                     allocations_held() - before);
        /* libcrypto does not say that it was memory that failed it, and SQLite opens no
         * file, or none for its log. */
        bool told = (rc == E_MEMORY || rc == E_EXTERNAL || rc == E_IO) && err.text[0];
        if (rc < 0 && !told)
            fail_msg("allocation %ld: error %d, \"%s\"", at, rc, err.text);
        failures += rc < 0;
        err = (error){0};
        if (everything(dir, &err) != 0)
            fail_msg("done again after allocation %ld: %s", at, err.text);
        crowd *c = crowd_in(dir);
        assert_counters_hold(c);
        crowd_counts counts = counts_of(c);
        assert_int_equal(counts.tasks, 2);
        assert_int_equal(counts.ratings, 2);
        assert_int_equal(counts.raters, 1);
        crowd_close(c);
        scratch_remove(dir);
    }
    assert_true(failures > TRIALS / 4);
}

int main(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

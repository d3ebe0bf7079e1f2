/* What is exported from one crowd and imported into another gives the same statistics;
 * importing it twice is importing it once; one bad line, and nothing is imported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/commands/crowd_export.h"
#include "../experiments/commands/crowd_import.h"
#include "../rater/crowd_ratings.h"
#include "../rater/crowd_sql.h"
#include "crowd_throng.h"
#include "expect.h"
#include "scratch.h"

static FILE *stream_of(const char *bytes, size_t n)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    rewind(f);
    return f;
}

/* Import from memory, in one transaction that is rolled back on failure. */
static int import(crowd *c, const char *bytes, size_t n, bool tasks,
                  import_counts *counts, error *err)
{
    const char *const *known = tasks ? crowd_task_columns : crowd_rating_columns;
    crowd_rows rows;
    int rc = crowd_rows_begin(&rows, stream_of(bytes, n), "F", known, err);
    must(crowd_begin(c, NULL), err);
    if (rc == 0)
        rc = tasks ? crowd_import_tasks(c, &rows, counts, err)
                   : crowd_import_ratings(c, &rows, 5000, counts, err);
    crowd_rows_close(&rows);
    if (rc < 0)
        crowd_rollback(c);
    else
        must(crowd_commit(c, err), err);
    return rc;
}

static int import_text(crowd *c, const char *s, bool tasks, error *err)
{
    import_counts n;
    return import(c, s, strlen(s), tasks, &n, err);
}

/* ---- Round trips ---- */

static void assert_same_counts(crowd *a, crowd *b)
{
    crowd_counts x = counts_of(a), y = counts_of(b);
    assert_int_equal(x.tasks, y.tasks);
    assert_int_equal(x.open_tasks, y.open_tasks);
    assert_int_equal(x.wanted, y.wanted);
    assert_int_equal(x.ratings, y.ratings);
    assert_int_equal(x.withdrawn, y.withdrawn);
    assert_int_equal(x.late, y.late);
    assert_int_equal(x.simulated, y.simulated);
    assert_int_equal(x.counted, y.counted);
    assert_int_equal(x.excluded, y.excluded);
    assert_true(x.median_seconds == y.median_seconds ||
                (isnan(x.median_seconds) && isnan(y.median_seconds)));
}

static const rater_quality *find_rater(const rater_quality *all, size_t n,
                                       const rater_quality *like)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].source == like->source && strcmp(all[i].name, like->name) == 0)
            return &all[i];
    return NULL;
}

static void assert_same_raters(crowd *a, crowd *b)
{
    rater_quality *x, *y;
    size_t nx, ny;
    error err = {0};
    must(crowd_raters(a, &x, &nx, &err), &err);
    must(crowd_raters(b, &y, &ny, &err), &err);
    for (size_t i = 0; i < nx; i++) {
        const rater_quality *r = find_rater(y, ny, &x[i]);
        if (!r) { /* who has answered nothing is not in a file of ratings */
            assert_int_equal(x[i].n, 0);
            continue;
        }
        assert_int_equal(r->n, x[i].n);
        assert_int_equal(r->gold, x[i].gold);
        assert_int_equal(r->gold_right, x[i].gold_right);
        assert_int_equal(r->repeats, x[i].repeats);
        assert_int_equal(r->repeats_agree, x[i].repeats_agree);
        assert_int_equal(r->fast, x[i].fast);
        assert_int_equal(r->counted, x[i].counted);
        assert_string_equal(r->reason, x[i].reason);
    }
    rater_quality_free(x, nx);
    rater_quality_free(y, ny);
}

static void assert_same_comparisons(crowd *a, crowd *b)
{
    comparisons x = {0}, y = {0};
    error err = {0};
    must(crowd_comparisons(a, &(crowd_choice){.question = NULL}, &x, &err), &err);
    must(crowd_comparisons(b, &(crowd_choice){.question = NULL}, &y, &err), &err);
    assert_int_equal(x.n, y.n);
    for (size_t i = 0; i < x.n; i++) {
        assert_string_equal(x.items.names[x.list[i].winner],
                            y.items.names[y.list[i].winner]);
        assert_string_equal(x.items.names[x.list[i].loser],
                            y.items.names[y.list[i].loser]);
        assert_string_equal(x.raters.names[x.list[i].rater],
                            y.raters.names[y.list[i].rater]);
        assert_int_equal(x.list[i].tie, y.list[i].tie);
    }
    comparisons_free(&x);
    comparisons_free(&y);
}

static void copy_crowd(crowd *from, crowd *to, bool csv)
{
    text tasks = {0}, ratings_file = {0};
    import_counts n;
    error err = {0};
    must(crowd_export_tasks(from, csv, &tasks, &err), &err);
    must(crowd_export_ratings(from, csv, &ratings_file, &err), &err);
    for (size_t again = 0; again < 2; again++) {
        must(import(to, text_string(&tasks), tasks.n, true, &n, &err), &err);
        assert_int_equal(n.known, again ? n.rows : 0);
        must(import(to, text_string(&ratings_file), ratings_file.n, false, &n, &err),
             &err);
        assert_int_equal(n.known, again ? n.rows : 0);
    }
    text_free(&tasks);
    text_free(&ratings_file);
}

static void test_a_crowd_comes_through_a_file_as_it_was(void **state)
{
    (void)state;
    size_t checks = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        throng t;
        char *here = scratch_new(), *there = scratch_new();
        quality_rules rules;
        error err = {0};
        throng_gather(&t, here, seed);
        sqlite3_exec(t.c->file.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
        for (size_t i = 0; i < 400; i++)
            throng_happen(&t);
        crowd *other = crowd_in(there);
        must(crowd_rules(t.c, &rules, &err), &err);
        set_rules(other, &rules);
        copy_crowd(t.c, other, seed % 2);
        assert_same_counts(t.c, other);
        assert_same_raters(t.c, other);
        assert_same_comparisons(t.c, other);
        assert_counters_hold(other);
        checks += counts_of(other).ratings + counts_of(other).withdrawn;
        crowd_close(t.c);
        crowd_close(other);
        scratch_remove(here);
        scratch_remove(there);
    }
    assert_true(checks > 100);
}

/* ---- Texts ---- */

static const char *const hostile[] = {
    "=HYPERLINK(\"http://x\")",
    "'=1+1",
    "'",
    "''",
    "-1",
    "@x",
    "\ttab first",
    "\rreturn first",
    "a \"quoted\", text\r\nwith\nlines",
    "\x01\x1f\x7f",
    "{\"json\": [1]}",
    "\xef\xbb\xbf mark, \xf0\x9f\x92\xa4",
    "  ",
};
enum { N_HOSTILE = sizeof hostile / sizeof *hostile };

static void put_hostile(crowd *c)
{
    error err = {0};
    for (size_t i = 0; i < N_HOSTILE; i++) {
        char asked[SHA256_HEX], ids[2][SHA256_HEX], task[SHA256_HEX];
        char *same = (char *)(uintptr_t)hostile[i];
        assignment a = {0};
        char *labels[] = {same, same};
        const question q = {QUESTION_SCALE, false, same, same, labels, 2};
        must(crowd_put_question(c, &q, asked, &err), &err);
        put_output(c, hostile[i], hostile[i], ids[0]);
        const task_request r = {asked, (const char *[]){ids[0]}, 1, 0.1, NULL, false};
        must(crowd_put_task(c, &r, task, &err), &err);
        assert_int_equal(
            crowd_assign_task(c, rater_named(c, hostile[i]), task, 2000, &a, &err),
            ASSIGN_GIVEN);
        const submission s = {a.token, 2, 1.0 / 3, hostile[i], hostile[i], hostile[i]};
        must(crowd_submit(c, &s, 2001, &err), &err);
        assignment_free(&a);
    }
}

static void test_hostile_texts_come_through_both_formats(void **state)
{
    error err = {0};
    crowd *c = crowd_in(*state);
    put_hostile(c);
    for (size_t csv = 0; csv < 2; csv++) {
        char *there = scratch_new();
        crowd *other = crowd_in(there);
        text x[2] = {{0}, {0}}, y[2] = {{0}, {0}};
        copy_crowd(c, other, csv);
        must(crowd_export_tasks(c, false, &x[0], &err), &err);
        must(crowd_export_ratings(c, false, &x[1], &err), &err);
        must(crowd_export_tasks(other, false, &y[0], &err), &err);
        must(crowd_export_ratings(other, false, &y[1], &err), &err);
        for (size_t i = 0; i < 2; i++) {
            assert_string_equal(x[i].s, y[i].s);
            text_free(&x[i]);
            text_free(&y[i]);
        }
        crowd_close(other);
        scratch_remove(there);
    }
    crowd_close(c);
}

/* A spreadsheet must see no cell that begins like a formula. */
static void test_no_cell_of_a_table_is_a_formula(void **state)
{
    error err = {0};
    text out = {0};
    crowd *c = crowd_in(*state);
    put_hostile(c);
    must(crowd_export_tasks(c, true, &out, &err), &err);
    must(crowd_export_ratings(c, true, &out, &err), &err);
    for (size_t i = 1; i < out.n; i++)
        if (out.s[i - 1] == '"' && (i < 2 || strchr(",\n", out.s[i - 2])))
            assert_null(out.s[i] ? strchr("=+-@", out.s[i]) : NULL);
    text_free(&out);
    crowd_close(c);
}

/* ---- Bad lines ---- */

static const char task_row[] =
    "{\"question\": {\"kind\": \"compare\", \"text\": \"W?\"}, "
    "\"context\": \"c\", \"outputs\": [\"a\", \"b\"]}\n";

typedef struct bad_file {
    const char *bytes, *says;
} bad_file;

static const bad_file bad_tasks[] = {
    {"kind,text,output1,output2\ncompare,W?,a,b\ncompar,W?,a,b\n",
     "F:3: \"kind\" says \"compar\", which it cannot be; did you mean \"compare\"?"},
    {"kind,text,output1\ncompare,W?,a\n", "F:2: \"output2\" is missing"},
    {"kind,text,output1,output2\naccept,W?,a,b\n", "F:2: \"output2\" says \"b\""},
    {"kind,text,output1,output2\ncompare,,a,b\n", "F:2: \"text\" is missing"},
    {"kind,text,output1,output2\ncompare,W?,a,a\n", "F:2: output"},
    {"kind,text,output1,ties\naccept,W?,a,1\n", "knows no ties"},
    {"kind,text,output1,ties\naccept,W?,a,perhaps\n", "F:2: \"ties\" says \"perhaps\""},
    {"kind,text,output1,label1\nscale,W?,a,bad\n", "F:2: a scale has 1 labels"},
    {"kind,text,output1,wanted\naccept,W?,a,-1\n", "F:2: \"wanted\" says \"-1\""},
    {"kind,text,output1,wanted\naccept,W?,a,2.5\n", "F:2: \"wanted\" says \"2.5\""},
    {"kind,text,output1,priority\naccept,W?,a,nan\n", "F:2: \"priority\" says \"nan\""},
    {"kind,text,output1,gold\naccept,W?,a,2\n", "F:2: gold \"2\""},
    {"kind,text,output1,output2,gold\ncompare,W?,a,b,2\n", "F:2: \"gold\" says \"2\""},
    {"kind,text,output1,practice\naccept,W?,a,1\n", "F:2: a practice task"},
    {"kind,text,output1,task\naccept,W?,a,0123\n", "F:2: \"task\" says \"0123\""},
    {"kind,text,output1,prioritty\naccept,W?,a,1\n", "did you mean \"priority\"?"},
    {"kind,text,output1\naccept,W?\n", "F:2: the row has 2 columns"},
    {"{\"question\": 1}\n", "F:1: \"kind\" is missing"},
    {"{\"question\": {\"kind\": [], \"text\": \"W?\"}}\n", "F:1: \"kind\" is neither"},
    {"{\"kind\": \"accept\", \"text\": \"a\\u0000b\", \"outputs\": [\"a\"]}\n", "NUL"},
    {"{\"kind\": \"accept\"\n", "F:1: not JSON"},
};

static void test_one_bad_line_of_tasks_imports_nothing(void **state)
{
    crowd *c = crowd_in(*state);
    for (size_t i = 0; i < sizeof bad_tasks / sizeof *bad_tasks; i++) {
        error err = {0};
        if (import_text(c, bad_tasks[i].bytes, true, &err) != E_FORMAT &&
            err.code != E_ARGUMENT)
            fail_msg("%s: code %d %s", bad_tasks[i].bytes, err.code, err.text);
        if (!strstr(err.text, bad_tasks[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad_tasks[i].says);
        assert_int_equal(counts_of(c).tasks, 0);
    }
    crowd_close(c);
}

/* %s is the id of the task that is there. */
static const bad_file bad_ratings[] = {
    {"task,rater,answer\n%s,ada,0\n%s,bob,2\n", "F:3: \"answer\" says \"2\""},
    {"task,rater,answer\n%s,ada,0\n%s,ada,1\n", "F:3: the crowd has another answer"},
    {"task,rater,answer\n%s,ada,tie\n", "F:2: answer -1"},
    {"task,rater,answer\n%s,ada,\n", "F:2: \"answer\" is missing"},
    {"task,rater,answer\n%s,,0\n", "F:2: \"rater\" is missing"},
    {"task,rater,answer\nabc,ada,0\n", "F:2: the crowd has no task \"abc\""},
    {"rater,answer\nada,0\n", "F:2: \"task\" is missing"},
    {"task,rater,answer,rater_source\n%s,ada,0,mturc\n", "did you mean \"mturk\"?"},
    {"task,rater,answer,seconds\n%s,ada,0,-3\n", "F:2: a rating took -3 seconds"},
    {"task,rater,answer,seconds\n%s,ada,0,quick\n", "F:2: \"seconds\" says \"quick\""},
    {"task,rater,answer,time\n%s,ada,0,yesterday\n", "F:2: \"time\" says"},
    {"task,rater,answer,late\n%s,ada,0,maybe\n", "F:2: \"late\" says \"maybe\""},
    {"task,rater,answer,output1\n%s,ada,0,xyz\n", "F:2: \"output1\" says \"xyz\""},
    {"task,rater,answer,key\n%s,ada,0,k\n%s,bob,0,k\n", "key \"k\" is another rating's"},
    {"task,rater,answer,withdrown\n%s,ada,0,1\n", "did you mean \"withdrawn\"?"},
    {"{\"task\": \"%s\", \"rater\": true, \"answer\": {}}\n", "\"answer\" is neither"},
};

static void test_one_bad_line_of_ratings_imports_nothing(void **state)
{
    error err = {0};
    char task[SHA256_HEX] = "";
    crowd *c = crowd_in(*state);
    must(import_text(c, task_row, true, &err), &err);
    sqlite3_stmt *q = NULL;
    sqlite3_prepare_v2(c->file.db, "SELECT id FROM crowd_task", -1, &q, NULL);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    snprintf(task, sizeof task, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    for (size_t i = 0; i < sizeof bad_ratings / sizeof *bad_ratings; i++) {
        char *bytes = NULL;
        text t = {0};
        for (const char *p = bad_ratings[i].bytes; *p; p++)
            if (p[0] == '%' && p[1] == 's')
                must(text_add_string(&t, task, &err), &err), p++;
            else
                must(text_add(&t, p, 1, &err), &err);
        bytes = t.s;
        err = (error){0};
        assert_true(import_text(c, bytes, false, &err) < 0);
        if (!strstr(err.text, bad_ratings[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad_ratings[i].says);
        assert_int_equal(counts_of(c).ratings, 0);
        assert_int_equal(counts_of(c).raters, 0);
        text_free(&t);
    }
    crowd_close(c);
}

static void test_a_crowd_of_nothing_comes_through_too(void **state)
{
    char *there = scratch_new();
    crowd *c = crowd_in(*state), *other = crowd_in(there);
    for (size_t csv = 0; csv < 2; csv++) {
        copy_crowd(c, other, csv);
        assert_int_equal(counts_of(other).tasks, 0);
    }
    crowd_close(c);
    crowd_close(other);
    scratch_remove(there);
}

/* The answer may name the output. */
static void test_an_answer_may_be_an_output(void **state)
{
    char a[SHA256_HEX], asked[SHA256_HEX], task[SHA256_HEX], file[400];
    error err = {0};
    crowd *c = crowd_in(*state);
    comparisons list = {0};
    put_question(c, QUESTION_COMPARE, asked);
    put_task(c, asked, QUESTION_COMPARE, 1, 1, task);
    put_output(c, "context 1", "1.1", a);
    snprintf(file, sizeof file, "remark,answer,task,rater\nx,%s,%s,ada\n", a, task);
    must(import_text(c, file, false, &err), &err);
    must(crowd_comparisons(c, &(crowd_choice){.question = asked}, &list, &err), &err);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items.names[list.list[0].winner], a);
    assert_string_equal(list.raters.names[0], "api:ada");
    comparisons_free(&list);
    crowd_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_crowd_comes_through_a_file_as_it_was),
        T(test_hostile_texts_come_through_both_formats),
        T(test_no_cell_of_a_table_is_a_formula),
        T(test_one_bad_line_of_tasks_imports_nothing),
        T(test_one_bad_line_of_ratings_imports_nothing),
        T(test_a_crowd_of_nothing_comes_through_too),
        T(test_an_answer_may_be_an_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

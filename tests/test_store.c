/* The store gives back what it was given, bit for bit; keeps what was committed however
 * its process ends; and refuses files, folders and second writers with a reason. */
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../experiments/store/store_sql.h"
#include "expect.h"
#include "scratch.h"

static store *open_store(const char *dir)
{
    store *s = NULL;
    error err = {0};
    must(store_open(&s, dir, true, &err), &err);
    return s;
}

static uint64_t begin_run(store *s)
{
    uint64_t id = 0;
    error err = {0};
    must(store_run_begin(s, "words", UINT64_MAX, "{\"a\":1}", "hash", "cpu", &id, &err),
         &err);
    return id;
}

static void assert_same_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

/* ---- What goes in comes out ---- */

static const double odd_numbers[] = {0.0, -0.0,     1.0 / 3, -3.0,          5e-324,
                                     NAN, INFINITY, -1e308,  INFINITY * -1, 1e15 + 0.3};
enum { N_ODD = sizeof odd_numbers / sizeof *odd_numbers };

static void test_memo_keeps_bytes_and_first_value(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    char *value = NULL;
    size_t n = 99;
    bool foreign = true;
    assert_int_equal(store_memo_get(s, "k", &value, &n, &foreign, &err), 0);
    assert_null(value);
    must(store_memo_put(s, "k", "a\0b", 3, &err), &err);
    must(store_memo_put(s, "k", "other", 5, &err), &err);
    must(store_memo_put(s, "empty", NULL, 0, &err), &err);
    assert_int_equal(store_memo_get(s, "k", &value, &n, &foreign, &err), 1);
    assert_int_equal(n, 3);
    assert_memory_equal(value, "a\0b", 3);
    assert_false(foreign);
    free(value);
    assert_int_equal(store_memo_get(s, "empty", &value, &n, NULL, &err), 1);
    assert_int_equal(n, 0);
    free(value);
    store_close(s);
}

static void test_memo_tells_which_run_computed_a_value(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    begin_run(s);
    must(store_memo_put(s, "k", "v", 1, &err), &err);
    store_close(s);

    s = open_store(*state);
    begin_run(s);
    char *value = NULL;
    size_t n = 0;
    bool foreign = false;
    assert_int_equal(store_memo_get(s, "k", &value, &n, &foreign, &err), 1);
    assert_true(foreign);
    free(value);
    store_close(s);

    s = open_store(*state);
    must(store_run_lock(s, 1, &err), &err);
    assert_int_equal(store_memo_get(s, "k", &value, &n, &foreign, &err), 1);
    assert_false(foreign);
    free(value);
    store_close(s);
}

static void put_steps(store *s, uint64_t run)
{
    error err = {0};
    for (size_t i = 0; i < N_ODD; i++) {
        history_point h = {.step = i,
                           .generation = 100 + i,
                           .best = odd_numbers[i],
                           .best_se = odd_numbers[(i + 1) % N_ODD],
                           .median = odd_numbers[(i + 2) % N_ODD],
                           .best_id = UINT64_MAX - i,
                           .n_alive = i,
                           .seconds = 0.1 * (double)i};
        for (purpose p = 0; p < N_PURPOSES; p++)
            h.spent[p] = (spend){1000 * i + p, p, UINT64_MAX - p, 7 * i + p};
        must(store_put_history(s, run, &h, &err), &err);
        must(store_put_history(s, run, &h, &err), &err); /* a replay writes it again */
        char name[] = "swap";
        operator_point o = {.step = i,
                            .name = name,
                            .rate = odd_numbers[i],
                            .credit = -odd_numbers[i],
                            .tries = 7,
                            .wins = i};
        must(store_put_operator(s, run, &o, &err), &err);
    }
}

static void check_steps(const run_record *r)
{
    assert_int_equal(r->n_history, N_ODD);
    assert_int_equal(r->n_operators, N_ODD);
    for (size_t i = 0; i < N_ODD; i++) {
        const history_point *h = &r->history[i];
        assert_int_equal(h->step, i);
        assert_int_equal(h->generation, 100 + i);
        assert_same_bits(h->best, odd_numbers[i]);
        assert_same_bits(h->best_se, odd_numbers[(i + 1) % N_ODD]);
        assert_same_bits(h->median, odd_numbers[(i + 2) % N_ODD]);
        assert_int_equal(h->best_id, UINT64_MAX - i);
        assert_int_equal(h->n_alive, i);
        assert_same_bits(h->seconds, 0.1 * (double)i);
        assert_int_equal(h->spent[FOR_FINAL].tokens, 1000 * i + FOR_FINAL);
        assert_int_equal(h->spent[FOR_PROPOSALS].evaluations, FOR_PROPOSALS);
        assert_int_equal(h->spent[FOR_SELECTION].reused, UINT64_MAX - FOR_SELECTION);
        assert_int_equal(h->spent[FOR_SEARCH].ratings, 7 * i + FOR_SEARCH);
        assert_string_equal(r->operators[i].name, "swap");
        assert_same_bits(r->operators[i].rate, odd_numbers[i]);
        assert_same_bits(r->operators[i].credit, -odd_numbers[i]);
        assert_int_equal(r->operators[i].wins, i);
    }
}

static void test_a_run_comes_back_bit_for_bit(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    uint64_t id = begin_run(s);
    assert_int_equal(id, 1);
    put_steps(s, id);
    char genome[] = "[\"a\"]", prompt[] = "Say it's \"so\"; DROP TABLE run;--",
         operators[] = "seed", state_name[] = "raced out";
    candidate_record c = {.id = 3,
                          .parents = {1, 2},
                          .generation = 4,
                          .genome = genome,
                          .prompt = prompt,
                          .operators = operators,
                          .state = state_name,
                          .value = -0.0,
                          .se = NAN,
                          .n = 64};
    must(store_put_candidate(s, id, &c, &err), &err);
    c.n = 65;
    must(store_put_candidate(s, id, &c, &err), &err);
    double each[N_ODD];
    memcpy(each, odd_numbers, sizeof each);
    split_score finalists[2] = {
        {.candidate = 3,
         .score = 1,
         .se = 2,
         .n = N_ODD,
         .each = each,
         .first_choice = NAN},
        {.candidate = 1, .score = 0.5, .n = 1, .each = each, .first_choice = 0.625}};
    verdict v = {.selection = finalists,
                 .n_selection = 2,
                 .seed = finalists[1],
                 .best = finalists[0],
                 .difference = 0.1,
                 .ci_low = -0.0,
                 .ci_high = 0.3,
                 .p = 0.04};
    must(store_put_verdict(s, id, &v, &err), &err);
    must(store_put_verdict(s, id, &v, &err), &err);
    spend spent[N_PURPOSES] = {
        {5, 6, 7, 1}, {8, 9, 10, 2}, {17, 18, 19, 3}, {11, 12, 13, 4}, {14, 15, 16, 5}};
    must(store_put_end(s, id, "budget: tokens", spent, 12.5, &err), &err);
    must(store_run_status(s, id, RUN_FINISHED, &err), &err);
    store_close(s);

    run_record *r = NULL;
    must(store_open_readonly(&s, *state, &err), &err);
    must(store_run_read(s, 0, &r, &err), &err);
    assert_int_equal(r->id, 1);
    assert_int_equal(r->seed, UINT64_MAX);
    assert_string_equal(r->name, "words");
    assert_string_equal(r->experiment, "{\"a\":1}");
    assert_string_equal(r->model_hash, "hash");
    assert_string_equal(r->backend, "cpu");
    assert_int_equal(strlen(r->started), strlen("2026-01-01T00:00:00Z"));
    assert_int_equal(r->status, RUN_FINISHED);
    assert_string_equal(r->stop_reason, "budget: tokens");
    assert_same_bits(r->seconds, 12.5);
    check_steps(r);
    assert_int_equal(r->n_candidates, 1);
    assert_string_equal(r->candidates[0].prompt, prompt);
    assert_string_equal(r->candidates[0].state, "raced out");
    assert_int_equal(r->candidates[0].parents[1], 2);
    assert_int_equal(r->candidates[0].n, 65);
    assert_same_bits(r->candidates[0].value, -0.0);
    assert_same_bits(r->candidates[0].se, NAN);
    assert_true(r->has_verdict);
    assert_int_equal(r->verdict.n_selection, 2);
    assert_int_equal(r->verdict.selection[0].candidate, 3);
    assert_int_equal(r->verdict.seed.candidate, 1);
    assert_same_bits(r->verdict.best.first_choice, NAN);
    assert_same_bits(r->verdict.seed.first_choice, 0.625);
    assert_memory_equal(r->verdict.best.each, each, sizeof each);
    assert_same_bits(r->verdict.ci_low, -0.0);
    assert_int_equal(r->spent[FOR_SELECTION].evaluations, 12);
    assert_int_equal(r->spent[FOR_SELECTION].ratings, 4);
    run_record_free(r);
    store_close(s);
}

static void assert_total(store *s, uint64_t tokens, double seconds)
{
    error err = {0};
    run_record *r = NULL;
    must(store_run_read(s, 1, &r, &err), &err);
    assert_int_equal(r->spent[FOR_SEARCH].tokens, tokens);
    assert_same_bits(r->seconds, seconds);
    run_record_free(r);
}

/* Stopped, gone on with, killed: what was spent is never less than what is known of. */
static void test_a_run_under_way_has_spent_what_its_last_step_had(void **state)
{
    error err = {0};
    spend spent[N_PURPOSES] = {[FOR_SEARCH] = {.tokens = 700}};
    store *s = open_store(*state);
    uint64_t id = begin_run(s);
    history_point h = {.seconds = 2.5, .spent[FOR_SEARCH] = {.tokens = 600}};
    must(store_put_history(s, id, &h, &err), &err);
    assert_total(s, 600, 2.5);
    must(store_put_end(s, id, "interrupted", spent, 3, &err), &err);
    must(store_run_status(s, id, RUN_STOPPED, &err), &err);
    assert_total(s, 700, 3);
    must(store_run_status(s, id, RUN_RUNNING, &err), &err);
    assert_total(s, 700, 3); /* the replay is not there yet */
    h = (history_point){.step = 1, .seconds = 4, .spent[FOR_SEARCH] = {.tokens = 900}};
    must(store_put_history(s, id, &h, &err), &err);
    assert_total(s, 900, 4);
    store_close(s);
    must(store_open_readonly(&s, *state, &err), &err);
    assert_total(s, 900, 4);
    store_close(s);
}

static void test_latest_and_listed_runs(void **state)
{
    error err = {0};
    uint64_t id = 9, *ids = NULL;
    size_t n = 0;
    store *s = open_store(*state);
    must(store_run_latest(s, false, &id, &err), &err);
    assert_int_equal(id, 0);
    begin_run(s);
    store_close(s);
    s = open_store(*state);
    id = begin_run(s);
    assert_int_equal(id, 2);
    must(store_run_status(s, 2, RUN_FINISHED, &err), &err);
    must(store_run_latest(s, false, &id, &err), &err);
    assert_int_equal(id, 2);
    must(store_run_latest(s, true, &id, &err), &err);
    assert_int_equal(id, 1);
    must(store_run_ids(s, &ids, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 1);
    free(ids);
    run_record *r = NULL;
    assert_int_equal(store_run_read(s, 7, &r, &err), E_ARGUMENT);
    assert_mentions(&err, "no run 7");
    history_point h;
    assert_int_equal(store_get_history(s, 1, 0, &h, &err), 0);
    store_close(s);
}

/* ---- What is refused ---- */

static void run_sql_on_file(const char *dir, const char *sql)
{
    sqlite3 *db = NULL;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/lamarck.sqlite", dir) > 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void assert_refused(const char *dir, int code, const char *mention)
{
    store *s = NULL;
    error err = {0};
    assert_int_equal(store_open(&s, dir, true, &err), code);
    assert_mentions(&err, mention);
    assert_mentions(&err, dir);
    memset(&err, 0, sizeof err);
    assert_int_equal(store_open_readonly(&s, dir, &err), code);
    assert_mentions(&err, mention);
    assert_null(s);
}

static void test_another_schema_version_is_refused_naming_both(void **state)
{
    store_close(open_store(*state));
    run_sql_on_file(*state, "PRAGMA user_version = 41");
    assert_refused(*state, E_FORMAT, "version 41");
    assert_refused(*state, E_FORMAT, "versions 1 to");
}

static void assert_spent(store *s, uint64_t run, uint64_t ratings)
{
    history_point h;
    error err = {0};
    assert_int_equal(store_get_history(s, run, 0, &h, &err), 1);
    assert_int_equal(h.spent[FOR_SEARCH].tokens, 5);
    assert_int_equal(h.spent[FOR_SEARCH].ratings, ratings);
}

/* As a program left it that did not count ratings. */
static void test_an_older_file_is_read_as_it_is_and_written_after_an_upgrade(void **state)
{
    error err = {0};
    uint64_t id = 0;
    history_point h = {.spent[FOR_SEARCH] = {.tokens = 5, .ratings = 6}};
    store *s = open_store(*state);
    assert_int_equal(store_run_begin(s, "old", 1, "{}", "", "", &id, &err), 0);
    assert_int_equal(store_put_history(s, id, &h, &err), 0);
    assert_spent(s, id, 6);
    store_close(s);
    run_sql_on_file(*state, "ALTER TABLE spend DROP COLUMN ratings;"
                            "PRAGMA user_version = 3");
    assert_int_equal(store_open_readonly(&s, *state, &err), 0);
    assert_spent(s, id, 0);
    store_close(s);
    s = open_store(*state);
    assert_spent(s, id, 0);
    assert_int_equal(store_put_history(s, id, &h, &err), 0);
    assert_spent(s, id, 6);
    store_close(s);
}

static void test_a_foreign_database_is_refused_and_left_alone(void **state)
{
    run_sql_on_file(*state, "CREATE TABLE cats (name TEXT)");
    assert_refused(*state, E_FORMAT, "not one that Lamarck made");
    run_sql_on_file(*state, "INSERT INTO cats VALUES ('Tom'); DROP TABLE cats");
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/lamarck.sqlite", (char *)*state) > 0);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    free(path);
    assert_refused(*state, E_FORMAT, "not a database");
}

static void test_a_missing_folder_is_refused_unless_it_may_be_made(void **state)
{
    char *dir = NULL;
    store *s = NULL;
    error err = {0};
    assert_true(asprintf(&dir, "%s/a b/c?d%%e#f", (char *)*state) > 0);
    assert_int_equal(store_open(&s, dir, false, &err), E_IO);
    assert_mentions(&err, dir);
    assert_int_equal(store_open_readonly(&s, dir, &err), E_IO);
    must(store_open(&s, dir, true, &err), &err);
    begin_run(s);
    store_close(s);
    must(store_open_readonly(&s, dir, &err), &err);
    store_close(s);
    free(dir);
}

/* Run `body` in a child process that is not root; its exit status says how it went. */
static void as_plain_user(const char *dir, int (*body)(const char *dir))
{
    enum { NOBODY = 65534 };
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(77);
        _exit(body(dir));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int read_but_not_write(const char *dir)
{
    store *s = NULL;
    error err = {0};
    run_record *r = NULL;
    if (store_open(&s, dir, true, &err) != E_IO || !strstr(err.text, "permission"))
        return fprintf(stderr, "writing: %s\n", err.text), 1;
    if (store_open_readonly(&s, dir, &err) < 0 || store_run_read(s, 0, &r, &err) < 0)
        return fprintf(stderr, "reading: %s\n", err.text), 2;
    int wrong = r->status != RUN_FINISHED;
    run_record_free(r);
    store_close(s);
    return wrong ? 3 : 0;
}

static void test_without_write_permission_a_run_can_only_be_read(void **state)
{
    error err = {0};
    char *path = NULL;
    store *s = open_store(*state);
    begin_run(s);
    must(store_run_status(s, 1, RUN_FINISHED, &err), &err);
    store_close(s);
    assert_true(asprintf(&path, "%s/lamarck.sqlite", (char *)*state) > 0);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(*state, 0555), 0);
    as_plain_user(*state, read_but_not_write);
    assert_int_equal(chmod(*state, 0755), 0);
    free(path);
}

static int make_in_closed_folder(const char *dir)
{
    store *s = NULL;
    error err = {0};
    int rc = store_open(&s, dir, true, &err);
    return rc == E_IO && strstr(err.text, dir) ? 0 : 1;
}

static void test_a_folder_without_write_permission_is_refused(void **state)
{
    assert_int_equal(chmod(*state, 0555), 0);
    as_plain_user(*state, make_in_closed_folder);
    assert_int_equal(chmod(*state, 0755), 0);
}

/* ---- One writer per run ---- */

/* A child that begins a run in dir (or locks run 1 when there is one), says so through
 * the pipe, and sleeps until it is killed. */
static pid_t child_holding_a_run(const char *dir)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        store *s = NULL;
        uint64_t id = 0;
        error err = {0};
        int rc = store_open(&s, dir, true, &err);
        if (rc == 0)
            rc = store_run_begin(s, "held", 0, "{}", "h", "cpu", &id, &err);
        if (rc == 0)
            rc = store_memo_put(s, "committed", "1", 1, &err);
        if (rc == 0)
            rc = store_begin(s, &err);
        if (rc == 0)
            rc = store_memo_put(s, "not committed", "1", 1, &err);
        if (write(pipes[1], rc == 0 ? "y" : "n", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char said = 0;
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &said, 1), 1);
    close(pipes[0]);
    assert_int_equal(said, 'y');
    return child;
}

static void kill_child(pid_t child)
{
    int status = 0;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_a_second_process_is_refused_with_the_first_ones_id(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    pid_t child = child_holding_a_run(*state);
    char id[30];
    snprintf(id, sizeof id, "process %ld", (long)child);
    assert_int_equal(store_run_lock(s, 1, &err), E_BUSY);
    assert_mentions(&err, id);

    run_record *r = NULL;
    must(store_run_read(s, 1, &r, &err), &err);
    assert_int_equal(r->status, RUN_RUNNING);
    run_record_free(r);

    kill_child(child);
    must(store_run_read(s, 1, &r, &err), &err);
    assert_int_equal(r->status, RUN_STOPPED);
    assert_string_equal(r->stop_reason, "killed");
    run_record_free(r);
    must(store_run_lock(s, 1, &err), &err);
    must(store_run_read(s, 1, &r, &err), &err);
    assert_int_equal(r->status, RUN_RUNNING);
    run_record_free(r);

    store *second = open_store(*state);
    assert_int_equal(store_run_lock(second, 1, &err), E_BUSY);
    assert_int_equal(store_run_lock(second, 8, &err), E_ARGUMENT);
    assert_mentions(&err, "no run 8");
    assert_int_equal(begin_run(second), 2); /* another run of the folder is free */
    store_close(second);
    store_close(s);
}

static void test_a_killed_process_loses_only_its_open_transaction(void **state)
{
    error err = {0};
    char *value = NULL;
    size_t n = 0;
    pid_t child = child_holding_a_run(*state);
    kill_child(child);
    store *s = open_store(*state);
    assert_int_equal(store_memo_get(s, "committed", &value, &n, NULL, &err), 1);
    free(value);
    assert_int_equal(store_memo_get(s, "not committed", &value, &n, NULL, &err), 0);
    store_close(s);
}

/* ---- A full disk ---- */

/* Write batches of 100 rows until one fails; the number of the failed batch. */
static size_t write_until_full(store *s, size_t from, error *err)
{
    char key[30];
    for (size_t batch = from;; batch++) {
        int rc = store_begin(s, err);
        for (size_t i = 0; i < 100 && rc == 0; i++) {
            snprintf(key, sizeof key, "%zu.%zu", batch, i);
            rc = store_memo_put(s, key, "0123456789012345678901234567890", 32, err);
        }
        rc = store_end(s, rc, err);
        if (rc < 0 || batch > from + 10000)
            return batch;
    }
}

static int check_row(store *s, size_t row, bool expected, error *err)
{
    char key[30], *value = NULL;
    size_t n = 0;
    snprintf(key, sizeof key, "%zu.%zu", row / 100, row % 100);
    int found = store_memo_get(s, key, &value, &n, NULL, err);
    if (found == 1)
        free(value);
    return found == expected ? 0 : -1;
}

/* Every row of the whole batches is there, and none of the failed one. */
static int check_batches(store *s, size_t n_whole, error *err)
{
    for (size_t row = 0; row < 100 * n_whole; row++)
        TRY(check_row(s, row, true, err));
    for (size_t row = 100 * n_whole; row < 100 * n_whole + 100; row++)
        TRY(check_row(s, row, false, err));
    return 0;
}

static void test_a_full_file_loses_nothing_and_goes_on_after_room_is_made(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    sqlite3_exec(s->file.db, "PRAGMA max_page_count = 60", NULL, NULL, NULL);
    size_t failed = write_until_full(s, 0, &err);
    assert_true(failed > 0);
    assert_int_equal(err.code, E_IO);
    assert_mentions(&err, "full");
    assert_int_equal(check_batches(s, failed, &err), 0);
    sqlite3_exec(s->file.db, "PRAGMA max_page_count = 120", NULL, NULL, NULL);
    size_t again = write_until_full(s, failed, &err);
    assert_true(again > failed);
    assert_int_equal(check_batches(s, again, &err), 0);
    store_close(s);
}

/* The same with a real refusal by the operating system: a file size limit. */
static int fill_limited_file(const char *dir)
{
    struct rlimit limit = {200000, RLIM_INFINITY};
    store *s = NULL;
    error err = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_open(&s, dir, true, &err) < 0)
        return 1;
    size_t failed = write_until_full(s, 0, &err);
    if (failed == 0 || err.code != E_IO)
        return 2;
    if (check_batches(s, failed, &err) < 0)
        return 3;
    store_close(s);
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_open(&s, dir, false, &err) < 0)
        return 4;
    if (check_batches(s, failed, &err) < 0)
        return 5;
    store_close(s);
    return 0;
}

static void test_a_refused_write_is_an_error_and_loses_nothing(void **state)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(fill_limited_file(*state));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_memo_keeps_bytes_and_first_value),
        T(test_memo_tells_which_run_computed_a_value),
        T(test_a_run_comes_back_bit_for_bit),
        T(test_a_run_under_way_has_spent_what_its_last_step_had),
        T(test_latest_and_listed_runs),
        T(test_another_schema_version_is_refused_naming_both),
        T(test_an_older_file_is_read_as_it_is_and_written_after_an_upgrade),
        T(test_a_foreign_database_is_refused_and_left_alone),
        T(test_a_file_that_is_no_database_is_refused),
        T(test_a_missing_folder_is_refused_unless_it_may_be_made),
        T(test_without_write_permission_a_run_can_only_be_read),
        T(test_a_folder_without_write_permission_is_refused),
        T(test_a_second_process_is_refused_with_the_first_ones_id),
        T(test_a_killed_process_loses_only_its_open_transaction),
        T(test_a_full_file_loses_nothing_and_goes_on_after_room_is_made),
        T(test_a_refused_write_is_an_error_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

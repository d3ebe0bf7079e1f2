/* Whatever processes do to a crowd, and whatever is done to them: each answer is there
 * once; and whatever strings come, they come back. */
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

#include "../experiments/store/store.h"
#include "../rater/crowd_sql.h"
#include "crowd_fixture.h"
#include "expect.h"
#include "scratch.h"

static void prepare(const char *dir, size_t n, size_t wanted)
{
    char asked[SHA256_HEX], task[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(dir);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    must(crowd_begin(c, &err), &err);
    put_question(c, QUESTION_COMPARE, asked);
    for (size_t i = 0; i < n; i++)
        put_task(c, asked, QUESTION_COMPARE, i, wanted, task);
    must(crowd_commit(c, &err), &err);
    crowd_close(c);
}

/* A child that runs `body`; its exit status says how that went. */
static pid_t child_of(int (*body)(const char *dir, size_t i), const char *dir, size_t i)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(body(dir, i));
    return child;
}

static void assert_ends_well(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Several at once ---- */

/* Answer until nothing is left. */
static int answer_all(const char *dir, size_t i)
{
    char path[CROWD_PATH], name[30];
    crowd *c = NULL;
    int64_t rater = 0;
    error err = {0};
    snprintf(name, sizeof name, "rater %zu", i);
    if (crowd_open(&c, crowd_path(path, dir), &err) < 0 ||
        crowd_rater(c, RATER_API, name, 1, &rater, &err) < 0)
        return fprintf(stderr, "%s\n", err.text), 1;
    for (;;) {
        assignment a = {0};
        int rc = crowd_assign(c, rater, 2000, &a, &err);
        if (rc == ASSIGN_NOTHING)
            break;
        const submission s = {.token = a.token, .seconds = 3, .source = "api"};
        if (rc != ASSIGN_GIVEN || crowd_submit(c, &s, 2003, &err) != SUBMIT_RECORDED)
            return fprintf(stderr, "%s\n", err.text), 2;
        assignment_free(&a);
    }
    crowd_close(c);
    return 0;
}

static void test_processes_at_once_fill_each_place_once(void **state)
{
    enum { TASKS = 60, WANTED = 2, PROCESSES = 4 };
    pid_t children[PROCESSES];
    prepare(*state, TASKS, WANTED);
    for (size_t i = 0; i < PROCESSES; i++)
        children[i] = child_of(answer_all, *state, i);
    for (size_t i = 0; i < PROCESSES; i++)
        assert_ends_well(children[i]);
    crowd *c = crowd_in(*state);
    crowd_counts n = counts_of(c);
    assert_int_equal(n.ratings, TASKS * WANTED);
    assert_int_equal(n.late, 0);
    assert_int_equal(n.wanted, 0);
    assert_int_equal(n.raters, PROCESSES);
    assert_counters_hold(c);
    crowd_close(c);
}

/* The answer that a file of the folder names, sent by process i. */
static int send_same(const char *dir, size_t i)
{
    char path[CROWD_PATH], file[CROWD_PATH + 10], *token = NULL;
    size_t n = 0;
    crowd *c = NULL;
    error err = {0};
    snprintf(file, sizeof file, "%s/token", dir);
    if (file_read(file, 100, &token, &n, &err) < 0 ||
        crowd_open(&c, crowd_path(path, dir), &err) < 0)
        return 1;
    const submission s = {.token = token,
                          .answer = 1,
                          .seconds = 3,
                          .source = "webhook",
                          .key = i % 2 ? "delivery 7" : NULL};
    int rc = crowd_submit(c, &s, 2003, &err);
    crowd_close(c);
    free(token);
    return rc == SUBMIT_RECORDED ? 10 : rc == SUBMIT_SAME ? 20 : 2;
}

static void test_one_answer_sent_by_many_at_once_is_one_rating(void **state)
{
    enum { PROCESSES = 6 };
    char file[CROWD_PATH];
    pid_t children[PROCESSES];
    size_t recorded = 0, same = 0;
    error err = {0};
    prepare(*state, 1, 3);
    crowd *c = crowd_in(*state);
    assignment a = assign(c, rater_named(c, "ada"), 2000);
    crowd_close(c);
    snprintf(file, sizeof file, "%s/token", (char *)*state);
    must(file_write(file, a.token, strlen(a.token), &err), &err);
    for (size_t i = 0; i < PROCESSES; i++)
        children[i] = child_of(send_same, *state, i);
    for (size_t i = 0; i < PROCESSES; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        recorded += WIFEXITED(status) && WEXITSTATUS(status) == 10;
        same += WIFEXITED(status) && WEXITSTATUS(status) == 20;
    }
    assert_int_equal(recorded, 1);
    assert_int_equal(same, PROCESSES - 1);
    c = crowd_in(*state);
    assert_int_equal(counts_of(c).ratings, 1);
    assignment_free(&a);
    crowd_close(c);
}

/* ---- Killed ---- */

/* Answers with a key each, and says through descriptor 3 which are done. */
static int answer_and_tell(const char *dir, size_t from)
{
    char path[CROWD_PATH], key[30];
    crowd *c = NULL;
    int64_t rater = 0;
    error err = {0};
    if (crowd_open(&c, crowd_path(path, dir), &err) < 0 ||
        crowd_rater(c, RATER_API, "ada", 1, &rater, &err) < 0)
        return 1;
    for (size_t i = from;; i++) {
        assignment a = {0};
        if (crowd_assign(c, rater, 2000, &a, &err) != ASSIGN_GIVEN)
            return 2;
        snprintf(key, sizeof key, "answer %zu", i);
        const submission s = {
            .token = a.token, .seconds = 3, .source = "api", .key = key};
        if (crowd_submit(c, &s, 2003, &err) != SUBMIT_RECORDED)
            return 3;
        assignment_free(&a);
        if (write(3, "y", 1) != 1)
            return 4;
    }
}

/* Let a child answer, kill it after `n` answers have been told; how many were told. */
static size_t answers_until_killed(const char *dir, size_t from, size_t n)
{
    int pipes[2], status;
    size_t told = 0;
    char c;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (dup2(pipes[1], 3) != 3)
            _exit(9);
        _exit(answer_and_tell(dir, from));
    }
    close(pipes[1]);
    while (told < n && read(pipes[0], &c, 1) == 1)
        told++;
    usleep((useconds_t)(137 * n)); /* somewhere within the next answer */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], &c, 1) == 1)
        told++;
    close(pipes[0]);
    return told;
}

static void test_a_killed_process_loses_no_answer_that_it_was_told(void **state)
{
    size_t told = 0, ratings = 0;
    prepare(*state, 2000, 1);
    for (size_t round = 0; round < 12; round++) {
        told += answers_until_killed(*state, 1000 * round, 1 + 2 * round);
        crowd *c = crowd_in(*state);
        crowd_counts n = counts_of(c);
        /* One more may be written in each round than was told before the end. */
        assert_in_range(n.ratings, told, told + round + 1);
        assert_true(n.ratings > ratings);
        assert_int_equal(n.counted, n.ratings);
        assert_int_equal(n.wanted, 2000 - n.ratings);
        assert_counters_hold(c);
        ratings = n.ratings;
        crowd_close(c);
    }
}

/* ---- A full disk ---- */

static int answer_one(crowd *c, int64_t rater, error *err)
{
    assignment a = {0};
    int rc = crowd_assign(c, rater, 2000, &a, err);
    if (rc != ASSIGN_GIVEN)
        return rc < 0 ? rc : E_ARGUMENT;
    char comment[1500];
    memset(comment, 'x', sizeof comment);
    comment[sizeof comment - 1] = '\0';
    const submission s = {
        .token = a.token, .seconds = 3, .source = "api", .comment = comment};
    rc = crowd_submit(c, &s, 2003, err);
    assignment_free(&a);
    return rc;
}

static size_t answer_until_full(crowd *c, int64_t rater, error *err)
{
    size_t n = 0;
    while (n < 2000 && answer_one(c, rater, err) == SUBMIT_RECORDED)
        n++;
    return n;
}

static void test_a_full_disk_loses_nothing_and_goes_on_after_room_is_made(void **state)
{
    error err = {0};
    prepare(*state, 500, 1);
    crowd *c = crowd_in(*state);
    int64_t rater = rater_named(c, "ada"), pages = 0;
    must(sql_read_number(&c->file, "PRAGMA page_count", &pages, &err), &err);
    char limit[60];
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld", (long long)pages + 20);
    sqlite3_exec(c->file.db, limit, NULL, NULL, NULL);
    size_t n = answer_until_full(c, rater, &err);
    assert_in_range(n, 1, 499);
    assert_int_equal(err.code, E_IO);
    assert_mentions(&err, "full");
    assert_int_equal(counts_of(c).ratings, n);
    assert_counters_hold(c);
    sqlite3_exec(c->file.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
    answer_until_full(c, rater, &err);
    assert_int_equal(counts_of(c).ratings, 500);
    assert_counters_hold(c);
    crowd_close(c);
}

/* The same with a real refusal by the operating system: a file size limit. */
static int fill_limited_file(const char *dir, size_t unused)
{
    char path[CROWD_PATH];
    struct stat info;
    crowd *c = NULL;
    int64_t rater = 0;
    error err = {0};
    (void)unused;
    signal(SIGXFSZ, SIG_IGN);
    if (stat(crowd_path(path, dir), &info) != 0)
        return 1;
    struct rlimit limit = {(rlim_t)info.st_size + 100000, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || crowd_open(&c, path, &err) < 0 ||
        crowd_rater(c, RATER_API, "ada", 1, &rater, &err) < 0)
        return 2;
    size_t n = answer_until_full(c, rater, &err);
    if (n == 0 || n >= 500 || err.code != E_IO)
        return fprintf(stderr, "%zu: %s\n", n, err.text), 3;
    crowd_close(c);
    limit.rlim_cur = RLIM_INFINITY;
    crowd_counts counts;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || crowd_open(&c, path, &err) < 0 ||
        crowd_count(c, &counts, &err) < 0 || counts.ratings != n)
        return 4;
    crowd_close(c);
    return 0;
}

static void test_a_refused_write_is_an_error_and_loses_nothing(void **state)
{
    prepare(*state, 500, 1);
    assert_ends_well(child_of(fill_limited_file, *state, 0));
}

/* ---- Transactions of the caller ---- */

static void test_a_failed_call_undoes_only_itself(void **state)
{
    char asked[SHA256_HEX], task[SHA256_HEX];
    error err = {0};
    crowd *c = crowd_in(*state);
    must(crowd_begin(c, &err), &err);
    put_question(c, QUESTION_ACCEPT, asked);
    put_task(c, asked, QUESTION_ACCEPT, 1, 1, task);
    const task_request bad = {asked, (const char *[]){"none"}, 1, 0, NULL, false};
    assert_int_equal(crowd_put_task(c, &bad, task, &err), E_ARGUMENT);
    put_task(c, asked, QUESTION_ACCEPT, 2, 1, task);
    must(crowd_commit(c, &err), &err);
    assert_int_equal(counts_of(c).tasks, 2);
    must(crowd_begin(c, &err), &err);
    put_task(c, asked, QUESTION_ACCEPT, 3, 1, task);
    crowd_rollback(c);
    assert_int_equal(counts_of(c).tasks, 2);
    crowd_close(c);
}

/* ---- Files ---- */

static void write_database(const char *dir, const char *script)
{
    char path[CROWD_PATH];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(crowd_path(path, dir), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, script, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int open_code(const char *dir, error *err)
{
    char path[CROWD_PATH];
    crowd *c = NULL;
    int rc = crowd_open(&c, crowd_path(path, dir), err);
    if (rc == 0)
        crowd_close(c);
    return rc;
}

static void test_files_that_are_no_crowd_are_refused(void **state)
{
    char path[CROWD_PATH];
    error err = {0};
    assert_int_equal(open_code(*state, &err), E_IO);
    assert_mentions(&err, "lamarck.sqlite");
    write_database(*state, "CREATE TABLE diary (day)");
    assert_int_equal(open_code(*state, &err), E_FORMAT);
    assert_mentions(&err, "not one that Lamarck made");
    must(file_write(crowd_path(path, *state), "this is no database at all", 26, &err),
         &err);
    assert_int_equal(open_code(*state, &err), E_FORMAT);
}

static void test_a_newer_version_is_refused_naming_both(void **state)
{
    error err = {0};
    crowd_close(crowd_in(*state));
    write_database(*state, "UPDATE crowd_meta SET value = 99");
    assert_int_equal(open_code(*state, &err), E_FORMAT);
    assert_mentions(&err, "version 99");
    assert_mentions(&err, "version 1 only");
}

static void test_a_run_and_a_crowd_share_a_file(void **state)
{
    char path[CROWD_PATH], asked[SHA256_HEX], task[SHA256_HEX];
    store *s = NULL;
    crowd *c = NULL;
    uint64_t run = 0;
    error err = {0};
    /* A crowd first, then a run in the same file; then the other way round. */
    crowd_close(crowd_in(*state));
    must(store_open(&s, *state, true, &err), &err);
    must(store_run_begin(s, "names", 1, "{}", "hash", "cpu", &run, &err), &err);
    must(crowd_open(&c, crowd_path(path, *state), &err), &err);
    put_question(c, QUESTION_COMPARE, asked);
    put_task(c, asked, QUESTION_COMPARE, 1, 1, task);
    must(store_memo_put(s, "key", "value", 5, &err), &err);
    assert_int_equal(counts_of(c).tasks, 1);
    crowd_close(c);
    store_close(s);
    char *other = scratch_new();
    must(store_open(&s, other, true, &err), &err);
    store_close(s);
    crowd_close(crowd_in(other));
    must(store_open(&s, other, false, &err), &err);
    store_close(s);
    scratch_remove(other);
}

/* ---- Strings ---- */

static const char *const hostile[] = {
    "<script>alert(1)</script>&amp;\"'`",
    "'); DROP TABLE crowd_rating; --",
    "\x01\x02\x1b[31mred\x7f\r\n\t",
    "%s%n%x ../../etc/passwd \\u0000",
    "\xe2\x80\xae"
    "right to left, \xf0\x9f\x92\xa4 and \xcc\x81",
    "",
};

static void test_hostile_strings_come_back_as_they_were(void **state)
{
    error err = {0};
    crowd *c = crowd_in(*state);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        char id[SHA256_HEX], *context = NULL, *output = NULL;
        put_output(c, hostile[i], hostile[i], id);
        assert_int_equal(crowd_output(c, id, &context, &output, &err), 1);
        assert_string_equal(context, hostile[i]);
        assert_string_equal(output, hostile[i]);
        free(context);
        free(output);
        if (*hostile[i]) {
            int64_t rater = rater_named(c, hostile[i]);
            assert_int_equal(rater_named(c, hostile[i]), rater);
        }
        assert_int_equal(crowd_assignment(c, hostile[i], &(assignment){0}, &err), 0);
        assert_int_equal(crowd_rater_by_token(c, hostile[i], &(int64_t){0}, &err), 0);
    }
    crowd_close(c);
}

static int read_comment(void *context, const crowd_rating *r, error *err)
{
    char **out = context;
    (void)err;
    *out = string_copy(r->comment);
    return 0;
}

static void test_bytes_that_are_no_text_are_mended_or_refused(void **state)
{
    error err = {0};
    char id[SHA256_HEX], *output = NULL, *comment = NULL;
    int64_t rater = 0;
    prepare(*state, 1, 1);
    crowd *c = crowd_in(*state);
    put_output(c, "c",
               "a\xff\xfe"
               "b\xc3",
               id);
    assert_int_equal(crowd_output(c, id, NULL, &output, &err), 1);
    assert_string_equal(output,
                        "a" UTF8_REPLACEMENT UTF8_REPLACEMENT "b" UTF8_REPLACEMENT);
    free(output);
    assert_int_equal(crowd_rater(c, RATER_API, "a\xff", 1, &rater, &err), E_ARGUMENT);
    assert_int_equal(crowd_rater(c, RATER_API, "", 1, &rater, &err), E_ARGUMENT);
    char *long_name = malloc(100001);
    memset(long_name, 'n', 100000);
    long_name[100000] = '\0';
    assert_int_equal(crowd_rater(c, RATER_API, long_name, 1, &rater, &err), E_ARGUMENT);
    assert_mentions(&err, "100000 bytes");
    /* A comment is cut at 2000 bytes, between characters. */
    assignment a = assign(c, rater_named(c, "ada"), 2000);
    for (size_t i = 0; i + 3 <= 100000; i += 3)
        memcpy(long_name + i, "\xe2\x82\xac", 3);
    const submission s = {
        .token = a.token, .seconds = 2, .source = "page", .comment = long_name};
    assert_int_equal(crowd_submit(c, &s, 2001, &err), SUBMIT_RECORDED);
    must(crowd_each_rating(c, 0, read_comment, &comment, &err), &err);
    assert_int_equal(strlen(comment), 1998);
    assert_int_equal(utf8_check(comment, 1998), 1998);
    const submission keyed = {
        .token = a.token, .seconds = 2, .source = "page", .key = long_name};
    assert_int_equal(crowd_submit(c, &keyed, 2001, &err), E_ARGUMENT);
    free(comment);
    free(long_name);
    assignment_free(&a);
    crowd_close(c);
}

static void test_large_texts_are_kept_up_to_the_limit(void **state)
{
    error err = {0};
    char id[SHA256_HEX] = "untouched", *output = NULL;
    crowd *c = crowd_in(*state);
    char *large = malloc(TEXT_LIMIT_BYTES + 2);
    memset(large, 'z', TEXT_LIMIT_BYTES + 1);
    large[TEXT_LIMIT_BYTES + 1] = '\0';
    assert_int_equal(crowd_put_output(c, "c", large, id, &err), E_LIMIT);
    assert_mentions(&err, "4194305 bytes");
    assert_string_equal(id, "untouched");
    large[1 << 20] = '\0';
    put_output(c, "c", large, id);
    assert_int_equal(crowd_output(c, id, NULL, &output, &err), 1);
    assert_string_equal(output, large);
    free(output);
    free(large);
    crowd_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_processes_at_once_fill_each_place_once),
        T(test_one_answer_sent_by_many_at_once_is_one_rating),
        T(test_a_killed_process_loses_no_answer_that_it_was_told),
        T(test_a_full_disk_loses_nothing_and_goes_on_after_room_is_made),
        T(test_a_refused_write_is_an_error_and_loses_nothing),
        T(test_a_failed_call_undoes_only_itself),
        T(test_files_that_are_no_crowd_are_refused),
        T(test_a_newer_version_is_refused_naming_both),
        T(test_a_run_and_a_crowd_share_a_file),
        T(test_hostile_strings_come_back_as_they_were),
        T(test_bytes_that_are_no_text_are_mended_or_refused),
        T(test_large_texts_are_kept_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

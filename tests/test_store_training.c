/* What a training writes into the store comes back bit for bit; files from before there
 * were trainings are read as they are and brought up to date when written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/store/training.h"
#include "expect.h"
#include "scratch.h"

static void assert_same_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

static int make_folder(void **state)
{
    *state = scratch_new();
    return *state ? 0 : -1;
}

static int drop_folder(void **state)
{
    scratch_remove(*state);
    return 0;
}

static store *open_store(const char *dir)
{
    store *s = NULL;
    error err = {0};
    must(store_open(&s, dir, true, &err), &err);
    return s;
}

static uint64_t begin(store *s, bool training)
{
    uint64_t id = 0;
    error err = {0};
    char method[] = "prefix", start[] = "the text \"x\"";
    training_facts f = {.method = method,
                        .n_tokens = 3,
                        .start = start,
                        .planned = 9,
                        .rate = (double)NAN,
                        .peak_bytes = 1 << 20,
                        .parameters = 36};
    must(store_run_begin(s, "words", 4, "{}", "hash", "cpu", &id, &err), &err);
    if (training)
        must(store_put_training(s, id, &f, &err), &err);
    f.rate = 0.25; /* found meanwhile */
    if (training)
        must(store_put_training(s, id, &f, &err), &err);
    return id;
}

static run_record *read_back(const char *dir)
{
    store *s = NULL;
    run_record *r = NULL;
    error err = {0};
    must(store_open_readonly(&s, dir, &err), &err);
    must(store_run_read(s, 0, &r, &err), &err);
    store_close(s);
    return r;
}

static void test_a_training_comes_back_bit_for_bit(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    uint64_t id = begin(s, true);
    for (size_t i = 1; i <= 4; i++) {
        training_step t = {.step = i,
                           .loss = 1.0 / (double)i,
                           .grad_norm = i == 2 ? -0.0 : 1e-300,
                           .rate = 0.1,
                           .tokens = 100 * i,
                           .seconds = 0.5 * (double)i};
        must(store_put_training_step(s, id, &t, &err), &err);
        must(store_put_training_step(s, id, &t, &err), &err); /* as a repetition does */
    }
    training_evaluation e = {
        .step = 2, .loss = 0.125, .best = true, .tokens = 250, .seconds = 1.25};
    must(store_put_evaluation(s, id, &e, &err), &err);
    training_step again;
    assert_int_equal(store_get_training_step(s, id, 2, &again, &err), 1);
    assert_same_bits(again.grad_norm, -0.0);
    assert_int_equal(store_get_training_step(s, id, 5, &again, &err), 0);
    double each[] = {-1, -0.0, 0.5};
    split_score seed = {.candidate = 1, .score = 0.1, .n = 3, .each = each};
    verdict v = {.seed = seed, .best = seed, .p = 0.5};
    training_record bare = {.bare = {.candidate = 3,
                                     .score = -2,
                                     .se = 0.25,
                                     .n = 3,
                                     .each = each,
                                     .first_choice = (double)NAN},
                            .difference = 1.5,
                            .ci_low = 1,
                            .ci_high = 2,
                            .p = 0.001};
    must(store_put_verdict(s, id, &v, &err), &err);
    must(store_put_bare(s, id, &bare, &err), &err);
    store_close(s);

    run_record *r = read_back(*state);
    const training_record *t = r->training;
    assert_non_null(t);
    assert_string_equal(t->facts.method, "prefix");
    assert_string_equal(t->facts.start, "the text \"x\"");
    assert_int_equal(t->facts.n_tokens, 3);
    assert_int_equal(t->facts.planned, 9);
    assert_int_equal(t->facts.peak_bytes, 1 << 20);
    assert_int_equal(t->facts.parameters, 36);
    assert_true(t->facts.rate == 0.25);
    assert_int_equal(t->n_steps, 4);
    assert_same_bits(t->steps[2].loss, 1.0 / 3);
    assert_same_bits(t->steps[0].grad_norm, 1e-300);
    assert_int_equal(t->steps[3].tokens, 400);
    assert_int_equal(t->n_evaluations, 1);
    assert_true(t->evaluations[0].best);
    assert_same_bits(t->evaluations[0].loss, 0.125);
    assert_false(t->has_prefix);
    assert_true(r->has_verdict);
    assert_int_equal(r->verdict.n_selection, 0);
    assert_true(t->has_bare);
    assert_int_equal(t->bare.candidate, 3);
    assert_same_bits(t->bare.first_choice, NAN);
    assert_memory_equal(t->bare.each, each, sizeof each);
    assert_true(t->difference == 1.5 && t->ci_low == 1 && t->ci_high == 2);
    assert_true(t->p == 0.001);
    run_record_free(r);
}

static void test_the_last_checkpoint_is_the_one_that_is_kept(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    uint64_t id = begin(s, true);
    training_checkpoint c = {0};
    assert_int_equal(store_get_checkpoint(s, id, &c, &err), 0);
    for (size_t i = 1; i <= 3; i++) {
        char bytes[5] = {'a', 0, (char)i, -1, 0};
        c = (training_checkpoint){
            .step = i, .seconds = 2.5, .state = bytes, .n = sizeof bytes};
        c.spent[FOR_TRAINING] = (spend){100 * i, i, 0, 0};
        c.spent[FOR_SELECTION] = (spend){7, 8, 9, 10};
        must(store_put_checkpoint(s, id, &c, &err), &err);
    }
    assert_int_equal(store_get_checkpoint(s, id, &c, &err), 1);
    assert_int_equal(c.step, 3);
    assert_int_equal(c.n, 5);
    assert_memory_equal(c.state, "a\0\3\377\0", 5);
    assert_int_equal(c.spent[FOR_TRAINING].tokens, 300);
    assert_int_equal(c.spent[FOR_SELECTION].reused, 9);
    assert_int_equal(c.spent[FOR_SELECTION].ratings, 10);
    assert_true(c.seconds == 2.5);
    free(c.state);
    store_close(s);
}

static void test_vectors_come_back_with_where_they_are_from(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    uint64_t id = begin(s, true);
    float values[] = {1, -0.0f, 1e-40f, 3, 4, 5};
    char base[] = "tiny", init[] = "text";
    prefix p = {.kind = PREFIX_EMBEDDINGS,
                .n = 2,
                .values = values,
                .shape = {.n_layers = 2, .width = 3, .n_heads = 1},
                .origin = {.base_model = base, .init = init, .step = 12, .loss = 0.75}};
    must(store_put_prefix(s, id, &p, &err), &err);
    store_close(s);
    run_record *r = read_back(*state);
    assert_true(r->training->has_prefix);
    assert_int_equal(r->training->best_step, 12);
    assert_true(r->training->best_loss == 0.75);
    s = open_store(*state);
    prefix q = {0};
    assert_int_equal(store_get_prefix(s, r, &q, &err), 1);
    assert_int_equal(q.kind, PREFIX_EMBEDDINGS);
    assert_int_equal(q.n, 2);
    assert_memory_equal(q.values, values, sizeof values);
    assert_memory_equal(&q.shape, &p.shape, sizeof q.shape);
    assert_string_equal(q.origin.base_model, "tiny");
    assert_string_equal(q.origin.init, "text");
    assert_string_equal(q.origin.model_hash, "hash");
    prefix_free(&q);
    run_record_free(r);
    store_close(s);
}

static void run_sql(const char *dir, const char *sql)
{
    sqlite3 *db = NULL;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/lamarck.sqlite", dir) > 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void test_vectors_of_another_size_than_they_say_are_refused(void **state)
{
    error err = {0};
    float values[6] = {0};
    prefix p = {.n = 2, .values = values, .shape = {.n_layers = 2, .width = 3}}, q = {0};
    store *s = open_store(*state);
    must(store_put_prefix(s, begin(s, true), &p, &err), &err);
    store_close(s);
    const char *const damages[] = {"UPDATE prefix SET n = 3", "UPDATE prefix SET n = -1",
                                   "UPDATE prefix SET n = 2, shape = '2 3'",
                                   "UPDATE prefix SET numbers = NULL"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        run_sql(*state, damages[i]);
        run_record *r = read_back(*state);
        s = open_store(*state);
        assert_int_equal(store_get_prefix(s, r, &q, &err), E_FORMAT);
        assert_null(q.values);
        store_close(s);
        run_record_free(r);
    }
}

/* As the first version of the program left its files. */
static const char to_version_1[] =
    "DROP TABLE cut; DROP TABLE training; DROP TABLE training_step; DROP TABLE "
    "training_evaluation;"
    "DROP TABLE checkpoint; DROP TABLE prefix; DROP TABLE comparison;"
    "ALTER TABLE spend DROP COLUMN ratings;"
    "PRAGMA user_version = 1;";

static void test_a_file_from_before_trainings_is_read_and_brought_up_to_date(void **state)
{
    error err = {0};
    store *s = open_store(*state);
    begin(s, false);
    store_close(s);
    run_sql(*state, to_version_1);
    run_record *r = read_back(*state); /* for reading nothing is changed */
    assert_null(r->training);
    prefix p = {0};
    must(store_open_readonly(&s, *state, &err), &err);
    assert_int_equal(store_get_prefix(s, r, &p, &err), 0);
    store_close(s);
    run_record_free(r);
    s = open_store(*state);
    assert_int_equal(begin(s, true), 2);
    store_close(s);
    r = read_back(*state);
    assert_non_null(r->training);
    run_record_free(r);
}

static void test_a_search_is_no_training(void **state)
{
    store *s = open_store(*state);
    begin(s, false);
    store_close(s);
    run_record *r = read_back(*state);
    assert_null(r->training);
    run_record_free(r);
}

#define T(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_training_comes_back_bit_for_bit),
        T(test_the_last_checkpoint_is_the_one_that_is_kept),
        T(test_vectors_come_back_with_where_they_are_from),
        T(test_vectors_of_another_size_than_they_say_are_refused),
        T(test_a_file_from_before_trainings_is_read_and_brought_up_to_date),
        T(test_a_search_is_no_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

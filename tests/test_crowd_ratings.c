/* What a crowd said becomes comparisons, values and votes; raters weigh by their checks;
 * aggregation of them finds what a simulated crowd was given to prefer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gsl/gsl_errno.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/bradley_terry.h"
#include "../rater/crowd_ratings.h"
#include "crowd_fixture.h"
#include "expect.h"
#include "scratch.h"

static crowd *plain_crowd(const char *dir)
{
    crowd *c = crowd_in(dir);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    return c;
}

/* The rater answers task `i` of the kind: the output `chosen` (its k in "i.k"), or this
 * number where there is only one. */
static void say(crowd *c, const char *asked, question_kind kind, size_t i,
                const char *name, int answer)
{
    char task[SHA256_HEX], output[60];
    error err = {0};
    assignment a = {0};
    put_task(c, asked, kind, i, 3, task);
    assert_int_equal(crowd_assign_task(c, rater_named(c, name), task, 2000, &a, &err),
                     ASSIGN_GIVEN);
    snprintf(output, sizeof output, "%zu.%d", i, answer);
    int place = answer == ANSWER_TIE || a.n_shown == 1 ? answer : place_of(&a, output);
    assert_int_equal(submit(c, a.token, place, 2005), SUBMIT_RECORDED);
    assignment_free(&a);
}

static const char *output_id(crowd *c, size_t i, size_t k, char id[SHA256_HEX])
{
    char context[60], output[60];
    snprintf(context, sizeof context, "context %zu", i);
    snprintf(output, sizeof output, "%zu.%zu", i, k);
    put_output(c, context, output, id);
    return id;
}

static void test_the_best_of_four_beat_three(void **state)
{
    char asked[SHA256_HEX], best[SHA256_HEX];
    error err = {0};
    crowd *c = plain_crowd(*state);
    comparisons list = {0};
    put_question(c, QUESTION_BEST, asked);
    say(c, asked, QUESTION_BEST, 1, "ada", 2);
    must(crowd_comparisons(c, &(crowd_choice){.question = asked}, &list, &err), &err);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.items.n, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(list.items.names[list.list[i].winner],
                            output_id(c, 1, 2, best));
        assert_false(list.list[i].tie);
    }
    assert_string_equal(list.raters.names[0], "invited:ada");
    comparisons_free(&list);
    say(c, asked, QUESTION_BEST, 2, "ada", ANSWER_TIE);
    must(crowd_comparisons(c, &(crowd_choice){.after = 1}, &list, &err), &err);
    assert_int_equal(list.n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(list.list[i].tie);
    comparisons_free(&list);
    crowd_close(c);
}

static void test_only_what_counts_is_taken_unless_asked_for(void **state)
{
    char pairs[SHA256_HEX], scale[SHA256_HEX], one[SHA256_HEX];
    error err = {0};
    crowd *c = plain_crowd(*state);
    comparisons list = {0};
    ratings values = {0}, votes = {0};
    size_t dropped;
    put_question(c, QUESTION_COMPARE, pairs);
    put_question(c, QUESTION_SCALE, scale);
    say(c, pairs, QUESTION_COMPARE, 1, "ada", 0);
    say(c, pairs, QUESTION_COMPARE, 1, "bob", ANSWER_TIE);
    say(c, scale, QUESTION_SCALE, 1, "ada", 5);
    say(c, pairs, QUESTION_COMPARE, 2, "ada", 1);
    assignment undone = {0};
    assert_int_equal(crowd_undo(c, rater_named(c, "ada"), 2001, &undone, &err), 1);
    assignment_free(&undone);
    must(crowd_comparisons(c, &(crowd_choice){.question = NULL}, &list, &err), &err);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.list[0].tie, false);
    assert_string_equal(list.items.names[list.list[0].winner], output_id(c, 1, 0, one));
    assert_int_equal(list.list[1].tie, true);
    comparisons_free(&list);
    must(crowd_values(c, &(crowd_choice){.question = scale}, &values, &err), &err);
    must(ratings_finish(&values, REPEAT_ERROR, &dropped, &err), &err);
    assert_int_equal(values.n, 1);
    assert_true(values.list[0].value == 5);
    must(crowd_votes(c, &(crowd_choice){.question = pairs}, &votes, &err), &err);
    assert_int_equal(votes.n, 2);
    assert_int_equal(votes.items.n, 1);
    ratings_free(&values);
    ratings_free(&votes);
    quality_rules r = plain_rules();
    r.min_seconds = 6;
    set_rules(c, &r);
    must(crowd_comparisons(c, &(crowd_choice){.question = NULL}, &list, &err), &err);
    assert_int_equal(list.n, 0);
    comparisons_free(&list);
    must(crowd_comparisons(c, &(crowd_choice){.uncounted = true}, &list, &err), &err);
    assert_int_equal(list.n, 2);
    comparisons_free(&list);
    crowd_close(c);
}

static void test_weights_follow_the_checks(void **state)
{
    (void)state;
    rater_quality q = {0};
    assert_true(fabs(rater_weight(&q) - 1) < 1e-12);
    q.gold = 10, q.gold_right = 10; /* p = 14/15: log 14 / log 4 */
    assert_true(fabs(rater_weight(&q) - 1.9036774610288021) < 1e-12);
    q.gold_right = 5; /* p = 9/15: log 1.5 / log 4 */
    assert_true(fabs(rater_weight(&q) - 0.29248125036057813) < 1e-12);
    q.gold_right = 0; /* worse than chance weighs nothing, not less */
    assert_true(rater_weight(&q) == 0);
}

static void test_weights_go_with_the_names(void **state)
{
    char asked[SHA256_HEX], gold[SHA256_HEX];
    error err = {0};
    crowd *c = plain_crowd(*state);
    name_index names = {0};
    size_t number;
    double *w = NULL;
    assignment a = {0};
    put_question(c, QUESTION_ACCEPT, asked);
    put_gold(c, asked, QUESTION_ACCEPT, 1, gold);
    assert_int_equal(crowd_assign_task(c, rater_named(c, "ada"), gold, 2000, &a, &err),
                     ASSIGN_GIVEN);
    submit(c, a.token, 0, 2005); /* wrong: p = 4/6, log 2 / log 4 */
    assignment_free(&a);
    rater_named(c, "bob");
    const char *const wanted[] = {"api:nobody", "invited:bob", "invited:ada"};
    for (size_t i = 0; i < 3; i++)
        must(name_index_add(&names, wanted[i], &number, &err), &err);
    must(crowd_weights(c, &names, &w, &err), &err);
    assert_true(w[0] == 1);
    assert_true(fabs(w[1] - 1) < 1e-12);
    assert_true(fabs(w[2] - 0.5) < 1e-12);
    free(w);
    name_index_free(&names);
    crowd_close(c);
}

static void test_agreement_is_of_one_question_and_per_rater(void **state)
{
    static const int said[3][4] = {{0, 0, 1, 1}, {0, 0, 1, 0}, {1, 1, 0, 0}};
    static const char *const names[] = {"ada", "bob", "eve"};
    char asked[SHA256_HEX], other[SHA256_HEX];
    error err = {0};
    crowd *c = plain_crowd(*state);
    ratings r = {0};
    agreement a;
    put_question(c, QUESTION_ACCEPT, asked);
    put_question(c, QUESTION_SCALE, other);
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 4; i++)
            say(c, asked, QUESTION_ACCEPT, i, names[k], said[k][i]);
    say(c, other, QUESTION_SCALE, 1, "ada", 3);
    must(crowd_agreement(c, asked, 0, 1, &r, &a, &err), &err);
    assert_int_equal(a.n_units, 4);
    assert_int_equal(a.n_pairable, 12);
    /* Pairs: ada-bob 3 of 4 agree, ada-eve 0, bob-eve 1: D_o = 1 - 4/12; 5 ones of 12:
     * D_e = 2 * 5 * 7 / (12 * 11). */
    assert_true(fabs(a.alpha - (1 - (8.0 / 12) / (70.0 / 132))) < 1e-12);
    assert_true(fabs(a.raters[0].agreement - 3.0 / 8) < 1e-12);
    assert_true(fabs(a.raters[1].agreement - 4.0 / 8) < 1e-12);
    assert_true(fabs(a.raters[2].agreement - 1.0 / 8) < 1e-12);
    agreement_free(&a);
    ratings_free(&r);
    assert_int_equal(crowd_agreement(c, "none", 0, 1, &r, &a, &err), E_ARGUMENT);
    crowd_close(c);
}

/* 24 outputs of one context whose worth is known; raters who mostly see it: Bradley-Terry
 * on what the crowd recorded puts them in their order. */
static void test_a_known_preference_is_found(void **state)
{
    enum { ITEMS = 12, RATERS = 6 };
    char asked[SHA256_HEX], ids[ITEMS][SHA256_HEX], task[SHA256_HEX], output[20];
    error err = {0};
    crowd *c = plain_crowd(*state);
    uint64_t random = 5;
    must(crowd_begin(c, &err), &err);
    put_question(c, QUESTION_COMPARE, asked);
    for (size_t i = 0; i < ITEMS; i++) {
        snprintf(output, sizeof output, "%zu", i);
        put_output(c, "one context", output, ids[i]);
    }
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < i; j++) {
            const char *const pair[] = {ids[i], ids[j]};
            const task_request r = {asked, pair, RATERS, 0, NULL, false};
            must(crowd_put_task(c, &r, task, &err), &err);
        }
    for (size_t k = 0; k < RATERS; k++) {
        char name[20];
        snprintf(name, sizeof name, "rater %zu", k);
        int64_t rater = rater_named(c, name);
        for (size_t i = 0; i < ITEMS * (ITEMS - 1) / 2; i++) {
            assignment a = assign(c, rater, 2000);
            double d = strtod(a.shown[0], NULL) - strtod(a.shown[1], NULL);
            random = seed_mix(random, 1);
            double u = (double)(random >> 11) / 9007199254740992.0;
            submit(c, a.token, u < 1 / (1 + exp(-d)) ? 0 : 1, 2005);
            assignment_free(&a);
        }
    }
    must(crowd_commit(c, &err), &err);
    comparisons list = {0};
    bradley_terry b;
    must(crowd_comparisons(c, &(crowd_choice){.question = asked}, &list, &err), &err);
    assert_int_equal(list.n, RATERS * ITEMS * (ITEMS - 1) / 2);
    must(
        bradley_terry_fit(&b, &list, &(bradley_terry_options){0.01, false, 0, 500}, &err),
        &err);
    for (size_t i = 0; i < ITEMS; i++) {
        char *said = NULL;
        assert_int_equal(crowd_output(c, list.items.names[i], NULL, &said, &err), 1);
        /* Scores sum to 0; the truth is 0 to 11 with mean 5.5. */
        assert_true(fabs(b.score[i] - (strtod(said, NULL) - 5.5)) < 4 * b.se[i]);
        free(said);
    }
    bradley_terry_free(&b);
    comparisons_free(&list);
    crowd_close(c);
}

int main(void)
{
    gsl_set_error_handler_off();
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_best_of_four_beat_three),
        T(test_only_what_counts_is_taken_unless_asked_for),
        cmocka_unit_test(test_weights_follow_the_checks),
        T(test_weights_go_with_the_names),
        T(test_agreement_is_of_one_question_and_per_rater),
        T(test_a_known_preference_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

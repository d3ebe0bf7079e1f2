/* What a crowd said, as what a reward learns from. */
#include "crowd_fixture.h"
#include "scratch.h"

#include "../rater/reward_crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static crowd *plain_crowd(const char *dir)
{
    crowd *c = crowd_in(dir);
    const quality_rules r = plain_rules();
    set_rules(c, &r);
    return c;
}

static int64_t made_up_rater(crowd *c)
{
    int64_t id = 0;
    error err = {0};
    assert_int_equal(crowd_rater(c, RATER_SIMULATED, "robot", 1000, &id, &err), 0);
    return id;
}

/* The rater answers task i: the k of the output "i.k" that he likes, or this number. */
static void say(crowd *c, question_kind kind, size_t i, int64_t rater, int answer)
{
    char asked[SHA256_HEX], task[SHA256_HEX], output[60];
    error err = {0};
    assignment a = {0};
    put_question(c, kind, asked);
    put_task(c, asked, kind, i, 3, task);
    assert_int_equal(crowd_assign_task(c, rater, task, 2000, &a, &err), ASSIGN_GIVEN);
    snprintf(output, sizeof output, "%zu.%d", i, answer);
    int place = answer == ANSWER_TIE || a.n_shown == 1 ? answer : place_of(&a, output);
    assert_int_equal(submit(c, a.token, place, 2005), SUBMIT_RECORDED);
    assignment_free(&a);
}

static reward_texts read_crowd(crowd *c, char **asked)
{
    reward_texts t = {0};
    error err = {0};
    if (reward_texts_add_crowd(&t, c, asked, &err) < 0)
        fail_msg("%s", err.text);
    return t;
}

static bool prefers(const reward_texts *t, const reward_rating *r, const char *better)
{
    size_t winner = r->outcome == 1 ? r->a : r->b;
    return r->outcome != 0.5 && strcmp(reward_texts_output(t, winner), better) == 0;
}

static void comparisons_and_bests_become_pairs(void **state)
{
    (void)state;
    char *dir = scratch_new(), *asked = NULL;
    crowd *c = plain_crowd(dir);
    int64_t ada = rater_named(c, "ada");
    say(c, QUESTION_COMPARE, 1, ada, 1);
    say(c, QUESTION_COMPARE, 2, made_up_rater(c), 0);
    say(c, QUESTION_BEST, 3, ada, 2);
    say(c, QUESTION_COMPARE, 4, ada, ANSWER_TIE);
    say(c, QUESTION_BEST, 5, ada, ANSWER_TIE);
    reward_texts t = read_crowd(c, &asked);
    const reward_judgements *j = &t.by_head[HEAD_PAIRWISE];
    assert_int_equal(j->n, 1 + 1 + 3 + 1 + 6);
    assert_int_equal(j->n_simulated, 1);
    assert_int_equal(t.by_head[HEAD_SCALAR].n, 0);
    assert_int_equal(reward_texts_count(&t), 2 + 2 + 4 + 2 + 4);
    assert_true(prefers(&t, &j->list[0], "1.1"));
    assert_string_equal(reward_texts_context(&t, j->list[0].a), "context 1");
    assert_true(prefers(&t, &j->list[1], "2.0"));
    for (size_t i = 2; i < 5; i++)
        assert_true(prefers(&t, &j->list[i], "3.2"));
    for (size_t i = 5; i < 12; i++)
        assert_true(j->list[i].outcome == 0.5);
    assert_non_null(asked);
    assert_true(strlen(asked) > 0);
    free(asked);
    reward_texts_free(&t);
    crowd_close(c);
    scratch_remove(dir);
}

static void scales_and_acceptance_become_values(void **state)
{
    (void)state;
    char *dir = scratch_new();
    crowd *c = plain_crowd(dir);
    say(c, QUESTION_SCALE, 1, rater_named(c, "ada"), 6);
    say(c, QUESTION_SCALE, 1, rater_named(c, "bob"), 2);
    reward_texts t = read_crowd(c, NULL);
    const reward_judgements *j = &t.by_head[HEAD_SCALAR];
    assert_int_equal(j->n, 2);
    assert_true(j->list[0].outcome == 6 && j->list[1].outcome == 2);
    assert_int_equal(j->list[0].a, j->list[1].a);
    assert_string_equal(reward_texts_output(&t, j->list[0].a), "1.0");
    reward_texts_free(&t);
    crowd_close(c);
    scratch_remove(dir);
}

static void what_does_not_count_is_not_learned_from(void **state)
{
    (void)state;
    char *dir = scratch_new(), *asked = NULL;
    error err = {0};
    assignment undone = {0};
    crowd *c = plain_crowd(dir);
    int64_t ada = rater_named(c, "ada");
    say(c, QUESTION_COMPARE, 1, ada, 0);
    assert_int_equal(crowd_undo(c, ada, 2001, &undone, &err), 1);
    assignment_free(&undone);
    reward_texts t = read_crowd(c, &asked);
    assert_int_equal(t.by_head[HEAD_PAIRWISE].n, 0);
    assert_int_equal(reward_texts_count(&t), 0);
    assert_null(asked);
    reward_texts_free(&t);
    crowd_close(c);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_and_bests_become_pairs),
        cmocka_unit_test(scales_and_acceptance_become_values),
        cmocka_unit_test(what_does_not_count_is_not_learned_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

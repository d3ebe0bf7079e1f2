/* Experiments that people judge, as files: what they say comes back, rows need no
 * targets, and everything that does not fit together is an error that says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../experiments/fitness/fitness_lm.h"
#include "scratch.h"
#include "small_people.h"

static void test_defaults_and_what_the_file_says(void **state)
{
    (void)state;
    const char *set[] = {"fitness.quality.max_ratings=50", "fitness.temperature=0.5",
                         "fitness.sampling_seed=7"};
    char *dir = scratch_new();
    experiment *e = small_people_experiment(dir, set, 3);
    const people_plan *p = &e->people;
    assert_int_equal(e->fitness.kind, FITNESS_HUMAN);
    assert_int_equal(p->question.kind, QUESTION_COMPARE);
    assert_true(p->question.ties);
    assert_string_equal(p->question.text, "Which is longer?");
    assert_string_equal(p->question.instructions, "");
    assert_int_equal(p->ratings, 2);
    assert_true(p->cents == 3);
    assert_true(p->poll_seconds == 0);
    assert_false(p->simulated);
    assert_int_equal(p->gold, 12);
    assert_true(p->gold > p->rules.min_checks);
    assert_int_equal(p->rules.max_ratings, 50);
    assert_int_equal(p->rules.min_checks, quality_defaults().min_checks);
    assert_true(e->fitness.generation.temperature == 0.5);
    assert_int_equal(e->fitness.generation.seed, 7);
    assert_int_equal(e->data->examples[0].n_targets, 0);
    text shown = {0};
    error err = {0};
    assert_int_equal(experiment_people_context(e, 3, &shown, &err), 0);
    assert_string_equal(shown.s, "about thing 3");
    text_free(&shown);
    experiment_free(e);
    scratch_remove(dir);
}

static void assert_comes_back(const char *const *set, size_t n)
{
    char *dir = scratch_new(), *first = NULL, *second = NULL;
    experiment *e = small_people_experiment(dir, set, n), *again = NULL;
    error err = {0};
    assert_int_equal(experiment_dump(e, &first, &err), 0);
    if (experiment_restore(&again, first, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(experiment_dump(again, &second, &err), 0);
    assert_string_equal(first, second);
    free(first);
    free(second);
    experiment_free(e);
    experiment_free(again);
    scratch_remove(dir);
}

static void test_what_a_run_keeps_comes_back(void **state)
{
    (void)state;
    const char *plain[] = {"fitness.poll=2.5", "fitness.crowd=simulated",
                           "fitness.taste=names", "fitness.crowd_size=7"};
    const char *scale[] = {"fitness.ask=scale", "fitness.scale=[bad, fair, good]",
                           "fitness.instructions=Read it.", "fitness.rating_seconds=30"};
    const char *accept[] = {"fitness.ask=accept"};
    const char *mixed[] = {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed",
                           "fitness.weight=0.25", "fitness.model=f1"};
    const char *screen[] = {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed",
                            "fitness.model=accuracy", "fitness.labels=[cold, tall]",
                            "fitness.screen=0.5"};
    const char *numbers[] = {"fitness.surrogate={ratings: 40, share: 0.3, needed: 0.2}"};
    const char *on[] = {"fitness.surrogate=on", "fitness.ask=best"};
    const char *off[] = {"fitness.surrogate=off"};
    assert_comes_back(numbers, 1);
    assert_comes_back(on, 2);
    assert_comes_back(off, 1);
    assert_comes_back(NULL, 0);
    assert_comes_back(plain, 4);
    assert_comes_back(scale, 4);
    assert_comes_back(accept, 1);
    assert_comes_back(mixed, 5);
    assert_comes_back(screen, 6);
}

/* ---- Errors ---- */

static void assert_refused(const char *const *set, size_t n, const char *says)
{
    char *dir = scratch_new();
    experiment *e = NULL;
    error err = {0};
    int rc = small_people_load(dir, set, n, &e, &err);
    if (rc == 0)
        fail_msg("accepted: %s", set[n - 1]);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    scratch_remove(dir);
}

#define REFUSE(says, ...)                                                                \
    do {                                                                                 \
        const char *const set_[] = {__VA_ARGS__};                                        \
        assert_refused(set_, sizeof set_ / sizeof *set_, says);                          \
    } while (0)

static void test_what_does_not_fit_together_is_said(void **state)
{
    (void)state;
    REFUSE("needs the key \"question\"", "fitness={kind: human}");
    REFUSE("the question is empty", "fitness.question=' '");
    REFUSE("did you mean \"compare\"?", "fitness.ask=compar");
    REFUSE("\"ties\" goes with ask: compare or best", "fitness.ask=accept",
           "fitness.ties=on");
    REFUSE("\"scale\" goes with ask: scale", "fitness.scale=[a, b]");
    REFUSE("needs the key \"scale\"", "fitness.ask=scale");
    REFUSE("2 to 11", "fitness.ask=scale", "fitness.scale=[a]");
    REFUSE("ratings is 0", "fitness.ratings=0");
    REFUSE("cents is -1", "fitness.cents=-1");
    REFUSE("must be one of people, simulated", "fitness.crowd=everybody");
    REFUSE("must be one of names, prose, summary", "fitness.taste=sweet");
    REFUSE("{{nothing}} is neither", "fitness.shown='about {{nothing}}'");
    REFUSE("\"shown\" names {{target}}", "fitness.shown='{{target}}'");
    REFUSE("quality has no key \"gold\"", "fitness.quality.gold=1");
    REFUSE("nothing is left", "fitness.quality.gold_share=0.6",
           "fitness.quality.repeat_share=0.4");
    REFUSE("has no key \"weight\"", "fitness.weight=0.5");
    REFUSE("cannot be held to seconds", "budget={seconds: 10}");
}

static void test_a_surrogate_says_what_it_needs(void **state)
{
    (void)state;
    const char *set[] = {"fitness.surrogate.share=0.25"};
    char *dir = scratch_new();
    experiment *e = small_people_experiment(dir, set, 1);
    assert_true(e->people.surrogate.on); /* numbers turn it on */
    assert_true(e->people.surrogate.share == 0.25);
    assert_int_equal(e->people.surrogate.first, 100);
    assert_int_equal(e->people.surrogate.guard.window, guard_defaults().window);
    experiment_free(e);
    e = small_people_experiment(dir, NULL, 0);
    assert_false(e->people.surrogate.on);
    experiment_free(e);
    scratch_remove(dir);
    REFUSE("did you mean \"share\"?", "fitness.surrogate={shares: 0.5}");
    REFUSE("share is 1.5", "fitness.surrogate.share=1.5");
    REFUSE("ratings is 5", "fitness.surrogate.ratings=5");
    REFUSE("least is 3", "fitness.surrogate.least=3");
    REFUSE("its window holds 15", "fitness.surrogate.window=15");
    REFUSE("must be on or off", "fitness.surrogate=perhaps");
    REFUSE("both \"surrogate\" and \"screen\"", SMALL_PEOPLE_TARGETS,
           "fitness.kind=mixed", "fitness.screen=0.5", "fitness.surrogate=on");
    REFUSE("no key \"surrogate\"", SMALL_PEOPLE_TARGETS,
           "fitness={kind: exact, surrogate: on}");
}

static void test_whatever_needs_a_target_says_so(void **state)
{
    (void)state;
    REFUSE("has no target", "fitness.kind=mixed");
    REFUSE("no field \"target\"", "fitness={kind: logprob}",
           "template='{{instruction}}{{mark}} {{input}} {{target}}'");
    REFUSE("the template has no {{target}}", "fitness={kind: exact}");
    REFUSE("a gradient (search.hybrid) needs", "search.hybrid=on");
    REFUSE("no field \"answer\"", "data.target=answer");
    REFUSE("show {{target}}, but",
           "genes.demos={kind: demos, each: '{{input}} {{target}}'}",
           "template='{{instruction}}{{mark}} {{demos}} {{input}}'");
    REFUSE("both \"weight\" and \"screen\"", SMALL_PEOPLE_TARGETS, "fitness.kind=mixed",
           "fitness.weight=0.5", "fitness.screen=0.5");
    REFUSE("did you mean", SMALL_PEOPLE_TARGETS, "fitness.kind=mixed",
           "fitness.model=logprobs");
}

static void test_other_commands_cannot_judge_it(void **state)
{
    (void)state;
    char *dir = scratch_new();
    experiment *e = small_people_experiment(dir, NULL, 0);
    judge j;
    error err = {0};
    assert_int_equal(judge_open(&j, e, &(judge_options){0}, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "judged by people"));
    experiment_free(e);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_what_the_file_says),
        cmocka_unit_test(test_what_a_run_keeps_comes_back),
        cmocka_unit_test(test_what_does_not_fit_together_is_said),
        cmocka_unit_test(test_a_surrogate_says_what_it_needs),
        cmocka_unit_test(test_whatever_needs_a_target_says_so),
        cmocka_unit_test(test_other_commands_cannot_judge_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

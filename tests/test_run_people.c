/* Whole runs that people judge: they wait without a process, go on where they were, and
 * end the same however often killed; a rating is about what was shown, whenever it comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "../experiments/fitness/gold.h"
#include "crowd_fixture.h"
#include "fixture.h"
#include "people_run.h"
#include "scratch.h"
#include "toy.h"

/* ---- Waiting ---- */

static void test_it_waits_without_a_process_and_ends_with_a_verdict(void **state)
{
    (void)state;
    char *dir = scratch_new();
    size_t waits = 0;
    run_record *r = people_whole_run(dir, NULL, 0, &waits);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_true(r->has_verdict);
    assert_true(waits >= r->n_history); /* every step asked somebody something */
    assert_true(r->verdict.seed.score == 0.5);
    assert_true(r->verdict.seed.se == 0);
    /* The crowd never errs, so what won the search is liked better. */
    assert_true(r->verdict.best.score > 0.5);
    run_record_free(r);
    scratch_remove(dir);
}

static void test_asking_again_without_answers_changes_nothing(void **state)
{
    (void)state;
    char *dir = scratch_new();
    people_begin(dir, NULL, 0, NULL);
    run_record *before = read_run(dir, 0);
    crowd *c = crowd_in(dir);
    crowd_counts first = counts_of(c);
    assert_true(first.open_tasks > 0 && first.wanted > 0);
    for (int i = 0; i < 2; i++) {
        people_go_on(dir);
        run_record *r = read_run(dir, 0);
        assert_same_run(before, r, true);
        run_record_free(r);
        crowd_counts now = counts_of(c);
        assert_int_equal(now.tasks, first.tasks);
        assert_int_equal(now.open_tasks, first.open_tasks);
        assert_int_equal(now.wanted, first.wanted);
    }
    crowd_close(c);
    run_record_free(before);
    scratch_remove(dir);
}

/* People answer while the run stays alive, once it has had a while to prepare: it looks
 * again by itself. */
typedef struct onlooker {
    const char *dir;
    size_t n_waits, prepared;
} onlooker;

static void answer_when_it_waits(void *context, const run_progress *p)
{
    onlooker *o = context;
    if (!p->people || !p->people->waiting || p->people->fresh)
        return;
    o->prepared = p->people->prepared;
    if (++o->n_waits % 5 == 0)
        scripted_crowd(o->dir, morning);
}

static void test_polling_it_prepares_and_ends_the_same(void **state)
{
    (void)state;
    char *dir = scratch_new(), *other = scratch_new();
    size_t waits;
    run_record *stopped = people_whole_run(other, NULL, 0, &waits);
    onlooker o = {.dir = dir};
    run_options options = {
        .watch = answer_when_it_waits, .context = &o, .poll_seconds = 0.002};
    people_begin(dir, NULL, 0, &options);
    run_record *r = read_run(dir, 0);
    assert_true(o.n_waits > 10);
    assert_true(o.prepared >= 12); /* the seed on the last two splits at the least */
    /* The same to the last bit, and at the same price. */
    assert_same_run(stopped, r, true);
    run_record_free(stopped);
    run_record_free(r);
    scratch_remove(dir);
    scratch_remove(other);
}

static volatile int stop_now;
static void stop_when_it_waits(void *context, const run_progress *p)
{
    (void)context;
    stop_now = stop_now || (p->people && p->people->waiting);
}

static void test_an_interrupt_ends_the_polling_and_keeps_all(void **state)
{
    (void)state;
    const char *set[] = {"fitness.poll=3600"};
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    stop_now = 0;
    run_options options = {.watch = stop_when_it_waits, .interrupt = &stop_now};
    experiment *e = small_people_experiment(dir, set, 1);
    assert_int_equal(run_start(e, dir, &options, &id, &err), E_INTERRUPTED);
    experiment_free(e);
    run_record *r = read_run(dir, 0);
    assert_int_equal(r->status, RUN_STOPPED);
    run_record_free(r);
    crowd *c = crowd_in(dir);
    assert_true(counts_of(c).open_tasks > 0);
    crowd_close(c);
    scratch_remove(dir);
}

/* ---- What a rating is about ---- */

typedef struct checker {
    crowd *crowd;
    size_t n;
} checker;

/* Is what was chosen what the crowd likes more? */
static int check_rating(void *context, const crowd_rating *r, error *err)
{
    checker *k = context;
    size_t liking[2];
    for (size_t i = 0; i < 2; i++) {
        char *said = NULL;
        if (crowd_output(k->crowd, r->outputs[i], NULL, &said, err) != 1)
            fail_msg("%s", err->text);
        liking[i] = scripted_liking(said);
        free(said);
    }
    int right = liking[0] == liking[1] ? ANSWER_TIE : liking[1] > liking[0];
    assert_int_equal(r->answer, right);
    k->n++;
    return 0;
}

static void test_every_rating_is_about_what_was_shown(void **state)
{
    (void)state;
    char *dir = scratch_new();
    size_t waits;
    error err = {0};
    run_record_free(people_whole_run(dir, NULL, 0, &waits));
    checker k = {.crowd = crowd_in(dir)};
    assert_int_equal(crowd_each_rating(k.crowd, 0, check_rating, &k, &err), 0);
    assert_true(k.n > 50);
    assert_int_equal(counts_of(k.crowd).open_tasks, 0); /* nothing is asked any more */
    crowd_close(k.crowd);
    scratch_remove(dir);
}

/* One rater takes a task and keeps it until the run is over. */
static void test_late_and_double_ratings_change_nothing(void **state)
{
    (void)state;
    char *dir = scratch_new(), *other = scratch_new();
    size_t waits;
    error err = {0};
    run_record *without = people_whole_run(other, NULL, 0, &waits);
    people_begin(dir, NULL, 0, NULL);
    crowd *c = crowd_in(dir);
    assignment late = assign(c, rater_named(c, "late"), morning - 100000);
    while (run_state_of(dir) == 1) {
        scripted_crowd(dir, morning);
        people_go_on(dir);
    }
    run_record *r = read_run(dir, 0);
    assert_same_run(without, r, true);
    submission s = {.token = late.token, .answer = 0, .seconds = 9, .source = "page"};
    assert_int_equal(crowd_submit(c, &s, morning, &err), SUBMIT_LATE);
    assert_int_equal(crowd_submit(c, &s, morning, &err), SUBMIT_SAME);
    s.answer = 1;
    assert_int_equal(crowd_submit(c, &s, morning, &err), SUBMIT_CONFLICT);
    uint64_t id = 0;
    assert_int_equal(run_resume(dir, 1, NULL, &id, &err), 0);
    run_record *after = read_run(dir, 0);
    assert_same_run(r, after, true);
    assignment_free(&late);
    crowd_close(c);
    run_record_free(without);
    run_record_free(r);
    run_record_free(after);
    scratch_remove(dir);
    scratch_remove(other);
}

/* ---- Gold ---- */

static void test_spoilt_texts_are_what_nobody_would_prefer(void **state)
{
    (void)state;
    text t = {0};
    size_t n = 0;
    error err = {0};
    assert_int_equal(gold_spoil("Mira, Zoë (12), of Älmhult", &t, &n, &err), 0);
    assert_string_equal(t.s, "xxxx, xxx (12), xx xxxxxxx");
    assert_int_equal(n, 3);
    text_free(&t);
}

/* 8 answers of a rater: by what is spoilt, or always for that. */
static void answer_gold(crowd *c, const char *name, bool reads)
{
    int64_t rater = rater_named(c, name);
    for (int i = 0; i < 8; i++) {
        assignment a;
        error err = {0};
        int rc = crowd_assign(c, rater, morning, &a, &err);
        if (rc == ASSIGN_EXCLUDED || rc == ASSIGN_NOTHING)
            return;
        assert_int_equal(rc, ASSIGN_GIVEN);
        bool first = strstr(a.shown[0], "xxx") != NULL;
        assert_int_equal(submit(c, a.token, reads == first, morning), SUBMIT_RECORDED);
        assignment_free(&a);
    }
}

static void test_raters_who_do_not_look_are_found(void **state)
{
    (void)state;
    const question_kind kinds[] = {QUESTION_COMPARE, QUESTION_BEST};
    for (size_t k = 0; k < 2; k++) {
        char *dir = scratch_new();
        experiment *e = small_people_experiment(dir, NULL, 0);
        e->people.question.kind = kinds[k];
        crowd *c = crowd_in(dir);
        quality_rules rules = quality_defaults();
        rules.gold_share = 0.9;
        rules.repeat_share = 0;
        rules.min_checks = 4;
        set_rules(c, &rules);
        panel p = {0};
        error err = {0};
        assert_int_equal(panel_new(&p, e, c, &err), 0);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(gold_put(&p, i, "A lighthouse stood there.", &err), 1);
        assert_int_equal(gold_put(&p, 5, "No 12.", &err), 0); /* too little to spoil */
        char other[SHA256_HEX], id[SHA256_HEX];
        put_question(c, QUESTION_COMPARE, other);
        for (size_t i = 0; i < 8; i++) /* gold comes between other questions */
            put_task(c, other, QUESTION_COMPARE, i, 5, id);
        answer_gold(c, "reads", true);
        answer_gold(c, "clicks", false);
        rater_quality *q = NULL;
        size_t n = 0;
        assert_int_equal(crowd_raters(c, &q, &n, &err), 0);
        assert_int_equal(n, 2);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(q[i].excluded, strcmp(q[i].name, "clicks") == 0);
        rater_quality_free(q, n);
        panel_free(&p);
        crowd_close(c);
        experiment_free(e);
        scratch_remove(dir);
    }
}

/* ---- Kills ---- */

/* So that a budget of what people give ends it. */
static const char *const capped[] = {"budget.ratings=150"};

static void test_killed_anywhere_it_ends_the_same(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, 7);
    char *dir = scratch_new();
    size_t waits = 0, kills = 0;
    run_record *whole = people_whole_run(dir, capped, 1, &waits);
    assert_string_equal(whole->stop_reason, "budget: ratings");
    scratch_remove(dir);
    for (int round = 0; round < 3; round++) {
        dir = scratch_new();
        kills += people_killed_run(dir, rng, 0.002, 0.022);
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->id, 1);
        assert_same_run(whole, r, true);
        run_record_free(r);
        scratch_remove(dir);
    }
    assert_true(kills > 5);
    run_record_free(whole);
    gsl_rng_free(rng);
}

/* ---- Simulated, and other questions ---- */

static void test_a_simulated_crowd_finishes_by_itself_and_says_so(void **state)
{
    (void)state;
    const char *set[] = {"fitness.crowd=simulated", "fitness.taste=prose"};
    char *dir = scratch_new();
    people_begin(dir, set, 2, NULL);
    run_record *r = read_run(dir, 0);
    assert_int_equal(r->status, RUN_FINISHED);
    crowd *c = crowd_in(dir);
    crowd_counts n = counts_of(c);
    assert_true(n.ratings > 50);
    assert_int_equal(n.simulated, n.ratings);
    crowd_close(c);
    run_record_free(r);
    scratch_remove(dir);
}

static void test_a_simulated_crowd_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    const char *set[] = {"fitness.crowd=simulated", "fitness.crowd_size=1",
                         "fitness.ratings=3"};
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_people_experiment(dir, set, 3);
    assert_int_equal(run_start(e, dir, NULL, &id, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "crowd_size"));
    experiment_free(e);
    scratch_remove(dir);
}

static void test_every_kind_of_question_leads_to_a_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < OTHER_QUESTIONS; i++) {
        char *dir = scratch_new();
        size_t waits;
        run_record *r = people_whole_run(dir, other_questions[i], 2, &waits);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->has_verdict);
        assert_true(r->verdict.best.score >= 0 && r->verdict.best.score <= 1);
        assert_true(r->verdict.seed.score >= 0 && r->verdict.seed.score <= 1);
        for (size_t k = 0; k < r->n_history; k++)
            assert_true(r->history[k].best >= 0 && r->history[k].best <= 1);
        run_record_free(r);
        scratch_remove(dir);
    }
}

static void test_mixed_weighs_the_models_score(void **state)
{
    (void)state;
    const char *const sets[][4] = {
        {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed", "fitness.weight=0"},
        {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed", "fitness.weight=0.7"}};
    run_record *r[2];
    for (size_t i = 0; i < 2; i++) {
        char *dir = scratch_new();
        size_t waits;
        r[i] = people_whole_run(dir, sets[i], 4, &waits);
        assert_int_equal(r[i]->status, RUN_FINISHED);
        assert_true(r[i]->has_verdict);
        assert_true(fabs(r[i]->verdict.seed.score - 0.5) < 1e-12);
        scratch_remove(dir);
    }
    /* The first generation is the same; what it is worth is not. */
    assert_true(r[0]->candidates[1].value != r[1]->candidates[1].value);
    run_record_free(r[0]);
    run_record_free(r[1]);
}

static void test_a_screen_keeps_what_the_model_likes_least_from_people(void **state)
{
    (void)state;
    const char *set[] = {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed",
                         "fitness.screen=0.4"};
    char *dir = scratch_new();
    size_t waits, screened = 0, measured = 0;
    run_record *r = people_whole_run(dir, set, 4, &waits);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_string_not_equal(r->candidates[0].state, "failed"); /* the seed is shown */
    for (size_t i = 0; i < r->n_candidates; i++) {
        screened += strcmp(r->candidates[i].state, "failed") == 0;
        measured += r->candidates[i].n > 0;
    }
    assert_true(screened >= 3);
    assert_true(measured >= 3);
    run_record_free(r);
    scratch_remove(dir);
}

int main(int argc, char **argv)
{
    gsl_set_error_handler_off(); /* as lamarck does */
    if (people_is_child(argc, argv))
        return people_child(argv, capped, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_waits_without_a_process_and_ends_with_a_verdict),
        cmocka_unit_test(test_asking_again_without_answers_changes_nothing),
        cmocka_unit_test(test_polling_it_prepares_and_ends_the_same),
        cmocka_unit_test(test_an_interrupt_ends_the_polling_and_keeps_all),
        cmocka_unit_test(test_every_rating_is_about_what_was_shown),
        cmocka_unit_test(test_late_and_double_ratings_change_nothing),
        cmocka_unit_test(test_spoilt_texts_are_what_nobody_would_prefer),
        cmocka_unit_test(test_raters_who_do_not_look_are_found),
        cmocka_unit_test(test_killed_anywhere_it_ends_the_same),
        cmocka_unit_test(test_a_simulated_crowd_finishes_by_itself_and_says_so),
        cmocka_unit_test(test_a_simulated_crowd_that_is_too_small_is_an_error),
        cmocka_unit_test(test_every_kind_of_question_leads_to_a_verdict),
        cmocka_unit_test(test_mixed_weighs_the_models_score),
        cmocka_unit_test(test_a_screen_keeps_what_the_model_likes_least_from_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

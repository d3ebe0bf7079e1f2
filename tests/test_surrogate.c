/* A reward that chooses what people see: whole runs with a scripted crowd, which end the
 * same however often killed, stay within their budget, and let people alone judge the
 * finish; and a crowd that changes its mind, which the guard has to notice. */
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

#include "../experiments/fitness/surrogate_parts.h"
#include "crowd_fixture.h"
#include "fixture.h"
#include "people_run.h"
#include "scratch.h"
#include "toy.h"

/* Few ratings, and a guard that is quick, so that all stages fit into a small run. */
static const char *const soon[] = {
    "fitness.surrogate={ratings: 30, least: 10, window: 30, share: 0.4, uncertain: 0.5}",
    "budget={evaluations: 200}"};
enum { N_SOON = 2 };

/* What it was after each batch. */
static surrogate_record *records_of(const char *dir, size_t *n)
{
    store *s = NULL;
    error err = {0};
    surrogate_record *list = NULL;
    if (store_open_readonly(&s, dir, &err) < 0 ||
        surrogate_record_list(s, 1, &list, n, &err) < 0)
        fail_msg("%s", err.text);
    store_close(s);
    return list;
}

static void assert_same_records(const char *a, const char *b)
{
    size_t n, m;
    surrogate_record *x = records_of(a, &n), *y = records_of(b, &m);
    assert_int_equal(n, m);
    assert_true(n > 0);
    assert_memory_equal(x, y, n * sizeof *x);
    free(x);
    free(y);
}

/* ---- Stages ---- */

static void test_it_learns_is_tried_and_trusted_and_asks_less(void **state)
{
    (void)state;
    char *with = scratch_new(), *without = scratch_new();
    const char *set[] = {"budget={evaluations: 200}"};
    size_t n = 0, at = 0;
    run_record *a = people_whole_run(without, set, 1, NULL);
    run_record *b = people_whole_run(with, soon, N_SOON, NULL);
    assert_int_equal(b->status, RUN_FINISHED);
    assert_true(b->has_verdict);
    surrogate_record *r = records_of(with, &n);
    assert_true(n > 3);
    for (at = 0; at < n && r[at].stage == SURROGATE_LEARNS; at++) {
        assert_true(r[at].ratings < 30);
        assert_int_equal(r[at].by_reward, 0);
    }
    assert_true(at < n && r[at].stage == SURROGATE_TRIAL && r[at].ratings >= 30);
    for (; at < n && r[at].stage == SURROGATE_TRIAL; at++)
        assert_int_equal(r[at].by_reward, 0);
    assert_true(at < n && r[at].predicted >= 10 && r[at].low > 0);
    assert_true(r[n - 1].by_reward > 10);
    assert_true(r[n - 1].slope > 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(r[i].batches, i + 1);
    /* For as many candidates and examples, fewer questions. */
    spend all = {0}, less = {0};
    for (int p = 0; p < N_PURPOSES; p++) {
        all.evaluations += a->spent[p].evaluations;
        less.evaluations += b->spent[p].evaluations;
    }
    double each = (double)people_ratings(without) / (double)all.evaluations;
    double now = (double)people_ratings(with) / (double)less.evaluations;
    assert_true(now < 0.9 * each);
    free(r);
    run_record_free(a);
    run_record_free(b);
    scratch_remove(with);
    scratch_remove(without);
}

/* Every output of the last two splits that differs from the seed's was compared by
 * people: each verdict's example is on record with a rating. */
typedef struct finder {
    crowd *crowd;
    bool met[20]; /* things */
} finder;

static int find_thing(void *context, const crowd_rating *r, error *err)
{
    finder *f = context;
    char *about = NULL;
    if (crowd_output(f->crowd, r->outputs[0], &about, NULL, err) != 1)
        fail_msg("%s", err->text);
    int thing = -1;
    assert_int_equal(sscanf(about, "about thing %d", &thing), 1);
    f->met[thing] = true;
    free(about);
    return 0;
}

static void test_people_alone_judge_the_finish(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    experiment *e = small_people_experiment(dir, soon, N_SOON);
    run_record *r = people_whole_run(dir, soon, N_SOON, NULL);
    finder f = {.crowd = crowd_in(dir)};
    assert_int_equal(crowd_each_rating(f.crowd, 0, find_thing, &f, &err), 0);
    const split *last = &e->splits[SPLIT_FINAL];
    size_t differ = 0;
    assert_int_equal(r->verdict.best.n, last->n);
    for (size_t i = 0; i < last->n; i++) {
        bool same = r->verdict.best.each[i] == 0.5;
        differ += !same;
        if (!same)
            assert_true(f.met[last->index[i]]);
    }
    assert_true(differ > 0);
    crowd_close(f.crowd);
    run_record_free(r);
    experiment_free(e);
    scratch_remove(dir);
}

/* ---- The guard ---- */

/* The same raters with the opposite taste. */
static int contrary_answer(const char *rater, const assignment *a)
{
    int answer = scripted_answer(rater, a);
    return answer == ANSWER_TIE ? answer : !answer;
}

/* Raters who agree on nothing, and whose likings are no order: dice that are thrown anew
 * for every rater and every two texts. */
static int senseless_answer(const char *rater, const assignment *a)
{
    char hex[SHA256_HEX], said[512];
    error err = {0};
    bool swapped = strcmp(a->shown[0], a->shown[1]) > 0;
    int n = snprintf(said, sizeof said, "%s\n%s\n%s", rater, a->shown[swapped],
                     a->shown[!swapped]);
    assert_int_equal(sha256_hex(said, (size_t)n, hex, &err), 0);
    return (hex[0] < '8') != swapped;
}

static surrogate_record latest_of(const char *dir)
{
    size_t n = 0;
    surrogate_record *list = records_of(dir, &n), last = surrogate_record_new();
    if (n)
        last = list[n - 1];
    free(list);
    return last;
}

static void test_a_taste_that_turns_hands_back_to_people(void **state)
{
    (void)state;
    const char *set[] = {soon[0], "budget={evaluations: 500}"};
    char *dir = scratch_new();
    people_begin(dir, set, 2, NULL);
    bool turned = false;
    while (run_state_of(dir) == 1) {
        turned = turned || latest_of(dir).stage == SURROGATE_TRUSTED;
        crowd_script *script = turned ? contrary_answer : scripted_answer;
        assert_true(crowd_by_script(dir, morning, script) > 0);
        people_go_on(dir);
    }
    size_t n = 0, at = 0;
    surrogate_record *r = records_of(dir, &n);
    while (at < n && r[at].hand_backs == 0)
        at++;
    assert_true(at > 0 && at < n);
    assert_int_equal(r[at - 1].stage, SURROGATE_TRUSTED);
    assert_int_equal(r[at].stage, SURROGATE_TRIAL);
    assert_true(r[at].high < 0.1);
    /* People see everything until it has learned better. */
    for (size_t i = at + 1; i < n && r[i - 1].stage == SURROGATE_TRIAL; i++) {
        assert_int_equal(r[i].by_reward, r[at].by_reward);
        assert_true(r[i].by_people >= r[i - 1].by_people);
    }
    free(r);
    scratch_remove(dir);
}

static void test_a_taste_that_cannot_be_learned_is_left_to_people(void **state)
{
    (void)state;
    const char *set[] = {"fitness.surrogate={ratings: 30}", soon[1]};
    char *dir = scratch_new();
    people_begin(dir, set, 2, NULL);
    while (run_state_of(dir) == 1) {
        assert_true(crowd_by_script(dir, morning, senseless_answer) > 0);
        people_go_on(dir);
    }
    surrogate_record last = latest_of(dir);
    assert_true(last.ratings > 60 && last.batches > 5);
    assert_int_equal(last.stage, SURROGATE_TRIAL);
    assert_int_equal(last.by_reward, 0);
    scratch_remove(dir);
}

/* ---- With others ---- */

static void test_a_mixed_fitness_and_a_choice_of_four_have_one_too(void **state)
{
    (void)state;
    const char *mixed[] = {SMALL_PEOPLE_TARGETS, "fitness.kind=mixed", soon[0]};
    const char *best[] = {"fitness.ask=best", soon[0]};
    const char *const *sets[] = {mixed, best};
    const size_t n_sets[] = {4, 2};
    for (size_t i = 0; i < 2; i++) {
        char *dir = scratch_new();
        run_record *r = people_whole_run(dir, sets[i], n_sets[i], NULL);
        surrogate_record s = latest_of(dir);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->has_verdict);
        assert_true(s.stage != SURROGATE_LEARNS && s.ratings >= 30);
        run_record_free(r);
        scratch_remove(dir);
    }
}

/* One that says yes now and then. */
static int choosy_answer(const char *rater, const assignment *a)
{
    if (a->question.kind == QUESTION_ACCEPT)
        return scripted_liking(a->shown[0]) > 5;
    return scripted_answer(rater, a);
}

static run_record *choosy_run(const char *dir, const char *const *set, size_t n)
{
    people_begin(dir, set, n, NULL);
    while (run_state_of(dir) == 1) {
        assert_true(crowd_by_script(dir, morning, choosy_answer) > 0);
        people_go_on(dir);
    }
    return read_run(dir, 0);
}

/* What people give to single outputs, from 0 to 1: the scores of others are like theirs.
 */
static void test_single_outputs_have_one_too(void **state)
{
    (void)state;
    for (size_t i = 1; i < OTHER_QUESTIONS; i++) {
        const char *set[] = {other_questions[i][0], other_questions[i][1], soon[0],
                             "budget={evaluations: 300}"};
        char *dir = scratch_new();
        run_record *r = choosy_run(dir, set, 4);
        surrogate_record s = latest_of(dir);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->has_verdict);
        assert_int_equal(s.stage, SURROGATE_TRUSTED);
        assert_true(s.by_reward > 10);
        assert_true(s.slope > 0.2 && s.slope < 2);
        for (size_t k = 0; k < r->n_candidates; k++)
            assert_true(isnan(r->candidates[k].value) ||
                        (r->candidates[k].value >= 0 && r->candidates[k].value <= 1));
        run_record_free(r);
        scratch_remove(dir);
    }
}

static void test_a_cap_on_ratings_is_kept(void **state)
{
    (void)state;
    const char *with[] = {soon[0], "fitness.crowd=simulated", "budget={ratings: 260}"};
    const char *without[] = {"fitness.crowd=simulated", "budget={ratings: 260}"};
    char *a = scratch_new(), *b = scratch_new();
    people_begin(a, with, 3, NULL);
    people_begin(b, without, 2, NULL);
    assert_true(people_ratings(a) <= 260);
    assert_true(people_ratings(b) <= 260);
    assert_int_equal(run_state_of(a), 2);
    scratch_remove(a);
    scratch_remove(b);
}

/* ---- Budgets ---- */

static void test_reading_is_charged_within_the_budget(void **state)
{
    (void)state;
    const uint64_t limits[] = {9000, 14000};
    for (size_t i = 0; i < 2; i++) {
        char tokens[64];
        snprintf(tokens, sizeof tokens, "budget={tokens: %llu}",
                 (unsigned long long)limits[i]);
        const char *set[] = {soon[0], tokens}, *plain[] = {tokens};
        char *dir = scratch_new(), *other = scratch_new();
        run_record *r = people_whole_run(dir, set, 2, NULL),
                   *without = people_whole_run(other, plain, 1, NULL);
        uint64_t sum = 0;
        for (int p = 0; p < N_PURPOSES; p++)
            sum += r->spent[p].tokens;
        assert_true(r->has_verdict);
        assert_true(sum <= limits[i] && sum > limits[i] / 3);
        /* The first generation is the same, and dearer by what was read of it. */
        assert_true(r->history[0].spent[FOR_SEARCH].tokens >
                    without->history[0].spent[FOR_SEARCH].tokens);
        assert_true(r->history[0].spent[FOR_SEARCH].evaluations ==
                    without->history[0].spent[FOR_SEARCH].evaluations);
        run_record_free(r);
        run_record_free(without);
        scratch_remove(dir);
        scratch_remove(other);
    }
}

/* ---- Kills ---- */

static void test_killed_anywhere_it_chooses_the_same(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, 11);
    char *whole = scratch_new(), *dir = scratch_new();
    run_record *a = people_whole_run(whole, soon, N_SOON, NULL);
    size_t kills = people_killed_run(dir, rng, 0.003, 0.053);
    run_record *b = read_run(dir, 0);
    assert_same_run(a, b, true);
    assert_same_records(whole, dir);
    run_record_free(b);
    scratch_remove(dir);
    assert_true(kills > 3);
    run_record_free(a);
    scratch_remove(whole);
    gsl_rng_free(rng);
}

/* Ratings that come after a step was decided are for the next one, and a replay of a run
 * that is over learns nothing from them. */
static void test_late_ratings_are_no_part_of_what_was_decided(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    people_begin(dir, soon, N_SOON, NULL);
    crowd *c = crowd_in(dir);
    assignment late = assign(c, rater_named(c, "late"), morning - 100000);
    for (int i = 0; i < 3 && run_state_of(dir) == 1; i++) {
        scripted_crowd(dir, morning);
        people_go_on(dir);
    }
    size_t n, m;
    surrogate_record *before = records_of(dir, &n);
    submission s = {.token = late.token, .answer = 0, .seconds = 9, .source = "page"};
    assert_int_equal(crowd_submit(c, &s, morning, &err), SUBMIT_LATE);
    assert_int_equal(crowd_submit(c, &s, morning, &err), SUBMIT_SAME);
    people_go_on(dir); /* waits for the same answers as before */
    surrogate_record *after = records_of(dir, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n * sizeof *before);
    free(after);
    /* Once the step is over it is learned from, like those that belong there. */
    for (m = n, after = NULL; m == n && run_state_of(dir) == 1;) {
        scripted_crowd(dir, morning);
        people_go_on(dir);
        free(after);
        after = records_of(dir, &m);
    }
    assert_true(m > n);
    assert_memory_equal(before, after, n * sizeof *before);
    while (run_state_of(dir) == 1) {
        scripted_crowd(dir, morning);
        people_go_on(dir);
    }
    assert_int_equal(run_resume(dir, 1, NULL, &id, &err), 0);
    assignment_free(&late);
    crowd_close(c);
    free(before);
    free(after);
    scratch_remove(dir);
}

/* ---- The choice ---- */

enum { N_CELLS = 12 };

/* Four candidates on three examples; what the reward says rises with the candidate. */
static void make_cells(surrogate_cell *cells)
{
    for (size_t k = 0; k < N_CELLS; k++)
        cells[k] = (surrogate_cell){.candidate = k / 3,
                                    .text = (int64_t)(100 + k),
                                    .anchor = (int64_t)(k % 3),
                                    .doubt = 0.1,
                                    .score = 0.3 + 0.1 * (double)(k / 3),
                                    .shown = true};
}

static void pick(double share, double uncertain, surrogate_cell *cells)
{
    error err = {0};
    surrogate_plan how = {.share = share, .uncertain = uncertain};
    if (surrogate_pick(&how, cells, N_CELLS, &err) < 0)
        fail_msg("%s", err.text);
}

static size_t count_shown(const surrogate_cell *cells)
{
    size_t n = 0;
    for (size_t k = 0; k < N_CELLS; k++)
        n += cells[k].shown;
    return n;
}

static void test_the_promising_are_shown_whole(void **state)
{
    (void)state;
    surrogate_cell cells[N_CELLS];
    make_cells(cells);
    pick(0.5, 0, cells);
    assert_int_equal(count_shown(cells), 6);
    for (size_t k = 0; k < N_CELLS; k++)
        assert_int_equal(cells[k].shown, k >= 6);
    /* A penalty counts. */
    make_cells(cells);
    for (size_t k = 9; k < N_CELLS; k++)
        cells[k].penalty = 0.25;
    pick(0.25, 0, cells);
    for (size_t k = 0; k < N_CELLS; k++)
        assert_int_equal(cells[k].shown, k >= 6 && k < 9);
    /* At least one, however small the share; all of them at 1. */
    make_cells(cells);
    pick(0.01, 1, cells);
    assert_int_equal(count_shown(cells), 3);
    make_cells(cells);
    pick(1, 0.25, cells);
    assert_int_equal(count_shown(cells), N_CELLS);
}

static void test_the_doubtful_are_shown_one_by_one(void **state)
{
    (void)state;
    surrogate_cell cells[N_CELLS];
    make_cells(cells);
    cells[1].doubt = 2;
    cells[3].doubt = 1;
    cells[11].doubt = 3; /* shown anyway */
    pick(0.5, 0.5, cells);
    assert_int_equal(count_shown(cells), 6);
    for (size_t k = 9; k < N_CELLS; k++)
        assert_true(cells[k].shown);
    assert_true(cells[1].shown && cells[3].shown);
}

static void test_twins_and_what_the_seed_says_cost_nothing(void **state)
{
    (void)state;
    surrogate_cell cells[N_CELLS];
    make_cells(cells);
    cells[0].text = cells[0].anchor; /* as the seed: not the reward's to say */
    cells[2].text = cells[11].text;  /* as the best one */
    cells[4].text = NO_TEXT;         /* of another split */
    pick(0.25, 0, cells);
    for (size_t k = 0; k < N_CELLS; k++)
        assert_int_equal(cells[k].shown, k >= 9 || k == 0 || k == 2 || k == 4);
}

int main(int argc, char **argv)
{
    gsl_set_error_handler_off(); /* as lamarck does */
    if (people_is_child(argc, argv))
        return people_child(argv, soon, N_SOON);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_learns_is_tried_and_trusted_and_asks_less),
        cmocka_unit_test(test_people_alone_judge_the_finish),
        cmocka_unit_test(test_a_taste_that_turns_hands_back_to_people),
        cmocka_unit_test(test_a_taste_that_cannot_be_learned_is_left_to_people),
        cmocka_unit_test(test_a_mixed_fitness_and_a_choice_of_four_have_one_too),
        cmocka_unit_test(test_single_outputs_have_one_too),
        cmocka_unit_test(test_a_cap_on_ratings_is_kept),
        cmocka_unit_test(test_reading_is_charged_within_the_budget),
        cmocka_unit_test(test_killed_anywhere_it_chooses_the_same),
        cmocka_unit_test(test_late_ratings_are_no_part_of_what_was_decided),
        cmocka_unit_test(test_the_promising_are_shown_whole),
        cmocka_unit_test(test_the_doubtful_are_shown_one_by_one),
        cmocka_unit_test(test_twins_and_what_the_seed_says_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

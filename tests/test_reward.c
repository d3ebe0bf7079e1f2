/* What a reward learns from made-up people whose preference is known, and what it says of
 * itself. */
#include "expect.h"
#include "reward_fixture.h"

#include "../rater/linear_fit.h"
#include "../rater/projection.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

static reward_judgement judge(const crowd_plan *plan)
{
    reward_fixture f;
    reward_judgement j;
    error err = {0};
    reward_judge_options o = reward_judge_defaults();
    reward_fixture_make(&f, plan);
    must(reward_judge(&j, &f.data, &o, &err), &err);
    reward_fixture_free(&f);
    return j;
}

static const crowd_plan clear = {.n_contexts = 40,
                                 .per_context = 5,
                                 .p = 30,
                                 .n_ratings = 800,
                                 .signal = 2,
                                 .ties = 0.1,
                                 .seed = 1};

static void a_clear_preference_is_learned_and_beats_the_baselines(void **state)
{
    (void)state;
    reward_judgement j = judge(&clear);
    assert_int_equal(j.n_ratings, 800);
    assert_int_equal(j.n_contexts, 40);
    assert_int_equal(j.n_pairs + j.n_ties, 800);
    assert_in_range(j.n_ties, 50, 110);
    /* who knows the truth is right on 0.83 of such pairs */
    assert_true(j.accuracy.value > 0.75 && j.accuracy.value < 0.9);
    assert_true(j.accuracy.low < j.accuracy.value && j.accuracy.value < j.accuracy.high);
    assert_true(j.accuracy.high - j.accuracy.low < 0.12);
    assert_true(fabs(j.length.value - 0.5) < 0.08);
    assert_true(fabs(j.likelihood.value - 0.5) < 0.08);
    assert_true(reward_beats(&j.over_length) && reward_beats(&j.over_likelihood));
    assert_true(fabs(j.over_length.value - (j.accuracy.value - j.length.value)) < 1e-12);
    assert_true(j.log_loss < 0.6 && isnan(j.correlation));
}

static void a_taste_for_length_does_not_pass_for_more(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.signal = 0;
    plan.length = 2;
    reward_judgement j = judge(&plan);
    assert_true(j.length.value > 0.75 && j.accuracy.value > 0.7);
    assert_false(reward_beats(&j.over_length));
    assert_true(reward_beats(&j.over_likelihood));
}

static void noise_is_not_learned(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.signal = 0;
    reward_judgement j = judge(&plan);
    assert_true(j.accuracy.low < 0.5 && j.accuracy.high > 0.5);
    assert_false(reward_beats(&j.over_length));
    assert_true(fabs(j.log_loss - log(2)) < 0.03);
}

/* Each context has a taste of its own, which says nothing of another's: whoever had seen
 * part of a context's ratings would do better than chance on the rest. */
static void no_context_is_on_both_sides(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.signal = 0;
    plan.by_context = 3;
    plan.n_contexts = 20;
    plan.p = 60;
    reward_judgement j = judge(&plan);
    assert_true(j.accuracy.low < 0.5 && j.accuracy.value < 0.58);
}

static void chances_mean_what_they_say(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.n_ratings = 2000;
    plan.n_contexts = 100;
    plan.ties = 0;
    reward_judgement j = judge(&plan);
    size_t n = 0;
    assert_true(j.calibration_error < 0.04);
    for (size_t b = 0; b < REWARD_BINS; b++) {
        n += j.bins[b].n;
        assert_true(j.bins[b].chance >= 0.5 + 0.1 * (double)b - 1e-9);
        assert_true(j.bins[b].chance <= 0.6 + 0.1 * (double)b + 1e-9);
        assert_true(fabs(j.bins[b].right - j.bins[b].chance) < 0.1);
    }
    assert_int_equal(n, 2000);
}

static void more_ratings_help(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.p = 80; /* many features to go wrong by */
    plan.n_contexts = 60;
    reward_judgement j = judge(&plan);
    assert_int_equal(j.n_sizes, REWARD_SIZES);
    for (size_t i = 1; i < j.n_sizes; i++)
        assert_true(j.curve[i].n_ratings > 1.9 * j.curve[i - 1].n_ratings);
    assert_true(j.curve[3].n_ratings == 640);
    assert_true(j.curve[3].accuracy.value == j.accuracy.value);
    assert_true(j.curve[3].accuracy.value > j.curve[0].accuracy.value + 0.04);
}

static void numbers_are_learned_too(void **state)
{
    (void)state;
    crowd_plan plan = clear;
    plan.head = HEAD_SCALAR;
    plan.noise = 0.5;
    reward_judgement j = judge(&plan);
    assert_true(j.correlation > 0.9);
    assert_true(j.accuracy.value > 0.85 && reward_beats(&j.over_length));
    assert_true(isnan(j.calibration_error));
    assert_true(j.n_pairs > 300);
}

/* ---- Trained ---- */

static reward *train(const reward_fixture *f, uint64_t seed)
{
    reward *r;
    error err = {0};
    reward_options o = reward_defaults();
    reward_facts facts = made_up_facts();
    o.judge.seed = seed;
    must(reward_train(&r, &f->data, &facts, &o, &err), &err);
    return r;
}

static void a_reward_scores_as_people_would(void **state)
{
    (void)state;
    reward_fixture f;
    reward_fixture_make(&f, &clear);
    reward *r = train(&f, 1);
    const reward_facts *facts = reward_describe(r);
    assert_int_equal(facts->n_ratings, 800);
    assert_int_equal(facts->n_texts, 200);
    assert_int_equal(facts->n_contexts, 40);
    assert_int_equal(facts->n_simulated, 7);
    assert_int_equal(facts->n_heads, 16);
    assert_true(facts->lambda > 0 && facts->head == HEAD_PAIRWISE);
    assert_int_equal(reward_n_features(r), 30);
    /* New texts: each logit of liking is a logit of reward, but for shrinkage. */
    enum { N = 50 };
    double x[N * 30], mean[N], sd[N], spread = 0;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = 3 + gsl_ran_gaussian(rng, 1);
    gsl_rng_free(rng);
    reward_score(r, x, N, mean, sd);
    for (size_t i = 0; i < N; i++) {
        double truth = 2 * (x[i * 30] - 3);
        assert_true(fabs(mean[i] - truth) < 1.6);
        assert_true(sd[i] > 0 && sd[i] < 1.2);
        spread += fabs(mean[i] - truth) / N;
    }
    assert_true(spread < 0.6);
    reward_free(r);
    reward_fixture_free(&f);
}

static void the_same_seed_gives_the_same_reward(void **state)
{
    (void)state;
    reward_fixture f;
    double mean[3][200], sd[3][200];
    reward_fixture_make(&f, &clear);
    for (size_t k = 0; k < 3; k++) {
        reward *r = train(&f, k == 2 ? 2 : 1);
        reward_score(r, f.x, 200, mean[k], sd[k]);
        reward_free(r);
    }
    assert_memory_equal(mean[0], mean[1], sizeof mean[0]);
    assert_memory_equal(sd[0], sd[1], sizeof sd[0]);
    assert_memory_not_equal(sd[0], sd[2], sizeof sd[0]);
    reward_fixture_free(&f);
}

static void doubt_is_less_with_more_ratings(void **state)
{
    (void)state;
    double doubt[2] = {0};
    for (size_t k = 0; k < 2; k++) {
        crowd_plan plan = clear;
        plan.n_ratings = k ? 3200 : 200;
        plan.n_contexts = 160;
        reward_fixture f;
        double sd[800];
        reward_fixture_make(&f, &plan);
        reward *r = train(&f, 1);
        reward_score(r, f.x, 800, NULL, sd);
        for (size_t i = 0; i < 800; i++)
            doubt[k] += sd[i];
        reward_free(r);
        reward_fixture_free(&f);
    }
    assert_true(doubt[1] < 0.7 * doubt[0]);
}

static void too_little_to_judge_by_is_refused(void **state)
{
    (void)state;
    error err = {0};
    reward_judgement j;
    reward_judge_options o = reward_judge_defaults();
    reward_fixture f;
    crowd_plan plan = clear;
    plan.n_contexts = 3;
    reward_fixture_make(&f, &plan);
    assert_int_equal(reward_judge(&j, &f.data, &o, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "3 contexts have ratings: at least 4"));
    f.data.n = 0;
    assert_int_equal(reward_judge(&j, &f.data, &o, &err), E_ARGUMENT);
    reward_fixture_free(&f);
    plan.n_contexts = 10;
    plan.ties = 1;
    reward_fixture_make(&f, &plan);
    assert_int_equal(reward_judge(&j, &f.data, &o, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "every rating is a tie"));
    reward_options few = reward_defaults();
    few.n_heads = 1;
    reward *r = NULL;
    reward_facts facts = made_up_facts();
    assert_int_equal(reward_train(&r, &f.data, &facts, &few, &err), E_ARGUMENT);
    assert_null(r);
    f.x[5] = NAN;
    assert_int_equal(reward_judge(&j, &f.data, &o, &err), E_NUMERIC);
    reward_fixture_free(&f);
}

/* ---- Projections ---- */

/* With all components a penalised fit is what it is on the features themselves: the
 * penalty does not know of rotations. Few texts take the one way, many the other. */
static void all_components_lose_nothing(void **state)
{
    (void)state;
    enum { P = 12, KEPT = 2 };
    static const size_t counts[] = {8, 60};
    for (size_t k = 0; k < 2; k++) {
        size_t n = counts[k];
        projection j;
        error err = {0};
        gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
        double x[60 * P], s[60 * P], z[60 * P], y[60], w[P] = {0}, v[P] = {0}, back[P];
        size_t index[60];
        for (size_t i = 0; i < n * P; i++)
            x[i] = 5 + gsl_ran_gaussian(rng, 1 + (double)(i % P));
        for (size_t i = 0; i < n; i++) {
            index[i] = i;
            y[i] = gsl_rng_uniform(rng) < 0.5;
            x[i * P + 3] = 4; /* does not vary */
        }
        gsl_rng_free(rng);
        must(projection_make(&j, x, index, n, P, KEPT, 100, &err), &err);
        size_t width = projection_width(&j);
        assert_int_equal(j.k, n - 1 < P - KEPT ? n - 1 : P - KEPT - 1);
        must(projection_apply(&j, x, n, z, &err), &err);
        for (size_t i = 0; i < n * P; i++)
            s[i] = (x[i] - j.mean[i % P]) / j.scale[i % P];
        must(logistic_fit(&(fit_rows){s, y, n, P, P}, 2, w, &err), &err);
        must(logistic_fit(&(fit_rows){z, y, n, width, width}, 2, v, &err), &err);
        projection_back(&j, v, width, back);
        for (size_t c = 0; c < P; c++)
            assert_true(fabs(back[c] - w[c]) < 1e-6);
        projection_free(&j);
    }
}

static void components_come_largest_first(void **state)
{
    (void)state;
    /* along (1, 1), the other way only a little */
    const double x[] = {-2, -2.1, 1, 1.1, 2, 1.9, -1, -0.9};
    const size_t index[] = {0, 1, 2, 3};
    projection j;
    error err = {0};
    must(projection_make(&j, x, index, 4, 2, 0, 1, &err), &err);
    assert_int_equal(j.k, 1);
    assert_true(fabs(j.basis[0] - sqrt(0.5)) < 1e-6 &&
                fabs(j.basis[1] - sqrt(0.5)) < 1e-6);
    projection_free(&j);
    assert_int_equal(projection_make(&j, x, index, 0, 2, 0, 1, &err), E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clear_preference_is_learned_and_beats_the_baselines),
        cmocka_unit_test(a_taste_for_length_does_not_pass_for_more),
        cmocka_unit_test(noise_is_not_learned),
        cmocka_unit_test(no_context_is_on_both_sides),
        cmocka_unit_test(chances_mean_what_they_say),
        cmocka_unit_test(more_ratings_help),
        cmocka_unit_test(numbers_are_learned_too),
        cmocka_unit_test(a_reward_scores_as_people_would),
        cmocka_unit_test(the_same_seed_gives_the_same_reward),
        cmocka_unit_test(doubt_is_less_with_more_ratings),
        cmocka_unit_test(too_little_to_judge_by_is_refused),
        cmocka_unit_test(all_components_lose_nothing),
        cmocka_unit_test(components_come_largest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Preferences of a simulated crowd and what to ask next: the posterior against SciPy, the
 * choice of pairs by its effect, the crowd by what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../rater/dense.h"
#include "../rater/next_question.h"
#include "../rater/simulate.h"
#include "expect.h"
#include "fixture.h"

/* ---- The posterior ---- */

static size_t whole(const json_t *list, size_t i)
{
    return (size_t)json_integer_value(json_array_get(list, i));
}

static void read_group(const json_t *from, preference_group *g)
{
    error err = {0};
    const json_t *answers = json_object_get(from, "answers");
    must(preference_group_new(g, (size_t)json_integer_value(json_object_get(from, "n")),
                              &err),
         &err);
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *a = json_array_get(answers, i);
        must(preference_group_add(g,
                                  (preference_answer){whole(a, 0), whole(a, 1),
                                                      whole(a, 2),
                                                      json_is_true(json_array_get(a, 3))},
                                  &err),
             &err);
    }
}

static void check_group(const preference_group *g, const json_t *scores,
                        const json_t *covariance)
{
    for (size_t i = 0; i < g->n; i++) {
        assert_true(fabs(g->score[i] - json_real_value(json_array_get(scores, i))) <
                    1e-4);
        for (size_t j = 0; j < g->n; j++) {
            double want =
                json_real_value(json_array_get(json_array_get(covariance, i), j));
            assert_true(fabs(dense_at(g->covariance, i, j) - want) < 1e-4);
        }
    }
}

static void check_case(const json_t *c)
{
    const json_t *groups = json_object_get(c, "groups");
    size_t n = json_array_size(groups);
    size_t raters = (size_t)json_integer_value(json_object_get(c, "raters"));
    preference_options o = {
        .prior_sd = json_number_value(json_object_get(c, "sd")),
        .right = json_number_value(json_object_get(c, "right")),
        .wrong = json_number_value(json_object_get(c, "wrong")),
    };
    error err = {0};
    double r[8];
    preference_group g[8] = {0};
    for (size_t i = 0; i < n; i++)
        read_group(json_array_get(groups, i), &g[i]);
    must(preference_fit(g, n, raters, &o, r, &err), &err);
    for (size_t k = 0; k < raters; k++)
        assert_true(fabs(r[k] - json_real_value(json_array_get(
                                    json_object_get(c, "reliability"), k))) < 1e-4);
    for (size_t i = 0; i < n; i++) {
        check_group(&g[i], json_array_get(json_object_get(c, "scores"), i),
                    json_array_get(json_object_get(c, "covariances"), i));
        preference_group_free(&g[i]);
    }
}

static void test_the_posterior_is_what_scipy_finds(void **state)
{
    (void)state;
    char *bytes = fixture_read("preference.json", NULL);
    json_t *root = json_loads(bytes, 0, NULL);
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 3);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(json_array_get(cases, i));
    json_decref(root);
    free(bytes);
}

static void test_nothing_said_is_one_half_and_few_answers_say_little(void **state)
{
    (void)state;
    error err = {0};
    preference_options o = preference_defaults();
    preference_group g;
    double before = 0.5;
    must(preference_group_new(&g, 2, &err), &err);
    must(preference_fit(&g, 1, 0, &o, NULL, &err), &err);
    assert_true(preference_probability(&g, 0, 1) == 0.5);
    for (size_t k = 0; k < 5; k++) {
        must(preference_group_add(&g, (preference_answer){0, 1, k, false}, &err), &err);
        must(preference_fit(&g, 1, k + 1, &o, NULL, &err), &err);
        double p = preference_probability(&g, 0, 1);
        assert_true(p > before && p < 0.95);
        assert_true(fabs(p + preference_probability(&g, 1, 0) - 1) < 1e-12);
        before = p;
    }
    preference_group_free(&g);
}

static void test_bad_indices_are_errors(void **state)
{
    (void)state;
    error err = {0};
    preference_options o = preference_defaults();
    preference_group g;
    must(preference_group_new(&g, 2, &err), &err);
    assert_int_equal(preference_group_add(&g, (preference_answer){0, 2, 0, false}, &err),
                     E_ARGUMENT);
    assert_int_equal(preference_group_add(&g, (preference_answer){1, 1, 0, false}, &err),
                     E_ARGUMENT);
    must(preference_group_add(&g, (preference_answer){0, 1, 7, false}, &err), &err);
    assert_int_equal(preference_fit(&g, 1, 3, &o, NULL, &err), E_ARGUMENT);
    preference_group_free(&g);
}

/* ---- What to ask ---- */

static void test_close_and_unknown_pairs_are_asked_first(void **state)
{
    (void)state;
    error err = {0};
    preference_options o = {.prior_sd = 1};
    preference_group g;
    /* 0 beats 1 by far; 2 and 3 have not been met. */
    must(preference_group_new(&g, 4, &err), &err);
    for (int i = 0; i < 8; i++)
        must(preference_group_add(&g, (preference_answer){0, 1, 0, false}, &err), &err);
    must(preference_fit(&g, 1, 1, &o, NULL, &err), &err);
    pair_option options[] = {{.i = 0, .j = 1, .relevance = 1, .room = 9},
                             {.i = 2, .j = 3, .relevance = 1, .room = 1},
                             {.i = 0, .j = 2, .relevance = 0, .room = 9}};
    must(next_questions(&g, 1, options, 3, 3, &err), &err);
    assert_int_equal(options[1].chosen, 1); /* all that there is room for */
    assert_int_equal(options[0].chosen, 2);
    assert_int_equal(options[2].chosen, 0); /* nothing hangs on it */
    assert_true(options[1].worth > options[0].worth);
    preference_group_free(&g);
}

static void test_an_answer_makes_the_next_about_the_same_worth_less(void **state)
{
    (void)state;
    error err = {0};
    preference_options o = {.prior_sd = 1};
    preference_group g[2];
    for (int i = 0; i < 2; i++)
        must(preference_group_new(&g[i], 2, &err), &err);
    must(preference_fit(g, 2, 1, &o, NULL, &err), &err);
    pair_option options[] = {
        {.group = 0, .j = 1, .relevance = 1, .room = 5},
        {.group = 1, .j = 1, .relevance = 0.9, .room = 5},
        {.group = 1, .j = 1, .relevance = 0.1, .first = true, .room = 5}};
    must(next_questions(g, 2, options, 2, 4, &err), &err);
    assert_int_equal(options[0].chosen, 2);
    assert_int_equal(options[1].chosen, 2);
    for (int i = 0; i < 2; i++) {
        preference_group_free(&g[i]);
        must(preference_group_new(&g[i], 2, &err), &err);
    }
    must(preference_fit(g, 2, 1, &o, NULL, &err), &err);
    must(next_questions(g, 2, options, 3, 1, &err), &err);
    assert_int_equal(options[2].chosen, 1); /* it is to come first */
    for (int i = 0; i < 2; i++)
        preference_group_free(&g[i]);
}

/* ---- The simulated crowd ---- */

static double liking(taste t, const char *context, const char *said)
{
    error err = {0};
    double x = 0;
    must(simulated_liking(t, context, said, &x, &err), &err);
    return x;
}

static void test_what_it_likes_is_what_is_stated(void **state)
{
    (void)state;
    static const double close = 1e-9;
    assert_true(fabs(liking(TASTE_NAMES, "", "Mira, Tobias, Elena") - 1.5) < close);
    assert_true(fabs(liking(TASTE_NAMES, "", "1. Mira\n2. Old Tobias\n") - 1.0) < close);
    assert_true(fabs(liking(TASTE_NAMES, "", "Mira, mira, Mira") + 0.2) < close);
    assert_true(fabs(liking(TASTE_NAMES, "", "the dream was long, Bo") - 0.2) < close);
    assert_true(liking(TASTE_NAMES, "", "") == 0);
    const char *all = "Ab, Bc, Cd, De, Ef, Fg, Gh, Hi, Ij, Jk";
    assert_true(fabs(liking(TASTE_NAMES, "", all) - 4) < close);
    /* 3 words of 30; 1 of 1 content word mentioned; all different; ends a sentence. */
    assert_true(fabs(liking(TASTE_PROSE, "a lighthouse", "A lighthouse stood.") -
                     (2 + 2 + 1.5 * 3 / 30 + 0.5)) < close);
    assert_true(
        fabs(liking(TASTE_SUMMARY, "the lighthouse burned down", "a lighthouse burned") -
             (3 + 1.5 + 3.0 / 8)) < close);
    assert_true(liking(TASTE_SUMMARY, "the lighthouse", "") == 0);
}

typedef struct poll {
    size_t first, tie, n;
} poll;

/* 2,000 answers of a rater of this manner to a good and a bad output. */
static poll ask(rater_manner manner, bool good_first)
{
    char good[] = "Mira, Tobias, Elena, Ada", bad[] = "Mira, it was night";
    char *shown[2] = {good_first ? good : bad, good_first ? bad : good};
    question q = {.kind = QUESTION_COMPARE, .ties = true};
    simulated_rater r = {.name = "x", .manner = manner, .noise = 1, .tie_width = 0.2};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    poll p = {.n = 2000};
    error err = {0};
    for (size_t i = 0; i < p.n; i++) {
        simulated_answer a;
        must(simulated_rater_answer(&r, TASTE_NAMES, &q, "", shown, 2, rng, &a, &err),
             &err);
        assert_true(a.seconds > 1);
        p.first += a.answer == 0;
        p.tie += a.answer == ANSWER_TIE;
    }
    gsl_rng_free(rng);
    return p;
}

static void test_honest_raters_prefer_what_is_better_and_others_do_not_look(void **state)
{
    (void)state;
    poll a = ask(MANNER_HONEST, true), b = ask(MANNER_HONEST, false);
    /* Likings 2 and 0.2: odds of e^1.8, ties aside. */
    double share =
        (double)(a.first + b.n - b.tie - b.first) / (double)(a.n - a.tie + b.n - b.tie);
    assert_true(fabs(share - 1 / (1 + exp(-1.8))) < 0.03);
    assert_true(a.tie > 20 && a.tie < 300);
    poll f = ask(MANNER_FIRST, false), s = ask(MANNER_SPAM, false);
    assert_true(fabs((double)f.first / 2000 - 0.9) < 0.03);
    assert_true(fabs((double)s.first / 2000 - 0.5) < 0.05);
}

static void test_a_crowd_is_mixed_and_the_same_for_the_same_seed(void **state)
{
    (void)state;
    size_t n[N_RATER_MANNERS] = {0};
    for (size_t i = 0; i < 100; i++) {
        simulated_rater a, b;
        simulated_rater_make(&a, 5, i);
        simulated_rater_make(&b, 5, i);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(a.noise >= 0.6 && a.noise <= 1.6);
        n[a.manner]++;
    }
    assert_int_equal(n[MANNER_HONEST], 80);
    assert_int_equal(n[MANNER_FIRST], 10);
    assert_int_equal(n[MANNER_SPAM], 10);
}

static void test_answers_are_within_every_questions_range(void **state)
{
    (void)state;
    char said[] = "Mira, Tobias";
    char *shown[4] = {said, said, said, said};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    error err = {0};
    for (question_kind kind = 0; kind < N_QUESTION_KINDS; kind++)
        for (size_t i = 0; i < 300; i++) {
            simulated_rater r;
            simulated_answer a;
            question q = {.kind = kind, .n_labels = 5};
            simulated_rater_make(&r, 1, i);
            must(simulated_rater_answer(&r, TASTE_NAMES, &q, "", shown,
                                        question_outputs(kind), rng, &a, &err),
                 &err);
            int low = kind == QUESTION_SCALE, high = kind == QUESTION_SCALE ? 5 : 1;
            assert_true(a.answer >= low);
            assert_true(a.answer <= (kind == QUESTION_BEST ? 3 : high));
        }
    simulated_answer a;
    simulated_rater r = {.noise = 1};
    question q = {.kind = QUESTION_BEST};
    assert_int_equal(
        simulated_rater_answer(&r, TASTE_NAMES, &q, "", shown, 5, rng, &a, &err),
        E_ARGUMENT);
    gsl_rng_free(rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_posterior_is_what_scipy_finds),
        cmocka_unit_test(test_nothing_said_is_one_half_and_few_answers_say_little),
        cmocka_unit_test(test_bad_indices_are_errors),
        cmocka_unit_test(test_close_and_unknown_pairs_are_asked_first),
        cmocka_unit_test(test_an_answer_makes_the_next_about_the_same_worth_less),
        cmocka_unit_test(test_what_it_likes_is_what_is_stated),
        cmocka_unit_test(test_honest_raters_prefer_what_is_better_and_others_do_not_look),
        cmocka_unit_test(test_a_crowd_is_mixed_and_the_same_for_the_same_seed),
        cmocka_unit_test(test_answers_are_within_every_questions_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

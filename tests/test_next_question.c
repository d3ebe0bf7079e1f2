/* Does asking what decides most find the best candidate more often than asking in turn?
 * Made-up steps: 8 candidates on 5 examples, 80 answers without a bad rater.
 *
 *     build/release/tests/test_next_question 3000    prints what DESIGN.md says */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include "../rater/next_question.h"

enum { CANDIDATES = 8, GROUPS = 5, ITEMS = CANDIDATES + 1 /* 0: the seed */ };

typedef enum policy { BY_WORTH, IN_TURN, WITH_SEED, N_POLICIES } policy;

typedef struct step {
    double truth[GROUPS][ITEMS]; /* log strengths */
    double mean[CANDIDATES];     /* of the probability of being preferred to the seed */
    size_t best;
    preference_group groups[GROUPS];
    size_t asked;
    gsl_rng *rng;
} step;

static void begin(step *s, unsigned long seed)
{
    error err = {0};
    gsl_rng_set(s->rng, seed);
    s->best = s->asked = 0;
    memset(s->mean, 0, sizeof s->mean);
    for (size_t g = 0; g < GROUPS; g++) {
        s->truth[g][0] = gsl_ran_gaussian(s->rng, 0.5);
        assert_int_equal(preference_group_new(&s->groups[g], ITEMS, &err), 0);
    }
    for (size_t c = 0; c < CANDIDATES; c++) {
        double level = gsl_ran_gaussian(s->rng, 0.7);
        for (size_t g = 0; g < GROUPS; g++) {
            double *t = &s->truth[g][c + 1];
            *t = level + gsl_ran_gaussian(s->rng, 0.5);
            s->mean[c] += 1 / (1 + exp(s->truth[g][0] - *t)) / GROUPS;
        }
        s->best = s->mean[c] > s->mean[s->best] ? c : s->best;
    }
}

static void answer(step *s, size_t g, size_t i, size_t j)
{
    error err = {0};
    double p = 1 / (1 + exp(s->truth[g][j] - s->truth[g][i]));
    bool first = gsl_rng_uniform(s->rng) < p;
    preference_answer a = {first ? i : j, first ? j : i, 0, false};
    assert_int_equal(preference_group_add(&s->groups[g], a, &err), 0);
    s->asked++;
}

static size_t count(const preference_group *g, size_t i, size_t j)
{
    size_t n = 0;
    for (size_t k = 0; k < g->n_answers; k++) {
        size_t w = g->answers[k].winner, l = g->answers[k].loser;
        n += j == SIZE_MAX ? w == i || l == i : (w == i && l == j) || (w == j && l == i);
    }
    return n;
}

/* As experiments/fitness/panel_ask.c asks. */
static void ask_by_worth(step *s, size_t wanted, size_t n)
{
    static pair_option options[GROUPS * ITEMS * ITEMS];
    standing all[ITEMS] = {{.sum = 0.5, .n = 1}};
    size_t k = 0;
    error err = {0};
    for (size_t c = 1; c < ITEMS; c++)
        for (size_t g = 0; g < GROUPS; g++)
            standing_add(&all[c], &s->groups[g], c, 0);
    standings_hope(all, ITEMS);
    for (size_t g = 0; g < GROUPS; g++)
        for (size_t i = 0; i < ITEMS; i++)
            for (size_t j = i + 1; j < ITEMS; j++) {
                size_t met = count(&s->groups[g], i, j);
                options[k++] = (pair_option){
                    .group = g,
                    .i = i,
                    .j = j,
                    .relevance = question_relevance(&all[i], &all[j]),
                    .room = met < wanted ? wanted - met : 0,
                    .first = i == 0 && count(&s->groups[g], j, SIZE_MAX) == 0};
            }
    assert_int_equal(next_questions(s->groups, GROUPS, options, k, n, &err), 0);
    for (size_t o = 0; o < k; o++)
        for (size_t a = 0; a < options[o].chosen; a++)
            answer(s, options[o].group, options[o].i, options[o].j);
}

static void ask_in_turn(step *s, policy p)
{
    size_t g = s->asked % GROUPS, turn = s->asked / GROUPS, i = 0;
    if (p == WITH_SEED) {
        answer(s, g, 0, 1 + turn % CANDIDATES);
        return;
    }
    turn %= ITEMS * (ITEMS - 1) / 2;
    for (; turn >= ITEMS - 1 - i; i++)
        turn -= ITEMS - 1 - i;
    answer(s, g, i, i + 1 + turn);
}

/* Was the best candidate found? */
static bool run(step *s, policy p, size_t wanted)
{
    preference_options o = {.prior_sd = 1};
    size_t total = wanted * CANDIDATES * GROUPS, found = 0;
    double score[CANDIDATES] = {0};
    error err = {0};
    while (s->asked < total) {
        assert_int_equal(preference_fit(s->groups, GROUPS, 1, &o, NULL, &err), 0);
        if (p == BY_WORTH)
            ask_by_worth(s, wanted, total / 8);
        for (size_t k = 0; p != BY_WORTH && k < total / 8; k++)
            ask_in_turn(s, p);
    }
    assert_int_equal(preference_fit(s->groups, GROUPS, 1, &o, NULL, &err), 0);
    for (size_t c = 0; c < CANDIDATES; c++) {
        for (size_t g = 0; g < GROUPS; g++)
            score[c] += preference_probability(&s->groups[g], c + 1, 0);
        found = score[c] > score[found] ? c : found;
    }
    return found == s->best;
}

static double share_found(policy p, size_t wanted, size_t n_steps)
{
    step s = {.rng = gsl_rng_alloc(gsl_rng_mt19937)};
    size_t hits = 0;
    for (size_t k = 0; k < n_steps; k++) {
        begin(&s, 1000 + k);
        hits += run(&s, p, wanted);
        for (size_t g = 0; g < GROUPS; g++)
            preference_group_free(&s.groups[g]);
    }
    gsl_rng_free(s.rng);
    return (double)hits / (double)n_steps;
}

static void test_what_decides_most_finds_the_best_more_often(void **state)
{
    (void)state;
    enum { STEPS = 150 }; /* a standard error of 0.04 */
    double by_worth = share_found(BY_WORTH, 2, STEPS);
    assert_true(by_worth > share_found(IN_TURN, 2, STEPS) + 0.05);
    assert_true(by_worth > share_found(WITH_SEED, 2, STEPS) + 0.05);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_decides_most_finds_the_best_more_often),
    };
    size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    if (n == 0)
        return cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t wanted = 1; wanted <= 4; wanted *= 2)
        printf("%zu answers: by worth %.3f, in turn %.3f, with the seed %.3f\n",
               wanted * CANDIDATES * GROUPS, share_found(BY_WORTH, wanted, n),
               share_found(IN_TURN, wanted, n), share_found(WITH_SEED, wanted, n));
    return 0;
}

/* Races stop whom they should, at the error rate that race.h states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "../evolve/race.h"
#include "../evolve/search.h"

enum { MOST_RACERS = 16, EXAMPLES = 80, RACES = 4000 };

static const race_plan plan = {.n_examples = EXAMPLES, .first = 5, .alpha = 0.2};

static void looks_double_until_all_is_seen(void **state)
{
    (void)state;
    const size_t expected[] = {5, 10, 20, 40, 80, 80};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(race_examples(&plan, i), expected[i]);
    const race_plan small = {.n_examples = 3, .first = 5, .alpha = 0.2};
    assert_int_equal(race_examples(&small, 0), 3);
    const race_plan huge = {.n_examples = SIZE_MAX, .first = 3, .alpha = 0.2};
    assert_true(race_examples(&huge, 500) == SIZE_MAX);
}

static void judge(const double *scores, const double *penalty, size_t k, size_t n,
                  bool *stop)
{
    assert_int_equal(race_judge(&plan, scores, penalty, k, n, stop, NULL), 0);
}

static void the_leader_stays_and_the_clearly_worse_stop(void **state)
{
    (void)state;
    const double scores[] = {
        1.0, 2.0, 3.0, 4.0, 5.0, /* worse by about one, everywhere */
        2.1, 2.9, 4.1, 4.9, 6.1, /* the leader */
        3.0, 2.0, 5.0, 4.0, 5.5, /* now better, now worse */
    };
    const double none[3] = {0}, fined[3] = {0, 5, 0};
    bool stop[3];
    judge(scores, none, 3, 5, stop);
    assert_true(stop[0] && !stop[1] && !stop[2]);
    judge(scores, fined, 3, 5, stop); /* the penalty makes a loser of the leader */
    assert_true(stop[1] && !stop[2]);
}

static void the_leader_over_again_stops_at_the_second_look(void **state)
{
    (void)state;
    const double scores[] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}, none[2] = {0};
    bool stop[2];
    const double five[] = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5};
    judge(five, none, 2, 5, stop);
    assert_true(!stop[0] && !stop[1]);
    judge(scores, none, 2, 6, stop);
    assert_true(!stop[0] && stop[1]); /* the elder leads */
}

static void one_example_lost_among_many_equal_ones_stops_nobody(void **state)
{
    (void)state;
    double scores[80] = {0}, none[2] = {0};
    bool stop[2];
    for (size_t n = 2; n <= 40; n++) {
        scores[0] = 1;
        judge(scores, none, 2, n, stop);
        assert_true(!stop[0] && !stop[1]);
    }
}

static void one_example_stops_nobody(void **state)
{
    (void)state;
    const double scores[] = {-100, 0}, none[2] = {0};
    bool stop[2];
    judge(scores, none, 2, 1, stop);
    assert_true(!stop[0] && !stop[1]);
}

/* ---- Error rates ---- */

typedef struct outcome {
    double first_look; /* share of races whose racer 0 stopped at the first look */
    double whole;      /* … at any look */
    double cost;       /* examples scored, as a share of all */
} outcome;

/* Races of k: racer i is worth -gap * i plus noise of its own on top of each example's
 * difficulty; `binary` scores are 0 or 1. */
static outcome run_races(size_t k, double gap, bool binary)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    outcome out = {0};
    static double scores[MOST_RACERS][EXAMPLES];
    for (int race = 0; race < RACES; race++) {
        for (size_t j = 0; j < EXAMPLES; j++) {
            double easy = gsl_ran_gaussian(rng, 1.5);
            for (size_t i = 0; i < k; i++) {
                double x = easy + gsl_ran_gaussian(rng, 1) - gap * (double)i;
                scores[i][j] = binary ? x > 0 : x;
            }
        }
        bool racing[MOST_RACERS];
        for (size_t i = 0; i < k; i++)
            racing[i] = true;
        size_t seen = 0;
        for (size_t look = 0; seen < EXAMPLES; look++) {
            size_t n = race_examples(&plan, look), m = 0, who[MOST_RACERS];
            double rows[MOST_RACERS * EXAMPLES], none[MOST_RACERS] = {0};
            bool stop[MOST_RACERS];
            for (size_t i = 0; i < k; i++) {
                if (!racing[i])
                    continue;
                memcpy(rows + m * n, scores[i], n * sizeof *rows);
                who[m++] = i;
            }
            out.cost += (double)((n - seen) * m) / (double)(k * EXAMPLES * RACES);
            judge(rows, none, m, n, stop);
            for (size_t i = 0; i < m && n < EXAMPLES; i++)
                racing[who[i]] = !stop[i];
            out.first_look += look == 0 && !racing[0] ? 1.0 / RACES : 0;
            seen = n;
        }
        out.whole += racing[0] ? 0 : 1.0 / RACES;
    }
    gsl_rng_free(rng);
    return out;
}

static void an_equal_rival_stops_a_candidate_at_the_stated_rate(void **state)
{
    (void)state;
    outcome o = run_races(2, 0, false);
    print_message("equals: first look %.3f, whole race %.3f\n", o.first_look, o.whole);
    /* Flips of five come in steps of 1/32: six of them lie below 0.2. Within three
     * standard errors of 4,000 races. */
    assert_true(fabs(o.first_look - 6.0 / 32) < 3 * sqrt(0.2 * 0.8 / RACES));
    assert_true(o.whole < 4 * plan.alpha);
    outcome binary = run_races(2, 0, true);
    print_message("of accuracy: first look %.3f, whole race %.3f\n", binary.first_look,
                  binary.whole);
    assert_true(binary.first_look < plan.alpha + 3 * sqrt(0.2 * 0.8 / RACES));
    assert_true(binary.whole < 4 * plan.alpha);
}

static void the_better_of_two_is_rarely_stopped(void **state)
{
    (void)state;
    outcome o = run_races(2, 0.5, false);
    print_message("better by 0.35 of a difference's sd: %.3f\n", o.whole);
    assert_true(o.whole < 0.15);
}

static void a_race_costs_a_fraction_and_mostly_keeps_the_best(void **state)
{
    (void)state;
    outcome o = run_races(MOST_RACERS, 0.1, false);
    print_message("of 16, steps of 0.1: best lost %.3f, cost %.3f\n", o.whole, o.cost);
    assert_true(o.whole < 0.7 && o.cost < 0.35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_double_until_all_is_seen),
        cmocka_unit_test(the_leader_stays_and_the_clearly_worse_stop),
        cmocka_unit_test(the_leader_over_again_stops_at_the_second_look),
        cmocka_unit_test(one_example_lost_among_many_equal_ones_stops_nobody),
        cmocka_unit_test(one_example_stops_nobody),
        cmocka_unit_test(an_equal_rival_stops_a_candidate_at_the_stated_rate),
        cmocka_unit_test(the_better_of_two_is_rarely_stopped),
        cmocka_unit_test(a_race_costs_a_fraction_and_mostly_keeps_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

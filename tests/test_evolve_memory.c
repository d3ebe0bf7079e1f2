/* Searches when memory runs out: at every single allocation, in turn, the failure is
 * reported and everything is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>

#include "../evolve/search.h"
#include "../evolve/stats.h"
#include "simulate.h"
#include "survive.h"

enum { EXAMPLES = 12, STEPS = 7 };

static landscape hills;

static int search_step(search *s, error *err)
{
    const search_query *q;
    size_t n;
    TRY(search_ask(s, &q, &n, err));
    for (; n > 0; n--) {
        double scores[EXAMPLES];
        for (size_t i = 0; i < q->n_examples; i++)
            scores[i] = landscape_score(&hills, q->genome, q->examples[i]);
        const search_answer a = {.id = q->id,
                                 .status = FITNESS_DONE,
                                 .scores = scores,
                                 .n_scores = q->n_examples};
        TRY(search_tell(s, &a, 1, err));
        if (n > 1)
            TRY(search_ask(s, &q, &(size_t){0}, err));
    }
    return 0;
}

static int search_briefly(const char *type, error *err)
{
    search_options options = search_defaults();
    options.population = 4;
    const search_problem problem = {.spec = &hills.spec,
                                    .seeds = hills.seeds,
                                    .n_seeds = hills.n_seeds,
                                    .n_examples = EXAMPLES,
                                    .random_seed = 6};
    search *s;
    TRY(search_new(&s, search_type_find(type), &problem, &options, err));
    int rc = 0;
    for (int i = 0; i < STEPS && rc == 0; i++)
        rc = search_step(s, err);
    search_free(s);
    return rc;
}

static int parse_cross_and_write(const char *input, error *err)
{
    genome a = {0}, b = {0}, child = {0};
    text t = {0};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return error_memory(err, 1);
    const variation v = {.spec = &hills.spec, .rng = rng};
    int rc = genome_parse(&a, &hills.spec, input, strlen(input), err);
    if (rc == 0)
        rc = genome_copy(&b, &hills.seeds[1], err);
    if (rc == 0)
        rc = genome_crossover(&v, &a, &b, &child, err);
    if (rc == 0)
        rc = genome_serialise(&hills.spec, &a, &t, err);
    text_free(&t);
    genome_free(&a);
    genome_free(&b);
    genome_free(&child);
    gsl_rng_free(rng);
    return rc;
}

static int test_differences(const char *input, error *err)
{
    (void)input;
    double d[30], p;
    interval ci;
    for (size_t i = 0; i < 30; i++)
        d[i] = (double)i - 12;
    TRY(stats_permutation_p(d, 30, 50, 1, &p, err));
    TRY(stats_flip_below(d, 30, 50, &p, err));
    TRY(stats_holm(d, 30, d, err));
    return stats_bca(d, 30, 0.95, 50, 1, &ci, err);
}

static bool is_memory(int rc)
{
    return rc == E_MEMORY;
}

/* jansson takes some failures for bad syntax. */
static bool is_memory_or_format(int rc)
{
    return rc == E_MEMORY || rc == E_FORMAT;
}

static void searches_survive(void **state)
{
    (void)state;
    assert_survives(search_briefly, "ga", is_memory, 500);
    assert_survives(search_briefly, "random", is_memory, 500);
}

static void genomes_survive(void **state)
{
    (void)state;
    assert_survives(parse_cross_and_write, "[[\"one two three\",1,2],[3,7],2]",
                    is_memory_or_format, 50);
}

static void statistics_survive(void **state)
{
    (void)state;
    assert_survives(test_differences, NULL, is_memory, 5);
}

static int open_hills(void **state)
{
    (void)state;
    gsl_set_error_handler_off(); /* as main does: GSL reports, and does not abort */
    landscape_open(&hills, LANDSCAPE_WORDS, 1, EXAMPLES);
    return 0;
}

static int close_hills(void **state)
{
    (void)state;
    landscape_close(&hills);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_survive),
        cmocka_unit_test(genomes_survive),
        cmocka_unit_test(statistics_survive),
    };
    return cmocka_run_group_tests_name("evolve memory", tests, open_hills, close_hills);
}

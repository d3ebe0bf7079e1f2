/* CMA-ES finds the optimum of functions whose optimum is known, in about as many
 * generations as an independent program (pycma; tests/fixtures/make_cmaes.py), whatever
 * the noise of single examples, and stays inside its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../evolve/search.h"
#include "fixture.h"

enum { DIMENSIONS = 8, EXAMPLES = 4 };

typedef double function(const double *x, size_t n);

static double sphere(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - 1) * (x[i] - 1);
    return sum;
}

/* Condition number 10^6. Hansen & Ostermeier 2001. */
static double ellipsoid(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow(1e6, (double)i / ((double)n - 1)) * (x[i] - 1) * (x[i] - 1);
    return sum;
}

static double rosenbrock(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++)
        sum += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return sum;
}

static const struct {
    const char *name;
    function *of;
} functions[] = {
    {"sphere", sphere}, {"ellipsoid", ellipsoid}, {"rosenbrock", rosenbrock}};

typedef struct world {
    gene_spec genes[3];
    genome_spec spec;
    genome seed;
    search *search;
    double pull; /* of the number towards its upper bound */
} world;

static void open_world(world *w, bool racing, uint64_t seed)
{
    error err = {0};
    *w = (world){
        .pull = 1e-3,
        .genes = {
            {.name = "words", .kind = GENE_TEXT},
            {.name = "x", .kind = GENE_VECTOR, .n_dimensions = DIMENSIONS, .spread = 0.5},
            {.name = "warmth", .kind = GENE_NUMBER, .lowest = 0, .highest = 1}}};
    w->spec = (genome_spec){w->genes, 3};
    assert_int_equal(genome_new(&w->seed, &w->spec, &err), 0);
    assert_int_equal(gene_set_text(&w->seed.genes[0], "as it is", NULL, 0, &err), 0);
    search_options o = search_defaults();
    o.population = 12;
    o.racing = racing;
    search_problem problem = {.spec = &w->spec,
                              .seeds = &w->seed,
                              .n_seeds = 1,
                              .n_examples = EXAMPLES,
                              .random_seed = seed};
    if (search_new(&w->search, search_type_find("cmaes"), &problem, &o, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_world(world *w)
{
    search_free(w->search);
    genome_free(&w->seed);
}

/* -f(x) on every example, and what differs between examples but not between candidates;
 * the number pulls towards its upper bound. */
static void answer_all(world *w, function *f)
{
    search *s = w->search;
    const search_query *queries;
    size_t n;
    error err = {0};
    assert_int_equal(search_ask(s, &queries, &n, &err), 0);
    assert_true(n > 0);
    search_answer *answers = calloc(n, sizeof *answers);
    double *scores = calloc(n * EXAMPLES, sizeof *scores);
    assert_true(answers && scores);
    for (size_t i = 0; i < n; i++) {
        const genome *g = queries[i].genome;
        assert_string_equal(g->genes[0].words[2].s, "is");
        assert_true(g->genes[2].number >= 0 && g->genes[2].number <= 1);
        for (size_t k = 0; k < queries[i].n_examples; k++)
            scores[i * EXAMPLES + k] = -f(g->genes[1].vector, DIMENSIONS) +
                                       w->pull * g->genes[2].number +
                                       (double)queries[i].examples[k];
        answers[i] = (search_answer){.id = queries[i].id,
                                     .status = FITNESS_DONE,
                                     .scores = scores + i * EXAMPLES,
                                     .n_scores = queries[i].n_examples};
    }
    if (search_tell(s, answers, n, &err) < 0)
        fail_msg("%s", err.text);
    free(scores);
    free(answers);
}

static double best_value(const search *s, function *f)
{
    uint64_t id;
    assert_int_equal(search_best(s, 1, &id), 1);
    return f(search_find(s, id)->genome->genes[1].vector, DIMENSIONS);
}

/* Generations until the best is below 1e-6, median of five seeds. */
static double generations_needed(function *f, size_t most)
{
    double needed[5];
    for (uint64_t seed = 0; seed < 5; seed++) {
        world w;
        size_t g = 0;
        open_world(&w, false, seed);
        while (g < most && (g == 0 || best_value(w.search, f) > 1e-6)) {
            answer_all(&w, f);
            g = search_generation(w.search);
        }
        needed[seed] = (double)g;
        close_world(&w);
    }
    for (size_t i = 0; i < 5; i++)
        for (size_t j = i + 1; j < 5; j++)
            if (needed[j] < needed[i]) {
                double t = needed[i];
                needed[i] = needed[j];
                needed[j] = t;
            }
    return needed[2];
}

static void needs_about_as_many_generations_as_pycma(void **state)
{
    (void)state;
    char *bytes = fixture_read("cmaes.json", NULL);
    json_t *root = json_loads(bytes, 0, NULL);
    assert_non_null(root);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        double theirs = json_number_value(json_object_get(root, functions[i].name));
        assert_true(theirs > 0);
        double ours = generations_needed(functions[i].of, (size_t)(3 * theirs));
        if (ours > 1.4 * theirs)
            fail_msg("%s: %g generations, pycma needs %g", functions[i].name, ours,
                     theirs);
    }
    json_decref(root);
    free(bytes);
}

static void a_number_goes_to_the_better_bound_and_words_stay(void **state)
{
    (void)state;
    world w;
    uint64_t id;
    open_world(&w, true, 3);
    w.pull = 3;
    while (search_generation(w.search) < 150)
        answer_all(&w, sphere);
    assert_int_equal(search_best(w.search, 1, &id), 1);
    assert_true(search_find(w.search, id)->genome->genes[2].number > 0.9);
    assert_true(best_value(w.search, sphere) < 1e-4);
    close_world(&w);
}

static void the_same_seed_makes_the_same_search(void **state)
{
    (void)state;
    world a, b;
    open_world(&a, true, 7);
    open_world(&b, true, 7);
    for (size_t i = 0; i < 30; i++) {
        answer_all(&a, rosenbrock);
        answer_all(&b, rosenbrock);
    }
    size_t n = search_candidate_count(a.search);
    assert_int_equal(n, search_candidate_count(b.search));
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(search_candidate(a.search, i)->genome->genes[1].vector,
                            search_candidate(b.search, i)->genome->genes[1].vector,
                            DIMENSIONS * sizeof(double));
    close_world(&a);
    close_world(&b);
}

static void words_alone_are_refused(void **state)
{
    (void)state;
    gene_spec g = {.name = "words", .kind = GENE_TEXT};
    genome_spec spec = {&g, 1};
    genome seed;
    error err = {0};
    search *s = NULL;
    search_options o = search_defaults();
    assert_int_equal(genome_new(&seed, &spec, &err), 0);
    search_problem problem = {
        .spec = &spec, .seeds = &seed, .n_seeds = 1, .n_examples = EXAMPLES};
    assert_int_equal(search_new(&s, search_type_find("cmaes"), &problem, &o, &err),
                     E_ARGUMENT);
    assert_non_null(strstr(err.text, "vector"));
    genome_free(&seed);
}

static void vectors_survive_being_written_and_read(void **state)
{
    (void)state;
    world w;
    error err = {0};
    text t = {0}, again = {0};
    genome back;
    open_world(&w, false, 1);
    for (size_t i = 0; i < DIMENSIONS; i++)
        w.seed.genes[1].vector[i] = i ? 1.0 / (double)(3 * i) : -0.0;
    assert_int_equal(genome_serialise(&w.spec, &w.seed, &t, &err), 0);
    assert_int_equal(genome_parse(&back, &w.spec, t.s, t.n, &err), 0);
    assert_int_equal(genome_serialise(&w.spec, &back, &again, &err), 0);
    assert_string_equal(t.s, again.s);
    assert_true(genome_distance(&w.spec, &w.seed, &back) == 0);
    genome_free(&back);
    assert_int_equal(genome_parse(&back, &w.spec, "[\"a\",[1,2],0.5]", 15, &err),
                     E_FORMAT);
    assert_int_equal(
        genome_parse(&back, &w.spec, "[\"a\",[1,2,3,4,5,6,7,\"x\"],0.5]", 31, &err),
        E_FORMAT);
    w.seed.genes[1].vector[2] = (double)NAN;
    assert_int_equal(genome_check(&w.spec, &w.seed, &err), E_ARGUMENT);
    text_free(&t);
    text_free(&again);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_about_as_many_generations_as_pycma),
        cmocka_unit_test(a_number_goes_to_the_better_bound_and_words_stay),
        cmocka_unit_test(the_same_seed_makes_the_same_search),
        cmocka_unit_test(words_alone_are_refused),
        cmocka_unit_test(vectors_survive_being_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

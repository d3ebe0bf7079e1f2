/* Searches: deterministic in what they are told, honest about what failed, and worth
 * their evaluations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../evolve/search.h"
#include "simulate.h"

/* The searches that move words; test_cmaes.c is about the other one. */
static const char *const word_searches[] = {"ga", "random"};
enum { N_WORD_SEARCHES = sizeof word_searches / sizeof *word_searches };

static search *open_search(const landscape *l, const char *type, uint64_t seed)
{
    search_options options = search_defaults();
    search_problem problem = {.spec = &l->spec,
                              .seeds = l->seeds,
                              .n_seeds = l->n_seeds,
                              .n_examples = l->n_examples,
                              .random_seed = seed};
    search *s = NULL;
    error err = {0};
    if (search_new(&s, search_type_find(type), &problem, &options, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

/* ---- How a judge answers ---- */

typedef enum delivery {
    AT_ONCE,
    REVERSED,  /* all in one tell, last query first */
    IN_PARTS,  /* odd queries first, pending for the others; then the others */
    ONE_BY_ONE /* from the last */
} delivery;

/* Every third candidate born after the seeds fails. */
static bool fails(uint64_t id)
{
    return id > 3 && id % 3 == 0;
}

static search_answer answer(const landscape *l, const search_query *q)
{
    double *scores = array_new(q->n_examples, sizeof *scores);
    for (size_t i = 0; i < q->n_examples; i++)
        scores[i] = landscape_score(l, q->genome, q->examples[i]);
    return (search_answer){.id = q->id,
                           .status = fails(q->id) ? FITNESS_FAILED : FITNESS_DONE,
                           .scores = scores,
                           .n_scores = q->n_examples,
                           .penalty = 0.001 * (double)q->genome->genes[0].n_words};
}

static void tell(search *s, const search_answer *answers, size_t n)
{
    error err = {0};
    if (search_tell(s, answers, n, &err) < 0)
        fail_msg("%s", err.text);
}

static void deliver(search *s, search_answer *answers, size_t n, delivery how)
{
    if (how == AT_ONCE)
        tell(s, answers, n);
    if (how == REVERSED) {
        search_answer *back = array_new(n, sizeof *back);
        for (size_t i = 0; i < n; i++)
            back[i] = answers[n - 1 - i];
        tell(s, back, n);
        free(back);
    }
    for (size_t i = n; how == ONE_BY_ONE && i-- > 0;)
        tell(s, &answers[i], 1);
    if (how != IN_PARTS)
        return;
    for (size_t odd = 2; odd-- > 0;)
        for (size_t i = 0; i < n; i++) {
            search_answer part = answers[i];
            if (i % 2 == odd)
                tell(s, &part, 1);
            part.status = FITNESS_PENDING;
            if (i % 2 != odd && odd == 1)
                tell(s, &part, 1);
        }
}

/* A transcript of `steps` asks, with everything that can be seen of the search. */
static char *transcript(const landscape *l, const char *type, uint64_t seed, int steps,
                        delivery how)
{
    search *s = open_search(l, type, seed);
    text t = {0};
    for (int step = 0; step < steps; step++) {
        const search_query *q, *again;
        size_t n, n_again;
        assert_int_equal(search_ask(s, &q, &n, NULL), 0);
        assert_true(n > 0);
        assert_int_equal(search_ask(s, &again, &n_again, NULL), 0);
        assert_int_equal(n, n_again);
        search_answer *answers = array_new(n, sizeof *answers);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(
                text_add_format(&t, NULL, "%llu:", (unsigned long long)q[i].id), 0);
            assert_int_equal(genome_serialise(&l->spec, q[i].genome, &t, NULL), 0);
            for (size_t k = 0; k < q[i].n_examples; k++)
                assert_int_equal(text_add_format(&t, NULL, " %zu", q[i].examples[k]), 0);
            answers[i] = answer(l, &q[i]);
        }
        deliver(s, answers, n, how);
        for (size_t i = 0; i < n; i++) {
            double *scores;
            memcpy(&scores, &answers[i].scores, sizeof scores);
            free(scores);
        }
        free(answers);
    }
    for (size_t i = 0; i < search_candidate_count(s); i++) {
        const candidate *c = search_candidate(s, i);
        assert_int_equal(text_add_format(&t, NULL, "\n%llu %s %llu %llu %zu %d %d %.17g",
                                         (unsigned long long)c->id, c->operators,
                                         (unsigned long long)c->parents[0],
                                         (unsigned long long)c->parents[1], c->generation,
                                         c->alive, c->eliminated, c->fitness.value),
                         0);
    }
    search_free(s);
    return t.s;
}

static void same_seed_and_tells_give_the_same_search(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_WORD_SEARCHES; k++)
        for (landscape_kind kind = 0; kind <= LANDSCAPE_TEXT; kind++) {
            landscape l;
            landscape_open(&l, kind, 1, 50);
            char *first = transcript(&l, word_searches[k], 0, 30, AT_ONCE);
            for (delivery how = AT_ONCE; how <= ONE_BY_ONE; how++) {
                char *again = transcript(&l, word_searches[k], 0, 30, how);
                assert_string_equal(first, again);
                free(again);
            }
            char *other = transcript(&l, word_searches[k], 1, 30, AT_ONCE);
            assert_string_not_equal(first, other);
            free(first);
            free(other);
            landscape_close(&l);
        }
}

/* ---- What is asked ---- */

static void nothing_is_measured_twice(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_WORD_SEARCHES; k++) {
        landscape l;
        landscape_open(&l, LANDSCAPE_WORDS, 2, 35);
        search *s = open_search(&l, word_searches[k], 5);
        for (int step = 0; step < 60; step++) {
            const search_query *q;
            size_t n;
            assert_int_equal(search_ask(s, &q, &n, NULL), 0);
            for (size_t i = 0; i < n; i++) {
                const size_t *index;
                const double *score;
                size_t seen = search_scores(s, q[i].id, &index, &score);
                for (size_t a = 0; a < q[i].n_examples; a++) {
                    assert_true(q[i].examples[a] < l.n_examples);
                    for (size_t b = 0; b < seen; b++)
                        assert_int_not_equal(q[i].examples[a], index[b]);
                    for (size_t b = 0; b < a; b++)
                        assert_int_not_equal(q[i].examples[a], q[i].examples[b]);
                }
            }
            while (n > 0) {
                search_answer a = answer(&l, &q[0]);
                double *scores;
                memcpy(&scores, &a.scores, sizeof scores);
                tell(s, &a, 1);
                free(scores);
                if (--n > 0)
                    assert_int_equal(search_ask(s, &q, &n, NULL), 0);
            }
        }
        size_t count = search_candidate_count(s);
        char **keys = array_new(count, sizeof *keys);
        for (size_t i = 0; i < count; i++) {
            text t = {0};
            assert_int_equal(
                genome_serialise(&l.spec, search_candidate(s, i)->genome, &t, NULL), 0);
            keys[i] = t.s;
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(keys[i], keys[j]);
        }
        for (size_t i = 0; i < count; i++)
            free(keys[i]);
        free(keys);
        search_free(s);
        landscape_close(&l);
    }
}

static void a_small_space_is_searched_whole_and_then_nothing_is_asked(void **state)
{
    (void)state;
    const char *const options[] = {"a", "b", "c", "d", "e"};
    const gene_spec gene_specs[] = {
        {.name = "label", .kind = GENE_CHOICE, .options = options, .n_options = 5},
        {.name = "order", .kind = GENE_CHOICE, .options = options, .n_options = 2}};
    landscape l = {.spec = {gene_specs, 2}, .n_seeds = 1, .n_examples = 4};
    assert_int_equal(genome_new(&l.seeds[0], &l.spec, NULL), 0);
    for (size_t k = 0; k < N_WORD_SEARCHES; k++) {
        search *s = open_search(&l, word_searches[k], 9);
        const search_query *q;
        size_t n, steps = 0;
        const double scores[4] = {1, 2, 3, 4};
        while (search_ask(s, &q, &n, NULL) == 0 && n > 0) {
            assert_true(++steps < 500);
            tell(s,
                 &(search_answer){.id = q->id,
                                  .status = FITNESS_DONE,
                                  .scores = scores,
                                  .n_scores = q->n_examples},
                 1);
        }
        assert_int_equal(search_candidate_count(s), 10);
        uint64_t best[3];
        assert_int_equal(search_best(s, 3, best), 3);
        assert_true(best[0] == 1 && best[1] == 2 && best[2] == 3); /* ties by id */
        search_free(s);
    }
    landscape_close(&l);
}

/* ---- What is answered ---- */

static void wrong_answers_are_refused_and_change_nothing(void **state)
{
    (void)state;
    landscape l;
    landscape_open(&l, LANDSCAPE_DEMOS, 3, 30);
    search *s = open_search(&l, "ga", 1);
    const search_query *q;
    size_t n;
    assert_int_equal(search_ask(s, &q, &n, NULL), 0);
    double scores[30] = {0};
    search_answer good = {.id = q[0].id,
                          .status = FITNESS_DONE,
                          .scores = scores,
                          .n_scores = q[0].n_examples};
    search_answer stranger = good, brief = good;
    stranger.id = 999;
    brief.n_scores--;
    error err = {0};
    assert_int_equal(search_tell(s, &stranger, 1, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "999"));
    assert_int_equal(search_tell(s, &brief, 1, &err), E_ARGUMENT);
    const search_answer both[] = {good, brief};
    assert_int_equal(search_tell(s, both, 2, &err), E_ARGUMENT);
    const search_answer twice[] = {good, good};
    assert_int_equal(search_tell(s, twice, 2, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "second answer"));
    size_t before = n;
    assert_int_equal(search_ask(s, &q, &n, NULL), 0);
    assert_int_equal(n, before);
    search_free(s);
    landscape_close(&l);
}

static void a_score_that_is_no_number_fails_its_candidate_only(void **state)
{
    (void)state;
    landscape l;
    landscape_open(&l, LANDSCAPE_DEMOS, 3, 30);
    search *s = open_search(&l, "ga", 1);
    const search_query *q;
    size_t n;
    for (int step = 0; step < 300; step++) {
        assert_int_equal(search_ask(s, &q, &n, NULL), 0);
        assert_true(n > 0);
        double scores[30];
        bool poison = q->id % 4 == 2;
        for (size_t i = 0; i < q->n_examples; i++)
            scores[i] = landscape_score(&l, q->genome, q->examples[i]);
        scores[q->n_examples / 2] = poison ? (q->id % 8 == 2 ? NAN : INFINITY) : -1;
        tell(s,
             &(search_answer){.id = q->id,
                              .status = FITNESS_DONE,
                              .scores = scores,
                              .n_scores = q->n_examples},
             1);
    }
    for (size_t i = 0; i < search_candidate_count(s); i++) {
        const candidate *c = search_candidate(s, i);
        if (c->fitness.status == FITNESS_DONE)
            assert_true(isfinite(c->fitness.value) && c->id % 4 != 2);
        if (c->fitness.status == FITNESS_FAILED)
            assert_true(c->id % 4 == 2 && !c->alive);
    }
    uint64_t best[50];
    size_t k = search_best(s, 50, best);
    assert_true(k > 10);
    for (size_t i = 0; i < k; i++)
        assert_true(best[i] % 4 != 2);
    search_free(s);
    landscape_close(&l);
}

static void a_search_of_failures_ends(void **state)
{
    (void)state;
    landscape l;
    landscape_open(&l, LANDSCAPE_TEXT, 3, 30);
    for (size_t k = 0; k < N_WORD_SEARCHES; k++) {
        search *s = open_search(&l, word_searches[k], 1);
        const search_query *q;
        size_t n, steps = 0;
        while (search_ask(s, &q, &n, NULL) == 0 && n > 0) {
            assert_true(++steps < 1000);
            tell(s, &(search_answer){.id = q->id, .status = FITNESS_FAILED}, 1);
        }
        uint64_t best;
        assert_int_equal(search_best(s, 1, &best), 0);
        search_free(s);
    }
    landscape_close(&l);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    landscape l;
    landscape_open(&l, LANDSCAPE_TEXT, 3, 30);
    search_problem problem = {
        .spec = &l.spec, .seeds = l.seeds, .n_seeds = 3, .n_examples = 30};
    search_options wrong[6];
    for (int i = 0; i < 6; i++)
        wrong[i] = search_defaults();
    wrong[0].population = 1;
    wrong[1].elites = 99;
    wrong[2].crossover_rate = NAN;
    wrong[3].block = 0;
    wrong[4].race_alpha = 1;
    wrong[5].max_edits = 0;
    search *s = NULL;
    for (int i = 0; i < 6; i++)
        assert_int_equal(search_new(&s, search_types[0], &problem, &wrong[i], NULL),
                         E_ARGUMENT);
    search_options fine = search_defaults();
    problem.n_seeds = 0;
    assert_int_equal(search_new(&s, search_types[0], &problem, &fine, NULL), E_ARGUMENT);
    assert_null(s);
    landscape_close(&l);
}

/* ---- Proposers ---- */

typedef struct dry_proposer {
    proposer base;
    int left; /* answers before the budget is spent */
    int calls;
} dry_proposer;

static int propose(proposer *p, const genome_spec *spec, const genome *g, size_t which,
                   size_t begin, size_t end, size_t k, char **out, error *err)
{
    (void)spec, (void)g, (void)which, (void)end, (void)k;
    dry_proposer *self = (dry_proposer *)(void *)p;
    self->calls++;
    if (self->left-- <= 0)
        return error_set(err, E_LIMIT, "the budget is spent");
    out[0] = string_copy(begin % 2 ? "fluent" : "a fluent phrase");
    return 1;
}

static void a_proposer_that_fails_stops_the_ask_and_not_the_search(void **state)
{
    (void)state;
    landscape l;
    landscape_open(&l, LANDSCAPE_TEXT, 3, 20);
    dry_proposer from = {.base = {.words = propose}, .left = 5};
    search_options options = search_defaults();
    search_problem problem = {.spec = &l.spec,
                              .seeds = l.seeds,
                              .n_seeds = 3,
                              .n_examples = 20,
                              .random_seed = 4,
                              .proposer = &from.base};
    search *s = NULL;
    assert_int_equal(search_new(&s, search_type_find("ga"), &problem, &options, NULL), 0);
    const search_query *q;
    size_t n;
    int failures = 0, fluent = 0;
    for (int step = 0; step < 200; step++) {
        error err = {0};
        int rc = search_ask(s, &q, &n, &err);
        if (rc < 0) {
            assert_int_equal(rc, E_LIMIT);
            assert_string_equal(err.text, "the budget is spent");
            uint64_t best; /* what was known is still known */
            assert_true(step == 0 || search_best(s, 1, &best) == 1);
            failures++;
            from.left = 40;
            continue;
        }
        assert_true(n > 0);
        search_answer a = answer(&l, &q[0]);
        double *scores;
        memcpy(&scores, &a.scores, sizeof scores);
        tell(s, &a, 1);
        free(scores);
    }
    for (size_t i = 0; i < search_candidate_count(s); i++)
        fluent += strstr(search_candidate(s, i)->operators, "model") != NULL;
    assert_true(failures > 0 && from.calls > 10 && fluent > 5);
    search_free(s);
    landscape_close(&l);
}

/* ---- Worth ---- */

static double mean_quality(landscape_kind kind, const char *type, bool racing,
                           size_t tokens)
{
    search_options options = search_defaults();
    options.racing = racing;
    double sum = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        landscape l;
        landscape_open(&l, kind, 100 + seed, 60);
        sum += simulate(&l, search_type_find(type), &options, seed, tokens).quality;
        landscape_close(&l);
    }
    return sum / 10;
}

static void ga_beats_random_at_equal_tokens(void **state)
{
    (void)state;
    for (landscape_kind kind = 0; kind <= LANDSCAPE_SUBSET; kind++) {
        double ga = mean_quality(kind, "ga", true, 60000);
        double random = mean_quality(kind, "random", true, 60000);
        print_message("landscape %d: ga %.3f, random %.3f\n", (int)kind, ga, random);
        assert_true(ga > random);
    }
}

static void racing_beats_scoring_everything(void **state)
{
    (void)state;
    double with = 0, without = 0;
    for (landscape_kind kind = 0; kind <= LANDSCAPE_TEXT; kind++) {
        with += mean_quality(kind, "ga", true, 60000);
        without += mean_quality(kind, "ga", false, 60000);
    }
    print_message("racing %.3f, without %.3f\n", with / 3, without / 3);
    assert_true(with > without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_and_tells_give_the_same_search),
        cmocka_unit_test(nothing_is_measured_twice),
        cmocka_unit_test(a_small_space_is_searched_whole_and_then_nothing_is_asked),
        cmocka_unit_test(wrong_answers_are_refused_and_change_nothing),
        cmocka_unit_test(a_score_that_is_no_number_fails_its_candidate_only),
        cmocka_unit_test(a_search_of_failures_ends),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(a_proposer_that_fails_stops_the_ask_and_not_the_search),
        cmocka_unit_test(ga_beats_random_at_equal_tokens),
        cmocka_unit_test(racing_beats_scoring_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

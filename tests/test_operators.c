/* Variation: whatever an operator does, the laws hold; and each does what its name
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../evolve/bandit.h"
#include "../evolve/operators.h"

enum { ROUNDS = 10000, MAX_WORDS = 14, MAX_DEMOS = 4 };

static const char *const lexicon[] = {"alpha", "beta", "gamma delta", "epsilon"};
static const char *const options[] = {"a", "b", "c"};
static const gene_spec genes[] = {
    {.name = "instruction",
     .kind = GENE_TEXT,
     .max_words = MAX_WORDS,
     .lexicon = lexicon,
     .n_lexicon = 4},
    {.name = "label", .kind = GENE_CHOICE, .options = options, .n_options = 3},
    {.name = "demos", .kind = GENE_DEMOS, .n_pool = 6, .max_demos = MAX_DEMOS},
    {.name = "weight", .kind = GENE_NUMBER, .lowest = -1, .highest = 3},
    {.name = "count", .kind = GENE_NUMBER, .lowest = 1, .highest = 4, .whole = true},
    {.name = "soft", .kind = GENE_VECTOR, .n_dimensions = 4, .spread = 0.5},
};
static const genome_spec spec = {genes, 6};

static const char *const seeds[] = {
    "Write the opposite word: keep this part, then answer in one word.",
    "  keep this part,\nplease then answer",
    "Give keep this part, then answer",
};
static const char *const frozen[] = {"keep this part,", "answer"};

/* Offers words that depend on the place only; now and then bad ones. */
static int propose(proposer *p, const genome_spec *of, const genome *g, size_t which,
                   size_t begin, size_t end, size_t k, char **out, error *err)
{
    (void)p, (void)of, (void)g, (void)which, (void)err;
    static const char *const offers[] = {"fluent", "two words", "\xff", "", "The"};
    size_t n = (begin + end) % 6;
    n = n < k ? n : k;
    for (size_t i = 0; i < n; i++)
        out[i] = string_copy(offers[i % 5]);
    return (int)n;
}

/* Offers swaps for the first words, frozen or not; one is beyond the text, some are bad.
 */
static int propose_swaps(proposer *p, const genome_spec *of, const genome *g,
                         size_t which, size_t k, word_swap *out, error *err)
{
    (void)p, (void)of, (void)err;
    static const char *const offers[] = {"steep", "two words", "\xff", "", "The"};
    size_t n = g->genes[which].n_words % 7;
    n = n < k ? n : k;
    for (size_t i = 0; i < n; i++)
        out[i] = (word_swap){i * i, string_copy(offers[(i + n) % 5])};
    return (int)n;
}

static genome make(const char *s, bool freeze)
{
    genome g;
    assert_int_equal(genome_new(&g, &spec, NULL), 0);
    assert_int_equal(gene_set_text(&g.genes[0], s, frozen, freeze ? 2 : 0, NULL), 0);
    return g;
}

/* The frozen words, with "+" between neighbours and "_" where others stand between. */
static char *skeleton(const gene *g)
{
    text t = {0};
    size_t last = 0;
    for (size_t i = 0; i < g->n_words; i++) {
        if (!g->words[i].frozen)
            continue;
        if (t.n) {
            bool neighbours = i == last + 1;
            assert_int_equal(text_add_string(&t, neighbours ? "+" : "_", NULL), 0);
            if (neighbours)
                assert_int_equal(text_add_string(&t, g->words[i].space, NULL), 0);
        }
        assert_int_equal(text_add_string(&t, g->words[i].s, NULL), 0);
        last = i;
    }
    return t.s ? t.s : string_copy("");
}

static void assert_lawful(const genome *g)
{
    error err = {0};
    if (genome_check(&spec, g, &err) < 0)
        fail_msg("%s", err.text);
    const gene *t = &g->genes[0];
    assert_true(t->n_words > 0);
    for (size_t i = 0; i < t->n_words; i++) {
        assert_true(t->words[i].s[0] != '\0');
        assert_null(strpbrk(t->words[i].s, " \t\n\v\f\r"));
        assert_true(i == 0 || t->words[i].space[0] != '\0');
    }
}

static char *key_of(const genome *g)
{
    text t = {0};
    assert_int_equal(genome_serialise(&spec, g, &t, NULL), 0);
    return t.s;
}

/* One random application to a random walk: laws, frozen words, and an honest answer. */
static int check_application(const variation *v, const variation_operator *op, genome *g)
{
    char *before = key_of(g), *bones = skeleton(&g->genes[0]);
    size_t which = op->kind == GENE_TEXT     ? 0
                   : op->kind == GENE_CHOICE ? 1
                   : op->kind == GENE_DEMOS  ? 2
                   : op->kind == GENE_VECTOR ? 5
                                             : 3 + gsl_rng_uniform_int(v->rng, 2);
    error err = {0};
    bool able = operator_able(op, v, which, g);
    int rc = op->apply(v, g, which, &err);
    assert_true(rc == 0 || rc == 1);
    if (rc == 1 && !able)
        fail_msg("%s was called unable, yet it changed %s", op->name, before);
    assert_lawful(g);
    char *after = key_of(g), *bones_after = skeleton(&g->genes[0]);
    if ((strcmp(before, after) != 0) != (rc == 1))
        fail_msg("%s answered %d: %s -> %s", op->name, rc, before, after);
    assert_string_equal(bones, bones_after);
    free(before);
    free(after);
    free(bones);
    free(bones_after);
    return rc;
}

static const variation_operator *operator_named(const char *name)
{
    for (size_t k = 0; k < n_variation_operators; k++)
        if (strcmp(variation_operators[k].name, name) == 0)
            return &variation_operators[k];
    fail_msg("no operator %s", name);
    return NULL;
}

static void every_operator_keeps_every_law(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    proposer from = {.words = propose, .swaps = propose_swaps};
    genome others[3];
    const genome *borrowed[3];
    for (size_t i = 0; i < 3; i++) {
        others[i] = make(seeds[i], true);
        borrowed[i] = &others[i];
    }
    variation v = {&spec, rng, &from, borrowed, 3};
    for (size_t k = 0; k < n_variation_operators; k++) {
        int changed = 0;
        genome g = {0};
        for (int i = 0; i < ROUNDS; i++) {
            if (i % 25 == 0) { /* a fresh start, so that no walk ends in a corner */
                genome_free(&g);
                g = make(seeds[(i / 25) % 3], true);
                for (int d = 0; d < (i / 25) % 4; d++)
                    check_application(&v, operator_named("demo_add"), &g);
            }
            if (i % 3 == 0) /* something else first */
                check_application(
                    &v,
                    &variation_operators[gsl_rng_uniform_int(rng, n_variation_operators)],
                    &g);
            changed += check_application(&v, &variation_operators[k], &g);
        }
        genome_free(&g);
        if (changed < ROUNDS / 20)
            fail_msg("%s changed only %d of %d", variation_operators[k].name, changed,
                     ROUNDS);
    }
    for (size_t i = 0; i < 3; i++)
        genome_free(&others[i]);
    gsl_rng_free(rng);
}

static void operators_do_nothing_where_nothing_can_be_done(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    variation v = {&spec, rng, NULL, NULL, 0};
    const char *const whole[] = {"keep this part,"};
    for (size_t k = 0; k < n_variation_operators; k++) {
        const variation_operator *op = &variation_operators[k];
        if (op->kind != GENE_TEXT || strstr(op->name, "insert"))
            continue;
        genome g = make("keep this part,", false);
        assert_int_equal(gene_set_text(&g.genes[0], whole[0], whole, 1, NULL), 0);
        for (int i = 0; i < 100; i++)
            assert_int_equal(op->apply(&v, &g, 0, NULL), 0);
        genome_free(&g);
    }
    gsl_rng_free(rng);
}

/* Every text that `name` can make of `s` in 500 tries is one of `allowed` (a list ending
 * in NULL), and each of these is made. */
static void check_outcomes(const char *name, const char *s, const char *const *allowed)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    genome other = make("xx", false);
    const genome *others[] = {&other};
    variation v = {&spec, rng, NULL, others, 1};
    bool seen[32] = {false};
    for (int i = 0; i < 500; i++) {
        genome g = make(s, false);
        text t = {0};
        operator_named(name)->apply(&v, &g, 0, NULL);
        assert_int_equal(gene_text(&g.genes[0], &t, NULL), 0);
        size_t k = 0;
        while (allowed[k] && strcmp(allowed[k], t.s) != 0)
            k++;
        if (!allowed[k])
            fail_msg("%s made \"%s\" of \"%s\"", name, t.s, s);
        seen[k] = true;
        text_free(&t);
        genome_free(&g);
    }
    for (size_t k = 0; allowed[k]; k++)
        if (!seen[k])
            fail_msg("%s never made \"%s\" of \"%s\"", name, allowed[k], s);
    genome_free(&other);
    gsl_rng_free(rng);
}

static void operators_do_what_their_names_say(void **state)
{
    (void)state;
    check_outcomes("delete", "One  two\nthree",
                   (const char *const[]){"Two\nthree", "One\nthree", "One  two", "Three",
                                         "One", NULL});
    check_outcomes("swap", "one two", (const char *const[]){"two one", "one two", NULL});
    check_outcomes("move", "one two", (const char *const[]){"two one", NULL});
    check_outcomes("duplicate", "one", (const char *const[]){"one one", NULL});
    check_outcomes("borrow", "one",
                   (const char *const[]){"xx", "xx one", "one xx", NULL});
    check_outcomes(
        "lexicon", "one",
        (const char *const[]){"alpha", "beta", "gamma delta", "epsilon", NULL});
}

static void capitals_follow_the_first_place(void **state)
{
    (void)state;
    check_outcomes("swap", "Find it", (const char *const[]){"It find", "Find it", NULL});
    check_outcomes("move", "I see", (const char *const[]){"See I", NULL});
    check_outcomes("move", "French: see", (const char *const[]){"See French:", NULL});
    check_outcomes("borrow", "Go", (const char *const[]){"Xx", "Xx go", "Go xx", NULL});
}

/* ---- Crossover ---- */

static void crossover_keeps_laws_and_frozen_words(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    proposer from = {.words = propose, .swaps = propose_swaps};
    variation v = {&spec, rng, &from, NULL, 0};
    for (int i = 0; i < ROUNDS / 5; i++) {
        genome a = make(seeds[0], true), b = make(seeds[i % 2 ? 0 : 2], true), child;
        for (int k = 0; k < 6; k++) {
            const variation_operator *op =
                &variation_operators[gsl_rng_uniform_int(rng, n_variation_operators)];
            check_application(&v, op, k % 2 ? &a : &b);
        }
        assert_int_equal(genome_crossover(&v, &a, &b, &child, NULL), 0);
        assert_lawful(&child);
        char *bones[] = {skeleton(&a.genes[0]), skeleton(&b.genes[0]),
                         skeleton(&child.genes[0])};
        assert_true(strcmp(bones[2], bones[0]) == 0 || strcmp(bones[2], bones[1]) == 0);
        for (int k = 0; k < 3; k++)
            free(bones[k]);
        genome_free(&a);
        genome_free(&b);
        genome_free(&child);
    }
    gsl_rng_free(rng);
}

static void crossover_keeps_what_the_parents_share(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    variation v = {&spec, rng, NULL, NULL, 0};
    bool seen[4] = {false};
    for (int i = 0; i < 200; i++) {
        genome a = make("one two three four", false);
        genome b = make("one 2 three four five", false), child;
        static const char *const possible[] = {"one two three four", "one 2 three four",
                                               "one two three four five",
                                               "one 2 three four five"};
        assert_int_equal(genome_crossover(&v, &a, &b, &child, NULL), 0);
        text t = {0};
        assert_int_equal(gene_text(&child.genes[0], &t, NULL), 0);
        size_t k = 0;
        while (k < 4 && strcmp(possible[k], t.s) != 0)
            k++;
        assert_true(k < 4);
        seen[k] = true;
        text_free(&t);
        genome_free(&a);
        genome_free(&b);
        genome_free(&child);
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    gsl_rng_free(rng);
}

/* ---- Bandit ---- */

static void operators_that_cannot_apply_get_no_rate(void **state)
{
    (void)state;
    const gene_spec plain[] = {{.name = "t", .kind = GENE_TEXT},
                               {.name = "c", .kind = GENE_CHOICE, .n_options = 1}};
    const genome_spec small = {plain, 2};
    bandit b;
    bandit_init(&b, &small, NULL);
    assert_int_equal(b.n, 6);
    double sum = 0;
    for (size_t i = 0; i < b.n; i++) {
        assert_null(strstr(b.rates[i].name, "lexicon"));
        assert_null(strstr(b.rates[i].name, "model"));
        assert_null(strstr(b.rates[i].name, "demo"));
        sum += b.rates[i].rate;
    }
    assert_float_equal(sum, 1, 1e-12);
}

static size_t arm_named(const bandit *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->rates[i].name, name) == 0)
            return i;
    fail_msg("no arm %s", name);
    return 0;
}

static void operators_without_anything_to_act_on_hold_no_share(void **state)
{
    (void)state;
    static const char *const idle[] = {"demo_drop", "demo_swap", "demo_reorder"};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    genome bare = make("Say it now", false), other = make("Do it", false);
    const genome *others[] = {&other};
    proposer from = {.words = propose};
    variation v = {&spec, rng, &from, others, 1};
    bandit b;
    bandit_init(&b, &spec, &from);
    uint32_t able = bandit_able(&b, &v, &bare);
    for (size_t i = 0; i < 3; i++)
        assert_false(able >> arm_named(&b, idle[i]) & 1);
    assert_int_equal(able | 7u << arm_named(&b, "demo_drop"), (1u << b.n) - 1);
    double before = b.rates[arm_named(&b, "demo_add")].rate, sum = 0;
    bandit_share(&b, able);
    for (size_t i = 0; i < b.n; i++) {
        assert_int_equal(b.rates[i].rate > 0, able >> i & 1);
        sum += b.rates[i].rate;
    }
    assert_float_equal(sum, 1, 1e-12);
    assert_true(b.rates[arm_named(&b, "demo_add")].rate > before);
    size_t drawn[BANDIT_MOST] = {0};
    for (int i = 0; i < 20000; i++)
        drawn[bandit_draw(&b, able, rng)]++;
    for (size_t i = 0; i < b.n; i++)
        assert_float_equal((double)drawn[i] / 20000, b.rates[i].rate, 0.015);
    bandit_share(&b, UINT32_MAX); /* back with what they had */
    assert_float_equal(b.rates[arm_named(&b, "demo_add")].rate, before, 1e-12);
    genome_free(&bare);
    genome_free(&other);
    gsl_rng_free(rng);
}

static void only_the_last_word_left_cannot_be_deleted_or_swapped(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    genome g = make("Say", false);
    variation v = {&spec, rng, NULL, NULL, 0};
    assert_false(operator_able(operator_named("delete"), &v, 0, &g));
    assert_false(operator_able(operator_named("swap"), &v, 0, &g));
    assert_false(operator_able(operator_named("move"), &v, 0, &g));
    assert_false(operator_able(operator_named("borrow"), &v, 0, &g));
    assert_false(operator_able(operator_named("model"), &v, 0, &g));
    assert_false(operator_able(operator_named("delete"), &v, 2, &g)); /* of demos */
    assert_true(operator_able(operator_named("duplicate"), &v, 0, &g));
    assert_true(operator_able(operator_named("lexicon"), &v, 0, &g));
    genome_free(&g);
    gsl_rng_free(rng);
}

static void rates_follow_rewards_and_keep_a_floor(void **state)
{
    (void)state;
    proposer from = {.words = propose, .swaps = propose_swaps};
    bandit b;
    bandit_init(&b, &spec, &from);
    assert_int_equal(b.n, n_variation_operators);
    for (size_t i = 0; i < 15 * b.n; i++)
        bandit_reward(&b, UINT32_C(1) << (i % b.n), i % b.n == 3 ? 0.5 : -1);
    double sum = 0, least = 1;
    for (size_t i = 0; i < b.n; i++) {
        sum += b.rates[i].rate;
        least = b.rates[i].rate < least ? b.rates[i].rate : least;
    }
    assert_float_equal(sum, 1, 1e-12);
    assert_true(b.rates[3].rate > 0.3);
    assert_true(least > 0.01);
    assert_int_equal(b.rates[3].wins, b.rates[3].tries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_keeps_every_law),
        cmocka_unit_test(operators_do_nothing_where_nothing_can_be_done),
        cmocka_unit_test(operators_do_what_their_names_say),
        cmocka_unit_test(capitals_follow_the_first_place),
        cmocka_unit_test(crossover_keeps_laws_and_frozen_words),
        cmocka_unit_test(crossover_keeps_what_the_parents_share),
        cmocka_unit_test(operators_that_cannot_apply_get_no_rate),
        cmocka_unit_test(operators_without_anything_to_act_on_hold_no_share),
        cmocka_unit_test(only_the_last_word_left_cannot_be_deleted_or_swapped),
        cmocka_unit_test(rates_follow_rewards_and_keep_a_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

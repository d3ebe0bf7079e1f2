/* Genomes: text comes back byte for byte, the canonical form is one-to-one and refuses
 * what does not fit, distances are distances. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../evolve/genome.h"

static const char *const options[] = {"a", "b", "c"};
static const gene_spec genes[] = {
    {.name = "instruction", .kind = GENE_TEXT, .max_words = 8},
    {.name = "label", .kind = GENE_CHOICE, .options = options, .n_options = 3},
    {.name = "demos", .kind = GENE_DEMOS, .n_pool = 10, .max_demos = 3},
    {.name = "weight", .kind = GENE_NUMBER, .lowest = -1, .highest = 3},
    {.name = "count", .kind = GENE_NUMBER, .lowest = 0.5, .highest = 4, .whole = true},
};
static const genome_spec spec = {genes, 5};

static genome make(const char *s)
{
    genome g;
    assert_int_equal(genome_new(&g, &spec, NULL), 0);
    assert_int_equal(gene_set_text(&g.genes[0], s, NULL, 0, NULL), 0);
    return g;
}

static char *key_of(const genome *g)
{
    text t = {0};
    assert_int_equal(genome_serialise(&spec, g, &t, NULL), 0);
    return t.s;
}

static void rendering_gives_back_the_text_byte_for_byte(void **state)
{
    (void)state;
    const char *const texts[] = {"",
                                 " ",
                                 "\n\t ",
                                 "word",
                                 "  two\n\nlines \r\n",
                                 "na\xc3\xafve \xe2\x80\x94 caf\xc3\xa9\v!",
                                 "no\xc2\xa0"
                                 "break"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gene g = {0};
        text t = {0};
        assert_int_equal(gene_set_text(&g, texts[i], NULL, 0, NULL), 0);
        assert_int_equal(gene_text(&g, &t, NULL), 0);
        assert_string_equal(text_string(&t), texts[i]);
        text_free(&t);
        gene_free(&g);
    }
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    gene g = {0};
    error err = {0};
    assert_int_equal(gene_set_text(&g, "ab\xff", NULL, 0, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "byte 2"));
}

static void frozen_phrases_mark_whole_words_wherever_they_occur(void **state)
{
    (void)state;
    gene g = {0};
    const char *const frozen[] = {"the  word", "end."};
    assert_int_equal(gene_set_text(&g, "the word and the\nword end.", frozen, 2, NULL),
                     0);
    const bool expected[] = {true, true, false, true, true, true};
    assert_int_equal(g.n_words, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(g.words[i].frozen, expected[i]);
    gene_free(&g);
}

static void frozen_phrase_that_does_not_occur_is_an_error(void **state)
{
    (void)state;
    gene g = {0};
    error err = {0};
    const char *const part[] = {"end"}, *const blank[] = {"  "};
    assert_int_equal(gene_set_text(&g, "the end.", part, 1, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "\"end\""));
    assert_int_equal(gene_set_text(&g, "the end.", blank, 1, &err), E_ARGUMENT);
    assert_null(g.words);
}

static void serialising_and_parsing_are_inverse(void **state)
{
    (void)state;
    const char *const frozen[] = {"b c", "e"};
    genome g = make("a b c\n d e f ");
    assert_int_equal(gene_set_text(&g.genes[0], "a b c\n d e f ", frozen, 2, NULL), 0);
    g.genes[1].choice = 2;
    g.genes[2].demos = array_new(2, sizeof(size_t));
    g.genes[2].demos[0] = 7;
    g.genes[2].n_demos = 2;
    g.genes[3].number = 0.1;
    char *key = key_of(&g);
    assert_string_equal(
        key, "[[\"a b c\\n d e f \",1,3,4,5],2,[7,0],0.10000000000000001,1.0]");
    genome back;
    assert_int_equal(genome_parse(&back, &spec, key, strlen(key), NULL), 0);
    char *again = key_of(&back);
    assert_string_equal(key, again);
    assert_true(back.genes[3].number == g.genes[3].number);
    free(key);
    free(again);
    genome_free(&g);
    genome_free(&back);
}

static void keys_differ_where_genomes_do(void **state)
{
    (void)state;
    genome a = make("x y"), b = make("x  y"), c = make("x y");
    c.genes[0].words[0].frozen = true;
    genome d = make("x y"), e = make("x y");
    d.genes[3].number = 0.0;
    e.genes[3].number = -0.0;
    char *keys[] = {key_of(&a), key_of(&b), key_of(&c), key_of(&d), key_of(&e)};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
    assert_string_equal(keys[3], keys[4]); /* there is one zero */
    for (size_t i = 0; i < 5; i++)
        free(keys[i]);
    genome_free(&a);
    genome_free(&b);
    genome_free(&c);
    genome_free(&d);
    genome_free(&e);
}

static void parsing_refuses_what_does_not_fit(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "",
        "[",
        "{}",
        "[\"a\",0,[],0]",                             /* a gene is missing */
        "[1,0,[],0,1]",                               /* not a text */
        "[\"1 2 3 4 5 6 7 8 9\",0,[],0,1]",           /* too many words */
        "[[\"a b\"],0,[],0,1]",                       /* a second way to say the same */
        "[[\"a b\",0],0,[],0,1]",                     /* a run without end */
        "[[\"a b\",0,3],0,[],0,1]",                   /* beyond the text */
        "[[\"a b\",0,1,1,2],0,[],0,1]",               /* runs that touch */
        "[[\"a b\",1,1],0,[],0,1]",                   /* empty run */
        "[\"a\\u0000b\",0,[],0,1]",                   /* a NUL */
        "[\"a\",3,[],0,1]",                           /* no such option */
        "[\"a\",-1,[],0,1]",                          /* */
        "[\"a\",1.0,[],0,1]",                         /* not an index */
        "[\"a\",0,[10],0,1]",                         /* outside the pool */
        "[\"a\",0,[1,1],0,1]",                        /* twice */
        "[\"a\",0,[1,2,3,4],0,1]",                    /* too many */
        "[\"a\",0,[],3.5,1]",                         /* out of range */
        "[\"a\",0,[],0,1.5]",                         /* not whole */
        "[\"a\",0,[],null,1]",                        /* */
        "[\"a\",0,[99999999999999999999999999],0,1]", /* overflows */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        genome g;
        error err = {0};
        assert_int_equal(genome_parse(&g, &spec, wrong[i], strlen(wrong[i]), &err),
                         E_FORMAT);
        assert_int_equal(err.code, E_FORMAT);
        assert_true(err.text[0] != '\0');
    }
}

static void checking_names_the_gene_and_the_bound(void **state)
{
    (void)state;
    genome g = make("1 2 3 4 5 6 7 8 9");
    error err = {0};
    assert_int_equal(genome_check(&spec, &g, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "\"instruction\" has 9 words"));
    assert_non_null(strstr(err.text, "limit of 8"));
    genome_free(&g);
}

static double distance(const char *a, const char *b)
{
    genome x = make(a), y = make(b);
    double d = genome_distance(&spec, &x, &y);
    assert_true(d == genome_distance(&spec, &y, &x));
    genome_free(&x);
    genome_free(&y);
    return d * 5;
}

static void distance_counts_edits_of_words(void **state)
{
    (void)state;
    assert_float_equal(distance("a b c d", "a b c d"), 0, 1e-12);
    assert_float_equal(distance("a b c d", "a  b\nc d "), 0, 1e-12);
    assert_float_equal(distance("a b c d", "a x c d"), 0.25, 1e-12);
    assert_float_equal(distance("a b c d", "b c d"), 0.25, 1e-12);
    assert_float_equal(distance("a b c d", "b c d a"), 0.5, 1e-12);
    assert_float_equal(distance("a b", ""), 1, 1e-12);
    assert_float_equal(distance("", ""), 0, 1e-12);
}

/* The textbook table, with memory for all of it. */
static size_t distance_slow(const char *a, size_t n, const char *b, size_t m)
{
    size_t *table = calloc((n + 1) * (m + 1), sizeof *table), w = m + 1;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            size_t best = i + j;
            if (i && j && table[(i - 1) * w + j - 1] + (a[i - 1] != b[j - 1]) < best)
                best = table[(i - 1) * w + j - 1] + (a[i - 1] != b[j - 1]);
            if (i && table[(i - 1) * w + j] + 1 < best)
                best = table[(i - 1) * w + j] + 1;
            if (j && table[i * w + j - 1] + 1 < best)
                best = table[i * w + j - 1] + 1;
            table[i * w + j] = best;
        }
    size_t d = table[n * w + m];
    free(table);
    return d;
}

static void distance_agrees_with_the_textbook_on_random_texts(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (int round = 0; round < 500; round++) {
        char letters[2][16], spaced[2][40];
        size_t n[2];
        for (int k = 0; k < 2; k++) {
            n[k] = gsl_rng_uniform_int(rng, 9);
            for (size_t i = 0; i < n[k]; i++) {
                letters[k][i] = (char)('a' + gsl_rng_uniform_int(rng, 3));
                spaced[k][2 * i] = letters[k][i];
                spaced[k][2 * i + 1] = ' ';
            }
            spaced[k][2 * n[k]] = '\0';
        }
        size_t longest = n[0] > n[1] ? n[0] : n[1];
        double expected =
            longest ? (double)distance_slow(letters[0], n[0], letters[1], n[1]) /
                          (double)longest
                    : 0;
        assert_float_equal(distance(spaced[0], spaced[1]), expected, 1e-12);
    }
    gsl_rng_free(rng);
}

static void copies_are_equal_and_independent(void **state)
{
    (void)state;
    genome a = make("some words here"), b;
    assert_int_equal(genome_copy(&b, &a, NULL), 0);
    char *before = key_of(&a);
    b.genes[0].words[0].s[0] = 'X';
    char *after = key_of(&a);
    assert_string_equal(before, after);
    free(before);
    free(after);
    genome_free(&a);
    genome_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rendering_gives_back_the_text_byte_for_byte),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(frozen_phrases_mark_whole_words_wherever_they_occur),
        cmocka_unit_test(frozen_phrase_that_does_not_occur_is_an_error),
        cmocka_unit_test(serialising_and_parsing_are_inverse),
        cmocka_unit_test(keys_differ_where_genomes_do),
        cmocka_unit_test(parsing_refuses_what_does_not_fit),
        cmocka_unit_test(checking_names_the_gene_and_the_bound),
        cmocka_unit_test(distance_counts_edits_of_words),
        cmocka_unit_test(distance_agrees_with_the_textbook_on_random_texts),
        cmocka_unit_test(copies_are_equal_and_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

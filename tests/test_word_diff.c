/* Word differences: what they say, and that both texts can be read back from them. */
#include "../experiments/views/word_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "=same -removed +added" with bars between the parts. */
static void describe(const char *a, const char *b, text *out)
{
    diff_part *parts = NULL;
    size_t n = 0;
    assert_int_equal(word_diff(a, b, &parts, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(text_add_format(out, NULL, "%s%c%.*s", i ? "|" : "",
                                         "=-+"[parts[i].kind], (int)parts[i].n,
                                         parts[i].s),
                         0);
    free(parts);
}

static void check(const char *a, const char *b, const char *expected)
{
    text t = {0};
    describe(a, b, &t);
    assert_string_equal(text_string(&t), expected);
    text_free(&t);
}

static void tells_single_edits(void **state)
{
    (void)state;
    check("a b c", "a b c", "=a b c");
    check("a b c", "a c", "=a |-b |=c");
    check("a c", "a b c", "=a |+b |=c");
    check("a b c", "a x c", "=a |-b |+x |=c");
    check("a b c d", "a c b d", "=a |-b |=c |+b |=d");
    check("", "a", "+a");
    check("a", "", "-a");
    check("", "", "");
}

static void keeps_the_new_white_space(void **state)
{
    (void)state;
    check("a b", "a\n\nb ", "=a\n\nb ");
    check(" a", "a", "- |=a");
}

/* Removed words stand together, before what came instead. */
static void gathers_what_changed(void **state)
{
    (void)state;
    check("a b c d", "x y", "-a b c d|+x y");
    check("k a b k2 c", "k x y k2 z", "=k |-a b |+x y |=k2 |-c|+z");
}

/* The new text is the SAME and ADDED parts, whatever the texts. */
static void rebuilds_the_new_text(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 300; round++) {
        char a[200] = "", b[200] = "";
        char *texts[2] = {a, b};
        for (int k = 0; k < 2; k++)
            for (size_t words = seed_mix(seed, (uint64_t)k) % 20; words > 0; words--) {
                size_t n = strlen(texts[k]);
                seed = seed_mix(seed, words);
                snprintf(texts[k] + n, sizeof a - n, "%c%s", (char)('a' + seed % 4),
                         seed % 3 ? " " : "\n");
            }
        seed++;
        diff_part *parts = NULL;
        size_t n = 0;
        text rebuilt = {0};
        assert_int_equal(word_diff(a, b, &parts, &n, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            if (parts[i].kind != DIFF_REMOVED)
                assert_int_equal(text_add(&rebuilt, parts[i].s, parts[i].n, NULL), 0);
        }
        assert_string_equal(text_string(&rebuilt), b);
        text_free(&rebuilt);
        free(parts);
    }
}

static void gives_up_on_texts_too_long_to_compare(void **state)
{
    (void)state;
    enum { WORDS = 3000 };
    text a = {0}, b = {0};
    for (int i = 0; i < WORDS; i++) {
        assert_int_equal(text_add_format(&a, NULL, "a%d ", i), 0);
        assert_int_equal(text_add_format(&b, NULL, "a%d ", i + 1), 0);
    }
    diff_part *parts = NULL;
    size_t n = 0;
    assert_int_equal(word_diff(a.s, b.s, &parts, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(parts[0].kind, DIFF_REMOVED);
    assert_int_equal(parts[0].n, a.n);
    assert_int_equal(parts[1].kind, DIFF_ADDED);
    assert_int_equal(parts[1].n, b.n);
    free(parts);
    text_free(&a);
    text_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_single_edits),
        cmocka_unit_test(keeps_the_new_white_space),
        cmocka_unit_test(gathers_what_changed),
        cmocka_unit_test(rebuilds_the_new_text),
        cmocka_unit_test(gives_up_on_texts_too_long_to_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Command lines by table: what is accepted, and what each refusal says. */
#include "../experiments/commands/command.h"
#include "../experiments/commands/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 12 };

static const char *const colours[] = {"red", "green", NULL};

/* What the options of these tests write to. */
typedef struct values {
    bool flag, given;
    const char *text;
    size_t size;
    uint64_t seed;
    double real;
    int colour;
    option_list list;
    size_t n;
    const char *rest[MOST];
} values;

static int parse(values *v, error *err, const char *const *words)
{
    const option options[] = {
        {"flag", OPTION_FLAG, &v->flag, NULL, NULL},
        {"text", OPTION_TEXT, &v->text, &v->given, NULL},
        {"size", OPTION_SIZE, &v->size, NULL, NULL},
        {"seed", OPTION_SEED, &v->seed, NULL, NULL},
        {"real", OPTION_REAL, &v->real, NULL, NULL},
        {"colour", OPTION_CHOICE, &v->colour, NULL, colours},
        {"list", OPTION_LIST, &v->list, NULL, NULL},
    };
    char name[] = "test";
    char *argv[MOST] = {name};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    int rc = options_parse(argc, argv, options, sizeof options / sizeof *options,
                           &(positionals){"A B", 0, 2}, &v->n, err);
    for (size_t i = 0; rc == 0 && i < v->n; i++)
        v->rest[i] = argv[i + 1];
    return rc;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void reads_every_kind(void **state)
{
    (void)state;
    values v = {0};
    error err = {0};
    assert_int_equal(
        parse(&v, &err,
              WORDS("a", "--flag", "--text=x=y", "--size", "12", "--seed",
                    "18446744073709551615", "--real=-1.5e3", "--colour", "green", "-")),
        0);
    assert_true(v.flag);
    assert_true(v.given);
    assert_string_equal(v.text, "x=y");
    assert_int_equal(v.size, 12);
    assert_true(v.seed == UINT64_MAX);
    assert_true(v.real == -1500.0);
    assert_int_equal(v.colour, 1);
    assert_int_equal(v.n, 2);
    assert_string_equal(v.rest[0], "a");
    assert_string_equal(v.rest[1], "-");
}

static void leaves_what_is_not_given(void **state)
{
    (void)state;
    values v = {.size = 7, .real = 0.5, .text = "kept"};
    error err = {0};
    assert_int_equal(parse(&v, &err, WORDS("a")), 0);
    assert_int_equal(v.size, 7);
    assert_true(v.real == 0.5);
    assert_string_equal(v.text, "kept");
    assert_false(v.given);
}

static void collects_lists_in_order(void **state)
{
    (void)state;
    values v = {0};
    error err = {0};
    assert_int_equal(parse(&v, &err, WORDS("--list", "1", "--list=2", "--list", "--3")),
                     0);
    assert_int_equal(v.list.n, 3);
    assert_string_equal(v.list.items[0], "1");
    assert_string_equal(v.list.items[1], "2");
    assert_string_equal(v.list.items[2], "--3");
    option_list_free(&v.list);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    values v = {0};
    error err = {0};
    assert_int_equal(parse(&v, &err, WORDS("--", "--flag", "-x")), 0);
    assert_false(v.flag);
    assert_int_equal(v.n, 2);
    assert_string_equal(v.rest[0], "--flag");
    assert_string_equal(v.rest[1], "-x");
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *words[5], *message;
    } cases[] = {
        {{"--colur", "red"}, "there is no option --colur; did you mean --colour?"},
        {{"--flag=1"}, "--flag takes no value, but got '1'"},
        {{"--text"}, "--text wants a value"},
        {{"--size", "-3"}, "--size wants a whole number, not '-3'"},
        {{"--size", "3x"}, "--size wants a whole number, not '3x'"},
        {{"--size", ""}, "--size wants a whole number, not ''"},
        {{"--seed", "18446744073709551616"},
         "--seed: 18446744073709551616 is too large, the limit is 18446744073709551615"},
        {{"--real", "nan"}, "--real wants a number, not 'nan'"},
        {{"--real", "1,5"}, "--real wants a number, not '1,5'"},
        {{"--colour", "gren"},
         "--colour does not know 'gren': it is one of red, green; did you mean 'green'?"},
        {{"-f"}, "there is no option -f: options begin with --"},
        {{"a", "b", "c"}, "test does not know what to do with 'c'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        values v = {0};
        error err = {0};
        assert_int_equal(parse(&v, &err, cases[i].words), E_USAGE);
        assert_string_equal(err.text, cases[i].message);
        option_list_free(&v.list);
    }
}

static void wants_enough_positionals(void **state)
{
    (void)state;
    char name[] = "score", *argv[] = {name, NULL};
    size_t n = 9;
    error err = {0};
    assert_int_equal(
        options_parse(1, argv, NULL, 0, &(positionals){"MODEL FILE", 2, 2}, &n, &err),
        E_USAGE);
    assert_string_equal(err.text, "score wants MODEL FILE, but got 0 of them");
    assert_int_equal(n, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(leaves_what_is_not_given),
        cmocka_unit_test(collects_lists_in_order),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(wants_enough_positionals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a file says of how far back its layers look, and what it may not say. */
#include "engine_fixture.h"
#include "gguf_build.h"

#include "../model/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW  "x.attention.sliding_window"
#define PATTERN "x.attention.sliding_window_pattern"

enum { LAYERS = 4, CONTEXT = 64 };

static const arch all = {.name = "x", .reach = {REACH_EVERY_LAYER}};
static const arch told = {.name = "x", .reach = {REACH_AS_TOLD}};
static const arch second = {.name = "x", .reach = {REACH_MOST_LAYERS, 2, false}};
static const arch first = {.name = "x", .reach = {REACH_MOST_LAYERS, 2, true}};

/* A value of a key; n 0: the key is absent. */
typedef struct value {
    uint32_t type;
    char bytes[24];
    size_t n;
} value;

static int find(const arch *a, const value *window, const value *pattern,
                size_t out[LAYERS], error *err)
{
    gguf_build b = {0};
    size_t n;
    gguf *g;
    if (window->n > 0)
        build_value(&b, WINDOW, window->type, window->bytes, window->n);
    if (pattern->n > 0)
        build_value(&b, PATTERN, pattern->type, pattern->bytes, pattern->n);
    char *bytes = build_finish(&b, &n);
    must(gguf_parse(&g, bytes, n, err), err);
    int rc = reach_find(g, a, LAYERS, CONTEXT, out, err);
    gguf_close(g);
    free(bytes);
    return rc;
}

/* An array of n bools, as it lies in the file. */
#define BOOLS(n, ...)                                                                    \
    {                                                                                    \
        BUILD_ARRAY, {BUILD_BOOL, 0, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, __VA_ARGS__},         \
            12 + (n)                                                                     \
    }

static void files_say_which_layers_look_how_far(void **state)
{
    (void)state;
    static const struct {
        const arch *a;
        value window, pattern;
        size_t reach[LAYERS];
    } cases[] = {
        {&all, {0}, {0}, {0}},
        {&told, {0}, {0}, {0}},
        {&all, {BUILD_U32, {8}, 4}, {0}, {8, 8, 8, 8}},
        {&all, {BUILD_I8, {1}, 1}, {0}, {1, 1, 1, 1}},
        {&all, {BUILD_U32, {0}, 4}, {0}, {0}},
        {&told, {BUILD_U32, {0}, 4}, {0}, {0}},
        {&all, {BUILD_U32, {CONTEXT - 1}, 4}, {0}, {63, 63, 63, 63}},
        /* as long as the context, or longer: nothing is out of reach */
        {&all, {BUILD_U32, {CONTEXT}, 4}, {0}, {0}},
        {&told, {BUILD_U32, {CONTEXT}, 4}, {0}, {0}},
        {&all, {BUILD_U64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8}, {0}, {0}},
        {&second, {BUILD_U32, {8}, 4}, {0}, {8, 0, 8, 0}},
        {&first, {BUILD_U32, {8}, 4}, {0}, {0, 8, 0, 8}},
        {&second, {BUILD_U32, {CONTEXT}, 4}, {0}, {0}},
        /* the file knows better than the family */
        {&all, {BUILD_U32, {8}, 4}, BOOLS(4, 0, 1, 1, 0), {0, 8, 8, 0}},
        {&told, {BUILD_U32, {8}, 4}, BOOLS(4, 1, 0, 0, 1), {8, 0, 0, 8}},
        {&told, {BUILD_U32, {8}, 4}, {BUILD_U32, {2}, 4}, {8, 0, 8, 0}},
        {&first, {BUILD_U32, {8}, 4}, {BUILD_U32, {3}, 4}, {0, 8, 8, 0}},
        {&second, {BUILD_U32, {8}, 4}, {BUILD_U32, {0}, 4}, {8, 8, 8, 8}},
        {&all, {BUILD_U32, {8}, 4}, {BUILD_U32, {1}, 4}, {0}},
        {&all, {BUILD_U32, {8}, 4}, {BUILD_U64, "\0\0\0\0\1", 8}, {8, 8, 8, 8}},
        {&first, {BUILD_U32, {8}, 4}, {BUILD_U64, "\0\0\0\0\1", 8}, {0, 8, 8, 8}},
        {&told, {0}, BOOLS(4, 1, 1, 1, 1), {0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t reach[LAYERS] = {7, 7, 7, 7};
        error err = {0};
        must(find(cases[i].a, &cases[i].window, &cases[i].pattern, reach, &err), &err);
        if (memcmp(reach, cases[i].reach, sizeof(reach)) != 0)
            fail_msg("case %zu: %zu %zu %zu %zu", i, reach[0], reach[1], reach[2],
                     reach[3]);
    }
}

static void what_cannot_be_meant_is_refused_by_key_and_value(void **state)
{
    (void)state;
    static const struct {
        const arch *a;
        value window, pattern;
        int code;
        const char *says;
    } cases[] = {
        {&all,
         {BUILD_I32, "\xfc\xff\xff\xff", 4},
         {0},
         E_FORMAT,
         "key \"" WINDOW "\" is -4, expected at least 0"},
        {&all,
         {BUILD_F32, "\0\0\xf0\x40", 4},
         {0},
         E_FORMAT,
         "key \"" WINDOW "\" holds a value of type f32 (7.5), expected an integer"},
        {&all,
         {BUILD_BOOL, {1}, 1},
         {0},
         E_FORMAT,
         "key \"" WINDOW "\" holds a value of type bool (1), expected an integer"},
        {&all,
         {BUILD_STRING,
          "\1\0\0\0\0\0\0\0"
          "8",
          9},
         {0},
         E_FORMAT,
         "key \"" WINDOW "\" holds a value of type string, expected an integer"},
        {&all, BOOLS(1, 1), {0}, E_FORMAT, "holds an array of bool, expected an integer"},
        {&told,
         {BUILD_U32, {8}, 4},
         {0},
         E_UNSUPPORTED,
         WINDOW " is 8, but no key " PATTERN " says in which layers"},
        {&all,
         {BUILD_U32, {8}, 4},
         BOOLS(3, 1, 1, 0),
         E_FORMAT,
         PATTERN " has 3 elements for 4 layers"},
        {&all,
         {BUILD_U32, {8}, 4},
         BOOLS(4, 1, 2, 0, 0),
         E_FORMAT,
         "an element of key \"" PATTERN "\" is not what it must be"},
        {&all,
         {BUILD_U32, {8}, 4},
         {BUILD_ARRAY, {BUILD_I8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, 16},
         E_FORMAT,
         "key \"" PATTERN "\" holds an array of i8, expected an array of bools"},
        {&all,
         {BUILD_U32, {8}, 4},
         {BUILD_I8, "\xfe", 1},
         E_FORMAT,
         "key \"" PATTERN "\" is -2, expected at least 0"},
        {&all,
         {0},
         {BUILD_F32, {0}, 4},
         E_FORMAT,
         "key \"" PATTERN "\" holds a value of type f32 (0), expected an integer"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t reach[LAYERS] = {7, 7, 7, 7};
        error err = {0};
        int rc = find(cases[i].a, &cases[i].window, &cases[i].pattern, reach, &err);
        if (rc != cases[i].code || strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %d, %s", i, rc, err.text);
        assert_true(reach[0] == 7 && reach[3] == 7);
    }
}

/* Mistral's files are llama's and limit every layer; Qwen2's must say. */
static void the_table_knows_its_families(void **state)
{
    (void)state;
    assert_int_equal(arch_find("llama")->reach.layers, REACH_EVERY_LAYER);
    assert_int_equal(arch_find("qwen2")->reach.layers, REACH_AS_TOLD);
    for (size_t i = 0; i < n_tiny_models; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i]);
        const model_info *info = model_describe(f.model);
        bool mistral = strcmp(tiny_models[i], "tiny-mistral") == 0;
        bool local = strcmp(tiny_models[i], "tiny-local") == 0;
        assert_int_equal(info->reach, mistral ? 8 : local ? 5 : 0);
        assert_int_equal(info->n_limited, mistral ? 3 : local ? 2 : 0);
        engine_fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_say_which_layers_look_how_far),
        cmocka_unit_test(what_cannot_be_meant_is_refused_by_key_and_value),
        cmocka_unit_test(the_table_knows_its_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

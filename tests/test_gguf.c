/* Reading well-formed GGUF files. Malformed ones: test_gguf_invalid.c. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../model/gguf.h"
#include "fixture.h"
#include "gguf_build.h"
#include "gguf_walk.h"

/* An open file built in memory. */
typedef struct opened {
    gguf *g;
    char *bytes;
    size_t n;
} opened;

static opened open_built(gguf_build *b)
{
    opened o = {0};
    o.bytes = build_finish(b, &o.n);
    error err = {0};
    if (gguf_parse(&o.g, o.bytes, o.n, &err) < 0)
        fail_msg("%s", err.text);
    return o;
}

static void close_built(opened *o)
{
    gguf_close(o->g);
    free(o->bytes);
}

static void an_empty_file_has_nothing(void **state)
{
    (void)state;
    opened o = open_built(&(gguf_build){0});
    assert_int_equal(gguf_version(o.g), 3);
    assert_int_equal(gguf_file_bytes(o.g), 24);
    assert_ptr_equal(gguf_file_data(o.g), o.bytes);
    assert_int_equal(gguf_key_count(o.g), 0);
    assert_int_equal(gguf_tensor_count(o.g), 0);
    assert_null(gguf_key(o.g, 0));
    assert_null(gguf_tensor_at(o.g, 0));
    assert_null(gguf_tensor_find(o.g, "output.weight"));
    assert_int_equal(gguf_kind_of(o.g, "general.name"), GGUF_ABSENT);
    close_built(&o);
}

static void every_integer_type_reads_back(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t type;
        gguf_kind kind;
        size_t bytes;
        double value;
    } cases[] = {
        {"u8", BUILD_U8, GGUF_UNSIGNED, 1, 255},
        {"i8", BUILD_I8, GGUF_SIGNED, 1, -1},
        {"u16", BUILD_U16, GGUF_UNSIGNED, 2, 65535},
        {"i16", BUILD_I16, GGUF_SIGNED, 2, -1},
        {"u32", BUILD_U32, GGUF_UNSIGNED, 4, 4294967295.0},
        {"i32", BUILD_I32, GGUF_SIGNED, 4, -1},
        {"u64", BUILD_U64, GGUF_UNSIGNED, 8, 18446744073709551615.0},
        {"i64", BUILD_I64, GGUF_SIGNED, 8, -1},
    };
    enum { N = sizeof cases / sizeof *cases };
    gguf_build b = {0};
    for (size_t i = 0; i < N; i++)
        build_value(&b, cases[i].key, cases[i].type, "\xff\xff\xff\xff\xff\xff\xff\xff",
                    cases[i].bytes);
    opened o = open_built(&b);
    for (size_t i = 0; i < N; i++) {
        double value = 0;
        uint64_t whole = 42;
        error err = {0};
        assert_int_equal(gguf_kind_of(o.g, cases[i].key), cases[i].kind);
        assert_string_equal(gguf_key(o.g, i), cases[i].key);
        assert_int_equal(gguf_get_double(o.g, cases[i].key, &value, &err), 1);
        assert_true(value == cases[i].value);
        int rc = gguf_get_uint(o.g, cases[i].key, &whole, &err);
        if (cases[i].kind == GGUF_UNSIGNED) {
            assert_int_equal(rc, 1);
            assert_int_equal(whole, UINT64_MAX >> (64 - 8 * cases[i].bytes));
        } else { /* -1 is no count */
            assert_int_equal(rc, E_FORMAT);
            assert_int_equal(whole, 42);
            assert_non_null(strstr(err.text, "is -1, expected at least 0"));
        }
    }
    close_built(&o);
}

static void floats_bools_and_strings_read_back(void **state)
{
    (void)state;
    gguf_build b = {0};
    float third = 1.0f / 3;
    double tenth = 0.1, value = 0;
    build_value(&b, "f32", BUILD_F32, &third, sizeof third);
    build_value(&b, "f64", BUILD_F64, &tenth, sizeof tenth);
    build_value(&b, "yes", BUILD_BOOL, "\1", 1);
    build_value(&b, "no", BUILD_BOOL, "\0", 1);
    build_string(&b, "name", "naïve");
    build_string(&b, "none", "");
    opened o = open_built(&b);
    bool yes = false, no = true;
    const char *name = NULL, *none = NULL;
    assert_int_equal(gguf_get_double(o.g, "f32", &value, NULL), 1);
    assert_true(value == (double)third);
    assert_int_equal(gguf_get_double(o.g, "f64", &value, NULL), 1);
    assert_true(value == tenth);
    assert_int_equal(gguf_get_bool(o.g, "yes", &yes, NULL), 1);
    assert_int_equal(gguf_get_bool(o.g, "no", &no, NULL), 1);
    assert_true(yes && !no);
    assert_int_equal(gguf_get_string(o.g, "name", &name, NULL), 1);
    assert_string_equal(name, "naïve");
    assert_int_equal(gguf_get_string(o.g, "none", &none, NULL), 1);
    assert_string_equal(none, "");
    close_built(&o);
}

static void arrays_read_back(void **state)
{
    (void)state;
    static const char *const words[] = {"", "a", "Ġthe", "<|im_end|>"};
    static const int8_t small[] = {-128, 127};
    static const uint64_t large[] = {0, INT32_MAX};
    static const double reals[] = {0.5, -3e38, HUGE_VAL};
    gguf_build b = {0};
    build_strings(&b, "words", words, 4);
    build_array(&b, "small", BUILD_I8, 2, small, sizeof small);
    build_array(&b, "large", BUILD_U64, 2, large, sizeof large);
    build_array(&b, "reals", BUILD_F64, 3, reals, sizeof reals);
    build_array(&b, "none", BUILD_F32, 0, NULL, 0);
    build_array(&b, "flags", BUILD_BOOL, 2, "\1\0", 2);
    opened o = open_built(&b);
    const char *const *s;
    const int32_t *i;
    const float *f;
    const bool *flags;
    size_t n;
    assert_int_equal(gguf_get_strings(o.g, "words", &s, &n, NULL), 1);
    assert_int_equal(n, 4);
    for (size_t k = 0; k < n; k++)
        assert_string_equal(s[k], words[k]);
    assert_int_equal(gguf_get_ints(o.g, "small", &i, &n, NULL), 1);
    assert_true(n == 2 && i[0] == -128 && i[1] == 127);
    assert_int_equal(gguf_get_ints(o.g, "large", &i, &n, NULL), 1);
    assert_true(n == 2 && i[0] == 0 && i[1] == INT32_MAX);
    assert_int_equal(gguf_get_floats(o.g, "reals", &f, &n, NULL), 1);
    assert_true(n == 3 && f[0] == 0.5f && f[1] == -3e38f && isinf(f[2]));
    assert_int_equal(gguf_get_floats(o.g, "none", &f, &n, NULL), 1);
    assert_int_equal(n, 0);
    assert_int_equal(gguf_kind_of(o.g, "flags"), GGUF_ARRAY);
    assert_int_equal(gguf_get_bools(o.g, "flags", &flags, &n, NULL), 1);
    assert_true(n == 2 && flags[0] && !flags[1]);
    close_built(&o);
}

static void a_value_of_another_kind_is_refused_by_its_getter(void **state)
{
    (void)state;
    static const char *const words[] = {"a"};
    gguf_build b = {0};
    build_strings(&b, "words", words, 1);
    build_string(&b, "name", "x");
    build_u32(&b, "count", 7);
    opened o = open_built(&b);
    error err = {0};
    uint64_t u;
    double d;
    bool t;
    size_t n;
    const char *s;
    const int32_t *i;
    const float *f;
    const bool *flags;
    const char *const *list;
    assert_int_equal(gguf_get_uint(o.g, "name", &u, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "key \"name\" holds a value of type string, "
                                     "expected an integer"));
    assert_int_equal(gguf_get_double(o.g, "words", &d, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "an array of string"));
    assert_int_equal(gguf_get_bool(o.g, "count", &t, &err), E_FORMAT);
    assert_int_equal(gguf_get_string(o.g, "count", &s, &err), E_FORMAT);
    assert_int_equal(gguf_get_strings(o.g, "name", &list, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_ints(o.g, "words", &i, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_ints(o.g, "count", &i, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_bools(o.g, "words", &flags, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_bools(o.g, "count", &flags, &n, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "of type u32 (7), expected an array of bools"));
    assert_int_equal(gguf_get_floats(o.g, "words", &f, &n, &err), E_FORMAT);
    close_built(&o);
}

static void an_absent_key_leaves_the_output_alone(void **state)
{
    (void)state;
    gguf_build b = {0};
    build_u32(&b, "general.alignmen", 32);
    opened o = open_built(&b);
    uint64_t u = 42;
    double d = 42;
    bool t = true;
    size_t n = 42;
    const char *s = "42";
    const float *f = NULL;
    error err = {0};
    assert_int_equal(gguf_get_uint(o.g, "general.alignment", &u, &err), 0);
    assert_int_equal(gguf_get_double(o.g, "", &d, &err), 0);
    assert_int_equal(gguf_get_bool(o.g, "z", &t, &err), 0);
    assert_int_equal(gguf_get_string(o.g, "a", &s, &err), 0);
    assert_int_equal(gguf_get_floats(o.g, "a", &f, &n, &err), 0);
    assert_true(u == 42 && d == 42 && t && n == 42 && !f && err.code == 0);
    assert_string_equal(s, "42");
    close_built(&o);
}

static void only_who_asks_for_an_unusable_value_fails(void **state)
{
    (void)state;
    static const int64_t ints[] = {1, (int64_t)INT32_MAX + 1};
    static const uint64_t huge[] = {UINT64_MAX};
    static const double reals[] = {1e39};
    gguf_build b = {0};
    build_value(&b, "nul", BUILD_STRING, "\3\0\0\0\0\0\0\0a\0b", 11);
    build_array(&b, "nuls", BUILD_STRING, 2, "\1\0\0\0\0\0\0\0a\1\0\0\0\0\0\0\0\0", 18);
    build_array(&b, "ints", BUILD_I64, 2, ints, sizeof ints);
    build_array(&b, "huge", BUILD_U64, 1, huge, sizeof huge);
    build_array(&b, "reals", BUILD_F64, 1, reals, sizeof reals);
    build_u32(&b, "fine", 7);
    opened o = open_built(&b);
    error err = {0};
    const char *s = NULL;
    const char *const *list;
    const int32_t *i;
    const float *f;
    size_t n;
    uint64_t u;
    assert_int_equal(gguf_get_string(o.g, "nul", &s, &err), E_FORMAT);
    /* 24 bytes of header, 8 + 3 of key, 4 of type */
    assert_string_equal(err.text, "byte 39: the string of key \"nul\" holds a NUL byte");
    assert_null(s);
    assert_int_equal(gguf_get_strings(o.g, "nuls", &list, &n, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "\"nuls\""));
    assert_int_equal(gguf_get_ints(o.g, "ints", &i, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_ints(o.g, "huge", &i, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_floats(o.g, "reals", &f, &n, &err), E_FORMAT);
    assert_int_equal(gguf_get_uint(o.g, "fine", &u, &err), 1);
    close_built(&o);
}

static void tensors_lie_where_the_file_says(void **state)
{
    (void)state;
    static const float values[] = {1, 2, 3, 4, 5, 6};
    gguf_build b = {0};
    build_tensor(&b, "b", QUANT_F32, 2, (uint64_t[]){3, 2}, values, sizeof values);
    build_tensor(&b, "a", QUANT_Q4_1, 4, (uint64_t[]){64, 1, 3, 1}, NULL, 6 * 20);
    opened o = open_built(&b);
    assert_int_equal(gguf_tensor_count(o.g), 2);
    const gguf_tensor *first = gguf_tensor_at(o.g, 0), *second = gguf_tensor_at(o.g, 1);
    assert_ptr_equal(gguf_tensor_find(o.g, "b"), first);
    assert_ptr_equal(gguf_tensor_find(o.g, "a"), second);
    assert_null(gguf_tensor_find(o.g, "c"));
    assert_string_equal(first->name, "b");
    assert_true(first->type == QUANT_F32 && first->n_dims == 2 && first->bytes == 24);
    assert_true(first->dims[0] == 3 && first->dims[1] == 2 && first->n_elements == 6);
    assert_memory_equal(first->data, values, sizeof values);
    assert_true(second->n_dims == 4 && second->n_elements == 192 && second->bytes == 120);
    assert_ptr_equal(second->data, o.bytes + o.n - 120);
    close_built(&o);
}

static void alignment_moves_the_data(void **state)
{
    (void)state;
    gguf_build b = {0};
    build_u32(&b, "general.alignment", 8);
    build_tensor(&b, "a", QUANT_F32, 1, (uint64_t[]){2}, "\0\0\x80\x3f\0\0\0\x40", 8);
    opened padded = open_built(&b); /* to 32: more than 8 asks for */
    size_t metadata = 24 + (8 + 17 + 4 + 4) + (8 + 1 + 4 + 8 + 4 + 8);
    const char *data = gguf_tensor_at(padded.g, 0)->data;
    assert_int_equal(data - padded.bytes, (metadata + 7) / 8 * 8);
    close_built(&padded);
}

static void version_2_reads_the_same(void **state)
{
    (void)state;
    size_t n;
    char *bytes = fixture_read("tiny-q4_1.gguf", &n);
    gguf *three, *two;
    assert_int_equal(gguf_parse(&three, bytes, n, NULL), 0);
    uint64_t sum = walk_gguf(three);
    gguf_close(three);
    bytes[4] = 2;
    assert_int_equal(gguf_parse(&two, bytes, n, NULL), 0);
    assert_int_equal(gguf_version(two), 2);
    assert_int_equal(walk_gguf(two), sum - 1);
    gguf_close(two);
    free(bytes);
}

static void files_written_by_the_gguf_package_open(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        quant_type embedding;
        size_t width, n_tensors;
    } models[] = {
        {"tiny-f32.gguf", QUANT_F32, 32, 20},
        {"tiny-f16-untied.gguf", QUANT_F16, 64, 21},
        {"tiny-q8_0.gguf", QUANT_Q8_0, 64, 20},
        {"tiny-q4_1.gguf", QUANT_Q8_0, 64, 20},
        {"tiny-k-mix.gguf", QUANT_Q6_K, 256, 20},
        {"tiny-llama3-rope.gguf", QUANT_F16, 64, 21},
        {"tiny-linear-rope.gguf", QUANT_Q5_1, 64, 11},
        {"tiny-one-kv.gguf", QUANT_BF16, 64, 21},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[FIXTURE_PATH_BYTES];
        gguf *g;
        error err = {0};
        if (gguf_open(&g, fixture_path(path, models[i].file), &err) < 0)
            fail_msg("%s", err.text);
        const gguf_tensor *t = gguf_tensor_find(g, "token_embd.weight");
        assert_non_null(t);
        assert_int_equal(t->type, models[i].embedding);
        assert_int_equal(t->dims[0], models[i].width);
        assert_int_equal(t->dims[1], 291);
        assert_int_equal((uintptr_t)t->data % 32, 0);
        assert_int_equal(gguf_tensor_count(g), models[i].n_tensors);
        const char *const *tokens;
        size_t n;
        assert_int_equal(gguf_get_strings(g, "tokenizer.ggml.tokens", &tokens, &n, &err),
                         1);
        assert_int_equal(n, 291);
        walk_gguf(g);
        gguf_close(g);
    }
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    const char *scratch = getenv("TMPDIR");
    char folder[1000], path[FIXTURE_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/lamarck-gguf-XXXXXX", scratch ? scratch : "/tmp");
    assert_non_null(mkdtemp(folder));
    gguf *g = NULL;
    error err = {0};
    snprintf(path, sizeof path, "%s/absent", folder);
    assert_int_equal(gguf_open(&g, path, &err), E_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(gguf_open(&g, folder, &err), E_IO);
    assert_non_null(strstr(err.text, "not a regular file"));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(gguf_open(&g, path, &err),
                     E_IO); /* and does not wait for a writer */
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/empty", folder);
    fclose(fopen(path, "w"));
    assert_int_equal(gguf_open(&g, path, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "empty"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    fixture_path(path, "quant/F32.f32"); /* bytes that are no GGUF */
    assert_int_equal(gguf_open(&g, path, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "quant/F32.f32: byte 0: expected the magic"));
    assert_null(g);
    gguf_close(NULL);
}

static void memory_stays_a_small_multiple_of_the_file(void **state)
{
    (void)state;
    gguf_build b = {0};
    char key[16];
    for (int i = 0; i < 20000; i++) { /* the least that a key can take */
        snprintf(key, sizeof key, "%x", i);
        build_value(&b, key, BUILD_BOOL, "", 1);
    }
    build_array(&b, "ints", BUILD_U8, 3000, key, 0);
    for (int i = 0; i < 3000; i++)
        put_bytes(&b.keys, "", 1);
    size_t n;
    char *bytes = build_finish(&b, &n);
    struct mallinfo2 before = mallinfo2();
    gguf *g;
    assert_int_equal(gguf_parse(&g, bytes, n, NULL), 0);
    struct mallinfo2 after = mallinfo2();
    size_t grown = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_in_range(grown, 0, 16 * n); /* (sanitizers report 0) */
    gguf_close(g);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_nothing),
        cmocka_unit_test(every_integer_type_reads_back),
        cmocka_unit_test(floats_bools_and_strings_read_back),
        cmocka_unit_test(arrays_read_back),
        cmocka_unit_test(a_value_of_another_kind_is_refused_by_its_getter),
        cmocka_unit_test(an_absent_key_leaves_the_output_alone),
        cmocka_unit_test(only_who_asks_for_an_unusable_value_fails),
        cmocka_unit_test(tensors_lie_where_the_file_says),
        cmocka_unit_test(alignment_moves_the_data),
        cmocka_unit_test(version_2_reads_the_same),
        cmocka_unit_test(files_written_by_the_gguf_package_open),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        cmocka_unit_test(memory_stays_a_small_multiple_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

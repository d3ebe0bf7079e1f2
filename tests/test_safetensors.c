/* model/safetensors.h, held to files of the reference implementation
 * (tests/fixtures/make_safetensors.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../model/safetensors.h"
#include "engine_fixture.h"
#include "fixture.h"
#include "scratch.h"

static const float expected[6] = {0.5f, -1.25f, 3.0f, 65504.0f, -0.0f, 0x1p-14f};

static safetensors *open_fixture(const char *name)
{
    char path[FIXTURE_PATH_BYTES];
    safetensors *s = NULL;
    error err = {0};
    must(safetensors_open(&s, fixture_path(path, name), &err), &err);
    return s;
}

static void reads_every_float_type_of_the_reference(void **state)
{
    (void)state;
    safetensors *s = open_fixture("safetensors/values.safetensors");
    assert_int_equal(safetensors_count(s), 7);
    const char *const names[] = {"f32", "f64", "f16", "bf16"};
    for (size_t i = 0; i < 4; i++) {
        const safetensor *t = safetensors_find(s, names[i]);
        assert_non_null(t);
        assert_int_equal(t->n_dims, 2);
        assert_int_equal(t->dims[0], 2);
        assert_int_equal(t->dims[1], 3);
        float got[6];
        error err = {0};
        must(safetensor_to_f32(t, got, &err), &err);
        for (size_t j = 0; j < 6; j++) {
            /* bfloat16 has eight bits: 65504 becomes 65536. */
            float want = i == 3 && j == 3 ? 65536.0f : expected[j];
            assert_true(got[j] == want && signbit(got[j]) == signbit(want));
        }
    }
    safetensors_close(s);
}

static void lists_what_it_does_not_convert(void **state)
{
    (void)state;
    safetensors *s = open_fixture("safetensors/values.safetensors");
    const safetensor *t = safetensors_find(s, "i64");
    float got[3];
    error err = {0};
    assert_int_equal(t->type, SAFETENSOR_OTHER);
    assert_string_equal(t->dtype, "I64");
    assert_int_equal(safetensor_to_f32(t, got, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "i64"));
    assert_int_equal(safetensors_find(s, "scalar")->n_dims, 0);
    assert_int_equal(safetensor_elements(safetensors_find(s, "scalar")), 1);
    assert_int_equal(safetensor_elements(safetensors_find(s, "empty")), 0);
    assert_null(safetensors_find(s, "absent"));
    assert_string_equal(safetensors_metadata(s, "note"), "gr\xc3\xbcn");
    assert_null(safetensors_metadata(s, "absent"));
    safetensors_close(s);
}

static const float two[2] = {1.0f, 2.0f};
static const safetensor ours[] = {
    {.name = "a", .type = SAFETENSOR_F32, .n_dims = 2, .dims = {2, 3}, .bytes = expected},
    {.name = "b", .type = SAFETENSOR_F32, .n_dims = 1, .dims = {2}, .bytes = two},
};
static const safetensors_note note = {"format", "pt"};

static void writes_the_bytes_of_the_reference(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    must(safetensors_write(path, ours, 2, &note, 1, &err), &err);
    size_t n, n_want;
    char *got, *want = fixture_read("safetensors/f32.safetensors", &n_want);
    must(file_read(path, 1 << 20, &got, &n, &err), &err);
    assert_int_equal(n, n_want);
    assert_memory_equal(got, want, n);
    free(got);
    free(want);
    scratch_remove(folder);
}

static void refuses_to_write_what_cannot_be_read_again(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    const safetensor equal[] = {ours[0], ours[0]};
    assert_int_equal(safetensors_write(path, equal, 2, NULL, 0, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "already a tensor \"a\""));
    safetensor bad = ours[0];
    bad.name = "\xff";
    assert_int_equal(safetensors_write(path, &bad, 1, NULL, 0, &err), E_ARGUMENT);
    bad.name = "a";
    bad.type = SAFETENSOR_OTHER;
    assert_int_equal(safetensors_write(path, &bad, 1, NULL, 0, &err), E_ARGUMENT);
    const safetensors_note wrong = {"x", "\xff"};
    assert_int_equal(safetensors_write(path, ours, 1, &wrong, 1, &err), E_ARGUMENT);
    assert_int_equal(access(path, F_OK), -1);
    scratch_remove(folder);
}

static void a_failed_write_names_the_file_and_leaves_none(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    snprintf(path, sizeof path, "%s/absent/x.safetensors", folder);
    assert_int_equal(safetensors_write(path, ours, 2, NULL, 0, &err), E_IO);
    assert_non_null(strstr(err.text, "absent/x.safetensors"));
    snprintf(path, sizeof path, "%s/folder", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(safetensors_write(path, ours, 2, NULL, 0, &err), E_IO);
    snprintf(path, sizeof path, "%s/folder.part", folder);
    assert_int_equal(access(path, F_OK), -1);
    scratch_remove(folder);
}

/* A file of this header and n_data bytes. */
static int parse_text(const char *header, size_t n_data, error *err)
{
    size_t length = strlen(header);
    char bytes[2048] = {0};
    assert_true(8 + length + n_data <= sizeof bytes);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (char)(length >> (8 * i));
    memcpy(bytes + 8, header, length);
    safetensors *s = NULL;
    int rc = safetensors_parse(&s, bytes, 8 + length + n_data, "bad.safetensors", err);
    safetensors_close(s);
    return rc;
}

static void says_what_is_wrong_with_a_header(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        int code;
        const char *says;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, 0, ""},
        {"{}", 0, 0, ""},
        {"{}", 3, E_FORMAT, "3 bytes of data"},
        {"[]", 0, E_FORMAT, "not a JSON object"},
        {"{\"a\":", 0, E_FORMAT, "not JSON"},
        {"{\"a\":1}", 0, E_FORMAT, "\"a\": its entry"},
        {"{\"__metadata__\":1}", 0, E_FORMAT, "__metadata__"},
        {"{\"__metadata__\":{\"k\":1}}", 0, E_FORMAT, "\"k\""},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2,8],\"data_offsets\":[0,8]}}", 8, 0, ""},
        {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, 0,
         ""},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[5],\"data_offsets\":[0,3]}}", 3, E_FORMAT,
         "no whole bytes"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, E_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         E_UNSUPPORTED, "Q9"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, E_FORMAT, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, E_FORMAT,
         "not a size"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}"
         "}",
         4, E_UNSUPPORTED, "9 dimensions, the limit is 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":["
         "0,"
         "0]}}",
         0, E_FORMAT, "64 bits"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, E_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, E_FORMAT,
         "0 to 8 of 7"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, E_FORMAT,
         "8 to 0"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, E_FORMAT,
         "has 8 bytes, but its dtype and shape make 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, E_FORMAT, "begins at byte 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, E_FORMAT,
         "begins at byte 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        int rc = parse_text(cases[i].header, cases[i].n_data, &err);
        if (rc != cases[i].code || !strstr(err.text, cases[i].says))
            fail_msg("%s: %d \"%s\"", cases[i].header, rc, err.text);
        if (rc < 0)
            assert_non_null(strstr(err.text, "bad.safetensors"));
    }
}

static void every_truncation_is_an_error(void **state)
{
    (void)state;
    size_t n;
    char *whole = fixture_read("safetensors/values.safetensors", &n);
    for (size_t i = 0; i < n; i++) {
        safetensors *s = NULL;
        error err = {0};
        assert_int_equal(safetensors_parse(&s, whole, i, "cut", &err), E_FORMAT);
        assert_null(s);
        assert_non_null(strstr(err.text, "cut"));
    }
    free(whole);
}

static void a_header_longer_than_the_limit_is_refused(void **state)
{
    (void)state;
    safetensors *s = NULL;
    error err = {0};
    assert_int_equal(safetensors_parse(&s, "GGUF\3\0\0\0\0\0", 10, "model.gguf", &err),
                     E_FORMAT);
    assert_non_null(strstr(err.text, "model.gguf"));
    assert_non_null(strstr(err.text, "the limit is"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_float_type_of_the_reference),
        cmocka_unit_test(lists_what_it_does_not_convert),
        cmocka_unit_test(writes_the_bytes_of_the_reference),
        cmocka_unit_test(refuses_to_write_what_cannot_be_read_again),
        cmocka_unit_test(a_failed_write_names_the_file_and_leaves_none),
        cmocka_unit_test(says_what_is_wrong_with_a_header),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(a_header_longer_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

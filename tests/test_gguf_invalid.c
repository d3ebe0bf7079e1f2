/* Malformed GGUF files: each is refused with the place and the reason, none is read
 * beyond its end (run this under AddressSanitizer: files are exact allocations). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/gguf.h"
#include "fixture.h"
#include "gguf_build.h"
#include "gguf_walk.h"

/* The bytes must be refused with `code` and a text that holds `says`. */
static void expect_refusal(const char *bytes, size_t n, int code, const char *says)
{
    gguf *g = NULL;
    error err = {0};
    int rc = gguf_parse(&g, bytes, n, &err);
    if (rc != code || g || !strstr(err.text, says))
        fail_msg("got %d \"%s\", expected %d and \"%s\"", rc, err.text, code, says);
    assert_int_equal(err.code, code);
}

static void expect_build_refusal(gguf_build *b, int code, const char *says)
{
    size_t n;
    char *bytes = build_finish(b, &n);
    expect_refusal(bytes, n, code, says);
    free(bytes);
}

static void write_u32(char *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

static void write_u64(char *at, uint64_t value)
{
    write_u32(at, (uint32_t)value);
    write_u32(at + 4, (uint32_t)(value >> 32));
}

/* A small file with every type of value and three tensors. */
static char *whole_file(size_t *n)
{
    static const char *const words[] = {"one", "", "three"};
    static const char zeros[64];
    gguf_build b = {0};
    build_string(&b, "general.architecture", "llama");
    build_u32(&b, "general.alignment", 32);
    for (uint32_t type = BUILD_U8; type <= BUILD_F64; type++) {
        static const size_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        char key[32];
        if (!bytes[type])
            continue;
        snprintf(key, sizeof key, "value.%u", type);
        build_value(&b, key, type, zeros, bytes[type]);
        snprintf(key, sizeof key, "array.%u", type);
        build_array(&b, key, type, 3, zeros, 3 * bytes[type]);
    }
    build_strings(&b, "words", words, 3);
    build_tensor(&b, "a", QUANT_F32, 2, (uint64_t[]){3, 2}, NULL, 24);
    build_tensor(&b, "b", QUANT_Q8_0, 1, (uint64_t[]){64}, NULL, 68);
    build_tensor(&b, "c", QUANT_Q6_K, 2, (uint64_t[]){256, 1}, NULL, 210);
    return build_finish(&b, n);
}

/* ---- Header ---- */

static void what_is_not_gguf_is_refused(void **state)
{
    (void)state;
    expect_refusal("", 0, E_FORMAT, "byte 0: expected the magic");
    expect_refusal("GGU", 3, E_FORMAT, "the file ends 3 bytes later");
    expect_refusal("PK\3\4        ", 12, E_FORMAT, "found 50 4b 03 04");
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        const char *says;
    } cases[] = {
        {0, "byte 4: GGUF version 0, expected 2 or 3"},
        {1, "byte 4: GGUF version 1, expected 2 or 3"},
        {4, "byte 4: GGUF version 4, expected 2 or 3"},
        {0x03000000, "version 3 with its bytes swapped: the file is big-endian"},
        {0x01000000, "big-endian"},
        {UINT32_MAX, "byte 4: GGUF version 4294967295"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *bytes = whole_file(&n);
        write_u32(bytes + 4, cases[i].version);
        expect_refusal(bytes, n, E_UNSUPPORTED, cases[i].says);
        free(bytes);
    }
}

static void counts_beyond_the_file_are_refused(void **state)
{
    (void)state;
    static const uint64_t counts[] = {100, 1u << 31, 1ull << 61, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t n;
        char *bytes = whole_file(&n);
        write_u64(bytes + 8, counts[i]);
        expect_refusal(bytes, n, E_FORMAT, "byte 8: the number of tensors is ");
        write_u64(bytes + 8, 3);
        write_u64(bytes + 16, counts[i]);
        expect_refusal(bytes, n, E_FORMAT, "byte 16: the number of keys is ");
        free(bytes);
    }
}

/* ---- Metadata ---- */

static void bad_keys_are_refused(void **state)
{
    (void)state;
    gguf_build b = {0};
    char *key = calloc(1, 65537);
    assert_non_null(key);
    memset(key, 'k', 65536);
    build_u32(&b, key, 1);
    expect_build_refusal(&b, E_FORMAT, "a key has 65536 bytes, expected 1 to 65535");
    free(key);
    build_u32(&b, "", 1);
    expect_build_refusal(&b, E_FORMAT, "byte 24: a key has 0 bytes");
    build_u32(&b, "\xc3(", 1);
    expect_build_refusal(&b, E_FORMAT, "byte 24: a key is not UTF-8");
    put_string(&b.keys, "a\0b", 3);
    put_u32(&b.keys, BUILD_BOOL);
    put_bytes(&b.keys, "\1", 1);
    b.n_keys = 1;
    expect_build_refusal(&b, E_FORMAT, "byte 24: a key holds a NUL byte");
    build_u32(&b, "twice", 1);
    build_u32(&b, "other", 1);
    build_string(&b, "twice", "2");
    expect_build_refusal(&b, E_FORMAT, "key \"twice\" is there a second time");
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    gguf_build b = {0};
    build_value(&b, "k", 13, "", 1);
    expect_build_refusal(
        &b, E_FORMAT, "key \"k\": byte 33: the type of a value is 13, expected 0 to 12");
    build_value(&b, "k", UINT32_MAX, "", 1);
    expect_build_refusal(&b, E_FORMAT, "the type of a value is 4294967295");
    build_value(&b, "k", BUILD_BOOL, "\2", 1);
    expect_build_refusal(&b, E_FORMAT, "byte 37: a bool is 2, expected 0 or 1");
    build_array(&b, "k", 13, 0, NULL, 0);
    expect_build_refusal(&b, E_FORMAT, "the element type of an array is 13");
    build_array(&b, "k", BUILD_ARRAY, 1, "\4\0\0\0\0\0\0\0\0\0\0\0", 12);
    expect_build_refusal(&b, E_FORMAT, "byte 37: an array of arrays");
}

static void lengths_beyond_the_file_are_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {1000,       1ull << 32,     1ull << 61,
                                       1ull << 63, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        gguf_build b = {0};
        char length[8];
        write_u64(length, lengths[i]);
        build_value(&b, "k", BUILD_STRING, length, 8);
        expect_build_refusal(&b, E_FORMAT, "byte 37: a string is ");
        build_array(&b, "k", BUILD_STRING, 1, length, 8);
        expect_build_refusal(&b, E_FORMAT, "byte 49: a string of an array is ");
        put_bytes(&b.keys, length, 8);
        put_bytes(&b.keys, "1234567", 7);
        b.n_keys = 1;
        expect_build_refusal(&b, E_FORMAT, "byte 24: a key is ");
        for (uint32_t type = BUILD_U8; type <= BUILD_F64; type++) {
            if (type == BUILD_ARRAY)
                continue;
            build_array(&b, "k", type, lengths[i], "\0\0\0\0\0\0\0\0", 8);
            expect_build_refusal(&b, E_FORMAT, "byte 41: the length of an array is ");
        }
    }
}

/* ---- Tensors ---- */

static void bad_alignments_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 4, 24, 33, UINT32_MAX};
    gguf_build b = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        build_u32(&b, "general.alignment", wrong[i]);
        expect_build_refusal(&b, E_FORMAT, "byte 53: general.alignment is ");
    }
    build_value(&b, "general.alignment", BUILD_U64, "\0\0\0\0\1\0\0\0", 8);
    expect_build_refusal(&b, E_FORMAT, "general.alignment is 4294967296");
    build_string(&b, "general.alignment", "32");
    expect_build_refusal(&b, E_FORMAT, "type string, expected an integer");
    build_u32(&b, "general.alignment", 1u << 31);
    build_tensor(&b, "t", QUANT_F32, 1, (uint64_t[]){8}, NULL, 32);
    expect_build_refusal(&b, E_FORMAT, "which begins at byte 2147483648");
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    static const uint64_t many[] = {1, 1, 1, 1, 1};
    static const struct {
        uint32_t type, n_dims;
        uint64_t dims[4];
        const char *says;
    } cases[] = {
        {QUANT_F32, 0, {0}, "0 dimensions, expected 1 to 4"},
        {QUANT_F32, 2, {8, 0}, "dimension 1 is 0, expected at least 1"},
        {QUANT_F32, 2, {1ull << 32, 1ull << 32}, "dimension 1 is 4294967296"},
        {QUANT_F32, 4, {65536, 65536, 65536, 65536}, "dimension 3 is 65536"},
        {QUANT_F32, 2, {UINT64_MAX, UINT64_MAX}, "dimension 1 is 18446744073709551615"},
        {QUANT_F32, 1, {1ull << 62}, "take more than 2^64 bytes"},
        {QUANT_Q8_0, 1, {UINT64_MAX - 31}, "take more than 2^64 bytes"},
        {QUANT_Q4_1,
         1,
         {48},
         "rows of 48 values, expected a multiple of 32, the block of "
         "Q4_1"},
        {QUANT_Q4_K, 2, {128, 2}, "rows of 128 values, expected a multiple of 256"},
        {QUANT_F32, 1, {1ull << 60}, "needs 4611686018427387904 bytes"},
    };
    gguf_build b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build_description(&b, "t", cases[i].type, cases[i].n_dims, cases[i].dims, 0);
        put_bytes(&b.data, many, sizeof many);
        expect_build_refusal(&b, E_FORMAT, cases[i].says);
    }
    build_description(&b, "t", QUANT_F32, 5, many, 0);
    expect_build_refusal(&b, E_FORMAT, "tensor \"t\": byte 33: 5 dimensions");
}

static void types_that_cannot_be_read_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        int code;
        const char *says;
    } cases[] = {
        {10, E_UNSUPPORTED, "tensor \"blk.0.ffn_up.weight\": byte 63: tensor type Q2_K"},
        {23, E_UNSUPPORTED, "tensor type IQ4_XS cannot be read"},
        {28, E_UNSUPPORTED, "tensor type F64 cannot be read"},
        {4, E_UNSUPPORTED, "tensor type Q4_2 cannot be read"},
        {99, E_FORMAT, "tensor type 99, which ggml does not define"},
        {UINT32_MAX, E_FORMAT, "tensor type 4294967295"},
    };
    gguf_build b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build_tensor(&b, "blk.0.ffn_up.weight", cases[i].type, 1, (uint64_t[]){256}, NULL,
                     4096);
        expect_build_refusal(&b, cases[i].code, cases[i].says);
    }
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    static const uint64_t dims[] = {8};
    char name[66];
    memset(name, 'n', sizeof name);
    name[65] = '\0';
    gguf_build b = {0};
    build_tensor(&b, name, QUANT_F32, 1, dims, NULL, 32);
    expect_build_refusal(&b, E_FORMAT, "the name of a tensor has 65 bytes");
    build_tensor(&b, "a", QUANT_F32, 1, dims, NULL, 32);
    build_tensor(&b, "b", QUANT_F32, 1, dims, NULL, 32);
    build_tensor(&b, "a", QUANT_F32, 1, dims, NULL, 32);
    expect_build_refusal(
        &b, E_FORMAT, "byte 90: a second tensor named \"a\" (the first is at byte 24)");
}

static void bad_places_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset;
        const char *says;
    } cases[] = {
        {8, "has the offset 8, expected a multiple of the alignment 32"},
        {0, "at offset 0 of the data overlaps"},
        {64, "the file ends at byte"},
        {1ull << 40, "at offset 1099511627776 of the data"},
        {0 - 32ull, "at offset 18446744073709551584 of the data"}, /* the metadata */
        {0 - 128ull, "at offset 18446744073709551488 of the data"},
    };
    gguf_build b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build_tensor(&b, "a", QUANT_F32, 1, (uint64_t[]){8}, NULL, 32);
        build_description(&b, "b", QUANT_F32, 1, (uint64_t[]){8}, cases[i].offset);
        put_bytes(&b.data, "12345678901234567890123456789012", 32);
        expect_build_refusal(&b, E_FORMAT, cases[i].says);
    }
    build_tensor(&b, "large", QUANT_F32, 1, (uint64_t[]){32}, NULL, 128);
    build_description(&b, "inside", QUANT_F32, 1, (uint64_t[]){8}, 96);
    expect_build_refusal(&b, E_FORMAT,
                         "tensor \"inside\" at offset 96 of the data "
                         "overlaps \"large\"");
}

/* ---- Everything, systematically ---- */

/* Parse an exact copy of the bytes and read all that comes out. */
static int try_bytes(const char *bytes, size_t n, error *err)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    gguf *g = NULL;
    int rc = gguf_parse(&g, copy, n, err);
    if (rc == 0)
        walk_gguf(g);
    else
        assert_true(!g && err->code == rc && strstr(err->text, "byte "));
    gguf_close(g);
    free(copy);
    return rc;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    size_t n;
    error err = {0};
    char *bytes = whole_file(&n);
    assert_int_equal(try_bytes(bytes, n, &err), 0);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(try_bytes(bytes, cut, &err), E_FORMAT);
    free(bytes);
    bytes = fixture_read("tiny-linear-rope.gguf", &n);
    for (size_t cut = 0; cut < n; cut += cut < 9000 ? 7 : 997)
        assert_int_equal(try_bytes(bytes, cut, &err), E_FORMAT);
    free(bytes);
}

static void no_changed_field_is_followed_out_of_the_file(void **state)
{
    (void)state;
    static const uint64_t hostile[] = {
        0,          1,          13,        255,        1u << 16,        UINT32_MAX,
        1ull << 32, 1ull << 61, INT64_MAX, 1ull << 63, UINT64_MAX - 31, UINT64_MAX};
    size_t n, refused = 0, read = 0;
    char *bytes = whole_file(&n);
    for (size_t at = 0; at + 8 <= n; at++)
        for (size_t k = 0; k < sizeof hostile / sizeof *hostile; k++)
            for (size_t width = 4; width <= 8; width += 4) {
                char kept[8];
                error err = {0};
                memcpy(kept, bytes + at, 8);
                if (width == 4)
                    write_u32(bytes + at, (uint32_t)hostile[k]);
                else
                    write_u64(bytes + at, hostile[k]);
                *(try_bytes(bytes, n, &err) < 0 ? &refused : &read) += 1;
                memcpy(bytes + at, kept, 8);
            }
    assert_true(refused > read); /* most bytes of it are structure */
    free(bytes);
}

static void no_changed_byte_is_followed_out_of_the_file(void **state)
{
    (void)state;
    size_t n;
    char *bytes = whole_file(&n);
    for (size_t at = 0; at < n; at++)
        for (unsigned flip = 1; flip < 256; flip += flip < 16 ? 1 : 16) {
            error err = {0};
            bytes[at] = (char)((unsigned char)bytes[at] ^ flip);
            try_bytes(bytes, n, &err);
            bytes[at] = (char)((unsigned char)bytes[at] ^ flip);
        }
    free(bytes);
}

static void a_failure_may_go_unreported(void **state)
{
    (void)state;
    gguf *g = NULL;
    assert_int_equal(gguf_parse(&g, "GGUF", 4, NULL), E_FORMAT);
    assert_int_equal(gguf_open(&g, "/nonexistent/x", NULL), E_IO);
    gguf_build b = {0};
    build_value(&b, "k", 13, "", 1);
    size_t n;
    char *bytes = build_finish(&b, &n);
    assert_int_equal(gguf_parse(&g, bytes, n, NULL), E_FORMAT);
    free(bytes);
    assert_null(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_gguf_is_refused),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(counts_beyond_the_file_are_refused),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(lengths_beyond_the_file_are_refused),
        cmocka_unit_test(bad_alignments_are_refused),
        cmocka_unit_test(bad_shapes_are_refused),
        cmocka_unit_test(types_that_cannot_be_read_are_refused_by_name),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(bad_places_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(no_changed_field_is_followed_out_of_the_file),
        cmocka_unit_test(no_changed_byte_is_followed_out_of_the_file),
        cmocka_unit_test(a_failure_may_go_unreported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

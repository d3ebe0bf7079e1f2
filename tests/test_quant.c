/* Widening of weight blocks, held to the gguf package bit for bit
 * (tests/fixtures/make_quant.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/gguf.h"
#include "../model/quant.h"
#include "fixture.h"

static const uint32_t all_types[] = {
    QUANT_F32,  QUANT_F16,  QUANT_BF16, QUANT_Q8_0, QUANT_Q4_0, QUANT_Q4_1,
    QUANT_Q5_0, QUANT_Q5_1, QUANT_Q4_K, QUANT_Q5_K, QUANT_Q6_K,
};
enum { N_TYPES = sizeof all_types / sizeof *all_types };

/* A fixture of one format: n blocks and what they widen to. */
typedef struct sample {
    const quant_format *format;
    char *blocks;
    float *expected;
    size_t n, n_values;
} sample;

static sample sample_read(uint32_t type)
{
    sample s = {.format = quant_find(type)};
    assert_non_null(s.format);
    char name[64];
    size_t bytes;
    snprintf(name, sizeof name, "quant/%s.blocks", s.format->name);
    s.blocks = fixture_read(name, &bytes);
    s.n = bytes / s.format->bytes;
    s.n_values = s.n * s.format->values;
    assert_int_equal(bytes, s.n * s.format->bytes);
    snprintf(name, sizeof name, "quant/%s.f32", s.format->name);
    char *values = fixture_read(name, &bytes);
    assert_int_equal(bytes, s.n_values * sizeof(float));
    s.expected = malloc(bytes);
    assert_non_null(s.expected);
    memcpy(s.expected, values, bytes);
    free(values);
    return s;
}

static void sample_free(sample *s)
{
    free(s->blocks);
    free(s->expected);
}

static void assert_same_bits(const sample *s, const float *got)
{
    for (size_t i = 0; i < s->n_values; i++)
        if (memcmp(&got[i], &s->expected[i], sizeof(float)) != 0)
            fail_msg("%s: value %zu of block %zu is %a, expected %a", s->format->name,
                     i % s->format->values, i / s->format->values, (double)got[i],
                     (double)s->expected[i]);
}

static void widening_equals_the_reference_bit_for_bit(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_TYPES; k++) {
        sample s = sample_read(all_types[k]);
        float *got = malloc((s.n_values + 1) * sizeof *got);
        assert_non_null(got);
        got[s.n_values] = 42;
        s.format->widen(s.blocks, s.n, got);
        assert_same_bits(&s, got);
        assert_true(got[s.n_values] == 42);
        free(got);
        sample_free(&s);
    }
}

static void source_may_have_any_alignment(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_TYPES; k++) {
        sample s = sample_read(all_types[k]);
        size_t bytes = s.n * s.format->bytes;
        for (size_t shift = 1; shift < 4; shift++) {
            /* exactly as large as it must be, so that sanitizers see a read too far */
            char *moved = malloc(bytes + shift);
            float *got = malloc(s.n_values * sizeof *got);
            assert_non_null(moved);
            assert_non_null(got);
            memcpy(moved + shift, s.blocks, bytes);
            s.format->widen(moved + shift, s.n, got);
            assert_same_bits(&s, got);
            free(moved);
            free(got);
        }
        sample_free(&s);
    }
}

static void blocks_one_at_a_time_give_the_same(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_TYPES; k++) {
        sample s = sample_read(all_types[k]);
        float *got = calloc(s.n_values, sizeof *got);
        assert_non_null(got);
        for (size_t i = 0; i < s.n; i++)
            s.format->widen(s.blocks + i * s.format->bytes, 1,
                            got + i * s.format->values);
        assert_same_bits(&s, got);
        free(got);
        sample_free(&s);
    }
}

static void no_blocks_write_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_TYPES; k++) {
        float untouched = 42;
        quant_find(all_types[k])->widen("", 0, &untouched);
        assert_true(untouched == 42);
    }
}

/* The value of a half by the definition of IEEE 754. */
static float half_by_definition(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude = exponent == 31  ? (fraction ? (double)NAN : HUGE_VAL)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(fraction + 1024, exponent - 25);
    return (float)(half & 0x8000 ? -magnitude : magnitude);
}

static void every_half_widens_to_its_value(void **state)
{
    (void)state;
    uint16_t *halves = malloc(65536 * sizeof *halves);
    float *got = malloc(65536 * sizeof *got);
    assert_non_null(halves);
    assert_non_null(got);
    for (size_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    quant_find(QUANT_F16)->widen(halves, 65536, got);
    for (size_t i = 0; i < 65536; i++) {
        float expected = half_by_definition((uint16_t)i);
        if (isnan(expected) ? !isnan(got[i])
                            : memcmp(&got[i], &expected, sizeof expected) != 0)
            fail_msg("half %04zx is %a, expected %a", i, (double)got[i],
                     (double)expected);
    }
    free(halves);
    free(got);
}

static void every_bf16_is_the_top_of_its_float(void **state)
{
    (void)state;
    uint16_t *tops = malloc(65536 * sizeof *tops);
    float *got = malloc(65536 * sizeof *got);
    assert_non_null(tops);
    assert_non_null(got);
    for (size_t i = 0; i < 65536; i++)
        tops[i] = (uint16_t)i;
    quant_find(QUANT_BF16)->widen(tops, 65536, got);
    for (size_t i = 0; i < 65536; i++) {
        uint32_t bits;
        memcpy(&bits, &got[i], sizeof bits);
        assert_int_equal(bits, (uint32_t)i << 16);
    }
    free(tops);
    free(got);
}

static void formats_are_found_by_number_and_named(void **state)
{
    (void)state;
    size_t found = 0;
    for (uint32_t type = 0; type < 1000; type++) {
        const quant_format *format = quant_find(type);
        if (!format)
            continue;
        found++;
        assert_int_equal(format->type, type);
        assert_string_equal(format->name, quant_type_name(type));
    }
    assert_int_equal(found, N_TYPES);
    assert_null(quant_find(UINT32_MAX));
}

static void types_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    assert_string_equal(quant_type_name(10), "Q2_K");
    assert_string_equal(quant_type_name(15), "Q8_K");
    assert_string_equal(quant_type_name(20), "IQ4_NL");
    assert_string_equal(quant_type_name(28), "F64");
    assert_string_equal(quant_type_name(35), "TQ2_0");
    assert_string_equal(quant_type_name(39), "MXFP4");
    assert_null(quant_type_name(99));
    assert_null(quant_type_name(UINT32_MAX));
}

#define SMOLLM2_SHA256 "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

/* Widen every tensor, a row at a time, and hash the floats. */
static void hash_weights(const gguf *g, char hex[SHA256_HEX])
{
    error err = {0};
    sha256 h;
    assert_int_equal(sha256_begin(&h, &err), 0);
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        const quant_format *format = quant_find(t->type);
        size_t n_blocks = t->dims[0] / format->values;
        float *row = malloc(t->dims[0] * sizeof *row);
        assert_non_null(row);
        const char *data = t->data;
        for (size_t r = 0; r < t->n_elements / t->dims[0]; r++) {
            format->widen(data + r * n_blocks * format->bytes, n_blocks, row);
            assert_int_equal(sha256_add(&h, row, t->dims[0] * sizeof *row, &err), 0);
        }
        free(row);
    }
    assert_int_equal(sha256_end(&h, hex, &err), 0);
}

static void smollm2_widens_to_the_reference(void **state)
{
    (void)state;
    const char *path = fixture_model();
    if (!path)
        return;
    gguf *g;
    error err = {0};
    if (gguf_open(&g, path, &err) < 0)
        fail_msg("%s", err.text);
    char hex[SHA256_HEX], *expected = fixture_read("quant/smollm2.sha256", NULL);
    assert_int_equal(sha256_hex(gguf_file_data(g), gguf_file_bytes(g), hex, &err), 0);
    if (strcmp(hex, SMOLLM2_SHA256) != 0) {
        printf("SKIP %s is another model than the reference was made from\n", path);
    } else {
        hash_weights(g, hex);
        assert_memory_equal(hex, expected, SHA256_HEX - 1);
    }
    free(expected);
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widening_equals_the_reference_bit_for_bit),
        cmocka_unit_test(source_may_have_any_alignment),
        cmocka_unit_test(blocks_one_at_a_time_give_the_same),
        cmocka_unit_test(no_blocks_write_nothing),
        cmocka_unit_test(every_half_widens_to_its_value),
        cmocka_unit_test(every_bf16_is_the_top_of_its_float),
        cmocka_unit_test(formats_are_found_by_number_and_named),
        cmocka_unit_test(types_that_cannot_be_read_are_named),
        cmocka_unit_test(smollm2_widens_to_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

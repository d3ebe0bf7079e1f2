/* prefix/adapter.h, held to adapters that PEFT saved (tests/fixtures/make_adapters.py).
 * Folders that are wrong: test_adapter_invalid.c. Whether PEFT reads ours:
 * tests/cli/peft.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../prefix/adapter.h"
#include "engine_fixture.h"
#include "failing_malloc.h"
#include "fixture.h"
#include "scratch.h"

enum { TOKENS = 3, WIDTH = 16, LAYERS = 2, KV_HEADS = 2, HEAD = 4 };
enum { KV_WIDTH = LAYERS * 2 * KV_HEADS * HEAD };

/* ---- What PEFT wrote ---- */

static void adapter_path(char path[FIXTURE_PATH_BYTES], const char *name)
{
    char file[100];
    snprintf(file, sizeof file, "adapters/%s", name);
    fixture_path(path, file);
}

static prefix load(const char *name)
{
    char path[FIXTURE_PATH_BYTES];
    prefix p = {0};
    error err = {0};
    adapter_path(path, name);
    must(prefix_load(&p, path, &err), &err);
    return p;
}

/* The values that PEFT makes of `name`; new. */
static float *expected(const char *name, size_t n_floats)
{
    char file[100];
    size_t n;
    snprintf(file, sizeof file, "adapters/%s.f32", name);
    float *values = (void *)fixture_read(file, &n);
    assert_int_equal(n, n_floats * sizeof *values);
    return values;
}

static void check_key_values(const prefix *p)
{
    assert_int_equal(p->kind, PREFIX_KEY_VALUES);
    assert_int_equal(p->n, TOKENS);
    assert_int_equal(p->shape.n_layers, LAYERS);
    assert_int_equal(p->shape.n_kv_heads, KV_HEADS);
    assert_int_equal(p->shape.head_size, HEAD);
    assert_int_equal(prefix_floats_per_token(p), KV_WIDTH);
    assert_string_equal(p->origin.base_model, "tiny-llama");
    assert_string_equal(p->origin.model_hash, "");
    assert_true(isnan(p->origin.loss));
}

static void a_prompt_has_the_bits_that_peft_gives_the_model(void **state)
{
    (void)state;
    prefix p = load("prompt");
    float *want = expected("prompt", TOKENS * WIDTH);
    assert_int_equal(p.kind, PREFIX_EMBEDDINGS);
    assert_int_equal(p.n, TOKENS);
    assert_int_equal(p.shape.width, WIDTH);
    assert_int_equal(p.shape.n_layers, LAYERS);
    assert_string_equal(p.origin.base_model, "tiny-llama");
    assert_memory_equal(p.values, want, TOKENS * WIDTH * sizeof *want);
    free(want);
    prefix_free(&p);
}

/* The expected order is that of PEFT's cache: layer, key or value, head, width. */
static void a_prefix_has_the_bits_of_pefts_cache(void **state)
{
    (void)state;
    static const char *const names[] = {"prefix", "projection"};
    for (size_t i = 0; i < 2; i++) {
        prefix p = load(names[i]);
        float *want = expected(names[i], TOKENS * KV_WIDTH);
        check_key_values(&p);
        assert_memory_equal(p.values, want, TOKENS * KV_WIDTH * sizeof *want);
        free(want);
        prefix_free(&p);
    }
}

static void an_mlp_is_folded_to_what_peft_makes_of_it(void **state)
{
    (void)state;
    prefix p = load("mlp");
    float *want = expected("projection", TOKENS * KV_WIDTH);
    check_key_values(&p);
    for (size_t i = 0; i < TOKENS * KV_WIDTH; i++) /* float32 sums of 8 and 6 terms */
        assert_true(fabsf(p.values[i] - want[i]) <= 1e-6f);
    free(want);
    prefix_free(&p);
}

static void either_file_names_its_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"prompt/adapter_config.json",
                                        "prompt/adapter_model.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        prefix p = load(names[i]);
        assert_int_equal(p.n, TOKENS);
        prefix_free(&p);
    }
}

static void what_is_no_adapter_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *text;
    } cases[] = {
        {"nowhere", E_IO, "adapters/nowhere: No such file"},
        {"prompt.f32", E_ARGUMENT, "prompt.f32 is no adapter: wanted is a folder"},
        {"", E_IO, "adapter_config.json: No such file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[FIXTURE_PATH_BYTES];
        prefix p = {0};
        error err = {0};
        adapter_path(path, cases[i].name);
        assert_int_equal(prefix_load(&p, path, &err), cases[i].code);
        if (!strstr(err.text, cases[i].text))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
        assert_null(p.values);
    }
}

/* ---- What we write ---- */

static void same(const prefix *a, const prefix *b)
{
    size_t n = a->n * prefix_floats_per_token(a);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->n, b->n);
    assert_int_equal(prefix_floats_per_token(a), prefix_floats_per_token(b));
    assert_memory_equal(a->values, b->values, n * sizeof *a->values);
    assert_memory_equal(&a->shape, &b->shape, sizeof a->shape);
    assert_string_equal(a->origin.model_hash, b->origin.model_hash);
    assert_string_equal(a->origin.base_model, b->origin.base_model);
    assert_string_equal(a->origin.init, b->origin.init);
    assert_int_equal(a->origin.step, b->origin.step);
    assert_true(a->origin.loss == b->origin.loss);
}

static void what_is_saved_is_loaded_with_its_origin(void **state)
{
    (void)state;
    static const char *const names[] = {"prompt", "prefix", "mlp"};
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    for (size_t i = 0; i < 3; i++) {
        prefix p = load(names[i]), again = {0};
        error err = {0};
        memset(p.origin.model_hash, 'a', SHA256_HEX - 1);
        p.origin.init = string_copy("text");
        p.origin.step = UINT64_C(1) << 40;
        p.origin.loss = 0.1;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        must(prefix_save(&p, path, &err), &err);
        must(prefix_load(&again, path, &err), &err);
        same(&p, &again);
        prefix_free(&p);
        prefix_free(&again);
    }
    scratch_remove(folder);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    prefix p = load("prompt");
    error err = {0};
    assert_int_equal(prefix_save(&p, "/dev/null/adapter", &err), E_IO);
    assert_non_null(strstr(err.text, "/dev/null/adapter"));
    assert_int_equal(prefix_save(&p, "/dev/null", &err), E_IO);
    assert_non_null(strstr(err.text, "/dev/null/adapter_model.safetensors"));
    assert_int_equal(prefix_save_npy(&p, "/dev/null/x.npy", &err), E_IO);
    assert_non_null(strstr(err.text, "/dev/null/x.npy"));
    prefix_free(&p);
}

static void an_npy_file_is_a_header_of_64_bytes_and_the_values(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES], *bytes;
    prefix p = load("prefix");
    error err = {0};
    size_t n;
    snprintf(path, sizeof path, "%s/x.npy", folder);
    must(prefix_save_npy(&p, path, &err), &err);
    must(file_read(path, 1 << 20, &bytes, &n, &err), &err);
    size_t values = TOKENS * KV_WIDTH * sizeof(float), header = n - values;
    assert_int_equal(header % 64, 0);
    assert_memory_equal(bytes, "\x93NUMPY\1\0", 8);
    assert_int_equal((unsigned char)bytes[8] + 256 * (unsigned char)bytes[9],
                     header - 10);
    assert_non_null(strstr(bytes + 10, "'shape': (3, 2, 2, 2, 4), }"));
    assert_int_equal(bytes[header - 1], '\n');
    assert_memory_equal(bytes + header, p.values, values);
    free(bytes);
    prefix_free(&p);
    scratch_remove(folder);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    static const char *const names[] = {"prompt", "mlp"};
    for (size_t i = 0; i < 2; i++) {
        char path[FIXTURE_PATH_BYTES];
        adapter_path(path, names[i]);
        int rc = -1;
        long n = 1, before = allocations_held();
        for (; rc < 0; n++) {
            prefix p = {0};
            error err = {0};
            set_allocations_left(n - 1);
            rc = prefix_load(&p, path, &err);
            set_allocations_left(-1);
            if (rc < 0)
                assert_true(err.code == rc && err.text[0] && !p.values);
            else
                prefix_free(&p);
            assert_int_equal(allocations_held(), before);
        }
        assert_true(n > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_has_the_bits_that_peft_gives_the_model),
        cmocka_unit_test(a_prefix_has_the_bits_of_pefts_cache),
        cmocka_unit_test(an_mlp_is_folded_to_what_peft_makes_of_it),
        cmocka_unit_test(either_file_names_its_folder),
        cmocka_unit_test(what_is_no_adapter_is_named),
        cmocka_unit_test(what_is_saved_is_loaded_with_its_origin),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
        cmocka_unit_test(an_npy_file_is_a_header_of_64_bytes_and_the_values),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

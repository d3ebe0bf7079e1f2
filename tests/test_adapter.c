/* Adapters: what PEFT wrote comes out as the vectors that PEFT puts before a row, what we
 * write comes back bit for bit, and what is not a whole adapter of the right model is
 * refused by name. */
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

#include <jansson.h>

#include "../model/safetensors.h"
#include "../prefix/adapter.h"
#include "engine_fixture.h"
#include "fixture.h"
#include "scratch.h"

static const char *const kinds[] = {"prompt", "prefix", "projected"};
enum { N_KINDS = sizeof kinds / sizeof *kinds, MOST = 1 << 20 };

static const char *adapter_path(char path[FIXTURE_PATH_BYTES], const char *kind)
{
    char name[100];
    snprintf(name, sizeof name, "adapters/%s", kind);
    return fixture_path(path, name);
}

static void what_peft_wrote_is_what_it_puts_before_a_row(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        char path[FIXTURE_PATH_BYTES], name[100];
        prefix p;
        error err = {0};
        must(prefix_load(&p, adapter_path(path, kinds[k]), &err), &err);
        snprintf(name, sizeof name, "adapters/%s/expected.json", kinds[k]);
        char *bytes = fixture_read(name, NULL);
        json_t *expected = json_loads(bytes, 0, NULL);
        const json_t *values = json_object_get(expected, "values");
        size_t n = json_array_size(values);
        assert_int_equal(p.n, 3);
        assert_int_equal(p.n * prefix_floats_per_token(&p), n);
        /* a folded MLP is a sum of floats; the others are the file's own */
        double tolerance = strcmp(kinds[k], "projected") == 0 ? 1e-6 : 0;
        for (size_t i = 0; i < n; i++)
            assert_true(fabs((double)p.values[i] -
                             json_number_value(json_array_get(values, i))) <= tolerance);
        json_decref(expected);
        free(bytes);
        prefix_free(&p);
    }
}

static void they_stand_before_the_model_of_their_shape_and_no_other(void **state)
{
    (void)state;
    engine_fixture right, wrong;
    engine_fixture_open(&right, "tiny-f32");
    engine_fixture_open(&wrong, "tiny-one-kv");
    for (size_t k = 0; k < N_KINDS; k++) {
        char path[FIXTURE_PATH_BYTES];
        prefix p;
        error err = {0};
        must(prefix_load(&p, adapter_path(path, kinds[k]), &err), &err);
        must(prefix_check_model(&p, right.model, &err), &err);
        session *s = must_open(right.model, "cpu", 1, 0, OVERFLOW_ERROR);
        prefix_view view = prefix_view_of(&p);
        must(session_set_prefix(s, &view, &err), &err);
        assert_true(isfinite(must_score(s, &right.rows[0])));
        session_close(s);
        if (p.kind == PREFIX_KEY_VALUES) {
            assert_int_equal(prefix_check_model(&p, wrong.model, &err), E_ARGUMENT);
            assert_non_null(strstr(err.text, "tiny")); /* both are named */
        }
        prefix_free(&p);
    }
    engine_fixture_close(&right);
    engine_fixture_close(&wrong);
}

/* A prefix of ours, written to `folder`. */
static prefix written(const model *m, prefix_kind kind, const char *folder)
{
    prefix p;
    error err = {0};
    must(prefix_new(&p, m, kind, 4, NULL, &err), &err);
    for (size_t i = 0; i < 4 * prefix_floats_per_token(&p); i++)
        p.values[i] = (float)sin((double)i) * 1e-3f;
    p.origin.step = 12;
    p.origin.loss = 0.1;
    must(prefix_save(&p, folder, &err), &err);
    return p;
}

static void what_we_write_comes_back_and_knows_its_model_file(void **state)
{
    (void)state;
    engine_fixture f, other;
    engine_fixture_open(&f, "tiny-f32");
    engine_fixture_open(&other, "tiny-q8_0");
    char *folder = scratch_new();
    for (int kind = PREFIX_EMBEDDINGS; kind <= PREFIX_KEY_VALUES; kind++) {
        error err = {0};
        prefix back, p = written(f.model, (prefix_kind)kind, folder);
        char file[FIXTURE_PATH_BYTES];
        snprintf(file, sizeof file, "%s/adapter_model.safetensors", folder);
        must(prefix_load(&back, file, &err), &err); /* a file names its folder */
        assert_int_equal(back.kind, kind);
        assert_memory_equal(back.values, p.values,
                            4 * prefix_floats_per_token(&p) * sizeof(float));
        assert_string_equal(back.origin.model_hash, p.origin.model_hash);
        assert_int_equal(back.origin.step, 12);
        assert_true(back.origin.loss == 0.1);
        must(prefix_check_model(&back, f.model, &err), &err);
        assert_int_equal(prefix_check_model(&back, other.model, &err), E_ARGUMENT);
        prefix_free(&back);
        prefix_free(&p);
    }
    scratch_remove(folder);
    engine_fixture_close(&f);
    engine_fixture_close(&other);
}

static void npy_files_say_their_shape(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES], *bytes;
    size_t n;
    error err = {0};
    prefix p = written(f.model, PREFIX_KEY_VALUES, folder);
    size_t data = 4 * prefix_floats_per_token(&p) * sizeof(float);
    snprintf(path, sizeof path, "%s/p.npy", folder);
    must(prefix_save_npy(&p, path, &err), &err);
    must(file_read(path, MOST, &bytes, &n, &err), &err);
    assert_memory_equal(bytes, "\x93NUMPY\x01", 7);
    assert_int_equal((n - data) % 64, 0);
    assert_non_null(strstr(bytes + 10, "(4, 2, 2, 2, 8)"));
    assert_memory_equal(bytes + n - data, p.values, data);
    free(bytes);
    prefix_free(&p);
    scratch_remove(folder);
    engine_fixture_close(&f);
}

/* ---- What is refused ---- */

static void put_file(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[FIXTURE_PATH_BYTES];
    error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(file_write(path, bytes, n, &err), &err);
}

static void put_copy(const char *folder, const char *kind, const char *name)
{
    char from[200];
    size_t n;
    snprintf(from, sizeof from, "adapters/%s/%s", kind, name);
    char *bytes = fixture_read(from, &n);
    put_file(folder, name, bytes, n);
    free(bytes);
}

static void refused(const char *folder, int code, const char *says)
{
    prefix p = {0};
    error err = {0};
    assert_int_equal(prefix_load(&p, folder, &err), code);
    assert_null(p.values);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" should say \"%s\"", err.text, says);
}

static void truncated_files_are_refused(void **state)
{
    (void)state;
    char *folder = scratch_new();
    size_t n;
    put_copy(folder, "prefix", "adapter_config.json");
    char *bytes = fixture_read("adapters/prefix/adapter_model.safetensors", &n);
    for (size_t cut = 0; cut < n; cut += 37) {
        put_file(folder, "adapter_model.safetensors", bytes, cut);
        refused(folder, E_FORMAT, "adapter_model.safetensors");
    }
    put_file(folder, "adapter_model.safetensors", bytes, n);
    free(bytes);
    bytes = fixture_read("adapters/prefix/adapter_config.json", &n);
    for (size_t cut = 0; cut < n - 1; cut += 23) {
        put_file(folder, "adapter_config.json", bytes, cut);
        refused(folder, E_FORMAT, "adapter_config.json");
    }
    free(bytes);
    scratch_remove(folder);
}

static void wrong_configurations_are_refused_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *config, *says;
        int code;
    } cases[] = {
        {"[]", "an object", E_FORMAT},
        {"{}", "peft_type", E_FORMAT},
        {"{\"peft_type\": \"LORA\"}", "LORA", E_UNSUPPORTED},
        {"{\"peft_type\": \"PROMPT_TUNING\", \"task_type\": \"SEQ_CLS\"}", "SEQ_CLS",
         E_UNSUPPORTED},
        {"{\"peft_type\": \"PROMPT_TUNING\"}", "num_virtual_tokens", E_FORMAT},
        {"{\"peft_type\": \"PROMPT_TUNING\", \"num_virtual_tokens\": 99999999999}",
         "num_virtual_tokens", E_FORMAT},
        {"{\"peft_type\": \"PROMPT_TUNING\", \"num_virtual_tokens\": 4}", "wanted",
         E_FORMAT},
        {"{\"peft_type\": \"PREFIX_TUNING\", \"num_virtual_tokens\": 3}", "token_dim",
         E_FORMAT},
        {"{\"peft_type\": \"PREFIX_TUNING\", \"num_virtual_tokens\": 3, \"token_dim\": "
         "16, \"num_attention_heads\": 3, \"num_layers\": 2}",
         "multiple", E_FORMAT},
        {"{\"peft_type\": \"PREFIX_TUNING\", \"num_virtual_tokens\": 3, \"token_dim\": "
         "1048576, \"num_attention_heads\": 1, \"num_layers\": 1048576}",
         "wanted", E_FORMAT},
    };
    char *folder = scratch_new();
    put_copy(folder, "prompt", "adapter_model.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file(folder, "adapter_config.json", cases[i].config, strlen(cases[i].config));
        refused(folder, cases[i].code, cases[i].says);
    }
    scratch_remove(folder);
}

/* The tensors of the projected adapter without the one named. */
static void put_without(const char *folder, const char *missing)
{
    char path[FIXTURE_PATH_BYTES];
    safetensors *s;
    safetensor kept[8];
    size_t n = 0;
    error err = {0};
    fixture_path(path, "adapters/projected/adapter_model.safetensors");
    must(safetensors_open(&s, path, &err), &err);
    for (size_t i = 0; i < safetensors_count(s); i++)
        if (strcmp(safetensors_at(s, i)->name, missing) != 0)
            kept[n++] = *safetensors_at(s, i);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    must(safetensors_write(path, kept, n, NULL, 0, &err), &err);
    safetensors_close(s);
}

static void an_mlp_with_a_missing_tensor_is_refused_by_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"embedding.weight", "transform.0.weight",
                                        "transform.0.bias", "transform.2.weight",
                                        "transform.2.bias"};
    char *folder = scratch_new();
    put_copy(folder, "projected", "adapter_config.json");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_without(folder, names[i]);
        refused(folder, E_FORMAT, names[i]);
    }
    scratch_remove(folder);
}

static void values_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    float values[3 * 32] = {0};
    error err = {0};
    values[70] = (float)NAN;
    safetensor t = {.name = "prompt_embeddings",
                    .type = SAFETENSOR_F32,
                    .n_dims = 2,
                    .dims = {3, 32},
                    .bytes = values};
    put_copy(folder, "prompt", "adapter_config.json");
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    must(safetensors_write(path, &t, 1, NULL, 0, &err), &err);
    refused(folder, E_NUMERIC, "at 70");
    scratch_remove(folder);
    refused("no/such/adapter", E_IO, "no/such");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_peft_wrote_is_what_it_puts_before_a_row),
        cmocka_unit_test(they_stand_before_the_model_of_their_shape_and_no_other),
        cmocka_unit_test(what_we_write_comes_back_and_knows_its_model_file),
        cmocka_unit_test(npy_files_say_their_shape),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(wrong_configurations_are_refused_by_key),
        cmocka_unit_test(an_mlp_with_a_missing_tensor_is_refused_by_its_name),
        cmocka_unit_test(values_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

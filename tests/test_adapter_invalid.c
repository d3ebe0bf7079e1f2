/* Adapters' folders that are not what they claim, made from those of
 * tests/fixtures/make_adapters.py, and what may be missing or otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../model/safetensors.h"
#include "../prefix/adapter.h"
#include "engine_fixture.h"
#include "fixture.h"
#include "scratch.h"

enum { TOKENS = 3, WIDTH = 16, LAYERS = 2, KV_HEADS = 2, HEAD = 4, HIDDEN = 6 };
enum { KV_WIDTH = LAYERS * 2 * KV_HEADS * HEAD };

/* ---- Hostile folders ---- */

/* Copy one of the fixtures' files into a folder. */
static void copy_file(const char *name, const char *file, const char *folder)
{
    char from[200], to[FIXTURE_PATH_BYTES];
    size_t n;
    error err = {0};
    snprintf(from, sizeof from, "adapters/%s/%s", name, file);
    snprintf(to, sizeof to, "%s/%s", folder, file);
    char *bytes = fixture_read(from, &n);
    must(file_write(to, bytes, n, &err), &err);
    free(bytes);
}

/* Reading the folder must fail so. */
static void check_refused(const char *folder, int code, const char *file,
                          const char *says)
{
    prefix p = {0};
    error err = {0};
    int rc = adapter_read(&p, folder, &err);
    if (rc != code || !strstr(err.text, says) || !strstr(err.text, file))
        fail_msg("%d \"%s\" is not %d, naming %s, and saying \"%s\"", rc, err.text, code,
                 file, says);
    assert_null(p.values);
}

/* The fixture's configuration with one key given another value (JSON; NULL: removed). */
static void write_config(const char *name, const char *folder, const char *key,
                         const char *value)
{
    char from[200], to[FIXTURE_PATH_BYTES];
    snprintf(from, sizeof from, "adapters/%s/%s", name, adapter_config_name);
    snprintf(to, sizeof to, "%s/%s", folder, adapter_config_name);
    char *bytes = fixture_read(from, NULL);
    json_t *o = json_loads(bytes, 0, NULL);
    if (value)
        json_object_set_new(o, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(o, key);
    assert_int_equal(json_dump_file(o, to, 0), 0);
    json_decref(o);
    free(bytes);
}

static void a_wrong_configuration_is_refused_by_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key, *value;
        int code;
        const char *file, *text;
    } cases[] = {
        {"prefix", "peft_type", "\"LORA\"", E_UNSUPPORTED, "config", "\"LORA\""},
        {"prefix", "peft_type", NULL, E_FORMAT, "config", "\"peft_type\" must be"},
        {"prefix", "peft_type", "7", E_FORMAT, "config", "\"peft_type\" must be"},
        {"prefix", "task_type", "\"SEQ_CLS\"", E_UNSUPPORTED, "config", "\"SEQ_CLS\""},
        {"prefix", "num_transformer_submodules", "2", E_UNSUPPORTED, "config", "is 2"},
        {"prefix", "num_virtual_tokens", NULL, E_FORMAT, "config", "is missing"},
        {"prefix", "num_virtual_tokens", "0", E_FORMAT, "config",
         "\"num_virtual_tokens\" is 0; wanted: 1 to 1048576"},
        {"prefix", "num_virtual_tokens", "-1", E_FORMAT, "config", "is -1; wanted: 1 to"},
        {"prefix", "num_virtual_tokens", "3.0", E_FORMAT, "config",
         "\"num_virtual_tokens\" is no whole number"},
        {"prefix", "num_virtual_tokens", "9000000000000000000", E_FORMAT, "config",
         "is 9000000000000000000; wanted"},
        {"prefix", "num_virtual_tokens", "1048576", E_FORMAT, "tensors",
         "is 3 x 32; adapter_config.json wants 1048576 x 32"},
        {"mlp", "num_virtual_tokens", "1048576", E_FORMAT, "tensors",
         "\"embedding.weight\" is 3 x 8; adapter_config.json wants 1048576 x 8"},
        {"prompt", "num_virtual_tokens", "4", E_FORMAT, "tensors", "wants 4 x 16"},
        {"prompt", "token_dim", "8", E_FORMAT, "tensors", "wants 3 x 8"},
        {"prompt", "token_dim", "\"16\"", E_FORMAT, "config", "is no whole number"},
        {"prefix", "token_dim", NULL, E_FORMAT, "config", "\"token_dim\" is missing"},
        {"prefix", "token_dim", "1048576", E_FORMAT, "tensors", "wants 3 x 4194304"},
        {"prefix", "num_attention_heads", "3", E_FORMAT, "config", "no multiple"},
        {"prefix", "num_attention_heads", "0", E_FORMAT, "config", "is 0; wanted: 1"},
        {"prefix", "num_layers", "3", E_FORMAT, "tensors", "wants 3 x 48"},
        {"prefix", "prefix_projection", "\"yes\"", E_FORMAT, "config", "true or false"},
        {"mlp", "encoder_hidden_size", "null", E_FORMAT, "config", "the MLP's width"},
        {"mlp", "encoder_hidden_size", "7", E_FORMAT, "tensors",
         "\"transform.0.weight\" is 6 x 8; adapter_config.json wants 7 x 8"},
        {"mlp", "prefix_projection", "false", E_FORMAT, "tensors",
         "has no tensor \"prompt_embeddings\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = scratch_new();
        copy_file(cases[i].name, adapter_tensors_name, folder);
        write_config(cases[i].name, folder, cases[i].key, cases[i].value);
        check_refused(folder, cases[i].code,
                      cases[i].file[0] == 'c' ? adapter_config_name
                                              : adapter_tensors_name,
                      cases[i].text);
        scratch_remove(folder);
    }
}

static void what_peft_leaves_out_may_be_missing(void **state)
{
    (void)state;
    static const char *const keys[] = {"token_dim", "num_attention_heads", "num_layers",
                                       "task_type", "base_model_name_or_path"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char *folder = scratch_new();
        prefix p = {0};
        error err = {0};
        copy_file("prompt", adapter_tensors_name, folder);
        write_config("prompt", folder, keys[i], i % 2 ? NULL : "null");
        must(adapter_read(&p, folder, &err), &err);
        assert_int_equal(p.shape.width, WIDTH);
        prefix_free(&p);
        scratch_remove(folder);
    }
}

static void a_configuration_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"", "not JSON"},
        {"[]", "an object was expected"},
        {"7", "not JSON"},
        {"{\"peft_type\": \"PROMPT_TUNING\"", "not JSON"},
        {"{\"peft_type\": \"LORA\", \"peft_type\": \"LORA\"}", "duplicate"},
        {"{\"num_virtual_tokens\": 99999999999999999999}", "too big integer"},
        {"{\"peft_type\": \"\xff\"}", "unable to decode byte 0xff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        adapter_config c = {0};
        error err = {0};
        assert_int_equal(adapter_config_parse(&c, cases[i].json, strlen(cases[i].json),
                                              "x.json", &err),
                         E_FORMAT);
        if (!strstr(err.text, cases[i].text) || strncmp(err.text, "x.json", 6) != 0)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
        assert_null(c.base_model);
    }
}

static void every_cut_of_a_configuration_is_refused(void **state)
{
    (void)state;
    size_t n;
    char *json = fixture_read("adapters/mlp/adapter_config.json", &n);
    while (n > 0 && json[n - 1] != '}')
        n--;
    for (size_t cut = 0; cut < n; cut++) {
        adapter_config c = {0};
        error err = {0};
        assert_int_equal(adapter_config_parse(&c, json, cut, "x.json", &err), E_FORMAT);
    }
    free(json);
}

/* ---- Hostile tensors ---- */

static float numbers[TOKENS * KV_WIDTH];

/* Reading `name`'s configuration beside these tensors must fail so. */
static void check_tensors(const char *name, const safetensor *tensors, size_t n, int code,
                          const char *says)
{
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    copy_file(name, adapter_config_name, folder);
    snprintf(path, sizeof path, "%s/%s", folder, adapter_tensors_name);
    must(safetensors_write(path, tensors, n, NULL, 0, &err), &err);
    check_refused(folder, code, adapter_tensors_name, says);
    scratch_remove(folder);
}

static safetensor tensor_of(const char *name, size_t rows, size_t columns)
{
    safetensor t = {.name = name, .type = SAFETENSOR_F32, .bytes = numbers};
    if (rows > 0)
        t.dims[t.n_dims++] = rows;
    t.dims[t.n_dims++] = columns;
    return t;
}

static void values_of_another_shape_or_name_are_refused(void **state)
{
    (void)state;
    safetensor t = tensor_of("prompt_embeddings", TOKENS, KV_WIDTH);
    t.name = "base_model.lora_A.weight";
    check_tensors("prefix", &t, 1, E_FORMAT, "has no tensor \"prompt_embeddings\"");
    check_tensors("prefix", NULL, 0, E_FORMAT, "has no tensor \"prompt_embeddings\"");
    t = tensor_of("prompt_embeddings", 0, TOKENS * KV_WIDTH);
    check_tensors("prefix", &t, 1, E_FORMAT, "is 96; adapter_config.json wants 3 x 32");
    t = (safetensor){.name = t.name, .type = t.type, .bytes = numbers, .n_dims = 0};
    check_tensors("prefix", &t, 1, E_FORMAT, "is a scalar; ");
    t.n_dims = 3;
    t.dims[0] = TOKENS;
    t.dims[1] = LAYERS;
    t.dims[2] = KV_WIDTH / LAYERS;
    check_tensors("prefix", &t, 1, E_FORMAT, "is 3 dimensions; ");
    t = tensor_of("prompt_embeddings", TOKENS, 0);
    check_tensors("prompt", &t, 1, E_FORMAT,
                  "is 3 x 0; adapter_config.json wants 3 x 16");
}

static void values_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    const safetensor t = tensor_of("prompt_embeddings", TOKENS, KV_WIDTH);
    for (size_t i = 0; i < 3; i++) {
        numbers[70] = wrong[i];
        check_tensors("prefix", &t, 1, E_NUMERIC, "at 70: no number");
        numbers[70] = 0;
    }
}

static void every_tensor_of_an_mlp_is_missed_by_name(void **state)
{
    (void)state;
    const safetensor whole[] = {
        tensor_of("embedding.weight", TOKENS, KV_HEADS * HEAD),
        tensor_of("transform.0.weight", HIDDEN, KV_HEADS * HEAD),
        tensor_of("transform.0.bias", 0, HIDDEN),
        tensor_of("transform.2.weight", KV_WIDTH, HIDDEN),
        tensor_of("transform.2.bias", 0, KV_WIDTH),
    };
    enum { N = sizeof whole / sizeof *whole };
    static float many[KV_WIDTH * HIDDEN];
    for (size_t i = 0; i < N; i++) {
        safetensor some[N];
        memcpy(some, whole, sizeof some);
        char says[100];
        for (size_t j = 0; j < N; j++)
            some[j].bytes = many;
        snprintf(says, sizeof says, "has no tensor \"%s\"", whole[i].name);
        some[i].name = "other";
        check_tensors("mlp", some, N, E_FORMAT, says);
        some[i].name = whole[i].name;
        some[i].dims[some[i].n_dims - 1]--;
        snprintf(says, sizeof says, "tensor \"%s\" is ", whole[i].name);
        check_tensors("mlp", some, N, E_FORMAT, says);
    }
}

static void an_mlp_that_overflows_is_refused(void **state)
{
    (void)state;
    static float ones[KV_WIDTH * HIDDEN], huge[KV_WIDTH * HIDDEN];
    for (size_t i = 0; i < KV_WIDTH * HIDDEN; i++) {
        ones[i] = 1;
        huge[i] = 3e38f;
    }
    safetensor some[] = {
        tensor_of("embedding.weight", TOKENS, KV_HEADS * HEAD),
        tensor_of("transform.0.weight", HIDDEN, KV_HEADS * HEAD),
        tensor_of("transform.0.bias", 0, HIDDEN),
        tensor_of("transform.2.weight", KV_WIDTH, HIDDEN),
        tensor_of("transform.2.bias", 0, KV_WIDTH),
    };
    for (size_t i = 0; i < 5; i++)
        some[i].bytes = i == 3 ? huge : ones;
    check_tensors("mlp", some, 5, E_NUMERIC, "its MLP makes inf of virtual token 0");
}

static void half_precision_is_widened_and_integers_are_refused(void **state)
{
    (void)state;
    static const uint16_t halves[TOKENS * WIDTH] = {0x3c00, 0xc000};
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    safetensor t = tensor_of("prompt_embeddings", TOKENS, WIDTH);
    prefix p = {0};
    error err = {0};
    t.type = SAFETENSOR_F16;
    t.bytes = halves;
    copy_file("prompt", adapter_config_name, folder);
    snprintf(path, sizeof path, "%s/%s", folder, adapter_tensors_name);
    must(safetensors_write(path, &t, 1, NULL, 0, &err), &err);
    must(adapter_read(&p, folder, &err), &err);
    assert_true(p.values[0] == 1 && p.values[1] == -2 && p.values[2] == 0);
    prefix_free(&p);
    static const char integers[] =
        "\x58\0\0\0\0\0\0\0{\"prompt_embeddings\":{\"dtype\":\"I8\",\"shape\":[3,16],"
        "\"data_offsets\":[0,48]}}               123456789012345678901234567890123456789"
        "012345678";
    must(file_write(path, integers, 8 + 0x58 + 48, &err), &err);
    check_refused(folder, E_UNSUPPORTED, adapter_tensors_name, "has dtype I8");
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_configuration_is_refused_by_its_key),
        cmocka_unit_test(what_peft_leaves_out_may_be_missing),
        cmocka_unit_test(a_configuration_that_is_no_object_is_refused),
        cmocka_unit_test(every_cut_of_a_configuration_is_refused),
        cmocka_unit_test(values_of_another_shape_or_name_are_refused),
        cmocka_unit_test(values_that_are_no_numbers_are_refused),
        cmocka_unit_test(every_tensor_of_an_mlp_is_missed_by_name),
        cmocka_unit_test(an_mlp_that_overflows_is_refused),
        cmocka_unit_test(half_precision_is_widened_and_integers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

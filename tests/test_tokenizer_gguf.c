/* A tokenizer from the metadata of a GGUF file, whole and with parts missing or wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/tokenizer_gguf.h"
#include "gguf_build.h"

static const char *const tokens[] = {"<s>", "<|im_end|>", "a", "b", "ab"};
static const char *const merges[] = {"a b"};
static const int32_t types[] = {3, 3, 1, 1, 1};
enum { N_TOKENS = 5 };

/* A file's keys, all or without the one named. */
static gguf_build build_without(const char *missing)
{
    gguf_build b = {0};
    if (strcmp(missing, "tokenizer.ggml.model") != 0)
        build_string(&b, "tokenizer.ggml.model", "gpt2");
    if (strcmp(missing, "tokenizer.ggml.pre") != 0)
        build_string(&b, "tokenizer.ggml.pre", "smollm");
    if (strcmp(missing, "tokenizer.ggml.tokens") != 0)
        build_strings(&b, "tokenizer.ggml.tokens", tokens, N_TOKENS);
    if (strcmp(missing, "tokenizer.ggml.merges") != 0)
        build_strings(&b, "tokenizer.ggml.merges", merges, 1);
    if (strcmp(missing, "tokenizer.ggml.token_type") != 0)
        build_array(&b, "tokenizer.ggml.token_type", BUILD_I32, N_TOKENS, types,
                    sizeof types);
    return b;
}

/* Consumes b. The file is closed before the tokenizer is used: it keeps nothing of it. */
static int from_built(gguf_build *b, tokenizer **t, error *err)
{
    size_t n;
    char *bytes = build_finish(b, &n);
    gguf *g = NULL;
    assert_int_equal(gguf_parse(&g, bytes, n, err), 0);
    int rc = tokenizer_from_gguf(t, g, err);
    gguf_close(g);
    free(bytes);
    return rc;
}

static void a_whole_file_gives_all_it_says(void **state)
{
    (void)state;
    gguf_build b = build_without("");
    build_u32(&b, "tokenizer.ggml.bos_token_id", 0);
    build_u32(&b, "tokenizer.ggml.eos_token_id", 3);
    build_u32(&b, "tokenizer.ggml.unknown_token_id", 0);
    build_u32(&b, "tokenizer.ggml.padding_token_id", 4);
    build_value(&b, "tokenizer.ggml.add_bos_token", BUILD_BOOL, "\1", 1);
    build_string(&b, "tokenizer.chat_template", "<|im_start|> <|im_end|>");
    tokenizer *t = NULL;
    error err = {0};
    assert_int_equal(from_built(&b, &t, &err), 0);
    const tokenizer_info *info = tokenizer_describe(t);
    assert_string_equal(info->pre, "smollm");
    assert_int_equal(info->n_vocabulary, N_TOKENS);
    assert_int_equal(info->n_merges, 1);
    assert_int_equal(info->n_special, 2);
    assert_int_equal(info->n_missing_bytes, 254);
    assert_int_equal(info->bos, 0);
    assert_int_equal(info->eos, 3);
    assert_int_equal(info->eot, 1);
    assert_true(info->add_bos);
    assert_int_equal(info->chat, CHAT_CHATML);
    token_list l = {0};
    assert_int_equal(tokenizer_encode(t, "<s>ab", 5, true, &l, NULL), 0);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[1], 4);
    token_list_free(&l);
    tokenizer_free(t);
}

static void what_may_be_absent_is_none(void **state)
{
    (void)state;
    gguf_build b = build_without("tokenizer.ggml.token_type");
    tokenizer *t = NULL;
    assert_int_equal(from_built(&b, &t, NULL), 0);
    const tokenizer_info *info = tokenizer_describe(t);
    assert_int_equal(info->n_special, 0);
    assert_int_equal(info->bos, -1);
    assert_int_equal(info->eos, -1);
    assert_int_equal(info->eot, -1);
    assert_false(info->add_bos);
    assert_int_equal(info->chat, CHAT_NONE);
    tokenizer_free(t);
}

static void what_may_not_be_absent_is_named(void **state)
{
    (void)state;
    const char *const keys[] = {"tokenizer.ggml.model", "tokenizer.ggml.pre",
                                "tokenizer.ggml.tokens", "tokenizer.ggml.merges"};
    for (int i = 0; i < 4; i++) {
        gguf_build b = build_without(keys[i]);
        tokenizer *t = NULL;
        error err = {0};
        assert_true(from_built(&b, &t, &err) < 0);
        assert_null(t);
        assert_non_null(strstr(err.text, keys[i]));
    }
}

static void check_wrong(gguf_build *b, const char *part)
{
    tokenizer *t = NULL;
    error err = {0};
    assert_int_equal(from_built(b, &t, &err), E_FORMAT);
    assert_null(t);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    gguf_build b = build_without("tokenizer.ggml.token_type");
    build_array(&b, "tokenizer.ggml.token_type", BUILD_I32, 4, types,
                4 * sizeof types[0]);
    check_wrong(&b, "4 entries for 5 tokens");
    b = build_without("");
    build_u32(&b, "tokenizer.ggml.eos_token_id", N_TOKENS);
    check_wrong(&b, "EOS token has id 5, outside the vocabulary of 5 tokens");
    b = build_without("");
    build_u32(&b, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    check_wrong(&b, "tokenizer.ggml.bos_token_id is 4294967295");
    b = build_without("");
    build_string(&b, "tokenizer.ggml.eot_token_id", "1");
    check_wrong(&b, "tokenizer.ggml.eot_token_id");
    b = build_without("tokenizer.ggml.merges");
    build_u32(&b, "tokenizer.ggml.merges", 1);
    check_wrong(&b, "tokenizer.ggml.merges");
    b = build_without("");
    build_string(&b, "tokenizer.ggml.add_bos_token", "yes");
    check_wrong(&b, "tokenizer.ggml.add_bos_token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_gives_all_it_says),
        cmocka_unit_test(what_may_be_absent_is_none),
        cmocka_unit_test(what_may_not_be_absent_is_named),
        cmocka_unit_test(wrong_values_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Ids, spans and bytes of the tokenizer, held to the reference implementation. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/tokenizer.h"
#include "../model/tokenizer_gguf.h"
#include "fixture.h"
#include "tokenizer_fixture.h"

static vocabulary_fixture small;

static int open_small(void **state)
{
    (void)state;
    vocabulary_fixture_open(&small);
    return 0;
}

static int close_small(void **state)
{
    (void)state;
    vocabulary_fixture_close(&small);
    return 0;
}

static tokenizer *make(const tokenizer_source *s)
{
    tokenizer *t = NULL;
    error err = {0};
    if (tokenizer_new(&t, s, &err) < 0)
        fail_msg("%s", err.text);
    return t;
}

static tokenizer *make_small(const char *pre)
{
    tokenizer_source s = small.source;
    s.pre = pre;
    return make(&s);
}

static token_list encode(const tokenizer *t, const char *s, size_t n, bool special)
{
    token_list l = {0};
    error err = {0};
    if (tokenizer_encode(t, s, n, special, &l, &err) < 0)
        fail_msg("%s", err.text);
    return l;
}

static int32_t find(const tokenizer *t, const char *spelling)
{
    size_t n = tokenizer_describe(t)->n_vocabulary;
    for (size_t i = 0; i < n; i++)
        if (strcmp(tokenizer_token(t, (int32_t)i, NULL), spelling) == 0)
            return (int32_t)i;
    fail_msg("no token \"%s\"", spelling);
    return -1;
}

/* ---- Ids ---- */

static void check_case(const tokenizer_case *c, const tokenizer *t)
{
    token_list l = encode(t, c->bytes.s, c->bytes.n, c->special);
    for (size_t i = 0; i < c->n && i < l.n; i++)
        if (l.ids[i] != c->ids[i])
            fail_msg("cases.txt:%zu: token %zu is %d, the reference has %d", c->line, i,
                     l.ids[i], c->ids[i]);
    if (l.n != c->n)
        fail_msg("cases.txt:%zu: %zu tokens, the reference has %zu", c->line, l.n, c->n);
    token_list_free(&l);
}

static void check_column(const char *pre, int column)
{
    tokenizer *t = make_small(pre);
    assert_true(tokenizer_cases(column, check_case, t) > 3000);
    tokenizer_free(t);
}

static void gpt2_gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    check_column("gpt-2", CASE_GPT2);
    check_column("gpt2", CASE_GPT2);
}

static void smollm_gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    check_column("smollm", CASE_SMOLLM);
    check_column("starcoder", CASE_SMOLLM);
}

static void llama_bpe_gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    check_column("llama-bpe", CASE_LLAMA_BPE);
    check_column("llama3", CASE_LLAMA_BPE);
}

static void qwen2_gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    check_column("qwen2", CASE_QWEN2);
}

static tokenizer *open_real(void)
{
    const char *path = fixture_model();
    if (!path)
        return NULL;
    gguf *g = NULL;
    tokenizer *t = NULL;
    error err = {0};
    if (gguf_open(&g, path, &err) < 0 || tokenizer_from_gguf(&t, g, &err) < 0)
        fail_msg("%s", err.text);
    gguf_close(g);
    return t;
}

static void the_real_model_gives_the_ids_of_the_reference(void **state)
{
    (void)state;
    tokenizer *t = open_real();
    if (!t)
        return;
    assert_true(tokenizer_cases(CASE_SMOLLM2, check_case, t) > 3000);
    tokenizer_free(t);
}

static void the_real_model_is_described(void **state)
{
    (void)state;
    tokenizer *t = open_real();
    if (!t)
        return;
    const tokenizer_info *info = tokenizer_describe(t);
    assert_string_equal(info->pre, "smollm");
    assert_int_equal(info->n_vocabulary, 49152);
    assert_int_equal(info->n_merges, 48900);
    assert_int_equal(info->bos, 1);
    assert_int_equal(info->eos, 2);
    assert_int_equal(info->eot, 2);
    assert_false(info->add_bos);
    assert_int_equal(info->chat, CHAT_CHATML);
    assert_true(info->n_missing_bytes > 0);
    assert_true(tokenizer_is_end(t, 2));
    assert_true(tokenizer_is_end(t, 0));
    assert_false(tokenizer_is_end(t, 1));
    tokenizer_free(t);
}

/* ---- Spans and bytes ---- */

/* Every token begins where its first byte stands, except where the text was not
 * well-formed or was composed. (Its other bytes may stand further apart: dropped bytes
 * between them.) */
static void check_spans(const tokenizer_case *c, const tokenizer *t)
{
    token_list l = encode(t, c->bytes.s, c->bytes.n, c->special);
    bool exact = utf8_check(c->bytes.s, c->bytes.n) == c->bytes.n;
    exact = exact && strcmp(tokenizer_describe(t)->pre, "qwen2") != 0;
    for (size_t i = 0; i < l.n; i++) {
        const char *bytes = tokenizer_token(t, l.ids[i], NULL);
        assert_true(l.begin[i] < c->bytes.n);
        assert_true(i == 0 || l.begin[i - 1] <= l.begin[i]);
        if (exact)
            assert_int_equal(bytes[0], c->bytes.s[l.begin[i]]);
    }
    token_list_free(&l);
}

static void spans_rise_and_hold_the_bytes_of_their_tokens(void **state)
{
    (void)state;
    const char *const names[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
    for (int i = 0; i < 4; i++) {
        tokenizer *t = make_small(names[i]);
        tokenizer_cases(CASE_GPT2 + i, check_spans, t);
        tokenizer_free(t);
    }
}

static void check_span_list(const char *pre, const char *s, size_t n, const size_t *begin,
                            size_t n_begin)
{
    tokenizer *t = make_small(pre);
    token_list l = encode(t, s, n, false);
    assert_int_equal(l.n, n_begin);
    for (size_t i = 0; i < n_begin; i++)
        assert_int_equal(l.begin[i], begin[i]);
    token_list_free(&l);
    tokenizer_free(t);
}

static void replaced_bytes_lead_back_to_where_they_stood(void **state)
{
    (void)state;
    /* a; E2 82 is one part and becomes EF BF BD; C0 another; b */
    const size_t begin[] = {0, 1, 1, 1, 3, 3, 3, 4};
    check_span_list("gpt-2",
                    "a\xe2\x82\xc0"
                    "b",
                    5, begin, 8);
}

static void dropped_bytes_belong_to_no_token(void **state)
{
    (void)state;
    check_span_list("gpt-2",
                    "\x07"
                    "!\x07\x07"
                    "?",
                    5, (const size_t[]){1, 4}, 2);
}

static void composed_characters_begin_where_their_first_part_stood(void **state)
{
    (void)state;
    tokenizer *t = make_small("qwen2");
    token_list l = encode(t, "xe\xcc\x81z", 5, false); /* e, combining acute */
    text back = {0};
    assert_int_equal(tokenizer_decode(t, l.ids, l.n, true, &back, NULL), 0);
    assert_string_equal(text_string(&back), "x\xc3\xa9z");
    assert_int_equal(l.begin[0], 0);
    assert_int_equal(l.begin[l.n - 1] <= 4, 1);
    text_free(&back);
    token_list_free(&l);
    tokenizer_free(t);
}

/* Copy the small vocabulary with the missing bytes added. */
static tokenizer *make_complete(const char *pre, const char **tokens)
{
    static char spelled[256][3];
    tokenizer *partial = make_small(pre);
    size_t n = small.source.n_tokens, missing = 0;
    memcpy(tokens, small.tokens, n * sizeof *tokens);
    for (int b = 0; b < 256; b++) {
        bool self = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);
        int letter = self ? b : 0x100 + (b <= 0x20 ? b : b == 0xad ? 67 : b - 0x7f + 33);
        snprintf(spelled[b], 3, letter < 0x80 ? "%c" : "%c%c",
                 letter < 0x80 ? letter : 0xc0 | letter >> 6, 0x80 | (letter & 0x3f));
        bool there = false;
        for (size_t i = 0; i < n; i++)
            there = there || strcmp(tokens[i], spelled[b]) == 0;
        if (!there)
            tokens[n + missing++] = spelled[b];
    }
    assert_int_equal(missing, tokenizer_describe(partial)->n_missing_bytes);
    tokenizer_free(partial);
    tokenizer_source s = small.source;
    s.pre = pre;
    s.types = NULL;
    s.tokens = tokens;
    s.n_tokens = n + missing;
    return make(&s);
}

static void check_round_trip(const tokenizer_case *c, const tokenizer *t)
{
    if (utf8_check(c->bytes.s, c->bytes.n) != c->bytes.n)
        return;
    token_list l = encode(t, c->bytes.s, c->bytes.n, true);
    text back = {0};
    size_t begin = 0;
    assert_int_equal(tokenizer_decode(t, l.ids, l.n, true, &back, NULL), 0);
    assert_int_equal(back.n, c->bytes.n);
    assert_memory_equal(text_string(&back), text_string(&c->bytes), back.n);
    for (size_t i = 0; i < l.n; i++) {
        size_t n;
        tokenizer_token(t, l.ids[i], &n);
        assert_int_equal(l.begin[i], begin);
        begin += n;
    }
    text_free(&back);
    token_list_free(&l);
}

static void with_every_byte_a_text_comes_back_and_spans_are_exact(void **state)
{
    (void)state;
    const char *const names[] = {"gpt-2", "smollm", "llama-bpe"};
    const char **tokens = array_new(small.source.n_tokens + 256, sizeof *tokens);
    for (int i = 0; i < 3; i++) {
        tokenizer *t = make_complete(names[i], tokens);
        assert_int_equal(tokenizer_describe(t)->n_missing_bytes, 0);
        tokenizer_cases(CASE_GPT2 + i, check_round_trip, t);
        tokenizer_free(t);
    }
    free(tokens);
}

/* ---- Special tokens ---- */

static void control_tokens_are_text_unless_asked_for(void **state)
{
    (void)state;
    tokenizer *t = make_small("smollm");
    const char *s = "a<|im_end|>b<tool>";
    int32_t end = find(t, "<|im_end|>"), tool = find(t, "<tool>");
    token_list with = encode(t, s, strlen(s), true);
    token_list without = encode(t, s, strlen(s), false);
    assert_int_equal(with.n, 4);
    assert_int_equal(with.ids[1], end);
    assert_int_equal(with.begin[1], 1);
    assert_int_equal(with.begin[2], 11);
    for (size_t i = 0; i < without.n; i++)
        assert_int_not_equal(without.ids[i], end);
    assert_int_equal(without.ids[without.n - 1], tool); /* added by the user: always */
    assert_true(tokenizer_is_special(t, end));
    assert_false(tokenizer_is_special(t, tool));
    token_list_free(&with);
    token_list_free(&without);
    tokenizer_free(t);
}

static void the_longest_special_token_at_a_place_wins(void **state)
{
    (void)state;
    tokenizer *t = make_small("gpt-2");
    const char *s = "<|im_start|>user<|im<s>>>";
    token_list l = encode(t, s, strlen(s), true);
    assert_int_equal(l.n, 4);
    assert_int_equal(l.ids[0], find(t, "<|im_start|>user"));
    assert_int_equal(l.ids[1], find(t, "<|im"));
    assert_int_equal(l.ids[2], find(t, "<s>>"));
    token_list_free(&l);
    tokenizer_free(t);
}

static void decode_drops_or_spells_special_tokens(void **state)
{
    (void)state;
    tokenizer *t = make_small("gpt-2");
    int32_t ids[] = {find(t, "a"), find(t, "<|im_end|>"), find(t, "<tool>")};
    text out = {0};
    assert_int_equal(tokenizer_decode(t, ids, 3, false, &out, NULL), 0);
    assert_string_equal(text_string(&out), "a<tool>");
    assert_int_equal(tokenizer_decode(t, ids, 3, true, &out, NULL), 0);
    assert_string_equal(text_string(&out), "a<tool>a<|im_end|><tool>");
    text_free(&out);
    tokenizer_free(t);
}

static void an_id_outside_the_vocabulary_is_refused_and_nothing_written(void **state)
{
    (void)state;
    tokenizer *t = make_small("gpt-2");
    int32_t n = (int32_t)tokenizer_describe(t)->n_vocabulary;
    const int32_t wrong[] = {-1, n, INT32_MIN, INT32_MAX};
    text out = {0};
    for (int i = 0; i < 4; i++) {
        int32_t ids[] = {0, wrong[i]};
        error err = {0};
        assert_int_equal(tokenizer_decode(t, ids, 2, true, &out, &err), E_ARGUMENT);
        assert_non_null(strstr(err.text, "outside the vocabulary"));
        assert_int_equal(out.n, 0);
        assert_null(tokenizer_token(t, wrong[i], NULL));
        assert_false(tokenizer_is_special(t, wrong[i]));
        assert_false(tokenizer_is_end(t, wrong[i]));
    }
    text_free(&out);
    tokenizer_free(t);
}

static void ends_are_found_by_id_and_by_spelling(void **state)
{
    (void)state;
    tokenizer_source s = small.source;
    tokenizer *t = make(&s);
    int32_t end = find(t, "<|im_end|>"), text_end = find(t, "<|endoftext|>");
    int32_t odd = find(t, "<s>");
    assert_int_equal(tokenizer_describe(t)->eot, end);
    assert_true(tokenizer_is_end(t, end) && tokenizer_is_end(t, text_end));
    assert_false(tokenizer_is_end(t, odd));
    tokenizer_free(t);

    s.eos = s.eot = odd;
    t = make(&s);
    assert_int_equal(tokenizer_describe(t)->eot, odd);
    assert_true(tokenizer_is_end(t, odd));
    tokenizer_free(t);

    s.types = NULL; /* the spelling of an ordinary token ends nothing */
    s.eos = s.eot = -1;
    t = make(&s);
    assert_int_equal(tokenizer_describe(t)->eot, -1);
    assert_false(tokenizer_is_end(t, end));
    tokenizer_free(t);
}

static void bos_is_the_files_choice_then_the_pretokenizers(void **state)
{
    (void)state;
    const struct {
        const char *pre;
        int32_t bos;
        int add_bos;
        bool expected;
    } rows[] = {{"gpt-2", 0, -1, false},    {"gpt-2", 0, 1, true},
                {"gpt-2", 0, 0, false},     {"gpt-2", -1, 1, false},
                {"llama-bpe", 0, -1, true}, {"llama-bpe", 0, 0, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tokenizer_source s = small.source;
        s.pre = rows[i].pre;
        s.bos = rows[i].bos;
        s.add_bos = rows[i].add_bos;
        tokenizer *t = make(&s);
        assert_int_equal(tokenizer_describe(t)->add_bos, rows[i].expected);
        tokenizer_free(t);
    }
}

/* ---- Size and threads ---- */

static void a_word_of_a_megabyte_is_not_a_word_of_quadratic_time(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    const char *const units[] = {
        "a",   "the",          "ri",   " ",         "\n",
        "!",   "\xe6\xbc\xa2", "\xff", "e\xcc\x81", "\xcc\x81\xcc\xa7",
        "<|im"};
    char *s = malloc(N);
    assert_non_null(s);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t n = strlen(units[u]);
        for (size_t i = 0; i < N; i++)
            s[i] = units[u][i % n];
        const char *const names[] = {"smollm", "llama-bpe", "qwen2"};
        for (int k = 0; k < 3; k++) {
            tokenizer *t = make_small(names[k]);
            token_list l = encode(t, s, N, true);
            assert_true(l.n > 1000);
            token_list_free(&l);
            tokenizer_free(t);
        }
    }
    free(s);
}

static void *encode_cases(void *context)
{
    tokenizer_cases(CASE_QWEN2, check_case, context);
    return NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    tokenizer *t = make_small("qwen2");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_cases, t), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_gives_the_ids_of_the_reference),
        cmocka_unit_test(smollm_gives_the_ids_of_the_reference),
        cmocka_unit_test(llama_bpe_gives_the_ids_of_the_reference),
        cmocka_unit_test(qwen2_gives_the_ids_of_the_reference),
        cmocka_unit_test(the_real_model_gives_the_ids_of_the_reference),
        cmocka_unit_test(the_real_model_is_described),
        cmocka_unit_test(spans_rise_and_hold_the_bytes_of_their_tokens),
        cmocka_unit_test(replaced_bytes_lead_back_to_where_they_stood),
        cmocka_unit_test(dropped_bytes_belong_to_no_token),
        cmocka_unit_test(composed_characters_begin_where_their_first_part_stood),
        cmocka_unit_test(with_every_byte_a_text_comes_back_and_spans_are_exact),
        cmocka_unit_test(control_tokens_are_text_unless_asked_for),
        cmocka_unit_test(the_longest_special_token_at_a_place_wins),
        cmocka_unit_test(decode_drops_or_spells_special_tokens),
        cmocka_unit_test(an_id_outside_the_vocabulary_is_refused_and_nothing_written),
        cmocka_unit_test(ends_are_found_by_id_and_by_spelling),
        cmocka_unit_test(bos_is_the_files_choice_then_the_pretokenizers),
        cmocka_unit_test(a_word_of_a_megabyte_is_not_a_word_of_quadratic_time),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, open_small, close_small);
}

/* What a tokenizer is made of: classes of characters, merging, chat formats; and what it
 * refuses to be made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/bpe.h"
#include "../model/normalizer.h"
#include "../model/pretokenizer.h"
#include "../model/tokenizer.h"
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

/* ---- Classes of characters, over all of Unicode ---- */

static int count_word(void *context, size_t begin, size_t n, error *err)
{
    (void)begin, (void)n, (void)err;
    ++*(size_t *)context;
    return 0;
}

static size_t count_words(const pretokenizer *p, const char *s, size_t n)
{
    size_t words = 0;
    assert_int_equal(pretokenizer_split(p, s, n, count_word, &words, NULL), 0);
    return words;
}

static size_t write_utf8(char *s, uint32_t c)
{
    if (c < 0x80) {
        s[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        s[i] = (char)(0x80 | (c & 0x3f));
    s[0] = (char)((0xf00 >> n & 0xff) | c);
    return n;
}

/* Is `before` followed by c one word, or (smollm) c twice two words? */
typedef struct class_probe {
    const char *class, *pre, *before;
} class_probe;

static const class_probe probes[] = {
    {"space", "gpt-2", "\t"},
    {"letter", "gpt-2", "a"},
    {"number", "gpt-2", "1"},
    {"digit", "smollm", NULL},
    {"reordered", "qwen2", "x\xcd\x85"},
};

static bool is_in_class(const class_probe *probe, const pretokenizer *p, uint32_t c)
{
    char s[16];
    size_t n = 0;
    if (!probe->before) {
        n = write_utf8(s, c);
        n += write_utf8(s + n, c);
        return count_words(p, s, n) == 2;
    }
    n = strlen(probe->before);
    memcpy(s, probe->before, n);
    n += write_utf8(s + n, c);
    if (strcmp(probe->class, "reordered") != 0)
        return count_words(p, s, n) == 1;
    mapped_text in = {.s = s, .n = n}, out;
    assert_int_equal(mapped_compose(&out, &in, NULL), 0);
    bool changed = out.n != n || memcmp(out.s, s, n) != 0;
    mapped_free(&out);
    return changed;
}

static void check_class(const class_probe *probe, const char *ranges)
{
    pretokenizer *p = NULL;
    assert_int_equal(pretokenizer_new(&p, probe->pre, NULL), 0);
    uint32_t first = 1, last = 0, n_wrong = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c == 0xd800)
            c = 0xe000;
        if (c > last && *ranges) {
            char *end;
            first = (uint32_t)strtoul(ranges, &end, 16);
            last = (uint32_t)strtoul(end + 1, &end, 16);
            ranges = end + strspn(end, " ");
        }
        bool expected = c >= first && c <= last;
        if (is_in_class(probe, p, c) != expected && n_wrong++ < 10)
            print_error("U+%04X: the reference %s it a %s\n", (unsigned)c,
                        expected ? "calls" : "does not call", probe->class);
    }
    assert_int_equal(n_wrong, 0);
    pretokenizer_free(p);
}

static void classes_are_the_references_on_every_code_point(void **state)
{
    (void)state;
    char *file = fixture_read("tokenizer/classes.txt", NULL), *rest = file, *line;
    size_t checked = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        const char *name = strsep(&line, " ");
        for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
            if (strcmp(name, probes[i].class) == 0) {
                check_class(&probes[i], line);
                checked++;
            }
    }
    assert_int_equal(checked, sizeof probes / sizeof probes[0]);
    free(file);
}

static int stop_at_second(void *context, size_t begin, size_t n, error *err)
{
    (void)n;
    *(size_t *)context = begin;
    return begin ? error_set(err, E_LIMIT, "enough") : 0;
}

static void a_failing_consumer_stops_the_cutting(void **state)
{
    (void)state;
    pretokenizer *p = NULL;
    size_t last = 0;
    assert_int_equal(pretokenizer_new(&p, "smollm", NULL), 0);
    assert_int_equal(pretokenizer_split(p, "ab1cd", 5, stop_at_second, &last, NULL),
                     E_LIMIT);
    assert_int_equal(last, 2);
    pretokenizer_free(p);
}

/* ---- Merging: the slow way, straight from the definition ---- */

enum { LONGEST_WORD = 300 };

static size_t merge_slowly(const vocabulary *v, const char *word, size_t n, int32_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        ids[count] = vocabulary_find_byte(v, (unsigned char)word[i]);
        count += ids[count] >= 0;
    }
    for (size_t rank = 0; rank < small.source.n_merges; rank++) {
        const char *line = small.merges[rank], *space = strchr(line, ' ');
        int32_t left = vocabulary_find(v, line, (size_t)(space - line));
        int32_t right = vocabulary_find(v, space + 1, strlen(space + 1));
        for (size_t i = 0; i + 1 < count; i++) {
            if (ids[i] != left || ids[i + 1] != right)
                continue;
            char joined[64];
            int length = snprintf(joined, sizeof joined, "%.*s%s", (int)(space - line),
                                  line, space + 1);
            ids[i] = vocabulary_find(v, joined, (size_t)length);
            memmove(ids + i + 1, ids + i + 2, (count - i - 2) * sizeof *ids);
            count--;
        }
    }
    return count;
}

static void merges_go_by_rank_then_from_the_left_in_words_of_any_length(void **state)
{
    (void)state;
    vocabulary *v = NULL;
    bpe *b = NULL;
    bpe_work work = {0};
    assert_int_equal(
        vocabulary_new(&v, small.tokens, small.types, small.source.n_tokens, NULL), 0);
    assert_int_equal(bpe_new(&b, v, small.merges, small.source.n_merges, NULL), 0);
    static const char letters[] = "aeinorst hlk\x07";
    uint64_t random = 1;
    for (size_t round = 0; round < 600; round++) {
        char word[LONGEST_WORD];
        int32_t expected[LONGEST_WORD];
        size_t n = round % LONGEST_WORD, kinds = round % 3 ? sizeof letters - 1 : 3;
        for (size_t i = 0; i < n; i++)
            word[i] = letters[(random = seed_mix(random, i)) % kinds];
        size_t count = merge_slowly(v, word, n, expected);
        assert_int_equal(bpe_merge(b, word, n, &work, NULL), 0);
        assert_int_equal(work.n, count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(work.symbols[i].id, expected[i]);
    }
    bpe_work_free(&work);
    bpe_free(b);
    vocabulary_free(v);
}

static void
of_equal_spellings_the_later_token_is_used_and_of_equal_merges_the_later(void **state)
{
    (void)state;
    const char *const tokens[] = {"a", "b", "c", "ab", "bc", "ab"};
    const char *const merges[] = {"a b", "b c", "a b"};
    tokenizer_source s = small.source;
    s.tokens = tokens;
    s.types = NULL;
    s.n_tokens = 6;
    s.merges = merges;
    s.n_merges = 3;
    tokenizer *t = NULL;
    token_list l = {0};
    assert_int_equal(tokenizer_new(&t, &s, NULL), 0);
    assert_int_equal(tokenizer_encode(t, "abcab", 5, false, &l, NULL), 0);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.ids[0], 0); /* "b c" is now better than "a b" */
    assert_int_equal(l.ids[1], 4);
    assert_int_equal(l.ids[2], 5);
    assert_string_equal(tokenizer_token(t, 3, NULL), "ab");
    token_list_free(&l);
    tokenizer_free(t);
}

/* ---- Refusals ---- */

static void check_refused(const tokenizer_source *s, int code, const char *part)
{
    tokenizer *t = NULL;
    error err = {0};
    assert_int_equal(tokenizer_new(&t, s, &err), code);
    assert_null(t);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void sources_that_cannot_be_are_refused_with_the_reason(void **state)
{
    (void)state;
    tokenizer_source s = small.source;
    s.model = "llama";
    check_refused(&s, E_UNSUPPORTED, "\"llama\"");
    s.model = "bert";
    check_refused(&s, E_UNSUPPORTED, "WordPiece");
    s.model = "rwkv";
    check_refused(&s, E_UNSUPPORTED, "\"rwkv\"");
    s.model = NULL;
    check_refused(&s, E_FORMAT, "tokenizer.ggml.model");
    s = small.source;
    s.pre = "tekken";
    check_refused(&s, E_UNSUPPORTED, "smollm");
    s.pre = NULL;
    check_refused(&s, E_UNSUPPORTED, "tokenizer.ggml.pre");
    s = small.source;
    s.n_merges = 0;
    check_refused(&s, E_FORMAT, "tokenizer.ggml.merges");
    s = small.source;
    s.n_tokens = 0;
    check_refused(&s, E_FORMAT, "tokenizer.ggml.tokens");
}

static void special_ids_outside_the_vocabulary_are_refused(void **state)
{
    (void)state;
    const size_t fields[] = {
        offsetof(tokenizer_source, bos), offsetof(tokenizer_source, eos),
        offsetof(tokenizer_source, eot), offsetof(tokenizer_source, unknown),
        offsetof(tokenizer_source, padding)};
    for (size_t i = 0; i < 5; i++) {
        tokenizer_source s = small.source;
        int32_t *field = (int32_t *)((char *)&s + fields[i]);
        *field = (int32_t)s.n_tokens;
        check_refused(&s, E_FORMAT, "outside the vocabulary of");
        *field = -2;
        check_refused(&s, E_FORMAT, "id -2");
        *field = (int32_t)s.n_tokens - 1;
        tokenizer *t = NULL;
        assert_int_equal(tokenizer_new(&t, &s, NULL), 0);
        tokenizer_free(t);
    }
}

static void merges_and_types_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *merge, *part;
    } rows[] = {
        {"ab", "\"ab\""},
        {"", "two tokens with one space"},
        {"a b c", "\"a b c\""},
        {"a nowhere", "\"nowhere\""},
        {"nowhere a", "\"nowhere\""},
        {"a ", "\"\""},
        {"z zyzz", "\"zyzz\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *merges[] = {small.merges[0], rows[i].merge};
        tokenizer_source s = small.source;
        s.merges = merges;
        s.n_merges = 2;
        check_refused(&s, E_FORMAT, rows[i].part);
        check_refused(&s, E_FORMAT, "merge 1");
    }
    const char *const letters[] = {"x", "y"}, *const joined[] = {"x y"};
    int32_t types[] = {1, 7};
    tokenizer_source s = small.source;
    s.tokens = letters;
    s.n_tokens = 2;
    s.merges = joined;
    s.n_merges = 1;
    s.types = NULL;
    check_refused(&s, E_FORMAT, "\"xy\"");
    s.types = types;
    check_refused(&s, E_FORMAT, "type 7");
}

static void a_special_token_of_absurd_length_is_refused(void **state)
{
    (void)state;
    char lengthy[2000];
    memset(lengthy, '<', sizeof lengthy);
    lengthy[sizeof lengthy - 1] = '\0';
    const char *const tokens[] = {"a", "b", "ab", lengthy}, *const merges[] = {"a b"};
    const int32_t types[] = {1, 1, 1, 3};
    tokenizer_source s = small.source;
    s.tokens = tokens;
    s.types = types;
    s.n_tokens = 4;
    s.merges = merges;
    s.n_merges = 1;
    check_refused(&s, E_LIMIT, "1999 bytes");
}

/* ---- Chat ---- */

static tokenizer *make_chat(const char *template_source)
{
    tokenizer_source s = small.source;
    s.chat_template = template_source;
    tokenizer *t = NULL;
    assert_int_equal(tokenizer_new(&t, &s, NULL), 0);
    return t;
}

static const char chatml[] =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}";
static const char llama3[] = "{% set c = '<|start_header_id|>' + m['role'] + "
                             "'<|end_header_id|>\n\n' + m['content'] "
                             "| trim + '<|eot_id|>' %}";

static const chat_message talk[] = {
    {"system", "Be brief."}, {"user", " \xe2\x80\x83Hi \n"}, {"assistant", ""}};

static void chatml_is_rendered_as_its_template_does(void **state)
{
    (void)state;
    tokenizer *t = make_chat(chatml);
    text out = {0};
    assert_int_equal(tokenizer_describe(t)->chat, CHAT_CHATML);
    assert_int_equal(tokenizer_chat(t, talk, 3, true, &out, NULL), 0);
    assert_string_equal(text_string(&out),
                        "<|im_start|>system\nBe brief.<|im_end|>\n"
                        "<|im_start|>user\n \xe2\x80\x83Hi \n<|im_end|>\n"
                        "<|im_start|>assistant\n<|im_end|>\n<|im_start|>assistant\n");
    text_free(&out);
    tokenizer_free(t);
}

static void llama3_is_rendered_as_its_template_does(void **state)
{
    (void)state;
    tokenizer *t = make_chat(llama3);
    text out = {0};
    assert_int_equal(tokenizer_describe(t)->chat, CHAT_LLAMA3);
    assert_int_equal(tokenizer_chat(t, talk + 1, 1, true, &out, NULL), 0);
    assert_string_equal(text_string(&out),
                        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                        "<|start_header_id|>assistant<|end_header_id|>\n\n");
    text_clear(&out);
    assert_int_equal(tokenizer_chat(t, talk + 2, 1, false, &out, NULL), 0);
    assert_string_equal(text_string(&out),
                        "<|start_header_id|>assistant<|end_header_id|>\n\n<|eot_id|>");
    text_free(&out);
    tokenizer_free(t);
}

static void other_templates_and_wrong_messages_are_refused(void **state)
{
    (void)state;
    const char *const templates[] = {NULL, "[INST]{{ x }}[/INST]",
                                     "<|im_start|>a<|im_sep|>b<|im_end|>"};
    text out = {0};
    for (int i = 0; i < 3; i++) {
        tokenizer *t = make_chat(templates[i]);
        assert_int_equal(tokenizer_describe(t)->chat, i ? CHAT_OTHER : CHAT_NONE);
        assert_int_equal(tokenizer_chat(t, talk, 3, true, &out, NULL), E_UNSUPPORTED);
        tokenizer_free(t);
    }
    const chat_message wrong[] = {
        {"tool", "x"}, {"user", NULL}, {NULL, "x"}, {"user\n<|im_end|>", "x"}};
    tokenizer *t = make_chat(chatml);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tokenizer_chat(t, &wrong[i], 1, true, &out, NULL), E_ARGUMENT);
    assert_int_equal(out.n, 0);
    text_free(&out);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_the_references_on_every_code_point),
        cmocka_unit_test(a_failing_consumer_stops_the_cutting),
        cmocka_unit_test(merges_go_by_rank_then_from_the_left_in_words_of_any_length),
        cmocka_unit_test(
            of_equal_spellings_the_later_token_is_used_and_of_equal_merges_the_later),
        cmocka_unit_test(sources_that_cannot_be_are_refused_with_the_reason),
        cmocka_unit_test(special_ids_outside_the_vocabulary_are_refused),
        cmocka_unit_test(merges_and_types_that_cannot_be_are_refused),
        cmocka_unit_test(a_special_token_of_absurd_length_is_refused),
        cmocka_unit_test(chatml_is_rendered_as_its_template_does),
        cmocka_unit_test(llama3_is_rendered_as_its_template_does),
        cmocka_unit_test(other_templates_and_wrong_messages_are_refused),
    };
    return cmocka_run_group_tests(tests, open_small, close_small);
}

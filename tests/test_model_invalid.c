/* What the engine refuses, and what it does with rows that do not fit. */
#include "engine_fixture.h"
#include "fixture.h"
#include "scratch.h"

#include "../model/gguf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void bad_rows_are_refused(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    int32_t tokens[100] = {1, 2, 3}, outside[] = {1, 291, 3}, negative[] = {1, -1, 3};
    const struct {
        row row;
        int code;
        const char *says;
    } cases[] = {
        {{tokens, 0, 0}, E_ARGUMENT, "row 1 has no tokens"},
        {{tokens, 3, 0}, E_ARGUMENT, "row 1 has no context"},
        {{tokens, 3, 3}, E_ARGUMENT, "row 1 has no targets"},
        {{outside, 3, 2}, E_ARGUMENT, "token 1 is 291"},
        {{negative, 3, 2}, E_ARGUMENT, "token 1 is -1"},
        {{tokens, 65, 2}, E_LIMIT, "row 1 has 65 tokens"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        row rows[] = {{tokens, 3, 2}, cases[i].row};
        row_score scores[2] = {{.logprob = 7}, {.logprob = 7}};
        error err = {0};
        assert_int_equal(model_score(s, rows, 2, scores, NULL, &err), cases[i].code);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_true(scores[0].logprob == 7 && scores[1].logprob == 7);
    }
    session_close(s);
    engine_fixture_close(&f);
}

static void rows_beyond_the_window_are_cut_by_policy(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32"); /* window 64, bos 1 */
    session *left = must_open(f.model, "cpu", 1, 0, OVERFLOW_LEFT);
    session *middle = must_open(f.model, "cpu", 1, 0, OVERFLOW_MIDDLE);
    int32_t longer[80], cut[64];
    for (int i = 0; i < 80; i++)
        longer[i] = 10 + i;
    row whole = {longer, 80, 77}, fits = {cut, 64, 61};
    memcpy(cut, longer + 16, sizeof(cut));
    assert_true(must_score(left, &whole) == must_score(left, &fits));
    longer[0] = cut[0] = 1;
    memcpy(cut + 1, longer + 17, 63 * sizeof(*cut));
    assert_true(must_score(left, &whole) == must_score(left, &fits));
    memcpy(cut, longer, 31 * sizeof(*cut));
    memcpy(cut + 31, longer + 47, 33 * sizeof(*cut));
    assert_true(must_score(middle, &whole) == must_score(middle, &fits));
    row targets = {longer, 80, 10};
    row_score score;
    error err = {0};
    assert_int_equal(model_score(left, &targets, 1, &score, NULL, &err), E_LIMIT);
    session_close(left);
    session_close(middle);
    engine_fixture_close(&f);
}

static void sessions_that_cannot_be_are_refused(void **state)
{
    (void)state;
    engine_fixture f;
    session *s = NULL;
    error err = {0};
    engine_fixture_open(&f, "tiny-f32");
    session_options quantum = {.backend = "quantum"}, small = {.memory_bytes = 1000};
    assert_int_equal(session_open(&s, f.model, &quantum, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "cpu, ref"));
    assert_int_equal(session_open(&s, f.model, &small, &err), E_MEMORY);
    assert_null(s);
    /* room for short chains but not for the whole window */
    s = must_open(f.model, "cpu", 1, 26 << 10, OVERFLOW_ERROR);
    int32_t tokens[64] = {0};
    for (int i = 0; i < 64; i++)
        tokens[i] = i;
    row shorter = {tokens, 8, 6}, longest = {tokens, 64, 60};
    row_score score;
    must(model_score(s, &shorter, 1, &score, NULL, &err), &err);
    assert_int_equal(model_score(s, &longest, 1, &score, NULL, &err), E_MEMORY);
    must(model_score(s, &shorter, 1, &score, NULL, &err), &err);
    session_close(s);
    engine_fixture_close(&f);
}

static char *read_tiny(size_t *n)
{
    char path[FIXTURE_PATH_BYTES], *bytes;
    error err = {0};
    must(file_read(fixture_path(path, "tiny-f32.gguf"), 1 << 24, &bytes, n, &err), &err);
    return bytes;
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* Files that are sound GGUF but not a model that the decoder can run: `from` in the file
 * becomes `to`, of the same length. */
static void models_that_cannot_be_run_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        size_t n;
        int code;
        const char *says;
    } cases[] = {
        /* the value of general.architecture */
        {"\5\0\0\0\0\0\0\0llama", "\5\0\0\0\0\0\0\0mamba", 13, E_UNSUPPORTED,
         "\"mamba\" is not supported; these are: llama"},
        {"blk.0.attn_q.weight", "blk.0.attn_x.weight", 19, E_FORMAT,
         "no tensor blk.0.attn_q.weight"},
        {"blk.1.ffn_down.weight", "blk.7.ffn_down.weight", 21, E_FORMAT,
         "no tensor blk.1.ffn_down.weight"},
        {"llama.block_count", "llama.block_cound", 17, E_FORMAT,
         "no key llama.block_count"},
        {"head_count_kv\4\0\0\0\2", "head_count_kv\4\0\0\0\3", 18, E_FORMAT,
         "4 attention heads cannot share 3 key heads"},
        {"feed_forward_length\4\0\0\0\x40", "feed_forward_length\4\0\0\0\x41", 24,
         E_FORMAT, "ffn_gate.weight"},
        {"context_length\4\0\0\0\x40", "context_length\4\0\0\0\0", 19, E_FORMAT,
         "llama.context_length is 0"},
    };
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/broken.gguf", folder);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t n;
        char *bytes = read_tiny(&n), *at;
        model *m = NULL;
        error err = {0};
        at = memmem(bytes, n, cases[i].from, cases[i].n);
        assert_non_null(at);
        memcpy(at, cases[i].to, cases[i].n);
        write_file(path, bytes, n);
        free(bytes);
        assert_int_equal(model_open(&m, path, &err), cases[i].code);
        assert_null(m);
        if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, path) == NULL)
            fail_msg("case %zu: %s", i, err.text);
    }
    scratch_remove(folder);
}

/* A copy of a tiny model with one float of a tensor replaced. */
static void write_broken(const char *path, const char *tensor, float value)
{
    size_t n;
    char *bytes = read_tiny(&n);
    gguf *g;
    error err = {0};
    must(gguf_parse(&g, bytes, n, &err), &err);
    const gguf_tensor *t = gguf_tensor_find(g, tensor);
    assert_non_null(t);
    size_t offset = (size_t)((const char *)t->data - bytes);
    gguf_close(g);
    memcpy(bytes + offset, &value, sizeof(value));
    write_file(path, bytes, n);
    free(bytes);
}

static void logits_that_are_not_numbers_are_an_error(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[FIXTURE_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/broken.gguf", folder);
    static const float values[] = {NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        model *m;
        error err = {0};
        int32_t tokens[] = {5, 6, 7, 8};
        row rows[] = {{tokens, 4, 2}};
        row_score score;
        write_broken(path, "output_norm.weight", values[i / 2]);
        must(model_open(&m, path, &err), &err);
        session *s = must_open(m, i % 2 == 0 ? "ref" : "cpu", 1, 0, OVERFLOW_ERROR);
        assert_int_equal(model_score(s, rows, 1, &score, NULL, &err), E_NUMERIC);
        assert_non_null(strstr(err.text, "row 0"));
        session_close(s);
        model_close(m);
    }
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(rows_beyond_the_window_are_cut_by_policy),
        cmocka_unit_test(sessions_that_cannot_be_are_refused),
        cmocka_unit_test(models_that_cannot_be_run_are_refused_by_name),
        cmocka_unit_test(logits_that_are_not_numbers_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

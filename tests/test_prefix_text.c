/* A text as a prefix: its embeddings, or its keys and values, give the scores that the
 * text itself gives, bit for bit; and its keys and values are those of transformers. */
#include "prefix_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};

enum { N_TEXT = 11, N_ROW = 20, N_WHOLE = N_TEXT + N_ROW };

/* The text, then a row. */
static void make_whole(int32_t whole[N_WHOLE])
{
    for (int i = 0; i < N_WHOLE; i++)
        whole[i] = 3 + i * i * 7 % 280;
}

static float *prefix_of_text(session *s, const model *m, prefix_kind kind,
                             const int32_t *ids, size_t n)
{
    float *values = array_new(n * prefix_width(model_describe(m), kind), sizeof(*values));
    error err = {0};
    assert_non_null(values);
    if (kind == PREFIX_EMBEDDINGS)
        must(model_embeddings(m, ids, n, values, &err), &err);
    else
        must(model_key_values(s, ids, n, values, &err), &err);
    return values;
}

/* A backend without the slot says so. */
static bool can_fetch(const model *m, const char *backend)
{
    int32_t id = 3;
    float *out =
        array_new(prefix_width(model_describe(m), PREFIX_KEY_VALUES), sizeof(*out));
    error err = {0};
    session *s = must_open(m, backend, 1, 0, OVERFLOW_ERROR);
    int rc = model_key_values(s, &id, 1, out, &err);
    session_close(s);
    free(out);
    if (rc != E_UNSUPPORTED)
        return true;
    assert_non_null(strstr(err.text, backend));
    printf("SKIP %s\n", err.text);
    return false;
}

static void check_text(const model *m, const char *backend, prefix_kind kind)
{
    int32_t whole[N_WHOLE];
    make_whole(whole);
    row unparted = {whole, N_WHOLE, N_TEXT + 4}, behind = {whole + N_TEXT, N_ROW, 4};
    session *s = must_open(m, backend, 2, 0, OVERFLOW_ERROR);
    session *small = must_open(m, backend, 1, 260 << 10, OVERFLOW_ERROR);
    float *values = prefix_of_text(s, m, kind, whole, N_TEXT);
    prefix_view p = {kind, N_TEXT, values};
    double want = must_score(s, &unparted);
    must_set(s, &p);
    must_set(small, &p);
    assert_true(must_score(s, &behind) == want);
    assert_true(must_score(small, &behind) == want);
    must_set(s, NULL);
    assert_true(must_score(s, &unparted) == want);
    free(values);
    session_close(s);
    session_close(small);
}

static void embeddings_of_a_text_score_as_the_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i / 2]);
        check_text(f.model, backend_names[i % 2], PREFIX_EMBEDDINGS);
        engine_fixture_close(&f);
    }
}

static void key_values_of_a_text_score_as_the_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i / 2]);
        if (can_fetch(f.model, backend_names[i % 2]))
            check_text(f.model, backend_names[i % 2], PREFIX_KEY_VALUES);
        engine_fixture_close(&f);
    }
}

static void check_values(const json_t *want, const float *got)
{
    for (size_t i = 0; i < json_array_size(want); i++) {
        double expected = json_number_value(json_array_get(want, i));
        if (!(fabs((double)got[i] - expected) < 1e-4 * (1 + fabs(expected))))
            fail_msg("value %zu: %.8f instead of %.8f", i, (double)got[i], expected);
    }
}

/* Behind a prefix of the session, too, which plays no part. */
static void embeddings_and_key_values_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        size_t n;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        const json_t *words = json_object_get(f.data, "text");
        int32_t *ids = json_ids(json_object_get(words, "ids"), &n);
        session *s =
            open_behind(f.model, backend_names[i % 2], 2, 0, &f.prefixes[i / 2 % 2]);
        bool both = can_fetch(f.model, backend_names[i % 2]);
        for (prefix_kind k = PREFIX_EMBEDDINGS; k < (both ? 2 : 1); k++) {
            const json_t *want = json_object_get(words, prefix_kind_names[k]);
            float *got = prefix_of_text(s, f.model, k, ids, n);
            assert_int_equal(json_array_size(want),
                             n * prefix_width(model_describe(f.model), k));
            check_values(want, got);
            free(got);
        }
        session_close(s);
        free(ids);
        prefix_fixture_close(&f);
    }
}

static void texts_without_key_values_are_refused(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "ref", 1, 16 << 10, OVERFLOW_ERROR);
    int32_t ids[WINDOW + 1] = {0}, outside[] = {3, 291};
    size_t n = (WINDOW + 1) * prefix_width(model_describe(f.model), PREFIX_KEY_VALUES);
    float *values = array_new(n, sizeof(*values));
    error err = {0};
    assert_non_null(values);
    values[0] = 7;
    assert_int_equal(model_key_values(s, ids, WINDOW + 1, values, &err), E_LIMIT);
    assert_string_equal(err.text,
                        "keys and values of 65 tokens: the model's window is 64");
    assert_int_equal(model_key_values(s, outside, 2, values, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "token 1 is 291"));
    if (!can_fetch(f.model, "ref"))
        goto out;
    assert_int_equal(model_key_values(s, ids, WINDOW, values, &err), E_MEMORY);
    assert_non_null(strstr(err.text, "keys and values of 64 tokens"));
    assert_true(values[0] == 7);
    must(model_key_values(s, ids, 0, values, &err), &err);
    assert_int_equal(session_spent(s).row_tokens, 0);
    must(model_key_values(s, ids, 3, values, &err), &err);
    assert_int_equal(session_spent(s).row_tokens, 3);
    assert_int_equal(session_spent(s).positions, 3);
out:
    free(values);
    session_close(s);
    engine_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeddings_of_a_text_score_as_the_text),
        cmocka_unit_test(key_values_of_a_text_score_as_the_text),
        cmocka_unit_test(embeddings_and_key_values_equal_transformers),
        cmocka_unit_test(texts_without_key_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

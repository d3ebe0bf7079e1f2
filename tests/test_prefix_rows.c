/* Rows behind prefixes: against transformers (tests/fixtures/make_prefixes.py), against
 * the texts that a prefix can stand for, and that nothing but the row and the prefix
 * decides its numbers. */
#include "engine_fixture.h"
#include "fixture.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};
static const char *const kind_names[] = {"embeddings", "key_values"};

/* Per token, as for rows without a prefix. */
static const double tolerance = 1e-4;

enum { MAX_ROWS = 8, MAX_TARGETS = 100, WINDOW = 64 };

/* A tiny model and what transformers says of it behind prefixes. */
typedef struct prefix_fixture {
    engine_fixture engine;
    const model *model;
    json_t *data;
    row rows[MAX_ROWS];
    size_t n_rows;
    int32_t *ids[MAX_ROWS];
    prefix_view prefixes[2]; /* by prefix_kind */
    float *values[2];
} prefix_fixture;

static float *json_floats(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    float *values = array_new(*n, sizeof(*values));
    assert_non_null(values);
    for (size_t i = 0; i < *n; i++)
        values[i] = (float)json_number_value(json_array_get(array, i));
    return values;
}

static void read_prefix(prefix_fixture *f, prefix_kind kind)
{
    const json_t *p = json_object_get(f->data, kind_names[kind]);
    size_t n = (size_t)json_integer_value(json_object_get(p, "n")), total;
    f->values[kind] = json_floats(json_object_get(p, "values"), &total);
    assert_int_equal(total, n * prefix_width(model_describe(f->model), kind));
    f->prefixes[kind] = (prefix_view){.kind = kind, .n = n, .values = f->values[kind]};
}

static void prefix_fixture_open(prefix_fixture *f, const char *name)
{
    char file[100], path[FIXTURE_PATH_BYTES];
    json_error_t where;
    *f = (prefix_fixture){0};
    engine_fixture_open(&f->engine, name);
    f->model = f->engine.model;
    snprintf(file, sizeof(file), "%s-prefix.json", name);
    f->data = json_load_file(fixture_path(path, file), 0, &where);
    if (f->data == NULL)
        fail_msg("%s: %s", path, where.text);
    const json_t *rows = json_object_get(f->data, "rows");
    f->n_rows = json_array_size(rows);
    assert_in_range(f->n_rows, 1, MAX_ROWS);
    for (size_t i = 0; i < f->n_rows; i++) {
        const json_t *r = json_array_get(rows, i);
        row *to = &f->rows[i];
        f->ids[i] = json_ids(json_object_get(r, "ids"), &to->n);
        to->tokens = f->ids[i];
        to->n_context = (size_t)json_integer_value(json_object_get(r, "n_context"));
    }
    read_prefix(f, PREFIX_EMBEDDINGS);
    read_prefix(f, PREFIX_KEY_VALUES);
}

static void prefix_fixture_close(prefix_fixture *f)
{
    for (size_t i = 0; i < f->n_rows; i++)
        free(f->ids[i]);
    free(f->values[0]);
    free(f->values[1]);
    json_decref(f->data);
    engine_fixture_close(&f->engine);
}

static void must_set(session *s, const prefix_view *p)
{
    error err = {0};
    must(session_set_prefix(s, p, &err), &err);
}

static session *open_behind(const model *m, const char *backend, size_t n_threads,
                            uint64_t memory_bytes, const prefix_view *p)
{
    session *s = must_open(m, backend, n_threads, memory_bytes, OVERFLOW_ERROR);
    must_set(s, p);
    return s;
}

/* ---- Against transformers ---- */

static void check_scores(const prefix_fixture *f, session *s, prefix_kind kind)
{
    row_score scores[MAX_ROWS];
    double logprobs[MAX_TARGETS];
    error err = {0};
    const json_t *rows =
        json_object_get(json_object_get(f->data, kind_names[kind]), "rows");
    must(model_score(s, f->rows, f->n_rows, scores, logprobs, &err), &err);
    size_t at = 0;
    for (size_t r = 0; r < f->n_rows; r++) {
        const json_t *want = json_array_get(rows, r);
        assert_int_equal(json_array_size(want), scores[r].n_targets);
        for (size_t t = 0; t < scores[r].n_targets; t++, at++) {
            double expected = json_number_value(json_array_get(want, t));
            if (!(fabs(logprobs[at] - expected) < tolerance))
                fail_msg("%s, row %zu, target %zu: %.7f instead of %.7f",
                         kind_names[kind], r, t, logprobs[at], expected);
        }
    }
}

static void scores_behind_prefixes_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        for (prefix_kind k = PREFIX_EMBEDDINGS; k <= PREFIX_KEY_VALUES; k++) {
            must_set(s, &f.prefixes[k]);
            check_scores(&f, s, k);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

static void check_greedy(const prefix_fixture *f, session *s, prefix_kind kind)
{
    size_t n;
    error err = {0};
    continuation out;
    const json_t *p = json_object_get(f->data, kind_names[kind]);
    int32_t *want = json_ids(json_object_get(p, "greedy"), &n);
    sampling options = {.max_tokens = n, .keep_eos = true};
    must(model_generate(s, f->rows, 1, 1, &options, &out, &err), &err);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.ids, want, n * sizeof(*want));
    continuation_free(&out);
    free(want);
}

static void greedy_behind_prefixes_equals_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        for (prefix_kind k = PREFIX_EMBEDDINGS; k <= PREFIX_KEY_VALUES; k++) {
            must_set(s, &f.prefixes[k]);
            check_greedy(&f, s, k);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

static void check_text(const json_t *want, const float *got)
{
    for (size_t i = 0; i < json_array_size(want); i++) {
        double expected = json_number_value(json_array_get(want, i));
        if (!(fabs((double)got[i] - expected) < 1e-5 * (1 + fabs(expected))))
            fail_msg("value %zu: %.8f instead of %.8f", i, (double)got[i], expected);
    }
}

static void embeddings_of_a_text_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models; i++) {
        prefix_fixture f;
        size_t n;
        error err = {0};
        prefix_fixture_open(&f, tiny_models[i]);
        const json_t *words = json_object_get(f.data, "text");
        int32_t *ids = json_ids(json_object_get(words, "ids"), &n);
        size_t width = prefix_width(model_describe(f.model), PREFIX_EMBEDDINGS);
        float *out = array_new(n * width, sizeof(*out));
        must(model_embeddings(f.model, ids, n, out, &err), &err);
        check_text(json_object_get(words, "embeddings"), out);
        free(out);
        free(ids);
        prefix_fixture_close(&f);
    }
}

/* ---- Company ---- */

static void check_company(const prefix_fixture *f, const char *backend,
                          const prefix_view *p)
{
    row_score batch[MAX_ROWS], other[MAX_ROWS];
    row reversed[MAX_ROWS];
    error err = {0};
    session *one = open_behind(f->model, backend, 1, 0, p);
    session *three = open_behind(f->model, backend, 3, 260 << 10, p);
    must(model_score(one, f->rows, f->n_rows, batch, NULL, &err), &err);
    for (size_t i = 0; i < f->n_rows; i++)
        reversed[i] = f->rows[f->n_rows - 1 - i];
    must(model_score(three, reversed, f->n_rows, other, NULL, &err), &err);
    for (size_t i = 0; i < f->n_rows; i++) {
        assert_true(batch[i].logprob == other[f->n_rows - 1 - i].logprob);
        assert_true(batch[i].logprob == must_score(i % 2 ? one : three, &f->rows[i]));
    }
    session_close(one);
    session_close(three);
}

static void a_row_behind_a_prefix_does_not_feel_its_company(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 4; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 4]);
        check_company(&f, backend_names[i % 2], &f.prefixes[i / 2 % 2]);
        prefix_fixture_close(&f);
    }
}

/* In a session that goes from prefix to prefix every score is that of a session that
 * never saw another one: none, one, the other, none. */
static void a_prefix_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        prefix_fixture f;
        prefix_fixture_open(&f, "tiny-q8_0");
        const prefix_view *const all[] = {NULL, &f.prefixes[0], &f.prefixes[1],
                                          &f.prefixes[0], NULL};
        session *s = must_open(f.model, backend_names[b], 2, 0, OVERFLOW_ERROR);
        double last = 1;
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            row_score old[MAX_ROWS], new[MAX_ROWS];
            error err = {0};
            session *fresh = open_behind(f.model, backend_names[b], 1, 0, all[i]);
            must_set(s, all[i]);
            for (int again = 0; again < 2; again++)
                must(model_score(s, f.rows, f.n_rows, old, NULL, &err), &err);
            must(model_score(fresh, f.rows, f.n_rows, new, NULL, &err), &err);
            for (size_t r = 0; r < f.n_rows; r++)
                assert_true(old[r].logprob == new[r].logprob);
            assert_true(old[0].logprob != last);
            last = old[0].logprob;
            session_close(fresh);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

static void the_prefix_is_computed_once_and_billed_for_each_row(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    int32_t tokens[] = {20, 30, 40, 50, 60}, other[] = {21, 30, 40};
    row rows[] = {{tokens, 5, 4}, {other, 3, 2}};
    row_score scores[2];
    error err = {0};
    session *s = open_behind(f.model, "cpu", 1, 0, &f.prefixes[PREFIX_EMBEDDINGS]);
    assert_int_equal(session_spent(s).positions, 0); /* only when it is needed */
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 4 + 2);
    assert_int_equal(session_spent(s).row_tokens, 7 + 5 + 7 + 3);
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 4 + 2 + 4 + 2);
    must_set(s, &f.prefixes[PREFIX_KEY_VALUES]);
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 3 * (4 + 2));
    assert_int_equal(session_spent(s).row_tokens, 2 * (7 + 5 + 7 + 3) + 5 + 5 + 5 + 3);
    session_close(s);
    prefix_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_behind_prefixes_equal_transformers),
        cmocka_unit_test(greedy_behind_prefixes_equals_transformers),
        cmocka_unit_test(embeddings_of_a_text_equal_transformers),
        cmocka_unit_test(a_row_behind_a_prefix_does_not_feel_its_company),
        cmocka_unit_test(a_prefix_leaves_nothing_behind),
        cmocka_unit_test(the_prefix_is_computed_once_and_billed_for_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

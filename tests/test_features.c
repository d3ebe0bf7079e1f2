/* Features of rows: pooled hidden states against transformers, and the promise that a
 * row's numbers are its own. */
#include "engine_fixture.h"
#include "failing_malloc.h"
#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};

/* One model and the rows of features.json about it. */
typedef struct feature_fixture {
    model *model;
    json_t *file;
    const json_t *list;
    row *rows;
    size_t n, C;
} feature_fixture;

static void fixture_open(feature_fixture *f, const char *name)
{
    char file[100], path[FIXTURE_PATH_BYTES];
    error err = {0};
    *f = (feature_fixture){0};
    snprintf(file, sizeof(file), "%s.gguf", name);
    must(model_open(&f->model, fixture_path(path, file), &err), &err);
    f->file = json_load_file(fixture_path(path, "features.json"), 0, NULL);
    f->list = json_object_get(json_object_get(f->file, name), "rows");
    f->n = json_array_size(f->list);
    f->C = model_describe(f->model)->width;
    f->rows = array_new(f->n, sizeof(*f->rows));
    assert_true(f->n > 0);
    for (size_t i = 0; i < f->n; i++) {
        const json_t *r = json_array_get(f->list, i);
        f->rows[i].tokens = json_ids(json_object_get(r, "ids"), &f->rows[i].n);
        f->rows[i].n_context =
            (size_t)json_integer_value(json_object_get(r, "n_context"));
    }
}

static void fixture_close(feature_fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        free((int32_t *)(uintptr_t)f->rows[i].tokens);
    free(f->rows);
    json_decref(f->file);
    model_close(f->model);
}

/* Largest difference to a JSON array of C numbers. */
static double difference(const float *x, const json_t *want, size_t C)
{
    double most = 0;
    assert_int_equal(json_array_size(want), C);
    for (size_t c = 0; c < C; c++)
        most =
            fmax(most, fabs((double)x[c] - json_number_value(json_array_get(want, c))));
    return most;
}

static void check_model(const feature_fixture *f, session *s, const char *name)
{
    error err = {0};
    float *out = array_new(f->n * 2 * f->C, sizeof(*out));
    row_score *scores = array_new(f->n, sizeof(*scores));
    must(model_features(s, f->rows, f->n, POOLING_BOTH, out, scores, &err), &err);
    for (size_t i = 0; i < f->n; i++) {
        const json_t *r = json_array_get(f->list, i);
        double mean = difference(out + 2 * i * f->C, json_object_get(r, "mean"), f->C);
        double last =
            difference(out + (2 * i + 1) * f->C, json_object_get(r, "last"), f->C);
        double logprob =
            scores[i].logprob - json_number_value(json_object_get(r, "logprob"));
        if (!(mean < 1e-4 && last < 1e-4 && fabs(logprob) < 1e-3))
            fail_msg("%s, row %zu: mean %.2g, last %.2g, ln p %.2g", name, i, mean, last,
                     logprob);
    }
    free(out);
    free(scores);
}

static void features_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * n_tiny_models; i++) {
        feature_fixture f;
        fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        check_model(&f, s, tiny_models[i / 2]);
        session_close(s);
        fixture_close(&f);
    }
}

static void poolings_are_parts_of_both(void **state)
{
    (void)state;
    feature_fixture f;
    error err = {0};
    fixture_open(&f, "tiny-q8_0");
    const model_info *info = model_describe(f.model);
    assert_int_equal(pooling_width(info, POOLING_MEAN), f.C);
    assert_int_equal(pooling_width(info, POOLING_LAST), f.C);
    assert_int_equal(pooling_width(info, POOLING_BOTH), 2 * f.C);
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    float *both = array_new(2 * f.n * f.C, sizeof(float));
    float *one = array_new(f.n * f.C, sizeof(float));
    must(model_features(s, f.rows, f.n, POOLING_BOTH, both, NULL, &err), &err);
    for (int p = POOLING_MEAN; p <= POOLING_LAST; p++) {
        must(model_features(s, f.rows, f.n, (pooling)p, one, NULL, &err), &err);
        for (size_t i = 0; i < f.n; i++)
            assert_memory_equal(one + i * f.C, both + (2 * i + (size_t)p) * f.C,
                                f.C * sizeof(float));
    }
    free(both);
    free(one);
    session_close(s);
    fixture_close(&f);
}

/* All at once with two threads; alone, in reverse, with one; with so little memory that
 * walks are short; again behind what stayed resident; and the scores are model_score's.
 */
static void features_depend_on_the_row_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"tiny-f32", "tiny-qwen2"};
    for (size_t k = 0; k < 4; k++) {
        feature_fixture f;
        error err = {0};
        const char *backend = backend_names[k % 2];
        fixture_open(&f, names[k / 2]);
        session *all = must_open(f.model, backend, 2, 0, OVERFLOW_ERROR);
        session *alone = must_open(f.model, backend, 1, 0, OVERFLOW_ERROR);
        session *small = must_open(f.model, backend, 1, 300 << 10, OVERFLOW_ERROR);
        size_t W = 2 * f.C;
        float *want = array_new(f.n * W, sizeof(float));
        float *got = array_new(f.n * W, sizeof(float));
        row_score scores[16], others[16];
        assert_true(f.n <= 16);
        must(model_features(all, f.rows, f.n, POOLING_BOTH, want, scores, &err), &err);
        must(model_features(all, f.rows, f.n, POOLING_BOTH, got, others, &err), &err);
        assert_memory_equal(got, want, f.n * W * sizeof(float));
        assert_memory_equal(others, scores, f.n * sizeof(*scores));
        must(model_score(all, f.rows, f.n, others, NULL, &err), &err);
        assert_memory_equal(others, scores, f.n * sizeof(*scores));
        for (size_t i = f.n; i-- > 0;)
            must(model_features(alone, f.rows + i, 1, POOLING_BOTH, got + i * W,
                                others + i, &err),
                 &err);
        assert_memory_equal(got, want, f.n * W * sizeof(float));
        assert_memory_equal(others, scores, f.n * sizeof(*scores));
        memset(got, 0, f.n * W * sizeof(float));
        must(model_features(small, f.rows, f.n, POOLING_BOTH, got, NULL, &err), &err);
        assert_memory_equal(got, want, f.n * W * sizeof(float));
        free(want);
        free(got);
        session_close(small);
        session_close(alone);
        session_close(all);
        fixture_close(&f);
    }
}

static void what_rows_share_is_computed_once(void **state)
{
    (void)state;
    feature_fixture f;
    error err = {0};
    fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    float *out = array_new(f.n * f.C, sizeof(*out));
    /* rows 0 to 2 share 11 tokens, row 1 is the beginning of row 0 */
    must(model_features(s, f.rows, 3, POOLING_MEAN, out, NULL, &err), &err);
    assert_int_equal(session_spent(s).row_tokens, 18 + 14 + 12);
    assert_int_equal(session_spent(s).positions, 11 + 7 + 1);
    free(out);
    session_close(s);
    fixture_close(&f);
}

static void rows_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    feature_fixture f;
    error err = {0};
    int32_t ids[70] = {3, 4, 5};
    row rows[] = {{ids, 3, 0}, {ids, 3, 3}, {ids, 70, 1}};
    const int codes[] = {E_ARGUMENT, E_ARGUMENT, E_LIMIT};
    const char *const texts[] = {"row 0 has no context", "row 0 has no targets", "70"};
    float out = 7;
    fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "ref", 1, 0, OVERFLOW_ERROR);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(model_features(s, &rows[i], 1, POOLING_MEAN, &out, NULL, &err),
                         codes[i]);
        assert_non_null(strstr(err.text, texts[i]));
    }
    must(model_features(s, rows, 0, POOLING_MEAN, &out, NULL, &err), &err);
    assert_true(out == 7);
    session_close(s);
    fixture_close(&f);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    feature_fixture f;
    fixture_open(&f, "tiny-f32");
    session_close(must_open(f.model, "ref", 1, 0, OVERFLOW_ERROR)); /* packs weights */
    long failures = 0;
    float *out = array_new(f.n * f.C, sizeof(*out));
    for (int rc = -1; rc < 0; failures++) {
        error err = {0};
        long held_before = allocations_held();
        session *s = must_open(f.model, "ref", 1, 0, OVERFLOW_ERROR);
        out[0] = 7;
        set_allocations_left(failures + 1);
        rc = model_features(s, f.rows, f.n, POOLING_MEAN, out, NULL, &err);
        set_allocations_left(-1);
        assert_true(rc == 0 || (rc == E_MEMORY && out[0] == 7));
        session_close(s);
        assert_int_equal(allocations_held(), held_before);
    }
    assert_in_range(failures, 10, 60);
    free(out);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_equal_transformers),
        cmocka_unit_test(poolings_are_parts_of_both),
        cmocka_unit_test(features_depend_on_the_row_alone),
        cmocka_unit_test(what_rows_share_is_computed_once),
        cmocka_unit_test(rows_that_make_no_sense_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

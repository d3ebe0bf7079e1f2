/* Vectors against the vocabulary: nearest tokens and first-order swaps, against
 * transformers and against all products written out. */
#include "prefix_fixture.h"

#include "../model/top_k.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

static const char *const backend_names[] = {"ref", "cpu"};

static void the_best_of_many_are_sorted_and_ties_go_to_the_lower(void **state)
{
    (void)state;
    enum { MOST = 40 };
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t round = 0; round < 2000; round++) {
        float x[MOST];
        int32_t ids[MOST];
        bool taken[MOST] = {false};
        size_t n = 1 + gsl_rng_uniform_int(rng, MOST);
        size_t k = 1 + gsl_rng_uniform_int(rng, n);
        for (size_t i = 0; i < n; i++)
            x[i] = (float)gsl_rng_uniform_int(rng, 10); /* many ties */
        top_k(x, n, k, ids);
        for (size_t j = 0; j < k; j++) {
            size_t best = n;
            for (size_t i = 0; i < n; i++)
                if (!taken[i] && (best == n || x[i] > x[best]))
                    best = i;
            assert_int_equal(ids[j], best);
            taken[best] = true;
        }
    }
    gsl_rng_free(rng);
}

static void check_nearest(const prefix_fixture *f, session *s, embedding_measure measure)
{
    const char *names[] = {"dot", "cosine"},
               *value_names[] = {"dot_values", "cosine_values"};
    enum { K = 5 };
    int32_t ids[2 * K];
    double measures[2 * K];
    size_t n;
    error err = {0};
    const json_t *nearest = json_object_get(f->data, "nearest");
    float *vectors = json_floats(json_object_get(nearest, "vectors"), &n);
    assert_int_equal(n, 2 * model_describe(f->model)->width);
    must(model_nearest_tokens(s, vectors, 2, measure, K, ids, measures, &err), &err);
    for (size_t i = 0; i < 2 * K; i++) {
        const json_t *id =
            json_array_get(json_object_get(nearest, names[measure]), i / K);
        const json_t *value =
            json_array_get(json_object_get(nearest, value_names[measure]), i / K);
        double want = json_number_value(json_array_get(value, i % K));
        assert_int_equal(ids[i], json_integer_value(json_array_get(id, i % K)));
        assert_true(fabs(measures[i] - want) < 1e-5);
    }
    free(vectors);
}

static void nearest_tokens_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        check_nearest(&f, s, MEASURE_DOT);
        check_nearest(&f, s, MEASURE_COSINE);
        session_close(s);
        prefix_fixture_close(&f);
    }
}

/* ---- All of the vocabulary ---- */

/* What a test needs to write everything out: vectors, and all embeddings. */
typedef struct whole {
    engine_fixture f;
    session *s;
    size_t n, C, V;
    float *vectors;    /* (n, C) */
    float *embeddings; /* (V, C) */
    int32_t *ids;      /* (n, V) */
    double *values;    /* (n, V) */
} whole;

static void whole_open(whole *w, size_t n, const char *name, const char *backend)
{
    error err = {0};
    engine_fixture_open(&w->f, name);
    w->n = n;
    w->C = model_describe(w->f.model)->width;
    w->V = model_describe(w->f.model)->n_vocabulary;
    w->s = must_open(w->f.model, backend, 2, 0, OVERFLOW_ERROR);
    w->vectors = array_new(n * w->C, sizeof(float));
    w->embeddings = array_new(w->V * w->C, sizeof(float));
    w->ids = array_new(n * w->V, sizeof(int32_t));
    w->values = array_new(n * w->V, sizeof(double));
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t i = 0; i < n * w->C; i++)
        w->vectors[i] = (float)gsl_ran_gaussian(rng, 1);
    gsl_rng_free(rng);
    for (size_t id = 0; id < w->V; id++)
        w->ids[id] = (int32_t)id;
    must(model_embeddings(w->f.model, w->ids, w->V, w->embeddings, &err), &err);
}

static void whole_close(whole *w)
{
    session_close(w->s);
    engine_fixture_close(&w->f);
    free(w->vectors);
    free(w->embeddings);
    free(w->ids);
    free(w->values);
}

static double product(const whole *w, size_t i, int32_t id)
{
    double sum = 0;
    for (size_t c = 0; c < w->C; c++)
        sum += (double)w->vectors[i * w->C + c] *
               (double)w->embeddings[(size_t)id * w->C + c];
    return sum;
}

/* Each id once, values as they should be and in order. `vectors` is more than a chunk of
 * logits, which is 128 rows. */
static void swaps_of_the_whole_vocabulary_are_differences_of_products(void **state)
{
    (void)state;
    static const char *const names[] = {"tiny-f32", "tiny-f16-untied"};
    enum { N = 131 };
    for (size_t b = 0; b < 4; b++) {
        whole w;
        int32_t current[N];
        error err = {0};
        whole_open(&w, N, names[b / 2], backend_names[b % 2]);
        for (size_t i = 0; i < N; i++)
            current[i] = (int32_t)(7 * i % w.V);
        must(model_token_gradient(w.s, w.vectors, current, N, w.V, w.ids, w.values, &err),
             &err);
        bool *seen = array_new(w.V, sizeof(*seen));
        for (size_t i = 0; i < N; i++) {
            memset(seen, 0, w.V * sizeof(*seen));
            for (size_t j = 0; j < w.V; j++) {
                size_t at = i * w.V + j;
                double want = product(&w, i, w.ids[at]) - product(&w, i, current[i]);
                assert_true(fabs(w.values[at] - want) < 1e-4);
                assert_true(
                    j == 0 || w.values[at - 1] < w.values[at] ||
                    (w.values[at - 1] == w.values[at] && w.ids[at - 1] < w.ids[at]));
                assert_true(w.ids[at] != current[i] || w.values[at] == 0);
                assert_false(seen[w.ids[at]]);
                seen[w.ids[at]] = true;
            }
        }
        free(seen);
        whole_close(&w);
    }
}

/* A token's own embedding is nearest to it by cosine, whatever its length; alone or in
 * company, with little memory or much. */
static void a_token_is_nearest_to_itself(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2 * n_tiny_models; b++) {
        whole w;
        error err = {0};
        whole_open(&w, 1, tiny_models[b / 2], backend_names[b % 2]);
        session *small =
            must_open(w.f.model, backend_names[b % 2], 1, 260 << 10, OVERFLOW_ERROR);
        int32_t *nearest = array_new(w.V, sizeof(*nearest));
        double *cosines = array_new(w.V, sizeof(*cosines));
        for (size_t i = 0; i < w.V * w.C; i++)
            w.embeddings[i] *= 0.25f;
        must(model_nearest_tokens(w.s, w.embeddings, w.V, MEASURE_COSINE, 1, nearest,
                                  cosines, &err),
             &err);
        for (size_t id = 0; id < w.V; id++) {
            int32_t alone;
            double cosine;
            must(model_nearest_tokens(small, w.embeddings + id * w.C, 1, MEASURE_COSINE,
                                      1, &alone, &cosine, &err),
                 &err);
            assert_int_equal(nearest[id], id);
            assert_int_equal(alone, id);
            if (!(fabs(cosines[id] - 1) < 1e-5) || cosine != cosines[id])
                fail_msg("%s, token %zu: 1 - %.3g, alone 1 - %.3g", tiny_models[b / 2],
                         id, 1 - cosines[id], 1 - cosine);
        }
        free(nearest);
        free(cosines);
        session_close(small);
        whole_close(&w);
    }
}

static void what_cannot_be_ranked_is_refused(void **state)
{
    (void)state;
    whole w;
    error err = {0};
    int32_t good[2] = {3, 4}, bad[2] = {3, -1}, many[2] = {291, 3}, ids[2] = {7, 7};
    double values[2] = {7, 7};
    whole_open(&w, 2, "tiny-f32", "cpu");
    float *x = w.vectors;
    assert_int_equal(model_token_gradient(w.s, x, good, 2, 0, ids, values, &err),
                     E_ARGUMENT);
    assert_string_equal(err.text, "0 tokens of each: must be in 1..291");
    assert_int_equal(model_nearest_tokens(w.s, x, 2, MEASURE_DOT, 292, ids, NULL, &err),
                     E_ARGUMENT);
    assert_int_equal(model_token_gradient(w.s, x, bad, 2, 1, ids, values, &err),
                     E_ARGUMENT);
    assert_non_null(strstr(err.text, "position 1: token -1"));
    assert_int_equal(model_token_gradient(w.s, x, many, 2, 1, ids, values, &err),
                     E_ARGUMENT);
    assert_int_equal(model_embeddings(w.f.model, bad, 2, x, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "token 1 is -1"));
    x[w.C + 2] = NAN;
    assert_int_equal(model_nearest_tokens(w.s, x, 2, MEASURE_COSINE, 1, ids, NULL, &err),
                     E_NUMERIC);
    assert_string_equal(err.text, "vector 1: value 2 of 32 is nan");
    assert_int_equal(model_token_gradient(w.s, x, good, 2, 1, ids, values, &err),
                     E_NUMERIC);
    for (size_t c = 0; c < w.C; c++) /* each a number, their products with rows are not */
        x[w.C + c] = w.embeddings[5 * w.C + c] > 0 ? 3e38f : -3e38f;
    assert_int_equal(model_token_gradient(w.s, x, good, 2, 1, ids, values, &err),
                     E_NUMERIC);
    assert_non_null(strstr(err.text, "vector 1: its product with token"));
    assert_true(ids[0] == 7 && values[0] == 7);
    must(model_nearest_tokens(w.s, x, 0, MEASURE_DOT, 1, ids, NULL, &err), &err);
    memset(x, 0, 2 * w.C * sizeof(*x)); /* no direction: as near to all */
    must(model_nearest_tokens(w.s, x, 2, MEASURE_COSINE, 1, ids, values, &err), &err);
    assert_true(ids[0] == 0 && ids[1] == 0 && values[0] == 0);
    whole_close(&w);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    static const char *const names[] = {"tiny-f32", "tiny-f16-untied"};
    for (size_t b = 0; b < 2; b++) {
        whole w;
        whole_open(&w, 2, names[b], "ref");
        long failures = 0;
        for (int rc = -1; rc < 0; failures++) {
            int32_t ids[2] = {7, 7};
            error err = {0};
            long held_at_first = allocations_held();
            session *s = must_open(w.f.model, "ref", 1, 0, OVERFLOW_ERROR);
            long held_before = allocations_held();
            set_allocations_left(failures + 1);
            rc =
                model_nearest_tokens(s, w.vectors, 2, MEASURE_COSINE, 1, ids, NULL, &err);
            set_allocations_left(-1);
            assert_true(rc == 0 || (rc == E_MEMORY && ids[0] == 7));
            /* the session may keep what it has made of the norms */
            assert_in_range(allocations_held() - held_before, 0, 1);
            session_close(s);
            assert_int_equal(allocations_held(), held_at_first);
        }
        assert_in_range(failures, 5, 10);
        whole_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_many_are_sorted_and_ties_go_to_the_lower),
        cmocka_unit_test(nearest_tokens_equal_transformers),
        cmocka_unit_test(swaps_of_the_whole_vocabulary_are_differences_of_products),
        cmocka_unit_test(a_token_is_nearest_to_itself),
        cmocka_unit_test(what_cannot_be_ranked_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Gradients through tiny models of every family and weight type, on both backends:
 * against torch.autograd, and that neither company, threads nor memory decide them. */
#include "fixture.h"
#include "gradient_fixture.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};
/* Of whole gradient vectors. The reference is float64 on the same weights; in float32
 * some 1e-7 per operation and layer remain with exact sums. cpu's sums round as the
 * products do that it finds fastest: what is promised is 1e-4, what is seen below 3e-5.
 */
static const double tolerances[] = {3e-6, 1e-4};

typedef void model_test(const gradient_fixture *f, const char *backend, double tolerance);

static void with_every_model(model_test *test)
{
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        gradient_fixture f;
        gradient_fixture_open(&f, tiny_models[i / 2]);
        test(&f, backend_names[i % 2], tolerances[i % 2]);
        gradient_fixture_close(&f);
    }
}

/* ---- Against torch.autograd ---- */

static void check_near(const float *got, const double *want, size_t n, double tolerance,
                       const char *what)
{
    double distance = relative_error(got, want, n);
    if (!(distance < tolerance))
        fail_msg("%s: relative error %.2e", what, distance);
}

static void each_row_apart(const gradient_fixture *f, const char *backend,
                           double tolerance)
{
    place_map m;
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    place_map_make(&m, f->rows, GRADIENT_ROWS, false);
    float *got = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, NULL, true, &m, NULL);
    const float *at = got;
    for (size_t i = 0; i < GRADIENT_ROWS; i++) {
        size_t n = f->rows[i].n * f->C;
        double *want = array_new(n, sizeof(*want));
        assert_non_null(want);
        for (size_t j = 0; j < n; j++)
            want[j] = (double)f->at_tokens[i][j];
        check_near(at, want, n, tolerance, backend);
        for (size_t c = 0; c < f->C; c++)
            assert_true(at[n - f->C + c] == 0); /* nothing is predicted from the last */
        at += n;
        free(want);
    }
    free(got);
    place_map_free(&m);
    session_close(s);
}

static void gradients_at_tokens_equal_autograd(void **state)
{
    (void)state;
    with_every_model(each_row_apart);
}

/* What torch says of the weighted sum at shared places, (n_places, C); new. */
static double *sum_at_places(const gradient_fixture *f, const place_map *m,
                             const double *weights)
{
    double *sum = array_new(m->n_places * f->C, sizeof(*sum));
    assert_non_null(sum);
    for (size_t i = 0; i < GRADIENT_ROWS; i++)
        for (size_t t = 0; t < f->rows[i].n; t++)
            for (size_t c = 0; c < f->C; c++)
                sum[m->rows[i][t] * f->C + c] +=
                    weights[i] * (double)f->at_tokens[i][t * f->C + c];
    return sum;
}

static void all_rows_together(const gradient_fixture *f, const char *backend,
                              double tolerance)
{
    static const double weights[][GRADIENT_ROWS] = {
        {1, -0.5, 2, 0.25, 0.75}, {0, 0, 3, 0, 0}, {-1, 0, 0, -1e-3, 0}};
    place_map m;
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    place_map_make(&m, f->rows, GRADIENT_ROWS, true);
    assert_true(m.n_places < f->n_tokens);
    for (size_t i = 0; i < 3; i++) {
        double *want = sum_at_places(f, &m, weights[i]);
        for (int separate = 0; separate < 2 - (i > 0); separate++) {
            float *got = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, weights[i],
                                       separate, &m, NULL);
            check_near(got, want, m.n_places * f->C, tolerance, backend);
            free(got);
        }
        free(want);
    }
    place_map_free(&m);
    session_close(s);
}

static void weighted_sums_at_shared_beginnings_equal_autograd(void **state)
{
    (void)state;
    with_every_model(all_rows_together);
}

static void behind_prefixes(const gradient_fixture *f, const char *backend,
                            double tolerance)
{
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    for (int kind = 0; kind < 2; kind++) {
        const prefix_view *p = &f->prefixes[kind];
        size_t n = p->n * prefix_width(model_describe(f->model), p->kind);
        float *got = array_new(n, sizeof(*got));
        double *want = array_new(n, sizeof(*want));
        error err = {0};
        assert_true(got != NULL && want != NULL);
        for (size_t i = 0; i < n; i++)
            want[i] = (double)f->at_prefix[kind][i];
        must(session_set_prefix(s, p, &err), &err);
        for (int separate = 0; separate < 2; separate++) {
            must_gradient(s, f->C, f->rows, GRADIENT_ROWS, gradient_weights, separate,
                          NULL, got);
            check_near(got, want, n, tolerance, backend);
        }
        free(got);
        free(want);
    }
    session_close(s);
}

static void gradients_at_prefixes_equal_autograd(void **state)
{
    (void)state;
    with_every_model(behind_prefixes);
}

/* Rows behind virtual tokens that are words' embeddings are rows that begin with the
 * words: at every token behind, too. */
static void words_as_virtual_tokens(const gradient_fixture *f, const char *backend,
                                    double tolerance)
{
    enum { N = 5 };
    const row *whole = &f->rows[0];
    row rest = {whole->tokens + N, whole->n - N, whole->n_context - N};
    size_t C = f->C;
    float *x = array_new(N * C, sizeof(*x)), *prefix = array_new(N * C, sizeof(*prefix));
    double *want = array_new(whole->n * C, sizeof(*want));
    place_map m;
    error err = {0};
    assert_true(x != NULL && prefix != NULL && want != NULL);
    for (size_t i = 0; i < whole->n * C; i++)
        want[i] = (double)f->at_tokens[0][i];
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    must(model_embeddings(f->model, whole->tokens, N, x, &err), &err);
    must(session_set_prefix(
             s, &(prefix_view){.kind = PREFIX_EMBEDDINGS, .n = N, .values = x}, &err),
         &err);
    place_map_make(&m, &rest, 1, true);
    float *got = must_gradient(s, C, &rest, 1, NULL, false, &m, prefix);
    check_near(prefix, want, N * C, tolerance, backend);
    check_near(got, want + N * C, rest.n * C, tolerance, backend);
    session_close(s);
    place_map_free(&m);
    free(got);
    free(x);
    free(prefix);
    free(want);
}

static void virtual_tokens_may_be_words(void **state)
{
    (void)state;
    with_every_model(words_as_virtual_tokens);
}

/* ---- What does not decide ---- */

/* Scores to the bit as model_score has them, with whatever weights. */
static void the_same_scores(const gradient_fixture *f, const char *backend,
                            double tolerance)
{
    static const double none[GRADIENT_ROWS];
    row_score want[GRADIENT_ROWS], got[GRADIENT_ROWS];
    error err = {0};
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    must(model_score(s, f->rows, GRADIENT_ROWS, want, NULL, &err), &err);
    for (int i = 0; i < 2; i++) {
        gradient_request q = {.weights = i == 0 ? none : NULL, .separate = i == 1};
        must(model_gradient(s, f->rows, GRADIENT_ROWS, &q, got, &err), &err);
        for (size_t r = 0; r < GRADIENT_ROWS; r++) {
            assert_true(got[r].logprob == want[r].logprob);
            assert_int_equal(got[r].n_targets, want[r].n_targets);
            assert_int_equal(got[r].n_first, want[r].n_first);
            assert_true(fabs(got[r].logprob + f->losses[r]) <
                        1e-4 * (double)got[r].n_targets);
        }
    }
    (void)tolerance;
    session_close(s);
}

static void scores_are_those_of_scoring(void **state)
{
    (void)state;
    with_every_model(the_same_scores);
}

static void assert_same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            fail_msg("value %zu: %.9g and %.9g", i, (double)a[i], (double)b[i]);
}

static void more_threads(const gradient_fixture *f, const char *backend, double tolerance)
{
    place_map m;
    float *first[2] = {NULL, NULL};
    size_t n = f->prefixes[0].n * f->C;
    place_map_make(&m, f->rows, GRADIENT_ROWS, true);
    for (size_t threads = 1; threads <= 3; threads++) {
        float *prefix = array_new(n, sizeof(*prefix));
        error err = {0};
        session *s = must_open(f->model, backend, threads, 0, OVERFLOW_ERROR);
        must(session_set_prefix(s, &f->prefixes[0], &err), &err);
        float *got = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, gradient_weights,
                                   false, &m, prefix);
        session_close(s);
        if (threads == 1) {
            first[0] = got;
            first[1] = prefix;
            continue;
        }
        assert_same_bits(got, first[0], m.n_places * f->C);
        assert_same_bits(prefix, first[1], n);
        free(got);
        free(prefix);
    }
    (void)tolerance;
    free(first[0]);
    free(first[1]);
    place_map_free(&m);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    with_every_model(more_threads);
}

/* A second call of a session finds memory that is not clean. */
static void another_call(const gradient_fixture *f, const char *backend, double tolerance)
{
    place_map m, two;
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    place_map_make(&m, f->rows, GRADIENT_ROWS, true);
    place_map_make(&two, f->rows, 2, true);
    float *a = must_gradient(s, f->C, f->rows, 2, NULL, false, &two, NULL);
    float *b = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, NULL, false, &m, NULL);
    must_score(s, &f->rows[3]);
    float *c = must_gradient(s, f->C, f->rows, 2, NULL, false, &two, NULL);
    float *d = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, NULL, false, &m, NULL);
    assert_same_bits(a, c, two.n_places * f->C);
    assert_same_bits(b, d, m.n_places * f->C);
    (void)tolerance;
    free(a);
    free(b);
    free(c);
    free(d);
    place_map_free(&m);
    place_map_free(&two);
    session_close(s);
}

static void calls_before_change_no_bit(void **state)
{
    (void)state;
    with_every_model(another_call);
}

/* ---- Memory ---- */

static gradient_estimate must_estimate(session *s, const gradient_fixture *f,
                                       const place_map *m)
{
    gradient_request q = {.places = m->rows, .n_places = m->n_places};
    gradient_estimate e = {0};
    float none;
    error err = {0};
    q.place_gradients = &none; /* an estimate writes no gradients */
    must(model_gradient_estimate(s, f->rows, GRADIENT_ROWS, &q, &e, &err), &err);
    return e;
}

/* Sessions of ever more memory, from too little to plenty: the same bits while the rows
 * are run at once, whatever is kept; sums in another order where they are not. */
static void less_memory(const gradient_fixture *f, const char *backend, double tolerance)
{
    size_t L = model_describe(f->model)->n_layers, kinds[3] = {0};
    place_map m;
    place_map_make(&m, f->rows, GRADIENT_ROWS, true);
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    gradient_estimate e = must_estimate(s, f, &m);
    assert_int_equal(e.n_parts, 1);
    assert_int_equal(e.n_kept_layers, L);
    float *want = must_gradient(s, f->C, f->rows, GRADIENT_ROWS, NULL, false, &m, NULL);
    session_close(s);
    for (uint64_t bytes = 64 << 10; kinds[0] < 2; bytes += bytes / 16) {
        session_options o = {.backend = backend, .n_threads = 2, .memory_bytes = bytes};
        error err = {0};
        gradient_request q = {.places = m.rows, .n_places = m.n_places};
        float none;
        q.place_gradients = &none;
        if (session_open(&s, f->model, &o, &err) < 0)
            continue;
        if (model_gradient_estimate(s, f->rows, GRADIENT_ROWS, &q, &e, &err) < 0) {
            assert_int_equal(err.code, E_MEMORY);
            session_close(s);
            continue;
        }
        assert_true(e.peak_bytes <= bytes);
        float *got =
            must_gradient(s, f->C, f->rows, GRADIENT_ROWS, NULL, false, &m, NULL);
        if (e.n_parts == 1)
            assert_same_bits(got, want, m.n_places * f->C);
        else
            assert_true(relative_difference(got, want, m.n_places * f->C) < 1e-6);
        kinds[e.n_parts > 1 ? 2 : e.n_kept_layers < L]++;
        free(got);
        session_close(s);
    }
    (void)tolerance;
    assert_true(kinds[0] > 0 && kinds[2] > 0);
    /* of two layers, the room to compute one anew is that of keeping it */
    assert_true(kinds[1] > 0 || L < 3);
    free(want);
    place_map_free(&m);
}

static void memory_decides_what_is_kept_and_nothing_else(void **state)
{
    (void)state;
    with_every_model(less_memory);
}

/* ---- On the real model ---- */

static double loss_behind(session *s, const row *rows, size_t n, const prefix_view *p)
{
    row_score scores[4];
    double sum = 0;
    error err = {0};
    must(session_set_prefix(s, p, &err), &err);
    must(model_score(s, rows, n, scores, NULL, &err), &err);
    for (size_t i = 0; i < n; i++)
        sum -= scores[i].logprob;
    return sum;
}

/* The loss behind a prefix moved by `by` along the direction d. */
static double loss_along(session *s, const row *rows, size_t n, const prefix_view *p,
                         const float *d, size_t width, double by)
{
    float *moved = array_new(width, sizeof(*moved));
    assert_non_null(moved);
    for (size_t i = 0; i < width; i++)
        moved[i] = (float)((double)p->values[i] + by * (double)d[i]);
    prefix_view there = *p;
    there.values = moved;
    double loss = loss_behind(s, rows, n, &there);
    free(moved);
    return loss;
}

/* Along the gradient itself, the loss changes by the gradient's length. */
static void check_slope(session *s, const model *m, const row *rows, size_t n,
                        const prefix_view *p)
{
    size_t total = p->n * prefix_width(model_describe(m), p->kind);
    float *g = array_new(total, sizeof(*g));
    error err = {0};
    double length = 0;
    assert_non_null(g);
    must(session_set_prefix(s, p, &err), &err);
    must_gradient(s, model_describe(m)->width, rows, n, NULL, false, NULL, g);
    for (size_t i = 0; i < total; i++)
        length += (double)g[i] * (double)g[i];
    length = sqrt(length);
    for (size_t i = 0; i < total; i++)
        g[i] = (float)((double)g[i] / length);
    double h = 1e-2 / length; /* the loss changes by 2 h length = 0.02 */
    double slope = (loss_along(s, rows, n, p, g, total, h) -
                    loss_along(s, rows, n, p, g, total, -h)) /
                   (2 * h);
    if (!(fabs(slope - length) < 5e-3 * length))
        fail_msg("prefix of kind %d: slope %g, length of the gradient %g", p->kind, slope,
                 length);
    free(g);
}

/* On SmolLM2 itself: the words of a prompt as virtual tokens, and as keys and values. */
static void smollm2_gradients_are_slopes_of_the_loss(void **state)
{
    (void)state;
    const char *path = fixture_model();
    if (path == NULL)
        return;
    static const int32_t prompt[] = {504, 5936, 282, 253, 1683, 314};
    static const int32_t rows_ids[][4] = {{3241, 314, 3867, 30}, {3241, 314, 5003, 30}};
    const row rows[] = {{rows_ids[0], 4, 1}, {rows_ids[1], 4, 2}};
    enum { N = sizeof(prompt) / sizeof(*prompt) };
    model *m = NULL;
    error err = {0};
    must(model_open(&m, path, &err), &err);
    session *s = must_open(m, "cpu", 2, 0, OVERFLOW_ERROR);
    for (int kind = 0; kind < 2; kind++) {
        size_t width = prefix_width(model_describe(m), (prefix_kind)kind);
        float *values = array_new(N * width, sizeof(*values));
        assert_non_null(values);
        must(kind == PREFIX_EMBEDDINGS ? model_embeddings(m, prompt, N, values, &err)
                                       : model_key_values(s, prompt, N, values, &err),
             &err);
        check_slope(s, m, rows, 2,
                    &(prefix_view){.kind = (prefix_kind)kind, .n = N, .values = values});
        free(values);
    }
    session_close(s);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_at_tokens_equal_autograd),
        cmocka_unit_test(weighted_sums_at_shared_beginnings_equal_autograd),
        cmocka_unit_test(gradients_at_prefixes_equal_autograd),
        cmocka_unit_test(virtual_tokens_may_be_words),
        cmocka_unit_test(scores_are_those_of_scoring),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(calls_before_change_no_bit),
        cmocka_unit_test(memory_decides_what_is_kept_and_nothing_else),
        cmocka_unit_test(smollm2_gradients_are_slopes_of_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

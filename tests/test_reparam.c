/* prefix/reparam.h, held to torch.nn (tests/fixtures/make_optimizer.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <jansson.h>

#include "../prefix/reparam.h"
#include "engine_fixture.h"
#include "fixture.h"

typedef struct mlp {
    reparam shape;
    reparam_parts parts;
    float *parameters, *gradient, *d_out, *hidden, *out;
    json_t *reference;
} mlp;

static size_t size_of(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

static float *floats_of(const json_t *o, const char *key, size_t n)
{
    const json_t *a = json_object_get(o, key);
    assert_int_equal(json_array_size(a), n);
    float *x = array_new(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)json_number_value(json_array_get(a, i));
    return x;
}

static void open_mlp(mlp *m)
{
    char path[FIXTURE_PATH_BYTES];
    error err = {0};
    json_t *all = json_load_file(fixture_path(path, "optimizer.json"), 0, NULL);
    assert_non_null(all);
    m->reference = json_incref(json_object_get(all, "reparam"));
    json_decref(all);
    const json_t *o = m->reference;
    m->shape = (reparam){size_of(o, "n"), size_of(o, "inputs"), size_of(o, "hidden"),
                         size_of(o, "width")};
    must(reparam_layout(&m->shape, &m->parts, &err), &err);
    size_t n_out = m->shape.n * m->shape.width;
    m->parameters = floats_of(o, "parameters", m->parts.count);
    m->d_out = floats_of(o, "d_out", n_out);
    m->gradient = array_new(m->parts.count, sizeof *m->gradient);
    m->hidden = array_new(m->shape.n * m->shape.n_hidden, sizeof *m->hidden);
    m->out = array_new(n_out, sizeof *m->out);
    assert_true(m->gradient && m->hidden && m->out);
}

static void close_mlp(mlp *m)
{
    float *owned[] = {m->parameters, m->gradient, m->d_out, m->hidden, m->out};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    json_decref(m->reference);
}

/* |got - want| < 1e-6 (1 + |want|): sums of a few floats of the order of one. */
static void assert_close(const float *got, const json_t *want)
{
    for (size_t i = 0; i < json_array_size(want); i++) {
        double w = json_number_value(json_array_get(want, i));
        if (!(fabs((double)got[i] - w) < 1e-6 * (1 + fabs(w))))
            fail_msg("%zu: %.9g, not %.9g", i, (double)got[i], w);
    }
}

static void forward_is_torchs(void **state)
{
    (void)state;
    mlp m;
    open_mlp(&m);
    reparam_forward(&m.shape, m.parameters, m.hidden, m.out);
    assert_close(m.out, json_object_get(m.reference, "out"));
    close_mlp(&m);
}

static void backward_is_torchs(void **state)
{
    (void)state;
    mlp m;
    error err = {0};
    open_mlp(&m);
    reparam_forward(&m.shape, m.parameters, m.hidden, m.out);
    for (size_t i = 0; i < m.parts.count; i++)
        m.gradient[i] = NAN; /* what was there must not matter */
    must(reparam_backward(&m.shape, m.parameters, m.hidden, m.d_out, m.gradient, &err),
         &err);
    assert_close(m.gradient, json_object_get(m.reference, "gradient"));
    close_mlp(&m);
}

/* The largest distance of the output from `start` after an init that aims at it, for n
 * tokens and a hidden width of E. */
static double start_distance(size_t n, size_t E)
{
    const reparam shape = {n, 6, E, 11};
    reparam_parts parts;
    error err = {0};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, 7);
    must(reparam_layout(&shape, &parts, &err), &err);
    float *parameters = array_new(parts.count, sizeof *parameters);
    float *start = array_new(n * shape.width, sizeof *start);
    float *hidden = array_new(n * E, sizeof *hidden);
    float *out = array_new(n * shape.width, sizeof *out);
    for (size_t i = 0; i < n * shape.width; i++)
        start[i] = (float)gsl_ran_gaussian(rng, 3);
    must(reparam_init(&shape, parameters, start, rng, &err), &err);
    reparam_forward(&shape, parameters, hidden, out);
    double worst = 0;
    for (size_t i = 0; i < n * shape.width; i++)
        worst = fmax(worst, fabs((double)out[i] - (double)start[i]));
    free(parameters);
    free(start);
    free(hidden);
    free(out);
    gsl_rng_free(rng);
    return worst;
}

static void a_start_is_met_where_the_mlp_is_wide_enough(void **state)
{
    (void)state;
    assert_true(start_distance(4, 16) < 1e-4);
    assert_true(start_distance(16, 16) < 1e-2); /* square: worse conditioned */
    double narrow = start_distance(16, 4);      /* cannot be met, and is finite */
    assert_true(isfinite(narrow) && narrow > 1e-2);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    const reparam huge = {2, SIZE_MAX / 4, 8, 16};
    reparam_parts parts;
    error err = {0};
    assert_int_equal(reparam_layout(&huge, &parts, &err), E_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_torchs),
        cmocka_unit_test(backward_is_torchs),
        cmocka_unit_test(a_start_is_met_where_the_mlp_is_wide_enough),
        cmocka_unit_test(sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

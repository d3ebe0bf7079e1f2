/* prefix/optimizer.h, held to torch.optim (tests/fixtures/make_optimizer.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../prefix/optimizer.h"
#include "engine_fixture.h"
#include "fixture.h"

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static double at(const json_t *array, size_t i)
{
    assert_true(i < json_array_size(array));
    return json_number_value(json_array_get(array, i));
}

static json_t *reference(void)
{
    char path[FIXTURE_PATH_BYTES];
    json_t *all = json_load_file(fixture_path(path, "optimizer.json"), 0, NULL);
    assert_non_null(all);
    json_t *part = json_incref(json_object_get(all, "adamw"));
    json_decref(all);
    return part;
}

enum { N = 6 };

static void a_run_of_adamw_is_torchs(void **state)
{
    (void)state;
    json_t *ref = reference();
    optimizer o;
    error err = {0};
    adamw_options options = adamw_defaults();
    options.weight_decay = number(ref, "weight_decay");
    must(optimizer_new(&o, N, &options, &err), &err);
    float x[N], g[N];
    for (size_t i = 0; i < N; i++)
        x[i] = (float)at(json_object_get(ref, "start"), i);
    size_t n_steps = (size_t)number(ref, "steps"), warm = (size_t)number(ref, "warmup");
    for (size_t s = 0; s < n_steps; s++) {
        const json_t *gradient = json_array_get(json_object_get(ref, "gradients"), s);
        const json_t *want = json_array_get(json_object_get(ref, "path"), s);
        for (size_t i = 0; i < N; i++)
            g[i] = (float)at(gradient, i);
        double norm = gradient_clip(g, N, number(ref, "clip"));
        double lr = number(ref, "lr") * rate_factor(RATE_COSINE, s, warm, n_steps);
        assert_true(fabs(norm - at(json_object_get(ref, "norms"), s)) < 1e-6 * norm);
        assert_true(fabs(lr - at(json_object_get(ref, "rates"), s)) < 1e-12);
        optimizer_step(&o, x, g, NULL, lr);
        /* Parameters are float: half a unit in the last place a step. */
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)x[i] - at(want, i)) < 1e-7 * (double)(s + 1));
    }
    optimizer_free(&o);
    json_decref(ref);
}

static void tiny_gradients_move_as_far_as_large_ones(void **state)
{
    (void)state;
    /* Squares of 1e-30 are 1e-60: nought in float, but Adam divides by their root. */
    adamw_options options = adamw_defaults();
    options.epsilon = 0;
    optimizer o;
    error err = {0};
    must(optimizer_new(&o, 2, &options, &err), &err);
    float x[2] = {0, 0};
    const float g[2] = {1e-30f, 1.0f};
    optimizer_step(&o, x, g, NULL, 0.5);
    assert_true(fabs((double)x[0] + 0.5) < 1e-6 && fabs((double)x[1] + 0.5) < 1e-6);
    optimizer_free(&o);
}

static void rates_of_their_own_scale_the_step(void **state)
{
    (void)state;
    adamw_options options = adamw_defaults();
    optimizer o;
    error err = {0};
    must(optimizer_new(&o, 2, &options, &err), &err);
    float x[2] = {1, 1};
    const float g[2] = {1, 1}, rates[2] = {1, 0.25f};
    optimizer_step(&o, x, g, rates, 0.4);
    assert_true(fabs((double)x[0] - 0.6) < 1e-6 && fabs((double)x[1] - 0.9) < 1e-6);
    optimizer_free(&o);
}

static void decay_shrinks_what_has_no_gradient(void **state)
{
    (void)state;
    adamw_options options = adamw_defaults();
    options.weight_decay = 0.5;
    optimizer o;
    error err = {0};
    must(optimizer_new(&o, 1, &options, &err), &err);
    float x = 2;
    const float g = 0;
    optimizer_step(&o, &x, &g, NULL, 0.1);
    assert_true(fabs((double)x - 2 * (1 - 0.1 * 0.5)) < 1e-6);
    optimizer_free(&o);
}

static void clipping_leaves_small_gradients_and_none_at_all(void **state)
{
    (void)state;
    float g[2] = {3, 4};
    assert_true(gradient_clip(g, 2, 10) == 5 && g[0] == 3 && g[1] == 4);
    assert_true(gradient_clip(g, 2, 0) == 5 && g[0] == 3 && g[1] == 4);
    assert_true(gradient_clip(g, 2, 1) == 5);
    assert_true(fabs(gradient_norm(g, 2) - 1) < 1e-5);
    /* No overflow in float: the squares are summed in double. */
    float large[2] = {3e30f, 4e30f};
    assert_true(fabs(gradient_norm(large, 2) / 5e30 - 1) < 1e-6);
    float bad[2] = {NAN, 1};
    assert_true(isnan(gradient_clip(bad, 2, 1)));
}

static void the_rate_warms_up_and_falls(void **state)
{
    (void)state;
    assert_true(rate_factor(RATE_CONSTANT, 0, 0, 10) == 1);
    assert_true(rate_factor(RATE_CONSTANT, 1000, 0, 10) == 1);
    assert_true(fabs(rate_factor(RATE_CONSTANT, 1, 3, 10) - 0.5) < 1e-12);
    assert_true(rate_factor(RATE_COSINE, 3, 3, 10) == 1);
    assert_true(rate_factor(RATE_COSINE, 10, 3, 10) == 0);
    assert_true(rate_factor(RATE_COSINE, 11, 3, 10) == 0);
    double last = 2;
    for (size_t s = 3; s < 10; s++) {
        double f = rate_factor(RATE_COSINE, s, 3, 10);
        assert_true(f > 0 && f < last);
        last = f;
    }
    /* A warm-up as long as the training never comes to the cosine. */
    assert_true(rate_factor(RATE_COSINE, 5, 5, 5) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_of_adamw_is_torchs),
        cmocka_unit_test(tiny_gradients_move_as_far_as_large_ones),
        cmocka_unit_test(rates_of_their_own_scale_the_step),
        cmocka_unit_test(decay_shrinks_what_has_no_gradient),
        cmocka_unit_test(clipping_leaves_small_gradients_and_none_at_all),
        cmocka_unit_test(the_rate_warms_up_and_falls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

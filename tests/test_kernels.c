/* Every set of vector kernels that this CPU runs, against plain double arithmetic; and
 * that a row's result does not depend on the rows around it. */
#include "../model/base.h"
#include "../model/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_rng.h>

static const kernels *sets[3];
static size_t n_sets;

static int find_sets(void **state)
{
    (void)state;
    static const char *const names[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < 3; i++) {
        const kernels *k = kernels_find(names[i]);
        if (k != NULL)
            sets[n_sets++] = k;
        else
            printf("SKIP this CPU does not run the %s kernels\n", names[i]);
    }
    return 0;
}

static float *random_floats(gsl_rng *rng, size_t n, double scale)
{
    float *x = array_new(n, sizeof(*x));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * (2 * gsl_rng_uniform(rng) - 1));
    return x;
}

/* b (k, n) row-major into panels. */
static float *pack_panels(const kernels *set, const float *b, size_t k, size_t n)
{
    size_t panels = (n + set->panel - 1) / set->panel;
    float *to = array_new(panels * set->panel * k, sizeof(*to));
    assert_non_null(to);
    for (size_t r = 0; r < k; r++)
        for (size_t j = 0; j < n; j++)
            to[j / set->panel * set->panel * k + r * set->panel + j % set->panel] =
                b[r * n + j];
    return to;
}

static void check_product(const kernels *set, gsl_rng *rng, size_t m, size_t n, size_t k,
                          product_mode mode)
{
    size_t lda = k + 3, ldc = n + 5;
    float *a = random_floats(rng, m * lda, 1), *b = random_floats(rng, k * n, 1);
    float *c = random_floats(rng, m * ldc, 1), *old = array_new(m * ldc, sizeof(*old));
    float *panels = pack_panels(set, b, k, n), *alone = array_new(ldc, sizeof(*alone));
    memcpy(old, c, m * ldc * sizeof(*c));
    set->product(m, n, k, a, lda, panels, set->panel, k * set->panel, c, ldc, mode);
    for (size_t i = 0; i < m; i++) {
        memcpy(alone, old + i * ldc, ldc * sizeof(*alone));
        set->product(1, n, k, a + i * lda, lda, panels, set->panel, k * set->panel, alone,
                     ldc, mode);
        assert_memory_equal(alone, c + i * ldc, ldc * sizeof(*alone));
        for (size_t j = 0; j < n; j++) {
            double sum = mode != PRODUCT_SET ? (double)old[i * ldc + j] : 0;
            for (size_t r = 0; r < k; r++)
                sum += (double)a[i * lda + r] * (double)b[r * n + j];
            /* k roundings of partial sums of at most k */
            assert_true(fabs(sum - (double)c[i * ldc + j]) < 1e-7 * (double)(k + 1) * 3);
        }
        assert_memory_equal(c + i * ldc + n, old + i * ldc + n, 5 * sizeof(*c));
    }
    free(a);
    free(b);
    free(c);
    free(old);
    free(panels);
    free(alone);
}

static void products_are_right_and_do_not_depend_on_company(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},     {2, 3, 5},    {14, 32, 64},
                                      {15, 33, 65},  {13, 31, 7},  {29, 16, 9},
                                      {5, 100, 700}, {6, 17, 577}, {40, 48, 300},
                                      {3, 8, 1300},  {14, 96, 641}};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
            for (int mode = PRODUCT_SET; mode <= PRODUCT_CONTINUE; mode++)
                check_product(sets[s], rng, sizes[i][0], sizes[i][1], sizes[i][2],
                              (product_mode)mode);
    gsl_rng_free(rng);
}

/* A row of 1536 whose first product outweighs the others ten thousand times, as in the
 * residual stream of trained models, and grows a c that does so too: every addition to
 * the large sum rounds. Error of c in units of its last place, root of the mean square.
 */
static double error_beside_large(const kernels *set, gsl_rng *rng)
{
    enum { K = 1536, N = 64, TRIALS = 40 };
    double squares = 0;
    for (int t = 0; t < TRIALS; t++) {
        float *a = random_floats(rng, K, 1), *b = random_floats(rng, (size_t)K * N, 1);
        float c[N];
        a[0] = 10000;
        for (size_t j = 0; j < N; j++) {
            b[j] = 1;
            c[j] = 10000;
        }
        float *panels = pack_panels(set, b, K, N);
        set->product(1, N, K, a, K, panels, set->panel, (size_t)K * set->panel, c, N,
                     PRODUCT_GROW);
        for (size_t j = 0; j < N; j++) {
            double sum = 10000;
            for (size_t r = 0; r < K; r++)
                sum += (double)a[r] * (double)b[r * N + j];
            double off = ((double)c[j] - sum) / ldexp(1, 14 - 23);
            squares += off * off / (N * TRIALS);
        }
        free(a);
        free(b);
        free(panels);
    }
    return sqrt(squares);
}

static void products_round_little_beside_large_numbers(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    /* Two roundings in the last place (0.4 together) and those of one slice at half that
     * size: sqrt(384 / 12) / 2 = 2.8. One chain of 1536 has sqrt(1536 / 12) = 11. */
    for (size_t s = 0; s < n_sets; s++)
        assert_true(error_beside_large(sets[s], rng) < 4);
    gsl_rng_free(rng);
}

/* However a depth is cut, as attention does at the borders of segments. */
static void continued_products_do_not_depend_on_the_cut(void **state)
{
    (void)state;
    enum { K = 700, N = 33, M = 3 };
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++) {
        size_t panel = sets[s]->panel, stride = (size_t)K * panel;
        float *a = random_floats(rng, M * K, 1), *b = random_floats(rng, K * N, 1);
        float *panels = pack_panels(sets[s], b, K, N), whole[M * N] = {0};
        sets[s]->product(M, N, K, a, K, panels, panel, stride, whole, N,
                         PRODUCT_CONTINUE);
        for (size_t cut = 1; cut < K; cut += 57) {
            float parts[M * N] = {0};
            sets[s]->product(M, N, cut, a, K, panels, panel, stride, parts, N,
                             PRODUCT_CONTINUE);
            sets[s]->product(M, N, K - cut, a + cut, K, panels + cut * panel, panel,
                             stride, parts, N, PRODUCT_CONTINUE);
            assert_memory_equal(parts, whole, sizeof(whole));
        }
        free(a);
        free(b);
        free(panels);
    }
    gsl_rng_free(rng);
}

static void exp_is_accurate(void **state)
{
    (void)state;
    enum { N = 20001 };
    static float x[N], y[N];
    for (size_t i = 0; i < N; i++)
        x[i] = -87.3f + 175.0f * (float)i / N;
    for (size_t s = 0; s < n_sets; s++) {
        sets[s]->exponential(x, N, y);
        for (size_t i = 0; i < N; i++)
            if (!(fabs((double)y[i] / exp((double)x[i]) - 1) < 2.5e-7))
                fail_msg("%s: exp(%.9g) = %.9g", sets[s]->name, (double)x[i],
                         (double)y[i]);
        float odd[] = {-88, -1000, -INFINITY, 0, NAN}, out[5];
        sets[s]->exponential(odd, 5, out);
        assert_true(out[0] == 0 && out[1] == 0 && out[2] == 0 && out[3] == 1);
        assert_true(isnan(out[4]));
    }
}

static void softmax_is_right(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t n = 1; n < 70; n++) {
            float *x = random_floats(rng, 96, 8), was[96];
            memcpy(was, x, sizeof(was));
            double max = -INFINITY, total = 0, sum = 0;
            for (size_t i = 0; i < n; i++)
                max = fmax(max, (double)was[i]);
            float got = sets[s]->softmax(x, n, 80, 0.25f);
            for (size_t i = 0; i < 80; i++) {
                double p = i < n ? exp(((double)was[i] - max) * 0.25) : 0;
                assert_true(fabs(p - (double)x[i]) < 5e-7);
                total += p;
                sum += (double)x[i];
            }
            assert_true(fabs(total / (double)got - 1) < 1e-6);
            assert_true(fabs(sum / (double)got - 1) < 1e-6);
            free(x);
        }
    gsl_rng_free(rng);
}

static void row_kernels_are_right(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t n = 1; n < 80; n += 1 + n / 9) {
            float *x = random_floats(rng, n, 3), *w = random_floats(rng, n, 2), y[80];
            double squares = 0;
            for (size_t i = 0; i < n; i++)
                squares += (double)x[i] * (double)x[i];
            double norm = 1 / sqrt(squares / (double)n + 1e-5);
            sets[s]->rms_norm(x, w, n, 1e-5f, y);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)x[i] * norm * (double)w[i] - (double)y[i]) <
                            1e-5);
            sets[s]->silu_gate(x, w, 1, n, n, y, n);
            for (size_t i = 0; i < n; i++) {
                double z = (double)x[i], silu = z / (1 + exp(-z));
                assert_true(fabs(silu * (double)w[i] - (double)y[i]) < 2e-6);
            }
            free(x);
            free(w);
        }
    gsl_rng_free(rng);
}

static void silu_of_extremes_is_finite(void **state)
{
    (void)state;
    for (size_t s = 0; s < n_sets; s++) {
        float z[] = {-1e30f, -200, -88, 88, 200, 1e30f}, one[] = {1, 1, 1, 1, 1, 1}, y[6];
        sets[s]->silu_gate(z, one, 1, 6, 6, y, 6);
        for (int i = 0; i < 3; i++)
            assert_true(fabs((double)y[i]) < 1e-3);
        for (int i = 3; i < 6; i++)
            assert_true(fabs((double)(y[i] / z[i]) - 1) < 1e-6);
    }
}

static void rotation_turns_pairs(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t half = 1; half < 40; half++) {
            float *x = random_floats(rng, 2 * half, 1), was[80];
            float *c = random_floats(rng, half, 1), *si = random_floats(rng, half, 1);
            memcpy(was, x, 2 * half * sizeof(*x));
            sets[s]->rotate(x, c, si, half);
            for (size_t i = 0; i < half; i++) {
                double a = (double)was[i], b = (double)was[half + i];
                double co = (double)c[i], sn = (double)si[i];
                assert_true(fabs(a * co - b * sn - (double)x[i]) < 1e-6);
                assert_true(fabs(b * co + a * sn - (double)x[half + i]) < 1e-6);
            }
            free(x);
            free(c);
            free(si);
        }
    gsl_rng_free(rng);
}

static void stats_are_right_and_see_what_is_not_a_number(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t n = 1; n < 3000; n += 1 + n / 3) {
            float *x = random_floats(rng, n, 20);
            logit_stats got;
            if (n > 40)
                x[33] = x[7] = 21; /* a tie */
            size_t best = 0;
            double sum = 0;
            for (size_t i = 0; i < n; i++)
                best = x[i] > x[best] ? i : best;
            for (size_t i = 0; i < n; i++)
                sum += exp((double)x[i] - (double)x[best]);
            sets[s]->stats(x, n, &got);
            assert_true(got.finite && got.max == x[best] && got.argmax == best);
            assert_true(fabs(got.log_sum - log(sum)) < 1e-6);
            for (size_t i = 0; i < n; i += 1 + n / 50) {
                float was = x[i];
                static const float bad[] = {NAN, INFINITY};
                for (int b = 0; b < 2; b++) {
                    x[i] = bad[b];
                    sets[s]->stats(x, n, &got);
                    assert_false(got.finite);
                }
                x[i] = -INFINITY;
                sets[s]->stats(x, n, &got);
                assert_true(got.finite == (n > 1));
                x[i] = was;
            }
            free(x);
        }
    gsl_rng_free(rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_right_and_do_not_depend_on_company),
        cmocka_unit_test(products_round_little_beside_large_numbers),
        cmocka_unit_test(continued_products_do_not_depend_on_the_cut),
        cmocka_unit_test(exp_is_accurate),
        cmocka_unit_test(softmax_is_right),
        cmocka_unit_test(row_kernels_are_right),
        cmocka_unit_test(silu_of_extremes_is_finite),
        cmocka_unit_test(rotation_turns_pairs),
        cmocka_unit_test(stats_are_right_and_see_what_is_not_a_number),
    };
    return cmocka_run_group_tests(tests, find_sets, NULL);
}

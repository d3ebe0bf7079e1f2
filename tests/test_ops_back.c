/* Gradients of every operation but attention: the reference against central differences
 * of its own forward operation, the cpu backend against the reference, and that a row's
 * gradient depends on nothing but the row, bit for bit. */
#include "ops_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const size_t row_counts[] = {1, 7, 33, 300};
enum { N_COUNTS = sizeof(row_counts) / sizeof(*row_counts), MAX_M = 300 };
static const product_kind kinds[] = {PRODUCT_KERNELS, PRODUCT_ONEDNN};

/* ---- Against differences ---- */

static double norm_loss(const probe *p)
{
    size_t n = p->m * p->shape->C;
    float *y = floats(n, 0);
    backend_ref.norm(p->context, p->x, p->w, p->m, y);
    double sum = floats_dot(y, p->weights, n);
    free(y);
    return sum;
}

static void reference_norm_follows_differences(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[0];
    enum { M = 5 };
    size_t n = M * s->C;
    float *x = floats(n, 1), *w = floats(s->C, 1), *dy = floats(n, 1), *dx = floats(n, 0);
    probe p = {norm_loss, s, context(&backend_ref, s, 1), x, w, dy, M, NULL};
    backend_ref.norm_back(p.context, x, w, dy, M, dx);
    check_differences(&p, dx, n);
    backend_ref.context_free(p.context);
    floats_free((float *[]){x, w, dy, dx}, 4);
}

/* x holds gate and up, as gated_keep leaves them. */
static double gate_loss(const probe *p)
{
    size_t F = p->shape->F;
    double sum = 0;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < F; j++) {
            double z = (double)p->x[i * 2 * F + j], u = (double)p->x[i * 2 * F + F + j];
            sum += (double)p->weights[i * F + j] * z / (1 + exp(-z)) * u;
        }
    return sum;
}

static void reference_gate_follows_differences(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[0];
    enum { M = 5 };
    float *x = floats(M * 2 * s->F, 3), *dy = floats(M * s->F, 1);
    float *gradient = floats_copy(x, M * 2 * s->F);
    probe p = {gate_loss, s, context(&backend_ref, s, 1), x, NULL, dy, M, NULL};
    backend_ref.gate_back(p.context, dy, M, s->F, gradient);
    check_differences(&p, gradient, M * 2 * s->F);
    backend_ref.context_free(p.context);
    floats_free((float *[]){x, dy, gradient}, 3);
}

/* factors . logsumexp: its gradient is what softmax_rows gives. */
static double softmax_loss(const probe *p)
{
    logit_stats stats[5];
    double sum = 0;
    backend_ref.stats(p->context, p->x, p->m, stats);
    for (size_t i = 0; i < p->m; i++)
        sum += (double)p->weights[i] * ((double)stats[i].max + stats[i].log_sum);
    return sum;
}

static void reference_softmax_follows_differences(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[0];
    enum { M = 5 };
    static const float dy[M] = {1, -2, 0, 0.5f, 3};
    double factors[M];
    logit_stats stats[M];
    float *x = floats(M * s->V, 3), *gradient = floats_copy(x, M * s->V);
    probe p = {softmax_loss, s, context(&backend_ref, s, 1), x, NULL, dy, M, NULL};
    for (size_t i = 0; i < M; i++)
        factors[i] = (double)dy[i];
    backend_ref.stats(p.context, x, M, stats);
    backend_ref.softmax_rows(p.context, gradient, stats, factors, M);
    check_differences(&p, gradient, M * s->V);
    backend_ref.context_free(p.context);
    floats_free((float *[]){x, gradient}, 2);
}

/* ---- Products ---- */

typedef struct product_case {
    size_t n_in, n_out;
    bool bias, gated, add;
} product_case;

static void product_back(const backend *b, backend_packer *p, const matrix *w,
                         const product_case *k, size_t n_threads, const float *dy,
                         size_t m, float *dx)
{
    backend_weight *packed;
    error err = {0};
    backend_context *c = context(b, &ops_shapes[0], n_threads);
    must(b->weight_new(&packed, p, &w->source, &err), &err);
    must(b->product_back(c, packed, dy, m, dx, k->add, &err), &err);
    b->weight_free(packed);
    b->context_free(c);
}

/* dy W is the transpose of the product: dy . (x W^T) = (dy W) . x for any x. */
static void check_transpose(const matrix *w, const product_case *k, const float *dy,
                            const float *dx)
{
    backend_context *c = context(&backend_ref, &ops_shapes[0], 1);
    backend_weight *packed;
    error err = {0};
    float *x = floats(k->n_in, 1), *y = floats(k->n_out, 0), *bias = floats(k->n_out, 0);
    must(backend_ref.weight_new(&packed, NULL, &w->source, &err), &err);
    must(backend_ref.product(c, packed, x, 1, y, false, &err), &err);
    must(weight_source_bias(&w->source, bias, &err), &err);
    double left = floats_dot(dy, y, k->n_out) - floats_dot(dy, bias, k->n_out);
    double right = floats_dot(dx, x, k->n_in);
    assert_true(fabs(left - right) <= 1e-5 * (1 + fabs(left)) * sqrt((double)k->n_out));
    backend_ref.weight_free(packed);
    backend_ref.context_free(c);
    floats_free((float *[]){x, y, bias}, 3);
}

static void check_product(const product_case *k, product_kind kind, size_t m)
{
    matrix w;
    backend_packer *packer;
    error err = {0};
    size_t n = m * k->n_in;
    matrix_make(&w, k->n_in, k->n_out, k->bias, k->gated);
    float *dy = floats(m * k->n_out, 1), *start = floats(n, k->add ? 1 : 0);
    float *dx[3] = {floats_copy(start, n), floats_copy(start, n), floats_copy(start, n)};
    must(backend_cpu.packer_new(&packer, 2, &err), &err);
    packer->forced = true;
    packer->kind = kind;
    product_back(&backend_ref, NULL, &w, k, 1, dy, m, dx[0]);
    product_back(&backend_cpu, packer, &w, k, 1, dy, m, dx[1]);
    product_back(&backend_cpu, packer, &w, k, 3, dy, m, dx[2]);
    if (!k->add)
        check_transpose(&w, k, dy, dx[0]);
    /* n_out roundings of sums below n_out */
    assert_near(dx[0], dx[1], n, 2e-7 * (double)k->n_out);
    assert_memory_equal(dx[1], dx[2], n * sizeof(float));
    size_t last = m - 1; /* alone */
    memcpy(dx[2], start + last * k->n_in, k->n_in * sizeof(float));
    product_back(&backend_cpu, packer, &w, k, 2, dy + last * k->n_out, 1, dx[2]);
    assert_memory_equal(dx[1] + last * k->n_in, dx[2], k->n_in * sizeof(float));
    backend_cpu.packer_free(packer);
    floats_free(dx, 3);
    floats_free((float *[]){dy, start}, 2);
    matrix_free(&w);
}

static void products_equal_the_reference(void **state)
{
    (void)state;
    static const product_case cases[] = {
        {20, 37, false, false, false}, {65, 600, true, false, false},
        {700, 30, true, false, true},  {64, 512, false, false, true},
        {20, 26, false, true, false},  {65, 600, true, true, false},
        {700, 64, false, true, true},  {33, 1500, false, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t k = 0; k < 2; k++)
            for (size_t m = 0; m < N_COUNTS; m++)
                check_product(&cases[i], kinds[k], row_counts[m]);
}

/* What gated_keep gives is what gated gives, bit for bit, and what it keeps is what goes
 * into the gate. */
static void check_keep(product_kind kind, size_t m)
{
    enum { IN = 65, OUT = 600, HALF = OUT / 2 };
    matrix w;
    backend_packer *packer;
    backend_weight *packed, *plain;
    error err = {0};
    matrix_make(&w, IN, OUT, true, true);
    float *x = floats(m * IN, 1), *y = floats(m * HALF, 0), *kept = floats(m * HALF, 0);
    float *both = floats(m * OUT, 0), *expected = floats(m * OUT, 0);
    backend_context *cpu = context(&backend_cpu, &ops_shapes[0], 2),
                    *ref = context(&backend_ref, &ops_shapes[0], 1);
    must(backend_cpu.packer_new(&packer, 2, &err), &err);
    packer->forced = true;
    packer->kind = kind;
    must(backend_cpu.weight_new(&packed, packer, &w.source, &err), &err);
    must(backend_ref.weight_new(&plain, NULL, &w.source, &err), &err);
    must(backend_cpu.gated(cpu, packed, x, m, y, &err), &err);
    must(backend_cpu.gated_keep(cpu, packed, x, m, both, kept, &err), &err);
    assert_memory_equal(y, kept, m * HALF * sizeof(float));
    must(backend_ref.gated_keep(ref, plain, x, m, expected, kept, &err), &err);
    assert_near(expected, both, m * OUT, 2e-7 * IN);
    assert_near(y, kept, m * HALF, 2e-6 * IN);
    backend_cpu.weight_free(packed);
    backend_ref.weight_free(plain);
    backend_cpu.packer_free(packer);
    backend_cpu.context_free(cpu);
    backend_ref.context_free(ref);
    floats_free((float *[]){x, y, kept, both, expected}, 5);
    matrix_free(&w);
}

static void what_is_before_the_gate_can_be_kept(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (size_t m = 0; m < N_COUNTS; m++)
            check_keep(kinds[k], row_counts[m]);
}

/* ---- Rows ---- */

static void check_rows(const model_shape *s, size_t m)
{
    backend_context *ref = context(&backend_ref, s, 1),
                    *cpu = context(&backend_cpu, s, 2);
    size_t n = m * s->C, stride = (s->H + 2 * s->Hkv) * s->D, half = s->n_rot / 2;
    float *x = floats(n, 3), *w = floats(s->C, 2), *dy = floats(n, 1);
    float *a = floats(n, 1), *b = floats_copy(a, n);
    backend_ref.norm_back(ref, x, w, dy, m, a);
    backend_cpu.norm_back(cpu, x, w, dy, m, b);
    assert_near(a, b, n, 2e-5);

    float *dz = floats(m * s->F, 1), *both = floats(m * 2 * s->F, 5);
    float *same = floats_copy(both, m * 2 * s->F);
    backend_ref.gate_back(ref, dz, m, s->F, both);
    backend_cpu.gate_back(cpu, dz, m, s->F, same);
    assert_near(both, same, m * 2 * s->F, 1e-5);

    float *heads = floats(m * stride, 1), *turned = floats_copy(heads, m * stride);
    float *cosine = floats(MAX_M * half, 1), *sine = floats(MAX_M * half, 1);
    size_t at[MAX_M];
    for (size_t i = 0; i < m; i++)
        at[i] = gsl_rng_uniform_int(ops_rng, MAX_M);
    backend_ref.rotate_back(ref, heads, stride, s->H + s->Hkv, m, at, cosine, sine);
    backend_cpu.rotate_back(cpu, turned, stride, s->H + s->Hkv, m, at, cosine, sine);
    assert_near(heads, turned, m * stride, 1e-6);

    float *logits = floats(m * s->V, 20), *again = floats_copy(logits, m * s->V);
    logit_stats stats[MAX_M];
    double factors[MAX_M];
    for (size_t i = 0; i < m; i++)
        factors[i] = i % 3 ? 2.5 - (double)(i % 7) : 0;
    backend_ref.stats(ref, logits, m, stats);
    backend_ref.softmax_rows(ref, logits, stats, factors, m);
    backend_cpu.softmax_rows(cpu, again, stats, factors, m);
    assert_near(logits, again, m * s->V, 3e-6);
    for (size_t i = 0; i < m; i++) {
        double sum = 0;
        for (size_t j = 0; j < s->V; j++)
            sum += (double)again[i * s->V + j];
        assert_true(fabs(sum - factors[i]) < 1e-5);
    }
    floats_free((float *[]){x, w, dy, a, b, dz, both, same, heads, turned, cosine, sine,
                            logits, again},
                14);
    backend_ref.context_free(ref);
    backend_cpu.context_free(cpu);
}

static void row_operations_equal_the_reference(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t m = 0; m < N_COUNTS; m++)
            check_rows(&ops_shapes[s], row_counts[m]);
}

/* All row operations on rows [first, first + m) of the same inputs, one after another
 * into out; returns the floats of a row. */
typedef struct row_inputs {
    const model_shape *shape;
    const float *x, *w, *dy, *gates, *heads, *angles, *logits;
    const logit_stats *stats;
    const double *factors;
} row_inputs;

static size_t run_row_operations(const row_inputs *in, size_t n_threads, size_t first,
                                 size_t m, float *out)
{
    const model_shape *s = in->shape;
    size_t C = s->C, F = s->F, V = s->V, stride = s->H * s->D, at[MAX_M];
    backend_context *c = context(&backend_cpu, s, n_threads);
    for (size_t i = 0; i < m; i++)
        at[i] = first + i;
    float *norm = out, *gates = norm + m * C, *heads = gates + m * 2 * F,
          *logits = heads + m * stride;
    memset(norm, 0, m * C * sizeof(*norm));
    memcpy(gates, in->gates + first * 2 * F, m * 2 * F * sizeof(*gates));
    memcpy(heads, in->heads + first * stride, m * stride * sizeof(*heads));
    memcpy(logits, in->logits + first * V, m * V * sizeof(*logits));
    backend_cpu.norm_back(c, in->x + first * C, in->w, in->dy + first * C, m, norm);
    backend_cpu.gate_back(c, in->heads + first * F, m, F, gates);
    backend_cpu.rotate_back(c, heads, stride, s->H, m, at, in->angles,
                            in->angles + MAX_M * (s->n_rot / 2));
    backend_cpu.softmax_rows(c, logits, in->stats + first, in->factors + first, m);
    backend_cpu.context_free(c);
    return C + 2 * F + stride + V;
}

/* Row `at` of each of the parts of `all` (m rows) is that of `alone` (1 row). */
static void assert_same_row(const model_shape *s, const float *all, size_t m, size_t at,
                            const float *alone)
{
    const size_t widths[] = {s->C, 2 * s->F, s->H * s->D, s->V};
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(all + at * widths[i], alone, widths[i] * sizeof(*all));
        all += m * widths[i];
        alone += widths[i];
    }
}

static void rows_do_not_depend_on_company_or_threads(void **state)
{
    (void)state;
    enum { M = 300 };
    for (size_t k = 0; k < N_OPS_SHAPES; k++) {
        const model_shape *s = &ops_shapes[k];
        size_t width = s->C + 2 * s->F + s->H * s->D + s->V;
        size_t wider = s->H * s->D > s->F ? s->H * s->D : s->F;
        float *x = floats(M * s->C, 3), *w = floats(s->C, 2), *dy = floats(M * s->C, 1);
        float *gates = floats(M * 2 * s->F, 5), *heads = floats(M * wider, 1);
        float *angles = floats(2 * MAX_M * s->n_rot, 1), *logits = floats(M * s->V, 20);
        float *a = floats(M * width, 0), *b = floats(M * width, 0);
        logit_stats stats[M];
        double factors[M];
        for (size_t i = 0; i < M; i++)
            factors[i] = 1 - (double)i / 50;
        backend_context *c = context(&backend_ref, s, 1);
        backend_ref.stats(c, logits, M, stats);
        backend_ref.context_free(c);
        row_inputs in = {s, x, w, dy, gates, heads, angles, logits, stats, factors};
        assert_int_equal(run_row_operations(&in, 1, 0, M, a), width);
        run_row_operations(&in, 3, 0, M, b);
        assert_memory_equal(a, b, M * width * sizeof(*a));
        for (size_t r = 0; r < M; r += 37) {
            run_row_operations(&in, 2, r, 1, b);
            assert_same_row(s, a, M, r, b);
        }
        floats_free((float *[]){x, w, dy, gates, heads, angles, logits, a, b}, 9);
    }
}

/* Turning back is the transpose of turning: (R x) . y = x . (R^T y). */
static void turning_back_is_the_transpose_of_turning(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[1];
    enum { M = 4 };
    size_t stride = s->H * s->D, n = M * stride, half = s->n_rot / 2;
    backend_context *c = context(&backend_ref, s, 1);
    float *x = floats(n, 1), *y = floats(n, 1), *rx = floats_copy(x, n),
          *ry = floats_copy(y, n);
    float *cosine = floats(M * half, 1), *sine = floats(M * half, 1);
    size_t at[M] = {3, 0, 2, 2};
    backend_ref.rotate(c, rx, stride, s->H, M, at, cosine, sine);
    backend_ref.rotate_back(c, ry, stride, s->H, M, at, cosine, sine);
    assert_true(fabs(floats_dot(rx, y, n) - floats_dot(x, ry, n)) < 1e-4);
    backend_ref.context_free(c);
    floats_free((float *[]){x, y, rx, ry, cosine, sine}, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_norm_follows_differences),
        cmocka_unit_test(reference_gate_follows_differences),
        cmocka_unit_test(reference_softmax_follows_differences),
        cmocka_unit_test(products_equal_the_reference),
        cmocka_unit_test(what_is_before_the_gate_can_be_kept),
        cmocka_unit_test(row_operations_equal_the_reference),
        cmocka_unit_test(rows_do_not_depend_on_company_or_threads),
        cmocka_unit_test(turning_back_is_the_transpose_of_turning),
    };
    return cmocka_run_group_tests(tests, ops_set_up, ops_tear_down);
}

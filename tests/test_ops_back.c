/* Gradients of every operation: the reference against central differences of its own
 * forward operation, the cpu backend against the reference, and that a row's gradient
 * depends on nothing but the row, bit for bit. */
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

/* A step of 2^-8 on numbers around 1: the difference of two floats is exact to 2^-24, so
 * the quotient to 2^-17 of a value, and the third derivative adds about step^2. */
static const float step = 1.0f / 256;
static const double difference_error = 2e-3;

static float *copy(const float *x, size_t n)
{
    float *y = array_new(n, sizeof(*y));
    assert_non_null(y);
    memcpy(y, x, n * sizeof(*y));
    return y;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void free_all(float *const *owned, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(owned[i]);
}

/* ---- Against differences ---- */

/* loss(x) = weights . f(x): its gradient is what an operation's backward slot gives for
 * dy = weights. */
typedef struct probe {
    double (*loss)(const struct probe *p);
    const model_shape *shape;
    backend_context *context;
    float *x;
    const float *w, *weights;
    size_t m;
} probe;

static void check_differences(const probe *p, const float *gradient, size_t n)
{
    for (size_t k = 0; k < 40; k++) {
        size_t i = gsl_rng_uniform_int(ops_rng, n);
        float old = p->x[i];
        p->x[i] = old + step;
        double above = p->loss(p);
        p->x[i] = old - step;
        double below = p->loss(p);
        p->x[i] = old;
        double slope = (above - below) / (2 * (double)step);
        if (!(fabs(slope - (double)gradient[i]) <= difference_error * (1 + fabs(slope))))
            fail_msg("element %zu: %.7g, differences say %.7g", i, (double)gradient[i],
                     slope);
    }
}

static double norm_loss(const probe *p)
{
    size_t n = p->m * p->shape->C;
    float *y = floats(n, 0);
    backend_ref.norm(p->context, p->x, p->w, p->m, y);
    double sum = dot(y, p->weights, n);
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
    probe p = {norm_loss, s, context(&backend_ref, s, 1), x, w, dy, M};
    backend_ref.norm_back(p.context, x, w, dy, M, dx);
    check_differences(&p, dx, n);
    backend_ref.context_free(p.context);
    free_all((float *[]){x, w, dy, dx}, 4);
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
    float *gradient = copy(x, M * 2 * s->F);
    probe p = {gate_loss, s, context(&backend_ref, s, 1), x, NULL, dy, M};
    backend_ref.gate_back(p.context, dy, M, s->F, gradient);
    check_differences(&p, gradient, M * 2 * s->F);
    backend_ref.context_free(p.context);
    free_all((float *[]){x, dy, gradient}, 3);
}

/* Attention of a chain of blocks: x is qkv, unrotated. */
static const chain_case small_chain = {5, 3, 4, 2};

static double attention_loss(const probe *p)
{
    size_t n = p->m * p->shape->H * p->shape->D;
    float *out = floats(n, 0);
    chain c;
    error err = {0};
    chain_make(&c, &backend_ref, &small_chain, &(chain_run){p->shape, p->x, out});
    must(backend_ref.attend(c.context, &c.attention, &err), &err);
    double sum = dot(out, p->weights, n);
    chain_free(&c);
    free(out);
    return sum;
}

/* Gradients at q, and at each span's keys and values, gathered into d_qkv (tokens, H D +
 * 2 Hkv D) as the rows stood. Spans in `unwanted` get no d_kv. */
static void attention_gradient(const backend *b, const chain_case *k, const chain_run *r,
                               const float *dy, size_t n_threads, float *d_qkv)
{
    const model_shape *s = r->shape;
    size_t Q = s->H * s->D, K2 = 2 * s->Hkv * s->D, stride = Q + K2;
    chain c;
    error err = {0};
    chain_make(&c, b, k, r);
    b->context_free(c.context);
    c.context = context(b, s, n_threads);
    must(b->attend(c.context, &c.attention, &err), &err);
    size_t token = 0;
    for (size_t i = 0; i < c.n_spans; i++)
        c.spans[i].d_kv = floats(c.spans[i].n_keys * K2, 0);
    must(b->attend_back(c.context, &c.attention, dy, d_qkv, &err), &err);
    for (size_t i = 0; i < c.n_spans; i++) {
        for (size_t j = 0; j < c.spans[i].n_keys; j++, token++)
            memcpy(d_qkv + token * stride + Q, c.spans[i].d_kv + j * K2,
                   K2 * sizeof(float));
        free(c.spans[i].d_kv);
    }
    chain_free(&c);
}

static void reference_attention_follows_differences(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[0];
    size_t m = small_chain.shared + small_chain.n_rows * small_chain.own;
    size_t stride = (s->H + 2 * s->Hkv) * s->D, width = s->H * s->D;
    float *x = floats(m * stride, 1), *dy = floats(m * width, 1);
    float *out = floats(m * width, 0), *gradient = floats(m * stride, 0);
    probe p = {attention_loss, s, NULL, x, NULL, dy, m};
    attention_gradient(&backend_ref, &small_chain, &(chain_run){s, x, out}, dy, 1,
                       gradient);
    check_differences(&p, gradient, m * stride);
    free_all((float *[]){x, dy, out, gradient}, 4);
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
    double left = dot(dy, y, k->n_out) - dot(dy, bias, k->n_out);
    double right = dot(dx, x, k->n_in);
    assert_true(fabs(left - right) <= 1e-5 * (1 + fabs(left)) * sqrt((double)k->n_out));
    backend_ref.weight_free(packed);
    backend_ref.context_free(c);
    free_all((float *[]){x, y, bias}, 3);
}

static void check_product(const product_case *k, product_kind kind, size_t m)
{
    matrix w;
    backend_packer *packer;
    error err = {0};
    size_t n = m * k->n_in;
    matrix_make(&w, k->n_in, k->n_out, k->bias, k->gated);
    float *dy = floats(m * k->n_out, 1), *start = floats(n, k->add ? 1 : 0);
    float *dx[3] = {copy(start, n), copy(start, n), copy(start, n)};
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
    free_all(dx, 3);
    free_all((float *[]){dy, start}, 2);
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
    free_all((float *[]){x, y, kept, both, expected}, 5);
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
    float *a = floats(n, 1), *b = copy(a, n);
    backend_ref.norm_back(ref, x, w, dy, m, a);
    backend_cpu.norm_back(cpu, x, w, dy, m, b);
    assert_near(a, b, n, 2e-5);

    float *dz = floats(m * s->F, 1), *both = floats(m * 2 * s->F, 5);
    float *same = copy(both, m * 2 * s->F);
    backend_ref.gate_back(ref, dz, m, s->F, both);
    backend_cpu.gate_back(cpu, dz, m, s->F, same);
    assert_near(both, same, m * 2 * s->F, 1e-5);

    float *heads = floats(m * stride, 1), *turned = copy(heads, m * stride);
    float *cosine = floats(MAX_M * half, 1), *sine = floats(MAX_M * half, 1);
    size_t at[MAX_M];
    for (size_t i = 0; i < m; i++)
        at[i] = gsl_rng_uniform_int(ops_rng, MAX_M);
    backend_ref.rotate_back(ref, heads, stride, s->H + s->Hkv, m, at, cosine, sine);
    backend_cpu.rotate_back(cpu, turned, stride, s->H + s->Hkv, m, at, cosine, sine);
    assert_near(heads, turned, m * stride, 1e-6);

    float *logits = floats(m * s->V, 20), *again = copy(logits, m * s->V);
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
    free_all((float *[]){x, w, dy, a, b, dz, both, same, heads, turned, cosine, sine,
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

/* Turning back is the transpose of turning: (R x) . y = x . (R^T y). */
static void turning_back_is_the_transpose_of_turning(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[1];
    enum { M = 4 };
    size_t stride = s->H * s->D, n = M * stride, half = s->n_rot / 2;
    backend_context *c = context(&backend_ref, s, 1);
    float *x = floats(n, 1), *y = floats(n, 1), *rx = copy(x, n), *ry = copy(y, n);
    float *cosine = floats(M * half, 1), *sine = floats(M * half, 1);
    size_t at[M] = {3, 0, 2, 2};
    backend_ref.rotate(c, rx, stride, s->H, M, at, cosine, sine);
    backend_ref.rotate_back(c, ry, stride, s->H, M, at, cosine, sine);
    assert_true(fabs(dot(rx, y, n) - dot(x, ry, n)) < 1e-4);
    backend_ref.context_free(c);
    free_all((float *[]){x, y, rx, ry, cosine, sine}, 6);
}

/* ---- Attention ---- */

static void check_chain(const model_shape *s, const chain_case *k)
{
    size_t m = k->shared + k->n_rows * k->own, width = s->H * s->D;
    size_t stride = (s->H + 2 * s->Hkv) * s->D, n = m * stride;
    float *x = floats(n, 2), *dy = floats(m * width, 1), *out = floats(m * width, 0);
    float *d[3] = {floats(n, 0), floats(n, 0), floats(n, 0)};
    chain_run run = {s, x, out};
    attention_gradient(&backend_ref, k, &run, dy, 1, d[0]);
    attention_gradient(&backend_cpu, k, &run, dy, 1, d[1]);
    attention_gradient(&backend_cpu, k, &run, dy, 3, d[2]);
    /* a key's gradient is a sum over every query that sees it */
    assert_near(d[0], d[1], n, 2e-6 * (10 + (double)m));
    assert_memory_equal(d[1], d[2], n * sizeof(float));
    free_all(d, 3);
    free_all((float *[]){x, dy, out}, 3);
}

static void attention_equals_the_reference(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {1, 1, 1, 1},   {5, 1, 40, 5},  {33, 7, 9, 10},   {64, 20, 5, 16},
        {100, 3, 3, 1}, {17, 50, 2, 4}, {300, 5, 20, 99},
    };
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
            check_chain(&ops_shapes[s], &cases[i]);
}

/* ---- Keys and values read back ---- */

static void what_is_kept_can_be_fetched(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * N_OPS_SHAPES; i++) {
        const backend *b = i % 2 ? &backend_ref : &backend_cpu;
        const model_shape *s = &ops_shapes[i / 2];
        enum { M = 21, AT = 4, CAPACITY = 40 };
        size_t K = s->Hkv * s->D;
        backend_context *c = context(b, s, 1);
        float *rows = floats(M * 2 * K, 1), *back = floats(M * 2 * K, 0);
        float *kv = floats(b->kv_floats(s, CAPACITY) + 64, 0);
        kv_target target = {kv, CAPACITY, AT, M};
        b->keep(c, rows, rows + K, 2 * K, &target, 1);
        b->fetch(c, &target, back, back + K, 2 * K);
        assert_memory_equal(rows, back, M * 2 * K * sizeof(float));
        b->context_free(c);
        free_all((float *[]){rows, back, kv}, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_norm_follows_differences),
        cmocka_unit_test(reference_gate_follows_differences),
        cmocka_unit_test(reference_attention_follows_differences),
        cmocka_unit_test(products_equal_the_reference),
        cmocka_unit_test(what_is_before_the_gate_can_be_kept),
        cmocka_unit_test(row_operations_equal_the_reference),
        cmocka_unit_test(turning_back_is_the_transpose_of_turning),
        cmocka_unit_test(attention_equals_the_reference),
        cmocka_unit_test(what_is_kept_can_be_fetched),
    };
    return cmocka_run_group_tests(tests, ops_set_up, ops_tear_down);
}

#include "ops_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Odd on purpose: no dimension fills a vector, a panel or a tile. */
const model_shape ops_shapes[N_OPS_SHAPES] = {
    {.L = 1, .C = 20, .H = 4, .Hkv = 2, .D = 6, .F = 13, .V = 37, .n_rot = 4},
    {.L = 1, .C = 65, .H = 3, .Hkv = 1, .D = 20, .F = 300, .V = 515, .n_rot = 20},
    {.L = 1, .C = 700, .H = 5, .Hkv = 5, .D = 64, .F = 70, .V = 100, .n_rot = 64},
};

const chain_case ops_chains[N_CHAINS] = {
    {1, 1, 1, 1, 0},      {5, 1, 40, 5, 0},     {33, 7, 9, 10, 0},
    {64, 20, 5, 16, 0},   {100, 3, 3, 1, 0},    {17, 50, 2, 4, 0},
    {300, 5, 20, 99, 0},  {1, 1, 1, 1, 1},      {5, 1, 40, 5, 2},
    {33, 7, 9, 10, 8},    {64, 20, 5, 16, 17},  {64, 20, 5, 16, 16},
    {100, 3, 3, 1, 33},   {17, 50, 2, 4, 1},    {300, 5, 20, 99, 32},
    {300, 5, 20, 99, 48}, {300, 5, 20, 99, 90}, {300, 90, 3, 70, 200},
    {33, 7, 9, 10, 1000},
};

gsl_rng *ops_rng;

float *floats(size_t n, double scale)
{
    float *x = array_new(n, sizeof(*x));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * (2 * gsl_rng_uniform(ops_rng) - 1));
    return x;
}

void assert_near(const float *a, const float *b, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            fail_msg("element %zu: %.9g against %.9g", i, (double)a[i], (double)b[i]);
}

float *floats_copy(const float *x, size_t n)
{
    float *y = array_new(n, sizeof(*y));
    assert_non_null(y);
    memcpy(y, x, n * sizeof(*y));
    return y;
}

double floats_dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void floats_free(float *const *owned, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(owned[i]);
}

backend_context *context(const backend *b, const model_shape *s, size_t n_threads)
{
    backend_context *c;
    error err = {0};
    must(b->context_new(&c, s, n_threads, &err), &err);
    return c;
}

void matrix_make(matrix *m, size_t n_in, size_t n_out, bool bias, bool gated)
{
    *m = (matrix){.w = floats(n_in * n_out, 1), .bias = floats(n_out, 1)};
    m->source =
        (weight_source){.n_parts = 2, .n_in = n_in, .n_out = n_out, .gated = gated};
    size_t at = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t rows = i == 0 ? n_out / 2 : n_out - n_out / 2;
        m->tensors[i] = (gguf_tensor){.type = QUANT_F32,
                                      .n_dims = 2,
                                      .dims = {n_in, rows},
                                      .data = m->w + at * n_in};
        m->biases[i] = (gguf_tensor){
            .type = QUANT_F32, .n_dims = 1, .dims = {rows}, .data = m->bias + at};
        m->source.parts[i].weight = &m->tensors[i];
        m->source.parts[i].bias = bias ? &m->biases[i] : NULL;
        at += rows;
    }
}

void matrix_free(matrix *m)
{
    free(m->w);
    free(m->bias);
}

static void add_block(const backend *b, backend_context *c, const chain_run *r,
                      size_t token, size_t n, kv_span *span, size_t first)
{
    const model_shape *s = r->shape;
    size_t Q = s->H * s->D, K = s->Hkv * s->D, stride = Q + 2 * K,
           capacity = n + first % 3;
    float *kv = array_new(b->kv_floats(s, capacity) + 64, sizeof(float));
    assert_non_null(kv);
    /* in two goes, as blocks of growing rows are filled */
    size_t half = n / 2;
    const float *from = r->qkv + token * stride;
    kv_target targets[2] = {{kv, capacity, 0, half}, {kv, capacity, half, n - half}};
    b->keep(c, from + Q, from + Q + K, stride, targets, 2);
    *span = (kv_span){.kv = kv, .capacity = capacity, .n_keys = n, .first = first};
}

void chain_make(chain *out, const backend *b, const chain_case *k, const chain_run *r)
{
    const model_shape *s = r->shape;
    backend_context *c = context(b, s, 2);
    size_t total = k->shared + k->n_rows * k->own, n = 0;
    size_t *positions = array_new(total, sizeof(*positions));
    kv_span *spans = array_new(k->shared + k->n_rows + 1, sizeof(*spans));
    for (size_t at = 0; at < k->shared; at += k->piece) {
        size_t length = k->shared - at < k->piece ? k->shared - at : k->piece;
        add_block(b, c, r, at, length, &spans[n], at);
        spans[n].q_begin = at;
        spans[n++].q_end = total;
    }
    for (size_t i = 0; i < k->n_rows; i++) {
        size_t at = k->shared + i * k->own;
        add_block(b, c, r, at, k->own, &spans[n], k->shared);
        spans[n].q_begin = at;
        spans[n++].q_end = at + k->own;
    }
    for (size_t i = 0; i < total; i++)
        positions[i] = i < k->shared ? i : k->shared + (i - k->shared) % k->own;
    attention a = {.q = r->qkv,
                   .q_stride = (s->H + 2 * s->Hkv) * s->D,
                   .positions = positions,
                   .m = total,
                   .reach = k->reach,
                   .spans = spans,
                   .n_spans = n,
                   .out = r->out,
                   .out_stride = s->H * s->D};
    *out = (chain){.backend = b,
                   .context = c,
                   .positions = positions,
                   .spans = spans,
                   .n_spans = n,
                   .n_tokens = total,
                   .attention = a};
}

void chain_free(chain *c)
{
    for (size_t i = 0; i < c->n_spans; i++)
        free((void *)(uintptr_t)c->spans[i].kv);
    free(c->spans);
    free(c->positions);
    c->backend->context_free(c->context);
}

/* A step of 2^-8 on numbers around 1: the difference of two floats is exact to 2^-24, so
 * the quotient to 2^-17 of a value, and the third derivative adds about step^2. */
static const float step = 1.0f / 256;
static const double difference_error = 2e-3;

void check_differences(const probe *p, const float *gradient, size_t n)
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

int ops_set_up(void **state)
{
    (void)state;
    ops_rng = gsl_rng_alloc(gsl_rng_mt19937);
    return ops_rng == NULL;
}

int ops_tear_down(void **state)
{
    (void)state;
    gsl_rng_free(ops_rng);
    return 0;
}

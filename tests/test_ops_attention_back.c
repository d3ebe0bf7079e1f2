/* Gradients of attention over chains of blocks: the reference against central
 * differences, the cpu backend against the reference; that a query's gradient depends on
 * the query alone, bit for bit, and a key's not on threads. */
#include "ops_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Against differences ---- */

/* Attention of a chain of blocks: x is qkv, unrotated. */
static const chain_case small_chains[] = {
    {5, 3, 4, 2, 0}, {5, 3, 4, 2, 1}, {5, 3, 4, 2, 3}, {5, 3, 4, 2, 5}};
enum { N_SMALL = sizeof(small_chains) / sizeof(*small_chains) };

static double attention_loss(const probe *p)
{
    size_t n = p->m * p->shape->H * p->shape->D;
    float *out = floats(n, 0);
    chain c;
    error err = {0};
    chain_make(&c, &backend_ref, p->chain, &(chain_run){p->shape, p->x, out});
    must(backend_ref.attend(c.context, &c.attention, &err), &err);
    double sum = floats_dot(out, p->weights, n);
    chain_free(&c);
    free(out);
    return sum;
}

/* Gradients at q, and at each span's keys and values, gathered into d_qkv (tokens, H D +
 * 2 Hkv D) as the rows stood. */
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

static void check_attention_differences(const model_shape *s, const chain_case *k)
{
    size_t m = k->shared + k->n_rows * k->own;
    size_t stride = (s->H + 2 * s->Hkv) * s->D, width = s->H * s->D;
    float *x = floats(m * stride, 1), *dy = floats(m * width, 1);
    float *out = floats(m * width, 0), *gradient = floats(m * stride, 0);
    probe p = {attention_loss, s, NULL, x, NULL, dy, m, k};
    attention_gradient(&backend_ref, k, &(chain_run){s, x, out}, dy, 1, gradient);
    check_differences(&p, gradient, m * stride);
    floats_free((float *[]){x, dy, out, gradient}, 4);
}

/* 2, 3 and 1 query heads to a key head */
static void reference_attention_follows_differences(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < N_SMALL; i++)
            check_attention_differences(&ops_shapes[s], &small_chains[i]);
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
    floats_free(d, 3);
    floats_free((float *[]){x, dy, out}, 3);
}

static void attention_equals_the_reference(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < N_CHAINS; i++)
            check_chain(&ops_shapes[s], &ops_chains[i]);
}

/* Gradients of a chain: d_q (tokens, H D + 2 Hkv D), zeros beyond H D, and d_kv, which
 * begins as `start`. Every other span wants none when `half`. */
static void chain_gradient(const backend *b, const chain_case *k, const chain_run *r,
                           const float *dy, bool half, const float *start, float *d_q,
                           float *d_kv)
{
    size_t K2 = 2 * r->shape->Hkv * r->shape->D, token = 0;
    chain c;
    error err = {0};
    chain_make(&c, b, k, r);
    must(b->attend(c.context, &c.attention, &err), &err);
    memcpy(d_kv, start, c.n_tokens * K2 * sizeof(*d_kv));
    memset(d_q, 0, c.n_tokens * (r->shape->H * r->shape->D + K2) * sizeof(*d_q));
    for (size_t i = 0; i < c.n_spans; token += c.spans[i++].n_keys)
        c.spans[i].d_kv = half && i % 2 == 0 ? NULL : d_kv + token * K2;
    must(b->attend_back(c.context, &c.attention, dy, d_q, &err), &err);
    chain_free(&c);
}

/* Gradients at keys and values are added to what is there; spans that want none change
 * no bit of what the others get. */
static void check_wanted(const model_shape *s, const chain_case *k)
{
    size_t m = k->shared + k->n_rows * k->own, width = s->H * s->D;
    size_t K2 = 2 * s->Hkv * s->D, n = m * (width + K2), token = 0;
    float *x = floats(n, 2), *dy = floats(m * width, 1), *out = floats(m * width, 0);
    float *start = floats(m * K2, 3), *q[3], *kv[3];
    chain_run run = {s, x, out};
    for (size_t i = 0; i < 3; i++) {
        q[i] = floats(n, 0);
        kv[i] = floats(m * K2, 0);
        chain_gradient(i == 0 ? &backend_ref : &backend_cpu, k, &run, dy, i == 2, start,
                       q[i], kv[i]);
    }
    assert_near(q[0], q[1], n, 2e-6 * (10 + (double)m));
    assert_near(kv[0], kv[1], m * K2, 2e-6 * (10 + (double)m));
    assert_memory_equal(q[1], q[2], n * sizeof(float));
    chain c;
    chain_make(&c, &backend_cpu, k, &run);
    for (size_t i = 0; i < c.n_spans; token += c.spans[i++].n_keys)
        assert_memory_equal(kv[2] + token * K2, (i % 2 ? kv[1] : start) + token * K2,
                            c.spans[i].n_keys * K2 * sizeof(float));
    chain_free(&c);
    floats_free(q, 3);
    floats_free(kv, 3);
    floats_free((float *[]){x, dy, out, start}, 4);
}

static void keys_get_what_they_want_and_no_more(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {33, 7, 9, 10, 0}, {300, 5, 20, 99, 0}, {33, 7, 9, 10, 9}, {300, 5, 20, 99, 130}};
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < 4; i++)
            check_wanted(&ops_shapes[s], &cases[i]);
}

/* The gradient at query i, its row of d_q, when it is the only query. */
static void query_alone(const chain *all, size_t i, const float *dy, float *d_q)
{
    attention a = all->attention;
    kv_span *spans = array_new(all->n_spans, sizeof(*spans));
    error err = {0};
    assert_non_null(spans);
    a.n_spans = 0;
    for (size_t s = 0; s < all->n_spans; s++)
        if (all->spans[s].q_begin <= i && i < all->spans[s].q_end) {
            spans[a.n_spans] = all->spans[s];
            spans[a.n_spans].q_begin = 0;
            spans[a.n_spans++].q_end = 1;
        }
    a.q += i * a.q_stride;
    a.out += i * a.out_stride;
    a.positions += i;
    a.m = 1;
    a.spans = spans;
    must(all->backend->attend_back(all->context, &a, dy + i * a.out_stride, d_q, &err),
         &err);
    free(spans);
}

/* Spans longer than one slice of a product: what is summed together must not depend on
 * how far other queries of a block look. */
static void check_queries_alone(const model_shape *s, const chain_case *k)
{
    size_t m = k->shared + k->n_rows * k->own, width = s->H * s->D;
    size_t stride = width + 2 * s->Hkv * s->D;
    float *x = floats(m * stride, 2), *dy = floats(m * width, 1);
    float *out = floats(m * width, 0), *d_q = floats(m * stride, 0);
    float *alone = floats(stride, 0);
    chain c;
    error err = {0};
    chain_make(&c, &backend_cpu, k, &(chain_run){s, x, out});
    must(backend_cpu.attend(c.context, &c.attention, &err), &err);
    must(backend_cpu.attend_back(c.context, &c.attention, dy, d_q, &err), &err);
    for (size_t i = 0; i < m; i += 13) {
        query_alone(&c, i, dy, alone);
        assert_memory_equal(d_q + i * stride, alone, width * sizeof(float));
    }
    chain_free(&c);
    floats_free((float *[]){x, dy, out, d_q, alone}, 5);
}

static void gradients_at_queries_do_not_depend_on_company(void **state)
{
    (void)state;
    static const chain_case cases[] = {{33, 7, 9, 10, 0},     {300, 5, 20, 99, 0},
                                       {700, 5, 3, 700, 0},   {300, 5, 20, 99, 50},
                                       {700, 5, 3, 700, 350}, {64, 90, 3, 700, 17}};
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < 6; i++)
            check_queries_alone(&ops_shapes[s], &cases[i]);
}

/* To reach further than there is anything is to see all, to the bit. */
static void a_long_reach_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * N_OPS_SHAPES; i++) {
        const backend *b = i % 2 ? &backend_ref : &backend_cpu;
        const model_shape *s = &ops_shapes[i / 2];
        enum { TOKENS = 33 + 9 * 7 };
        const chain_case all = {33, 7, 9, 10, 0}, far = {33, 7, 9, 10, 33 + 7};
        size_t width = s->H * s->D, n = TOKENS * (width + 2 * s->Hkv * s->D);
        float *x = floats(n, 2), *dy = floats(TOKENS * width, 1);
        float *out = floats(TOKENS * width, 0), *d[] = {floats(n, 0), floats(n, 0)};
        chain_run run = {s, x, out};
        attention_gradient(b, &all, &run, dy, 2, d[0]);
        attention_gradient(b, &far, &run, dy, 2, d[1]);
        assert_memory_equal(d[0], d[1], n * sizeof(float));
        floats_free((float *[]){x, dy, out, d[0], d[1]}, 5);
    }
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
        floats_free((float *[]){rows, back, kv}, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_attention_follows_differences),
        cmocka_unit_test(attention_equals_the_reference),
        cmocka_unit_test(keys_get_what_they_want_and_no_more),
        cmocka_unit_test(gradients_at_queries_do_not_depend_on_company),
        cmocka_unit_test(a_long_reach_is_none),
        cmocka_unit_test(what_is_kept_can_be_fetched),
    };
    return cmocka_run_group_tests(tests, ops_set_up, ops_tear_down);
}

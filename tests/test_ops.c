/* Every operation of the cpu backend, with each call it may choose for products, against
 * the reference backend over odd shapes; and that a row's result does not depend on the
 * rows around it, bit for bit. */
#include "ops_fixture.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_rng.h>

static const size_t row_counts[] = {1, 3, 14, 33, 100};
enum { N_COUNTS = sizeof(row_counts) / sizeof(*row_counts), MAX_M = 100 };
static const product_kind kinds[] = {PRODUCT_KERNELS, PRODUCT_ONEDNN};

/* ---- Products ---- */

typedef struct product_case {
    size_t n_in, n_out, width; /* width: of y */
    bool bias, gated, add;
} product_case;

static void run_product(const backend *b, backend_packer *p, const matrix *w,
                        const product_case *k, size_t n_threads, const float *x, size_t m,
                        float *y)
{
    backend_weight *packed;
    error err = {0};
    backend_context *c = context(b, &ops_shapes[0], n_threads);
    must(b->weight_new(&packed, p, &w->source, &err), &err);
    if (k->gated)
        must(b->gated(c, packed, x, m, y, &err), &err);
    else
        must(b->product(c, packed, x, m, y, k->add, &err), &err);
    b->weight_free(packed);
    b->context_free(c);
}

static void check_product(const product_case *k, product_kind kind, size_t m)
{
    matrix w;
    backend_packer *packer;
    error err = {0};
    matrix_make(&w, k->n_in, k->n_out, k->bias, k->gated);
    float *x = floats(m * k->n_in, 1), *start = floats(m * k->width, 1);
    float *y[3];
    for (int i = 0; i < 3; i++) {
        y[i] = array_new(m * k->width, sizeof(float));
        memcpy(y[i], start, m * k->width * sizeof(float));
    }
    must(backend_cpu.packer_new(&packer, 2, &err), &err);
    packer->forced = true;
    packer->kind = kind;
    run_product(&backend_ref, NULL, &w, k, 1, x, m, y[0]);
    run_product(&backend_cpu, packer, &w, k, 1, x, m, y[1]);
    run_product(&backend_cpu, packer, &w, k, 3, x, m, y[2]);
    /* n_in roundings of sums below n_in, times the gate's factor */
    assert_near(y[0], y[1], m * k->width, 2e-7 * (double)k->n_in * (k->gated ? 10 : 1));
    assert_memory_equal(y[1], y[2], m * k->width * sizeof(float));
    size_t last = m - 1; /* alone */
    memcpy(y[2], start + last * k->width, k->width * sizeof(float));
    run_product(&backend_cpu, packer, &w, k, 2, x + last * k->n_in, 1, y[2]);
    assert_memory_equal(y[1] + last * k->width, y[2], k->width * sizeof(float));
    backend_cpu.packer_free(packer);
    for (int i = 0; i < 3; i++)
        free(y[i]);
    free(x);
    free(start);
    matrix_free(&w);
}

static void products_equal_the_reference(void **state)
{
    (void)state;
    static const product_case cases[] = {
        {20, 37, 37, false, false, false}, {65, 600, 600, true, false, false},
        {700, 30, 30, true, false, true},  {64, 512, 512, false, false, true},
        {20, 26, 13, false, true, false},  {65, 600, 300, true, true, false},
        {700, 64, 32, false, true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t k = 0; k < 2; k++)
            for (size_t m = 0; m < N_COUNTS; m++)
                check_product(&cases[i], kinds[k], row_counts[m]);
}

/* Rows stored in pairs come out in halves, on both backends alike; and a stack is read
 * through all its parts. */
static void stored_pairs_become_halves(void **state)
{
    (void)state;
    matrix w;
    float out[3], *expected;
    enum { IN = 3, OUT = 16 }; /* two parts of one head of 8, of which 6 turn */
    matrix_make(&w, IN, OUT, false, false);
    static const size_t stored[8] = {0, 2, 4, 1, 3, 5, 6, 7};
    for (size_t i = 0; i < 2; i++) {
        w.source.parts[i].head_size = 8;
        w.source.parts[i].n_rot = 6;
    }
    for (size_t r = 0; r < OUT; r++) {
        expected = w.w + (r / 8 * 8 + stored[r % 8]) * IN;
        weight_source_row(&w.source, r, out);
        assert_memory_equal(out, expected, sizeof(out));
    }
    matrix_free(&w);
}

static void embedding_rows_are_found(void **state)
{
    (void)state;
    const model_shape *s = &ops_shapes[1];
    matrix w;
    matrix_make(&w, s->C, s->V, false, false);
    int32_t ids[40];
    float *y[2];
    error err = {0};
    for (int i = 0; i < 40; i++)
        ids[i] = (int32_t)gsl_rng_uniform_int(ops_rng, s->V);
    for (int b = 0; b < 2; b++) {
        const backend *which = b == 0 ? &backend_ref : &backend_cpu;
        backend_context *c = context(which, s, 2);
        y[b] = array_new(40 * s->C, sizeof(float));
        must(which->embed(c, &w.source, ids, 40, y[b], &err), &err);
        which->context_free(c);
    }
    assert_memory_equal(y[0], y[1], 40 * s->C * sizeof(float));
    for (size_t i = 0; i < 40; i++)
        assert_memory_equal(y[0] + i * s->C, w.w + (size_t)ids[i] * s->C,
                            s->C * sizeof(float));
    free(y[0]);
    free(y[1]);
    matrix_free(&w);
}

/* ---- Rows ---- */

static void check_rows(const model_shape *s, size_t m)
{
    backend_context *ref = context(&backend_ref, s, 1),
                    *cpu = context(&backend_cpu, s, 2);
    size_t stride = (s->H + 2 * s->Hkv) * s->D, half = s->n_rot / 2;
    float *x = floats(m * s->C, 3), *w = floats(s->C, 2);
    float *a = array_new(m * s->C, sizeof(*a)), *b = array_new(m * s->C, sizeof(*b));
    backend_ref.norm(ref, x, w, m, a);
    backend_cpu.norm(cpu, x, w, m, b);
    assert_near(a, b, m * s->C, 1e-5);

    float *heads = floats(m * stride, 1), *turned = array_new(m * stride, sizeof(float));
    float *cosine = floats(MAX_M * half, 1), *sine = floats(MAX_M * half, 1);
    size_t at[MAX_M];
    for (size_t i = 0; i < m; i++)
        at[i] = gsl_rng_uniform_int(ops_rng, MAX_M);
    memcpy(turned, heads, m * stride * sizeof(float));
    backend_ref.rotate(ref, heads, stride, s->H + s->Hkv, m, at, cosine, sine);
    backend_cpu.rotate(cpu, turned, stride, s->H + s->Hkv, m, at, cosine, sine);
    assert_near(heads, turned, m * stride, 1e-6);

    float *logits = floats(m * s->V, 20);
    logit_stats p[MAX_M], q[MAX_M];
    backend_ref.stats(ref, logits, m, p);
    backend_cpu.stats(cpu, logits, m, q);
    for (size_t i = 0; i < m; i++) {
        assert_true(p[i].max == q[i].max && p[i].argmax == q[i].argmax);
        assert_true(p[i].finite && q[i].finite);
        assert_true(fabs(p[i].log_sum - q[i].log_sum) < 1e-6);
    }
    void *owned[] = {x, w, a, b, heads, turned, cosine, sine, logits};
    for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
        free(owned[i]);
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

/* ---- Attention ---- */

static void run_chain(const backend *b, const chain_case *k, const chain_run *r)
{
    chain x;
    error err = {0};
    chain_make(&x, b, k, r);
    must(b->attend(x.context, &x.attention, &err), &err);
    chain_free(&x);
}

static void check_chain(const model_shape *s, const chain_case *k)
{
    size_t total = k->shared + k->n_rows * k->own, stride = (s->H + 2 * s->Hkv) * s->D;
    size_t width = s->H * s->D, n = total * width;
    float *qkv = floats(total * stride, 2), *out[3];
    for (int i = 0; i < 3; i++)
        out[i] = array_new(n, sizeof(float));
    run_chain(&backend_ref, k, &(chain_run){s, qkv, out[0]});
    run_chain(&backend_cpu, k, &(chain_run){s, qkv, out[1]});
    assert_near(out[0], out[1], n, 1e-5);
    /* the first row alone, its beginning in one piece: the same bits */
    chain_case alone = {k->shared, k->own, 1, k->shared + 1, k->reach};
    run_chain(&backend_cpu, &alone, &(chain_run){s, qkv, out[2]});
    assert_memory_equal(out[1], out[2], (k->shared + k->own) * width * sizeof(float));
    free(qkv);
    for (int i = 0; i < 3; i++)
        free(out[i]);
}

static void attention_equals_the_reference_however_rows_are_cut(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_OPS_SHAPES; s++)
        for (size_t i = 0; i < N_CHAINS; i++)
            check_chain(&ops_shapes[s], &ops_chains[i]);
}

static const backend *const both[] = {&backend_ref, &backend_cpu};

/* To reach further than there is anything is to see all, to the bit. */
static void a_long_reach_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * N_OPS_SHAPES; i++) {
        const model_shape *s = &ops_shapes[i / 2];
        enum { TOKENS = 33 + 9 * 7 };
        const chain_case all = {33, 7, 9, 10, 0}, far = {33, 7, 9, 10, 33 + 7};
        size_t n = TOKENS * s->H * s->D;
        float *qkv = floats(TOKENS * (s->H + 2 * s->Hkv) * s->D, 2);
        float *out[] = {floats(n, 0), floats(n, 0)};
        run_chain(both[i % 2], &all, &(chain_run){s, qkv, out[0]});
        run_chain(both[i % 2], &far, &(chain_run){s, qkv, out[1]});
        assert_memory_equal(out[0], out[1], n * sizeof(float));
        floats_free((float *[]){qkv, out[0], out[1]}, 3);
    }
}

/* A single query of a chain, its last: what it does not reach may be anything. */
static void last_query(chain *c, float *out)
{
    error err = {0};
    attention *a = &c->attention;
    size_t last = a->m - 1;
    for (size_t i = 0; i < c->n_spans; i++) {
        c->spans[i].q_end = c->spans[i].q_end == a->m;
        c->spans[i].q_begin = 0;
    }
    a->q += last * a->q_stride;
    a->positions += last;
    a->m = 1;
    a->out = out;
    must(c->backend->attend(c->context, a, &err), &err);
}

static void check_unreached(const backend *b, const model_shape *s, const chain_case *k)
{
    size_t tokens = k->shared + k->own, stride = (s->H + 2 * s->Hkv) * s->D;
    size_t width = s->H * s->D, first = tokens - k->reach;
    float *qkv = floats(tokens * stride, 2),
          *out[] = {floats(width, 0), floats(width, 0)};
    for (int i = 0; i < 2; i++) {
        chain c;
        chain_make(&c, b, k, &(chain_run){s, qkv, out[i]});
        last_query(&c, out[i]);
        chain_free(&c);
        for (size_t j = 0; j < first * stride; j++)
            qkv[j] = NAN;
    }
    assert_memory_equal(out[0], out[1], width * sizeof(float));
    floats_free((float *[]){qkv, out[0], out[1]}, 3);
}

static void what_no_query_reaches_is_not_read(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {33, 7, 1, 10, 1}, {33, 7, 1, 10, 9}, {64, 20, 1, 16, 33}, {300, 5, 1, 99, 150}};
    for (size_t i = 0; i < 2 * N_OPS_SHAPES; i++)
        for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
            check_unreached(both[i % 2], &ops_shapes[i / 2], &cases[k]);
}

/* ---- Choices ---- */

static void choices_are_remembered(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[4096];
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    product_choices first, second;
    product_choice a, b;
    error err = {0};
    product_choices_open(&first);
    must(product_choices_find(&first, 96, 160, &a, &err), &err);
    assert_true(a.kernels_mflops > 0);
    product_choices_close(&first);
    product_choices_open(&second);
    assert_int_equal(second.n, 1);
    must(product_choices_find(&second, 96, 160, &b, &err), &err);
    assert_true(a.kind == b.kind && a.kernels_mflops == b.kernels_mflops &&
                a.onednn_mflops == b.onednn_mflops);
    product_choices_close(&second);
    /* lines that are not ours are passed over */
    snprintf(path, sizeof(path), "%s/lamarck/products.tsv", folder);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("nonsense\n\t\t\t\nAMD EPYC\t1\n", f);
    assert_int_equal(fclose(f), 0);
    product_choices_open(&second);
    assert_int_equal(second.n, 1);
    product_choices_close(&second);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_the_reference),
        cmocka_unit_test(stored_pairs_become_halves),
        cmocka_unit_test(embedding_rows_are_found),
        cmocka_unit_test(row_operations_equal_the_reference),
        cmocka_unit_test(attention_equals_the_reference_however_rows_are_cut),
        cmocka_unit_test(a_long_reach_is_none),
        cmocka_unit_test(what_no_query_reaches_is_not_read),
        cmocka_unit_test(choices_are_remembered),
    };
    return cmocka_run_group_tests(tests, ops_set_up, ops_tear_down);
}

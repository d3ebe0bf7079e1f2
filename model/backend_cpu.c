/* The cpu backend: vector kernels over packed weights, rows and panels dealt out to
 * OpenMP threads. Products are in cpu_weight.c, attention in cpu_attention.c. */
#include "backend_cpu.h"

#include <math.h>
#include <stdlib.h>

static void context_free(backend_context *c)
{
    if (c == NULL)
        return;
    for (size_t t = 0; c->scratch != NULL && t < c->n_threads; t++)
        free(c->scratch[t].floats);
    free(c->scratch);
    free(c);
}

int cpu_scratch_grow(backend_context *c, size_t n, error *err)
{
    for (size_t t = 0; t < c->n_threads; t++) {
        cpu_scratch *s = &c->scratch[t];
        if (s->n >= n)
            continue;
        free(s->floats);
        s->n = 0;
        s->floats = array_new(n, sizeof(float));
        if (s->floats == NULL)
            return error_memory(err, n * sizeof(float));
        s->n = n;
    }
    return 0;
}

static int context_new(backend_context **out, const model_shape *shape, size_t n_threads,
                       error *err)
{
    backend_context *c = array_new(1, sizeof(*c));
    if (c == NULL)
        return error_memory(err, sizeof(*c));
    *c = (backend_context){.shape = *shape,
                           .kernels = kernels_best(),
                           .n_threads = n_threads,
                           .score_scale = (float)(1 / sqrt((double)shape->D)),
                           .scratch = array_new(n_threads, sizeof(*c->scratch))};
    if (c->scratch == NULL) {
        context_free(c);
        return error_memory(err, n_threads * sizeof(*c->scratch));
    }
    *out = c;
    return 0;
}

static int describe(const backend_context *c, const backend_packer *p, text *out,
                    error *err)
{
    TRY(text_add_format(out, err, "cpu: %s, tiles of %zu x %zu, %zu thread%s",
                        p->choices.cpu, c->kernels->tile_rows, c->kernels->panel,
                        c->n_threads, c->n_threads == 1 ? "" : "s"));
    for (size_t i = 0; i < p->n_used; i++) {
        const product_choice *u = &p->used[i];
        TRY(text_add_format(out, err, "; %zux%zu %s (GF/s: kernels %.0f, onednn %.0f)",
                            u->n_in, u->n_out, product_kind_name(u->kind),
                            (double)u->kernels_mflops / 1e3,
                            (double)u->onednn_mflops / 1e3));
    }
    return 0;
}

static int embed(backend_context *c, const weight_source *embedding, const int32_t *ids,
                 size_t m, float *y, error *err)
{
    (void)err;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        weight_source_row(embedding, (size_t)ids[i], y + i * c->shape.C);
    return 0;
}

static void norm(backend_context *c, const float *x, const float *w, size_t m, float *y)
{
    size_t C = c->shape.C;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        c->kernels->rms_norm(x + i * C, w, C, c->shape.norm_eps, y + i * C);
}

static void rotate(backend_context *c, float *x, size_t stride, size_t n_heads, size_t m,
                   const size_t *at, const float *cosine, const float *sine)
{
    size_t half = c->shape.n_rot / 2;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        for (size_t h = 0; h < n_heads; h++)
            c->kernels->rotate(x + i * stride + h * c->shape.D, cosine + at[i] * half,
                               sine + at[i] * half, half);
}

static void stats(backend_context *c, const float *logits, size_t m, logit_stats *out)
{
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 1)
    for (size_t i = 0; i < m; i++)
        c->kernels->stats(logits + i * c->shape.V, c->shape.V, &out[i]);
}

const backend backend_cpu = {
    .name = "cpu",
    .packer_new = cpu_packer_new,
    .packer_free = cpu_packer_free,
    .weight_new = cpu_weight_new,
    .weight_free = cpu_weight_free,
    .context_new = context_new,
    .context_free = context_free,
    .describe = describe,
    .embed = embed,
    .norm = norm,
    .product = cpu_product,
    .gated = cpu_gated,
    .rotate = rotate,
    .kv_floats = cpu_kv_floats,
    .keep = cpu_keep,
    .attend = cpu_attend,
    .stats = stats,
    .fetch = cpu_fetch,
    .gated_keep = cpu_gated_keep,
    .gate_back = cpu_gate_back,
    .product_back = cpu_product_back,
    .norm_back = cpu_norm_back,
    .rotate_back = cpu_rotate_back,
    .attend_back = cpu_attend_back,
    .softmax_rows = cpu_softmax_rows,
};

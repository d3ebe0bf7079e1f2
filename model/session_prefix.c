/* What stands before every row of a session: a block of keys and values from which the
 * roots of all plans hang, made from virtual tokens or from given keys and values; and
 * the way back, from a text to what could stand there. */
#include "resident.h"
#include "session_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t prefix_width(const model_info *info, prefix_kind kind)
{
    if (kind == PREFIX_EMBEDDINGS)
        return info->width;
    return info->n_layers * 2 * info->n_kv_heads * info->head_size;
}

size_t session_window(const session *s)
{
    return s->weights->shape.window - s->prefix.n;
}

/* ---- Setting ---- */

static int check_prefix(const session *s, const prefix_view *p, error *err)
{
    size_t width, total, window = s->weights->shape.window;
    if (p->kind != PREFIX_EMBEDDINGS && p->kind != PREFIX_KEY_VALUES)
        return error_set(err, E_ARGUMENT, "%d is no kind of prefix", (int)p->kind);
    if (p->n == 0)
        return error_set(err, E_ARGUMENT, "a prefix of no virtual tokens: at least 1");
    if (p->n >= window)
        return error_set(err, E_LIMIT,
                         "a prefix of %zu virtual tokens leaves no room for rows: the "
                         "model's window is %zu",
                         p->n, window);
    width = prefix_width(model_describe(s->model), p->kind);
    if (!size_mul(p->n, width, &total))
        return error_memory(err, SIZE_MAX);
    for (size_t i = 0; i < total; i++)
        if (!isfinite(p->values[i]))
            return error_set(err, E_NUMERIC,
                             "virtual token %zu of the prefix: value %zu of %zu is %f",
                             i / width, i % width, width, (double)p->values[i]);
    return 0;
}

static uint64_t values_bytes(const session *s, size_t n)
{
    return (uint64_t)n * s->weights->shape.C * sizeof(float);
}

static int copy_embeddings(session *s, session_prefix *to, const float *values,
                           error *err)
{
    uint64_t bytes = values_bytes(s, to->n);
    TRY(session_charge(s, bytes, "the embeddings of the prefix", err));
    to->values = array_new((size_t)bytes, 1);
    if (to->values == NULL) {
        session_discharge(s, bytes);
        return error_memory(err, (size_t)bytes);
    }
    memcpy(to->values, values, (size_t)bytes);
    return 0;
}

/* values (n, L, 2, Hkv, D) */
static void copy_key_values(session *s, kv_block *to, const float *values, size_t n)
{
    const model_shape *m = &s->weights->shape;
    size_t K = m->Hkv * m->D;
    for (size_t l = 0; l < m->L; l++) {
        kv_target target = {
            .kv = to->data + l * to->layer_floats, .capacity = to->capacity, .m = n};
        const float *k = values + l * 2 * K;
        s->backend->keep(s->context, k, k + K, m->L * 2 * K, &target, 1);
    }
    to->n = n;
}

static void prefix_free(session *s, session_prefix *p)
{
    if (p->values != NULL)
        session_discharge(s, values_bytes(s, p->n));
    free(p->values);
    kv_block_free(s, p->block);
    *p = (session_prefix){0};
}

static int prefix_make(session *s, session_prefix *out, const prefix_view *view,
                       error *err)
{
    session_prefix p = {.kind = view->kind, .n = view->n};
    int rc = kv_block_new(s, &p.block, NULL, 0, view->n, err);
    if (rc < 0)
        return error_prefix(err, "a prefix of %zu virtual tokens", view->n);
    if (view->kind == PREFIX_EMBEDDINGS)
        rc = copy_embeddings(s, &p, view->values, err);
    else
        copy_key_values(s, p.block, view->values, view->n);
    if (rc < 0)
        prefix_free(s, &p);
    else
        *out = p;
    return rc;
}

int session_set_prefix(session *s, const prefix_view *prefix, error *err)
{
    session_prefix made = {0};
    if (prefix != NULL)
        TRY(check_prefix(s, prefix, err));
    /* What is kept of earlier rows stood behind another prefix. */
    resident_drop_all(s);
    if (prefix != NULL)
        TRY(prefix_make(s, &made, prefix, err));
    session_prefix_drop(s);
    s->prefix = made;
    return 0;
}

void session_prefix_drop(session *s)
{
    prefix_free(s, &s->prefix);
}

/* ---- Running ---- */

/* Run n tokens, or embeddings x (n, C), through the layers into an empty block. */
static int run_alone(session *s, kv_block *block, const int32_t *tokens, const float *x,
                     size_t n, error *err)
{
    size_t C = s->weights->shape.C;
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < n; done += s->max_chunk) {
        forward_run run = {.block = block,
                           .n = n - done < s->max_chunk ? n - done : s->max_chunk};
        if (x != NULL)
            run.x = x + done * C;
        else
            run.tokens = tokens + done;
        rc = forward(s, &run, 1, NULL, 0, err);
    }
    if (rc < 0)
        block->n = 0;
    return rc;
}

int session_prefix_run(session *s, error *err)
{
    session_prefix *p = &s->prefix;
    if (p->n == 0 || p->block->n == p->n)
        return 0;
    return run_alone(s, p->block, NULL, p->values, p->n, err);
}

/* ---- From a text ---- */

static int check_ids(const model *m, const int32_t *ids, size_t n, error *err)
{
    size_t V = model_describe(m)->n_vocabulary;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= V)
            return error_set(err, E_ARGUMENT,
                             "token %zu is %d, outside the vocabulary of %zu", i, ids[i],
                             V);
    return 0;
}

int model_embeddings(const model *m, const int32_t *ids, size_t n, float *out, error *err)
{
    const weights *w = model_weights(m);
    TRY(check_ids(m, ids, n, err));
    for (size_t i = 0; i < n; i++)
        weight_source_row(&w->embedding, (size_t)ids[i], out + i * w->shape.C);
    return 0;
}

/* out (n, L, 2, Hkv, D) */
static void fetch_key_values(session *s, kv_block *from, float *out)
{
    const model_shape *m = &s->weights->shape;
    size_t K = m->Hkv * m->D;
    for (size_t l = 0; l < m->L; l++) {
        kv_target source = {.kv = from->data + l * from->layer_floats,
                            .capacity = from->capacity,
                            .m = from->n};
        float *k = out + l * 2 * K;
        s->backend->fetch(s->context, &source, k, k + K, m->L * 2 * K);
    }
}

int model_key_values(session *s, const int32_t *ids, size_t n, float *out, error *err)
{
    double began = clock_seconds();
    size_t window = s->weights->shape.window;
    kv_block *block = NULL;
    if (n == 0)
        return 0;
    TRY(check_ids(s->model, ids, n, err));
    if (n > window)
        return error_set(err, E_LIMIT,
                         "keys and values of %zu tokens: the model's window is %zu", n,
                         window);
    if (s->backend->fetch == NULL)
        return error_set(err, E_UNSUPPORTED,
                         "the backend \"%s\" cannot read keys and values back",
                         s->backend->name);
    resident_begin(s);
    int rc = kv_block_new(s, &block, NULL, 0, n, err);
    if (rc == 0) {
        s->counters.row_tokens += n;
        rc = run_alone(s, block, ids, NULL, n, err);
    }
    if (rc == 0)
        fetch_key_values(s, block, out);
    kv_block_free(s, block);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

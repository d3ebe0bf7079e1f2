/* Finds a model's matrices in a GGUF file, checks their shapes, and has them packed. */
#include "weights.h"

#include "backend.h"
#include "reach.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ---- */

static const quant_format *format_of(const gguf_tensor *t)
{
    return quant_find((uint32_t)t->type);
}

static void tensor_row(const gguf_tensor *t, size_t row, size_t n_in, float *dst)
{
    const quant_format *f = format_of(t);
    size_t blocks = n_in / f->values;
    f->widen((const char *)t->data + row * blocks * f->bytes, blocks, dst);
}

/* Where row `row` of the decoder's order is in the file: row i of the first half of the
 * rotated dimensions is stored at 2 i, of the second half at 2 i + 1. */
static size_t stored_row(const weight_part *p, size_t row)
{
    if (p->head_size == 0)
        return row;
    size_t i = row % p->head_size, half = p->n_rot / 2;
    if (i >= p->n_rot)
        return row;
    return row - i + (i < half ? 2 * i : 2 * (i - half) + 1);
}

static size_t part_rows(const weight_part *p)
{
    return p->weight->dims[1];
}

void weight_source_row(const weight_source *s, size_t row, float *dst)
{
    const weight_part *p = s->parts;
    while (row >= part_rows(p)) {
        row -= part_rows(p);
        p++;
    }
    tensor_row(p->weight, stored_row(p, row), s->n_in, dst);
}

bool weight_source_has_bias(const weight_source *s)
{
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].bias != NULL)
            return true;
    return false;
}

int weight_source_bias(const weight_source *s, float *dst, error *err)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        const weight_part *p = &s->parts[i];
        size_t n = part_rows(p);
        memset(dst, 0, n * sizeof(float));
        if (p->bias != NULL) {
            float *stored = array_new(n, sizeof(float));
            if (stored == NULL)
                return error_memory(err, n * sizeof(float));
            tensor_row(p->bias, 0, n, stored);
            for (size_t r = 0; r < n; r++)
                dst[r] = stored[stored_row(p, r)];
            free(stored);
        }
        dst += n;
    }
    return 0;
}

/* ---- Metadata ---- */

/* Keys are the architecture's name, a dot and a word. */
typedef struct finder {
    const gguf *file;
    const arch *arch;
    bool *used; /* per tensor of the file */
    char key[128];
    error *err;
} finder;

static const char *key_of(finder *f, const char *word)
{
    snprintf(f->key, sizeof(f->key), "%s.%s", f->arch->name, word);
    return f->key;
}

/* Largest count that any dimension of a model may have; keeps products far from overflow
 * and absurd metadata away from allocations. */
static const uint64_t max_count = 1u << 28;

static int get_count(finder *f, const char *word, bool required, uint64_t fallback,
                     size_t *out)
{
    uint64_t value = fallback;
    int rc = gguf_get_uint(f->file, key_of(f, word), &value, f->err);
    if (rc < 0)
        return rc;
    if (rc == 0 && required)
        return error_set(f->err, E_FORMAT, "the file has no key %s", f->key);
    if (value == 0 || value > max_count)
        return error_set(f->err, E_FORMAT, "%s is %llu; it must be in 1..%llu", f->key,
                         (unsigned long long)value, (unsigned long long)max_count);
    *out = (size_t)value;
    return 0;
}

static int get_real(finder *f, const char *word, double fallback, double *out)
{
    double value = fallback;
    int rc = gguf_get_double(f->file, key_of(f, word), &value, f->err);
    if (rc < 0)
        return rc;
    if (!isfinite(value) || value <= 0)
        return error_set(f->err, E_FORMAT, "%s is %g; it must be positive", f->key,
                         value);
    *out = value;
    return 0;
}

static int get_rope_scale(finder *f, model_shape *s)
{
    const char *type = NULL;
    TRY(gguf_get_string(f->file, key_of(f, "rope.scaling.type"), &type, f->err));
    s->rope_scale = 1;
    if (type == NULL)
        return get_real(f, "rope.scale_linear", 1, &s->rope_scale);
    if (strcmp(type, "none") == 0)
        return 0;
    if (strcmp(type, "linear") == 0)
        return get_real(f, "rope.scaling.factor", 1, &s->rope_scale);
    return error_set(f->err, E_UNSUPPORTED,
                     "%s is \"%s\"; only none, linear and frequency factors are "
                     "supported",
                     f->key, type);
}

/* Keys that change the arithmetic in ways that the decoder does not have. */
static int refuse_unknown_arithmetic(finder *f)
{
    static const char *const words[] = {"expert_count",
                                        "attention.logit_softcapping",
                                        "final_logit_softcapping",
                                        "attention.max_alibi_bias",
                                        "logit_scale",
                                        "residual_scale",
                                        "embedding_scale"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        double value = 0;
        int rc = gguf_get_double(f->file, key_of(f, words[i]), &value, NULL);
        if (rc < 0 || (rc == 1 && value != 0))
            return error_set(f->err, E_UNSUPPORTED,
                             "the file sets %s, which this decoder does not have",
                             f->key);
    }
    return 0;
}

static int get_shape(finder *f, model_shape *s)
{
    double eps;
    size_t value_length;
    TRY(get_count(f, "block_count", true, 0, &s->L));
    TRY(get_count(f, "context_length", true, 0, &s->window));
    TRY(get_count(f, "embedding_length", true, 0, &s->C));
    TRY(get_count(f, "feed_forward_length", true, 0, &s->F));
    TRY(get_count(f, "attention.head_count", true, 0, &s->H));
    TRY(get_count(f, "attention.head_count_kv", false, s->H, &s->Hkv));
    if (s->H % s->Hkv != 0)
        return error_set(f->err, E_FORMAT,
                         "%zu attention heads cannot share %zu key heads evenly", s->H,
                         s->Hkv);
    TRY(get_count(f, "attention.key_length", false, s->C / s->H, &s->D));
    TRY(get_count(f, "attention.value_length", false, s->D, &value_length));
    if (value_length != s->D)
        return error_set(f->err, E_UNSUPPORTED,
                         "keys of %zu and values of %zu numbers: they must be equal",
                         s->D, value_length);
    TRY(get_count(f, "rope.dimension_count", false, s->D, &s->n_rot));
    if (s->n_rot > s->D || s->n_rot % 2 != 0)
        return error_set(f->err, E_FORMAT,
                         "%s is %zu; it must be even and at most the head size %zu",
                         f->key, s->n_rot, s->D);
    TRY(get_real(f, "attention.layer_norm_rms_epsilon", 1e-5, &eps));
    s->norm_eps = (float)eps;
    TRY(get_real(f, "rope.freq_base", 10000, &s->rope_base));
    TRY(get_rope_scale(f, s));
    return refuse_unknown_arithmetic(f);
}

/* ---- Tensors ---- */

/* Borrow a tensor of shape (n_rows, n_in), n_in alone when n_rows is 0. *out = NULL when
 * it is absent and not required. */
static int find_tensor(finder *f, tensor_role role, size_t layer, const char *suffix,
                       size_t n_rows, size_t n_in, bool required, const gguf_tensor **out)
{
    char name[160];
    if (!arch_tensor_name(f->arch, role, layer, suffix, name, sizeof(name)))
        return error_set(f->err, E_LIMIT, "layer %zu: its tensor names are too long",
                         layer);
    const gguf_tensor *t = gguf_tensor_find(f->file, name);
    *out = t;
    if (t == NULL)
        return required ? error_set(f->err, E_FORMAT, "the file has no tensor %s", name)
                        : 0;
    size_t want_dims = n_rows > 0 ? 2 : 1;
    bool fits = t->n_dims == want_dims && t->dims[0] == n_in &&
                (n_rows == 0 || t->dims[1] == n_rows);
    if (!fits)
        return error_set(f->err, E_FORMAT,
                         "tensor %s is (%zu, %zu), %zu-dimensional; the metadata ask for "
                         "(%zu, %zu)",
                         name, t->n_dims > 1 ? t->dims[1] : 1, t->dims[0], t->n_dims,
                         n_rows > 0 ? n_rows : 1, n_in);
    const quant_format *format = format_of(t);
    if (format == NULL || n_in % format->values != 0)
        return error_set(f->err, E_UNSUPPORTED, "tensor %s: rows of %zu numbers of %s",
                         name, n_in, format == NULL ? "an unknown type" : format->name);
    for (size_t i = 0; i < gguf_tensor_count(f->file); i++)
        if (gguf_tensor_at(f->file, i) == t) {
            f->used[i] = true;
            break;
        }
    return 0;
}

static int add_part(finder *f, weight_source *s, tensor_role role, size_t layer,
                    size_t n_rows, size_t n_in, size_t head_size, size_t n_rot)
{
    weight_part *p = &s->parts[s->n_parts];
    *p = (weight_part){.head_size = head_size, .n_rot = n_rot};
    TRY(find_tensor(f, role, layer, "weight", n_rows, n_in, true, &p->weight));
    TRY(find_tensor(f, role, layer, "bias", 0, n_rows, false, &p->bias));
    s->n_parts++;
    s->n_in = n_in;
    s->n_out += n_rows;
    return 0;
}

/* A whole vector, widened; new. */
static int widen_vector(finder *f, tensor_role role, size_t layer, size_t n,
                        bool required, float **out)
{
    const gguf_tensor *t;
    TRY(find_tensor(f, role, layer, "weight", 0, n, required, &t));
    if (t == NULL)
        return 0;
    float *v = array_new(n, sizeof(float));
    if (v == NULL)
        return error_memory(f->err, n * sizeof(float));
    tensor_row(t, 0, n, v);
    *out = v;
    return 0;
}

static int find_layer(finder *f, const model_shape *s, size_t l, layer_sources *out)
{
    size_t C = s->C, F = s->F, Q = s->H * s->D, K = s->Hkv * s->D;
    size_t pairs = f->arch->rotary == ROTARY_PAIRS ? s->D : 0;
    TRY(widen_vector(f, TENSOR_ATTENTION_NORM, l, C, true, &out->attention_norm));
    TRY(widen_vector(f, TENSOR_FEED_NORM, l, C, true, &out->feed_norm));
    TRY(add_part(f, &out->qkv, TENSOR_QUERY, l, Q, C, pairs, s->n_rot));
    TRY(add_part(f, &out->qkv, TENSOR_KEY, l, K, C, pairs, s->n_rot));
    TRY(add_part(f, &out->qkv, TENSOR_VALUE, l, K, C, 0, 0));
    TRY(add_part(f, &out->output, TENSOR_OUTPUT, l, C, Q, 0, 0));
    TRY(add_part(f, &out->gate_up, TENSOR_GATE, l, F, C, 0, 0));
    TRY(add_part(f, &out->gate_up, TENSOR_UP, l, F, C, 0, 0));
    out->gate_up.gated = true;
    return add_part(f, &out->down, TENSOR_DOWN, l, C, F, 0, 0);
}

static int find_ends(finder *f, weights *w)
{
    model_shape *s = &w->shape;
    char name[160];
    arch_tensor_name(f->arch, TENSOR_EMBEDDING, 0, "weight", name, sizeof(name));
    const gguf_tensor *t = gguf_tensor_find(f->file, name);
    if (t == NULL || t->n_dims != 2 || t->dims[1] == 0 || t->dims[1] > max_count)
        return error_set(f->err, E_FORMAT,
                         "the file has no two-dimensional tensor %s of a sane size",
                         name);
    s->V = t->dims[1];
    TRY(add_part(f, &w->embedding, TENSOR_EMBEDDING, 0, s->V, s->C, 0, 0));
    TRY(find_tensor(f, TENSOR_HEAD, 0, "weight", s->V, s->C, false, &t));
    w->tied_head = t == NULL;
    if (w->tied_head)
        w->head = w->embedding;
    else
        TRY(add_part(f, &w->head, TENSOR_HEAD, 0, s->V, s->C, 0, 0));
    TRY(widen_vector(f, TENSOR_FINAL_NORM, 0, s->C, true, &w->final_norm));
    TRY(widen_vector(f, TENSOR_ROPE_FACTORS, 0, s->n_rot / 2, false, &w->rope_factors));
    s->rope_factors = w->rope_factors;
    return 0;
}

/* A tensor that nothing asked for would silently change what the model computes. */
static int refuse_unused(finder *f)
{
    for (size_t i = 0; i < gguf_tensor_count(f->file); i++)
        if (!f->used[i])
            return error_set(f->err, E_UNSUPPORTED,
                             "the file has a tensor %s that the %s family does not use",
                             gguf_tensor_at(f->file, i)->name, f->arch->name);
    return 0;
}

static void count_parameters(weights *w, const gguf *g)
{
    uint64_t best = 0;
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        uint64_t same = 0;
        w->n_parameters += t->n_elements;
        for (size_t j = 0; j < gguf_tensor_count(g); j++)
            if (gguf_tensor_at(g, j)->type == t->type)
                same += gguf_tensor_at(g, j)->n_elements;
        if (same > best) {
            best = same;
            w->quantisation = format_of(t)->name;
        }
    }
}

/* How far back each layer looks. */
static int find_reach(finder *f, weights *w)
{
    size_t L = w->shape.L, *reach = array_new(L, sizeof(*reach));
    if (reach == NULL)
        return error_memory(f->err, L * sizeof(*reach));
    int rc = reach_find(f->file, f->arch, L, w->shape.window, reach, f->err);
    for (size_t l = 0; rc == 0 && l < L; l++)
        w->layers[l].reach = reach[l];
    free(reach);
    return rc;
}

static int find_all(finder *f, weights *w)
{
    TRY(get_shape(f, &w->shape));
    TRY(find_ends(f, w));
    /* Every layer has tensors: a count beyond the tensors is not worth an allocation. */
    if (w->shape.L > gguf_tensor_count(f->file))
        return error_set(f->err, E_FORMAT,
                         "%s.block_count is %zu, but the file has %zu tensors in all",
                         f->arch->name, w->shape.L, gguf_tensor_count(f->file));
    w->layers = array_new(w->shape.L, sizeof(*w->layers));
    if (w->layers == NULL)
        return error_memory(f->err, w->shape.L * sizeof(*w->layers));
    for (size_t l = 0; l < w->shape.L; l++)
        TRY(find_layer(f, &w->shape, l, &w->layers[l]));
    TRY(find_reach(f, w));
    TRY(refuse_unused(f));
    count_parameters(w, f->file);
    return 0;
}

int weights_find(weights *out, const gguf *g, error *err)
{
    const char *name = NULL;
    TRY(gguf_get_string(g, "general.architecture", &name, err));
    if (name == NULL)
        return error_set(err, E_FORMAT, "the file has no key general.architecture");
    finder f = {.file = g, .arch = arch_find(name), .err = err};
    if (f.arch == NULL)
        return error_set(err, E_UNSUPPORTED,
                         "architecture \"%s\" is not supported; these are: %s", name,
                         arch_names());
    f.used = array_new(gguf_tensor_count(g), sizeof(bool));
    if (f.used == NULL)
        return error_memory(err, gguf_tensor_count(g));
    weights w = {.arch = f.arch};
    int rc = find_all(&f, &w);
    free(f.used);
    if (rc < 0)
        weights_free(&w);
    else
        *out = w;
    return rc;
}

void weights_free(weights *w)
{
    for (size_t l = 0; w->layers != NULL && l < w->shape.L; l++) {
        free(w->layers[l].attention_norm);
        free(w->layers[l].feed_norm);
    }
    free(w->layers);
    free(w->final_norm);
    free(w->rope_factors);
    *w = (weights){0};
}

/* ---- Packed ---- */

static int pack_layer(packed_layer *out, const layer_sources *in, packed_weights *p,
                      error *err)
{
    const backend *b = p->backend;
    TRY(b->weight_new(&out->qkv, p->packer, &in->qkv, err));
    TRY(b->weight_new(&out->output, p->packer, &in->output, err));
    TRY(b->weight_new(&out->gate_up, p->packer, &in->gate_up, err));
    return b->weight_new(&out->down, p->packer, &in->down, err);
}

int packed_weights_new(packed_weights **out, const weights *w, const backend *b,
                       size_t n_threads, error *err)
{
    int rc = 0;
    packed_weights *p = array_new(1, sizeof(*p));
    if (p == NULL)
        return error_memory(err, sizeof(*p));
    p->backend = b;
    p->n_layers = w->shape.L;
    p->layers = array_new(w->shape.L, sizeof(*p->layers));
    if (p->layers == NULL)
        rc = error_memory(err, w->shape.L * sizeof(*p->layers));
    else
        rc = b->packer_new(&p->packer, n_threads, err);
    for (size_t l = 0; rc == 0 && l < w->shape.L; l++)
        rc = pack_layer(&p->layers[l], &w->layers[l], p, err);
    if (rc == 0)
        rc = b->weight_new(&p->head, p->packer, &w->head, err);
    if (rc < 0)
        packed_weights_free(p);
    else
        *out = p;
    return rc;
}

void packed_weights_free(packed_weights *p)
{
    if (p == NULL)
        return;
    for (size_t l = 0; p->layers != NULL && l < p->n_layers; l++) {
        p->backend->weight_free(p->layers[l].qkv);
        p->backend->weight_free(p->layers[l].output);
        p->backend->weight_free(p->layers[l].gate_up);
        p->backend->weight_free(p->layers[l].down);
    }
    p->backend->weight_free(p->head);
    p->backend->packer_free(p->packer);
    free(p->layers);
    free(p);
}

#include "prefix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

prefix_shape prefix_shape_of(const model_info *info)
{
    return (prefix_shape){.n_layers = info->n_layers,
                          .width = info->width,
                          .n_heads = info->n_heads,
                          .n_kv_heads = info->n_kv_heads,
                          .head_size = info->head_size};
}

const char *prefix_kind_name(prefix_kind kind)
{
    return kind == PREFIX_EMBEDDINGS ? "prompt" : "prefix";
}

size_t prefix_floats_per_token(const prefix *p)
{
    const prefix_shape *s = &p->shape;
    if (p->kind == PREFIX_EMBEDDINGS)
        return s->width;
    return s->n_layers * 2 * s->n_kv_heads * s->head_size;
}

/* ---- Life ---- */

static int copy_string(char **out, const char *s, error *err)
{
    *out = s ? string_copy(s) : NULL;
    return s && !*out ? error_memory(err, strlen(s) + 1) : 0;
}

static int fill(prefix *p, const model *m, const float *values, error *err)
{
    const char *hash;
    const model_info *info = model_describe(m);
    size_t floats;
    if (!size_mul(p->n, prefix_floats_per_token(p), &floats))
        return error_memory(err, SIZE_MAX);
    TRY(model_hash(m, &hash, err));
    memcpy(p->origin.model_hash, hash, SHA256_HEX);
    TRY(copy_string(&p->origin.base_model, info->name[0] ? info->name : info->path, err));
    p->values = array_new(floats, sizeof(float));
    if (!p->values)
        return error_memory(err, floats * sizeof(float));
    if (values)
        memcpy(p->values, values, floats * sizeof(float));
    return 0;
}

int prefix_new(prefix *out, const model *m, prefix_kind kind, size_t n,
               const float *values, error *err)
{
    prefix p = {.kind = kind,
                .n = n,
                .shape = prefix_shape_of(model_describe(m)),
                .origin.loss = (double)NAN};
    int rc = fill(&p, m, values, err);
    if (rc < 0)
        prefix_free(&p);
    else
        *out = p;
    return rc;
}

int prefix_values_of(const model *m, session *s, prefix_kind kind, const int32_t *ids,
                     size_t n_ids, size_t n, float *out, error *err)
{
    int32_t *all = array_new(n, sizeof *all);
    if (!all)
        return error_memory(err, n * sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = ids[i % n_ids];
    int rc = kind == PREFIX_EMBEDDINGS ? model_embeddings(m, all, n, out, err)
                                       : model_key_values(s, all, n, out, err);
    free(all);
    return rc;
}

int prefix_copy(prefix *out, const prefix *from, error *err)
{
    prefix p = *from;
    size_t n = p.n * prefix_floats_per_token(from);
    p.values = NULL;
    p.origin.base_model = p.origin.init = NULL;
    int rc = copy_string(&p.origin.base_model, from->origin.base_model, err);
    if (rc == 0)
        rc = copy_string(&p.origin.init, from->origin.init, err);
    if (rc == 0 && !(p.values = array_new(n, sizeof(float))))
        rc = error_memory(err, n * sizeof(float));
    if (rc < 0) {
        prefix_free(&p);
        return rc;
    }
    memcpy(p.values, from->values, n * sizeof(float));
    *out = p;
    return 0;
}

void prefix_free(prefix *p)
{
    free(p->values);
    free(p->origin.base_model);
    free(p->origin.init);
    *p = (prefix){0};
}

prefix_view prefix_view_of(const prefix *p)
{
    return (prefix_view){.kind = p->kind, .n = p->n, .values = p->values};
}

/* ---- The right model ---- */

static const char *name_of(const prefix *p)
{
    return p->origin.base_model ? p->origin.base_model : "a model that it does not name";
}

static int wrong_model(const prefix *p, const model_info *m, const char *what,
                       size_t theirs, size_t ours, error *err)
{
    return error_set(err, E_ARGUMENT,
                     "the prefix was made for %.200s, with %s %zu; %.200s has %zu",
                     name_of(p), what, theirs, m->name[0] ? m->name : m->path, ours);
}

int prefix_check_model(const prefix *p, const model *m, error *err)
{
    const model_info *info = model_describe(m);
    const prefix_shape *s = &p->shape;
    const struct {
        const char *what;
        size_t theirs, ours;
    } facts[] = {
        {"a width of", s->width, info->width},
        {"layers:", s->n_layers, info->n_layers},
        {"key-value heads:", s->n_kv_heads, info->n_kv_heads},
        {"a head size of", s->head_size, info->head_size},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].theirs != 0 && facts[i].theirs != facts[i].ours)
            return wrong_model(p, info, facts[i].what, facts[i].theirs, facts[i].ours,
                               err);
    const char *hash;
    if (p->origin.model_hash[0] == '\0')
        return 0;
    TRY(model_hash(m, &hash, err));
    if (strcmp(hash, p->origin.model_hash) != 0)
        return error_set(err, E_ARGUMENT,
                         "the prefix was made for %.200s, a file with SHA-256 %s; %.200s "
                         "has %s",
                         name_of(p), p->origin.model_hash,
                         info->name[0] ? info->name : info->path, hash);
    return 0;
}

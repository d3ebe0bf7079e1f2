/* An adapter's folder: its tensors read against its configuration, and both written. The
 * configuration's own reading is adapter_config.c. */
#include "adapter.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "../model/safetensors.h"
#include "reparam.h"

const char adapter_config_name[] = "adapter_config.json";
const char adapter_tensors_name[] = "adapter_model.safetensors";
static const char values_name[] = "prompt_embeddings";
enum { MOST_CONFIG_BYTES = 1 << 20, PATH_BYTES = 4096 };

static int join(char out[PATH_BYTES], const char *folder, const char *file, error *err)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", folder, file);
    if (n < 0 || n >= PATH_BYTES)
        return error_set(err, E_ARGUMENT, "the path %.100s… is too long", folder);
    return 0;
}

/* ---- Reading ---- */

/* A file on its way to a prefix. */
typedef struct reader {
    const char *path; /* of the tensors */
    const adapter_config *config;
    const safetensors *file;
} reader;

/* What a virtual token has: C of it, or L * 2 * Hkv * D. */
static int token_floats(const reader *r, size_t *out, error *err)
{
    const adapter_config *c = r->config;
    size_t n = c->token_dim;
    if (c->kind == PREFIX_KEY_VALUES &&
        (!size_mul(c->n_layers, 2, &n) || !size_mul(n, c->token_dim, &n)))
        return error_memory(err, SIZE_MAX);
    *out = n;
    return 0;
}

/* "3 x 32", "6", "a scalar". */
static const char *shape_text(const size_t *dims, size_t n, char out[64])
{
    if (n == 0)
        snprintf(out, 64, "a scalar");
    else if (n > 2)
        snprintf(out, 64, "%zu dimensions", n);
    else
        snprintf(out, 64, n == 2 ? "%zu x %zu" : "%zu", dims[0], dims[n - 1]);
    return out;
}

/* The tensor `name`, rows x columns (columns 0: any; rows 0: one dimension). */
static int find(const reader *r, const char *name, size_t rows, size_t columns,
                const safetensor **out, error *err)
{
    const safetensor *t = safetensors_find(r->file, name);
    if (!t)
        return error_set(err, E_FORMAT, "%.300s has no tensor \"%s\"", r->path, name);
    size_t n_dims = rows > 0 ? 2 : 1, wanted[2] = {rows > 0 ? rows : columns, columns};
    char has[64], wants[64];
    if (n_dims == t->n_dims && columns == 0)
        wanted[n_dims - 1] = t->dims[n_dims - 1];
    if (t->n_dims != n_dims || memcmp(t->dims, wanted, n_dims * sizeof *wanted) != 0)
        return error_set(err, E_FORMAT, "%.300s: tensor \"%s\" is %s; %s wants %s%s",
                         r->path, name, shape_text(t->dims, t->n_dims, has),
                         adapter_config_name, shape_text(wanted, n_dims, wants),
                         columns == 0 ? " or wider" : "");
    *out = t;
    return 0;
}

static int widen(const reader *r, const safetensor *t, float *out, error *err)
{
    int rc = safetensor_to_f32(t, out, err);
    if (rc < 0)
        return error_prefix(err, "%.300s", r->path);
    for (size_t i = 0; i < safetensor_elements(t); i++)
        if (!isfinite(out[i]))
            return error_set(err, E_NUMERIC,
                             "%.300s: tensor \"%s\" holds %g at %zu: no number", r->path,
                             t->name, (double)out[i], i);
    return 0;
}

/* Values as they are, (n, floats). A prompt's width is the tensor's own where the
 * configuration does not say. */
static int read_plain(const reader *r, prefix *p, size_t floats, error *err)
{
    const safetensor *t;
    TRY(find(r, values_name, r->config->n, floats, &t, err));
    floats = t->dims[1];
    if (p->kind == PREFIX_EMBEDDINGS)
        p->shape.width = floats;
    if (floats == 0)
        return error_set(err, E_FORMAT, "%.300s: tensor \"%s\" is empty", r->path,
                         values_name);
    p->values = array_new(r->config->n, floats * sizeof(float));
    if (!p->values)
        return error_memory(err, r->config->n * floats * sizeof(float));
    return widen(r, t, p->values, err);
}

/* The MLP's parts into one flat array, as reparam.h lays it out; NULL: only see that they
 * are there, before memory is taken for what a configuration claims. */
static int read_mlp(const reader *r, const reparam *m, const reparam_parts *parts,
                    float *flat, error *err)
{
    const struct {
        const char *name;
        size_t rows, columns, at;
    } tensors[] = {
        {"embedding.weight", m->n, m->n_inputs, parts->inputs},
        {"transform.0.weight", m->n_hidden, m->n_inputs, parts->weight1},
        {"transform.0.bias", 0, m->n_hidden, parts->bias1},
        {"transform.2.weight", m->width, m->n_hidden, parts->weight2},
        {"transform.2.bias", 0, m->width, parts->bias2},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        const safetensor *t;
        TRY(find(r, tensors[i].name, tensors[i].rows, tensors[i].columns, &t, err));
        if (flat)
            TRY(widen(r, t, flat + tensors[i].at, err));
    }
    return 0;
}

/* Finite parts may still overflow. */
static int check_folded(const reader *r, const prefix *p, size_t floats, error *err)
{
    for (size_t i = 0; i < p->n * floats; i++)
        if (!isfinite(p->values[i]))
            return error_set(err, E_NUMERIC,
                             "%.300s: its MLP makes %g of virtual token %zu: no number",
                             r->path, (double)p->values[i], i / floats);
    return 0;
}

/* A prefix that still has its MLP, and no values of its own. */
static int read_projected(const reader *r, prefix *p, size_t floats, error *err)
{
    const adapter_config *c = r->config;
    reparam m = {c->n, c->token_dim, c->n_hidden, floats};
    reparam_parts parts;
    TRY(reparam_layout(&m, &parts, err));
    TRY(read_mlp(r, &m, &parts, NULL, err));
    float *flat = array_new(parts.count, sizeof *flat);
    float *hidden = array_new(m.n, m.n_hidden * sizeof *hidden);
    p->values = array_new(m.n, floats * sizeof *p->values);
    int rc = flat && hidden && p->values ? read_mlp(r, &m, &parts, flat, err)
                                         : error_memory(err, parts.count * sizeof *flat);
    if (rc == 0) {
        reparam_forward(&m, flat, hidden, p->values);
        rc = check_folded(r, p, floats, err);
    }
    free(flat);
    free(hidden);
    return rc;
}

/* Ours says which file the model was, and how far the training had come. */
static int read_origin(const reader *r, prefix *p, error *err)
{
    const char *hash = safetensors_metadata(r->file, "lamarck.model_sha256");
    const char *init = safetensors_metadata(r->file, "lamarck.init");
    const char *step = safetensors_metadata(r->file, "lamarck.step");
    const char *loss = safetensors_metadata(r->file, "lamarck.loss");
    p->origin.loss = (double)NAN;
    if (hash && strlen(hash) == SHA256_HEX - 1)
        memcpy(p->origin.model_hash, hash, SHA256_HEX);
    if (step)
        p->origin.step = strtoull(step, NULL, 10);
    if (loss)
        (void)sscanf(loss, "%la", &p->origin.loss);
    if (r->config->base_model &&
        !(p->origin.base_model = string_copy(r->config->base_model)))
        return error_memory(err, strlen(r->config->base_model) + 1);
    if (init && !(p->origin.init = string_copy(init)))
        return error_memory(err, strlen(init) + 1);
    return 0;
}

static int read_prefix(const reader *r, prefix *p, error *err)
{
    const adapter_config *c = r->config;
    size_t floats = 0;
    bool kv = c->kind == PREFIX_KEY_VALUES;
    TRY(token_floats(r, &floats, err));
    p->kind = c->kind;
    p->n = c->n;
    p->shape.n_layers = c->n_layers;
    if (kv) {
        p->shape.n_kv_heads = c->n_heads;
        p->shape.head_size = c->token_dim / c->n_heads;
    } else
        p->shape.n_heads = c->n_heads;
    bool folded = safetensors_find(r->file, values_name) != NULL;
    if (c->projected && !folded)
        TRY(read_projected(r, p, floats, err));
    else
        TRY(read_plain(r, p, floats, err));
    return read_origin(r, p, err);
}

static int read_config(const char *folder, adapter_config *out, error *err)
{
    char path[PATH_BYTES];
    char *bytes;
    size_t n;
    TRY(join(path, folder, adapter_config_name, err));
    TRY(file_read(path, MOST_CONFIG_BYTES, &bytes, &n, err));
    int rc = adapter_config_parse(out, bytes, n, path, err);
    free(bytes);
    return rc;
}

int adapter_read(prefix *out, const char *folder, error *err)
{
    char path[PATH_BYTES];
    adapter_config c = {0};
    safetensors *file = NULL;
    prefix p = {0};
    TRY(join(path, folder, adapter_tensors_name, err));
    TRY(read_config(folder, &c, err));
    int rc = safetensors_open(&file, path, err);
    reader r = {path, &c, file};
    if (rc == 0)
        rc = read_prefix(&r, &p, err);
    safetensors_close(file);
    adapter_config_free(&c);
    if (rc < 0)
        prefix_free(&p);
    else
        *out = p;
    return rc;
}

/* ---- Writing ---- */

/* What PEFT wants to find. Nothing of ours: a key that it does not know makes it warn. */
static json_t *config_json(const prefix *p)
{
    const prefix_shape *s = &p->shape;
    bool kv = p->kind == PREFIX_KEY_VALUES;
    size_t dim = kv ? s->n_kv_heads * s->head_size : s->width;
    json_t *o =
        json_pack("{s:s, s:s, s:s?, s:b, s:I, s:I, s:I, s:I, s:i, s:n, s:n}", "peft_type",
                  kv ? "PREFIX_TUNING" : "PROMPT_TUNING", "task_type", "CAUSAL_LM",
                  "base_model_name_or_path", p->origin.base_model, "inference_mode", 1,
                  "num_virtual_tokens", (json_int_t)p->n, "token_dim", (json_int_t)dim,
                  "num_attention_heads", (json_int_t)(kv ? s->n_kv_heads : s->n_heads),
                  "num_layers", (json_int_t)s->n_layers, "num_transformer_submodules", 1,
                  "revision", "auto_mapping");
    if (!o)
        return NULL;
    json_t *rest = kv ? json_pack("{s:I, s:b}", "encoder_hidden_size", (json_int_t)dim,
                                  "prefix_projection", 0)
                      : json_pack("{s:s, s:n, s:n}", "prompt_tuning_init", "RANDOM",
                                  "prompt_tuning_init_text", "tokenizer_name_or_path");
    if (!rest || json_object_update(o, rest) < 0) {
        json_decref(rest);
        json_decref(o);
        return NULL;
    }
    json_decref(rest);
    return o;
}

static int write_config(const prefix *p, const char *folder, error *err)
{
    char path[PATH_BYTES];
    TRY(join(path, folder, adapter_config_name, err));
    json_t *o = config_json(p);
    char *s = o ? json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(o);
    if (!s)
        return error_set(err, E_MEMORY, "out of memory while an adapter was written");
    int rc = file_write(path, s, strlen(s), err);
    free(s);
    return rc;
}

static int write_tensors(const prefix *p, const char *folder, error *err)
{
    char path[PATH_BYTES], step[24], loss[40];
    safetensor t = {.name = values_name,
                    .type = SAFETENSOR_F32,
                    .n_dims = 2,
                    .dims = {p->n, prefix_floats_per_token(p)},
                    .bytes = p->values};
    safetensors_note notes[6] = {{"format", "pt"},
                                 {"lamarck.method", prefix_kind_name(p->kind)},
                                 {"lamarck.step", step},
                                 {"lamarck.loss", loss}};
    size_t n = 4;
    snprintf(step, sizeof step, "%llu", (unsigned long long)p->origin.step);
    snprintf(loss, sizeof loss, "%a", p->origin.loss);
    if (p->origin.model_hash[0])
        notes[n++] = (safetensors_note){"lamarck.model_sha256", p->origin.model_hash};
    if (p->origin.init)
        notes[n++] = (safetensors_note){"lamarck.init", p->origin.init};
    TRY(join(path, folder, adapter_tensors_name, err));
    return safetensors_write(path, &t, 1, notes, n, err);
}

int adapter_write(const prefix *p, const char *folder, error *err)
{
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return error_set(err, E_IO, "cannot make the folder %.300s: %s", folder,
                         strerror(errno));
    TRY(write_tensors(p, folder, err));
    return write_config(p, folder, err);
}

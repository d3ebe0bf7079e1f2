/* A model: the mapped file, where its matrices are, its tokenizer, and what is made from
 * it once and shared: packed weights per backend, the hash. */
#include "model.h"

#include "gguf.h"
#include "model_parts.h"
#include "tokenizer_gguf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BACKENDS = 4 };

/* Made on demand, under the lock; a const model points here. */
typedef struct model_lazy {
    pthread_mutex_t lock;
    packed_weights *packed[MAX_BACKENDS]; /* NULL from the first free place on */
    char hash[SHA256_HEX];                /* "" until asked for */
} model_lazy;

struct model {
    gguf *file;
    weights weights;
    tokenizer *tokenizer;
    char *path;
    model_info info;
    model_lazy *lazy;
};

static int lazy_new(model_lazy **out, error *err)
{
    model_lazy *lazy = array_new(1, sizeof(*lazy));
    if (lazy == NULL)
        return error_memory(err, sizeof(*lazy));
    if (pthread_mutex_init(&lazy->lock, NULL) != 0) {
        free(lazy);
        return error_set(err, E_MEMORY, "no mutex for the model");
    }
    *out = lazy;
    return 0;
}

static int fill_info(model *m, error *err)
{
    const model_shape *s = &m->weights.shape;
    const char *name = "";
    TRY(gguf_get_string(m->file, "general.name", &name, err));
    m->info = (model_info){
        .path = m->path,
        .name = name,
        .family = m->weights.arch->name,
        .quantisation = m->weights.quantisation,
        .n_layers = s->L,
        .width = s->C,
        .n_heads = s->H,
        .n_kv_heads = s->Hkv,
        .head_size = s->D,
        .n_feed_forward = s->F,
        .n_vocabulary = s->V,
        .window = s->window,
        .tied_head = m->weights.tied_head,
        .n_parameters = m->weights.n_parameters,
        .file_bytes = gguf_file_bytes(m->file),
        .weight_bytes_f32 = m->weights.n_parameters * sizeof(float),
    };
    for (size_t l = 0; l < s->L; l++) {
        size_t reach = m->weights.layers[l].reach;
        m->info.n_limited += reach > 0;
        m->info.reach = reach > 0 ? reach : m->info.reach;
    }
    size_t known = tokenizer_describe(m->tokenizer)->n_vocabulary;
    if (known > s->V)
        return error_set(err, E_FORMAT,
                         "the tokenizer has %zu tokens, the embedding only %zu", known,
                         s->V);
    return 0;
}

int model_open(model **out, const char *path, error *err)
{
    int rc;
    model *m = array_new(1, sizeof(*m));
    if (m == NULL)
        return error_memory(err, sizeof(*m));
    m->path = string_copy(path);
    if (m->path == NULL)
        TRY_OUT(rc, error_memory(err, strlen(path)));
    TRY_OUT(rc, lazy_new(&m->lazy, err));
    TRY_OUT(rc, gguf_open(&m->file, path, err));
    rc = weights_find(&m->weights, m->file, err);
    if (rc == 0)
        rc = tokenizer_from_gguf(&m->tokenizer, m->file, err);
    if (rc == 0)
        rc = fill_info(m, err);
    if (rc < 0)
        error_prefix(err, "%s", path);
out:
    if (rc < 0)
        model_close(m);
    else
        *out = m;
    return rc;
}

void model_close(model *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->lazy != NULL && i < MAX_BACKENDS; i++)
        packed_weights_free(m->lazy->packed[i]);
    if (m->lazy != NULL)
        pthread_mutex_destroy(&m->lazy->lock);
    free(m->lazy);
    tokenizer_free(m->tokenizer);
    weights_free(&m->weights);
    gguf_close(m->file);
    free(m->path);
    free(m);
}

const model_info *model_describe(const model *m)
{
    return &m->info;
}

const tokenizer *model_tokenizer(const model *m)
{
    return m->tokenizer;
}

const weights *model_weights(const model *m)
{
    return &m->weights;
}

int model_hash(const model *m, const char **hex, error *err)
{
    model_lazy *lazy = m->lazy;
    int rc = 0;
    pthread_mutex_lock(&lazy->lock);
    if (lazy->hash[0] == '\0')
        rc = sha256_hex(gguf_file_data(m->file), (size_t)gguf_file_bytes(m->file),
                        lazy->hash, err);
    if (rc < 0)
        lazy->hash[0] = '\0';
    else
        *hex = lazy->hash;
    pthread_mutex_unlock(&lazy->lock);
    return rc;
}

static int find_or_pack(const model *m, const backend *b, size_t n_threads,
                        const packed_weights **out, error *err)
{
    size_t i = 0;
    packed_weights **packed = m->lazy->packed;
    while (i < MAX_BACKENDS && packed[i] != NULL && packed[i]->backend != b)
        i++;
    if (i == MAX_BACKENDS)
        return error_set(err, E_LIMIT, "more than %d backends for one model",
                         MAX_BACKENDS);
    if (packed[i] == NULL)
        TRY(packed_weights_new(&packed[i], &m->weights, b, n_threads, err));
    *out = packed[i];
    return 0;
}

int model_packed(const model *m, const backend *b, size_t n_threads,
                 const packed_weights **out, error *err)
{
    pthread_mutex_lock(&m->lazy->lock);
    int rc = find_or_pack(m, b, n_threads, out, err);
    pthread_mutex_unlock(&m->lazy->lock);
    return rc;
}

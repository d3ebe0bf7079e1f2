/* Opening and closing sessions: threads, memory budget, buffers, blocks of keys and
 * values. */
#include "model.h"

#include "resident.h"
#include "session_parts.h"

#include <sched.h>
#include <stdlib.h>

enum {
    /* Tokens of one walk: enough rows that weights stream past once for many of them;
     * few enough that activations of small models stay in the last-level cache. */
    CHUNK_TOKENS = 1024,
    MIN_CHUNK_TOKENS = 4,
    LOGIT_ROWS = 128,
};
static const uint64_t default_memory = 512ull << 20;

static size_t threads_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (size_t)n : 1;
}

/* Activation bytes of one token of a walk. */
static uint64_t token_bytes(const model_shape *m)
{
    uint64_t floats = 2 * m->C + (2 * m->H + 2 * m->Hkv) * m->D + m->F;
    return floats * sizeof(float) + sizeof(int32_t) + 4 * sizeof(size_t);
}

/* A quarter of the budget at most for activations, an eighth for logits, the rest for
 * keys and values. */
static int share_memory(session *s, error *err)
{
    const model_shape *m = &s->weights->shape;
    uint64_t budget = s->options.memory_bytes, each = token_bytes(m);
    uint64_t logit_bytes = m->V * sizeof(float);
    uint64_t chunk = budget / 4 / each, rows = budget / 8 / logit_bytes;
    s->max_chunk = chunk < CHUNK_TOKENS ? (size_t)chunk : CHUNK_TOKENS;
    s->max_logits = rows < LOGIT_ROWS ? (size_t)rows : LOGIT_ROWS;
    if (s->max_chunk < MIN_CHUNK_TOKENS || s->max_logits == 0) {
        uint64_t least = 4 * MIN_CHUNK_TOKENS * each;
        if (least < 8 * logit_bytes)
            least = 8 * logit_bytes;
        return error_set(err, E_MEMORY,
                         "a session of %llu bytes is too small for this model: it needs "
                         "at least %llu",
                         (unsigned long long)budget, (unsigned long long)least);
    }
    s->kv_limit = budget - s->max_chunk * each - s->max_logits * logit_bytes;
    return 0;
}

/* All float buffers in one mapping. */
static int map_buffers(session *s, error *err)
{
    const model_shape *m = &s->weights->shape;
    size_t T = s->max_chunk, n = 0;
    const struct {
        float **at;
        size_t n;
    } parts[] = {
        {&s->x, T * m->C},
        {&s->normed, T * m->C},
        {&s->qkv, T * (m->H + 2 * m->Hkv) * m->D},
        {&s->heads, T * m->H * m->D},
        {&s->hidden, T * m->F},
        {&s->logits, s->max_logits * m->V},
    };
    enum { N_PARTS = sizeof(parts) / sizeof(*parts) };
    for (size_t i = 0; i < N_PARTS; i++)
        n += parts[i].n + KERNEL_LANES;
    TRY(pages_map(&s->buffers, n, 1, err));
    n = 0;
    for (size_t i = 0; i < N_PARTS; i++) {
        *parts[i].at = s->buffers.floats + n;
        n += (parts[i].n + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
    }
    return 0;
}

static int make_buffers(session *s, error *err)
{
    size_t T = s->max_chunk;
    TRY(map_buffers(s, err));
    s->ids = array_new(T, sizeof(*s->ids));
    s->positions = array_new(T, sizeof(*s->positions));
    s->stats = array_new(s->max_logits, sizeof(*s->stats));
    if (s->ids == NULL || s->positions == NULL || s->stats == NULL)
        return error_memory(err, T * sizeof(*s->positions));
    return 0;
}

static int open_parts(session *s, error *err)
{
    size_t n_threads = s->options.n_threads;
    TRY(share_memory(s, err));
    TRY(model_packed(s->model, s->backend, n_threads, &s->packed, err));
    TRY(s->backend->context_new(&s->context, &s->weights->shape, n_threads, err));
    TRY(make_buffers(s, err));
    return s->backend->describe(s->context, s->packed->packer, &s->description, err);
}

int session_open(session **out, const model *m, const session_options *options,
                 error *err)
{
    session_options o = options != NULL ? *options : (session_options){0};
    const char *name = o.backend != NULL ? o.backend : "cpu";
    const backend *b = backend_find(name);
    if (b == NULL)
        return error_set(err, E_UNSUPPORTED, "no backend \"%s\"; these are: %s", name,
                         backend_list());
    if (o.n_threads == 0)
        o.n_threads = threads_allowed();
    if (o.n_threads > CPU_SETSIZE)
        return error_set(err, E_ARGUMENT, "%zu threads: at most %d", o.n_threads,
                         CPU_SETSIZE);
    if (o.memory_bytes == 0)
        o.memory_bytes = default_memory;
    o.backend = b->name;
    session *s = array_new(1, sizeof(*s));
    if (s == NULL)
        return error_memory(err, sizeof(*s));
    s->model = m;
    s->weights = model_weights(m);
    s->backend = b;
    s->options = o;
    int rc = open_parts(s, err);
    if (rc < 0)
        session_close(s);
    else
        *out = s;
    return rc;
}

void session_close(session *s)
{
    if (s == NULL)
        return;
    s->backend->context_free(s->context);
    resident_drop_all(s);
    session_prefix_drop(s);
    kv_drop_spare(s);
    pages_unmap(&s->buffers);
    void *owned[] = {s->ids,   s->positions, s->stats,          s->cosine,
                     s->sine,  s->targets,   s->run_starts,     s->block_spans,
                     s->spans, s->residents, s->embedding_norms};
    for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
        free(owned[i]);
    text_free(&s->description);
    free(s);
}

const model *session_model(const session *s)
{
    return s->model;
}

const char *session_describe(const session *s)
{
    return text_string(&s->description);
}

session_counters session_spent(const session *s)
{
    return s->counters;
}

void session_set_interrupt(session *s, const volatile int *flag)
{
    s->interrupt = flag;
}

int session_check_interrupt(const session *s, error *err)
{
    if (s->interrupt != NULL && *s->interrupt != 0)
        return error_set(err, E_INTERRUPTED, "interrupted");
    return 0;
}

/* Blocks of keys and values, and the session's account of them.
 *
 * Blocks come and go with every walk, in few sizes: those given back are kept for the
 * next of the same size as long as the budget allows, since fresh memory must be cleared
 * by the system page by page. */
#include "session_parts.h"

#include "resident.h"

#include <stdlib.h>

enum { CACHE_LINE = 64 };

static size_t rounded(size_t capacity)
{
    return (capacity + KV_STEP - 1) / KV_STEP * KV_STEP;
}

uint64_t kv_block_bytes(const session *s, size_t capacity)
{
    const model_shape *m = &s->weights->shape;
    uint64_t floats = (uint64_t)m->L * s->backend->kv_floats(m, rounded(capacity));
    return (floats * sizeof(float) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

int session_charge(session *s, uint64_t bytes, const char *what, error *err)
{
    if (!resident_make_room(s, bytes))
        return error_set(
            err, E_MEMORY, "%s take %llu bytes; %llu of the session's %llu are left",
            what, (unsigned long long)bytes,
            (unsigned long long)(s->kv_limit - s->kv_bytes - s->resident_bytes),
            (unsigned long long)s->options.memory_bytes);
    if (bytes + s->spare_bytes > s->kv_limit - s->kv_bytes - s->resident_bytes)
        kv_drop_spare(s);
    s->kv_bytes += bytes;
    return 0;
}

void session_discharge(session *s, uint64_t bytes)
{
    s->kv_bytes -= bytes;
}

static void block_release(kv_block *b)
{
    free(b->data);
    free(b);
}

void kv_drop_spare(session *s)
{
    for (size_t i = 0; i < KV_SIZES; i++)
        while (s->spare[i] != NULL) {
            kv_block *b = s->spare[i];
            s->spare[i] = b->parent;
            block_release(b);
        }
    pages_unmap(&s->arena);
    s->spare_bytes = 0;
}

static kv_block *take_spare(session *s, size_t capacity, uint64_t bytes)
{
    kv_block **list = &s->spare[capacity / KV_STEP % KV_SIZES];
    for (; *list != NULL; list = &(*list)->parent)
        if ((*list)->capacity == capacity) {
            kv_block *b = *list;
            *list = b->parent;
            s->spare_bytes -= bytes;
            return b;
        }
    return NULL;
}

static kv_block *block_make(const session *s, size_t capacity, uint64_t bytes)
{
    kv_block *b = array_new(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->capacity = capacity;
    b->layer_floats = s->backend->kv_floats(&s->weights->shape, capacity);
    b->data = aligned_alloc(CACHE_LINE, (size_t)bytes);
    if (b->data == NULL) {
        free(b);
        return NULL;
    }
    return b;
}

int kv_block_new(session *s, kv_block **out, kv_block *parent, size_t first,
                 size_t capacity, error *err)
{
    uint64_t bytes = kv_block_bytes(s, capacity);
    bool fits = resident_make_room(s, bytes);
    uint64_t left = s->kv_limit - s->kv_bytes - s->resident_bytes;
    if (!fits)
        return error_set(err, E_MEMORY,
                         "keys and values of %zu tokens after position %zu take %llu "
                         "bytes; %llu of the session's %llu are left",
                         capacity, first, (unsigned long long)bytes,
                         (unsigned long long)left,
                         (unsigned long long)s->options.memory_bytes);
    kv_block *b = take_spare(s, rounded(capacity), bytes);
    if (b == NULL) {
        if (bytes + s->spare_bytes > left)
            kv_drop_spare(s);
        b = block_make(s, rounded(capacity), bytes);
    }
    if (b == NULL)
        return error_memory(err, (size_t)bytes);
    b->parent = parent;
    b->first = first;
    b->n = 0;
    b->epoch = 0;
    b->lender = NULL;
    b->lent = 0;
    s->kv_bytes += bytes;
    *out = b;
    return 0;
}

void kv_block_free(session *s, kv_block *b)
{
    if (b == NULL)
        return;
    if (b->lender != NULL) {
        free(b);
        return;
    }
    uint64_t bytes = kv_block_bytes(s, b->capacity);
    kv_block **list = &s->spare[b->capacity / KV_STEP % KV_SIZES];
    s->kv_bytes -= bytes;
    s->spare_bytes += bytes;
    b->parent = *list;
    *list = b;
}

int kv_arena_take(session *s, pages *out, size_t n_floats, error *err)
{
    pages a = s->arena;
    s->arena = (pages){0};
    s->spare_bytes -= a.bytes;
    int rc = session_charge(s, (uint64_t)n_floats * sizeof(float),
                            "activations for gradients", err);
    if (rc == 0 && (rc = pages_resize(&a, n_floats, err)) < 0)
        session_discharge(s, (uint64_t)n_floats * sizeof(float));
    if (rc == 0)
        *out = a;
    else
        pages_unmap(&a);
    return rc;
}

void kv_arena_give(session *s, pages *a)
{
    if (a->floats == NULL)
        return;
    session_discharge(s, a->bytes);
    s->spare_bytes += a->bytes;
    s->arena = *a;
    *a = (pages){0};
}

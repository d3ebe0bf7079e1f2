/* Laying out a pass: positions, who attends to whom, and the arena. */
#include "gradient_pass.h"

#include "resident.h"

#include <stdlib.h>
#include <string.h>

/* ---- Positions ---- */

static int make_lists(gradient_pass *p, size_t N, error *err)
{
    size_t n = p->n_runs;
    p->blocks = array_new(n, sizeof(*p->blocks));
    p->runs = array_new(n, sizeof(*p->runs));
    p->starts = array_new(n + 1, sizeof(*p->starts));
    p->targets = array_new(n, sizeof(*p->targets));
    p->wanted = array_new(p->plan.n_wants, sizeof(*p->wanted));
    p->first_want = array_new(p->plan.n_wants + 1, sizeof(*p->first_want));
    p->layers = array_new(p->s->weights->shape.L, sizeof(*p->layers));
    p->all.positions = array_new(N, sizeof(*p->all.positions));
    p->last.positions = array_new(p->plan.n_wants, sizeof(*p->last.positions));
    if (p->blocks == NULL || p->runs == NULL || p->starts == NULL || p->targets == NULL ||
        p->wanted == NULL || p->first_want == NULL || p->layers == NULL ||
        p->all.positions == NULL || p->last.positions == NULL)
        return error_memory(err, N * sizeof(*p->all.positions));
    return 0;
}

static void add_run(gradient_pass *p, size_t r, kv_block *parent, size_t first,
                    forward_run run)
{
    const session *s = p->s;
    kv_block *b = &p->blocks[r];
    *b = (kv_block){.parent = parent,
                    .first = first,
                    .n = run.n,
                    .capacity = (run.n + KV_STEP - 1) / KV_STEP * KV_STEP};
    b->layer_floats = s->backend->kv_floats(&s->weights->shape, b->capacity);
    run.block = b;
    p->runs[r] = run;
    p->targets[r] = (kv_target){.capacity = b->capacity, .m = run.n};
    p->starts[r + 1] = p->starts[r] + run.n;
    for (size_t i = 0; i < run.n; i++)
        p->all.positions[p->starts[r] + i] = first + i;
}

/* An embedded prefix is the root of all; keys and values are already in a block. */
static void add_runs(gradient_pass *p)
{
    const session_prefix *prefix = &p->s->prefix;
    size_t before = p->n_embedded > 0;
    kv_block *root = prefix->n == 0 ? NULL : before ? &p->blocks[0] : prefix->block;
    if (before)
        add_run(p, 0, NULL, 0, (forward_run){.n = prefix->n, .x = prefix->values});
    for (size_t i = 0; i < p->plan.n_segments; i++) {
        const plan_segment *seg = &p->plan.segments[i];
        kv_block *parent =
            seg->parent == plan_none ? root : &p->blocks[before + seg->parent];
        add_run(p, before + i, parent, prefix->n + seg->start,
                (forward_run){.tokens = seg->tokens, .n = seg->n});
    }
}

static void find_wanted(gradient_pass *p)
{
    size_t before = p->n_embedded > 0;
    for (size_t i = 0; i < p->plan.n_wants; i++) {
        const plan_want *want = &p->plan.wants[i];
        size_t at = p->starts[before + want->segment] + want->offset;
        if (p->n_wanted > 0 && p->wanted[p->n_wanted - 1] == at)
            continue;
        p->last.positions[p->n_wanted] = p->all.positions[at];
        p->wanted[p->n_wanted] = at;
        p->first_want[p->n_wanted++] = i;
    }
    p->first_want[p->n_wanted] = p->plan.n_wants;
}

/* ---- Spans ---- */

static int make_spans(gradient_pass *p, query_set *set, const size_t *starts, error *err)
{
    session *s = p->s;
    set->m = starts[p->n_runs];
    TRY(forward_spans(s, p->runs, p->n_runs, starts, err));
    set->spans = array_new(s->n_spans, sizeof(*set->spans));
    if (set->spans == NULL)
        return error_memory(err, s->n_spans * sizeof(*set->spans));
    set->n_spans = s->n_spans;
    memcpy(set->spans, s->block_spans, s->n_spans * sizeof(*set->spans));
    return 0;
}

static int make_all_spans(gradient_pass *p, error *err)
{
    size_t *starts = array_new(p->n_runs + 1, sizeof(*starts)), w = 0;
    if (starts == NULL)
        return error_memory(err, (p->n_runs + 1) * sizeof(*starts));
    for (size_t r = 0; r <= p->n_runs; r++) {
        while (w < p->n_wanted && p->wanted[w] < p->starts[r])
            w++;
        starts[r] = w;
    }
    int rc = make_spans(p, &p->last, starts, err);
    free(starts);
    TRY(rc);
    TRY(make_spans(p, &p->all, p->starts, err));
    size_t n = p->all.n_spans > p->last.n_spans ? p->all.n_spans : p->last.n_spans;
    p->spans = array_new(n, sizeof(*p->spans));
    return p->spans == NULL ? error_memory(err, n * sizeof(*p->spans)) : 0;
}

static int lay_positions(gradient_pass *p, error *err)
{
    size_t longest = 0;
    TRY(make_lists(p, p->n_positions, err));
    add_runs(p);
    find_wanted(p);
    TRY(make_all_spans(p, err));
    for (size_t i = 0; i < p->n_positions; i++)
        if (p->all.positions[i] >= longest)
            longest = p->all.positions[i] + 1;
    return forward_angles(p->s, longest, err);
}

int pass_plan(gradient_pass *p, session *s, const plan_row *rows, size_t n, bool separate,
              error *err)
{
    static const plan_cuts uncut = {.max_segment = SIZE_MAX};
    *p = (gradient_pass){.s = s};
    if (s->prefix.n > 0 && s->prefix.kind == PREFIX_EMBEDDINGS)
        p->n_embedded = s->prefix.n;
    else
        p->n_prefix_kv = s->prefix.n;
    int rc = separate ? plan_make_separate(&p->plan, rows, n, err)
                      : plan_make(&p->plan, rows, n, uncut, err);
    p->n_positions = p->n_embedded + p->plan.n_positions;
    p->n_runs = (p->n_embedded > 0) + p->plan.n_segments;
    if (rc == 0)
        rc = lay_positions(p, err);
    if (rc < 0)
        pass_close(p);
    return rc;
}

/* ---- The arena ---- */

/* Takes arrays from `base` on, or only counts while that is NULL. */
typedef struct layout {
    float *base;
    size_t n;
} layout;

static float *take(layout *at, size_t n)
{
    float *taken = at->base == NULL ? NULL : at->base + at->n;
    at->n += (n + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
    return taken;
}

static void lay_attention(layout *at, const model_shape *m, size_t n, layer_store *out)
{
    out->q = take(at, n * m->H * m->D);
    out->heads = take(at, n * m->H * m->D);
    out->mid = take(at, n * m->C);
}

static void lay_layers(gradient_pass *p, layout *at, size_t n_kept)
{
    const model_shape *m = &p->s->weights->shape;
    size_t rows = p->n_positions < p->s->max_chunk ? p->n_positions : p->s->max_chunk;
    layer_store shared = {0};
    p->both = NULL;
    if (n_kept < m->L) {
        lay_attention(at, m, p->n_positions, &shared);
        p->both = take(at, rows * 2 * m->F);
    }
    for (size_t l = 0; l < m->L; l++) {
        size_t n = l + 1 < m->L ? p->n_positions : p->n_wanted;
        p->layers[l] = shared;
        p->layers[l].x = take(at, p->n_positions * m->C);
        if (l + n_kept < m->L)
            continue;
        lay_attention(at, m, n, &p->layers[l]);
        p->layers[l].both = take(at, n * 2 * m->F);
    }
}

/* Every array in its place; returns the floats they take. */
static size_t lay_arena(gradient_pass *p, float *base, size_t n_kept)
{
    const model_shape *m = &p->s->weights->shape;
    size_t N = p->n_positions, Q = m->H * m->D, K = m->Hkv * m->D;
    layout at = {.base = base};
    p->n_kept = n_kept;
    p->qkv = take(&at, N * (Q + 2 * K));
    p->dq = take(&at, N * Q);
    p->d_kv = take(&at, (N + p->n_prefix_kv) * 2 * K);
    p->dx = take(&at, N * m->C);
    p->out = take(&at, p->n_wanted * m->C);
    p->d_out = take(&at, p->n_wanted * m->C);
    for (size_t r = 0; r < p->n_runs; r++)
        p->blocks[r].data = take(&at, m->L * p->blocks[r].layer_floats);
    lay_layers(p, &at, n_kept);
    return at.n;
}

uint64_t pass_bytes(gradient_pass *p, size_t n_kept)
{
    return (uint64_t)lay_arena(p, NULL, n_kept) * sizeof(float);
}

int pass_take_memory(gradient_pass *p, size_t n_kept, error *err)
{
    size_t n = lay_arena(p, NULL, n_kept);
    TRY(kv_arena_take(p->s, &p->arena, n, err));
    lay_arena(p, p->arena.floats, n_kept);
    return 0;
}

void pass_close(gradient_pass *p)
{
    void *owned[] = {p->blocks, p->runs,       p->starts,         p->targets,
                     p->wanted, p->first_want, p->all.positions,  p->all.spans,
                     p->spans,  p->layers,     p->last.positions, p->last.spans};
    if (p->s != NULL)
        kv_arena_give(p->s, &p->arena);
    for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
        free(owned[i]);
    plan_free(&p->plan);
    *p = (gradient_pass){0};
}

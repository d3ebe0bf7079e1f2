/* Products of the cpu backend: rows times packed weights, cut into tasks for threads.
 *
 * A task is a block of rows times a group of units of columns. How the work is cut does
 * not matter to the numbers: our kernels compute each output element by one chain of
 * fused multiply-adds over n_in in order, and oneDNN is only used, always in blocks of
 * the same number of rows, where it was seen to do a row the same way everywhere. */
#include "backend_cpu.h"

#include <omp.h>
#include <stdatomic.h>
#include <string.h>

enum {
    /* Bytes of x that one task keeps in the second-level cache while panels go by. */
    ROWS_BYTES = 448 << 10,
    /* Columns of one task at most: a task ends within a few milliseconds. */
    MAX_COLUMNS = 512,
    /* Below this many multiply-adds waking threads costs more than it saves. */
    SMALL_PRODUCT = 1 << 16,
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* ---- Tasks ---- */

/* How rows and units (pairs of them when gated) are cut. */
typedef struct task_grid {
    size_t m, tile, n_blocks; /* rows, dealt out in whole tiles */
    size_t n_units, n_groups;
} task_grid;

typedef struct task {
    size_t row, n_rows;
    size_t unit, n_units;
} task;

/* Enough tasks that the threads end together. */
static task_grid cut(const backend_context *c, const backend_weight *w, size_t m)
{
    size_t tile = w->onednn != NULL ? ONEDNN_ROWS : c->kernels->tile_rows;
    size_t pair = w->gated ? 2 : 1, wanted = 4 * c->n_threads;
    size_t rows = ROWS_BYTES / (w->n_in * sizeof(float)) / tile * tile;
    size_t units = MAX_COLUMNS / (pair * w->unit);
    task_grid g = {.m = m, .tile = tile, .n_units = w->n_units / pair};
    g.n_blocks = divide_up(m, rows > 0 ? rows : tile);
    g.n_groups = divide_up(g.n_units, units > 0 ? units : 1);
    if (g.n_groups * g.n_blocks < wanted)
        g.n_groups = divide_up(wanted, g.n_blocks);
    if (g.n_groups > g.n_units)
        g.n_groups = g.n_units;
    return g;
}

static size_t row_of_block(const task_grid *g, size_t b)
{
    size_t row = divide_up(g->m, g->tile) * b / g->n_blocks * g->tile;
    return row < g->m ? row : g->m;
}

static task task_at(const task_grid *g, size_t t)
{
    size_t b = t / g->n_groups, u = t % g->n_groups;
    task k = {.row = row_of_block(g, b), .unit = g->n_units * u / g->n_groups};
    k.n_rows = row_of_block(g, b + 1) - k.row;
    k.n_units = g->n_units * (u + 1) / g->n_groups - k.unit;
    return k;
}

/* y (m, n) starts as the bias, or grows by it. */
static void start_bias(const float *bias, size_t m, size_t n, float *y, size_t ldy,
                       bool add)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            y[i * ldy + j] = (add ? y[i * ldy + j] : 0) + bias[j];
}

/* Where a product goes. */
typedef struct product_to {
    float *y;    /* (m, n_out), or (m, n_out / 2) of a gated weight */
    float *both; /* gated: NULL, or (m, n_out) for what is before the gate */
    bool add;
} product_to;

/* ---- Our kernels ---- */

static void kernels_task(const backend_context *c, const backend_weight *w,
                         const float *x, float *y, bool add, task t)
{
    size_t column = t.unit * w->unit, n = t.n_units * w->unit;
    if (column + n > w->n_out)
        n = w->n_out - column;
    float *to = y + t.row * w->n_out + column;
    if (w->bias != NULL)
        start_bias(w->bias + column, t.n_rows, n, to, w->n_out, add);
    c->kernels->product(t.n_rows, n, w->n_in, x + t.row * w->n_in, w->n_in,
                        w->packed.floats + t.unit * w->unit_floats, w->unit,
                        w->unit_floats, to, w->n_out,
                        add || w->bias != NULL ? PRODUCT_GROW : PRODUCT_SET);
}

/* Pair by pair of panels: the gate and what it gates go to `both` (m, 2 F), to stay. */
static void kernels_keep_task(const backend_context *c, const backend_weight *w,
                              const float *x, float *y, float *both, task t)
{
    const kernels *k = c->kernels;
    size_t F = w->n_out / 2, unit = w->unit;
    for (size_t u = t.unit; u < t.unit + t.n_units; u++) {
        size_t column = u * unit, n = F - column < unit ? F - column : unit;
        float *halves = both + t.row * 2 * F + column;
        for (size_t half = 0; half < 2; half++) {
            if (w->bias != NULL)
                start_bias(w->bias + half * F + column, t.n_rows, n, halves + half * F,
                           2 * F, false);
            k->product(t.n_rows, n, w->n_in, x + t.row * w->n_in, w->n_in,
                       w->packed.floats + (2 * u + half) * w->unit_floats, unit,
                       w->unit_floats, halves + half * F, 2 * F,
                       w->bias != NULL ? PRODUCT_GROW : PRODUCT_SET);
        }
        k->silu_gate(halves, halves + F, t.n_rows, n, 2 * F, y + t.row * F + column, F);
    }
}

/* The same, but the two go to `room` (n_rows, 2 panels), which is still in the nearest
 * caches when the gate is applied. */
static void kernels_gated_task(const backend_context *c, const backend_weight *w,
                               const float *x, float *y, float *room, task t)
{
    const kernels *k = c->kernels;
    size_t F = w->n_out / 2, unit = w->unit, ld = 2 * unit;
    for (size_t u = t.unit; u < t.unit + t.n_units; u++) {
        size_t column = u * unit, n = F - column < unit ? F - column : unit;
        if (w->bias != NULL) {
            start_bias(w->bias + column, t.n_rows, n, room, ld, false);
            start_bias(w->bias + F + column, t.n_rows, n, room + unit, ld, false);
        }
        k->product(t.n_rows, ld, w->n_in, x + t.row * w->n_in, w->n_in,
                   w->packed.floats + 2 * u * w->unit_floats, unit, w->unit_floats, room,
                   ld, w->bias != NULL ? PRODUCT_GROW : PRODUCT_SET);
        k->silu_gate(room, room + unit, t.n_rows, n, ld, y + t.row * F + column, F);
    }
}

/* ---- oneDNN ---- */

/* Rows [row, row + n) of x as a whole block: a last block is filled up with zeros. */
static const float *block_of_rows(const backend_weight *w, const float *x, size_t row,
                                  size_t n, float *room)
{
    if (n == ONEDNN_ROWS)
        return x + row * w->n_in;
    memcpy(room, x + row * w->n_in, n * w->n_in * sizeof(float));
    memset(room + n * w->n_in, 0, (ONEDNN_ROWS - n) * w->n_in * sizeof(float));
    return room;
}

/* One unit for one block of rows, into to (ROWS, unit), bias added. */
static int onednn_unit(const backend_weight *w, const float *block, size_t unit,
                       size_t column, size_t n, float *to)
{
    TRY(onednn_run(w->onednn, block, w->packed.floats + unit * w->unit_floats, to, NULL));
    if (w->bias != NULL)
        start_bias(w->bias + column, ONEDNN_ROWS, n, to, w->unit, true);
    return 0;
}

/* to (n_rows, n; stride ldy) = or += from (n_rows, unit) */
static void put(const float *from, size_t n_rows, size_t n, size_t unit, float *to,
                size_t ldy, bool add)
{
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < n; j++)
            to[i * ldy + j] = from[i * unit + j] + (add ? to[i * ldy + j] : 0);
}

/* room: (2 ROWS, unit), then (ROWS, n_in). */
static int onednn_task(const backend_context *c, const backend_weight *w, const float *x,
                       const product_to *to_where, float *room, task t)
{
    size_t width = w->gated ? w->n_out / 2 : w->n_out, half = ONEDNN_ROWS * w->unit;
    for (size_t row = t.row; row < t.row + t.n_rows; row += ONEDNN_ROWS) {
        size_t left = t.row + t.n_rows - row,
               n_rows = left < ONEDNN_ROWS ? left : ONEDNN_ROWS;
        const float *block = block_of_rows(w, x, row, n_rows, room + 2 * half);
        for (size_t u = t.unit; u < t.unit + t.n_units; u++) {
            size_t column = u * w->unit, n = width - column;
            float *to = to_where->y + row * width + column;
            n = n < w->unit ? n : w->unit;
            TRY(onednn_unit(w, block, w->gated ? 2 * u : u, column, n, room));
            if (w->gated) {
                TRY(onednn_unit(w, block, 2 * u + 1, width + column, n, room + half));
                c->kernels->silu_gate(room, room + half, n_rows, n, w->unit, to, width);
            } else {
                put(room, n_rows, n, w->unit, to, width, to_where->add);
            }
            if (to_where->both != NULL) {
                float *halves = to_where->both + row * 2 * width + column;
                put(room, n_rows, n, w->unit, halves, 2 * width, false);
                put(room + half, n_rows, n, w->unit, halves + width, 2 * width, false);
            }
        }
    }
    return 0;
}

/* ---- All tasks ---- */

static size_t room_floats(const backend_weight *w, const task_grid *g)
{
    if (w->onednn != NULL)
        return ONEDNN_ROWS * (2 * w->unit + w->n_in);
    size_t rows = divide_up(divide_up(g->m, g->tile), g->n_blocks) * g->tile;
    return w->gated ? 2 * w->unit * rows : 0;
}

static int run_task(const backend_context *c, const backend_weight *w, const float *x,
                    const product_to *to, task t)
{
    float *room = c->scratch[omp_get_thread_num()].floats;
    if (w->onednn != NULL)
        return onednn_task(c, w, x, to, room, t);
    if (to->both != NULL)
        kernels_keep_task(c, w, x, to->y, to->both, t);
    else if (w->gated)
        kernels_gated_task(c, w, x, to->y, room, t);
    else
        kernels_task(c, w, x, to->y, to->add, t);
    return 0;
}

static int run_tasks(backend_context *c, const backend_weight *w, const float *x,
                     size_t m, const product_to *to, error *err)
{
    task_grid g = cut(c, w, m);
    bool large = m * w->n_in * w->n_out > SMALL_PRODUCT;
    atomic_int failed = 0;
    TRY(cpu_scratch_grow(c, room_floats(w, &g), err));
#pragma omp parallel for schedule(dynamic) num_threads((int)c->n_threads) if (large)
    for (size_t t = 0; t < g.n_blocks * g.n_groups; t++) {
        int rc = run_task(c, w, x, to, task_at(&g, t));
        if (rc < 0)
            atomic_store(&failed, rc);
    }
    int rc = atomic_load(&failed);
    return rc < 0 ? error_set(err, rc, "oneDNN failed to multiply by a %zu x %zu matrix",
                              w->n_out, w->n_in)
                  : 0;
}

int cpu_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err)
{
    return run_tasks(c, w, x, m, &(product_to){.y = y, .add = add}, err);
}

int cpu_gated(backend_context *c, const backend_weight *w, const float *x, size_t m,
              float *y, error *err)
{
    return run_tasks(c, w, x, m, &(product_to){.y = y}, err);
}

int cpu_gated_keep(backend_context *c, const backend_weight *w, const float *x, size_t m,
                   float *both, float *y, error *err)
{
    return run_tasks(c, w, x, m, &(product_to){.y = y, .both = both}, err);
}

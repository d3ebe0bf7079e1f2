/* Weights of the cpu backend: widened straight into packed panels, and the product.
 *
 * A task of a product is a block of rows times a group of panels. How the work is cut
 * does not matter to the numbers: each output element is one chain of fused multiply-adds
 * over n_in in order. */
#include "backend_cpu.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Bytes of x that one task keeps in the second-level cache while panels go by. */
    ROWS_BYTES = 448 << 10,
    /* Panels of one task at most: a task ends within a few milliseconds. */
    MAX_PANELS = 16,
    /* Below this many multiply-adds waking threads costs more than it saves. */
    SMALL_PRODUCT = 1 << 16,
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

void cpu_weight_free(backend_weight *w)
{
    if (w == NULL)
        return;
    pages_unmap(&w->panels);
    free(w->bias);
    free(w);
}

/* ---- Packing ---- */

/* The rows of W that a panel holds. */
typedef struct panel_rows {
    size_t first, n;
} panel_rows;

static panel_rows rows_of_panel(const backend_weight *w, size_t panel, size_t width)
{
    size_t height = w->gated ? w->n_out / 2 : w->n_out;
    size_t half = w->gated ? panel % 2 : 0, at = (w->gated ? panel / 2 : panel) * width;
    return (panel_rows){half * height + at, height - at < width ? height - at : width};
}

/* Widen the rows of one panel into `rows` (width, n_in), then turn them. */
static void pack_panel(const weight_source *source, panel_rows which, size_t width,
                       float *rows, float *panel)
{
    size_t n_in = source->n_in;
    for (size_t j = 0; j < which.n; j++)
        weight_source_row(source, which.first + j, rows + j * n_in);
    /* In blocks of lines that the first-level cache holds. */
    enum { BLOCK = 16 };
    for (size_t i0 = 0; i0 < n_in; i0 += BLOCK) {
        size_t end = i0 + BLOCK < n_in ? i0 + BLOCK : n_in;
        for (size_t j = 0; j < which.n; j++)
            for (size_t i = i0; i < end; i++)
                panel[i * width + j] = rows[j * n_in + i];
    }
}

static int pack(backend_weight *w, const weight_source *source, size_t width,
                size_t n_threads)
{
    atomic_bool failed = false;
#pragma omp parallel num_threads((int)n_threads)
    {
        float *rows = malloc(width * w->n_in * sizeof(float));
        if (rows == NULL)
            atomic_store(&failed, true);
#pragma omp for schedule(dynamic)
        for (size_t p = 0; p < w->n_panels; p++)
            if (rows != NULL)
                pack_panel(source, rows_of_panel(w, p, width), width, rows,
                           w->panels.floats + p * width * w->n_in);
        free(rows);
    }
    return atomic_load(&failed) ? E_MEMORY : 0;
}

static int weight_fill(backend_weight *w, const weight_source *source, size_t n_threads,
                       error *err)
{
    size_t width = kernels_best()->panel;
    TRY(pages_map(&w->panels, w->n_panels * width, w->n_in, err));
    if (pack(w, source, width, n_threads) < 0)
        return error_memory(err, width * w->n_in * sizeof(float));
    if (!weight_source_has_bias(source))
        return 0;
    w->bias = array_new(w->n_out, sizeof(float));
    if (w->bias == NULL)
        return error_memory(err, w->n_out * sizeof(float));
    return weight_source_bias(source, w->bias, err);
}

int cpu_weight_new(backend_weight **out, const weight_source *source, size_t n_threads,
                   error *err)
{
    size_t width = kernels_best()->panel, halves = source->gated ? 2 : 1;
    backend_weight *w = array_new(1, sizeof(*w));
    if (w == NULL)
        return error_memory(err, sizeof(*w));
    *w = (backend_weight){.n_in = source->n_in,
                          .n_out = source->n_out,
                          .n_panels = halves * divide_up(source->n_out / halves, width),
                          .gated = source->gated};
    int rc = weight_fill(w, source, n_threads, err);
    if (rc < 0)
        cpu_weight_free(w);
    else
        *out = w;
    return rc;
}

/* ---- Tasks ---- */

/* How the rows and panels of a product are cut. */
typedef struct task_grid {
    size_t m, n_blocks;       /* rows, and blocks of them */
    size_t n_units, n_groups; /* panels (or pairs of them), and groups of them */
} task_grid;

/* Enough tasks that the threads end together. */
static task_grid cut(const backend_context *c, size_t m, size_t n_in, size_t n_units,
                     size_t max_units)
{
    size_t tile = c->kernels->tile_rows;
    size_t most = ROWS_BYTES / (n_in * sizeof(float)) / tile * tile;
    task_grid g = {.m = m, .n_units = n_units};
    g.n_blocks = divide_up(m, most > 0 ? most : tile);
    g.n_groups = divide_up(n_units, max_units);
    if (g.n_groups * g.n_blocks < 4 * c->n_threads)
        g.n_groups = divide_up(4 * c->n_threads, g.n_blocks);
    if (g.n_groups > n_units)
        g.n_groups = n_units;
    return g;
}

typedef struct task {
    size_t row, n_rows;
    size_t unit, n_units;
} task;

static task task_at(const task_grid *g, size_t t)
{
    size_t b = t / g->n_groups, u = t % g->n_groups;
    task k = {.row = g->m * b / g->n_blocks, .unit = g->n_units * u / g->n_groups};
    k.n_rows = g->m * (b + 1) / g->n_blocks - k.row;
    k.n_units = g->n_units * (u + 1) / g->n_groups - k.unit;
    return k;
}

/* Rows of y start as the bias, or grow by it. */
static void start_bias(const float *bias, size_t m, size_t n, float *y, size_t ldy,
                       bool add)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            y[i * ldy + j] = (add ? y[i * ldy + j] : 0) + bias[j];
}

static void product_task(const kernels *k, const backend_weight *w, const float *x,
                         float *y, bool add, task t)
{
    size_t column = t.unit * k->panel, n = t.n_units * k->panel;
    if (column + n > w->n_out)
        n = w->n_out - column;
    float *to = y + t.row * w->n_out + column;
    if (w->bias != NULL)
        start_bias(w->bias + column, t.n_rows, n, to, w->n_out, add);
    k->product(t.n_rows, n, w->n_in, x + t.row * w->n_in, w->n_in,
               w->panels.floats + column * w->n_in, k->panel, w->n_in * k->panel, to,
               w->n_out, add || w->bias != NULL);
}

int cpu_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err)
{
    (void)err;
    task_grid g = cut(c, m, w->n_in, w->n_panels, MAX_PANELS);
    bool large = m * w->n_in * w->n_out > SMALL_PRODUCT;
#pragma omp parallel for schedule(dynamic) num_threads((int)c->n_threads) if (large)
    for (size_t t = 0; t < g.n_blocks * g.n_groups; t++)
        product_task(c->kernels, w, x, y, add, task_at(&g, t));
    return 0;
}

/* Pair by pair of panels: the two go to `room` (n_rows, 2 panels), which is still in the
 * nearest caches when the gate is applied. */
static void gated_task(const kernels *k, const backend_weight *w, const float *x,
                       float *y, float *room, task t)
{
    size_t F = w->n_out / 2, width = k->panel;
    for (size_t u = t.unit; u < t.unit + t.n_units; u++) {
        size_t column = u * width, n = F - column < width ? F - column : width;
        if (w->bias != NULL) {
            start_bias(w->bias + column, t.n_rows, n, room, 2 * width, false);
            start_bias(w->bias + F + column, t.n_rows, n, room + width, 2 * width, false);
        }
        k->product(t.n_rows, 2 * width, w->n_in, x + t.row * w->n_in, w->n_in,
                   w->panels.floats + 2 * column * w->n_in, width, w->n_in * width, room,
                   2 * width, w->bias != NULL);
        k->silu_gate(room, room + width, t.n_rows, n, 2 * width, y + t.row * F + column,
                     F);
    }
}

int cpu_gated(backend_context *c, const backend_weight *w, const float *x, size_t m,
              float *y, error *err)
{
    size_t n_pairs = w->n_panels / 2;
    task_grid g = cut(c, m, w->n_in, n_pairs, MAX_PANELS / 2);
    bool large = m * w->n_in * w->n_out > SMALL_PRODUCT;
    TRY(cpu_scratch_grow(c, divide_up(m, g.n_blocks) * 2 * c->kernels->panel, err));
#pragma omp parallel for schedule(dynamic) num_threads((int)c->n_threads) if (large)
    for (size_t t = 0; t < g.n_blocks * g.n_groups; t++)
        gated_task(c->kernels, w, x, y, c->scratch[omp_get_thread_num()].floats,
                   task_at(&g, t));
    return 0;
}

/* Gradients of activations through the cpu backend's operations, all but attention.
 *
 * dx = dy W needs W the other way round than its packing has it. Some columns of a slice
 * of some hundred of its rows are turned back as they are needed, into the second-level
 * cache, and used for many rows of dy before they are forgotten: a second packed copy of
 * the weights would cost as much memory as the first, and turning costs a few per cent.
 */
#include "backend_cpu.h"

#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <string.h>

enum {
    /* Rows of dy at a time: so many of them, as wide as a slice, stay in the second-level
     * cache beside the turned panels. Whole tiles of 14, of 6 and of 4. */
    BLOCK_ROWS = 168,
    /* Panels that are turned at once: what they need of a unit is one piece of memory,
     * long enough that the hardware foresees it. */
    TURNED_PANELS = 9,
    SMALL_PRODUCT = 1 << 16,
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* ---- Products ---- */

/* Units of one half of W (all of it, when it is not gated), and the rows they hold. */
typedef struct weight_slice {
    size_t first_row, n_rows;   /* of W */
    size_t first_unit, n_units; /* within the half */
    size_t half;
} weight_slice;

typedef struct back_grid {
    size_t height, n_halves;      /* rows of a half of W */
    size_t slice_units, n_slices; /* of a half */
    size_t n_panels;              /* columns of W, a panel each */
    size_t n_blocks, n_groups;    /* tasks: rows of dy times panels */
} back_grid;

static back_grid cut(const backend_context *c, const backend_weight *w, size_t m)
{
    back_grid g = {.n_halves = w->gated ? 2 : 1};
    g.height = w->n_out / g.n_halves;
    /* No deeper than one slice of the kernels: they would cut it in two half-empty ones
     */
    g.slice_units = c->kernels->depth > w->unit ? c->kernels->depth / w->unit : 1;
    g.n_slices = divide_up(divide_up(g.height, w->unit), g.slice_units);
    g.n_panels = divide_up(w->n_in, c->kernels->panel);
    /* oneDNN's layout is turned back by whole units: parting the columns repeats that */
    size_t wanted = w->onednn != NULL ? c->n_threads : 4 * c->n_threads;
    size_t most_blocks = divide_up(m, BLOCK_ROWS);
    g.n_groups = w->onednn != NULL ? 1 : divide_up(g.n_panels, TURNED_PANELS);
    g.n_blocks = divide_up(wanted, g.n_groups);
    g.n_blocks = g.n_blocks < most_blocks ? g.n_blocks : most_blocks;
    if (g.n_groups * g.n_blocks < wanted)
        g.n_groups = divide_up(wanted, g.n_blocks);
    g.n_groups = g.n_groups < g.n_panels ? g.n_groups : g.n_panels;
    return g;
}

static weight_slice slice_at(const backend_weight *w, const back_grid *g, size_t half,
                             size_t s)
{
    size_t units = divide_up(g->height, w->unit);
    weight_slice k = {.half = half, .first_unit = s * g->slice_units};
    size_t end =
        k.first_unit + g->slice_units < units ? k.first_unit + g->slice_units : units;
    size_t last = end * w->unit < g->height ? end * w->unit : g->height;
    k.n_units = end - k.first_unit;
    k.first_row = half * g->height + k.first_unit * w->unit;
    k.n_rows = last - k.first_unit * w->unit;
    return k;
}

static const float *unit_at(const backend_weight *w, const weight_slice *k, size_t u)
{
    size_t unit = k->first_unit + u;
    return w->packed.floats + (w->gated ? 2 * unit + k->half : unit) * w->unit_floats;
}

/* Panels [first, end) of columns. */
typedef struct panel_range {
    size_t first, end;
} panel_range;

/* Columns of panel p. */
static size_t panel_columns(const backend_context *c, const backend_weight *w, size_t p)
{
    size_t panel = c->kernels->panel, left = w->n_in - p * panel;
    return left < panel ? left : panel;
}

/* Panels of the slice: to (panels, rows, panel), zeros beyond n_in. A unit holds them as
 * (n_in, unit): blocks of it, turned. */
static void turn_panels(const backend_context *c, const backend_weight *w,
                        const weight_slice *k, panel_range r, float *to)
{
    size_t panel = c->kernels->panel;
    for (size_t u = 0; u < k->n_units; u++)
        for (size_t p = r.first; p < r.end; p++)
            c->kernels->turn(
                unit_at(w, k, u) + p * panel * w->unit, panel_columns(c, w, p), w->unit,
                w->unit, to + ((p - r.first) * k->n_units + u) * w->unit * panel, panel);
}

/* The same from rows of W, plain (rows, n_in). */
static void copy_panels(const backend_context *c, const backend_weight *w,
                        const float *plain, size_t n_rows, panel_range r, float *to)
{
    size_t panel = c->kernels->panel;
    for (size_t p = r.first; p < r.end; p++)
        for (size_t i = 0; i < n_rows; i++, to += panel) {
            size_t n = panel_columns(c, w, p);
            memcpy(to, plain + i * w->n_in + p * panel, n * sizeof(float));
            memset(to + n, 0, (panel - n) * sizeof(float));
        }
}

static int unpack_slice(const backend_weight *w, const weight_slice *k, float *plain)
{
    for (size_t u = 0; u < k->n_units; u++)
        TRY(onednn_unpack(w->onednn, unit_at(w, k, u), plain + u * w->unit * w->n_in,
                          NULL));
    return 0;
}

/* Room of a task: turned panels, then the plain rows of a slice where they are needed. */
static size_t turned_floats(const backend_context *c, const backend_weight *w,
                            const back_grid *g)
{
    size_t n = divide_up(g->n_panels, g->n_groups);
    return n * g->slice_units * w->unit * c->kernels->panel;
}

typedef struct back_task {
    const float *dy;
    float *dx;
    size_t first_row, n_rows; /* of dy and dx */
    panel_range panels;
    bool add;
} back_task;

/* The panels of the slice, turned, into the room. */
static int load_panels(const backend_context *c, const backend_weight *w,
                       const back_grid *g, const weight_slice *k, panel_range r,
                       float *room)
{
    if (w->onednn == NULL) {
        turn_panels(c, w, k, r, room);
        return 0;
    }
    float *plain = room + turned_floats(c, w, g);
    TRY(unpack_slice(w, k, plain));
    copy_panels(c, w, plain, k->n_units * w->unit, r, room);
    return 0;
}

static void multiply_slice(const backend_context *c, const backend_weight *w,
                           const weight_slice *k, const back_task *t, product_mode mode,
                           const float *turned)
{
    size_t panel = c->kernels->panel, turned_rows = k->n_units * w->unit, n;
    for (size_t at = 0; at < t->n_rows; at += n) {
        n = t->n_rows - at < BLOCK_ROWS ? t->n_rows - at : BLOCK_ROWS;
        size_t row = t->first_row + at;
        for (size_t p = t->panels.first; p < t->panels.end; p++)
            c->kernels->product(n, panel_columns(c, w, p), k->n_rows,
                                t->dy + row * w->n_out + k->first_row, w->n_out,
                                turned + (p - t->panels.first) * turned_rows * panel,
                                panel, 0, t->dx + row * w->n_in + p * panel, w->n_in,
                                mode);
    }
}

static int run_back_task(const backend_context *c, const backend_weight *w,
                         const back_grid *g, const back_task *t)
{
    float *room = c->scratch[omp_get_thread_num()].floats;
    product_mode mode = t->add ? PRODUCT_GROW : PRODUCT_SET;
    for (size_t half = 0; half < g->n_halves; half++)
        for (size_t s = 0; s < g->n_slices; s++, mode = PRODUCT_GROW) {
            weight_slice k = slice_at(w, g, half, s);
            TRY(load_panels(c, w, g, &k, t->panels, room));
            multiply_slice(c, w, &k, t, mode, room);
        }
    return 0;
}

int cpu_product_back(backend_context *c, const backend_weight *w, const float *dy,
                     size_t m, float *dx, bool add, error *err)
{
    back_grid g = cut(c, w, m);
    size_t room = turned_floats(c, w, &g);
    bool large = m * w->n_in * w->n_out > SMALL_PRODUCT;
    atomic_int failed = 0;
    if (w->onednn != NULL)
        room += g.slice_units * w->unit * w->n_in;
    TRY(cpu_scratch_grow(c, room, err));
#pragma omp parallel for schedule(dynamic) num_threads((int)c->n_threads) if (large)
    for (size_t i = 0; i < g.n_blocks * g.n_groups; i++) {
        size_t b = i / g.n_groups, u = i % g.n_groups;
        back_task t = {
            .dy = dy,
            .dx = dx,
            .first_row = m * b / g.n_blocks,
            .n_rows = m * (b + 1) / g.n_blocks - m * b / g.n_blocks,
            .panels = {g.n_panels * u / g.n_groups, g.n_panels * (u + 1) / g.n_groups},
            .add = add};
        int rc = run_back_task(c, w, &g, &t);
        if (rc < 0)
            atomic_store(&failed, rc);
    }
    int rc = atomic_load(&failed);
    return rc < 0 ? error_set(err, rc, "oneDNN failed to unpack a %zu x %zu matrix",
                              w->n_out, w->n_in)
                  : 0;
}

/* ---- The gate ---- */

void cpu_gate_back(backend_context *c, const float *dy, size_t m, size_t F, float *both)
{
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        c->kernels->silu_gate_back(dy + i * F, F, both + i * 2 * F, both + i * 2 * F + F);
}

/* ---- Rows ---- */

void cpu_norm_back(backend_context *c, const float *x, const float *w, const float *dy,
                   size_t m, float *dx)
{
    size_t C = c->shape.C;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        c->kernels->rms_norm_back(x + i * C, w, dy + i * C, C, c->shape.norm_eps,
                                  dx + i * C);
}

void cpu_rotate_back(backend_context *c, float *dx, size_t stride, size_t n_heads,
                     size_t m, const size_t *at, const float *cosine, const float *sine)
{
    size_t half = c->shape.n_rot / 2;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 16)
    for (size_t i = 0; i < m; i++)
        for (size_t h = 0; h < n_heads; h++)
            c->kernels->rotate_back(dx + i * stride + h * c->shape.D,
                                    cosine + at[i] * half, sine + at[i] * half, half);
}

void cpu_softmax_rows(backend_context *c, float *logits, const logit_stats *stats,
                      const double *factors, size_t m)
{
    size_t V = c->shape.V;
#pragma omp parallel for num_threads((int)c->n_threads) if (m > 1)
    for (size_t i = 0; i < m; i++)
        c->kernels->exp_scaled(logits + i * V, V, stats[i].max, 1,
                               (float)(factors[i] * exp(-stats[i].log_sum)));
}

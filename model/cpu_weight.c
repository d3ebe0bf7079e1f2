/* Weights of the cpu backend: widened straight from the file into what the chosen call
 * wants. */
#include "backend_cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

int cpu_packer_new(backend_packer **out, size_t n_threads, error *err)
{
    backend_packer *p = array_new(1, sizeof(*p));
    if (p == NULL)
        return error_memory(err, sizeof(*p));
    p->n_threads = n_threads;
    product_choices_open(&p->choices);
    *out = p;
    return 0;
}

void cpu_packer_free(backend_packer *p)
{
    if (p == NULL)
        return;
    product_choices_close(&p->choices);
    free(p->used);
    free(p);
}

void cpu_weight_free(backend_weight *w)
{
    if (w == NULL)
        return;
    pages_unmap(&w->packed);
    onednn_product_free(w->onednn);
    free(w->bias);
    free(w);
}

/* ---- Packing ---- */

/* The rows of W that a unit holds. */
typedef struct unit_rows {
    size_t first, n;
} unit_rows;

static unit_rows rows_of_unit(const backend_weight *w, size_t unit)
{
    size_t height = w->gated ? w->n_out / 2 : w->n_out;
    size_t half = w->gated ? unit % 2 : 0, at = (w->gated ? unit / 2 : unit) * w->unit;
    return (unit_rows){half * height + at, height - at < w->unit ? height - at : w->unit};
}

/* rows (unit, n_in) to panel (n_in, unit), in blocks of lines that the first-level cache
 * holds. */
static void turn(const float *rows, size_t n, size_t n_in, size_t unit, float *panel)
{
    enum { BLOCK = 16 };
    for (size_t i0 = 0; i0 < n_in; i0 += BLOCK) {
        size_t end = i0 + BLOCK < n_in ? i0 + BLOCK : n_in;
        for (size_t j = 0; j < n; j++)
            for (size_t i = i0; i < end; i++)
                panel[i * unit + j] = rows[j * n_in + i];
    }
}

/* `rows` is room for (unit, n_in). */
static int pack_unit(const backend_weight *w, const weight_source *source, size_t unit,
                     float *rows)
{
    unit_rows which = rows_of_unit(w, unit);
    float *to = w->packed.floats + unit * w->unit_floats;
    for (size_t j = 0; j < which.n; j++)
        weight_source_row(source, which.first + j, rows + j * w->n_in);
    if (w->onednn == NULL) {
        turn(rows, which.n, w->n_in, w->unit, to);
        return 0;
    }
    memset(rows + which.n * w->n_in, 0, (w->unit - which.n) * w->n_in * sizeof(float));
    return onednn_pack(w->onednn, rows, to, NULL);
}

static int pack(const backend_weight *w, const weight_source *source, size_t n_threads,
                error *err)
{
    atomic_int failed = 0;
#pragma omp parallel num_threads((int)n_threads)
    {
        float *rows = malloc(w->unit * w->n_in * sizeof(float));
#pragma omp for schedule(dynamic)
        for (size_t u = 0; u < w->n_units; u++) {
            int rc = rows == NULL ? E_MEMORY : pack_unit(w, source, u, rows);
            if (rc < 0)
                atomic_store(&failed, rc);
        }
        free(rows);
    }
    int rc = atomic_load(&failed);
    return rc < 0 ? error_set(err, rc, "packing a matrix of %zu x %zu failed", w->n_out,
                              w->n_in)
                  : 0;
}

/* How a weight of this shape is packed; noted for describe. */
static int choose(backend_packer *p, size_t n_in, size_t n_out, product_kind *kind,
                  error *err)
{
    product_choice c = {.n_in = n_in, .n_out = n_out, .kind = p->kind};
    if (!p->forced)
        TRY(product_choices_find(&p->choices, n_in, n_out, &c, err));
    *kind = c.kind;
    for (size_t i = 0; i < p->n_used; i++)
        if (p->used[i].n_in == n_in && p->used[i].n_out == n_out)
            return 0;
    TRY(array_grow(&p->used, &p->used_capacity, p->n_used, sizeof(*p->used), err));
    p->used[p->n_used++] = c;
    return 0;
}

/* Units of a fixed width: what oneDNN multiplies by at once, or one panel. */
static int set_units(backend_weight *w, product_kind kind, error *err)
{
    size_t halves = w->gated ? 2 : 1, height = w->n_out / halves;
    w->unit = kernels_best()->panel;
    w->unit_floats = w->unit * w->n_in;
    if (kind == PRODUCT_ONEDNN) {
        w->unit = height < ONEDNN_COLUMNS ? height : ONEDNN_COLUMNS;
        TRY(onednn_product_new(&w->onednn, w->n_in, w->unit, err));
        w->unit_floats = onednn_packed_floats(w->onednn);
    }
    w->n_units = halves * ((height + w->unit - 1) / w->unit);
    return 0;
}

static int weight_fill(backend_weight *w, backend_packer *p, const weight_source *source,
                       error *err)
{
    product_kind kind = PRODUCT_KERNELS;
    TRY(choose(p, w->n_in, w->n_out, &kind, err));
    TRY(set_units(w, kind, err));
    TRY(pages_map(&w->packed, w->n_units, w->unit_floats, err));
    TRY(pack(w, source, p->n_threads, err));
    if (!weight_source_has_bias(source))
        return 0;
    w->bias = array_new(w->n_out, sizeof(float));
    if (w->bias == NULL)
        return error_memory(err, w->n_out * sizeof(float));
    return weight_source_bias(source, w->bias, err);
}

int cpu_weight_new(backend_weight **out, backend_packer *p, const weight_source *source,
                   error *err)
{
    backend_weight *w = array_new(1, sizeof(*w));
    if (w == NULL)
        return error_memory(err, sizeof(*w));
    *w = (backend_weight){
        .n_in = source->n_in, .n_out = source->n_out, .gated = source->gated};
    int rc = weight_fill(w, p, source, err);
    if (rc < 0)
        cpu_weight_free(w);
    else
        *out = w;
    return rc;
}

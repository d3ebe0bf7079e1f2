/* Weights of the cpu backend: widened straight into packed panels, and the product.
 *
 * A task of a product is a block of rows times a group of panels. How the work is cut
 * does not matter to the numbers: each output element is one chain of fused multiply-adds
 * over n_in in order. */
#include "backend_cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,
    /* Bytes of x that one task keeps in the second-level cache while panels go by. */
    ROWS_BYTES = 448 << 10,
    /* Panels of one task at most: a task ends within a few milliseconds. */
    MAX_PANELS = 16,
    /* Below this many multiply-adds waking threads costs more than it saves. */
    SMALL_PRODUCT = 1 << 16,
};

void cpu_weight_free(backend_weight *w)
{
    if (w == NULL)
        return;
    if (w->panels != NULL)
        munmap(w->panels, w->bytes);
    free(w->bias);
    free(w);
}

/* Large pages where the system has them: the panels are walked in long strides. */
static float *map_floats(size_t bytes)
{
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

/* Widen the rows of one panel into `rows` (width, n_in), then turn them. */
static void pack_panel(const weight_source *source, size_t first, size_t width,
                       float *rows, float *panel)
{
    size_t n_in = source->n_in;
    size_t n = source->n_out - first < width ? source->n_out - first : width;
    for (size_t j = 0; j < n; j++)
        weight_source_row(source, first + j, rows + j * n_in);
    /* In blocks of lines that the first-level cache holds. */
    enum { BLOCK = 16 };
    for (size_t i0 = 0; i0 < n_in; i0 += BLOCK) {
        size_t end = i0 + BLOCK < n_in ? i0 + BLOCK : n_in;
        for (size_t j = 0; j < n; j++)
            for (size_t i = i0; i < end; i++)
                panel[i * width + j] = rows[j * n_in + i];
    }
}

static int pack(backend_weight *w, const weight_source *source, size_t width,
                size_t n_threads)
{
    size_t n_panels = (w->n_out + width - 1) / width;
    atomic_bool failed = false;
#pragma omp parallel num_threads((int)n_threads)
    {
        float *rows = malloc(width * w->n_in * sizeof(float));
        if (rows == NULL)
            atomic_store(&failed, true);
#pragma omp for schedule(dynamic)
        for (size_t p = 0; p < n_panels; p++)
            if (rows != NULL)
                pack_panel(source, p * width, width, rows,
                           w->panels + p * width * w->n_in);
        free(rows);
    }
    return atomic_load(&failed) ? E_MEMORY : 0;
}

int cpu_weight_new(backend_weight **out, const weight_source *source, size_t n_threads,
                   error *err)
{
    size_t width = kernels_best()->panel, floats, bytes;
    size_t n_panels = (source->n_out + width - 1) / width;
    if (!size_mul(n_panels * width, source->n_in, &floats) ||
        !size_mul(floats, sizeof(float), &bytes))
        return error_memory(err, SIZE_MAX);
    backend_weight *w = array_new(1, sizeof(*w));
    if (w == NULL)
        return error_memory(err, sizeof(*w));
    int rc = 0;
    *w = (backend_weight){.n_in = source->n_in, .n_out = source->n_out, .bytes = bytes};
    w->panels = map_floats(bytes);
    if (w->panels == NULL || pack(w, source, width, n_threads) < 0)
        rc = error_memory(err, bytes);
    if (rc == 0 && weight_source_has_bias(source)) {
        w->bias = array_new(w->n_out, sizeof(float));
        rc = w->bias == NULL ? error_memory(err, w->n_out * sizeof(float))
                             : weight_source_bias(source, w->bias, err);
    }
    if (rc < 0)
        cpu_weight_free(w);
    else
        *out = w;
    return rc;
}

/* Rows [r0, r1) and columns [c0, c1) of y. */
static void product_block(const kernels *k, const backend_weight *w, const float *x,
                          float *y, bool add, const size_t rows[2],
                          const size_t columns[2])
{
    size_t n = columns[1] - columns[0];
    float *to = y + rows[0] * w->n_out + columns[0];
    if (w->bias != NULL) {
        for (size_t i = 0; i < rows[1] - rows[0]; i++)
            for (size_t j = 0; j < n; j++) {
                float *at = to + i * w->n_out + j;
                *at = (add ? *at : 0) + w->bias[columns[0] + j];
            }
        add = true;
    }
    k->product(rows[1] - rows[0], n, w->n_in, x + rows[0] * w->n_in, w->n_in,
               w->panels + columns[0] * w->n_in, k->panel, w->n_in * k->panel, to,
               w->n_out, add);
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

int cpu_product(backend_context *c, const backend_weight *w, const float *x, size_t m,
                float *y, bool add, error *err)
{
    (void)err;
    const kernels *k = c->kernels;
    size_t most = ROWS_BYTES / (w->n_in * sizeof(float)) / k->tile_rows * k->tile_rows;
    size_t n_blocks = divide_up(m, most > 0 ? most : k->tile_rows);
    size_t n_panels = divide_up(w->n_out, k->panel);
    /* enough tasks that threads end together, each of whole panels */
    size_t n_groups = divide_up(n_panels, MAX_PANELS), wanted = 4 * c->n_threads;
    if (n_groups * n_blocks < wanted)
        n_groups = divide_up(wanted, n_blocks);
    if (n_groups > n_panels)
        n_groups = n_panels;
    size_t n_tasks = n_blocks * n_groups;
#pragma omp parallel for schedule(dynamic)                                               \
    num_threads((int)c->n_threads) if (m * w->n_in * w->n_out > SMALL_PRODUCT)
    for (size_t t = 0; t < n_tasks; t++) {
        size_t b = t / n_groups, g = t % n_groups;
        size_t rows[2] = {m * b / n_blocks, m * (b + 1) / n_blocks};
        size_t columns[2] = {n_panels * g / n_groups * k->panel,
                             n_panels * (g + 1) / n_groups * k->panel};
        if (columns[1] > w->n_out)
            columns[1] = w->n_out;
        product_block(k, w, x, y, add, rows, columns);
    }
    return 0;
}

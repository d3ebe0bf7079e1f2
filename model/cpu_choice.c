#include "cpu_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PROBE_ROWS = 4 * ONEDNN_ROWS,
    PROBE_COLUMNS = 2 * ONEDNN_COLUMNS,
    MAX_LINE = 400,
    MAX_KNOWN = 4096, /* lines of the file that are looked at */
};
/* A measurement ends after this many seconds of CPU, two rounds at least. */
static const double probe_seconds = 0.012;
/* Ours do not depend on company by construction; another call must be worth it. */
static const double clearly_faster = 1.10;

const char *product_kind_name(product_kind k)
{
    return k == PRODUCT_ONEDNN ? "onednn" : "kernels";
}

/* ---- Measuring ---- */

typedef struct probe {
    size_t n_in;
    float *x;      /* (PROBE_ROWS, n_in) */
    float *plain;  /* (PROBE_COLUMNS, n_in) */
    float *packed; /* (PROBE_COLUMNS, n_in) */
    float *y;      /* (PROBE_ROWS, PROBE_COLUMNS) */
    onednn_product *product;
    size_t packed_floats; /* of ONEDNN_COLUMNS columns */
} probe;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Numbers like weights and activations: small, of both signs, none alike. */
static void fill(float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (float)((i * 2654435761u) % 10007) / 10007.0f - 0.5f;
}

static int run_kernels(probe *p, error *err)
{
    const kernels *k = kernels_best();
    (void)err;
    k->product(PROBE_ROWS, PROBE_COLUMNS, p->n_in, p->x, p->n_in, p->packed, k->panel,
               p->n_in * k->panel, p->y, PROBE_COLUMNS, PRODUCT_SET);
    return 0;
}

/* y as (columns blocks, rows, ONEDNN_COLUMNS). */
static int run_onednn(probe *p, error *err)
{
    for (size_t c = 0; c < PROBE_COLUMNS / ONEDNN_COLUMNS; c++)
        for (size_t b = 0; b < PROBE_ROWS / ONEDNN_ROWS; b++)
            TRY(onednn_run(p->product, p->x + b * ONEDNN_ROWS * p->n_in,
                           p->packed + c * p->packed_floats,
                           p->y + (c * PROBE_ROWS + b * ONEDNN_ROWS) * ONEDNN_COLUMNS,
                           err));
    return 0;
}

static int rate(probe *p, int (*run)(probe *, error *), size_t *mflops, error *err)
{
    double began = cpu_seconds(), best = 1e9; /* seconds */
    for (int round = 0; round < 2 || cpu_seconds() - began < probe_seconds; round++) {
        double start = cpu_seconds();
        TRY(run(p, err));
        double took = cpu_seconds() - start;
        best = took < best ? took : best;
    }
    *mflops = (size_t)(2e-6 * PROBE_ROWS * PROBE_COLUMNS * (double)p->n_in / best);
    return 0;
}

/* The same row must give the same bits wherever it stands and whatever its neighbours
 * are: block 1 holds the rows of block 0 in reverse order, block 2 every other one of
 * them among zeros. */
static bool same_bits(probe *p)
{
    size_t n = p->n_in, R = ONEDNN_ROWS, bytes = ONEDNN_COLUMNS * sizeof(float);
    memset(p->x + 2 * R * n, 0, R * n * sizeof(float));
    for (size_t i = 0; i < R; i++) {
        memcpy(p->x + (2 * R - 1 - i) * n, p->x + i * n, n * sizeof(float));
        if (i % 2 == 1)
            memcpy(p->x + (2 * R + i) * n, p->x + i * n, n * sizeof(float));
    }
    if (run_onednn(p, NULL) < 0)
        return false;
    for (size_t i = 0; i < R; i++) {
        const float *y = p->y + i * ONEDNN_COLUMNS;
        if (memcmp(y, p->y + (2 * R - 1 - i) * ONEDNN_COLUMNS, bytes) != 0)
            return false;
        if (i % 2 == 1 && memcmp(y, p->y + (2 * R + i) * ONEDNN_COLUMNS, bytes) != 0)
            return false;
    }
    return true;
}

/* A library that cannot is not an error: its rate stays 0. */
static void measure_onednn(probe *p, product_choice *c)
{
    if (onednn_product_new(&p->product, p->n_in, ONEDNN_COLUMNS, NULL) < 0)
        return;
    p->packed_floats = onednn_packed_floats(p->product);
    if (p->packed_floats > ONEDNN_COLUMNS * p->n_in)
        return;
    for (size_t b = 0; b < PROBE_COLUMNS / ONEDNN_COLUMNS; b++)
        if (onednn_pack(p->product, p->plain + b * ONEDNN_COLUMNS * p->n_in,
                        p->packed + b * p->packed_floats, NULL) < 0)
            return;
    if (!same_bits(p) || rate(p, run_onednn, &c->onednn_mflops, NULL) < 0)
        c->onednn_mflops = 0;
}

static int measure(product_choice *c, error *err)
{
    size_t n = c->n_in, floats;
    probe p = {.n_in = n};
    if (!size_mul(n, 2 * PROBE_COLUMNS + PROBE_ROWS, &floats))
        return error_memory(err, SIZE_MAX);
    p.x = array_new(floats + (size_t)PROBE_ROWS * PROBE_COLUMNS, sizeof(float));
    if (p.x == NULL)
        return error_memory(err, floats * sizeof(float));
    p.plain = p.x + PROBE_ROWS * n;
    p.packed = p.plain + PROBE_COLUMNS * n;
    p.y = p.packed + PROBE_COLUMNS * n;
    fill(p.x, floats);
    int rc = rate(&p, run_kernels, &c->kernels_mflops, err);
    if (rc == 0)
        measure_onednn(&p, c);
    bool better = (double)c->onednn_mflops > clearly_faster * (double)c->kernels_mflops;
    c->kind = better ? PRODUCT_ONEDNN : PRODUCT_KERNELS;
    onednn_product_free(p.product);
    free(p.x);
    return rc;
}

/* ---- The file: lines of CPU, n_in, n_out, kind, rates; tabs between ---- */

static bool cache_folder(char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache != NULL && cache[0] == '/')
        n = snprintf(out, size, "%s/lamarck", cache);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, size, "%s/.cache/lamarck", home);
    return n > 0 && (size_t)n < size;
}

static bool cache_path(char *out, size_t size, bool make_folders)
{
    char folder[3800];
    if (!cache_folder(folder, sizeof(folder)))
        return false;
    if (make_folders) {
        char *slash = strrchr(folder, '/');
        *slash = '\0';
        (void)mkdir(folder, 0777); /* whether they are there shows when the file opens */
        *slash = '/';
        (void)mkdir(folder, 0777);
    }
    int n = snprintf(out, size, "%s/products.tsv", folder);
    return n > 0 && (size_t)n < size;
}

/* "model name" of the first processor; "unknown CPU" when the system does not say. */
static void cpu_name(char *out, size_t size)
{
    char line[256];
    snprintf(out, size, "unknown CPU");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            colon += strspn(colon, ": \t");
            colon[strcspn(colon, "\t\n")] = '\0';
            snprintf(out, size, "%s", colon);
            break;
        }
    }
    if (f != NULL)
        (void)fclose(f);
}

static void parse_line(product_choices *c, char *line)
{
    char kind[16];
    product_choice item = {0};
    size_t n = strlen(c->cpu);
    if (strncmp(line, c->cpu, n) != 0 || line[n] != '\t')
        return;
    if (sscanf(line + n + 1, "%zu\t%zu\t%15s\t%zu\t%zu", &item.n_in, &item.n_out, kind,
               &item.kernels_mflops, &item.onednn_mflops) != 5)
        return;
    if (strcmp(kind, product_kind_name(PRODUCT_ONEDNN)) == 0)
        item.kind = PRODUCT_ONEDNN;
    else if (strcmp(kind, product_kind_name(PRODUCT_KERNELS)) != 0)
        return;
    if (array_grow(&c->items, &c->capacity, c->n, sizeof(*c->items), NULL) == 0)
        c->items[c->n++] = item;
}

static void read_known(product_choices *c)
{
    char path[4096], line[MAX_LINE];
    if (!cache_path(path, sizeof(path), false))
        return;
    FILE *f = fopen(path, "r");
    for (int i = 0; f != NULL && i < MAX_KNOWN && fgets(line, sizeof(line), f); i++)
        parse_line(c, line);
    if (f != NULL)
        (void)fclose(f);
}

void product_choices_open(product_choices *out)
{
    char cpu[120], version[32];
    *out = (product_choices){0};
    cpu_name(cpu, sizeof(cpu));
    snprintf(out->cpu, sizeof(out->cpu), "%s, %s kernels, oneDNN %s", cpu,
             kernels_best()->name, onednn_version(version));
    read_known(out);
}

/* One append of a whole line, so that processes do not mix theirs. A file that cannot be
 * written costs the next process a measurement, nothing more. */
static void remember(const product_choices *c, const product_choice *p)
{
    char path[4096], line[MAX_LINE];
    int n = snprintf(line, sizeof(line), "%s\t%zu\t%zu\t%s\t%zu\t%zu\n", c->cpu, p->n_in,
                     p->n_out, product_kind_name(p->kind), p->kernels_mflops,
                     p->onednn_mflops);
    if (n < 0 || (size_t)n >= sizeof(line) || !cache_path(path, sizeof(path), true))
        return;
    FILE *f = fopen(path, "a");
    if (f == NULL)
        return;
    (void)fwrite(line, 1, (size_t)n, f);
    (void)fclose(f);
}

int product_choices_find(product_choices *c, size_t n_in, size_t n_out,
                         product_choice *out, error *err)
{
    /* the first line wins: what one run has chosen, later ones keep */
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].n_in == n_in && c->items[i].n_out == n_out) {
            *out = c->items[i];
            return 0;
        }
    product_choice item = {.n_in = n_in, .n_out = n_out};
    TRY(measure(&item, err));
    TRY(array_grow(&c->items, &c->capacity, c->n, sizeof(*c->items), err));
    remember(c, &item);
    c->items[c->n++] = item;
    *out = item;
    return 0;
}

void product_choices_close(product_choices *c)
{
    free(c->items);
    *c = (product_choices){0};
}

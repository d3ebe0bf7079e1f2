/* Yardsticks. The only file that knows oneDNN's two interfaces, 2.x and 3.x. */
#include "bench_machine.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <oneapi/dnnl/dnnl.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

size_t machine_threads(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

double machine_peak_mib(void)
{
    struct rusage use;
    return getrusage(RUSAGE_SELF, &use) == 0 ? (double)use.ru_maxrss / 1024 : 0;
}

/* ---- The CPU ---- */

static const char *const flag_names[] = {"avx2",        "fma",      "f16c",
                                         "avx512f",     "avx512bw", "avx512_vnni",
                                         "avx512_bf16", "avx_vnni", "amx_tile"};

/* The value of a line "key : value" of /proc/cpuinfo; ends at its newline. */
static const char *cpuinfo_value(const char *info, const char *key, size_t *n)
{
    const char *line = strstr(info, key);
    const char *colon = line ? strchr(line, ':') : NULL;
    if (!colon)
        return NULL;
    colon += strspn(colon, ": \t");
    *n = strcspn(colon, "\n");
    return colon;
}

static bool has_flag(const char *flags, size_t n, const char *name)
{
    size_t length = strlen(name);
    for (const char *s = flags; s && s + length <= flags + n; s++)
        if (memcmp(s, name, length) == 0 && (s == flags || s[-1] == ' ') &&
            (s + length == flags + n || s[length] == ' '))
            return true;
    return false;
}

int machine_describe(text *out, error *err)
{
    enum { MAX_CPUINFO_BYTES = 16 << 20 };
    char *info;
    size_t bytes, n = 0;
    TRY(file_read("/proc/cpuinfo", MAX_CPUINFO_BYTES, &info, &bytes, err));
    const char *name = cpuinfo_value(info, "model name", &n);
    int rc =
        text_add_format(out, err, "%.*s;", name ? (int)n : 7, name ? name : "unknown");
    const char *flags = cpuinfo_value(info, "flags", &n);
    for (size_t i = 0; rc == 0 && i < sizeof flag_names / sizeof *flag_names; i++)
        if (flags && has_flag(flags, n, flag_names[i]))
            rc = text_add_format(out, err, " %s", flag_names[i]);
    free(info);
    return rc;
}

/* ---- Multiply-adds ---- */

enum { CHAINS = 12, ROUNDS = 2000000, RUNS = 5 };

/* Each spin does ROUNDS rounds of CHAINS independent multiply-adds, enough chains to hide
 * the latency of two units, and returns the lanes of a vector; *sink keeps the work from
 * being optimised away. */
typedef size_t (*spinner)(float *sink);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static size_t spin_avx512(float *sink)
{
    __m512 a[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            a[i] = _mm512_fmadd_ps(a[i], x, y);
    for (int i = 0; i < CHAINS; i++)
        *sink += _mm512_reduce_add_ps(a[i]);
    return 16;
}

__attribute__((target("avx2,fma"))) static size_t spin_avx2(float *sink)
{
    __m256 a[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++)
        a[i] = _mm256_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            a[i] = _mm256_fmadd_ps(a[i], x, y);
    for (int i = 0; i < CHAINS; i++)
        *sink += _mm256_cvtss_f32(a[i]);
    return 8;
}
#endif

static size_t spin_plain(float *sink)
{
    float a[CHAINS] = {0};
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < CHAINS; i++)
            a[i] = a[i] * 0.999f + 1e-3f;
    for (int i = 0; i < CHAINS; i++)
        *sink += a[i];
    return 1;
}

static spinner choose_spinner(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return spin_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return spin_avx2;
#endif
    return spin_plain;
}

double machine_fma_peak(size_t n_threads)
{
    spinner spin = choose_spinner();
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        size_t lanes = 0;
        float sink = 0;
        double start = clock_seconds();
#pragma omp parallel num_threads((int)n_threads) reduction(+ : sink) reduction(max : lanes)
        lanes = spin(&sink);
        double seconds = clock_seconds() - start;
        double flop = 2.0 * CHAINS * ROUNDS * (double)lanes * (double)n_threads;
        volatile float kept = sink;
        (void)kept;
        if (flop / seconds * 1e-9 > best)
            best = flop / seconds * 1e-9;
    }
    return best;
}

/* ---- The library's product ---- */

static const double gemm_seconds = 0.4; /* that a shape is tried for */

static float *random_floats(size_t n)
{
    float *p = array_new(n, sizeof *p);
    for (size_t i = 0; p && i < n; i++)
        p[i] = (float)(i * 2654435761u % 1000) / 1000.0f - 0.5f;
    return p;
}

typedef struct product {
    size_t m, k, n;
    float *a, *b, *c; /* (m, k), (k, n), (m, n) */
} product;

static int call_sgemm(const void *what)
{
    const product *p = what;
    dnnl_dim_t m = (dnnl_dim_t)p->m, k = (dnnl_dim_t)p->k, n = (dnnl_dim_t)p->n;
    return dnnl_sgemm('N', 'N', m, n, k, 1.0f, p->a, k, p->b, n, 0.0f, p->c, n) ==
                   dnnl_success
               ? 0
               : E_EXTERNAL;
}

/* GFLOP/s: the best of a call repeated for a while; 0 when it fails. */
static double rate_of(int (*call)(const void *what), const void *what, const product *p)
{
    double flop = 2.0 * (double)p->m * (double)p->k * (double)p->n, best = 0;
    double begin = clock_seconds(), now = begin;
    while (now - begin < gemm_seconds) {
        double start = now;
        if (call(what) < 0)
            return 0;
        now = clock_seconds();
        if (flop / (now - start) * 1e-9 > best)
            best = flop / (now - start) * 1e-9;
    }
    return best;
}

#if DNNL_VERSION_MAJOR < 3
/* The product with its weights in the layout that the library likes best. What is in them
 * does not matter for speed, so they are not reordered into it. */
typedef struct packed_product {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_memory_desc_t src_shape, dst_shape;
    dnnl_primitive_desc_t chosen;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst;
} packed_product;

static bool packed_choose(packed_product *x, const product *p)
{
    dnnl_dims_t sd = {(dnnl_dim_t)p->m, (dnnl_dim_t)p->k};
    dnnl_dims_t wd = {(dnnl_dim_t)p->k, (dnnl_dim_t)p->n};
    dnnl_dims_t dd = {(dnnl_dim_t)p->m, (dnnl_dim_t)p->n};
    dnnl_memory_desc_t any;
    dnnl_matmul_desc_t desc;
    return dnnl_engine_create(&x->engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_stream_create(&x->stream, x->engine, dnnl_stream_default_flags) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&x->src_shape, 2, sd, dnnl_f32, dnnl_ab) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&any, 2, wd, dnnl_f32, dnnl_format_tag_any) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&x->dst_shape, 2, dd, dnnl_f32, dnnl_ab) ==
               dnnl_success &&
           dnnl_matmul_desc_init(&desc, &x->src_shape, &any, NULL, &x->dst_shape) ==
               dnnl_success &&
           dnnl_primitive_desc_create(&x->chosen, &desc, NULL, x->engine, NULL) ==
               dnnl_success &&
           dnnl_primitive_create(&x->primitive, x->chosen) == dnnl_success;
}

static bool packed_fill(packed_product *x, const product *p)
{
    void *bytes = NULL;
    const dnnl_memory_desc_t *layout =
        dnnl_primitive_desc_query_md(x->chosen, dnnl_query_weights_md, 0);
    bool ok =
        layout &&
        dnnl_memory_create(&x->src, &x->src_shape, x->engine, p->a) == dnnl_success &&
        dnnl_memory_create(&x->weights, layout, x->engine, DNNL_MEMORY_ALLOCATE) ==
            dnnl_success &&
        dnnl_memory_create(&x->dst, &x->dst_shape, x->engine, p->c) == dnnl_success;
    if (ok && dnnl_memory_get_data_handle(x->weights, &bytes) == dnnl_success && bytes)
        memset(bytes, 0x3c, dnnl_memory_desc_get_size(layout)); /* small normal floats */
    return ok;
}

static void packed_free(packed_product *x)
{
    dnnl_memory_destroy(x->dst);
    dnnl_memory_destroy(x->weights);
    dnnl_memory_destroy(x->src);
    dnnl_primitive_destroy(x->primitive);
    dnnl_primitive_desc_destroy(x->chosen);
    dnnl_stream_destroy(x->stream);
    dnnl_engine_destroy(x->engine);
}

static int call_packed(const void *what)
{
    const packed_product *x = what;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, x->src}, {DNNL_ARG_WEIGHTS, x->weights}, {DNNL_ARG_DST, x->dst}};
    bool ok = dnnl_primitive_execute(x->primitive, x->stream, 3, args) == dnnl_success &&
              dnnl_stream_wait(x->stream) == dnnl_success;
    return ok ? 0 : E_EXTERNAL;
}

/* GFLOP/s, 0 when it cannot. */
static double packed_rate(const product *p)
{
    packed_product x = {0};
    bool ok = packed_choose(&x, p) && packed_fill(&x, p);
    double rate = ok ? rate_of(call_packed, &x, p) : 0;
    packed_free(&x);
    return rate;
}
#else
static double packed_rate(const product *p)
{
    (void)p;
    return 0;
}
#endif

int machine_gemm(size_t n_threads, size_t m, size_t k, size_t n, double *gflops,
                 const char **how, error *err)
{
    product p = {
        m, k, n, random_floats(m * k), random_floats(k * n), random_floats(m * n)};
    int rc = p.a && p.b && p.c ? 0 : error_memory(err, (m * k + k * n + m * n) * 4);
    if (rc == 0) {
        int before = omp_get_max_threads();
        omp_set_num_threads((int)n_threads);
        double plain = rate_of(call_sgemm, &p, &p), packed = packed_rate(&p);
        omp_set_num_threads(before);
        *gflops = packed > plain ? packed : plain;
        *how = packed > plain ? "oneDNN matmul, packed weights" : "oneDNN sgemm";
        if (*gflops <= 0)
            rc = error_set(err, E_EXTERNAL,
                           "oneDNN cannot multiply (%zu, %zu) by (%zu, %zu)", m, k, k, n);
    }
    free(p.a);
    free(p.b);
    free(p.c);
    return rc;
}

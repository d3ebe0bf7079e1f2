/* The vector kernels of one instruction set. The Makefile compiles this file once per
 * set with KERNEL_SET=generic|avx2|avx512 and the matching -m flags.
 *
 * Written with the compiler's vector types; only the fused multiply-add is an intrinsic,
 * because -std=c17 forbids contracting a * b + c and the tile depends on it. */
#include "kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { LANES = 16, TILE_ROWS = 14, DEPTH = 320, PREFETCH = 0 };
#elif defined(__AVX2__)
#include <immintrin.h>
enum { LANES = 8, TILE_ROWS = 6, DEPTH = 288, PREFETCH = 1 };
#else
enum { LANES = 4, TILE_ROWS = 4, DEPTH = 384, PREFETCH = 0 };
#endif
enum { PANEL = 2 * LANES };
/* DEPTH: rows of a b panel per pass, so that the slice stays in the nearest caches while
 * all row tiles go by, and so that rounding stays small: each slice is summed by itself.
 * A sum of 1536 products in one chain was off by 7e-5 nat a text on average and 1e-3 at
 * worst, in slices of at most 320 by as much as other libraries' (1e-5 and 1e-4).
 *
 * PREFETCH: tiles ask ahead for the next slice of b, which comes from memory, and for
 * their part of c. On where it was measured to help; nobody has tried the other sets. */

#define INLINE      static inline __attribute__((always_inline))
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));
/* The same in memory: any alignment, may alias. */
typedef float memvec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vec load(const float *p)
{
    return *(const memvec *)p;
}

INLINE void store(float *p, vec v)
{
    *(memvec *)p = v;
}

INLINE vec splat(float f)
{
    return f - (vec){0};
}

INLINE vec multiply_add(vec a, vec b, vec c)
{
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* mask lanes are all ones or all zeros */
INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

INLINE vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* Adds lanes pairwise: halves, quarters, … */
INLINE float sum_lanes(vec v)
{
    float x[LANES];
    memcpy(x, &v, sizeof(x));
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            x[i] += x[i + half];
    return x[0];
}

/* ---- Product ---- */

/* One register tile: c (rows, vectors * LANES) over k. `rows` and `vectors` are constants
 * at every place it is inlined, so that the sums live in registers. */
INLINE void tile(const int rows, const int vectors, size_t k, const float *restrict a,
                 size_t lda, const float *restrict b, size_t ldb, float *restrict c,
                 size_t ldc, product_mode mode)
{
    if (PREFETCH)
        for (int i = 0; i < rows; i++)
            __builtin_prefetch(c + (size_t)i * ldc);
    vec sum[TILE_ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            sum[i][j] = mode == PRODUCT_CONTINUE ? load(c + (size_t)i * ldc + j * LANES)
                                                 : (vec){0};
    for (size_t r = 0; r < k; r++) {
        vec right[2];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            right[j] = load(b + r * ldb + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            vec left = splat(a[(size_t)i * lda + r]);
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++)
                sum[i][j] = multiply_add(left, right[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            float *to = c + (size_t)i * ldc + j * LANES;
            store(to, mode == PRODUCT_GROW ? load(to) + sum[i][j] : sum[i][j]);
        }
}

typedef void tile_function(size_t k, const float *a, size_t lda, const float *b,
                           size_t ldb, float *c, size_t ldc, product_mode mode);

#define TILE(ROWS, VECTORS)                                                              \
    static void tile_##ROWS##_##VECTORS(size_t k, const float *a, size_t lda,            \
                                        const float *b, size_t ldb, float *c,            \
                                        size_t ldc, product_mode mode)                   \
    {                                                                                    \
        tile(ROWS, VECTORS, k, a, lda, b, ldb, c, ldc, mode);                            \
    }
/* clang-format off: it does not settle on these lists */
#define TILES(ROWS) TILE(ROWS, 1) TILE(ROWS, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
#if defined(__AVX2__)
TILES(5)
TILES(6)
#endif
#if defined(__AVX512F__)
    TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif

#define ROW(ROWS)                                                                        \
    {                                                                                    \
        tile_##ROWS##_1, tile_##ROWS##_2                                                 \
    }
        static tile_function *const tiles[TILE_ROWS][2] = {
            ROW(1), ROW(2), ROW(3), ROW(4),
#if defined(__AVX2__)
            ROW(5), ROW(6),
#endif
#if defined(__AVX512F__)
            ROW(7), ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14),
#endif
};
/* clang-format on */

/* A tile whose last vector is not full: through a buffer, so that nothing beyond column n
 * of c is touched. */
static void tile_edge(size_t rows, size_t n, size_t k, const float *a, size_t lda,
                      const float *b, size_t ldb, float *c, size_t ldc, product_mode mode)
{
    float buffer[TILE_ROWS * PANEL] = {0};
    for (size_t i = 0; mode != PRODUCT_SET && i < rows; i++)
        memcpy(buffer + i * PANEL, c + i * ldc, n * sizeof(float));
    tiles[rows - 1][n > LANES](k, a, lda, b, ldb, buffer, PANEL, mode);
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * ldc, buffer + i * PANEL, n * sizeof(float));
}

/* Ask for rows [begin, end) of b, to come into the second-level cache. They may lie
 * beyond the matrix: asking reads nothing. */
INLINE void ask(const float *b, size_t begin, size_t end)
{
    for (size_t r = begin; r < end; r++)
        __builtin_prefetch(b + r * PANEL, 0, 2);
}

/* All row tiles of one panel, one slice of the depth. Rows are dealt out evenly so that
 * no tile is left nearly empty. */
static void product_slice(size_t m, size_t n, size_t k, const float *a, size_t lda,
                          const float *b, size_t ldb, float *c, size_t ldc,
                          product_mode mode)
{
    size_t n_tiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    bool edge = n % LANES != 0;
    for (size_t t = 0; t < n_tiles; t++) {
        size_t first = m * t / n_tiles, rows = m * (t + 1) / n_tiles - first;
        if (PREFETCH && ldb == PANEL) /* what follows in memory is the next slice */
            ask(b, k + k * t / n_tiles, k + k * (t + 1) / n_tiles);
        if (edge)
            tile_edge(rows, n, k, a + first * lda, lda, b, ldb, c + first * ldc, ldc,
                      mode);
        else
            tiles[rows - 1][n > LANES](k, a + first * lda, lda, b, ldb, c + first * ldc,
                                       ldc, mode);
    }
}

static void product(size_t m, size_t n, size_t k, const float *a, size_t lda,
                    const float *b, size_t ldb, size_t panel_stride, float *c, size_t ldc,
                    product_mode mode)
{
    size_t n_slices = k == 0 ? 1 : (k + DEPTH - 1) / DEPTH;
    for (size_t j = 0; j < n; j += PANEL) {
        size_t columns = n - j < PANEL ? n - j : PANEL;
        const float *panel = b + j / PANEL * panel_stride;
        for (size_t t = 0; t < n_slices; t++) {
            size_t r = k * t / n_slices, depth = k * (t + 1) / n_slices - r;
            product_slice(m, columns, depth, a + r, lda, panel + r * ldb, ldb, c + j, ldc,
                          t > 0 && mode == PRODUCT_SET ? PRODUCT_GROW : mode);
        }
    }
}

/* ---- exp ---- */

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, with the degree-6 Taylor
 * polynomial in Horner form (truncation r^7/7! < 1.3e-7 relative). ln 2 is split in two
 * so that x - n ln 2 is exact enough (Cody & Waite 1980). NaN stays NaN. */
INLINE vec exp_vec(vec x)
{
    const float low = -87.3f, high = 88.0f, magic = 12582912.0f; /* 1.5 * 2^23 */
    ivec under = x < low;
    vec y = choose(under, splat(low), x);
    y = choose(y > high, splat(high), y);
    vec shifted = multiply_add(y, splat(1.44269504f), splat(magic));
    vec n = shifted - magic;
    vec r = multiply_add(n, splat(-0.693359375f), y);
    r = multiply_add(n, splat(2.12194440e-4f), r);
    vec p = splat(1.0f / 720);
    p = multiply_add(p, r, splat(1.0f / 120));
    p = multiply_add(p, r, splat(1.0f / 24));
    p = multiply_add(p, r, splat(1.0f / 6));
    p = multiply_add(p, r, splat(0.5f));
    p = multiply_add(p, r, splat(1.0f));
    p = multiply_add(p, r, splat(1.0f));
    /* shifted's low mantissa bits hold n; adding n << 23 to the bits multiplies by 2^n */
    vec scaled = (vec)((ivec)p + ((ivec)shifted << 23));
    return (vec)((ivec)scaled & ~under);
}

static void exponential(const float *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(y + i, exp_vec(load(x + i)));
    if (i < n) {
        float buffer[LANES] = {0};
        memcpy(buffer, x + i, (n - i) * sizeof(float));
        store(buffer, exp_vec(load(buffer)));
        memcpy(y + i, buffer, (n - i) * sizeof(float));
    }
}

/* ---- Rows ---- */

static void rms_norm(const float *x, const float *w, size_t n, float eps, float *y)
{
    vec squares = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec v = load(x + i);
        squares = multiply_add(v, v, squares);
    }
    float sum = sum_lanes(squares);
    for (size_t j = i; j < n; j++)
        sum += x[j] * x[j];
    float factor = 1.0f / sqrtf(sum / (float)n + eps);
    for (i = 0; i + LANES <= n; i += LANES)
        store(y + i, load(x + i) * factor * load(w + i));
    for (; i < n; i++)
        y[i] = x[i] * factor * w[i];
}

static void rotate(float *x, const float *cosine, const float *sine, size_t half)
{
    size_t i = 0;
    for (; i + LANES <= half; i += LANES) {
        vec a = load(x + i), b = load(x + half + i);
        vec c = load(cosine + i), s = load(sine + i);
        store(x + i, a * c - b * s);
        store(x + half + i, b * c + a * s);
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i];
        x[i] = a * cosine[i] - b * sine[i];
        x[half + i] = b * cosine[i] + a * sine[i];
    }
}

static float softmax(float *x, size_t n, size_t n_padded, float scale)
{
    vec top = splat(x[0]), sum = {0};
    size_t i = 0, whole = n / LANES * LANES;
    for (; i < whole; i += LANES)
        top = larger(load(x + i), top);
    float max = x[0];
    for (int j = 0; j < LANES; j++)
        max = top[j] > max ? top[j] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (i = 0; i < whole; i += LANES) {
        vec p = exp_vec((load(x + i) - max) * scale);
        store(x + i, p);
        sum += p;
    }
    if (i < n) {
        for (size_t j = n; j < i + LANES; j++)
            x[j] = max;
        vec p = exp_vec((load(x + i) - max) * scale);
        for (size_t j = n; j < i + LANES; j++)
            p[j - i] = 0;
        store(x + i, p);
        sum += p;
        i += LANES;
    }
    if (i < n_padded)
        memset(x + i, 0, (n_padded - i) * sizeof(float));
    return sum_lanes(sum);
}

static float exp_scaled(float *x, size_t n, float shift, float factor_in, float factor)
{
    vec sum = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec p = exp_vec((load(x + i) - shift) * factor_in) * factor;
        store(x + i, p);
        sum += p;
    }
    if (i < n) {
        float rest[LANES] = {0};
        memcpy(rest, x + i, (n - i) * sizeof(float));
        store(rest, exp_vec((load(rest) - shift) * factor_in) * factor);
        memcpy(x + i, rest, (n - i) * sizeof(float));
        memset(rest + (n - i), 0, (LANES - (n - i)) * sizeof(float));
        sum += load(rest);
    }
    return sum_lanes(sum);
}

static void scale(float *x, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

INLINE vec silu_vec(vec z)
{
    return z / (1.0f + exp_vec(-z));
}

static void silu_row(const float *gate, const float *up, size_t n, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(y + i, silu_vec(load(gate + i)) * load(up + i));
    if (i < n) {
        float g[LANES] = {0};
        memcpy(g, gate + i, (n - i) * sizeof(float));
        store(g, silu_vec(load(g)));
        for (size_t j = 0; i + j < n; j++)
            y[i + j] = g[j] * up[i + j];
    }
}

static void silu_gate(const float *gate, const float *up, size_t m, size_t n, size_t ld,
                      float *y, size_t ldy)
{
    for (size_t i = 0; i < m; i++)
        silu_row(gate + i * ld, up + i * ld, n, y + i * ldy);
}

/* ---- Gradients ---- */

/* dx += f w dy - f^3 / n (sum w dy x) x, f = 1 / sqrt(mean(x^2) + eps). */
static void rms_norm_back(const float *x, const float *w, const float *dy, size_t n,
                          float eps, float *dx)
{
    vec squares = {0}, dots = {0};
    size_t i = 0, whole = n / LANES * LANES;
    for (; i < whole; i += LANES) {
        vec v = load(x + i);
        squares = multiply_add(v, v, squares);
        dots = multiply_add(v, load(w + i) * load(dy + i), dots);
    }
    float square = sum_lanes(squares), dot = sum_lanes(dots);
    for (; i < n; i++) {
        square += x[i] * x[i];
        dot += x[i] * w[i] * dy[i];
    }
    float f = 1.0f / sqrtf(square / (float)n + eps);
    float back = f * f * f / (float)n * dot;
    for (i = 0; i < whole; i += LANES)
        store(dx + i,
              load(dx + i) + (f * load(w + i) * load(dy + i) - back * load(x + i)));
    for (; i < n; i++)
        dx[i] += f * w[i] * dy[i] - back * x[i];
}

static void rotate_back(float *x, const float *cosine, const float *sine, size_t half)
{
    size_t i = 0;
    for (; i + LANES <= half; i += LANES) {
        vec a = load(x + i), b = load(x + half + i);
        vec c = load(cosine + i), s = load(sine + i);
        store(x + i, a * c + b * s);
        store(x + half + i, b * c - a * s);
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i];
        x[i] = a * cosine[i] + b * sine[i];
        x[half + i] = b * cosine[i] - a * sine[i];
    }
}

/* silu'(z) = s (1 + z (1 - s)), s = 1 / (1 + exp(-z)). */
INLINE void silu_gate_back_vec(vec d, float *gate, float *up)
{
    vec z = load(gate), u = load(up), s = 1.0f / (1.0f + exp_vec(-z));
    store(gate, d * u * s * (1.0f + z * (1.0f - s)));
    store(up, d * z * s);
}

static void silu_gate_back(const float *dy, size_t n, float *gate, float *up)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        silu_gate_back_vec(load(dy + i), gate + i, up + i);
    if (i < n) {
        float d[LANES] = {0}, g[LANES] = {0}, u[LANES] = {0};
        size_t rest = (n - i) * sizeof(float);
        memcpy(d, dy + i, rest);
        memcpy(g, gate + i, rest);
        memcpy(u, up + i, rest);
        silu_gate_back_vec(load(d), g, u);
        memcpy(gate + i, g, rest);
        memcpy(up + i, u, rest);
    }
}

/* ---- Turning ---- */

#if defined(__AVX__)
enum { TURN = 8 };

/* An 8 x 8 block: pairs of rows interleaved, then pairs of pairs, then halves. */
INLINE void turn_block(const float *from, size_t ldf, float *to, size_t ldt)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(from + (size_t)i * ldf);
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + (size_t)i * ldt,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(to + (size_t)(i + 4) * ldt,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#else
enum { TURN = 4 };

INLINE void turn_block(const float *from, size_t ldf, float *to, size_t ldt)
{
    for (size_t i = 0; i < TURN; i++)
        for (size_t j = 0; j < TURN; j++)
            to[j * ldt + i] = from[i * ldf + j];
}
#endif

static void turn(const float *from, size_t n_rows, size_t n_columns, size_t ldf,
                 float *to, size_t ldt)
{
    size_t rows = n_rows / TURN * TURN, columns = n_columns / TURN * TURN;
    for (size_t i = 0; i < rows; i += TURN)
        for (size_t j = 0; j < columns; j += TURN)
            turn_block(from + i * ldf + j, ldf, to + j * ldt + i, ldt);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = i < rows ? columns : 0; j < n_columns; j++)
            to[j * ldt + i] = from[i * ldf + j];
}

/* Largest value and whether all are numbers. */
static float row_max(const float *x, size_t n, bool *numbers)
{
    vec top = splat(x[0]);
    ivec bad = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec v = load(x + i);
        bad |= v != v;
        top = larger(v, top);
    }
    bool any = false;
    float max = x[0];
    for (int j = 0; j < LANES; j++) {
        any = any || bad[j] != 0;
        max = top[j] > max ? top[j] : max;
    }
    for (; i < n; i++) {
        any = any || isnan(x[i]);
        max = x[i] > max ? x[i] : max;
    }
    *numbers = !any;
    return max;
}

/* Float sums over at most this many vectors go into the double, so that rounding stays
 * near one part in 10^7. */
enum { STATS_BLOCK = 32 };

static void stats(const float *logits, size_t n, logit_stats *out)
{
    bool numbers;
    float max = row_max(logits, n, &numbers);
    *out = (logit_stats){.max = max, .finite = numbers && isfinite(max)};
    if (!out->finite)
        return;
    while (logits[out->argmax] < max)
        out->argmax++;
    double sum = 0;
    size_t i = 0;
    while (i + LANES <= n) {
        vec part = {0};
        for (int b = 0; b < STATS_BLOCK && i + LANES <= n; b++, i += LANES)
            part += exp_vec(load(logits + i) - max);
        sum += (double)sum_lanes(part);
    }
    for (; i < n; i++)
        sum += exp((double)(logits[i] - max));
    out->log_sum = log(sum);
}

#define NAME_(set) #set
#define NAME(set)  NAME_(set)
extern const kernels JOIN(kernels_, KERNEL_SET);
const kernels JOIN(kernels_, KERNEL_SET) = {
    .name = NAME(KERNEL_SET),
    .lanes = LANES,
    .panel = PANEL,
    .tile_rows = TILE_ROWS,
    .depth = DEPTH,
    .product = product,
    .rms_norm = rms_norm,
    .rotate = rotate,
    .softmax = softmax,
    .scale = scale,
    .silu_gate = silu_gate,
    .stats = stats,
    .exp_scaled = exp_scaled,
    .turn = turn,
    .rms_norm_back = rms_norm_back,
    .rotate_back = rotate_back,
    .silu_gate_back = silu_gate_back,
    .exponential = exponential,
};

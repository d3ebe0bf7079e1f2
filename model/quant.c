/* Block formats of GGUF tensors and their widening to float.
 *
 * Every product below is exact in float: a half has 11 significant bits and is multiplied
 * by integers of at most 12 bits together (Q5_K: scale 6, value 5; Q6_K: scale 8, value
 * 6, both signed). So only the last addition rounds, the result is the same whether or
 * not the compiler fuses it, and it equals the reference's bit for bit.
 *
 * Inner loops have constant trip counts, so that -O2 turns them into vector code. */
#include "quant.h"

#include <string.h>

/* ---- Numbers ---- */

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* IEEE binary16 to binary32 without branches. A subnormal half is built as a normal
 * float with the implicit one subtracted again: that is right even where the processor is
 * told to flush subnormals. */
static inline float half_widen(uint16_t half)
{
    const uint32_t rebias = (127u - 15u) << 23, top = 0x1fu << 23, one = 113u << 23;
    uint32_t bits = (half & 0x7fffu) << 13, exponent = bits & top;
    uint32_t normal = bits + rebias + (exponent == top ? rebias : 0);
    uint32_t tiny = bits_of_float(float_of_bits(bits + one) - float_of_bits(one));
    uint32_t sign = (half & 0x8000u) << 16;
    return float_of_bits((exponent ? normal : tiny) | sign);
}

static inline uint16_t u16_at(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t u32_at(const uint8_t *p)
{
    return u16_at(p) | (uint32_t)u16_at(p + 2) << 16;
}

static inline float half_at(const uint8_t *p)
{
    return half_widen(u16_at(p));
}

/* ---- Plain formats: a block is one number ---- */

static void widen_f32(const void *src, size_t n_blocks, float *dst)
{
    if (n_blocks)
        memcpy(dst, src, n_blocks * sizeof *dst);
}

enum { CHUNK = 32 }; /* a constant trip count, for the vectoriser */

static void widen_f16(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    size_t i = 0;
    for (; i + CHUNK <= n_blocks; i += CHUNK, p += 2 * CHUNK, x += CHUNK) {
        uint16_t half[CHUNK];
        memcpy(half, p, sizeof half);
        for (size_t j = 0; j < CHUNK; j++)
            x[j] = half_widen(half[j]);
    }
    for (; i < n_blocks; i++, p += 2)
        *x++ = half_at(p);
}

static void widen_bf16(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    size_t i = 0;
    for (; i + CHUNK <= n_blocks; i += CHUNK, p += 2 * CHUNK, x += CHUNK) {
        uint16_t high[CHUNK];
        memcpy(high, p, sizeof high);
        for (size_t j = 0; j < CHUNK; j++)
            x[j] = float_of_bits((uint32_t)high[j] << 16);
    }
    for (; i < n_blocks; i++, p += 2)
        *x++ = float_of_bits((uint32_t)u16_at(p) << 16);
}

/* ---- Blocks of 32: half d, [half m], [32 fifth bits], then the low four bits, value j
 * beside value j + 16 ---- */

static void widen_q8_0(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 34, x += 32) {
        float d = half_at(p);
        for (size_t j = 0; j < 32; j++)
            x[j] = d * (float)(int8_t)p[2 + j];
    }
}

static void widen_q4_0(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 18, x += 32) {
        float d = half_at(p);
        for (size_t j = 0; j < 16; j++)
            x[j] = d * (float)((p[2 + j] & 15) - 8);
        for (size_t j = 0; j < 16; j++)
            x[16 + j] = d * (float)((p[2 + j] >> 4) - 8);
    }
}

static void widen_q4_1(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 20, x += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (size_t j = 0; j < 16; j++)
            x[j] = d * (float)(p[4 + j] & 15) + m;
        for (size_t j = 0; j < 16; j++)
            x[16 + j] = d * (float)(p[4 + j] >> 4) + m;
    }
}

static void widen_q5_0(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 22, x += 32) {
        float d = half_at(p);
        uint32_t fifth = u32_at(p + 2);
        for (size_t j = 0; j < 16; j++) {
            int low = (p[6 + j] & 15) | (int)(fifth >> j & 1) << 4;
            int high = p[6 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
            x[j] = d * (float)(low - 16);
            x[16 + j] = d * (float)(high - 16);
        }
    }
}

static void widen_q5_1(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 24, x += 32) {
        float d = half_at(p), m = half_at(p + 2);
        uint32_t fifth = u32_at(p + 4);
        for (size_t j = 0; j < 16; j++) {
            int low = (p[8 + j] & 15) | (int)(fifth >> j & 1) << 4;
            int high = p[8 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
            x[j] = d * (float)low + m;
            x[16 + j] = d * (float)high + m;
        }
    }
}

/* ---- Blocks of 256 ("K"): eight groups of 32 (Q6_K: sixteen of 16), each with a small
 * integer scale under the block's half ---- */

typedef struct group_scales {
    float scale[8], least[8];
} group_scales;

/* Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima into 12 bytes: the first
 * four of each in the low bits of bytes 0-3 and 4-7; the last four in the nibbles of
 * bytes 8-11, their top two bits in the top of bytes 0-3 and 4-7. */
static group_scales group_scales_at(const uint8_t *p)
{
    group_scales g;
    float d = half_at(p), d_least = half_at(p + 2);
    const uint8_t *s = p + 4, *m = p + 8, *rest = p + 12;
    for (size_t j = 0; j < 4; j++) {
        g.scale[j] = d * (float)(s[j] & 63);
        g.least[j] = d_least * (float)(m[j] & 63);
        g.scale[j + 4] = d * (float)((rest[j] & 15) | (s[j] >> 6) << 4);
        g.least[j + 4] = d_least * (float)(rest[j] >> 4 | (m[j] >> 6) << 4);
    }
    return g;
}

static void widen_q4_k(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 144) {
        group_scales g = group_scales_at(p);
        const uint8_t *q = p + 16;
        for (size_t k = 0; k < 8; k += 2, q += 32, x += 64) {
            for (size_t j = 0; j < 32; j++)
                x[j] = g.scale[k] * (float)(q[j] & 15) - g.least[k];
            for (size_t j = 0; j < 32; j++)
                x[32 + j] = g.scale[k + 1] * (float)(q[j] >> 4) - g.least[k + 1];
        }
    }
}

static void widen_q5_k(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 176) {
        group_scales g = group_scales_at(p);
        const uint8_t *fifth = p + 16, *q = p + 48;
        for (size_t k = 0; k < 8; k += 2, q += 32, x += 64) {
            for (size_t j = 0; j < 32; j++) {
                int low = (q[j] & 15) | (fifth[j] >> k & 1) << 4;
                x[j] = g.scale[k] * (float)low - g.least[k];
            }
            for (size_t j = 0; j < 32; j++) {
                int high = q[j] >> 4 | (fifth[j] >> (k + 1) & 1) << 4;
                x[32 + j] = g.scale[k + 1] * (float)high - g.least[k + 1];
            }
        }
    }
}

/* Sixteen values of Q6_K: low four bits from q, top two from `top`, each at its shift. */
static inline void widen_q6_group(float d, const uint8_t *restrict q, unsigned q_shift,
                                  const uint8_t *restrict top, unsigned top_shift,
                                  float *restrict x)
{
    for (size_t j = 0; j < 16; j++) {
        int value = (q[j] >> q_shift & 15) | (top[j] >> top_shift & 3) << 4;
        x[j] = d * (float)(value - 32);
    }
}

static void widen_q6_k(const void *src, size_t n_blocks, float *dst)
{
    const uint8_t *restrict p = src;
    float *restrict x = dst;
    for (size_t i = 0; i < n_blocks; i++, p += 210) {
        float d = half_at(p + 208);
        for (size_t group = 0; group < 16; group++, x += 16) {
            /* A half block of 128 values has 64 bytes of low bits and 32 of top bits;
             * its groups of 32 values lie side by side in the bits of those bytes. */
            size_t half = group / 8, part = group % 8 / 2, begin = group % 2 * 16;
            const uint8_t *q = p + 64 * half + part % 2 * 32 + begin;
            const uint8_t *top = p + 128 + 32 * half + begin;
            float scale = d * (float)(int8_t)p[192 + group];
            widen_q6_group(scale, q, part < 2 ? 0 : 4, top, (unsigned)(2 * part), x);
        }
    }
}

/* ---- The tables ---- */

static const quant_format formats[] = {
    {QUANT_F32, "F32", 1, 4, widen_f32},
    {QUANT_F16, "F16", 1, 2, widen_f16},
    {QUANT_BF16, "BF16", 1, 2, widen_bf16},
    {QUANT_Q8_0, "Q8_0", 32, 34, widen_q8_0},
    {QUANT_Q4_0, "Q4_0", 32, 18, widen_q4_0},
    {QUANT_Q4_1, "Q4_1", 32, 20, widen_q4_1},
    {QUANT_Q5_0, "Q5_0", 32, 22, widen_q5_0},
    {QUANT_Q5_1, "Q5_1", 32, 24, widen_q5_1},
    {QUANT_Q4_K, "Q4_K", 256, 144, widen_q4_k},
    {QUANT_Q5_K, "Q5_K", 256, 176, widen_q5_k},
    {QUANT_Q6_K, "Q6_K", 256, 210, widen_q6_k},
};

const quant_format *quant_find(uint32_t type)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if ((uint32_t)formats[i].type == type)
            return &formats[i];
    return NULL;
}

const char *quant_type_name(uint32_t type)
{
    /* enum ggml_type of ggml.h; 4, 5, 31-33 and 36-38 are retired but named. */
    static const char *const names[] = {
        "F32",        "F16",        "Q4_0",       "Q4_1",     "Q4_2",    "Q4_3",
        "Q5_0",       "Q5_1",       "Q8_0",       "Q8_1",     "Q2_K",    "Q3_K",
        "Q4_K",       "Q5_K",       "Q6_K",       "Q8_K",     "IQ2_XXS", "IQ2_XS",
        "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S",    "IQ2_S",   "IQ4_XS",
        "I8",         "I16",        "I32",        "I64",      "F64",     "IQ1_M",
        "BF16",       "Q4_0_4_4",   "Q4_0_4_8",   "Q4_0_8_8", "TQ1_0",   "TQ2_0",
        "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",   "Q1_0",
    };
    return type < sizeof names / sizeof *names ? names[type] : NULL;
}

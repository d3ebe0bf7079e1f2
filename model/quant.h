/* The block formats in which GGUF files store weights, and how each is widened to float.
 *
 * A row of a tensor is whole blocks; a block is `values` numbers in `bytes` bytes.
 * Formats: ggml-org/ggml src/ggml-common.h and ggml-quants.c. Stateless. */
#ifndef LAMARCK_MODEL_QUANT_H
#define LAMARCK_MODEL_QUANT_H

#include "base.h"

/* Numbered as in the file. */
typedef enum quant_type {
    QUANT_F32 = 0,
    QUANT_F16 = 1,
    QUANT_Q4_0 = 2,
    QUANT_Q4_1 = 3,
    QUANT_Q5_0 = 6,
    QUANT_Q5_1 = 7,
    QUANT_Q8_0 = 8,
    QUANT_Q4_K = 12,
    QUANT_Q5_K = 13,
    QUANT_Q6_K = 14,
    QUANT_BF16 = 30,
} quant_type;

typedef struct quant_format {
    quant_type type;
    const char *name; /* "Q4_1" */
    size_t values;    /* numbers in a block */
    size_t bytes;     /* bytes of a block */
    /* dst (n_blocks * values) <- src (n_blocks * bytes), src of any alignment */
    void (*widen)(const void *src, size_t n_blocks, float *dst);
} quant_format;

/* NULL for a number that is not in the table. */
const quant_format *quant_find(uint32_t type);
/* The name of any ggml type number, supported or not, for error messages; "type 99" style
 * names are the caller's business: NULL when ggml has no such number. */
const char *quant_type_name(uint32_t type);

#endif

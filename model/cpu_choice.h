/* Which call multiplies by a matrix of a given shape on this CPU: found by measuring
 * once, kept in a file for all later runs. Not for others than the cpu backend. */
#ifndef LAMARCK_MODEL_CPU_CHOICE_H
#define LAMARCK_MODEL_CPU_CHOICE_H

#include "kernels.h"
#include "onednn.h"

typedef enum product_kind {
    PRODUCT_KERNELS, /* our own tiles over panels */
    PRODUCT_ONEDNN,
} product_kind;

/* Columns that one oneDNN product is of, at most. */
enum { ONEDNN_COLUMNS = 256 };

typedef struct product_choice {
    size_t n_in, n_out;
    product_kind kind;
    size_t kernels_mflops, onednn_mflops; /* one thread; 0: cannot, or not invariant */
} product_choice;

typedef struct product_choices {
    char cpu[200]; /* kernels, CPU model and oneDNN version: what a choice holds for */
    product_choice *items; /* owned */
    size_t n, capacity;
} product_choices;

/* Reads what is known about this CPU from ${XDG_CACHE_HOME:-~/.cache}/lamarck; a missing
 * or damaged file is as good as none. */
void product_choices_open(product_choices *out);
/* The choice for a shape; if it is not known, it is measured and added to the file. */
int product_choices_find(product_choices *c, size_t n_in, size_t n_out,
                         product_choice *out, error *err);
void product_choices_close(product_choices *c);

const char *product_kind_name(product_kind k);

#endif

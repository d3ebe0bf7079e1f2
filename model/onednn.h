/* oneDNN's matrix product on weights in the layout that it likes best: the only place
 * where its version shows.
 *
 * A product here is of exactly ONEDNN_ROWS rows with one block of columns, in the calling
 * thread, so that neither the number of rows of a call nor of threads can change how it
 * computes. Immutable once made; any thread. */
#ifndef LAMARCK_MODEL_ONEDNN_H
#define LAMARCK_MODEL_ONEDNN_H

#include "base.h"

enum { ONEDNN_ROWS = 32 };

typedef struct onednn_product onednn_product;

/* y (ROWS, n) = x (ROWS, n_in) W^T, W (n, n_in). E_EXTERNAL when oneDNN cannot. */
int onednn_product_new(onednn_product **out, size_t n_in, size_t n, error *err);
void onednn_product_free(onednn_product *p);

/* Floats that W takes once packed. */
size_t onednn_packed_floats(const onednn_product *p);
/* Pack W, plain (n, n_in). */
int onednn_pack(const onednn_product *p, const float *plain, float *packed, error *err);

/* The reverse. */
int onednn_unpack(const onednn_product *p, const float *packed, float *plain, error *err);

int onednn_run(const onednn_product *p, const float *x, const float *packed, float *y,
               error *err);

/* "2.6.3" */
const char *onednn_version(char out[32]);

#endif

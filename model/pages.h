/* Large arrays straight from the system, in large pages where it has them: what is walked
 * in long strides should not wait for address translation. Zeroed. */
#ifndef LAMARCK_MODEL_PAGES_H
#define LAMARCK_MODEL_PAGES_H

#include "base.h"

typedef struct pages {
    float *floats; /* NULL: none */
    size_t bytes;  /* mapped */
} pages;

/* Room for n_rows * n_columns floats. E_MEMORY when the product overflows or the system
 * has no memory. */
int pages_map(pages *out, size_t n_rows, size_t n_columns, error *err);
/* Another size, a smaller one at once given back, a larger one zeroed only where it is
 * new. On failure *p is as it was. */
int pages_resize(pages *p, size_t n_floats, error *err);
void pages_unmap(pages *p);

#endif

/* The best k of many. Stateless. Not for other folders. */
#ifndef LAMARCK_MODEL_TOP_K_H
#define LAMARCK_MODEL_TOP_K_H

#include <stddef.h>
#include <stdint.h>

/* ids (k): the indices of the k largest of x (n), largest first, ties by lower index. k
 * is in 1..n; x holds no NaN. */
void top_k(const float *x, size_t n, size_t k, int32_t *ids);

#endif

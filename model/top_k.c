/* A heap of the best so far whose root is the worst of them: few of n elements get past
 * it, and taking the roots off leaves the ids sorted. */
#include "top_k.h"

#include <stdbool.h>

static bool is_better(const float *x, int32_t a, int32_t b)
{
    return x[a] != x[b] ? x[a] > x[b] : a < b;
}

/* Put `id` in place `at` of the heap ids[0..n), and let it sink. */
static void sink(const float *x, int32_t *ids, size_t n, size_t at, int32_t id)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && is_better(x, ids[child], ids[child + 1]))
            child++;
        if (!is_better(x, id, ids[child]))
            break;
        ids[at] = ids[child];
        at = child;
    }
    ids[at] = id;
}

void top_k(const float *x, size_t n, size_t k, int32_t *ids)
{
    for (size_t i = 0; i < k; i++)
        ids[i] = (int32_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sink(x, ids, k, i, ids[i]);
    for (size_t i = k; i < n; i++)
        if (x[i] > x[ids[0]]) /* a tie is lost to the lower index */
            sink(x, ids, k, 0, (int32_t)i);
    for (size_t left = k; left-- > 1;) {
        int32_t worst = ids[0];
        sink(x, ids, left, 0, ids[left]);
        ids[left] = worst;
    }
}

/* Which set of kernels this CPU runs. */
#include "kernels.h"

#include <string.h>

extern const kernels kernels_generic, kernels_avx2, kernels_avx512;

static bool runs(const kernels *k)
{
    if (k == &kernels_generic)
        return true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (k == &kernels_avx2)
        return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

static const kernels *const sets[] = {&kernels_avx512, &kernels_avx2, &kernels_generic};
enum { N_SETS = sizeof(sets) / sizeof(*sets) };

const kernels *kernels_best(void)
{
    for (size_t i = 0; i < N_SETS; i++)
        if (runs(sets[i]))
            return sets[i];
    return &kernels_generic;
}

const kernels *kernels_find(const char *name)
{
    for (size_t i = 0; i < N_SETS; i++)
        if (strcmp(sets[i]->name, name) == 0 && runs(sets[i]))
            return sets[i];
    return NULL;
}

/* What this machine can do, measured now: the yardsticks that the engine's speed is held
 * against. Nothing here touches a model. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_BENCH_MACHINE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_BENCH_MACHINE_H

#include "../../model/base.h"

/* Append "model name; avx2 fma avx512f …": the flags that matter for matrix products. */
int machine_describe(text *out, error *err);

/* Multiply-adds of vectors that touch no memory, all threads at once: GFLOP/s, the best
 * of a few short runs. The widest vectors that the CPU has. */
double machine_fma_peak(size_t n_threads);

/* oneDNN's fastest f32 product of (m, k) by (k, n), weights packed as it likes where its
 * version lets us ask: GFLOP/s. `how` names the call; static. */
int machine_gemm(size_t n_threads, size_t m, size_t k, size_t n, double *gflops,
                 const char **how, error *err);

/* Of this process, so far. */
double machine_peak_mib(void);
size_t machine_threads(void); /* that the process may run on */

#endif

/* One step of prompt or prefix tuning as a benchmark: the same multiset of row lengths at
 * every step, every token but the first a target, as peers are timed. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_BENCH_TRAIN_H
#define LAMARCK_EXPERIMENTS_COMMANDS_BENCH_TRAIN_H

#include "../../prefix/prefix.h"

enum {
    BENCH_TRAIN_ROWS = 16,
    BENCH_TRAIN_LONGEST = 64, /* tokens of a row; less where the window is smaller */
    BENCH_TRAIN_WARM = 2,     /* steps before the clock counts */
    BENCH_TRAIN_STEPS = 10,
};

typedef struct train_timing {
    size_t shortest, longest; /* tokens of a row, half and whole; evenly spread between */
    double median, least, most; /* seconds of a step */
    double multiply_adds;       /* of a step, forwards and backwards */
    double loss;                /* of the last step's batch */
} train_timing;

/* Times steps behind n_virtual vectors that begin as words of the vocabulary. The session
 * is left without a prefix. E_LIMIT when they leave no room in the window. */
int bench_train(session *s, const model *m, prefix_kind kind, size_t n_virtual,
                train_timing *out, error *err);

#endif

/* Timing training steps. */
#include "bench_train.h"

#include "../../prefix/train.h"
#include "command.h"

#include <stdlib.h>

enum { N_STEPS = BENCH_TRAIN_WARM + BENCH_TRAIN_STEPS, FEWEST_TOKENS = 4 };

typedef struct batch {
    row rows[BENCH_TRAIN_ROWS];
    int32_t tokens[BENCH_TRAIN_ROWS][BENCH_TRAIN_LONGEST];
} batch;

static int choose_lengths(const model_info *m, size_t n_virtual, train_timing *out,
                          error *err)
{
    size_t room = m->window > n_virtual ? m->window - n_virtual : 0;
    if (room < FEWEST_TOKENS)
        return error_set(err, E_LIMIT,
                         "%zu virtual tokens leave room for rows of %zu tokens in a "
                         "window of %zu; %d is the least",
                         n_virtual, room, m->window, FEWEST_TOKENS);
    out->longest = room < BENCH_TRAIN_LONGEST ? room : BENCH_TRAIN_LONGEST;
    out->shortest = out->longest / 2;
    return 0;
}

/* Tokens that differ from row to row, so that no two rows share a segment. */
static void fill(batch *b, const train_timing *x, size_t n_vocabulary)
{
    size_t steps = BENCH_TRAIN_ROWS - 1, range = x->longest - x->shortest;
    for (size_t i = 0; i < BENCH_TRAIN_ROWS; i++) {
        size_t n = x->shortest + (range * i + steps / 2) / steps;
        for (size_t k = 0; k < n; k++)
            b->tokens[i][k] = (int32_t)(seed_mix(i, k) % n_vocabulary);
        b->rows[i] = (row){.tokens = b->tokens[i], .n = n, .n_context = 1};
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int time_steps(trainer *t, session *s, train_timing *out, error *err)
{
    double seconds[N_STEPS];
    session_counters before = {0};
    train_event event = {0};
    for (size_t i = 0; i < N_STEPS; i++) {
        if (i == BENCH_TRAIN_WARM)
            before = session_spent(s);
        double began = clock_seconds();
        TRY(trainer_advance(t, &event, err));
        seconds[i] = clock_seconds() - began;
    }
    double *timed = seconds + BENCH_TRAIN_WARM;
    qsort(timed, BENCH_TRAIN_STEPS, sizeof *timed, by_value);
    out->median = (timed[BENCH_TRAIN_STEPS / 2 - 1] + timed[BENCH_TRAIN_STEPS / 2]) / 2;
    out->least = timed[0];
    out->most = timed[BENCH_TRAIN_STEPS - 1];
    out->multiply_adds =
        (session_spent(s).multiply_adds - before.multiply_adds) / BENCH_TRAIN_STEPS;
    out->loss = event.loss;
    return 0;
}

int bench_train(session *s, const model *m, prefix_kind kind, size_t n_virtual,
                train_timing *out, error *err)
{
    const model_info *info = model_describe(m);
    TRY(choose_lengths(info, n_virtual, out, err));
    batch *b = array_new(1, sizeof *b);
    if (!b)
        return error_memory(err, sizeof *b);
    fill(b, out, info->n_vocabulary);
    train_options o = train_defaults(kind);
    o.init = PREFIX_INIT_VOCABULARY;
    o.n_tokens = n_virtual;
    o.lr = 1e-3; /* given, or steps of a probe would be timed */
    o.n_steps = N_STEPS;
    o.batch = BENCH_TRAIN_ROWS;
    trainer *t;
    int rc = trainer_new(&t, s, m, &o, b->rows, BENCH_TRAIN_ROWS, NULL, 0, err);
    if (rc == 0) {
        rc = time_steps(t, s, out, err);
        trainer_free(t);
    }
    free(b);
    return rc;
}

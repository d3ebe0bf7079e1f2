/* An experiment without a model, and an objective that scores candidates by counting
 * words and by chance that is a hash: everything of a run but the language model.
 *
 * The toy keeps its scores in the store as the real objective does, charges and asks
 * whether there is time as that does; it can die, be interrupted, answer late or become
 * slow, at a place given beforehand. */
#ifndef LAMARCK_TESTS_TOY_H
#define LAMARCK_TESTS_TOY_H

#include "../experiments/fitness/key_ledger.h"
#include "../experiments/runs/run_loop.h"

/* Write toy.yaml and toy.jsonl to `dir` and load them with n changes "a.b=c". */
experiment *toy_experiment(const char *dir, const char *const *set, size_t n,
                           uint64_t seed);

/* Such an experiment, and two folders for runs, of which the first holds its files. */
typedef struct toy_bench {
    char *a, *b;
    experiment *e;
} toy_bench;
void toy_bench_open(toy_bench *w, const char *const *set, size_t n);
void toy_bench_close(toy_bench *w);

typedef struct toy {
    objective base;
    const experiment *experiment;
    store *store;
    key_ledger keys;
    bool constant;           /* every score is the same: nothing beats the seed */
    size_t die_after;        /* SIGKILL itself after so many new scores; 0: never */
    volatile int *interrupt; /* raised after interrupt_after new scores */
    size_t interrupt_after;
    size_t pending;  /* so many candidates of a batch are answered per call; 0: all */
    bool never_more; /* having answered those, everything is pending from then on */
    size_t answered;
    size_t computed;     /* new scores so far */
    size_t outside_seen; /* examples outside the search split, measured */
    paid_proposer proposer;
    uint64_t words_price; /* of one call of the proposer */
    double *time;         /* a clock that new scores and words move on; NULL: no hurry */
    double score_seconds; /* by so much each, */
    size_t slow_after;    /* and, after so many new scores, */
    double slow_factor;   /* by so many times that */
    double took;          /* the last one */
    const ticker *ticker; /* filled in by toy_run */
} toy;

void toy_open(toy *t, const experiment *e, store *s);
void toy_close(toy *t);

/* Run or go on with run `id` (0: begin one) of `dir`; returns run_loop's code. */
int toy_run(toy *t, const char *dir, uint64_t id, const run_options *options,
            double (*clock)(void), error *err);

/* Fails the test unless both records say the same about everything but time. */
void assert_same_run(const run_record *a, const run_record *b, bool reused_too);
run_record *read_run(const char *dir, uint64_t id);
/* What `dir` holds: 0 no run, 1 one that is not finished, 2 finished ones only. */
int run_state_of(const char *dir);

#endif

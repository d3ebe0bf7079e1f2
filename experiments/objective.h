/* What makes candidates into numbers: a table of functions and a state. A model, a crowd
 * or a reward model is made into one of these; runs know no more about fitness than this.
 */
#ifndef LAMARCK_EXPERIMENTS_OBJECTIVE_H
#define LAMARCK_EXPERIMENTS_OBJECTIVE_H

#include "../evolve/search.h"

/* One candidate on some examples (indices into the data set). */
typedef struct measurement {
    const genome *genome;
    const size_t *examples;
    size_t n;
    double *scores;        /* out, n of them; borrowed from the caller */
    double penalty;        /* out: length, fluency */
    fitness_status status; /* out; FAILED fills `reason` */
    char reason[200];
} measurement;

/* What a batch costs or has cost. */
typedef struct expense {
    uint64_t tokens;      /* row tokens charged to the run */
    uint64_t evaluations; /* candidate x example pairs charged */
    uint64_t reused; /* tokens of those that another run of the folder had computed */
} expense;

typedef struct objective objective;
struct objective {
    const char *name;
    /* What measure() would charge for these, exactly; nothing is run. Results that this
     * run has already paid for are free; results from other runs are charged like new
     * ones, so that a run does not depend on what else its folder holds. */
    int (*cost)(objective *o, const measurement *batch, size_t n, expense *out,
                error *err);
    /* Measure all; all or nothing. Everything new is in the store before this returns. */
    int (*measure)(objective *o, measurement *batch, size_t n, expense *out, error *err);
    void (*free)(objective *o); /* releases o itself too */
};

#endif

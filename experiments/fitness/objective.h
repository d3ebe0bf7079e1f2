/* What makes candidates into numbers: a table of functions and a state. A model, a crowd
 * or a reward model is made into one of these; runs know no more about fitness than this.
 */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_OBJECTIVE_H
#define LAMARCK_EXPERIMENTS_FITNESS_OBJECTIVE_H

#include "../../evolve/search.h"
#include "../store/surrogate_record.h"

/* One candidate on some examples (indices into the data set). */
typedef struct measurement {
    const genome *genome;
    const size_t *examples;
    size_t n;
    double *scores;      /* out, n of them; borrowed from the caller */
    double penalty;      /* out: length, fluency */
    double first_choice; /* out: share of examples for which each token of a target is the
                            model's first choice, or the right label the likeliest; NaN
                            where the objective cannot tell. A likelihood may rise while
                            this falls */
    fitness_status status; /* out; FAILED fills `reason` */
    char reason[200];
} measurement;

/* What a batch costs or has cost. */
typedef struct expense {
    uint64_t tokens;      /* row tokens charged to the run */
    uint64_t evaluations; /* candidate x example pairs charged */
    uint64_t reused;  /* tokens of those that another run of the folder had computed */
    uint64_t ratings; /* of people */
} expense;

/* A proposer whose words cost tokens. Before the search asks, who holds the budget sets
 * `allowance` and empties `spent`; the proposer adds to `spent` what it charges, and
 * offers nothing that would take it over the allowance. */
typedef struct paid_proposer {
    proposer proposer; /* first, so that one pointer is both */
    uint64_t allowance;
    expense spent;
    void (*free)(struct paid_proposer *p); /* releases p itself too */
} paid_proposer;

/* Where an objective stands that waits for people. */
typedef struct people_state {
    bool waiting, simulated;
    bool fresh;            /* the batch at hand has just been asked for */
    size_t asked, missing; /* of the batch at hand: answers that are wanted in all, and
                              that are not there yet */
    size_t ratings, raters, excluded; /* so far, of all steps */
    size_t taken;    /* ratings of those that this run is charged with, or will be */
    size_t prepared; /* outputs that the model generated while people thought */
    double cents;    /* spent: ratings times what one costs */
    const surrogate_record *surrogate; /* NULL: none chooses what people see */
} people_state;

typedef struct objective objective;
struct objective {
    const char *name;
    /* The most that measure() would charge for these, and exactly that where nothing is
     * generated (a generated text may end early); nothing is run, and the answer does not
     * depend on the store. Results that this run has already paid for are free; results
     * from other runs are charged like new ones, so that a run does not depend on what
     * else its folder holds. Of ratings it is a forecast, since who answers, and whether
     * it counts, is up to people; a cap on them is kept by `ratings_left`. */
    int (*cost)(objective *o, const measurement *batch, size_t n, expense *out,
                error *err);
    /* Measure all; all or nothing; *out is what these cost. Everything new is in the
     * store before this returns. PENDING measurements charge nothing until they are
     * answered. */
    int (*measure)(objective *o, measurement *batch, size_t n, expense *out, error *err);
    void (*free)(objective *o);    /* releases o itself too */
    const people_state *people;    /* NULL: it asks nobody. Borrowed for its life */
    void (*notice)(void *context); /* called when `people` has changed, NULL: nobody */
    void *notice_context;          /* looks; both belong to who runs it */
    uint64_t ratings_left; /* that measure() may take of people from now on: set by who
                              holds the budget. With as many it decides on what was said,
                              be it less than it wanted. UINT64_MAX: no limit */
};

#endif

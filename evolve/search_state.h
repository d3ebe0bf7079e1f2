/* What the search types share. Private to evolve/: search.c keeps the record and the
 * queries, heat.c runs races, breed.c makes candidates; ga.c, cmaes.c and random.c
 * decide. */
#ifndef LAMARCK_EVOLVE_SEARCH_STATE_H
#define LAMARCK_EVOLVE_SEARCH_STATE_H

#include "bandit.h"
#include "race.h"
#include "search.h"

typedef struct record {
    candidate public; /* what search_candidate shows; points into this record */
    genome genome;
    char *operators;
    uint32_t arms;  /* the bandit's arms that made it */
    double penalty; /* as last told */
    size_t *index;  /* examples measured, in order, and */
    double *score;  /* their scores */
    size_t n_scores, capacity;
} record;

/* A query of the present step, open until answered. */
typedef struct slot {
    record *who;
    size_t *examples;
    size_t n;
    double *scores; /* NULL until answered with scores */
    double penalty;
    bool answered, failed;
    bool named; /* in the tell being checked */
} slot;

/* Keys of all genomes ever made; open addressing. */
typedef struct key_set {
    char **keys;
    size_t n, capacity;
} key_set;

/* A race in progress. */
typedef struct heat {
    record **racers;
    size_t n;
    size_t *order; /* (n_examples), the shuffle of this race */
    size_t look;
    bool open;
} heat;

struct search {
    const search_type *type;
    void *state;
    search_problem problem;
    search_options options;
    gsl_rng *rng;
    bandit bandit;
    record **records; /* in order of birth: record i has id i + 1 */
    size_t n_records, records_capacity;
    key_set keys;
    slot *slots;
    size_t n_slots, slots_capacity;
    search_query *queries; /* the open slots, as shown */
    size_t queries_capacity;
    heat heat;
    record **population; /* measured on everything, best first by selection order */
    size_t n_population;
    size_t generation, restarts;
    size_t next_seed; /* seeds before it have been born */
};

/* ---- search.c ---- */

record *search_record(search *s, uint64_t id);
/* Ask for those of examples[0..n) that `who` was not measured on; maybe none. */
int search_add_query(search *s, record *who, const size_t *examples, size_t n,
                     error *err);
bool search_measured_fully(const search *s, const record *who);
/* Selection's order: value, then lower id. For qsort over record *. */
int record_compare(const void *a, const void *b);
/* For searches that keep one: the best of litter[0..n) and of the one kept is kept, to
 * race against next time; the others are dead. */
void search_crown(search *s, record *const *litter, size_t n);

/* ---- breed.c: candidates ---- */

/* How a child is to be called and credited. */
typedef struct birth {
    const record *parents[2];
    uint32_t arms;
    text operators;
} birth;

/* Enter a genome (taken over, whatever happens) as a new candidate. *out = NULL when the
 * search has met it before. */
int breed_enter(search *s, genome *g, birth *b, record **out, error *err);
/* The next seed, or a candidate of the initial step: a random seed with random
 * demonstrations and choices, words edited. NULL: nothing new was found. */
int breed_initial(search *s, record **out, error *err);
/* A child of the population. NULL: nothing new was found. */
int breed_child(search *s, record **out, error *err);
/* `who` changed by many edits at once. */
int breed_far(search *s, const record *who, record **out, error *err);
/* Candidates with the whole texts that the proposer has for a text gene of `host` (NULL:
 * a parent is picked), the genes taking turns by `round`: appended to litter, which holds
 * *n and may hold `most`. */
int breed_guests(search *s, const record *host, size_t round, record **litter, size_t *n,
                 size_t most, error *err);
/* Shares go to the operators that could do something to somebody in the population. */
void breed_share(search *s);

/* ---- heat.c: races ---- */

/* Start a race of the first n_veterans of the population and of litter[0..n), over a
 * fresh shuffle of the examples. The litter is measured on nothing, the veterans on
 * everything: every look has pairs. Of equals, the elder leads. */
int heat_begin(search *s, size_t n_veterans, record *const *litter, size_t n, error *err);
/* Ask for the next block of everybody still racing. */
int heat_ask(search *s, error *err);
/* All answers are in: stop losers, move on; the race closes when all who are left have
 * met every example. */
int heat_tell(search *s, error *err);
void heat_free(heat *h);

extern const search_type search_ga, search_random, search_cmaes;

#endif

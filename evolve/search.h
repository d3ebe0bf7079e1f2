/* A search over candidates, driven from outside: ask what to measure, measure it whenever
 * and however, tell. Nothing is a callback that must return now; people answer after
 * hours.
 *
 * A search is a const type object (as GSL's minimisers are) and a state of it. The state
 * is a pure function of (type, problem, options, the sequence of tells): resuming is
 * replaying, so there is no save or load that could disagree with the record. One thread
 * at a time.
 *
 * Objectives score candidates on examples. What an example is, the search does not know:
 * it knows how many there are and asks for blocks of them, the same blocks for all
 * candidates of a step, which is what paired tests and racing need. Higher scores are
 * better. */
#ifndef LAMARCK_EVOLVE_SEARCH_H
#define LAMARCK_EVOLVE_SEARCH_H

#include "genome.h"
#include "operators.h"

typedef enum fitness_status {
    FITNESS_PENDING,
    FITNESS_DONE,
    FITNESS_FAILED
} fitness_status;

typedef struct fitness {
    double value; /* mean score over the n examples seen, penalties taken off */
    double se;    /* standard error of the mean; 0 while n < 2 */
    size_t n;
    fitness_status status; /* unevaluated is a state, never a number */
} fitness;

/* Defaults, in parentheses, were chosen on 180 made-up landscapes of 80 examples
 * (tests/simulate.c), where after 60,000 tokens blocks of 3, 7 and 10 and alpha 0.1 and
 * 0.3 do no better and the others make no difference within a factor of 1.5 either way.
 * Founders and immigrants were chosen with a real model on experiments/plurals, where
 * demonstrations matter and most edits of a lineage are neutral (final score of two seeds
 * with them -0.27 and -0.29, of one without -0.32, random search -0.27 and -0.30). */
typedef struct search_options {
    size_t population;     /* members, and children per generation (12) */
    size_t founders;       /* candidates of the first generation, if that is more than the
                              population and losers stop early (36) */
    double immigrants;     /* share of a generation made like founders, not bred (0.25) */
    size_t elites;         /* kept through niching and restarts (2) */
    size_t tournament;     /* rivals for parenthood (2); 0 means rank selection */
    double crossover_rate; /* (0.3) */
    size_t max_edits;      /* mutations per child, 1 to this, geometric (4) */
    double niche_radius; /* genome_distance under which candidates share a niche (0.15) */
    size_t
        stall_restart; /* generations without a new best before a restart; 0 never (5) */
    size_t guests_every; /* generations from one asking of the proposer for whole texts to
                            the next (3); 0 never */
    bool racing;         /* (on); off: every candidate meets every example */
    size_t block;        /* examples per racing block (5) */
    size_t first_blocks; /* blocks before the first look (1); doubled look by look */
    double race_alpha;   /* level of one look's test (0.2); what it means: race.h */
} search_options;
search_options search_defaults(void);

/* What a search is about. Borrowed for the search's life. */
typedef struct search_problem {
    const genome_spec *spec;
    const genome *seeds; /* the user's own candidates; seeds[0] is the one to beat */
    size_t n_seeds;
    size_t n_examples; /* indices [0, n) of the search split */
    uint64_t random_seed;
    proposer *proposer; /* words from elsewhere (a model); NULL: none */
} search_problem;

/* One thing to measure: candidate `id` on these examples. Borrowed until the next ask or
 * tell. */
typedef struct search_query {
    uint64_t id;
    const genome *genome;
    const size_t *examples; /* none of them measured for this candidate before */
    size_t n_examples;
} search_query;

/* The answer to query `id`: FITNESS_DONE with one score per example asked, `penalty`
 * taken off the mean (length, fluency); FITNESS_FAILED kills the candidate;
 * FITNESS_PENDING leaves the query open, it will be asked again. */
typedef struct search_answer {
    uint64_t id;
    fitness_status status;
    const double *scores;
    size_t n_scores;
    double penalty;
} search_answer;

/* How a candidate came to be; for lineage and the report. */
typedef struct candidate {
    uint64_t id; /* 1, 2, 3… in order of birth */
    const genome *genome;
    const char *operators; /* "seed", "random", "swap+insert", "crossover+demo_add" */
    uint64_t parents[2];   /* 0: none */
    size_t generation;
    bool alive;      /* in the population or still racing */
    bool eliminated; /* by the race, not by selection */
    fitness fitness;
} candidate;

typedef struct search search;

typedef struct search_type {
    const char *name;    /* "ga", "random": the word in the experiment file */
    const char *summary; /* one line for --help */
    size_t state_size;
    int (*init)(search *s, error *err);
    int (*breed)(search *s, error *err);  /* begin a race; or not: nothing is left */
    int (*select)(search *s, error *err); /* the race is over */
    void (*free)(search *s);
} search_type;

/* All searches, NULL-terminated; search_type_find gives NULL for an unknown name. */
extern const search_type *const search_types[];
const search_type *search_type_find(const char *name);

/* E_ARGUMENT, naming the option or what of the problem, for what no search can be made
 * of. */
int search_new(search **out, const search_type *type, const search_problem *problem,
               const search_options *options, error *err);
void search_free(search *s);

/* What to measure next. *n = 0: the search has nothing left to ask. Asking again without
 * a tell gives the same queries. May call the proposer, hence fail. */
int search_ask(search *s, const search_query **queries, size_t *n, error *err);

/* Answers to queries of the last ask, in any order. Queries left out count as pending.
 * When all are answered the step is complete and the next ask moves on. */
int search_tell(search *s, const search_answer *answers, size_t n, error *err);

/* Where it stands. Borrowed until the next ask or tell. */
size_t
search_generation(const search *s); /* 0 while the initial population is measured */
size_t search_candidate_count(const search *s);
const candidate *search_candidate(const search *s, size_t i); /* in order of birth */
const candidate *search_find(const search *s, uint64_t id);   /* NULL if unknown */
/* The k best so far: by value among candidates measured on the most examples; the seed
 * counts. Fills ids, returns how many. Ties: more examples, then lower id. */
size_t search_best(const search *s, size_t k, uint64_t *ids);
/* Per-example scores of a candidate: score[i] for example index[i], in order of
 * measurement. */
size_t search_scores(const search *s, uint64_t id, const size_t **index,
                     const double **score);
/* Operators' current rates and what they have earned, for the report. */
size_t search_operator_rates(const search *s, const operator_rate **rates);
size_t search_restarts(const search *s);

#endif

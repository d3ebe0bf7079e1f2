/* The store: one SQLite file (WAL) per run folder, DIR/lamarck.sqlite, the only state
 * that processes share. A folder may hold several runs (seeds, searches); they share the
 * score memo.
 *
 * Scores are pure facts, keyed by (model hash, kind, exact content): a row is written
 * before anything depends on it. A killed run is resumed by replaying its search against
 * these rows. A store belongs to one thread. */
#ifndef LAMARCK_EXPERIMENTS_STORE_STORE_H
#define LAMARCK_EXPERIMENTS_STORE_STORE_H

#include "../../model/base.h"

typedef struct store store;

/* Open for writing, creating DIR and the file when `create`; a file of an older schema
 * version is brought up to date. E_FORMAT for a newer version (names both), E_IO without
 * permission or when missing. */
int store_open(store **out, const char *dir, bool create, error *err);
/* Open for reading only: may be done while a run writes. E_ARGUMENT for a file whose
 * making was cut off before anything was in it. */
int store_open_readonly(store **out, const char *dir, error *err);
void store_close(store *s);

/* All or nothing: everything between the two is kept if rc is 0, and else taken back.
 * Returns rc, or why it could not be kept. */
int store_begin(store *s, error *err);
int store_end(store *s, int rc, error *err);

/* ---- The memo: key (hex) -> value bytes ---- */
/* 1 found (*value new, free()), 0 not there. *foreign (NULL allowed): another run of the
 * folder than the one this store holds wrote it. */
int store_memo_get(store *s, const char *key, char **value, size_t *n, bool *foreign,
                   error *err);
/* A key that is there already keeps its value. */
int store_memo_put(store *s, const char *key, const void *value, size_t n, error *err);

/* ---- Runs ---- */

typedef enum run_status {
    RUN_RUNNING,
    RUN_STOPPED,
    RUN_WAITING,
    RUN_FINISHED
} run_status;
const char *
run_status_name(run_status s); /* "running", "stopped", "waiting", "finished" */

/* Begin a run; *id is 1 for the first of the folder. Holds the run's lock until
 * store_close: E_BUSY with the holder's process id when another process has it (a dead
 * holder's lock is taken over). */
int store_run_begin(store *s, const char *name, uint64_t seed,
                    const char *experiment_json, const char *model_hash,
                    const char *backend, uint64_t *id, error *err);
/* Take the lock of an existing run to go on with it. */
int store_run_lock(store *s, uint64_t id, error *err);
int store_run_status(store *s, uint64_t id, run_status status, error *err);
/* The newest run (0 when none), and the newest that is not finished. */
int store_run_latest(store *s, bool unfinished, uint64_t *id, error *err);

/* Where tokens go. */
typedef enum purpose {
    FOR_SEARCH,
    FOR_PROPOSALS,
    FOR_TRAINING, /* forwards and backwards of `lamarck prefix` */
    FOR_SELECTION,
    FOR_FINAL,
    N_PURPOSES
} purpose;
const char *
purpose_name(purpose p); /* "search", "proposals", "training", "selection", "final" */

typedef struct spend {
    uint64_t tokens, evaluations;
    uint64_t reused;  /* tokens of those that another run of the folder had computed */
    uint64_t ratings; /* that people gave */
} spend;
/* *sum grows by x. */
void spend_add(spend *sum, const spend *x);

/* One step of a search, as it looked when it was told. */
typedef struct history_point {
    size_t step, generation;
    double best, best_se, median; /* on the search split */
    uint64_t best_id;
    size_t n_alive;
    spend spent[N_PURPOSES]; /* cumulative */
    double seconds;          /* cumulative, of all processes that worked on the run */
} history_point;

/* A search that its budget of seconds ended within a step, before that was complete. */
typedef struct search_cut {
    size_t step; /* the one that was cut off */
    double seconds;
    double pace; /* tokens per second of late, by which the finish was planned */
    spend spent[N_PURPOSES];
} search_cut;

typedef struct operator_point {
    size_t step;
    char *name;
    double rate, credit;
    uint64_t tries, wins;
} operator_point;

typedef struct candidate_record {
    uint64_t id, parents[2];
    size_t generation;
    char *genome; /* genome_serialise */
    char *prompt; /* as a person reads it */
    char *operators;
    char *state;      /* "alive", "raced out", "replaced", "failed" */
    double value, se; /* latest on the search split */
    size_t n;
} candidate_record;

/* A score on a split that no candidate was bred on. */
typedef struct split_score {
    uint64_t candidate;
    double score, se;
    size_t n;
    double *each;        /* per example of the split, owned */
    double first_choice; /* as in a measurement; NaN where unknown */
} split_score;

typedef struct verdict {
    split_score *selection; /* the finalists, best first; owned */
    size_t n_selection;
    split_score seed, best;                /* on the final split */
    double difference, ci_low, ci_high, p; /* best - seed; BCa 95 %; paired permutation */
} verdict;

/* What it owns, not v itself. */
void verdict_free(verdict *v);

typedef struct training_record training_record;
typedef struct people_record people_record;

typedef struct run_record {
    uint64_t id, seed;
    char *name, *experiment, *model_hash, *backend;
    char *started; /* UTC, ISO 8601 */
    run_status status;
    char *stop_reason; /* "budget: tokens", "interrupted", "search exhausted", ""… */
    history_point *history;
    size_t n_history;
    operator_point *operators;
    size_t n_operators;
    candidate_record *candidates; /* by id */
    size_t n_candidates;
    bool has_verdict;
    verdict verdict;
    spend spent[N_PURPOSES];   /* totals; up to its last step while a run is under way */
    double seconds;            /* that these took */
    training_record *training; /* of `lamarck prefix`, see training.h; NULL: a search */
    people_record *people; /* who judged, see people.h; NULL: the model alone, or nobody
                              looked (people_look) */
} run_record;

/* Everything about a run for show, export and report. id 0: the latest. */
int store_run_read(store *s, uint64_t id, run_record **out, error *err);
void run_record_free(run_record *r);

/* Ids of all runs of the folder, oldest first; *ids new, free(). */
int store_run_ids(store *s, uint64_t **ids, size_t *n, error *err);

/* ---- Written by a run as it goes (idempotent: a replay writes the same rows again) ----
 */
int store_put_history(store *s, uint64_t run, const history_point *h, error *err);
/* A step as an earlier process recorded it: 1, or 0 if the step is new. */
int store_get_history(store *s, uint64_t run, size_t step, history_point *out,
                      error *err);
int store_put_cut(store *s, uint64_t run, const search_cut *c, error *err);
/* 1, or 0 if there was none. */
int store_get_cut(store *s, uint64_t run, search_cut *out, error *err);
int store_put_operator(store *s, uint64_t run, const operator_point *o, error *err);
int store_put_candidate(store *s, uint64_t run, const candidate_record *c, error *err);
int store_put_verdict(store *s, uint64_t run, const verdict *v, error *err);
int store_put_end(store *s, uint64_t run, const char *stop_reason,
                  const spend spent[N_PURPOSES], double seconds, error *err);

#endif

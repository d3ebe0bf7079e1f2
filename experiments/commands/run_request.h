/* What commands that make runs (evolve, prefix) have in common: their options, the
 * folder, and how they tell what came of it.
 *
 * A request borrows from argv, and owns the changes that it makes of options. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RUN_REQUEST_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RUN_REQUEST_H

#include "../definition/experiment.h"
#include "options.h"

typedef struct run_request {
    const char *command; /* "evolve", "prefix" */
    bool trains;         /* it takes steps, which --budget may limit */
    const char *file, *out, *resume, *budget;
    uint64_t seed, run;
    bool has_seed, has_run, dry_run, json;
    option_list set;
    char **made; /* changes that other options stand for, see run_request_change */
    size_t n_made, made_capacity;
} run_request;

/* Rows of an option table. */
#define RUN_OPTIONS(q)                                                                   \
    {"out", OPTION_TEXT, &(q).out, NULL, NULL},                                          \
        {"seed", OPTION_SEED, &(q).seed, &(q).has_seed, NULL},                           \
        {"budget", OPTION_TEXT, &(q).budget, NULL, NULL},                                \
        {"set", OPTION_LIST, &(q).set, NULL, NULL},                                      \
        {"dry-run", OPTION_FLAG, &(q).dry_run, NULL, NULL},                              \
        {"resume", OPTION_TEXT, &(q).resume, NULL, NULL},                                \
        {"run", OPTION_SEED, &(q).run, &(q).has_run, NULL},                              \
    {                                                                                    \
        "json", OPTION_FLAG, &(q).json, NULL, NULL                                       \
    }

/* E_USAGE for options that make no sense together. */
int run_request_check(const run_request *q, error *err);
void run_request_free(run_request *q);
/* An option that stands for a change of the file, such as "prefix.lr=0.1". */
int run_request_change(run_request *q, error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The experiment as file, --set, --budget and --seed make it. */
int run_request_load(run_request *q, experiment **e, error *err);

/* --out, or runs/NAME-seedN; the folders above it are made. E_BUSY when it holds a run
 * that is not finished. Appended to *out. */
int run_request_folder(const run_request *q, const experiment *e, text *out, error *err);

/* Before --resume: a folder all of whose runs are finished is told about, *done. */
int run_request_nothing_left(const run_request *q, bool *done, error *err);
/* After a run, which returned rc: report and words, or JSON. Returns what the command is
 * to return. */
int run_request_end(const run_request *q, int rc, const char *dir, uint64_t id,
                    error *err);

#endif

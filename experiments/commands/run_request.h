/* What commands that make runs (evolve, prefix) have in common: their options, the
 * folder, what is begun or gone on with, and how they tell what came of it.
 *
 * A request borrows from argv, and owns the changes that it makes of options. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RUN_REQUEST_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RUN_REQUEST_H

#include "../definition/experiment.h"
#include "options.h"

typedef struct run_request run_request;

/* What such a command does in its own way. */
typedef struct run_maker {
    const char *command; /* "evolve", "prefix" */
    bool trains;         /* it takes steps, which --budget may limit */
    /* Complete the experiment from elsewhere; NULL: nothing is to be done */
    int (*look_up)(experiment *e, error *err);
    /* Print what the run would cost, and start nothing */
    int (*foretell)(const experiment *e, bool json, error *err);
    int (*start)(run_request *q, const experiment *e, const char *dir, uint64_t *id,
                 error *err);
    int (*resume)(run_request *q, uint64_t *id, error *err);
} run_maker;

/* The first member of what a command keeps. */
struct run_request {
    const run_maker *maker;
    const char *file, *out, *resume, *budget;
    uint64_t seed, run;
    bool has_seed, has_run, dry_run, json;
    option_list set;
    char **made; /* changes that other options stand for, see run_request_change */
    size_t n_made, made_capacity;
};

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

/* Begin a run, foretell it or go on with one; then report and words, or JSON. E_BUSY for
 * a folder that holds a run that is not finished; a folder to --resume all of whose runs
 * are finished is only told about. Returns what the command is to return. */
int run_request_do(run_request *q, error *err);

#endif

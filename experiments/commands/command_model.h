/* The model that a command talks to, and the options by which its user chooses how. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_COMMAND_MODEL_H
#define LAMARCK_EXPERIMENTS_COMMANDS_COMMAND_MODEL_H

#include "../../model/model.h"
#include "options.h"

typedef struct model_choice {
    int backend, overflow; /* indices in the lists below */
    size_t n_threads;
    size_t memory_mib;
} model_choice;

extern const char *const backend_names[];  /* "cpu", "ref" */
extern const char *const overflow_names[]; /* in the order of row_overflow */

/* Rows of an option table. */
#define MODEL_OPTIONS(choice)                                                            \
    {"backend", OPTION_CHOICE, &(choice).backend, NULL, backend_names},                  \
        {"threads", OPTION_SIZE, &(choice).n_threads, NULL, NULL},                       \
        {"memory", OPTION_SIZE, &(choice).memory_mib, NULL, NULL},                       \
    {                                                                                    \
        "overflow", OPTION_CHOICE, &(choice).overflow, NULL, overflow_names              \
    }

/* Their part of a command's --help. */
#define MODEL_OPTIONS_USAGE                                                              \
    "  --backend NAME     cpu (default) or ref, the slow plain specification\n"          \
    "  --threads N        default: as many as the process may run on\n"                  \
    "  --memory MIB       for keys, values and activations; default 512\n"               \
    "  --overflow POLICY  for a row longer than the model's window: error (default),\n"  \
    "                     left (cut from the front) or middle (from the middle of the\n" \
    "                     context); targets are never cut\n"

session_options model_choice_session(const model_choice *c);

/* Open a model given by its file or by a known name ("smollm2"). */
int command_model_load(const char *name, model **m, error *err);
/* Let the vectors of an adapter stand before every row of the session; *n is how many
 * (0 for a NULL path: none). E_ARGUMENT when they belong to another model. */
int command_use_prefix(const char *path, const model *m, session *s, size_t *n,
                       error *err);
/* Open both, or neither; Ctrl-C will stop the session's calls. */
int command_model_open(const char *name, const model_choice *c, model **m, session **s,
                       error *err);

#endif

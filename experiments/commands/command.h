/* A subcommand: one file cmd_NAME.c exports one const struct. main.c holds the table, and
 * knows nothing else about any of them. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_COMMAND_H
#define LAMARCK_EXPERIMENTS_COMMANDS_COMMAND_H

#include "../../model/base.h"

typedef struct command {
    const char *name;
    const char *group; /* "search", "look", "people", "model": how --help arranges them */
    const char *summary;                      /* one line */
    const char *usage;                        /* the whole --help text */
    const struct command *const *subcommands; /* ends with NULL; NULL: it has none */
    /* The --help text where the line decides which; NULL: it is `usage`. */
    const char *(*help)(int argc, char **argv);
    int (*run)(int argc, char **argv,
               error *err); /* argv[0] is the subcommand's name; 0 or E_… */
} command;

extern const command cmd_evolve, cmd_score, cmd_generate, cmd_compare, cmd_show, cmd_list,
    cmd_export, cmd_inspect, cmd_bench, cmd_tokenize, cmd_prefix, cmd_rate, cmd_gradient,
    cmd_reward, cmd_words;

/* A command line that makes no sense: main adds where to find help and exits with 2.
 * Never passed below the commands. */
enum { E_USAGE = -100 };

/* Set by SIGINT, SIGTERM and SIGHUP; a second signal ends the process at once. */
extern volatile int command_interrupted;
int command_catch_signals(error *err);

/* A command's result: to the file, whole or not at all; or, with path NULL, to standard
 * output. */
int command_write(const text *out, const char *path, error *err);

#endif

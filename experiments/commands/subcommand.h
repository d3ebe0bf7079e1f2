/* Commands that have subcommands of their own, each a struct command: finding the one
 * that a command line names. Lists end with NULL. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SUBCOMMAND_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SUBCOMMAND_H

#include "command.h"

/* NULL when there is none of the name. */
const command *subcommand_find(const command *const *list, const char *name);
/* The name most like the wrong one, or NULL. */
const char *subcommand_nearest(const command *const *list, const char *wrong);
/* The innermost command that argv[0], argv[1], … name, `c` being that of argv[0]; *depth
 * of them are names. */
const command *subcommand_innermost(const command *c, int argc, char **argv, int *depth);
/* Run the one that argv[1] names; `name` is the command as users write it. */
int subcommand_run(const command *const *list, const char *name, int argc, char **argv,
                   error *err);

#endif

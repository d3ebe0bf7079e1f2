/* Commands that have subcommands of their own, each a struct command: finding the one
 * that a command line names. Lists end with NULL. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SUBCOMMAND_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SUBCOMMAND_H

#include "command.h"

/* NULL when there is none of the name. */
const command *subcommand_find(const command *const *list, const char *name);
/* The name most like the wrong one, or NULL. */
const char *subcommand_nearest(const command *const *list, const char *wrong);
/* The --help text of the one that argv[1] names, which may have subcommands too; `usage`
 * when it names none. */
const char *subcommand_help(const command *const *list, const char *usage, int argc,
                            char **argv);
/* Run the one that argv[1] names; `name` is the command as users write it. */
int subcommand_run(const command *const *list, const char *name, int argc, char **argv,
                   error *err);

#endif

/* The subcommands of lamarck rate that work on a run's crowd, and what they share. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_CROWD_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_CROWD_H

#include "../../rater/crowd.h"
#include "command.h"

extern const command rate_status, rate_invite, rate_rules, rate_export, rate_import;

/* The crowd of a run: RUN is its folder, or the file in it. With `create` a folder
 * without a run gets an empty one, so that a crowd can be asked without any search. */
int run_crowd_open(crowd **out, const char *run, bool create, error *err);

#endif

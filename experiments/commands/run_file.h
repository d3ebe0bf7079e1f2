/* The SQLite file of the run that a command line names. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RUN_FILE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RUN_FILE_H

#include "../../model/base.h"

/* Append its path: RUN is a folder, or the file in it. E_ARGUMENT when it is not there.
 */
int run_file(text *out, const char *run, error *err);

#endif

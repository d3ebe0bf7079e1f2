/* Keys and secrets of the command line: from a file, else from the environment; never
 * from an argument, which others on the machine can read, and never printed. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SECRET_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SECRET_H

#include "../../model/base.h"

/* One line of 16 to 512 visible characters from `file` (NULL: none is named), else from
 * the environment's `variable`. 1 and *out new; 0 when there is neither. Errors call it
 * `what` and say where it was found, not what it is. */
int secret_read(const char *what, const char *file, const char *variable, char **out,
                error *err);

/* A new one, of 256 random bits. */
enum { SECRET_DIGITS = 64 };
int secret_new(char out[SECRET_DIGITS + 1], error *err);

#endif

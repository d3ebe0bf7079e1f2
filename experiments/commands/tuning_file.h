/* The folder that a tuning fills: held by one process at a time, and the state in it from
 * which a tuning that was stopped goes on.
 *
 * Ownership: {-1, …} from tuning_file_open, given back by tuning_file_close. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_TUNING_FILE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_TUNING_FILE_H

#include "../../prefix/policy.h"

typedef struct tuning_file {
    int folder; /* a locked descriptor, or -1 */
    text state; /* path */
    const char *out;
} tuning_file;

/* Make and hold the folder `out`, which is borrowed. With `resume` the policy goes on
 * where the state there says: E_ARGUMENT when there is none, or one of another tuning.
 * Without, E_BUSY when there is one. E_BUSY also while another process holds it. */
int tuning_file_open(tuning_file *f, const char *out, bool resume, policy *p, error *err);
/* The state as it is now, whole: the one before it stays until then. */
int tuning_file_save(tuning_file *f, const policy *p, error *err);
/* The tuning has ended: nothing is to go on. */
int tuning_file_end(tuning_file *f, error *err);
void tuning_file_close(tuning_file *f);

#endif

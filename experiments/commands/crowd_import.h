/* Tasks and ratings from files into a crowd. What a row holds is told in the help of
 * `lamarck rate import`.
 *
 * Nothing here begins or ends a transaction: the caller does, so that one bad line leaves
 * everything as it was. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_CROWD_IMPORT_H
#define LAMARCK_EXPERIMENTS_COMMANDS_CROWD_IMPORT_H

#include "../../rater/crowd.h"
#include "crowd_rows.h"

extern const char *const crowd_task_columns[], *const crowd_rating_columns[];

typedef struct import_counts {
    size_t rows, known; /* known: were there already */
} import_counts;

/* All rows of an opened file. `now`: the time of ratings that tell none. Errors name
 * file, line and value. */
int crowd_import_tasks(crowd *c, crowd_rows *rows, import_counts *n, error *err);
int crowd_import_ratings(crowd *c, crowd_rows *rows, int64_t now, import_counts *n,
                         error *err);

#endif

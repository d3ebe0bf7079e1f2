/* Ratings and comparisons from a table with a header: CSV, or TSV by its suffix.
 *
 * A row whose value is empty is no rating: it is counted, and left out. Everything else
 * that is not as it should be is an error with file, line and column. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_RATINGS_FILE_H
#define LAMARCK_EXPERIMENTS_DEFINITION_RATINGS_FILE_H

#include "../../rater/ratings.h"

/* Which columns hold what; NULL means the usual name, which is that of the field. */
typedef struct ratings_columns {
    const char *item, *rater, *value;
    const char *winner, *loser; /* of comparisons; their rater column may be absent */
    const char *tie;            /* may be absent: 1/true/yes, else 0/false/no or empty */
} ratings_columns;

/* item,rater,value in any order, further columns allowed. "-" is standard input.
 * *n_missing: rows without a value. The list still wants ratings_finish. Lists begin as
 * {0} and are left empty on failure. */
int ratings_load(ratings *out, const char *path, const ratings_columns *columns,
                 bool numbers, size_t *n_missing, error *err);
/* winner,loser[,rater][,tie]; without raters there is one, named "". A row of an item
 * with itself says nothing of either: it is counted, and left out. */
int comparisons_load(comparisons *out, const char *path, const ratings_columns *columns,
                     error *err);

/* The same from memory, as CSV; `path` is what errors say. */
int ratings_parse(ratings *out, const char *bytes, size_t n, const char *path,
                  const ratings_columns *columns, bool numbers, size_t *n_missing,
                  error *err);
int comparisons_parse(comparisons *out, const char *bytes, size_t n, const char *path,
                      const ratings_columns *columns, error *err);

#endif

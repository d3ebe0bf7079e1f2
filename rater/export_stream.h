/* All ratings as CSV or JSON lines, made piece by piece as the client takes them. It has
 * a connection to the crowd of its own: a slow client holds nobody up, and no piece needs
 * more memory than a few hundred ratings. What is added meanwhile comes at the end.
 *
 * One thread at a time. */
#ifndef LAMARCK_RATER_EXPORT_STREAM_H
#define LAMARCK_RATER_EXPORT_STREAM_H

#include "crowd.h"

typedef struct export_stream export_stream;

/* Ratings with an id above `after`, of the crowd in the file `database`. */
int export_open(export_stream **out, const char *database, bool csv, int64_t after,
                error *err);
void export_close(export_stream *x);
/* Fill up to n bytes: how many, 0 at the end, or an error. */
int64_t export_read(export_stream *x, char *bytes, size_t n, error *err);

#endif

/* How often somebody may come: token buckets in a table of fixed size. When the table is
 * full, who came least recently is forgotten, which only ever helps him.
 *
 * One thread per limiter. Keys are hashed with a seed of the limiter, so that nobody can
 * choose whom he shares a place with. */
#ifndef LAMARCK_RATER_LIMITER_H
#define LAMARCK_RATER_LIMITER_H

#include "../model/base.h"

typedef struct limiter limiter;

/* Of each key `burst` at once, and `per_second` on average; per_second 0: no limit. */
int limiter_new(limiter **out, double per_second, double burst, uint64_t seed,
                error *err);
void limiter_free(limiter *l);
/* 0 and one place less, or the seconds until there is one again. `now` in seconds on a
 * clock that goes forward. */
double limiter_take(limiter *l, const char *key, double now);

#endif

/* The JSON of the API: what goes out, and reading what comes in. */
#ifndef LAMARCK_RATER_API_JSON_H
#define LAMARCK_RATER_API_JSON_H

#include "crowd.h"

#include <jansson.h>

/* A problem document (RFC 9457). */
int api_problem(text *out, int status, const char *detail, error *err);

/* Append as one line; takes `value`, NULL says that memory ran out while it was made. */
int api_print(text *out, json_t *value, error *err);

/* New values; NULL when out of memory. */
json_t *api_assignment(const assignment *a);
json_t *api_counts(const crowd_counts *n);
json_t *api_quality(const rater_quality *q);
/* A real, or null for NaN and infinity. */
json_t *api_real(double x);
/* One line of an export. */
int api_rating_jsonl(text *out, const crowd_rating *r, error *err);
int api_rating_csv(text *out, const crowd_rating *r, error *err);
int api_rating_csv_head(text *out, error *err);
/* A comma and a quoted field of RFC 4180. One that a spreadsheet would take for a
 * formula, or that begins with an apostrophe, gets an apostrophe before it. */
int api_csv_text(text *out, const char *s, error *err);

/* A JSON object of n bytes, new. E_FORMAT when it is none. */
int api_parse(json_t **out, const char *s, size_t n, error *err);
/* Members, by name: 1, or 0 when absent or null; E_FORMAT for another type, naming it.
 * Borrowed. */
int api_get_text(const json_t *object, const char *name, const char **out, error *err);
int api_get_whole(const json_t *object, const char *name, int64_t least, int64_t most,
                  int64_t *out, error *err);
int api_get_real(const json_t *object, const char *name, double *out, error *err);
int api_get_bool(const json_t *object, const char *name, bool *out, error *err);
/* An answer: a whole number, or "tie". */
int api_get_answer(const json_t *object, const char *name, int *out, error *err);
/* E_FORMAT for a member that is not among `names` (NULL at the end). */
int api_known(const json_t *object, const char *const *names, error *err);

#endif

/* Ratings of texts from a file of one JSON object per line:
 *   {"context": "…", "a": "…", "b": "…", "preferred": "a" | "b" | "tie"}
 *   {"context": "…", "output": "…", "value": 4}
 * with "rater" (any text) and "simulated" (true or false) in either. Both kinds may stand
 * in one file; empty lines are passed over. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_PREFERENCES_FILE_H
#define LAMARCK_EXPERIMENTS_DEFINITION_PREFERENCES_FILE_H

#include "../../rater/reward_texts.h"

/* Add them to *to. "-" is standard input. E_IO; E_FORMAT with file, line and member.
 * What was added before a failure stays. */
int preferences_load(reward_texts *to, const char *path, error *err);
/* The same from memory; `path` is what errors say. */
int preferences_parse(reward_texts *to, const char *bytes, size_t n, const char *path,
                      error *err);

#endif

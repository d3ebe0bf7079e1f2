/* Scoring the rows of a file, for scripts: the part of `lamarck score` that knows nothing
 * of experiments. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SCORE_ROWS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SCORE_ROWS_H

#include "row_file.h"

/* Print {"logprob", "tokens"} per row of `path`, in the same order. */
int score_rows(const model *m, session *s, const char *path,
               const row_file_options *options, error *err);

#endif

/* Scoring the rows of a file, for scripts: the part of `lamarck score` that knows nothing
 * of experiments. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SCORE_ROWS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SCORE_ROWS_H

#include "../../model/model.h"

typedef struct score_rows_options {
    bool no_bos;  /* do not put a BOS before a text, whatever the model's policy */
    bool special; /* spelled special tokens are those tokens */
    row_overflow overflow; /* the session's: a row that will be refused is refused here,
                              where its line is known */
} score_rows_options;

/* Read {"context", "target"} or {"context_ids", "target_ids"} per line of `path`, print
 * {"logprob", "tokens"} per line in the same order. */
int score_rows(const model *m, session *s, const char *path,
               const score_rows_options *options, error *err);

#endif

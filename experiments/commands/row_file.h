/* The rows of a file, for the commands that scripts hand rows to: one JSON object per
 * line, {"context", "target"} or {"context_ids", "target_ids"}. Owns its file and the
 * rows of the batch at hand. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_ROW_FILE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_ROW_FILE_H

#include "../../model/model.h"
#include "../fitness/lm_row.h"
#include "../views/json_lines.h"

typedef struct row_file_options {
    bool no_bos;     /* do not put a BOS before a text, whatever the model's policy */
    bool special;    /* spelled special tokens are those tokens */
    size_t n_before; /* virtual tokens before each row, which take room of the window */
    row_overflow overflow; /* the session's: a row that will be refused is refused here,
                              where its line is known */
} row_file_options;

typedef struct row_file {
    const model *model;
    const row_file_options *options; /* borrowed */
    json_lines lines;
    size_t first_line; /* of the batch */
    row_list batch;
    size_t *line_of; /* of each row of the batch */
    size_t line_capacity;
} row_file;

/* `path`: "-" is standard input. The model and the options are borrowed until the end. */
int row_file_open(row_file *f, const model *m, const char *path,
                  const row_file_options *options, error *err);
/* The batch becomes the next `limit` rows, or as many as there are: 1 when there may be
 * more, 0 at the end. Errors name the line. */
int row_file_next(row_file *f, size_t limit, error *err);
void row_file_close(row_file *f);

#endif

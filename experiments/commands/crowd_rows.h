/* Rows of named texts, from CSV with a header or from JSON Lines, told apart by the first
 * byte: so that tasks and ratings are read in one way from both. An empty file has no
 * rows.
 *
 * In JSON, numbers and booleans read as their text, null as absent; "outputs" and
 * "labels" may be lists, whose members are output1, output2, …; the members of an object
 * "question" are found as if they stood beside it. In CSV, a text that begins with an
 * apostrophe before one of = + - @ ' tab or return has that apostrophe taken off: that is
 * how exports keep spreadsheets from reading formulas.
 *
 * Owns its file and the row at hand; texts handed out are borrowed until the next row. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_CROWD_ROWS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_CROWD_ROWS_H

#include "../definition/table.h"
#include "../views/json_lines.h"

typedef struct crowd_rows {
    const char *path; /* what errors say */
    FILE *file;
    bool is_json;
    table *table;
    char **columns; /* of the header */
    size_t n_columns;
    json_lines lines;
    json_t *object;
    char **numbers; /* of the row: texts of JSON numbers */
    size_t n_numbers, numbers_capacity;
} crowd_rows;

/* "-" is standard input. A column that is none of `known` (NULL-terminated), but nearly
 * one, is an error. */
int crowd_rows_open(crowd_rows *r, const char *path, const char *const *known,
                    error *err);
/* The same from a stream, which the rows close. */
int crowd_rows_begin(crowd_rows *r, FILE *f, const char *path, const char *const *known,
                     error *err);
void crowd_rows_close(crowd_rows *r);
/* 1, or 0 at the end; errors name file and line. */
int crowd_rows_next(crowd_rows *r, const char *const *known, error *err);
size_t crowd_rows_line(const crowd_rows *r);

/* error_set with file:line before the text. */
int crowd_rows_error(const crowd_rows *r, error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text under a name: 1, or 0 and "" when the row has none. */
int crowd_rows_text(crowd_rows *r, const char *name, const char **out, error *err);
/* A number from least to most, a time, a truth: 1, or 0 and *out untouched when it is
 * absent or empty; errors name the value. */
int crowd_rows_whole(crowd_rows *r, const char *name, int64_t least, int64_t most,
                     int64_t *out, error *err);
int crowd_rows_real(crowd_rows *r, const char *name, double *out, error *err);
int crowd_rows_bool(crowd_rows *r, const char *name, bool *out, error *err);

#endif

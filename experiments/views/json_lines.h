/* One JSON object per line, in and out, for the commands that scripts call.
 *
 * A reader owns its file and its buffer; objects handed out are new. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_JSON_LINES_H
#define LAMARCK_EXPERIMENTS_VIEWS_JSON_LINES_H

#include "../../model/base.h"

#include <jansson.h>
#include <stdio.h>

typedef struct json_lines {
    FILE *file;
    const char *path; /* borrowed; "-" is standard input, called "stdin" in errors */
    size_t line;      /* of the object handed out last, from 1 */
    text buffer;
} json_lines;

/* E_IO when the file cannot be read. */
int json_lines_open(json_lines *l, const char *path, error *err);
/* 1 and a new object; 0 at the end. Empty lines are passed over. Errors begin with
 * file:line. */
int json_lines_next(json_lines *l, json_t **object, error *err);
void json_lines_close(json_lines *l);

/* error_set with file:line before the text. */
int json_lines_error(const json_lines *l, int code, error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Member `key` as a text with its length: 1, 0 when absent, or an error. Borrowed. */
int json_lines_text(const json_lines *l, const json_t *object, const char *key,
                    const char **s, size_t *n, error *err);
/* Member `key` as a list of token ids below n_vocabulary: 1 (*ids new), 0, or an error.
 */
int json_lines_ids(const json_lines *l, const json_t *object, const char *key,
                   size_t n_vocabulary, int32_t **ids, size_t *n, error *err);
/* Refuse members that are not among names[0..n), with the nearest one that is. */
int json_lines_known(const json_lines *l, const json_t *object, const char *const *names,
                     size_t n, error *err);

/* Print to standard output, on one line or indented; takes `value`. NULL says that memory
 * ran out while it was made. Reals have 17 digits: they read back as the same number. */
int json_print_line(json_t *value, error *err);
int json_print(json_t *value, error *err);

/* A real, or null for NaN and infinity, which JSON cannot say. New. */
json_t *json_real_or_null(double value);

#endif

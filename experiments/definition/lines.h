/* What all readers of data files do with bytes: lines, and what may stand in them. No
 * state. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_LINES_H
#define LAMARCK_EXPERIMENTS_DEFINITION_LINES_H

#include <stdio.h>

#include "../../model/base.h"

enum { LINE_MOST = 16 << 20 }; /* bytes: more is no example but a mistake */
/* Append the bytes up to the next newline to *line (newline and a carriage return before
 * it left out). Returns 1, 0 at the end of the file, or an error, which names the line;
 * over the limit it stops reading at once. */
int read_line(FILE *f, const char *path, size_t number, text *line, error *err);
/* Skip a UTF-8 byte order mark. */
void skip_mark(FILE *f);
/* E_FORMAT with line and byte for bytes that are not UTF-8, and for NUL. */
int check_bytes(const char *path, size_t line, const char *s, size_t n, error *err);

#endif

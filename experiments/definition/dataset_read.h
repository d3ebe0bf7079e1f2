/* The readers of data formats: rows from a stream into a builder. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_DATASET_READ_H
#define LAMARCK_EXPERIMENTS_DEFINITION_DATASET_READ_H

#include <stdio.h>

#include "dataset_build.h"

/* All rows of the file, from where it stands. Errors name the line. */
int read_jsonl(dataset_builder *b, FILE *f, error *err);
/* CSV (RFC 4180) when `quoted`, else TSV. */
int read_table(dataset_builder *b, FILE *f, bool quoted, error *err);

/* Append the bytes up to the next newline to *line (newline and a carriage return before
 * it left out). Returns 1, 0 at the end of the file, or an error, which names the line;
 * over the limit it stops reading at once. */
int read_line(FILE *f, const char *path, size_t number, text *line, error *err);
/* Skip a UTF-8 byte order mark. */
void skip_mark(FILE *f);
/* E_FORMAT with line and byte for bytes that are not UTF-8, and for NUL. */
int check_bytes(const char *path, size_t line, const char *s, size_t n, error *err);

#endif

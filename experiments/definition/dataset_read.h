/* The readers of data formats: rows from a stream into a builder. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_DATASET_READ_H
#define LAMARCK_EXPERIMENTS_DEFINITION_DATASET_READ_H

#include <stdio.h>

#include "dataset_build.h"

/* All rows of the file, from where it stands. Errors name the line. */
int read_jsonl(dataset_builder *b, FILE *f, error *err);
/* CSV (RFC 4180) when `quoted`, else TSV. */
int read_table(dataset_builder *b, FILE *f, bool quoted, error *err);

#endif

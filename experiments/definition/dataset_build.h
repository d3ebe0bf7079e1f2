/* What the readers of data files share: a data set under construction, whose rows come in
 * as (column name, value) pairs. Private to dataset*.c and to the reader of dumps. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_DATASET_BUILD_H
#define LAMARCK_EXPERIMENTS_DEFINITION_DATASET_BUILD_H

#include "dataset.h"

enum {
    DATASET_MAX_FIELDS = 64, /* every row holds every field, so this bounds memory */
};

typedef struct dataset_builder {
    dataset *d;
    dataset_fields names;
    size_t capacity;
} dataset_builder;

/* Begin with the field "input" alone. `path` is copied. */
int builder_begin(dataset_builder *b, const char *path, const dataset_fields *names,
                  error *err);
/* The index of the field for a column, made if it is new. */
int builder_field(dataset_builder *b, const char *column, size_t line, size_t *field,
                  error *err);
/* A new last row, still without values or targets. */
int builder_row(dataset_builder *b, size_t line, error *err);
/* Give the last row a value, or one more right answer. n bytes of UTF-8, copied. */
int builder_value(dataset_builder *b, size_t field, const char *s, size_t n, error *err);
int builder_target(dataset_builder *b, const char *s, size_t n, error *err);
/* Check that the last row is whole. */
int builder_row_end(dataset_builder *b, error *err);
/* Fill absent values, compute ids, hand the data set over. */
int builder_finish(dataset_builder *b, dataset **out, error *err);
void builder_abort(dataset_builder *b);

/* Is this the column that the input is taken from? */
bool builder_is_input(const dataset_builder *b, const char *column);

#endif

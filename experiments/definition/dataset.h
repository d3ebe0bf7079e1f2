/* Examples from a file: JSONL, CSV or TSV, checked in full before anything is spent.
 *
 * A dataset is immutable once loaded and owns all its strings. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_DATASET_H
#define LAMARCK_EXPERIMENTS_DEFINITION_DATASET_H

#include "../../model/base.h"

typedef struct example {
    char **values;    /* one per dataset field, "" where a row has none; values[0] is the
                         input */
    char **targets;   /* right answers; any of them counts, targets[0] is shown in
                         demonstrations */
    size_t n_targets; /* at least 1, unless the data set may do without */
    size_t line;      /* in the file, from 1 */
    char id[SHA256_HEX]; /* of the fields and targets: equal for equal content only */
} example;

typedef struct dataset {
    char *path;
    char **fields; /* fields[0] is "input"; further columns of the file keep their own
                      names */
    size_t n_fields;
    example *examples;
    size_t n;
} dataset;

/* Which columns hold what; NULL means the usual names: input; target, targets or label.
 */
typedef struct dataset_fields {
    const char *input;
    const char *target;
    bool no_targets; /* rows may have no target: people judge, nothing is right. One that
                        is named must still be there */
} dataset_fields;

/* How the rows are written. */
typedef enum dataset_format {
    DATASET_JSONL, /* an object per line; values are texts, whole numbers or booleans */
    DATASET_CSV,   /* RFC 4180, with a header */
    DATASET_TSV,   /* with a header; no quoting, so no tabs or newlines in a cell */
} dataset_format;

/* By suffix: .jsonl/.ndjson, .csv, .tsv. Every problem is an error with file and line: a
 * missing field, an empty input or target, invalid UTF-8, a row over 16 MiB, no rows. */
int dataset_load(dataset **out, const char *path, const dataset_fields *fields,
                 error *err);
/* The same from memory; `path` is only what errors and dataset.path say. */
int dataset_parse(dataset **out, const char *bytes, size_t n, dataset_format format,
                  const char *path, const dataset_fields *fields, error *err);
void dataset_free(dataset *d);

/* Index of a field, or n_fields when there is none of that name. */
size_t dataset_field(const dataset *d, const char *name);

/* The part of the data each stage may see; disjoint index lists into examples. */
typedef enum split_name {
    SPLIT_SEARCH,
    SPLIT_SELECTION,
    SPLIT_FINAL,
    N_SPLITS
} split_name;
typedef struct split {
    size_t *index;
    size_t n;
} split;

/* "search", "selection", "final" */
const char *split_label(split_name s);

/* Deal the rows into three splits of the wanted sizes by a shuffle of `seed`, equal
 * inputs always into the same split. E_LIMIT when there are not enough rows, E_FORMAT
 * when equal inputs make it impossible. */
int dataset_split(const dataset *d, const size_t wanted[N_SPLITS], uint64_t seed,
                  split out[N_SPLITS], error *err);
/* Take the splits from a column whose cells say "search", "selection", "final" or nothing
 * (a row that is not used). */
int dataset_split_by_field(const dataset *d, size_t field, split out[N_SPLITS],
                           error *err);
void splits_free(split splits[N_SPLITS]);

/* E_FORMAT naming both lines if two splits share a row or an input. */
int dataset_check_leaks(const dataset *d, const split splits[N_SPLITS], error *err);

#endif

/* Data sets: construction row by row, content ids, loading by suffix. The formats are
 * read in dataset_read.c, the splits made in split.c. */
#include "dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_build.h"
#include "dataset_read.h"

void dataset_free(dataset *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++) {
        example *x = &d->examples[i];
        for (size_t f = 0; x->values && f < d->n_fields; f++)
            free(x->values[f]);
        for (size_t t = 0; t < x->n_targets; t++)
            free(x->targets[t]);
        free(x->values);
        free(x->targets);
    }
    for (size_t f = 0; f < d->n_fields; f++)
        free(d->fields[f]);
    free(d->fields);
    free(d->examples);
    free(d->path);
    free(d);
}

size_t dataset_field(const dataset *d, const char *name)
{
    for (size_t f = 0; f < d->n_fields; f++)
        if (strcmp(d->fields[f], name) == 0)
            return f;
    return d->n_fields;
}

/* ---- Construction ---- */

/* Arrays of fields and values have room for DATASET_MAX_FIELDS from the start: no row has
 * to be touched again when a later one brings a new column. */
int builder_begin(dataset_builder *b, const char *path, const dataset_fields *names,
                  error *err)
{
    *b = (dataset_builder){.names = names ? *names : (dataset_fields){0}};
    b->d = calloc(1, sizeof *b->d);
    if (!b->d)
        return error_memory(err, sizeof *b->d);
    b->d->path = string_copy(path);
    b->d->fields = array_new(DATASET_MAX_FIELDS, sizeof *b->d->fields);
    if (b->d->fields && (b->d->fields[0] = string_copy("input")))
        b->d->n_fields = 1;
    if (b->d->path && b->d->n_fields)
        return 0;
    builder_abort(b);
    return error_memory(err, DATASET_MAX_FIELDS * sizeof(char *));
}

void builder_abort(dataset_builder *b)
{
    dataset_free(b->d);
    b->d = NULL;
}

bool builder_is_input(const dataset_builder *b, const char *column)
{
    return strcmp(column, b->names.input ? b->names.input : "input") == 0;
}

int builder_field(dataset_builder *b, const char *column, size_t line, size_t *field,
                  error *err)
{
    dataset *d = b->d;
    if (builder_is_input(b, column)) {
        *field = 0;
        return 0;
    }
    size_t f = dataset_field(d, column);
    /* A column "input" beside the one mapped to it would hide behind it. */
    if (f == 0)
        return error_set(err, E_FORMAT,
                         "%s:%zu: the column \"input\" clashes with the input, which is "
                         "taken from \"%s\": rename one of them",
                         d->path, line, b->names.input);
    if (f == d->n_fields) {
        if (d->n_fields == DATASET_MAX_FIELDS)
            return error_set(err, E_LIMIT,
                             "%s:%zu: column \"%.60s\" is one more than the limit of %d",
                             d->path, line, column, DATASET_MAX_FIELDS);
        d->fields[f] = string_copy(column);
        if (!d->fields[f])
            return error_memory(err, strlen(column) + 1);
        d->n_fields++;
    }
    *field = f;
    return 0;
}

int builder_row(dataset_builder *b, size_t line, error *err)
{
    dataset *d = b->d;
    TRY(array_grow(&d->examples, &b->capacity, d->n, sizeof *d->examples, err));
    d->examples[d->n] = (example){.line = line};
    d->examples[d->n].values = array_new(DATASET_MAX_FIELDS, sizeof(char *));
    if (!d->examples[d->n].values)
        return error_memory(err, DATASET_MAX_FIELDS * sizeof(char *));
    d->n++;
    return 0;
}

int builder_value(dataset_builder *b, size_t field, const char *s, size_t n, error *err)
{
    example *x = &b->d->examples[b->d->n - 1];
    char *copy = bytes_copy(s, n);
    if (!copy)
        return error_memory(err, n);
    free(x->values[field]);
    x->values[field] = copy;
    return 0;
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n\v\f")] == '\0';
}

int builder_target(dataset_builder *b, const char *s, size_t n, error *err)
{
    example *x = &b->d->examples[b->d->n - 1];
    char **grown = array_resize(x->targets, x->n_targets + 1, sizeof *grown);
    if (!grown)
        return error_memory(err, (x->n_targets + 1) * sizeof *grown);
    x->targets = grown;
    char *copy = bytes_copy(s, n);
    if (!copy)
        return error_memory(err, n);
    grown[x->n_targets++] = copy;
    if (is_blank(copy))
        return error_set(err, E_FORMAT, "%s:%zu: the target is empty", b->d->path,
                         x->line);
    return 0;
}

int builder_row_end(dataset_builder *b, error *err)
{
    const example *x = &b->d->examples[b->d->n - 1];
    const char *input = b->names.input ? b->names.input : "input";
    const char *target = b->names.target ? b->names.target : "target";
    if (!x->values[0])
        return error_set(err, E_FORMAT, "%s:%zu: no field \"%s\" in this row", b->d->path,
                         x->line, input);
    if (is_blank(x->values[0]))
        return error_set(err, E_FORMAT, "%s:%zu: the input (\"%s\") is empty", b->d->path,
                         x->line, input);
    if (!x->n_targets && !(b->names.no_targets && !b->names.target))
        return error_set(err, E_FORMAT, "%s:%zu: no field \"%s\"%s in this row",
                         b->d->path, x->line, target,
                         b->names.target ? "" : " (nor \"targets\" or \"label\")");
    return 0;
}

/* Length before bytes, so that no two different lists of texts hash alike. */
static int hash_text(sha256 *h, const char *s, error *err)
{
    uint64_t n = strlen(s);
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(n >> (8 * i));
    TRY(sha256_add(h, length, sizeof length, err));
    return sha256_add(h, s, n, err);
}

static int hash_content(const dataset *d, const example *x, sha256 *h, error *err)
{
    for (size_t f = 0; f < d->n_fields; f++) {
        if (!*x->values[f])
            continue; /* an absent column and an empty cell mean the same */
        TRY(hash_text(h, d->fields[f], err));
        TRY(hash_text(h, x->values[f], err));
    }
    TRY(hash_text(h, "", err));
    for (size_t t = 0; t < x->n_targets; t++)
        TRY(hash_text(h, x->targets[t], err));
    return 0;
}

static int example_identify(const dataset *d, example *x, error *err)
{
    sha256 h;
    TRY(sha256_begin(&h, err));
    int rc = hash_content(d, x, &h, err);
    if (rc < 0) {
        sha256_end(&h, NULL, NULL);
        return rc;
    }
    return sha256_end(&h, x->id, err);
}

int builder_finish(dataset_builder *b, dataset **out, error *err)
{
    dataset *d = b->d;
    if (!d->n)
        return error_set(err, E_FORMAT, "%s has no rows", d->path);
    for (size_t i = 0; i < d->n; i++) {
        example *x = &d->examples[i];
        for (size_t f = 0; f < d->n_fields; f++)
            if (!x->values[f] && !(x->values[f] = string_copy("")))
                return error_memory(err, 1);
        /* Most data sets have few columns: give back what the rows do not use. */
        char **shrunk = array_resize(x->values, d->n_fields, sizeof *shrunk);
        if (shrunk)
            x->values = shrunk;
        TRY(example_identify(d, x, err));
    }
    b->d = NULL;
    *out = d;
    return 0;
}

/* ---- Loading ---- */

static int format_of(const char *path, dataset_format *format, error *err)
{
    static const struct {
        const char *suffix;
        dataset_format format;
    } suffixes[] = {{".jsonl", DATASET_JSONL},
                    {".ndjson", DATASET_JSONL},
                    {".csv", DATASET_CSV},
                    {".tsv", DATASET_TSV}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t k = strlen(suffixes[i].suffix);
        if (n > k && strcmp(path + n - k, suffixes[i].suffix) == 0) {
            *format = suffixes[i].format;
            return 0;
        }
    }
    return error_set(err, E_UNSUPPORTED,
                     "%s: data is read by suffix, which must be .jsonl, .ndjson, .csv or "
                     ".tsv",
                     path);
}

static int load_stream(dataset **out, FILE *f, dataset_format format, const char *path,
                       const dataset_fields *fields, error *err)
{
    dataset_builder b;
    TRY(builder_begin(&b, path, fields, err));
    int rc = format == DATASET_JSONL ? read_jsonl(&b, f, err)
                                     : read_table(&b, f, format == DATASET_CSV, err);
    if (rc == 0)
        rc = builder_finish(&b, out, err);
    builder_abort(&b);
    return rc;
}

int dataset_load(dataset **out, const char *path, const dataset_fields *fields,
                 error *err)
{
    dataset_format format = DATASET_JSONL;
    TRY(format_of(path, &format, err));
    FILE *f = file_open(path);
    if (!f)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    int rc = load_stream(out, f, format, path, fields, err);
    fclose(f); /* only read from: nothing is lost if this fails */
    return rc;
}

int dataset_parse(dataset **out, const char *bytes, size_t n, dataset_format format,
                  const char *path, const dataset_fields *fields, error *err)
{
    /* fmemopen only writes through its pointer in modes other than "r". */
    union {
        const char *in;
        void *out;
    } buffer = {.in = n ? bytes : "\n"};
    FILE *f = fmemopen(buffer.out, n ? n : 1, "rb");
    if (!f)
        return error_set(err, E_IO, "cannot read %zu bytes of memory: %s", n,
                         strerror(errno));
    int rc = load_stream(out, f, format, path, fields, err);
    fclose(f);
    return rc;
}

/* The data section of an experiment: rows and splits. */
#include <stdlib.h>
#include <string.h>

#include "dataset_build.h"
#include "experiment_read.h"

int path_join(const char *folder, const char *path, char **out, error *err)
{
    text joined = {0};
    if (path[0] != '/')
        TRY(text_add_string(&joined, folder, err));
    int rc = text_add_string(&joined, path, err);
    if (rc < 0)
        text_free(&joined);
    else
        *out = joined.s;
    return rc;
}

/* ---- Data of a file ---- */

static int optional_text(const yaml_node *map, const char *key, char **out, error *err)
{
    const yaml_node *node = yaml_get(map, key);
    return node ? read_text(node, out, err) : 0;
}

static int load_file(experiment_reader *r, const yaml_node *map, error *err)
{
    const yaml_node *node;
    char *file = NULL, *path = NULL, *input = NULL, *target = NULL;
    int rc;
    TRY_OUT(rc, require_key(map, "file", "data", &node, err));
    TRY_OUT(rc, read_text(node, &file, err));
    TRY_OUT(rc, path_join(r->folder, file, &path, err));
    TRY_OUT(rc, optional_text(map, "input", &input, err));
    TRY_OUT(rc, optional_text(map, "target", &target, err));
    if (input && target && strcmp(input, target) == 0) {
        rc = yaml_error(yaml_get(map, "target"), err, E_FORMAT,
                        "input and target are both the column \"%.60s\"", input);
        goto out;
    }
    dataset_fields fields = {input, target, experiment_is_open(r->e)};
    rc = dataset_load(&r->e->data, path, &fields, err);
    if (rc == E_IO)
        yaml_error_at(node, err);
out:
    free(file);
    free(path);
    free(input);
    free(target);
    return rc;
}

/* A split of no rows would leave its stage without anything to judge by. */
static int check_split_sizes(const experiment_reader *r, const yaml_node *at, error *err)
{
    for (size_t s = 0; s < N_SPLITS; s++)
        if (!r->e->splits[s].n)
            return yaml_error(at, err, E_FORMAT, "the %s split has no rows",
                              split_label((split_name)s));
    return 0;
}

/* The share of the rows that each split takes where the file names no numbers. */
static void default_sizes(size_t n, size_t wanted[N_SPLITS])
{
    wanted[SPLIT_SEARCH] = n * 3 / 10;
    wanted[SPLIT_SELECTION] = n * 2 / 10;
    wanted[SPLIT_FINAL] = n - wanted[SPLIT_SEARCH] - wanted[SPLIT_SELECTION];
}

static int read_split_sizes(const yaml_node *map, size_t n_rows, size_t wanted[N_SPLITS],
                            error *err)
{
    size_t given = 0;
    for (size_t s = 0; s < N_SPLITS; s++) {
        const yaml_node *node = yaml_get(map, split_label((split_name)s));
        if (node)
            TRY(read_size(node, 1, 1e9, &wanted[s], err));
        given += node != NULL;
    }
    if (given == 0) {
        default_sizes(n_rows, wanted);
        return 0;
    }
    for (size_t s = 0; s < N_SPLITS && given < N_SPLITS; s++)
        if (!yaml_get(map, split_label((split_name)s)))
            return yaml_key_error(map, err, E_FORMAT,
                                  "data needs the key \"%s\" too: name the rows of all "
                                  "three splits, or of none for 30, 20 and 50 %%",
                                  split_label((split_name)s));
    return 0;
}

static int split_by_column(experiment_reader *r, const yaml_node *node, error *err)
{
    const dataset *d = r->e->data;
    char *name;
    TRY(read_text(node, &name, err));
    size_t field = dataset_field(d, name);
    free(name);
    if (field < d->n_fields)
        return dataset_split_by_field(d, field, r->e->splits, err);
    size_t ignored;
    TRY(read_word(node, (const char *const *)d->fields, d->n_fields, &ignored, err));
    return 0;
}

static int split_file(experiment_reader *r, const yaml_node *map, error *err)
{
    size_t wanted[N_SPLITS] = {0};
    uint64_t seed = 0;
    const yaml_node *column = yaml_get(map, "split");
    const yaml_node *seed_node = yaml_get(map, "split_seed");
    for (size_t s = 0; column && s < N_SPLITS; s++)
        if (yaml_get(map, split_label((split_name)s)))
            return yaml_error(column, err, E_FORMAT,
                              "the column \"%.60s\" says which split a row is in: "
                              "\"%s\" cannot be asked for as well",
                              column->s ? column->s : "", split_label((split_name)s));
    if (column)
        return split_by_column(r, column, err);
    TRY(read_split_sizes(map, r->e->data->n, wanted, err));
    if (seed_node)
        TRY(read_whole(seed_node, 0, 9007199254740992, &seed, err));
    int rc = dataset_split(r->e->data, wanted, seed, r->e->splits, err);
    if (rc < 0 && rc != E_MEMORY)
        yaml_error_at(map, err);
    return rc;
}

/* ---- Data of a dump ---- */

static int restore_row(dataset_builder *b, const yaml_node *node, size_t n_fields,
                       error *err)
{
    static const char *const keys[] = {"line", "values", "targets"};
    const yaml_node *line, *values, *targets;
    size_t number;
    TRY(expect_map(node, "a row", err));
    TRY(check_keys(node, keys, 3, "a row", err));
    TRY(require_key(node, "line", "a row", &line, err));
    TRY(require_key(node, "values", "a row", &values, err));
    TRY(require_key(node, "targets", "a row", &targets, err));
    TRY(read_size(line, 0, 9e15, &number, err));
    TRY(expect_list(values, "values", err));
    TRY(expect_list(targets, "targets", err));
    if (values->n != n_fields)
        return yaml_error(values, err, E_FORMAT, "a row has %zu values for %zu fields",
                          values->n, n_fields);
    TRY(builder_row(b, number, err));
    for (size_t i = 0; i < n_fields; i++) {
        const char *s = values->items[i]->s;
        if (!s)
            return yaml_error(values, err, E_FORMAT, "a value of a row is not a text");
        TRY(builder_value(b, i, s, strlen(s), err));
    }
    for (size_t i = 0; i < targets->n; i++) {
        const char *s = targets->items[i]->s;
        if (!s)
            return yaml_error(targets, err, E_FORMAT, "a target is not a text");
        TRY(builder_target(b, s, strlen(s), err));
    }
    return builder_row_end(b, err);
}

static int restore_rows(dataset_builder *b, const yaml_node *map, error *err)
{
    const yaml_node *fields, *rows;
    TRY(require_key(map, "fields", "data", &fields, err));
    TRY(require_key(map, "rows", "data", &rows, err));
    TRY(expect_list(fields, "fields", err));
    TRY(expect_list(rows, "rows", err));
    for (size_t i = 0; i < fields->n; i++) {
        size_t field = 0;
        if (fields->items[i]->s)
            TRY(builder_field(b, fields->items[i]->s, 0, &field, err));
        if (field != i)
            return yaml_error(fields, err, E_FORMAT,
                              "fields must be different names, \"input\" first");
    }
    for (size_t i = 0; i < rows->n; i++)
        TRY(restore_row(b, rows->items[i], fields->n, err));
    return 0;
}

static int restore_split(const yaml_node *list, size_t n_rows, split *out, error *err)
{
    TRY(expect_list(list, "a split", err));
    out->index = array_new(list->n, sizeof *out->index);
    if (!out->index)
        return error_memory(err, list->n * sizeof *out->index);
    for (size_t i = 0; i < list->n; i++)
        TRY(read_size(list->items[i], 0, (double)n_rows - 1, &out->index[i], err));
    out->n = list->n;
    return 0;
}

static int restore_data(experiment_reader *r, const yaml_node *map, error *err)
{
    static const char *const keys[] = {"path", "fields", "rows", "splits"};
    const yaml_node *path, *node;
    TRY(check_keys(map, keys, 4, "kept data", err));
    TRY(require_key(map, "path", "data", &path, err));
    dataset_builder b;
    dataset_fields names = {.no_targets = experiment_is_open(r->e)};
    TRY(builder_begin(&b, path->s ? path->s : "", &names, err));
    int rc = restore_rows(&b, map, err);
    if (rc == 0)
        rc = builder_finish(&b, &r->e->data, err);
    builder_abort(&b);
    TRY(rc);
    TRY(require_key(map, "splits", "data", &map, err));
    TRY(expect_map(map, "splits", err));
    for (size_t s = 0; s < N_SPLITS; s++) {
        TRY(require_key(map, split_label((split_name)s), "splits", &node, err));
        TRY(restore_split(node, r->e->data->n, &r->e->splits[s], err));
    }
    return 0;
}

int experiment_read_data(experiment_reader *r, error *err)
{
    static const char *const keys[] = {"file",      "input", "target", "search",
                                       "selection", "final", "split",  "split_seed"};
    const yaml_node *map;
    TRY(require_key(r->root, "data", "the experiment", &map, err));
    TRY(expect_map(map, "data", err));
    if (r->dump) {
        TRY(restore_data(r, map, err));
    } else {
        TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "data", err));
        TRY(load_file(r, map, err));
        TRY(split_file(r, map, err));
    }
    TRY(check_split_sizes(r, map, err));
    return dataset_check_leaks(r->e->data, r->e->splits, err);
}

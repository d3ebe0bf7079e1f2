#include "prefix_fixture.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const char *const prefix_kind_names[] = {"embeddings", "key_values"};

float *json_floats(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    float *values = array_new(*n, sizeof(*values));
    assert_non_null(values);
    for (size_t i = 0; i < *n; i++)
        values[i] = (float)json_number_value(json_array_get(array, i));
    return values;
}

static void read_prefix(prefix_fixture *f, prefix_kind kind)
{
    const json_t *p = json_object_get(f->data, prefix_kind_names[kind]);
    size_t n = (size_t)json_integer_value(json_object_get(p, "n")), total;
    f->values[kind] = json_floats(json_object_get(p, "values"), &total);
    assert_int_equal(total, n * prefix_width(model_describe(f->model), kind));
    f->prefixes[kind] = (prefix_view){.kind = kind, .n = n, .values = f->values[kind]};
}

void prefix_fixture_open(prefix_fixture *f, const char *name)
{
    char file[100], path[FIXTURE_PATH_BYTES];
    json_error_t where;
    *f = (prefix_fixture){0};
    engine_fixture_open(&f->engine, name);
    f->model = f->engine.model;
    snprintf(file, sizeof(file), "%s-prefix.json", name);
    f->data = json_load_file(fixture_path(path, file), 0, &where);
    if (f->data == NULL)
        fail_msg("%s: %s", path, where.text);
    const json_t *rows = json_object_get(f->data, "rows");
    f->n_rows = json_array_size(rows);
    assert_in_range(f->n_rows, 1, MAX_ROWS);
    for (size_t i = 0; i < f->n_rows; i++) {
        const json_t *r = json_array_get(rows, i);
        row *to = &f->rows[i];
        f->ids[i] = json_ids(json_object_get(r, "ids"), &to->n);
        to->tokens = f->ids[i];
        to->n_context = (size_t)json_integer_value(json_object_get(r, "n_context"));
    }
    read_prefix(f, PREFIX_EMBEDDINGS);
    read_prefix(f, PREFIX_KEY_VALUES);
}

void prefix_fixture_close(prefix_fixture *f)
{
    for (size_t i = 0; i < f->n_rows; i++)
        free(f->ids[i]);
    free(f->values[0]);
    free(f->values[1]);
    json_decref(f->data);
    engine_fixture_close(&f->engine);
}

void must_set(session *s, const prefix_view *p)
{
    error err = {0};
    must(session_set_prefix(s, p, &err), &err);
}

session *open_behind(const model *m, const char *backend, size_t n_threads,
                     uint64_t memory_bytes, const prefix_view *p)
{
    session *s = must_open(m, backend, n_threads, memory_bytes, OVERFLOW_ERROR);
    must_set(s, p);
    return s;
}

#include "engine_fixture.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const char *const tiny_models[] = {
    "tiny-f32",         "tiny-q8_0",    "tiny-q4_1",  "tiny-llama3-rope",
    "tiny-linear-rope", "tiny-one-kv",  "tiny-k-mix", "tiny-f16-untied",
    "tiny-qwen2",       "tiny-mistral", "tiny-local",
};
const size_t n_tiny_models = sizeof(tiny_models) / sizeof(*tiny_models);

int32_t *json_ids(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    int32_t *ids = array_new(*n, sizeof(*ids));
    assert_non_null(ids);
    for (size_t i = 0; i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return ids;
}

static void read_rows(engine_fixture *f)
{
    const json_t *rows = json_object_get(f->reference, "rows");
    size_t total = 0;
    f->n_rows = json_array_size(rows);
    f->rows = array_new(f->n_rows, sizeof(*f->rows));
    for (size_t i = 0; i < f->n_rows; i++)
        total += json_array_size(json_object_get(json_array_get(rows, i), "ids"));
    f->ids = array_new(total, sizeof(*f->ids));
    assert_true(f->rows != NULL && f->ids != NULL);
    int32_t *at = f->ids;
    for (size_t i = 0; i < f->n_rows; i++) {
        const json_t *r = json_array_get(rows, i), *ids = json_object_get(r, "ids");
        f->rows[i] = (row){.tokens = at, .n = json_array_size(ids)};
        f->rows[i].n_context =
            (size_t)json_integer_value(json_object_get(r, "n_context"));
        for (size_t j = 0; j < f->rows[i].n; j++)
            *at++ = (int32_t)json_integer_value(json_array_get(ids, j));
    }
}

void engine_fixture_open(engine_fixture *f, const char *name)
{
    char file[100], path[FIXTURE_PATH_BYTES];
    error err = {0};
    json_error_t where;
    *f = (engine_fixture){0};
    snprintf(file, sizeof(file), "%s.gguf", name);
    must(model_open(&f->model, fixture_path(path, file), &err), &err);
    snprintf(file, sizeof(file), "%s.json", name);
    f->reference = json_load_file(fixture_path(path, file), 0, &where);
    if (f->reference == NULL)
        fail_msg("%s: %s", path, where.text);
    read_rows(f);
}

void engine_fixture_close(engine_fixture *f)
{
    model_close(f->model);
    json_decref(f->reference);
    free(f->rows);
    free(f->ids);
}

session *must_open(const model *m, const char *backend, size_t n_threads,
                   uint64_t memory_bytes, row_overflow overflow)
{
    session_options options = {.backend = backend,
                               .n_threads = n_threads,
                               .memory_bytes = memory_bytes,
                               .overflow = overflow};
    session *s = NULL;
    error err = {0};
    must(session_open(&s, m, &options, &err), &err);
    return s;
}

double must_score(session *s, const row *r)
{
    row_score score = {0};
    error err = {0};
    must(model_score(s, r, 1, &score, NULL, &err), &err);
    return score.logprob;
}

/* Tiny models and what transformers computes with them behind prefixes
 * (tests/fixtures/make_prefixes.py). Failures end the running test. */
#ifndef LAMARCK_TESTS_PREFIX_FIXTURE_H
#define LAMARCK_TESTS_PREFIX_FIXTURE_H

#include "engine_fixture.h"

/* What the JSON calls the kinds. */
extern const char *const prefix_kind_names[];

enum { MAX_ROWS = 8, WINDOW = 64 };

typedef struct prefix_fixture {
    engine_fixture engine;
    const model *model;
    json_t *data;
    row rows[MAX_ROWS];
    size_t n_rows;
    int32_t *ids[MAX_ROWS];
    prefix_view prefixes[2]; /* by prefix_kind */
    float *values[2];
} prefix_fixture;

/* Opens NAME.gguf and NAME-prefix.json. */
void prefix_fixture_open(prefix_fixture *f, const char *name);
void prefix_fixture_close(prefix_fixture *f);

/* session_set_prefix that must succeed. */
void must_set(session *s, const prefix_view *p);
/* must_open, then must_set. */
session *open_behind(const model *m, const char *backend, size_t n_threads,
                     uint64_t memory_bytes, const prefix_view *p);

/* The numbers in a JSON array; new. */
float *json_floats(const json_t *array, size_t *n);

#endif

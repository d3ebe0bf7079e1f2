/* Tiny models with reference numbers (tests/fixtures/make_tiny_models.py) and sessions on
 * them, for the tests of the engine. Failures end the running test. */
#ifndef LAMARCK_TESTS_ENGINE_FIXTURE_H
#define LAMARCK_TESTS_ENGINE_FIXTURE_H

#include "../model/model.h"
#include "expect.h"

#include <jansson.h>

/* Names without suffix: tests/data/NAME.gguf and NAME.json. */
extern const char *const tiny_models[];
extern const size_t n_tiny_models;

typedef struct engine_fixture {
    model *model;
    json_t *reference; /* new */
    row *rows;         /* of reference.rows */
    size_t n_rows;
    int32_t *ids; /* what the rows point to */
} engine_fixture;

void engine_fixture_open(engine_fixture *f, const char *name);
void engine_fixture_close(engine_fixture *f);

/* session_open that must succeed. memory 0: the default. */
session *must_open(const model *m, const char *backend, size_t n_threads,
                   uint64_t memory_bytes, row_overflow overflow);

/* The log-probability of one row's targets; scoring must succeed. */
double must_score(session *s, const row *r);

/* The ids in a JSON array; new. */
int32_t *json_ids(const json_t *array, size_t *n);

#endif

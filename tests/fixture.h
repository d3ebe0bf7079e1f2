/* Files that tests read: fixtures under tests/data, and the real model where there is
 * one. Tests run in the repository's root (make check sees to it), or anywhere with
 * LAMARCK_TESTS naming the tests folder. Failures end the running test. */
#ifndef LAMARCK_TESTS_FIXTURE_H
#define LAMARCK_TESTS_FIXTURE_H

#include <stddef.h>

enum { FIXTURE_PATH_BYTES = 4096 };

/* The path of tests/data/`name`, in `path`; returns it. */
const char *fixture_path(char path[FIXTURE_PATH_BYTES], const char *name);

/* The bytes of tests/data/`name`, NUL-terminated; new, free() it. `n` may be NULL. */
char *fixture_read(const char *name, size_t *n);

/* Where SmolLM2-135M-Instruct lies: $LAMARCK_MODEL, else the cache that `./setup model`
 * fills. NULL when there is none: it has printed the line "SKIP reason" that the runner
 * counts, and the test returns (cmocka's skip() would be counted again). Borrowed. */
const char *fixture_model(void);

#endif

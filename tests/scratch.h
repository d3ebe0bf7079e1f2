/* A folder of its own for a test, under TMPDIR, gone afterwards. */
#ifndef LAMARCK_TESTS_SCRATCH_H
#define LAMARCK_TESTS_SCRATCH_H

#include <stdio.h>

/* New path, free through scratch_remove, which also deletes the folder and all in it. */
char *scratch_new(void);
void scratch_remove(char *path);
/* The same around a test of cmocka, with the path as its state. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* dir/name, new and open for writing; the running test fails where it cannot be. */
FILE *scratch_create(const char *dir, const char *name);

#endif

/* A run folder with a crowd in it that has something to ask: for the tests of Mechanical
 * Turk, in C and (as a program: test_mturk make FILE TASKS WANTED) on the command line.
 */
#ifndef LAMARCK_TESTS_MTURK_FIXTURE_H
#define LAMARCK_TESTS_MTURK_FIXTURE_H

#include "../rater/crowd.h"

/* Tasks of all kinds in turn, with texts that are all markup; the first has the highest
 * priority. */
int mturk_fixture_tasks(crowd *c, size_t n, size_t wanted, error *err);
/* The same in a new file. */
int mturk_fixture_run(const char *path, size_t n, size_t wanted, error *err);
#endif

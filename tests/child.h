/* A test's program, run anew as another process: OpenMP's threads do not survive a fork.
 * Its main() does what a child is to do when its first argument is "child". */
#ifndef LAMARCK_TESTS_CHILD_H
#define LAMARCK_TESTS_CHILD_H

#include <stdbool.h>

/* With "child" and these words (NULL behind the last). After so many seconds (0: never)
 * it is killed, if it is still there. True when it ended by itself; the running test
 * fails when it ended with another status than 0. */
bool child_run(double seconds, const char *const *words);

#endif

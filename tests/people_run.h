/* Whole runs of the small experiment that people judge (small_people.h), driven as a user
 * drives them: begun, answered when they wait, gone on with, killed. Failures end the
 * running test. */
#ifndef LAMARCK_TESTS_PEOPLE_RUN_H
#define LAMARCK_TESTS_PEOPLE_RUN_H

#include <gsl/gsl_rng.h>

#include "../experiments/runs/run.h"
#include "small_people.h"

/* When the scripted crowd is at work. */
extern const int64_t morning;

/* Changes, two for each, that let it ask otherwise than which of two is better. */
enum { OTHER_QUESTIONS = 3 };
extern const char *const other_questions[OTHER_QUESTIONS][2];

/* With n changes of the experiment; options may be NULL. */
void people_begin(const char *dir, const char *const *set, size_t n,
                  const run_options *options);
void people_go_on(const char *dir);
/* Begun and answered until it ends; *waits (NULL: not wanted): how often it waited. */
run_record *people_whole_run(const char *dir, const char *const *set, size_t n,
                             size_t *waits);

/* Begun and gone on with by children (see child.h) of main(), which hands its arguments
 * to people_child; two of three are killed within `least` and `most` seconds. Returns how
 * many were. */
size_t people_killed_run(const char *dir, gsl_rng *rng, double least, double most);
/* Whether these are a child's arguments. */
bool people_is_child(int argc, char **argv);
int people_child(char **argv, const char *const *set, size_t n);

/* What the crowd of `dir` has given. */
size_t people_ratings(const char *dir);

#endif

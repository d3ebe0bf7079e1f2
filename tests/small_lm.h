/* A small experiment on one of the tiny models, for tests of what measures with a model.
 */
#ifndef LAMARCK_TESTS_SMALL_LM_H
#define LAMARCK_TESTS_SMALL_LM_H

#include "../experiments/fitness/fitness_lm.h"

/* Write an experiment on tests/data/`model_file` to `dir` and load it with n changes
 * "a.b=c". Inputs are "thing 0", "thing 1"…; targets "cold" or "tall". */
experiment *small_lm_experiment(const char *dir, const char *model_file,
                                const char *const *set, size_t n);

/* From now on the experiment's model is the link DIR/model.gguf, which leads to
 * tests/data/`model_file`. */
void small_lm_link(experiment *e, const char *dir, const char *model_file);

/* Opens a judge without a store, or fails the test. */
void small_lm_judge(judge *j, const experiment *e, store *s);

#endif

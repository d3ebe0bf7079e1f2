/* A small experiment that people judge, on a tiny model, and a scripted crowd that knows
 * what it likes: the text with more letters. No network, nobody by chance. */
#ifndef LAMARCK_TESTS_SMALL_PEOPLE_H
#define LAMARCK_TESTS_SMALL_PEOPLE_H

#include "../experiments/definition/experiment.h"

/* Writes people.yaml and people.jsonl (rows without targets; targets.jsonl has some) to
 * `dir` and loads them with n changes. Two ratings are wanted, repeats and gold are off.
 */
#define SMALL_PEOPLE_TARGETS                                                             \
    "data.file=targets.jsonl",                                                           \
        "template='{{instruction}}{{mark}} {{input}} is {{target}}'"

experiment *small_people_experiment(const char *dir, const char *const *set, size_t n);
/* The same where it is to be wrong. */
int small_people_load(const char *dir, const char *const *set, size_t n, experiment **out,
                      error *err);

/* How much the scripted crowd likes a text. */
size_t scripted_liking(const char *said);
/* What a rater answers to an assignment. */
typedef int crowd_script(const char *rater, const assignment *a);
crowd_script scripted_answer;
/* Raters "t-1" to "t-5" answer everything that the crowd of `dir` asks, at the time
 * `now`; returns how many answers they gave. */
size_t crowd_by_script(const char *dir, int64_t now, crowd_script *script);
size_t scripted_crowd(const char *dir, int64_t now); /* by scripted_answer */

#endif

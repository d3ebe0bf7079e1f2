/* A small crowd for tests: a file in a scratch folder, questions, outputs, tasks, raters.
 * Failures end the running test. */
#ifndef LAMARCK_TESTS_CROWD_FIXTURE_H
#define LAMARCK_TESTS_CROWD_FIXTURE_H

#include "../rater/crowd.h"

enum { CROWD_PATH = 4096 };

/* DIR/lamarck.sqlite, in `path`; returns it. */
const char *crowd_path(char path[CROWD_PATH], const char *dir);
/* The crowd of the run folder `dir`, made if it is not there. */
crowd *crowd_in(const char *dir);

/* A question of the kind, ties allowed where the kind knows them; 7 labels on a scale. */
void put_question(crowd *c, question_kind kind, char id[SHA256_HEX]);
void put_output(crowd *c, const char *context, const char *output, char id[SHA256_HEX]);
/* Task number `i` of the question: outputs "i.0", "i.1", … in context "context i". */
void put_task(crowd *c, const char *asked, question_kind kind, size_t i, size_t wanted,
              char id[SHA256_HEX]);
/* The same with its right answer: output "i.0", label "6", or "1". */
void put_gold(crowd *c, const char *asked, question_kind kind, size_t i,
              char id[SHA256_HEX]);

/* Rules under which nothing happens by chance: no gold, no repeats, no least time. */
quality_rules plain_rules(void);
void set_rules(crowd *c, const quality_rules *r);

int64_t rater_named(crowd *c, const char *name);
/* crowd_assign, which must give one; and expecting another result. */
assignment assign(crowd *c, int64_t rater, int64_t now);
void assert_assign(crowd *c, int64_t rater, int64_t now, assign_result expected);
/* crowd_submit of 5 seconds from the page without a key; its result. */
int submit(crowd *c, const char *token, int answer, int64_t now);
/* The place at which `output` is shown. */
int place_of(const assignment *a, const char *output);
crowd_counts counts_of(crowd *c);
/* Every counter of the tables is what a recount gives. */
void assert_counters_hold(crowd *c);

#endif

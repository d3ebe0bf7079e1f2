/* A made-up record of a run, for what only reads records. */
#ifndef LAMARCK_TESTS_SYNTHETIC_RUN_H
#define LAMARCK_TESTS_SYNTHETIC_RUN_H

#include "../experiments/store/store.h"

/* A finished run of 24 steps, 8 operators and 40 candidates: the winner is #37, four
 * edits from the seed; its prompts hold markup and control characters. Points into static
 * memory, made anew by each call: change it at will, never free it. */
run_record *synthetic_run(void);

#endif

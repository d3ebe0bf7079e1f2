/* lamarck rate simulate --score: how much a simulated crowd truly likes texts. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SIMULATE_SCORE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SIMULATE_SCORE_H

#include "../../rater/simulate.h"

/* Print {"liking"} for each row {"context", "output"} of `path` ("-": standard input), in
 * the same order. */
int simulate_score(const char *path, taste t, error *err);

#endif

/* Reads what was said, in the context that people would have seen, for what a reward
 * makes of it: the features of reward_features.h, remembered and charged like scores.
 *
 * It reads through a session of its own, since learned vectors may stand before the
 * candidates' rows, and since what was said counts whole, while what came long before it
 * may go. One thread. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_TEXT_READER_H
#define LAMARCK_EXPERIMENTS_FITNESS_TEXT_READER_H

#include "../../rater/reward.h"
#include "../definition/experiment.h"
#include "scorer.h"

typedef struct text_reader text_reader;

/* Experiment and model are borrowed for its life; `how`: of its scorer, but for what does
 * not fit the window. */
int text_reader_open(text_reader **out, const experiment *e, const model *m, pooling p,
                     const scorer_options *how, error *err);
void text_reader_close(text_reader *r);
/* From now on remember in `s`. */
void text_reader_use_store(text_reader *r, store *s);
/* Features of a text. */
size_t text_reader_width(const text_reader *r);

/* *tokens grows by the most that reading what will be said of data row `at` is charged.
 * E_UNSUPPORTED for a model whose texts cannot be read (reward_row). */
int text_reader_foretell(const text_reader *r, size_t at, uint64_t *tokens, error *err);

/* x (n, width): of said[i] about data row at[i]. A text is charged once per run; *spent
 * grows. */
int text_reader_read(text_reader *r, const size_t *at, const char *const *said, size_t n,
                     double *x, expense *spent, error *err);

#endif

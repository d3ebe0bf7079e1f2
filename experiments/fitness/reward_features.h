/* Texts in their contexts as the features of a reward: the one place that decides what
 * the model reads of them. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_REWARD_FEATURES_H
#define LAMARCK_EXPERIMENTS_FITNESS_REWARD_FEATURES_H

#include "../../rater/reward.h"

/* The row of a text: a BOS if that is the model's policy, the context, a newline; then as
 * targets the text's tokens and the end token. So an empty text has features too, and how
 * a text ends is part of it. Context and text are tokenised apart; what they spell is
 * text, never a special token. out->tokens is new. E_UNSUPPORTED for a model without end
 * token. */
int reward_row(row *out, const tokenizer *t, const char *context, const char *output,
               error *err);

/* x (n, reward_width): pooled states, mean ln p per target, ln of the number of targets.
 * E_LIMIT names the text that does not fit the window. */
int reward_features(session *s, const model *m, const row *rows, size_t n, pooling p,
                    double *x, error *err);

#endif

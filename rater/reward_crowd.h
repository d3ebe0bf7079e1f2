/* What a crowd said, as texts to learn a reward from. */
#ifndef LAMARCK_RATER_REWARD_CROWD_H
#define LAMARCK_RATER_REWARD_CROWD_H

#include "crowd.h"
#include "reward_texts.h"

/* Add all ratings that count. Comparisons are pairs; the best of four is three pairs, of
 * the chosen text with each other one; no difference is a tie of every two. Scale and
 * accept are values. Ratings of RATER_SIMULATED are counted as such. *asked, if not
 * NULL and if there is a rating, becomes the text of the first rating's question: new. */
int reward_texts_add_crowd(reward_texts *to, crowd *c, char **asked, error *err);

#endif

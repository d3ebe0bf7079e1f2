/* Texts that people judged, and their judgements, from wherever they come: collected
 * here, each text once per context, until a model has been asked for their features.
 *
 * Owns copies of all. One thread while it is filled. {0} is empty. */
#ifndef LAMARCK_RATER_REWARD_TEXTS_H
#define LAMARCK_RATER_REWARD_TEXTS_H

#include "ratings.h"
#include "reward_data.h"

typedef struct reward_judgements {
    reward_rating *list;
    size_t n, capacity;
    size_t n_simulated; /* of n */
} reward_judgements;

typedef struct reward_texts {
    name_index contexts;
    name_index keys; /* of items: the context's number, a newline, the text */
    size_t *context; /* (keys.n) */
    size_t context_capacity;
    reward_judgements by_head[N_REWARD_HEADS];
} reward_texts;

/* outcome: 1 for a, 0 for b, 1/2 for a tie. E_FORMAT when a and b are the same text. */
int reward_texts_compare(reward_texts *t, const char *context, const char *a,
                         const char *b, double outcome, bool simulated, error *err);
/* E_FORMAT for a value that is not finite. */
int reward_texts_value(reward_texts *t, const char *context, const char *output,
                       double value, bool simulated, error *err);
void reward_texts_free(reward_texts *t);

size_t reward_texts_count(const reward_texts *t);
/* Borrowed. */
const char *reward_texts_context(const reward_texts *t, size_t item);
const char *reward_texts_output(const reward_texts *t, size_t item);

/* The data of one head, given the items' features x (count, n_features); borrows from
 * both. */
reward_data reward_texts_data(const reward_texts *t, reward_head head, const double *x,
                              size_t n_features);

#endif

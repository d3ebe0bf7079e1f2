/* Questions whose answer is known, so that raters who do not look are found: an output of
 * the seed beside the same text with every letter made an x, which nobody who reads would
 * prefer. They are practice: no candidate gains or loses by them. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_GOLD_H
#define LAMARCK_EXPERIMENTS_FITNESS_GOLD_H

#include "outputs.h"
#include "panel.h"

/* Put a gold task about the text `said` on a data row; COMPARE and BEST ask for the
 * better of the two, SCALE and ACCEPT show the spoilt one, which is the lowest label, or
 * no. 1, or 0 for a text that has too few words to be spoilt. */
int gold_put(panel *p, size_t at, const char *said, error *err);

/* From the seed's first outputs, so that there is gold before anybody is asked: until
 * there are as many (*n_gold) as the experiment wants. has (data rows): tried before. */
int gold_from_seed(panel *p, const outputs *o, bool *has, size_t *n_gold, error *err);

/* Append the text with every letter made an x. Returns how many words of three letters or
 * more there are. Private, and for tests. */
int gold_spoil(const char *said, text *out, size_t *n_words, error *err);

#endif

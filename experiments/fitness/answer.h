/* Is a generated text the right answer? */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_ANSWER_H
#define LAMARCK_EXPERIMENTS_FITNESS_ANSWER_H

#include "../../model/base.h"

/* 1 if the text, its white space trimmed, equals one of the targets, trimmed too; else 0.
 */
double answer_exact(const char *answer, char *const *targets, size_t n_targets);

/* The best token F1 with any of the targets, after the normalisation of SQuAD (Rajpurkar
 * et al. 2016): lower case (of ASCII letters), no ASCII punctuation, no articles, words
 * at white space. Two texts without words are equal. */
int answer_f1(const char *answer, char *const *targets, size_t n_targets, double *out,
              error *err);

#endif

/* A simulated crowd: what it truly prefers, stated plainly, and how its raters stray from
 * that. For tests, demonstrations and power analysis; whoever uses it says so.
 *
 * Pure functions: the same output, rater and random stream give the same answer. */
#ifndef LAMARCK_RATER_SIMULATE_H
#define LAMARCK_RATER_SIMULATE_H

#include "crowd.h"

#include <gsl/gsl_rng.h>

/* What the crowd likes. Words are compared without case; a content word has four letters
 * or more and is not among a few very common ones.
 *
 * names    a list of names, one a line or between commas: 0.5 for each different
 *          well-formed one up to 8 (one to three words of letters, each begun with a
 *          capital, 2 to 24 bytes in all), less 0.4 for each repeated one and 0.3 for
 * each entry that is no name. prose    a short description: 2 times the share of the
 * context's content words that it mentions, plus 2 times the share of different words
 * among its words, plus up to 1.5 for a length of 30 to 90 words (less in proportion
 * outside), plus 0.5 if it ends a sentence. summary  3 times the share of its content
 * words that are in the context, plus 1.5 times the share of the context's content words
 * that it has (a third is enough), plus 1 for 8 to 30 words (less in proportion outside),
 * plus 0.5 if it ends a sentence; nothing at all for nothing said.
 *
 * Whatever the taste, 4 less for a text in which no word has two different letters. */
typedef enum taste { TASTE_NAMES, TASTE_PROSE, TASTE_SUMMARY, N_TASTES } taste;
extern const char *const taste_names[N_TASTES];

/* How much the crowd likes an output; differences are log odds of preferring one. */
int simulated_liking(taste t, const char *context, const char *output, double *out,
                     error *err);

/* How a rater answers. */
typedef enum rater_manner {
    MANNER_HONEST, /* by the crowd's liking, with a logistic error */
    MANNER_FIRST,  /* four times in five the first output shown, or the best rating */
    MANNER_SPAM,   /* at random, and fast */
    N_RATER_MANNERS
} rater_manner;

typedef struct simulated_rater {
    char name[32]; /* "sim-7" */
    rater_manner manner;
    double noise;     /* HONEST: scale of the error, 1 being what likings are made for */
    double tie_width; /* HONEST: says "no difference" within it, where he may */
    double bias;      /* HONEST: added to his ratings on a scale */
} simulated_rater;

/* Rater number i of a crowd with this seed: of ten, one prefers what comes first, one
 * answers at random, and eight are honest, with noises from 0.6 to 1.6. */
void simulated_rater_make(simulated_rater *r, uint64_t seed, size_t i);

/* His answer, as a submission has it, and how long he takes. The rng is his. */
typedef struct simulated_answer {
    int answer;
    double seconds;
} simulated_answer;
int simulated_rater_answer(const simulated_rater *r, taste t, const question *q,
                           const char *context, char *const *shown, size_t n,
                           gsl_rng *rng, simulated_answer *out, error *err);
/* The same about outputs of which it is known how much the crowd likes them. */
int simulated_rater_judge(const simulated_rater *r, const question *q,
                          const double *liking, size_t n, gsl_rng *rng,
                          simulated_answer *out, error *err);

#endif

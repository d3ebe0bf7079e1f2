/* A model of what people like: linear heads on a frozen model's features of a text in its
 * context. It belongs to one model and one pooling, and knows how good it is.
 *
 * Each head is fitted on a bootstrap of the contexts; their mean is the reward, their
 * standard deviation says how much it depends on who happened to be asked about what. A
 * reward is in logits of being preferred (PAIRWISE: only differences within a context
 * mean something) or in the units of the ratings (SCALAR).
 *
 * Saved as a safetensors file. Owns everything; immutable once made, shared by threads.
 */
#ifndef LAMARCK_RATER_REWARD_H
#define LAMARCK_RATER_REWARD_H

#include "../model/model.h"
#include "reward_judge.h"

typedef struct reward reward;

/* What a reward knows of itself. Strings are borrowed from it. */
typedef struct reward_facts {
    reward_head head;
    pooling pooling;
    const char *model;      /* as the user named it: where to look for it */
    const char *model_hash; /* SHA-256 of its file */
    const char *question;   /* that people were asked; "" unknown */
    const char *source;     /* the runs and files that it learned from */
    size_t n_ratings, n_contexts, n_texts;
    size_t n_simulated; /* ratings that no person gave */
    size_t n_heads;
    size_t n_components; /* principal components that were used; the extras besides */
    double lambda;
    uint64_t seed;
} reward_facts;

typedef struct reward_options {
    reward_judge_options judge; /* its seed is the seed of everything */
    size_t n_heads;             /* (16), at least 2 */
} reward_options;
reward_options reward_defaults(void);

/* Judge, choose, fit. Of `known` the first six members, n_simulated are read, and copied.
 * Errors as reward_judge. */
int reward_train(reward **out, const reward_data *d, const reward_facts *known,
                 const reward_options *o, error *err);
/* The same without judging, for a reward that is fitted again and again while others see
 * to how good it is: reward_judged() knows nothing of it. E_ARGUMENT with fewer contexts
 * than 2. */
int reward_fit(reward **out, const reward_data *d, const reward_facts *known,
               const reward_options *o, error *err);
void reward_free(reward *r);

const reward_facts *reward_describe(const reward *r);
const reward_judgement *reward_judged(const reward *r);

/* Features of a text: the pooled states, then the extras. */
size_t reward_n_features(const reward *r);
size_t reward_width(const model_info *info, pooling p);
/* mean and sd (n), either NULL, of texts with features x (n, n_features). */
void reward_score(const reward *r, const double *x, size_t n, double *mean, double *sd);
/* How far a is over b, features (n_features) each, by the same heads: the doubt about a
 * difference is not that about both. */
void reward_margin(const reward *r, const double *a, const double *b, double *mean,
                   double *sd);

/* E_FORMAT, naming both hashes, when it was learned on another model. */
int reward_check_model(const reward *r, const model *m, error *err);

/* The whole file or none. */
int reward_save(const reward *r, const char *path, error *err);
/* E_IO; E_FORMAT names the file, the tensor or note, the value and the limit. */
int reward_open(reward **out, const char *path, error *err);
/* The same of n bytes; `name` stands for the file in errors. */
int reward_parse(reward **out, const void *bytes, size_t n, const char *name, error *err);

#endif

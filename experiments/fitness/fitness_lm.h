/* The objective made of a frozen language model, and everything that it needs, opened at
 * once. The search, `lamarck score` and `lamarck compare` all measure through this, so a
 * prompt has one score wherever it is asked for. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_FITNESS_LM_H
#define LAMARCK_EXPERIMENTS_FITNESS_FITNESS_LM_H

#include "../../prefix/prefix.h"
#include "../definition/experiment.h"
#include "objective.h"
#include "scorer.h"

/* Scores are as experiment.fitness says: higher is better. Both are borrowed for the
 * objective's life. A candidate with a row that does not fit the window FAILS with the
 * reason. */
int fitness_lm_new(objective **out, const experiment *e, scorer *c, error *err);

/* E_LIMIT naming the row if one of the experiment's own seeds does not fit the window on
 * some example of some split. */
int fitness_lm_check_seeds(const experiment *e, const model *m, error *err);

/* A model made ready to judge an experiment's candidates. */
typedef struct judge {
    model *model;
    session *session;
    scorer *scorer;
    objective *objective;
    paid_proposer *proposer; /* NULL unless the experiment asks the model for words */
} judge;

typedef struct judge_options {
    store *store;                  /* NULL: nothing is remembered */
    const char *model_hash;        /* E_FORMAT if the model is another; NULL: any */
    const char *backend;           /* see scorer_options */
    const volatile int *interrupt; /* NULL: none */
    const ticker *ticker;          /* NULL: none */
    const prefix *prefix;          /* before every row; NULL: none. E_ARGUMENT if it was
                                      made for another model */
    bool people; /* a fitness that asks people is welcome: the caller joins the objective
                    to a run (fitness_human_join). Else E_UNSUPPORTED */
} judge_options;

/* Opens e->model_path. On failure nothing is left to close. */
int judge_open(judge *out, const experiment *e, const judge_options *options, error *err);
void judge_close(judge *j);

#endif

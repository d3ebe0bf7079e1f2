/* A reward in the place of people, as long as it deserves that: it is learned from
 * people's answers as they come, scores what every candidate of a batch says, and lets
 * people see what may be selected and what it is in doubt about. The rest has its score
 * as people's own are: the chance of being preferred to the seed's output on the same
 * example; or, where they judge one output at a time, what they would give it, from 0
 * to 1.
 *
 * Stages. It learns until there are enough ratings; then it is on trial: it is fitted
 * anew before each batch and predicts, while people see everything. When its predictions
 * of fresh ratings agree with them it is trusted. A guard (rater/reward_guard.h) goes on
 * comparing: when it says that the reward is being gamed, it is on trial again.
 *
 * Only examples of the search split: what the finish measures is judged by people alone.
 *
 * It is a pure function of what is on record in the store's memo: the choice of a batch,
 * there before anybody is asked, and its lesson, which ratings the decision saw, there
 * before the decision. So a replay chooses and learns the same, whatever was said since.
 * Texts that it reads are charged like scores. One thread. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_SURROGATE_H
#define LAMARCK_EXPERIMENTS_FITNESS_SURROGATE_H

#include "../store/surrogate_record.h"
#include "outputs.h"
#include "panel.h"

typedef struct surrogate surrogate;

/* For an experiment whose people have one; borrowed for its life, as the model of `c`. */
int surrogate_open(surrogate **out, const experiment *e, const scorer *c,
                   const scorer_options *how, error *err);
void surrogate_close(surrogate *s);
/* Take part in run `run` of `st`, which is borrowed: before anything is chosen. */
void surrogate_join(surrogate *s, store *st, uint64_t run);

/* *tokens grows by the most that reading the outputs is charged; due[c]: context c of the
 * sheet has not been paid for. */
int surrogate_price(const surrogate *s, const outputs *o, const bool *due,
                    uint64_t *tokens, error *err);

/* Of `wanted` ratings that people would be asked for all of these, how many it should
 * take now. */
uint64_t surrogate_expects(const surrogate *s, const outputs *o, uint64_t wanted);

/* What becomes of the cells of a batch: candidate by candidate, those that failed left
 * out, as panels have them. */
typedef struct surrogate_choice {
    bool *shown;    /* (n) people are asked; where not, */
    double *scores; /* (n) what the reward gives */
    size_t n;
} surrogate_choice;

/* Read, fit, choose; texts must be there. Its arrays are borrowed until the next call. */
int surrogate_choose(surrogate *s, const outputs *o, surrogate_choice *out,
                     expense *spent, error *err);
/* The ratings are enough for a decision about those shown: put the lesson on record. */
int surrogate_witness(surrogate *s, crowd *c, const panel *p, error *err);
/* It was decided, now or before; of_people: scores of the shown cells, in order. Learns
 * what is on record. */
int surrogate_learn(surrogate *s, const panel *p, const double *of_people, error *err);

/* Borrowed for its life: how it stands, for whoever watches. */
const surrogate_record *surrogate_state(const surrogate *s);

/* Of so many ratings that the search would ask without it: how many it asks when it is
 * trusted as soon as may be. */
uint64_t surrogate_ratings(const experiment *e, uint64_t wanted);

#endif

/* A run's account of ratings: how many it foretells that a batch will take, and how many
 * people have given since the run began. The runs of one folder share their crowd: what
 * people say while a run is at work is charged to it, whatever it is about. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_RATING_ACCOUNT_H
#define LAMARCK_EXPERIMENTS_FITNESS_RATING_ACCOUNT_H

#include "../store/store.h"
#include "outputs.h"

/* The most that these measurements would ask of people: ratings, whatever candidates have
 * in common. */
uint64_t fitness_human_ratings(const experiment *e, uint64_t evaluations);

/* How many ratings a batch should take: what it wants for all that is not what the seed
 * said, and as many more as the shares of checks among them come to. More are needed
 * where raters are excluded, fewer where candidates say the same. */
uint64_t ratings_forecast(const experiment *e, const outputs *o);

typedef struct rating_account {
    size_t base;    /* what the crowd had given when the run began */
    size_t charged; /* for what has been decided since */
} rating_account;

/* Of run `run`, for which `now` ratings are there at this moment; a run that goes on
 * finds what was there when it began in the store. */
int rating_account_open(rating_account *a, store *s, uint64_t run, size_t now,
                        error *err);
/* Ratings of the run, if so many are there now. */
size_t rating_account_taken(const rating_account *a, size_t now);
/* Of what the batch at hand may take (UINT64_MAX: anything), what is left of it. */
size_t rating_account_room(const rating_account *a, size_t now, uint64_t may_take);
/* How many ratings will be there when it has taken all that; 0: no limit. */
uint64_t rating_account_limit(const rating_account *a, uint64_t may_take);
/* The batch at hand is decided; returns what it took. */
size_t rating_account_charge(rating_account *a, size_t now);

#endif

/* A reward's insides, for reward.c and reward_file.c; and its facts as JSON. */
#ifndef LAMARCK_RATER_REWARD_PARTS_H
#define LAMARCK_RATER_REWARD_PARTS_H

#include "reward.h"

#include <jansson.h>

enum { REWARD_MOST_HEADS = 1000 };

struct reward {
    reward_facts facts; /* strings: the owned ones below */
    char *model, *model_hash, *question, *source;
    reward_judgement judgement;
    size_t p;
    double *mean, *scale; /* (p) */
    double *weights;      /* (n_heads, p) on standardised features */
    double *intercepts;   /* (n_heads) */
};

/* Copy the facts' strings into r, and point its facts to them. */
int reward_keep_facts(reward *r, const reward_facts *facts, error *err);
int reward_make_room(reward *r, size_t p, size_t n_heads, error *err);

/* New; NULL out of memory. */
json_t *reward_facts_json(const reward_facts *f);
/* A judgement as JSON (new; NULL out of memory), and back: numbers that cannot be said
 * are null. E_FORMAT names the member. */
json_t *reward_judgement_json(const reward_judgement *j);
int reward_judgement_read(const json_t *from, reward_judgement *out, error *err);

#endif

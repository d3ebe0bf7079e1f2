/* Walking a crowd's ratings. */
#include "reward_crowd.h"

#include <stdlib.h>
#include <string.h>

typedef struct adder {
    reward_texts *to;
    crowd *crowd;
    char **asked; /* NULL: not wanted any more */
} adder;

/* The texts of a rating: new, in one context. */
typedef struct rated {
    char *context[MAX_OUTPUTS], *output[MAX_OUTPUTS];
} rated;

static void rated_free(rated *x)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        free(x->context[i]);
        free(x->output[i]);
    }
}

static int fetch(const adder *a, const crowd_rating *r, rated *out, error *err)
{
    for (size_t i = 0; i < r->n_outputs; i++) {
        int found =
            crowd_output(a->crowd, r->outputs[i], &out->context[i], &out->output[i], err);
        TRY(found);
        if (!found)
            return error_set(err, E_FORMAT, "the output %.64s of a rating is not there",
                             r->outputs[i]);
    }
    return 0;
}

static int add_ties(const adder *a, const crowd_rating *r, const rated *x, error *err)
{
    for (size_t i = 0; i < r->n_outputs; i++)
        for (size_t k = 0; k < i; k++)
            TRY(reward_texts_compare(a->to, x->context[k], x->output[k], x->output[i],
                                     0.5, r->rater_source == RATER_SIMULATED, err));
    return 0;
}

static int add_pairs(const adder *a, const crowd_rating *r, const rated *x, error *err)
{
    if (r->answer == ANSWER_TIE)
        return add_ties(a, r, x, err);
    size_t chosen = (size_t)r->answer;
    if (chosen >= r->n_outputs)
        return error_set(err, E_FORMAT, "the answer %d of a rating of %zu outputs",
                         r->answer, r->n_outputs);
    for (size_t i = 0; i < r->n_outputs; i++)
        if (i != chosen)
            TRY(reward_texts_compare(a->to, x->context[chosen], x->output[chosen],
                                     x->output[i], 1, r->rater_source == RATER_SIMULATED,
                                     err));
    return 0;
}

static int add_value(const adder *a, const crowd_rating *r, const rated *x, error *err)
{
    return reward_texts_value(a->to, x->context[0], x->output[0], r->answer,
                              r->rater_source == RATER_SIMULATED, err);
}

/* The first one's: the question that the reward says it is about. */
static int keep_question(adder *a, const crowd_rating *r, error *err)
{
    question q = {0};
    if (!a->asked)
        return 0;
    int found = crowd_question(a->crowd, r->question, &q, err);
    TRY(found);
    if (found) {
        *a->asked = q.text;
        q.text = NULL;
        question_free(&q);
    }
    a->asked = NULL;
    return 0;
}

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    adder *a = context;
    rated x = {0};
    if (!r->counts || r->practice)
        return 0;
    TRY(keep_question(a, r, err));
    int rc = fetch(a, r, &x, err);
    if (rc == 0)
        rc = r->n_outputs > 1 ? add_pairs(a, r, &x, err) : add_value(a, r, &x, err);
    rated_free(&x);
    return rc;
}

int reward_texts_add_crowd(reward_texts *to, crowd *c, char **asked, error *err)
{
    adder a = {to, c, asked};
    return crowd_each_rating(c, 0, add_rating, &a, err);
}

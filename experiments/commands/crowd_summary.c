/* Gathers how a crowd stands. */
#include "crowd_summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void crowd_summary_free(crowd_summary *s)
{
    for (size_t i = 0; i < s->n_questions; i++)
        question_free(&s->questions[i].asked);
    free(s->questions);
    free(s->raters);
    if (s->qualities)
        rater_quality_free(s->qualities, s->n_raters);
    *s = (crowd_summary){0};
}

/* ---- Questions ---- */

typedef struct walk {
    crowd *c;
    crowd_summary *s;
} walk;

/* The question of this id, added when new. NULL on failure. */
static question_summary *find_question(walk *w, const char *id, error *err)
{
    crowd_summary *s = w->s;
    for (size_t i = 0; i < s->n_questions; i++)
        if (strcmp(s->questions[i].id, id) == 0)
            return &s->questions[i];
    if (array_grow(&s->questions, &s->questions_capacity, s->n_questions,
                   sizeof *s->questions, err) < 0)
        return NULL;
    question_summary *q = &s->questions[s->n_questions];
    *q = (question_summary){.alpha = NAN, .low = NAN, .high = NAN};
    snprintf(q->id, sizeof q->id, "%s", id);
    int rc = crowd_question(w->c, id, &q->asked, err);
    if (rc == 0)
        error_set(err, E_FORMAT, "question %.12s… is gone", id);
    if (rc != 1)
        return NULL;
    s->n_questions++;
    return q;
}

static int add_task(void *context, const crowd_task *t, error *err)
{
    question_summary *q = find_question(context, t->question, err);
    if (!q)
        return err ? err->code : E_FORMAT;
    q->tasks++;
    q->gold += t->gold != NULL;
    return 0;
}

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    walk *w = context;
    question_summary *q = find_question(w, r->question, err);
    uncounted_ratings *u = &w->s->uncounted;
    if (!q)
        return err ? err->code : E_FORMAT;
    if (r->withdrawn)
        return 0;
    q->ratings += r->counts;
    u->excluded += r->excluded;
    u->checks += !r->excluded && (r->gold || r->repeat);
    u->fast += !r->excluded && !r->gold && !r->repeat && r->fast;
    return 0;
}

/* ---- Agreement ---- */

/* Pairs of a rater with the others, added to those of other questions. */
static int add_pairs(crowd_summary *s, name_index *names, const ratings *r,
                     const agreement *a, error *err)
{
    for (size_t i = 0; i < r->raters.n; i++) {
        size_t at;
        TRY(name_index_add(names, r->raters.names[i], &at, err));
        if (at >= s->n_raters || a->raters[i].n_pairs == 0)
            continue;
        rater_summary *x = &s->raters[at];
        double sum = x->n_pairs ? x->agreement * (double)x->n_pairs : 0;
        sum += a->raters[i].agreement * (double)a->raters[i].n_pairs;
        x->n_pairs += a->raters[i].n_pairs;
        x->agreement = sum / (double)x->n_pairs;
    }
    return 0;
}

/* Too few or equal ratings are no failure: they are why there is no alpha. */
static int measure(crowd *c, crowd_summary *s, question_summary *q, name_index *names,
                   size_t n_resamples, error *err)
{
    ratings r = {0};
    agreement a;
    error why = {0};
    int rc = crowd_agreement(c, q->id, n_resamples, 1, &r, &a, &why);
    if (rc == E_FORMAT || rc == E_NUMERIC) {
        snprintf(q->why, sizeof q->why, "%.150s", why.text);
        return 0;
    }
    if (rc < 0)
        return error_set(err, why.code, "%s", why.text);
    q->has_alpha = true;
    q->alpha = a.alpha, q->low = a.low, q->high = a.high;
    q->n_units = a.n_units;
    rc = add_pairs(s, names, &r, &a, err);
    agreement_free(&a);
    ratings_free(&r);
    return rc;
}

static int summarise_raters(crowd *c, crowd_summary *s, name_index *names, error *err)
{
    TRY(crowd_raters(c, &s->qualities, &s->n_raters, err));
    s->raters = array_new(s->n_raters, sizeof *s->raters);
    if (!s->raters)
        return error_memory(err, s->n_raters * sizeof *s->raters);
    for (size_t i = 0; i < s->n_raters; i++) {
        char label[RATER_LABEL];
        size_t number;
        const rater_quality *q = &s->qualities[i];
        s->raters[i] = (rater_summary){*q, rater_weight(q), 0, NAN};
        rater_label(label, q->source, q->name);
        TRY(name_index_add(names, label, &number, err));
    }
    return 0;
}

static int summarise(crowd *c, size_t n_resamples, crowd_summary *s, error *err)
{
    walk w = {c, s};
    name_index names = {0};
    TRY(crowd_count(c, &s->counts, err));
    TRY(crowd_rules(c, &s->rules, err));
    TRY(crowd_each_task(c, 0, add_task, &w, err));
    TRY(crowd_each_rating(c, 0, add_rating, &w, err));
    int rc = summarise_raters(c, s, &names, err);
    for (size_t i = 0; rc == 0 && i < s->n_questions; i++)
        rc = measure(c, s, &s->questions[i], &names, n_resamples, err);
    name_index_free(&names);
    return rc;
}

int crowd_summarise(crowd *c, size_t n_resamples, crowd_summary *out, error *err)
{
    crowd_summary s = {0};
    error own = {0}; /* callbacks read its code */
    int rc = summarise(c, n_resamples, &s, err ? err : &own);
    if (rc < 0)
        crowd_summary_free(&s);
    else
        *out = s;
    return rc;
}

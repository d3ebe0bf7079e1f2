/* From a crowd's answers to comparisons, values and votes. */
#include "crowd_ratings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a walk over the ratings fills. */
typedef struct gathering {
    const crowd_choice *which;
    comparisons *comparisons;
    ratings *values, *votes;
} gathering;

void rater_label(char out[RATER_LABEL], rater_source source, const char *name)
{
    bool known = (unsigned)source < N_RATER_SOURCES;
    snprintf(out, RATER_LABEL, "%s:%s", known ? rater_source_names[source] : "?", name);
}

static bool is_wanted(const crowd_choice *which, const crowd_rating *r)
{
    if (which->question && strcmp(which->question, r->question) != 0)
        return false;
    return r->counts || (which->uncounted && !r->withdrawn && !r->repeat);
}

static int add_comparisons(comparisons *out, const crowd_rating *r, const char *rater,
                           error *err)
{
    bool tie = r->answer == ANSWER_TIE;
    size_t n = r->n_outputs;
    if (n < 2 || r->answer >= (int)n)
        return 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = tie ? i + 1 : 0; j < n; j++)
            if (tie || ((int)i == r->answer && i != j))
                TRY(comparisons_add(out, r->outputs[i], r->outputs[j], rater, tie, err));
    return 0;
}

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    const gathering *g = context;
    char rater[RATER_LABEL], answer[20];
    if (!is_wanted(g->which, r))
        return 0;
    rater_label(rater, r->rater_source, r->rater_name);
    snprintf(answer, sizeof answer, "%d", r->answer);
    if (g->comparisons)
        return add_comparisons(g->comparisons, r, rater, err);
    if (g->votes)
        return ratings_add(g->votes, r->task, rater,
                           r->answer == ANSWER_TIE ? "tie" : answer, (size_t)r->id, err);
    return r->n_outputs == 1
               ? ratings_add(g->values, r->outputs[0], rater, answer, (size_t)r->id, err)
               : 0;
}

static int gather(crowd *c, gathering *g, error *err)
{
    return crowd_each_rating(c, g->which->after, add_rating, g, err);
}

int crowd_comparisons(crowd *c, const crowd_choice *which, comparisons *out, error *err)
{
    int rc = gather(c, &(gathering){.which = which, .comparisons = out}, err);
    if (rc < 0)
        comparisons_free(out);
    return rc;
}

int crowd_values(crowd *c, const crowd_choice *which, ratings *out, error *err)
{
    int rc = gather(c, &(gathering){.which = which, .values = out}, err);
    if (rc < 0)
        ratings_free(out);
    return rc;
}

int crowd_votes(crowd *c, const crowd_choice *which, ratings *out, error *err)
{
    int rc = gather(c, &(gathering){.which = which, .votes = out}, err);
    if (rc < 0)
        ratings_free(out);
    return rc;
}

/* ---- Raters ---- */

double rater_weight(const rater_quality *q)
{
    double right = (double)(q->gold_right + q->repeats_agree);
    double checks = (double)(q->gold + q->repeats);
    double p = (right + 4) / (checks + 5);
    return fmax(0, log(p / (1 - p)) / log(4));
}

int crowd_weights(crowd *c, const name_index *raters, double **out, error *err)
{
    rater_quality *all = NULL;
    size_t n;
    name_index names = {0};
    double *weights = array_new(raters->n, sizeof *weights);
    if (!weights)
        return error_memory(err, raters->n * sizeof *weights);
    for (size_t i = 0; i < raters->n; i++)
        weights[i] = 1;
    int rc = crowd_raters(c, &all, &n, err);
    size_t number;
    for (size_t i = 0; rc == 0 && i < raters->n; i++)
        rc = name_index_add(&names, raters->names[i], &number, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char label[RATER_LABEL];
        rater_label(label, all[i].source, all[i].name);
        rc = name_index_add(&names, label, &number, err);
        if (rc == 0 && number < raters->n)
            weights[number] = rater_weight(&all[i]);
    }
    if (all)
        rater_quality_free(all, n);
    name_index_free(&names);
    if (rc < 0) {
        free(weights);
        return rc;
    }
    *out = weights;
    return 0;
}

int crowd_agreement(crowd *c, const char *question_id, size_t n_resamples, uint64_t seed,
                    ratings *r, agreement *out, error *err)
{
    question q;
    size_t dropped;
    int rc = crowd_question(c, question_id, &q, err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_ARGUMENT, "the crowd has no question \"%.64s\"",
                                  question_id);
    const agreement_options o = {q.kind == QUESTION_SCALE ? LEVEL_ORDINAL : LEVEL_NOMINAL,
                                 n_resamples, seed};
    question_free(&q);
    TRY(crowd_votes(c, &(crowd_choice){.question = question_id}, r, err));
    rc = ratings_finish(r, REPEAT_LAST, &dropped, err);
    if (rc == 0)
        rc = agreement_measure(out, r, &o, err);
    if (rc < 0)
        ratings_free(r);
    return rc;
}

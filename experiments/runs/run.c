/* A search as a kind of run, and foretelling one: what joins an experiment, a model and a
 * store to the loop of run_loop.c. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "../fitness/fitness_human.h"
#include "../fitness/fitness_lm.h"
#include "../fitness/rating_account.h"
#include "run_frame.h"
#include "run_loop.h"

/* ---- The probe ---- */

/* The first few rows warm the machine up and say how many more take two seconds. */
enum { PROBE_FIRST = 4, PROBE_LEAST = 8 };
static const double probe_seconds = 2.0;

/* Tokens per second of the seed on n examples. */
static int probe_slice(const experiment *e, objective *o, const size_t *examples,
                       size_t n, double *pace, error *err)
{
    double *scores = array_new(n, sizeof *scores);
    if (!scores)
        return error_memory(err, n * sizeof *scores);
    measurement m = {
        .genome = &e->seeds[0], .examples = examples, .n = n, .scores = scores};
    expense spent = {0};
    double begin = clock_seconds();
    int rc = o->measure(o, &m, 1, &spent, err);
    double took = clock_seconds() - begin;
    if (rc == 0 && took > 0)
        *pace = (double)spent.tokens / took;
    free(scores);
    return rc;
}

/* The pace on examples of the search split; *pace stays 0 when there are none. */
static int probe_examples(const experiment *e, objective *o, double *pace, error *err)
{
    const split *s = &e->splits[SPLIT_SEARCH];
    size_t first = s->n < PROBE_FIRST ? s->n : PROBE_FIRST, rest = s->n - first;
    measurement m = {.genome = &e->seeds[0], .examples = s->index, .n = first};
    expense price = {0};
    if (first == 0)
        return 0;
    TRY(o->cost(o, &m, 1, &price, err));
    TRY(probe_slice(e, o, s->index, first, pace, err));
    double wanted = price.tokens > 0
                        ? *pace * probe_seconds * (double)first / (double)price.tokens
                        : 0;
    size_t n = wanted < PROBE_LEAST    ? PROBE_LEAST
               : wanted < (double)rest ? (size_t)wanted
                                       : rest;
    n = n < rest ? n : rest;
    return n ? probe_slice(e, o, s->index + first, n, pace, err) : 0;
}

/* Row tokens per second on the experiment's own rows, from about two seconds of them.
 * Without a store: nothing is written, nothing remembered. */
static int probe_pace(const experiment *e, const judge *j, double *pace, error *err)
{
    scorer *forgetful;
    objective *o;
    experiment same = *e;
    *pace = 0;
    if (experiment_is_open(e))
        same.fitness.kind = FITNESS_EXACT; /* the same texts, and nobody is asked */
    TRY(scorer_open(&forgetful, j->model, j->session,
                    &(scorer_options){.overflow = e->overflow}, err));
    int rc = fitness_lm_new(&o, &same, forgetful, err);
    if (rc == 0) {
        rc = probe_examples(&same, o, pace, err);
        o->free(o);
    }
    scorer_close(forgetful);
    return rc;
}

/* ---- Running ---- */

typedef struct search_work {
    run_work base; /* first, so that one pointer is both */
    const run_options *options;
    judge judge;
} search_work;

static double poll_seconds(const search_work *w)
{
    return w->options ? w->options->poll_seconds : 0;
}

/* Nobody answers where the model judges. */
static int check_poll(const search_work *w, error *err)
{
    const experiment *e = w->base.experiment;
    if (poll_seconds(w) <= 0 || experiment_asks_people(e))
        return 0;
    return error_set(err, E_ARGUMENT,
                     "there is nothing to wait for: %s is judged by the model", e->path);
}

static int search_open(run_work *base, const judge_options *options, error *err)
{
    search_work *w = (search_work *)base;
    judge_options how = *options;
    how.people = true;
    base->judge = &w->judge;
    TRY(check_poll(w, err));
    return judge_open(&w->judge, base->experiment, &how, err);
}

/* Everything that can be known to be wrong is, before the run exists and costs. */
static int search_check(run_work *w, error *err)
{
    const experiment *e = w->experiment;
    double pace = 0;
    expense first = {0}, finish_most = {0};
    TRY(fitness_lm_check_seeds(e, w->judge->model, err));
    if (e->budget.seconds > 0)
        TRY(probe_pace(e, w->judge, &pace, err));
    return run_check_budget(e, w->judge->objective, pace, &first, &finish_most, err);
}

/* Where people judge, the objective is to know the run whose crowd it asks. */
static int search_do(run_work *base, const run_place *place, error *err)
{
    const search_work *w = (search_work *)base;
    objective *o = base->judge->objective;
    if (experiment_asks_people(base->experiment))
        TRY(fitness_human_join(o, place->store, place->dir, place->id, poll_seconds(w),
                               err));
    run_parts parts = {.experiment = base->experiment,
                       .store = place->store,
                       .id = place->id,
                       .objective = o,
                       .proposer = base->judge->proposer,
                       .ticker = place->ticker};
    return run_loop(&parts, w->options, err);
}

static void search_close(run_work *w)
{
    judge_close(w->judge);
}

static const run_kind search_kind = {
    .open = search_open, .check = search_check, .work = search_do, .close = search_close};

static search_work work_of(const run_options *options)
{
    return (search_work){
        .base = {.kind = &search_kind, .interrupt = options ? options->interrupt : NULL},
        .options = options};
}

int run_start(const experiment *e, const char *dir, const run_options *options,
              uint64_t *id, error *err)
{
    search_work w = work_of(options);
    return run_frame_start(&w.base, e, dir, id, err);
}

int run_resume(const char *dir, uint64_t id, const run_options *options,
               uint64_t *done_id, error *err)
{
    search_work w = work_of(options);
    return run_frame_resume(&w.base, dir, id, done_id, err);
}

/* ---- Foretelling ---- */

/* The least of the limits that are set, in tokens; 0 when none is. */
static double token_limit(const budget *b, double per_evaluation, double per_rating,
                          double pace)
{
    double least = 0;
    double limits[] = {(double)b->tokens, (double)b->evaluations * per_evaluation,
                       (double)b->ratings * per_rating, b->seconds * pace};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i] > 0 && (least == 0 || limits[i] < least))
            least = limits[i];
    return least;
}

static void foretell(const experiment *e, double pace, const expense *first,
                     const expense *last, run_estimate *out)
{
    double both = (double)(first->tokens + last->tokens);
    uint64_t evaluations = first->evaluations + last->evaluations;
    double per_evaluation = evaluations ? both / (double)evaluations : 0;
    uint64_t n_ratings = first->ratings + last->ratings;
    double tokens = token_limit(&e->budget, per_evaluation,
                                n_ratings ? both / (double)n_ratings : 0, pace);
    *out = (run_estimate){
        .tokens = (uint64_t)tokens,
        .evaluations = per_evaluation > 0 ? (uint64_t)(tokens / per_evaluation) : 0,
        .first_generation_tokens = first->tokens,
        .finish_tokens = last->tokens,
        .first_generation_ratings = first->ratings,
        .finish_ratings = last->ratings,
        .tokens_per_second = pace,
        .seconds = pace > 0 ? tokens / pace : 0};
    if (e->budget.evaluations && out->evaluations > e->budget.evaluations)
        out->evaluations = e->budget.evaluations;
}

/* Where only tokens are limited, evaluations follow from what the first ones take. */
static void foretell_people(const experiment *e, run_estimate *out)
{
    out->ratings = fitness_human_ratings(e, out->evaluations);
    if (e->budget.ratings)
        out->ratings = e->budget.ratings;
    out->cents = (double)out->ratings * e->people.cents;
    out->people_seconds = (double)out->ratings * e->people.rating_seconds;
}

int run_dry(const experiment *e, run_estimate *out, error *err)
{
    judge j;
    double pace = 0;
    expense first = {0}, last = {0};
    TRY(judge_open(&j, e, &(judge_options){.people = true}, err));
    int rc = fitness_lm_check_seeds(e, j.model, err);
    if (rc == 0)
        rc = probe_pace(e, &j, &pace, err);
    if (rc == 0)
        rc = run_check_budget(e, j.objective, pace, &first, &last, err);
    judge_close(&j);
    if (rc == 0)
        foretell(e, pace, &first, &last, out);
    if (rc == 0 && experiment_asks_people(e))
        foretell_people(e, out);
    return rc;
}

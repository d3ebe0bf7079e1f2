/* Starting a run, going on with one, and foretelling one: what joins an experiment, a
 * model and a store to the loop of run_loop.c. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "../fitness/fitness_human.h"
#include "../fitness/fitness_lm.h"
#include "../fitness/surrogate.h"
#include "run_loop.h"

static const volatile int *interrupt_of(const run_options *options)
{
    return options ? options->interrupt : NULL;
}

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

/* Nobody answers where the model judges. */
static int check_poll(const experiment *e, const run_options *options, error *err)
{
    if (!options || options->poll_seconds <= 0 || experiment_asks_people(e))
        return 0;
    return error_set(err, E_ARGUMENT,
                     "there is nothing to wait for: %s is judged by the model", e->path);
}

/* Where people judge, the objective is to know the run whose crowd it asks. */
static int join(const experiment *e, judge *j, store *s, const char *dir, uint64_t id,
                const run_options *options, error *err)
{
    if (!experiment_asks_people(e))
        return 0;
    return fitness_human_join(j->objective, s, dir, id,
                              options ? options->poll_seconds : 0, err);
}

static int loop(const experiment *e, judge *j, store *s, uint64_t id, ticker *t,
                const run_options *options, error *err)
{
    run_parts parts = {.experiment = e,
                       .store = s,
                       .id = id,
                       .objective = j->objective,
                       .proposer = j->proposer,
                       .ticker = t};
    return run_loop(&parts, options, err);
}

/* Everything that can be known to be wrong is, before the run exists and costs. */
static int check_before(const experiment *e, judge *j, error *err)
{
    double pace = 0;
    expense first = {0}, finish_most = {0};
    TRY(fitness_lm_check_seeds(e, j->model, err));
    if (e->budget.seconds > 0)
        TRY(probe_pace(e, j, &pace, err));
    return run_check_budget(e, j->objective, pace, &first, &finish_most, err);
}

static int begin(const experiment *e, judge *j, store *s, uint64_t *id, error *err)
{
    const char *hash;
    char *json = NULL;
    TRY(model_hash(j->model, &hash, err));
    TRY(experiment_dump(e, &json, err));
    int rc = store_run_begin(s, e->name, e->seed, json, hash,
                             session_describe(j->session), id, err);
    free(json);
    return rc;
}

static int start(const experiment *e, judge *j, const char *dir, ticker *t,
                 const run_options *options, uint64_t *id, error *err)
{
    store *s = NULL;
    TRY(check_before(e, j, err));
    TRY(store_open(&s, dir, true, err));
    scorer_use_store(j->scorer, s);
    int rc = begin(e, j, s, id, err);
    if (rc == 0)
        rc = join(e, j, s, dir, *id, options, err);
    if (rc == 0)
        rc = loop(e, j, s, *id, t, options, err);
    scorer_use_store(j->scorer, NULL);
    store_close(s);
    return rc;
}

int run_start(const experiment *e, const char *dir, const run_options *options,
              uint64_t *id, error *err)
{
    judge j;
    ticker t = {0};
    judge_options how = {
        .interrupt = interrupt_of(options), .ticker = &t, .people = true};
    TRY(check_poll(e, options, err));
    TRY(judge_open(&j, e, &how, err));
    int rc = start(e, &j, dir, &t, options, id, err);
    judge_close(&j);
    return rc;
}

/* The numbers are remembered under the backend that the run began with, so that what was
 * measured then is found again even if this machine would round otherwise. */
static int go_on(store *s, const char *dir, const run_record *r,
                 const run_options *options, error *err)
{
    experiment *e = NULL;
    judge j;
    ticker t = {0};
    TRY(experiment_restore(&e, r->experiment, err));
    judge_options how = {.store = s,
                         .model_hash = r->model_hash,
                         .backend = r->backend,
                         .interrupt = interrupt_of(options),
                         .ticker = &t,
                         .people = true};
    int rc = check_poll(e, options, err);
    if (rc == 0)
        rc = judge_open(&j, e, &how, err);
    if (rc == 0) {
        rc = join(e, &j, s, dir, r->id, options, err);
        if (rc == 0)
            rc = loop(e, &j, s, r->id, &t, options, err);
        judge_close(&j);
    }
    experiment_free(e);
    return rc;
}

static int resume(store *s, const char *dir, uint64_t id, const run_options *options,
                  uint64_t *done_id, error *err)
{
    run_record *r = NULL;
    if (id == 0) {
        TRY(store_run_latest(s, true, &id, err));
        if (id == 0)
            return error_set(err, E_ARGUMENT, "%s holds no run that is not finished",
                             dir);
    }
    TRY(store_run_lock(s, id, err));
    TRY(store_run_read(s, id, &r, err));
    int rc = 0;
    if (r->training)
        rc = error_set(err, E_ARGUMENT,
                       "run %llu of %s is the training of a prefix: go on with 'lamarck "
                       "prefix --resume %s'",
                       (unsigned long long)id, dir, dir);
    else if (r->status != RUN_FINISHED)
        rc = go_on(s, dir, r, options, err);
    run_record_free(r);
    *done_id = id;
    return rc;
}

int run_resume(const char *dir, uint64_t id, const run_options *options,
               uint64_t *done_id, error *err)
{
    store *s = NULL;
    TRY(store_open(&s, dir, false, err));
    int rc = resume(s, dir, id, options, done_id, err);
    store_close(s);
    return rc;
}

/* ---- Foretelling ---- */

/* The least of the limits that are set, in tokens; 0 when none is. */
static double token_limit(const budget *b, double per_evaluation, double pace)
{
    double least = 0;
    double limits[] = {(double)b->tokens, (double)b->evaluations * per_evaluation,
                       b->seconds * pace};
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
    double tokens = token_limit(&e->budget, per_evaluation, pace);
    *out = (run_estimate){
        .tokens = (uint64_t)tokens,
        .evaluations = per_evaluation > 0 ? (uint64_t)(tokens / per_evaluation) : 0,
        .first_generation_tokens = first->tokens,
        .finish_tokens = last->tokens,
        .tokens_per_second = pace,
        .seconds = pace > 0 ? tokens / pace : 0};
    if (e->budget.evaluations && out->evaluations > e->budget.evaluations)
        out->evaluations = e->budget.evaluations;
}

/* Where only tokens are limited, evaluations follow from what the first ones take. */
static void foretell_people(const experiment *e, const expense *last, run_estimate *out)
{
    uint64_t finish = fitness_human_ratings(e, last->evaluations);
    out->ratings = fitness_human_ratings(e, out->evaluations);
    if (e->people.surrogate.on && out->ratings > finish)
        out->ratings_trusted = finish + surrogate_ratings(e, out->ratings - finish);
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
        foretell_people(e, &last, out);
    return rc;
}

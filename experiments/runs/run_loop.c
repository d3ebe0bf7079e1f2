#include "run_loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "finish.h"
#include "run_frame.h"
#include "run_record.h"

/* ---- State ---- */

typedef struct runner {
    const run_parts *parts;
    const run_options *options;
    search *search;
    ledger ledger;
    finish finish;
    expense reserve; /* as of the last batch */
    recorder recorder;
    history_point point;
    bool has_point;
    bool told; /* the search knows a part of this step already */
    const char *stage;
    deadline deadline;
    search_cut cut; /* as a former process recorded it */
    bool has_cut;
    bool asking; /* the search is at work, which cannot be stopped halfway */
    bool up;     /* the time was up while it was */
} runner;

static const volatile int *interrupt_of(const runner *r)
{
    return r->options ? r->options->interrupt : NULL;
}

static bool in_finish(const runner *r)
{
    return strcmp(r->stage, purpose_name(FOR_SELECTION)) == 0 ||
           strcmp(r->stage, purpose_name(FOR_FINAL)) == 0;
}

static void show(void *context)
{
    runner *r = context;
    if (!r->options || !r->options->watch)
        return;
    run_progress p = {.experiment = r->parts->experiment,
                      .search = r->search,
                      .stage = r->stage,
                      .point = r->has_point ? &r->point : NULL,
                      .best_prompt =
                          r->has_point ? text_string(&r->recorder.prompt) : NULL,
                      .seconds = deadline_elapsed(&r->deadline),
                      .tokens_per_second = ledger_pace(&r->ledger),
                      .people = r->parts->objective->people};
    if (in_finish(r))
        p.search = NULL;
    r->options->watch(r->options->context, &p);
}

static void begin_stage(void *context, const char *name)
{
    runner *r = context;
    r->stage = name;
    deadline_begin(&r->deadline, true);
    show(r);
}

/* ---- The budget in seconds ---- */

/* A slice gets a quarter of what is left: should it take four times as long, the time is
 * not up yet. In the first generation nothing is held back for the finish: without it
 * there would be nothing to finish. */
static double tick(void *context, uint64_t tokens)
{
    runner *r = context;
    const expense nothing = {0};
    bool hold_back = r->has_point && !in_finish(r);
    double left = deadline_tick(&r->deadline, tokens, hold_back ? &r->reserve : &nothing);
    if (tokens)
        show(r);
    if (!r->asking)
        return left / 4;
    if (left <= 0) { /* no more words from the model */
        r->up = true;
        r->parts->proposer->allowance = 0;
    }
    return INFINITY;
}

/* Was it the clock that stopped the work, not the user? */
static bool time_is_up(const runner *r, int rc)
{
    return rc == E_INTERRUPTED && r->deadline.held &&
           run_check_interrupt(interrupt_of(r), NULL) == 0;
}

/* The search ends here, as it stands after the last complete step. */
static void take_cut(runner *r, const search_cut *c)
{
    memcpy(r->ledger.spent, c->spent, sizeof c->spent);
    ledger_advance(&r->ledger, c->seconds);
    r->ledger.late = (speed){c->pace, 1};
    deadline_mark(&r->deadline);
}

/* What was computed in vain is charged, and all put on record: whoever goes on with this
 * run ends its search here too, however fast he is. */
static int cut_search(runner *r, error *err)
{
    expense vain = {.tokens = r->deadline.fresh};
    if (!r->has_point)
        return error_set(err, E_LIMIT,
                         "the %.3g seconds of the budget were over before the first "
                         "generation was measured: this machine is slower than it was "
                         "when the run began; what was measured is kept, and a new run "
                         "in this folder with more seconds will not measure it again",
                         r->ledger.budget.seconds);
    ledger_charge(&r->ledger, FOR_SEARCH, &vain);
    search_cut c = {.step = r->point.step + 1,
                    .seconds = deadline_elapsed(&r->deadline),
                    .pace = speed_rate(&r->deadline.late)};
    memcpy(c.spent, r->ledger.spent, sizeof c.spent);
    TRY(store_put_cut(r->parts->store, r->parts->id, &c, err));
    take_cut(r, &c);
    return 0;
}

/* Before each step: has it been recorded, or cut off, by a former process? What has been
 * is only repeated. 1: go on; 0: the search ends here. */
static int look_back(runner *r, error *err)
{
    history_point was;
    size_t step = r->has_point ? r->point.step + 1 : 0;
    if (r->has_cut && r->cut.step == step) {
        take_cut(r, &r->cut);
        return 0;
    }
    int recorded = store_get_history(r->parts->store, r->parts->id, step, &was, err);
    TRY(recorded);
    deadline_begin(&r->deadline, !recorded && !r->told);
    return 1;
}

/* ---- One batch ---- */

typedef struct batch {
    measurement *of; /* n; scores point into `scores`, examples into `examples` */
    search_answer *answers;
    double *scores;
    size_t *examples;
    size_t n;
} batch;

static void batch_free(batch *b)
{
    free(b->of);
    free(b->answers);
    free(b->scores);
    free(b->examples);
}

/* The search speaks of examples of its split, objectives of rows of the data. */
static int batch_new(batch *b, const experiment *e, const search_query *queries, size_t n,
                     error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += queries[i].n_examples;
    *b = (batch){.of = array_new(n, sizeof *b->of),
                 .answers = array_new(n, sizeof *b->answers),
                 .scores = array_new(total, sizeof *b->scores),
                 .examples = array_new(total, sizeof *b->examples),
                 .n = n};
    if (!b->of || !b->answers || !b->scores || !b->examples) {
        batch_free(b);
        return error_memory(err, total * sizeof(double));
    }
    const split *from = &e->splits[SPLIT_SEARCH];
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        b->of[i] = (measurement){.genome = queries[i].genome,
                                 .examples = b->examples + at,
                                 .n = queries[i].n_examples,
                                 .scores = b->scores + at};
        for (size_t j = 0; j < queries[i].n_examples; j++)
            b->examples[at++] = from->index[queries[i].examples[j]];
    }
    return 0;
}

/* A score that is no number would poison every mean it enters. */
static void fail_on_nonsense(measurement *m)
{
    for (size_t i = 0; m->status == FITNESS_DONE && i < m->n; i++)
        if (!isfinite(m->scores[i]) || !isfinite(m->penalty)) {
            m->status = FITNESS_FAILED;
            snprintf(m->reason, sizeof m->reason,
                     "the score on data row %zu is not finite", m->examples[i]);
        }
}

/* Turn results into answers; returns how many of them are final. */
static size_t batch_answers(batch *b, const search_query *queries)
{
    size_t n_final = 0;
    for (size_t i = 0; i < b->n; i++) {
        measurement *m = &b->of[i];
        fail_on_nonsense(m);
        b->answers[i] = (search_answer){.id = queries[i].id,
                                        .status = m->status,
                                        .scores = m->scores,
                                        .n_scores = m->status == FITNESS_DONE ? m->n : 0,
                                        .penalty = m->penalty};
        n_final += m->status != FITNESS_PENDING;
    }
    return n_final;
}

/* The user's own prompt must be measurable: everything is compared with it. */
static int check_seed(const batch *b, const search_query *queries, error *err)
{
    for (size_t i = 0; i < b->n; i++)
        if (queries[i].id == 1 && b->of[i].status == FITNESS_FAILED)
            return error_set(err, E_LIMIT, "the seed prompt cannot be measured: %s",
                             b->of[i].reason);
    return 0;
}

/* ---- Steps ---- */

/* Ask, charging what the proposer spends on the way. */
static int ask(runner *r, const search_query **queries, size_t *n, error *err)
{
    paid_proposer *p = r->parts->proposer;
    if (p) {
        p->spent = (expense){0};
        p->allowance = ledger_allowance(&r->ledger, &r->reserve);
    }
    r->asking = true;
    int rc = search_ask(r->search, queries, n, err);
    r->asking = false;
    if (p)
        ledger_charge(&r->ledger, FOR_PROPOSALS, &p->spent);
    r->deadline.fresh = 0; /* charged */
    return rc;
}

static int refuse_first(const runner *r, const expense *next, error *err)
{
    const budget *b = &r->ledger.budget;
    return error_set(err, E_LIMIT,
                     "the budget (%llu tokens, %llu evaluations, %llu ratings) is "
                     "smaller than the first generation and the finish: %llu tokens, "
                     "%llu evaluations, %llu ratings",
                     (unsigned long long)b->tokens, (unsigned long long)b->evaluations,
                     (unsigned long long)b->ratings,
                     (unsigned long long)(ledger_total(&r->ledger).tokens + next->tokens +
                                          r->reserve.tokens),
                     (unsigned long long)(next->evaluations + r->reserve.evaluations),
                     (unsigned long long)(next->ratings + r->reserve.ratings));
}

/* All queries of the step are answered: put it on record, or compare it with the record
 * of the process that was here before. */
static int complete_step(runner *r, error *err)
{
    history_point *h = &r->point;
    size_t step = r->has_point ? h->step + 1 : 0;
    *h = (history_point){.step = step, .seconds = deadline_elapsed(&r->deadline)};
    memcpy(h->spent, r->ledger.spent, sizeof h->spent);
    int known = recorder_step(&r->recorder, r->search, h, err);
    TRY(known);
    r->has_point = true;
    memcpy(r->ledger.spent, h->spent, sizeof h->spent);
    ledger_advance(&r->ledger, h->seconds);
    deadline_mark(&r->deadline);
    r->stage = known ? "replaying" : "search";
    show(r);
    return 0;
}

/* Measure the batch and tell. 1 go on, 0 everything that is open is pending. */
static int measure(runner *r, batch *b, const search_query *queries, error *err)
{
    expense spent = {0};
    objective *o = r->parts->objective;
    o->ratings_left = ledger_ratings_left(&r->ledger, &r->reserve);
    TRY(o->measure(o, b->of, b->n, &spent, err));
    ledger_charge(&r->ledger, FOR_SEARCH, &spent);
    size_t n_final = batch_answers(b, queries);
    TRY(check_seed(b, queries, err));
    if (n_final == 0)
        return 0;
    bool complete = n_final == b->n;
    TRY(search_tell(r->search, b->answers, b->n, err));
    if (complete)
        TRY(complete_step(r, err));
    r->told = !complete;
    return 1;
}

/* Price, weigh, measure. 1 go on; 0 the search ends here: because of *stop, or, NULL,
 * because answers are pending. */
static int try_batch(runner *r, batch *b, const search_query *queries, const char **stop,
                     error *err)
{
    expense next = {0};
    objective *o = r->parts->objective;
    TRY(o->cost(o, b->of, b->n, &next, err));
    TRY(finish_reserve(&r->finish, r->search, queries, b->n, &r->reserve, err));
    *stop = ledger_refuses(&r->ledger, &next, &r->reserve);
    if (*stop && !r->has_point)
        return refuse_first(r, &next, err);
    return *stop ? 0 : measure(r, b, queries, err);
}

/* Until something ends the search; *stop says what, NULL: pending answers. */
static int search_loop(runner *r, const char **stop, error *err)
{
    for (int rc = 1; rc == 1;) {
        const search_query *queries;
        size_t n = 0;
        batch b;
        TRY(run_check_interrupt(interrupt_of(r), err));
        *stop = "budget: seconds";
        rc = look_back(r, err);
        if (rc <= 0)
            return rc;
        TRY(ask(r, &queries, &n, err));
        if (r->up)
            return cut_search(r, err);
        *stop = "search exhausted";
        if (n == 0)
            return 0;
        TRY(batch_new(&b, r->parts->experiment, queries, n, err));
        *stop = NULL;
        rc = try_batch(r, &b, queries, stop, err);
        batch_free(&b);
        if (time_is_up(r, rc)) {
            *stop = "budget: seconds";
            return cut_search(r, err);
        }
        TRY(rc);
    }
    return 0;
}

/* ---- The end ---- */

static int put_end(runner *r, const char *reason, run_status status, const verdict *v,
                   error *err)
{
    store *s = r->parts->store;
    run_ending ending = {reason, status, v};
    TRY(store_begin(s, err));
    return store_end(s, run_put_ending(s, r->parts->id, &r->ledger, &ending, err), err);
}

/* The finish did not fit into the time after all. What it computed is charged. */
static int end_without_verdict(runner *r, error *err)
{
    spend *s =
        &r->ledger.spent[strcmp(r->stage, purpose_name(FOR_FINAL)) == 0 ? FOR_FINAL
                                                                        : FOR_SELECTION];
    if (r->deadline.fresh > s->tokens)
        s->tokens = r->deadline.fresh;
    return put_end(r, "budget: seconds, before the verdict", RUN_FINISHED, NULL, err);
}

static int search_and_finish(runner *r, error *err)
{
    const char *stop = NULL;
    verdict v = {0};
    TRY(search_loop(r, &stop, err));
    int done = 0;
    if (stop)
        done = finish_run(&r->finish, r->search, &r->ledger, begin_stage, r, &v, err);
    r->ledger.seconds = deadline_take(&r->deadline);
    if (time_is_up(r, done))
        return end_without_verdict(r, err);
    TRY(done);
    int rc = done ? put_end(r, stop, RUN_FINISHED, &v, err)
                  : put_end(r, "answers are pending", RUN_WAITING, NULL, err);
    verdict_free(&v);
    return rc;
}

static int open_search(runner *r, error *err)
{
    const experiment *e = r->parts->experiment;
    paid_proposer *p = r->parts->proposer;
    search_problem problem = {.spec = &e->spec,
                              .seeds = e->seeds,
                              .n_seeds = e->n_seeds,
                              .n_examples = e->splits[SPLIT_SEARCH].n,
                              .random_seed = e->seed,
                              .proposer = p ? &p->proposer : NULL};
    return search_new(&r->search, e->search, &problem, &e->search_options, err);
}

int run_loop(const run_parts *parts, const run_options *options, error *err)
{
    const experiment *e = parts->experiment;
    runner r = {.parts = parts,
                .options = options,
                .ledger.budget = e->budget,
                .finish = {.experiment = e, .objective = parts->objective},
                .recorder = {.experiment = e, .store = parts->store, .id = parts->id},
                .stage = "search"};
    deadline_open(&r.deadline, &r.ledger, parts->clock);
    if (parts->ticker)
        *parts->ticker = (ticker){tick, &r};
    parts->objective->notice = show;
    parts->objective->notice_context = &r;
    history_point first;
    int rc = store_get_history(parts->store, parts->id, 0, &first, err);
    if (rc == 1)
        r.stage = "replaying";
    if (rc >= 0)
        rc = store_get_cut(parts->store, parts->id, &r.cut, err);
    r.has_cut = rc == 1;
    if (rc >= 0)
        rc = store_run_status(parts->store, parts->id, RUN_RUNNING, err);
    if (rc == 0)
        rc = open_search(&r, err);
    if (rc == 0)
        rc = search_and_finish(&r, err);
    if (rc < 0) /* on a full disk this fails too: then the run reads as killed */
        put_end(&r, rc == E_INTERRUPTED ? "interrupted" : "failed", RUN_STOPPED, NULL,
                NULL);
    if (parts->ticker)
        *parts->ticker = (ticker){0};
    parts->objective->notice = NULL;
    recorder_free(&r.recorder);
    finish_free(&r.finish);
    search_free(r.search);
    return rc;
}

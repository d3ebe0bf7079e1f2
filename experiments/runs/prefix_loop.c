#include "prefix_loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"

/* A checkpoint is written so many seconds after the last one, and not before so many
 * times as long as that one took: what a kill can cost, and what writing may. */
static const double checkpoint_seconds = 3.0, checkpoint_share = 20.0;

typedef struct runner {
    prefix_task *task;
    const run_place *place;
    const prefix_run_options *options;
    ledger ledger;
    training_record so_far;
    size_t steps_capacity, evaluations_capacity;
    const char *stage;
    double rate; /* that a probe tried last */
    deadline deadline;
    double checkpoint_at, checkpoint_took;
} runner;

static void show(void *context)
{
    runner *r = context;
    if (!r->options || !r->options->watch)
        return;
    prefix_progress p = {.experiment = r->task->experiment,
                         .stage = r->stage,
                         .so_far = &r->so_far,
                         .spent = ledger_total(&r->ledger),
                         .rate = r->rate,
                         .seconds = deadline_elapsed(&r->deadline),
                         .tokens_per_second = ledger_pace(&r->ledger)};
    r->options->watch(r->options->context, &p);
}

/* The objectives work for seconds; they may take as many as they need. */
static double tick(void *context, uint64_t tokens)
{
    (void)tokens;
    show(context);
    return INFINITY;
}

/* Time goes on the account up to now. */
static void take_time(runner *r)
{
    ledger_advance(&r->ledger, deadline_take(&r->deadline));
}

/* ---- What is written ---- */

static int keep_step(runner *r, const train_event *e, error *err)
{
    training_record *t = &r->so_far;
    TRY(array_grow(&t->steps, &r->steps_capacity, t->n_steps, sizeof *t->steps, err));
    t->steps[t->n_steps++] = (training_step){.step = e->step,
                                             .loss = e->loss,
                                             .grad_norm = e->gradient_norm,
                                             .rate = e->lr,
                                             .tokens = ledger_total(&r->ledger).tokens,
                                             .seconds = r->ledger.seconds};
    return 0;
}

static int keep_evaluation(runner *r, const train_event *e, error *err)
{
    training_record *t = &r->so_far;
    if (t->n_evaluations && t->evaluations[t->n_evaluations - 1].step == e->step)
        t->n_evaluations--; /* a former process had come this far */
    TRY(array_grow(&t->evaluations, &r->evaluations_capacity, t->n_evaluations,
                   sizeof *t->evaluations, err));
    t->evaluations[t->n_evaluations++] =
        (training_evaluation){.step = e->step,
                              .loss = e->loss,
                              .best = e->best,
                              .tokens = ledger_total(&r->ledger).tokens,
                              .seconds = r->ledger.seconds};
    if (!e->best)
        return 0;
    t->has_prefix = true;
    t->best_step = e->step;
    t->best_loss = e->loss;
    return 0;
}

static int write_best(runner *r, error *err)
{
    prefix best = {0};
    TRY(trainer_best(r->task->trainer, &best, err));
    int rc = store_put_prefix(r->place->store, r->place->id, &best, err);
    prefix_free(&best);
    return rc;
}

static int write_checkpoint(runner *r, error *err)
{
    text state = {0};
    double begin = r->deadline.clock();
    int rc = trainer_save_state(r->task->trainer, &state, err);
    training_checkpoint c = {.step = trainer_steps(r->task->trainer),
                             .seconds = r->ledger.seconds,
                             .state = state.s,
                             .n = state.n};
    memcpy(c.spent, r->ledger.spent, sizeof c.spent);
    if (rc == 0)
        rc = store_put_checkpoint(r->place->store, r->place->id, &c, err);
    text_free(&state);
    r->checkpoint_at = r->deadline.clock();
    r->checkpoint_took = r->checkpoint_at - begin;
    return rc;
}

static bool checkpoint_is_due(const runner *r)
{
    double since = r->deadline.clock() - r->checkpoint_at;
    return since >= checkpoint_seconds && since >= checkpoint_share * r->checkpoint_took;
}

static int write_facts(runner *r, error *err)
{
    double rate = trainer_rate(r->task->trainer);
    if (!(rate > 0) || !isnan(r->so_far.facts.rate))
        return 0;
    r->so_far.facts.rate = rate;
    return store_put_training(r->place->store, r->place->id, &r->so_far.facts, err);
}

static int put_event(runner *r, const train_event *e, error *err)
{
    store *s = r->place->store;
    const training_record *t = &r->so_far;
    if (e->action == TRAIN_STEP)
        TRY(store_put_training_step(s, r->place->id, &t->steps[t->n_steps - 1], err));
    if (e->action == TRAIN_EVALUATE)
        TRY(store_put_evaluation(s, r->place->id, &t->evaluations[t->n_evaluations - 1],
                                 err));
    if (e->action == TRAIN_EVALUATE && e->best)
        TRY(write_best(r, err));
    TRY(write_facts(r, err));
    return checkpoint_is_due(r) ? write_checkpoint(r, err) : 0;
}

static int write_event(runner *r, const train_event *e, error *err)
{
    TRY(store_begin(r->place->store, err));
    return store_end(r->place->store, put_event(r, e, err), err);
}

static int write_trained(runner *r, error *err)
{
    TRY(store_begin(r->place->store, err));
    int rc = write_best(r, err);
    if (rc == 0)
        rc = write_checkpoint(r, err);
    return store_end(r->place->store, rc, err);
}

/* ---- Doing again what is on record ---- */

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* A step that an earlier process had recorded: it must be the same, and the time on
 * record counts. */
static int check_again(runner *r, const train_event *e, bool *known, error *err)
{
    training_step was = {0};
    *known = false;
    if (e->action != TRAIN_STEP)
        return 0;
    int found =
        store_get_training_step(r->place->store, r->place->id, e->step, &was, err);
    TRY(found);
    *known = found;
    if (!found)
        return 0;
    if (!same_bits(was.loss, e->loss) || !same_bits(was.grad_norm, e->gradient_norm) ||
        was.tokens != ledger_total(&r->ledger).tokens)
        return error_set(err, E_FORMAT,
                         "step %zu comes out with a loss of %.17g, but %.17g is on "
                         "record: this is not the program or the machine that began the "
                         "run; begin a new run",
                         e->step, e->loss, was.loss);
    r->ledger.seconds = was.seconds;
    return 0;
}

/* ---- Steps ---- */

static const char *end_words(train_end end)
{
    static const char *const words[] = {
        [TRAIN_GOES_ON] = "",
        [TRAIN_ALL_STEPS] = "all steps done",
        [TRAIN_NO_BETTER] = "no better on the selection split",
        [TRAIN_DIVERGED] = "diverged",
    };
    return words[end];
}

static purpose purpose_of(train_action a)
{
    return a == TRAIN_EVALUATE ? FOR_SELECTION : FOR_TRAINING;
}

/* What was done goes on record. */
static int settle(runner *r, const train_event *e, error *err)
{
    expense x = prefix_task_price(r->task, e->action, e->tokens);
    bool known;
    ledger_charge(&r->ledger, purpose_of(e->action), &x);
    take_time(r);
    TRY(check_again(r, e, &known, err));
    if (e->action == TRAIN_STEP)
        TRY(keep_step(r, e, err));
    if (e->action == TRAIN_EVALUATE)
        TRY(keep_evaluation(r, e, err));
    r->stage = e->action == TRAIN_PROBE ? "rate" : known ? "replaying" : "training";
    if (e->lr > 0) /* evaluations have none */
        r->rate = e->lr;
    TRY(write_event(r, e, err));
    show(r);
    return 0;
}

/* 1 go on, 0 the training ends because of *stop. */
static int advance(runner *r, const char **stop, error *err)
{
    prefix_task *t = r->task;
    uint64_t tokens = 0;
    train_event event = {0};
    TRY(run_check_interrupt(r->options ? r->options->interrupt : NULL, err));
    train_action action = trainer_next(t->trainer, &tokens);
    *stop = end_words(trainer_ended(t->trainer));
    if (action == TRAIN_END)
        return 0;
    expense next = prefix_task_price(t, action, tokens);
    *stop = ledger_refuses(&r->ledger, &next, &t->finish);
    if (*stop)
        return 0;
    int rc = trainer_advance(t->trainer, &event, err);
    if (rc == E_NUMERIC) /* it was computed all the same */
        ledger_charge(&r->ledger, purpose_of(action), &next);
    TRY(rc);
    TRY(settle(r, &event, err));
    return 1;
}

static int train(runner *r, const char **stop, error *err)
{
    int rc;
    while ((rc = advance(r, stop, err)) == 1)
        ;
    return rc;
}

/* ---- The end ---- */

static int write_finish(runner *r, const char *reason, const verdict *v, error *err)
{
    store *s = r->place->store;
    uint64_t id = r->place->id;
    run_ending ending = {reason, RUN_FINISHED, v};
    TRY(store_begin(s, err));
    int rc = run_put_ending(s, id, &r->ledger, &ending, err);
    if (rc == 0)
        rc = store_put_bare(s, id, &r->so_far, err);
    return store_end(s, rc, err);
}

/* The vectors that did best on the selection split meet the final one. */
static int finish(runner *r, const char *stop, error *err)
{
    prefix_task *t = r->task;
    verdict v = {0};
    prefix best = {0};
    expense spent = {0};
    r->stage = "final";
    show(r);
    TRY(trainer_best(t->trainer, &best, err));
    int rc = prefix_task_finish(t, &best, &v, &r->so_far, &spent, err);
    if (rc == 0) {
        ledger_charge(&r->ledger, FOR_FINAL, &spent);
        take_time(r);
        rc = write_finish(r, stop, &v, err);
    }
    verdict_free(&v);
    prefix_free(&best);
    return rc;
}

static int train_and_finish(runner *r, error *err)
{
    const char *stop = NULL;
    TRY(train(r, &stop, err));
    take_time(r);
    TRY(write_trained(r, err));
    return finish(r, stop, err);
}

/* ---- Where it begins ---- */

/* Take steps and evaluations up to the checkpoint over from the record. */
static int take_record(runner *r, size_t step, error *err)
{
    run_record *was = NULL;
    TRY(store_run_read(r->place->store, r->place->id, &was, err));
    training_record *t = was->training;
    if (!t) {
        run_record_free(was);
        return error_set(err, E_FORMAT, "run %llu is not the training of a prefix",
                         (unsigned long long)r->place->id);
    }
    r->so_far = *t;
    r->steps_capacity = t->n_steps;
    r->evaluations_capacity = t->n_evaluations;
    *t = (training_record){0};
    run_record_free(was);
    t = &r->so_far;
    while (t->n_steps > 0 && t->steps[t->n_steps - 1].step > step)
        t->n_steps--;
    while (t->n_evaluations > 0 && t->evaluations[t->n_evaluations - 1].step > step)
        t->n_evaluations--;
    return 0;
}

static int open_runner(runner *r, error *err)
{
    training_checkpoint c = {0};
    int found = store_get_checkpoint(r->place->store, r->place->id, &c, err);
    TRY(found);
    int rc = take_record(r, found ? c.step : 0, err);
    if (rc == 0 && found) {
        memcpy(r->ledger.spent, c.spent, sizeof c.spent);
        r->ledger.seconds = c.seconds;
        rc = trainer_load_state(r->task->trainer, c.state, c.n, err);
    }
    free(c.state);
    TRY(rc);
    r->checkpoint_at = r->deadline.clock();
    return store_run_status(r->place->store, r->place->id, RUN_RUNNING, err);
}

/* Only an interruption is known to leave trainer, account and record in step, to go on
 * from here. On a full disk this fails too: then the run reads as killed. */
static void put_stopped(runner *r, int rc)
{
    store *s = r->place->store;
    bool interrupted = rc == E_INTERRUPTED;
    bool diverged = rc == E_NUMERIC && strcmp(r->stage, "final") != 0;
    run_ending ending = {.reason = interrupted ? "interrupted"
                                   : diverged  ? "diverged"
                                               : "failed",
                         .status = RUN_STOPPED};
    take_time(r);
    if (store_begin(s, NULL) < 0)
        return;
    int written = interrupted ? write_checkpoint(r, NULL) : 0;
    if (written == 0)
        written = run_put_ending(s, r->place->id, &r->ledger, &ending, NULL);
    store_end(s, written, NULL);
}

int prefix_loop(prefix_task *task, const run_place *place,
                const prefix_run_options *options, error *err)
{
    runner r = {.task = task,
                .place = place,
                .options = options,
                .ledger.budget = task->experiment->budget,
                .stage = "training"};
    deadline_open(&r.deadline, &r.ledger, options ? options->clock : NULL);
    *place->ticker = (ticker){tick, &r};
    int rc = open_runner(&r, err);
    if (rc == 0) {
        show(&r);
        rc = train_and_finish(&r, err);
        if (rc < 0)
            put_stopped(&r, rc);
    }
    *place->ticker = (ticker){0};
    training_record_clear(&r.so_far);
    return rc;
}

/* The training of a prefix as a kind of run, and foretelling one. */
#include "prefix_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prefix_loop.h"

/* ---- Looking up a run ---- */

/* The candidate that the run found best, or its error. */
static int find_best(const run_record *r, const char *dir, const candidate_record **out,
                     error *err)
{
    uint64_t id = r->has_verdict ? r->verdict.best.candidate
                  : r->n_history ? r->history[r->n_history - 1].best_id
                                 : 0;
    if (r->training)
        return error_set(err, E_ARGUMENT,
                         "run %llu of %s learned vectors: prefix.run wants a run of "
                         "evolve, whose best prompt is a text",
                         (unsigned long long)r->id, dir);
    for (size_t i = 0; i < r->n_candidates; i++)
        if (r->candidates[i].id == id) {
            *out = &r->candidates[i];
            return 0;
        }
    return error_set(err, E_ARGUMENT, "run %llu of %s has no best prompt yet",
                     (unsigned long long)r->id, dir);
}

/* What the candidate says, and the rows that stand behind it. */
static int take_prompt(experiment *e, const experiment *theirs, const genome *g,
                       error *err)
{
    prefix_plan *p = &e->prefix;
    text head = {0};
    TRY(experiment_head(theirs, g, &head, err));
    if (head.n == 0) {
        text_free(&head);
        return error_set(err, E_ARGUMENT,
                         "the best prompt of %s has no words that vectors could begin as",
                         p->run);
    }
    free(p->text);
    p->text = head.s;
    return p->rows.n_messages || p->rows.body.source
               ? 0
               : experiment_take_rows(e, theirs, g, err);
}

static int take_best(experiment *e, const run_record *r, error *err)
{
    const candidate_record *best = NULL;
    experiment *theirs = NULL;
    genome g = {0};
    TRY(find_best(r, e->prefix.run, &best, err));
    int rc = experiment_restore(&theirs, r->experiment, err);
    if (rc == 0)
        rc = genome_parse(&g, &theirs->spec, best->genome, strlen(best->genome), err);
    if (rc == 0)
        rc = take_prompt(e, theirs, &g, err);
    genome_free(&g);
    experiment_free(theirs);
    return rc;
}

int prefix_run_look_up(experiment *e, error *err)
{
    store *s;
    run_record *r = NULL;
    if (!e->prefix.run)
        return 0;
    TRY(store_open_readonly(&s, e->prefix.run, err));
    int rc = store_run_read(s, 0, &r, err);
    store_close(s);
    TRY(rc);
    rc = take_best(e, r, err);
    run_record_free(r);
    return rc;
}

/* ---- What is recorded of it ---- */

static int put_candidate(store *s, uint64_t run, const prefix_task *t, uint64_t id,
                         error *err)
{
    static char seed[] = "seed", learned[] = "learned", bare[] = "bare",
                alive[] = "alive";
    text prompt = {0}, genes = {0};
    const experiment *e = id == 1 ? t->experiment : t->bare;
    int rc = prefix_task_prompt(t, id, &prompt, err);
    if (rc == 0)
        rc = genome_serialise(&e->spec, &e->seeds[0], &genes, err);
    candidate_record c = {.id = id,
                          .genome = genes.s,
                          .prompt = prompt.s,
                          .operators = id == 1   ? seed
                                       : id == 2 ? learned
                                                 : bare,
                          .state = alive,
                          .value = (double)NAN,
                          .se = 0};
    if (rc == 0)
        rc = store_put_candidate(s, run, &c, err);
    text_free(&prompt);
    text_free(&genes);
    return rc;
}

static int put_facts(store *s, uint64_t run, prefix_task *t, error *err)
{
    const train_options *o = trainer_options(t->trainer);
    gradient_estimate memory = {0};
    TRY(trainer_estimate(t->trainer, &memory, err));
    char method[16];
    snprintf(method, sizeof method, "%s", prefix_kind_name(o->kind));
    size_t width = prefix_width(model_describe(t->judge.model), o->kind);
    double rate = trainer_rate(t->trainer);
    training_facts f = {.method = method,
                        .n_tokens = t->n_tokens,
                        .start = t->start,
                        .planned = o->n_steps,
                        .rate = rate > 0 ? rate : (double)NAN,
                        .peak_bytes = memory.peak_bytes,
                        .parameters = t->n_tokens * width};
    return store_put_training(s, run, &f, err);
}

/* ---- Running ---- */

typedef struct prefix_work {
    run_work base; /* first, so that one pointer is both */
    const prefix_run_options *options;
    prefix_task task;
} prefix_work;

static prefix_task *task_of(run_work *w)
{
    return &((prefix_work *)w)->task;
}

static int prefix_open(run_work *w, const judge_options *options, error *err)
{
    prefix_task *t = task_of(w);
    w->judge = &t->judge;
    return prefix_task_open(t, w->experiment, options, err);
}

static int prefix_check(run_work *w, error *err)
{
    return prefix_task_check_budget(task_of(w), err);
}

/* What the training is, and the three that it compares. */
static int prefix_record(run_work *w, store *s, uint64_t id, error *err)
{
    TRY(put_facts(s, id, task_of(w), err));
    for (uint64_t c = 1; c <= 3; c++)
        TRY(put_candidate(s, id, task_of(w), c, err));
    return 0;
}

static int prefix_do(run_work *w, const run_place *place, error *err)
{
    return prefix_loop(task_of(w), place, ((prefix_work *)w)->options, err);
}

static void prefix_close(run_work *w)
{
    prefix_task_close(task_of(w));
}

static const run_kind prefix_kind_of_run = {.trains = true,
                                            .open = prefix_open,
                                            .check = prefix_check,
                                            .record = prefix_record,
                                            .work = prefix_do,
                                            .close = prefix_close};

static prefix_work work_of(const prefix_run_options *options)
{
    return (prefix_work){.base = {.kind = &prefix_kind_of_run,
                                  .interrupt = options ? options->interrupt : NULL},
                         .options = options};
}

int prefix_run_start(const experiment *e, const char *dir,
                     const prefix_run_options *options, uint64_t *id, error *err)
{
    prefix_work w = work_of(options);
    return run_frame_start(&w.base, e, dir, id, err);
}

int prefix_run_resume(const char *dir, uint64_t id, const prefix_run_options *options,
                      uint64_t *done_id, error *err)
{
    prefix_work w = work_of(options);
    return run_frame_resume(&w.base, dir, id, done_id, err);
}

/* ---- Foretelling ---- */

/* Tokens per second of the first actions, from about two seconds of them, at least two:
 * the first warms the machine up. */
static int probe_pace(prefix_task *t, double *pace, error *err)
{
    static const double probe_seconds = 2.0;
    double begin = clock_seconds(), took = 0;
    for (size_t i = 0; i < 2 || clock_seconds() - begin < probe_seconds; i++) {
        train_event event;
        if (trainer_next(t->trainer, NULL) == TRAIN_END)
            break;
        double from = clock_seconds();
        TRY(trainer_advance(t->trainer, &event, err));
        took = clock_seconds() - from;
        *pace = took > 0 ? (double)event.tokens / took : *pace;
    }
    return 0;
}

static int foretell(prefix_task *t, prefix_estimate *out, error *err)
{
    const budget *b = &t->experiment->budget;
    const train_options *o = trainer_options(t->trainer);
    gradient_estimate memory = {0};
    TRY(prefix_task_check_budget(t, err));
    TRY(trainer_estimate(t->trainer, &memory, err));
    *out = (prefix_estimate){
        .step_tokens = prefix_task_step_tokens(t),
        .finish_tokens = t->finish.tokens,
        .steps = o->n_steps,
        .n_tokens = t->n_tokens,
        .parameters = t->n_tokens * prefix_width(model_describe(t->judge.model), o->kind),
        .peak_bytes = memory.peak_bytes};
    out->tokens = prefix_task_tokens(t);
    if (b->tokens && b->tokens < out->tokens)
        out->tokens = b->tokens;
    TRY(probe_pace(t, &out->tokens_per_second, err));
    out->seconds =
        out->tokens_per_second > 0 ? (double)out->tokens / out->tokens_per_second : 0;
    if (b->seconds > 0 && out->seconds > b->seconds)
        out->seconds = b->seconds;
    return 0;
}

int prefix_run_dry(const experiment *e, prefix_estimate *out, error *err)
{
    prefix_task t;
    TRY(prefix_task_open(&t, e, &(judge_options){0}, err));
    int rc = foretell(&t, out, err);
    prefix_task_close(&t);
    return rc;
}

#include "fitness_human.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crowd_simulated.h"
#include "gold.h"
#include "model_part.h"
#include "outputs.h"
#include "panel.h"
#include "prepare.h"
#include "rating_account.h"
#include "surrogate.h"

typedef struct fitness_human {
    objective base; /* first, so that one pointer is both */
    const experiment *experiment;
    scorer *scorer;
    model_part *model;    /* of a mixed fitness; else NULL */
    surrogate *surrogate; /* chooses what people see; NULL: everything */
    preparer *preparer;   /* once it has joined a run in which it waits; else NULL */
    size_t n_prepared;
    const volatile int *interrupt;
    people_state state;
    store *store; /* NULL before it has joined a run */
    crowd *crowd;
    uint64_t run;
    rating_account account;
    double poll_seconds;
    size_t n_gold;  /* put by this process, */
    bool *has_gold; /* for these data rows */
} fitness_human;

static void human_free(objective *o)
{
    fitness_human *f = (fitness_human *)o;
    crowd_close(f->crowd);
    preparer_close(f->preparer);
    model_part_close(f->model);
    surrogate_close(f->surrogate);
    free(f->has_gold);
    free(f);
}

/* ---- Prices ---- */

static int price(const fitness_human *f, const outputs *o, expense *out, error *err)
{
    bool *charged = array_new(o->sheet.contexts.n, sizeof *charged);
    if (!charged)
        return error_memory(err, o->sheet.contexts.n);
    int rc = outputs_price(f->experiment, f->scorer, o, charged, out, err);
    if (rc == 0 && f->surrogate)
        rc = surrogate_price(f->surrogate, o, charged, &out->tokens, err);
    free(charged);
    return rc;
}

static int price_all(fitness_human *f, const measurement *batch, size_t n, expense *out,
                     error *err)
{
    outputs said;
    expense scored = {0};
    TRY(outputs_new(f->experiment, f->scorer, batch, n, &said, err));
    int rc = price(f, &said, out, err);
    out->ratings = ratings_forecast(f->experiment, &said);
    outputs_free(&said);
    if (rc == 0 && f->model)
        rc = model_part_cost(f->model, batch, n, &scored, err);
    out->tokens += scored.tokens;
    if (scored.evaluations > out->evaluations)
        out->evaluations = scored.evaluations;
    return rc;
}

static int human_cost(objective *o, const measurement *batch, size_t n, expense *out,
                      error *err)
{
    return price_all((fitness_human *)o, batch, n, out, err);
}

/* ---- What people are asked ---- */

static int fill_panel(fitness_human *f, const outputs *o, const bool *shown, panel *p,
                      error *err)
{
    TRY(crowd_begin(f->crowd, err));
    int rc = panel_new(p, f->experiment, f->crowd, err);
    if (rc == 0)
        rc = outputs_show(o, shown, p, err);
    if (rc == 0)
        rc = gold_from_seed(p, o, f->has_gold, &f->n_gold, err);
    if (rc == 0)
        return crowd_commit(f->crowd, err);
    crowd_rollback(f->crowd);
    return rc;
}

/* Names a decision by all that it is about: which run asked what about which outputs. */
static int decision_key(const fitness_human *f, const panel *p, char key[SHA256_HEX],
                        error *err)
{
    text t = {0};
    int rc = text_add_format(&t, err, "people 1\nrun %llu\n%s %zu\n",
                             (unsigned long long)f->run, p->question,
                             f->experiment->people.ratings);
    for (size_t k = 0; rc == 0 && k < p->n_cells; k++) {
        const panel_cell *c = &p->cells[k];
        rc = text_add_format(&t, err, "%zu %s %s\n", c->candidate,
                             panel_item_at(p, c->group, c->item)->id,
                             panel_item_at(p, c->group, c->anchor)->id);
    }
    if (rc == 0)
        rc = sha256_hex(text_string(&t), t.n, key, err);
    text_free(&t);
    return rc;
}

/* ---- Asking ---- */

static void notify(const fitness_human *f)
{
    if (f->base.notice)
        f->base.notice(f->base.notice_context);
}

/* Let all know how it stands. */
static int update_state(fitness_human *f, size_t missing, bool waiting, error *err)
{
    crowd_counts c;
    TRY(crowd_count(f->crowd, &c, err));
    people_state *s = &f->state;
    bool fresh = waiting && !s->waiting;
    if (fresh || s->asked < missing)
        s->asked = missing;
    *s = (people_state){.waiting = waiting,
                        .fresh = fresh,
                        .simulated = c.simulated > 0 || f->experiment->people.simulated,
                        .asked = s->asked,
                        .missing = missing,
                        .ratings = c.ratings,
                        .taken = rating_account_taken(&f->account, c.ratings),
                        .raters = c.raters,
                        .excluded = c.excluded,
                        .prepared = f->n_prepared,
                        .cents = (double)c.ratings * f->experiment->people.cents,
                        .surrogate = s->surrogate};
    notify(f);
    return 0;
}

/* So many answers, and no longer what was asked before: one transaction, so that raters
 * see the old plan or the new one. */
static int ask(fitness_human *f, panel *p, size_t missing, error *err)
{
    name_index open = {0};
    uint64_t left = missing ? f->base.ratings_left : UINT64_MAX;
    TRY(crowd_begin(f->crowd, err));
    int rc = crowd_set_limit(f->crowd, rating_account_limit(&f->account, left), err);
    if (rc == 0 && missing)
        rc = panel_ask(p, missing, &open, err);
    if (rc == 0)
        rc = panel_close_others(p, &open, err);
    if (rc == 0)
        rc = crowd_commit(f->crowd, err);
    else
        crowd_rollback(f->crowd);
    name_index_free(&open);
    return rc;
}

static bool interrupted(const fitness_human *f)
{
    return f->interrupt && *f->interrupt;
}

/* Until then the model prepares what it can, and sleeps when there is no more. */
static int work_until(fitness_human *f, double until, error *err)
{
    static const double look_seconds = 0.1; /* how soon Ctrl-C is heard */
    int busy = 1;
    while (clock_seconds() < until && !interrupted(f)) {
        busy = busy ? preparer_step(f->preparer, &f->n_prepared, err) : 0;
        TRY(busy);
        if (!busy)
            nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * look_seconds)}, NULL);
    }
    if (interrupted(f))
        return error_set(err, E_INTERRUPTED, "stopped by the user");
    return 0;
}

static bool is_news(const crowd_counts *a, const crowd_counts *b)
{
    return a->ratings != b->ratings || a->withdrawn != b->withdrawn ||
           a->counted != b->counted || a->excluded != b->excluded;
}

/* 1: there is something new to read; 0: nobody waits here. */
static int wait_for_people(fitness_human *f, const crowd_counts *read, error *err)
{
    crowd_counts now = *read;
    while (f->poll_seconds > 0 && !is_news(read, &now)) {
        TRY(work_until(f, clock_seconds() + f->poll_seconds, err));
        f->state.prepared = f->n_prepared;
        f->state.fresh = false;
        notify(f);
        TRY(crowd_count(f->crowd, &now, err));
    }
    return f->poll_seconds > 0;
}

/* A quarter of what is missing at a time, so that what is asked next can follow from what
 * was answered. */
static int let_simulated_work(fitness_human *f, size_t missing, error *err)
{
    size_t given = 0, most = missing / 4 > 8 ? missing / 4 : 8;
    if (interrupted(f))
        return error_set(err, E_INTERRUPTED, "stopped by the user");
    TRY(crowd_simulated_work(f->crowd, f->experiment, most < missing ? most : missing,
                             &given, err));
    if (given > 0)
        return 1;
    return error_set(err, E_LIMIT,
                     "the simulated crowd of %zu raters has answered all that it may, "
                     "and %zu answers are still missing: raise fitness.crowd_size, or "
                     "lower fitness.ratings",
                     f->experiment->people.crowd_size, missing);
}

/* 1: the answers are there, or as many as the budget allows, and read; 0: they are not,
 * and nobody waits for them. */
static int gather(fitness_human *f, panel *p, error *err)
{
    for (int rc = 1; rc == 1;) {
        crowd_counts read; /* before reading, so that nothing can slip in between */
        TRY(crowd_count(f->crowd, &read, err));
        TRY(panel_read(p, err));
        size_t missing = panel_missing(p);
        size_t room =
            rating_account_room(&f->account, read.ratings, f->base.ratings_left);
        missing = missing < room ? missing : room;
        if (missing == 0)
            return 1;
        TRY(ask(f, p, missing, err));
        TRY(update_state(f, missing, true, err));
        rc = f->experiment->people.simulated ? let_simulated_work(f, missing, err)
                                             : wait_for_people(f, &read, err);
        TRY(rc);
    }
    return 0;
}

/* ---- Deciding ---- */

/* Scores, and behind them the ratings that were charged; an older program kept none. */
static int recall(const fitness_human *f, const char *key, const panel *p, double *scores,
                  error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    int rc = store_memo_get(f->store, key, &bytes, &n, NULL, err);
    scores[p->n_cells] = 0;
    if (rc == 1 && n != p->n_cells * sizeof *scores &&
        n != (p->n_cells + 1) * sizeof *scores)
        rc = error_set(err, E_FORMAT,
                       "the remembered decision %s is %zu bytes long: not ours", key, n);
    if (rc == 1 && n)
        memcpy(scores, bytes, n);
    free(bytes);
    return rc;
}

/* A process that was killed after its last decision may have left tasks of it open. */
static int close_leftovers(fitness_human *f, panel *p, error *err)
{
    crowd_counts c;
    TRY(crowd_count(f->crowd, &c, err));
    return c.open_tasks ? ask(f, p, 0, err) : 0;
}

/* 1: *scores are what was decided, now or before, and paid; 0: pending. */
static int decide(fitness_human *f, panel *p, double *scores, error *err)
{
    char key[SHA256_HEX];
    crowd_counts c;
    TRY(decision_key(f, p, key, err));
    int rc = recall(f, key, p, scores, err);
    if (rc == 1) {
        f->account.charged += (size_t)scores[p->n_cells];
        TRY(close_leftovers(f, p, err));
    }
    if (rc != 0)
        return rc;
    rc = gather(f, p, err);
    if (rc <= 0)
        return rc;
    TRY(panel_scores(p, scores, err));
    if (f->surrogate)
        TRY(surrogate_witness(f->surrogate, f->crowd, p, err));
    TRY(crowd_count(f->crowd, &c, err));
    scores[p->n_cells] = (double)rating_account_charge(&f->account, c.ratings);
    TRY(store_memo_put(f->store, key, scores, (p->n_cells + 1) * sizeof *scores, err));
    TRY(ask(f, p, 0, err));
    TRY(update_state(f, 0, false, err));
    return 1;
}

/* ---- Measuring ---- */

/* Of cells that people were not shown, the scores are in the choice. */
static void fill(const fitness_human *f, const outputs *o, const surrogate_choice *c,
                 const double *scores, measurement *batch, bool decided)
{
    const fitness_options *how = &f->experiment->fitness;
    for (size_t i = 0, at = 0, cell = 0; i < o->n; i++) {
        const sheet_part *part = &o->sheet.parts[i];
        measurement *m = &batch[i];
        m->penalty = how->length_weight * (double)part->prompt_tokens;
        m->first_choice = (double)NAN;
        m->status = part->failed ? FITNESS_FAILED
                    : decided    ? FITNESS_DONE
                                 : FITNESS_PENDING;
        memcpy(m->reason, part->reason, sizeof m->reason);
        for (size_t k = 0; m->status == FITNESS_DONE && k < m->n; k++, cell++)
            m->scores[k] = c->n && !c->shown[cell] ? c->scores[cell] : scores[at++];
    }
}

static int judge_outputs(fitness_human *f, const outputs *o, measurement *batch,
                         expense *spent, error *err)
{
    panel p = {0};
    double *scores = NULL;
    surrogate_choice c = {0};
    int rc = f->surrogate ? surrogate_choose(f->surrogate, o, &c, spent, err) : 0;
    if (rc == 0)
        rc = fill_panel(f, o, c.shown, &p, err);
    if (rc == 0 && !(scores = array_new(p.n_cells + 1, sizeof *scores)))
        rc = error_memory(err, p.n_cells * sizeof *scores);
    if (rc == 0)
        rc = decide(f, &p, scores, err);
    if (rc >= 0)
        fill(f, o, &c, scores, batch, rc == 1);
    if (rc == 1 && f->surrogate)
        rc = surrogate_learn(f->surrogate, &p, scores, err);
    free(scores);
    panel_free(&p);
    return rc < 0 ? rc : 0;
}

/* Generate, and ask. */
static int measure_people(fitness_human *f, measurement *batch, size_t n, expense *spent,
                          error *err)
{
    outputs said;
    TRY(outputs_new(f->experiment, f->scorer, batch, n, &said, err));
    int rc = 0;
    said.texts = array_new(said.sheet.contexts.n, sizeof *said.texts);
    if (!said.texts)
        rc = error_memory(err, said.sheet.contexts.n * sizeof *said.texts);
    if (rc == 0)
        rc = scorer_generate(f->scorer, said.sheet.contexts.rows, said.sheet.contexts.n,
                             &f->experiment->fitness.generation, said.texts, spent, err);
    if (rc == 0 && f->preparer)
        preparer_turn(f->preparer, said.of, n);
    if (rc == 0)
        rc = judge_outputs(f, &said, batch, spent, err);
    if (f->preparer)
        preparer_turn(f->preparer, NULL, 0);
    outputs_free(&said);
    return rc;
}

/* What people say of those whom the model leaves, weighed with what it says itself. */
static int mix(fitness_human *f, measurement *batch, size_t n, double *of_people,
               measurement *shown, expense *spent, error *err)
{
    const people_plan *p = &f->experiment->people;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (batch[i].status != FITNESS_DONE)
            continue;
        shown[count] = batch[i];
        shown[count++].scores = of_people;
        of_people += batch[i].n;
    }
    TRY(measure_people(f, shown, count, spent, err));
    double weight = p->screen > 0 ? 1 : p->weight;
    for (size_t i = 0, at = 0; i < n; i++) {
        if (batch[i].status != FITNESS_DONE)
            continue;
        const measurement *m = &shown[at++];
        batch[i].status = m->status;
        batch[i].penalty = m->penalty;
        memcpy(batch[i].reason, m->reason, sizeof m->reason);
        for (size_t k = 0; m->status == FITNESS_DONE && k < m->n; k++)
            batch[i].scores[k] =
                weight * m->scores[k] + (1 - weight) * batch[i].scores[k];
    }
    return 0;
}

static int measure_mixed(fitness_human *f, measurement *batch, size_t n, expense *spent,
                         error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += batch[i].n;
    double *of_people = array_new(total, sizeof *of_people);
    measurement *shown = array_new(n, sizeof *shown);
    int rc = of_people && shown ? 0 : error_memory(err, total * sizeof *of_people);
    if (rc == 0)
        rc = model_part_measure(f->model, batch, n, spent, err);
    if (rc == 0)
        rc = model_part_screen(f->model, batch, n, err);
    if (rc == 0)
        rc = mix(f, batch, n, of_people, shown, spent, err);
    free(of_people);
    free(shown);
    return rc;
}

static int human_measure(objective *o, measurement *batch, size_t n, expense *out,
                         error *err)
{
    fitness_human *f = (fitness_human *)o;
    expense most = {0}, spent = {0};
    size_t charged = f->account.charged;
    if (!f->crowd)
        return error_set(err, E_ARGUMENT, "nobody can be asked before the run exists");
    TRY(price_all(f, batch, n, &most, err)); /* before anything of it is paid */
    TRY(f->model ? measure_mixed(f, batch, n, &spent, err)
                 : measure_people(f, batch, n, &spent, err));
    spent.evaluations = most.evaluations;
    spent.ratings = f->account.charged - charged;
    *out = spent;
    return 0;
}

/* ---- Life ---- */

int fitness_human_new(objective **out, const experiment *e, scorer *c,
                      const scorer_options *how, error *err)
{
    fitness_human *f = calloc(1, sizeof *f);
    if (!f)
        return error_memory(err, sizeof *f);
    f->base = (objective){.name = "people",
                          .cost = human_cost,
                          .measure = human_measure,
                          .free = human_free,
                          .ratings_left = UINT64_MAX,
                          .people = &f->state};
    f->experiment = e;
    f->scorer = c;
    f->interrupt = how->interrupt;
    f->state.simulated = e->people.simulated;
    f->has_gold = array_new(e->data->n, sizeof *f->has_gold);
    int rc = f->has_gold ? 0 : error_memory(err, e->data->n);
    if (rc == 0 && e->fitness.kind == FITNESS_MIXED)
        rc = model_part_open(&f->model, e, c, err);
    if (rc == 0 && e->people.surrogate.on)
        rc = surrogate_open(&f->surrogate, e, c, how, err);
    if (rc == 0 && f->surrogate)
        f->state.surrogate = surrogate_state(f->surrogate);
    if (rc < 0)
        human_free(&f->base);
    else
        *out = &f->base;
    return rc;
}

/* The experiment's rules hold from the beginning, until somebody changes them. */
static int begin_asking(fitness_human *f, error *err)
{
    crowd_counts c;
    TRY(crowd_count(f->crowd, &c, err));
    TRY(rating_account_open(&f->account, f->store, f->run, c.ratings, err));
    return c.tasks ? 0 : crowd_set_rules(f->crowd, &f->experiment->people.rules, err);
}

int fitness_human_join(objective *o, store *s, const char *dir, uint64_t id,
                       double poll_seconds, error *err)
{
    fitness_human *f = (fitness_human *)o;
    text path = {0};
    TRY(text_add_format(&path, err, "%s/lamarck.sqlite", dir));
    int rc = crowd_open(&f->crowd, path.s, err);
    text_free(&path);
    TRY(rc);
    f->store = s;
    f->run = id;
    if (f->surrogate)
        surrogate_join(f->surrogate, s, id);
    f->poll_seconds =
        poll_seconds > 0 ? poll_seconds : f->experiment->people.poll_seconds;
    if (f->poll_seconds > 0 && !f->experiment->people.simulated)
        TRY(preparer_open(&f->preparer, f->experiment, f->scorer, err));
    return begin_asking(f, err);
}

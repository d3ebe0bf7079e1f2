/* Open tasks become HITs. */
#include "mturk_jobs.h"

#include <stdlib.h>
#include <string.h>

/* A task of the crowd that may need a HIT: what is remembered of the walk. */
typedef struct candidate {
    char id[SHA256_HEX], question[SHA256_HEX];
    char outputs[MAX_OUTPUTS][SHA256_HEX];
    size_t n_outputs, missing;
    double priority;
    int64_t n;
    task_view view;
} candidate;

typedef struct gathering {
    const task_view *views;
    size_t n_views;
    const mturk_post_options *options;
    candidate *items;
    size_t n, capacity;
} gathering;

static int compare_view(const void *a, const void *b)
{
    const task_view *x = a, *y = b;
    return strcmp(x->task, y->task);
}

/* How the task stands in the books. */
static task_view view_of(const gathering *g, const char *id)
{
    task_view key = {0};
    memcpy(key.task, id, SHA256_HEX);
    const task_view *v =
        g->n_views ? bsearch(&key, g->views, g->n_views, sizeof *g->views, compare_view)
                   : NULL;
    return v ? *v : key;
}

/* Ratings that nobody is asked for yet. */
static size_t missing(const crowd_task *t, const task_view *v,
                      const mturk_post_options *o)
{
    if (t->gold)
        return o->gold && !t->closed && v->batches == 0 ? t->wanted : 0;
    if (!t->open)
        return 0;
    size_t has = t->done + v->in_flight;
    return t->wanted > has ? t->wanted - has : 0;
}

static int gather(void *context, const crowd_task *t, error *err)
{
    gathering *g = context;
    task_view view = view_of(g, t->id);
    size_t wanted = missing(t, &view, g->options);
    if (wanted == 0)
        return 0;
    TRY(array_grow(&g->items, &g->capacity, g->n, sizeof *g->items, err));
    candidate *c = &g->items[g->n++];
    *c = (candidate){.n_outputs = t->n_outputs,
                     .missing = wanted,
                     .priority = t->priority,
                     .n = t->n,
                     .view = view};
    if (g->options->assignments && g->options->assignments < wanted)
        c->missing = g->options->assignments;
    memcpy(c->id, t->id, SHA256_HEX);
    memcpy(c->question, t->question, SHA256_HEX);
    for (size_t i = 0; i < t->n_outputs; i++)
        memcpy(c->outputs[i], t->outputs[i], SHA256_HEX);
    return 0;
}

static int compare_priority(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* What needs a HIT, highest priority first. The books are read before the crowd: should
 * ratings come in between, then too few are missing here, never too many. */
static int gather_all(mturk *m, const mturk_post_options *o, candidate **out, size_t *n,
                      error *err)
{
    task_view *views;
    gathering g = {.options = o};
    TRY(mturk_store_views(m->books, &views, &g.n_views, err));
    g.views = views;
    int rc = crowd_each_task(m->people, 0, gather, &g, err);
    free(views);
    if (rc < 0) {
        free(g.items);
        return rc;
    }
    if (g.n > 1)
        qsort(g.items, g.n, sizeof *g.items, compare_priority);
    *out = g.items;
    *n = g.n;
    return 0;
}

/* All that the task shows. */
static int load_task(mturk *m, const candidate *c, mturk_task *out, error *err)
{
    mturk_task t = {.n_outputs = c->n_outputs};
    memcpy(t.id, c->id, SHA256_HEX);
    int rc = crowd_question(m->people, c->question, &t.question, err);
    for (size_t i = 0; rc >= 0 && i < c->n_outputs; i++) {
        memcpy(t.output_ids[i], c->outputs[i], SHA256_HEX);
        rc = crowd_output(m->people, c->outputs[i], i == 0 ? &t.context : NULL,
                          &t.outputs[i], err);
    }
    if (rc >= 0 && (!t.context || !t.outputs[c->n_outputs - 1]))
        rc = error_set(err, E_FORMAT, "task %s has no outputs", c->id);
    if (rc < 0) {
        mturk_task_free(&t);
        return rc;
    }
    *out = t;
    return 0;
}

/* The HIT that the task needs next, as it would be written down. */
static int make_hit(mturk *m, const candidate *c, const mturk_terms *terms, hit_row *out,
                    error *err)
{
    mturk_task task;
    json_t *request = NULL;
    hit_row hit = {.assignments = c->missing,
                   .reward_cents = terms->reward_cents,
                   .fee_cents =
                       mturk_fee_cents(terms->reward_cents, c->missing, terms->masters)};
    memcpy(hit.task, c->id, SHA256_HEX);
    TRY(mturk_store_token(m->books, c->id, c->view.batches, hit.token, err));
    TRY(load_task(m, c, &task, err));
    int rc =
        mturk_hit_request(&task, terms, m->place, c->missing, hit.token, &request, err);
    mturk_task_free(&task);
    if (rc == 0) {
        hit.request = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
        json_decref(request);
        rc = hit.request ? 0 : error_memory(err, 1000);
    }
    if (rc == 0)
        *out = hit;
    return rc;
}

static void add_to_bill(mturk_bill *bill, const hit_row *hit)
{
    bill->hits++;
    bill->assignments += hit->assignments;
    bill->reward_cents += (int64_t)hit->assignments * hit->reward_cents;
    bill->fee_cents += (int64_t)hit->assignments * hit->fee_cents;
}

/* ---- The plan ---- */

static int plan_one(mturk *m, const candidate *c, const mturk_terms *terms,
                    const mturk_money *money, mturk_bill *bill, error *err)
{
    hit_row hit;
    int rc = make_hit(m, c, terms, &hit, err);
    if (rc == E_LIMIT) {
        bill->too_long++;
        return 0;
    }
    TRY(rc);
    int64_t price = (int64_t)hit.assignments * (hit.reward_cents + hit.fee_cents);
    int64_t left =
        money->cap_cents - money->committed_cents - bill->reward_cents - bill->fee_cents;
    if (price > left)
        bill->over_cap++;
    else
        add_to_bill(bill, &hit);
    free(hit.request);
    return 0;
}

int mturk_plan(mturk *m, const mturk_post_options *o, mturk_bill *out, error *err)
{
    candidate *items;
    size_t n;
    mturk_bill bill = {0};
    mturk_money money;
    TRY(mturk_terms_check(&o->terms, err));
    TRY(mturk_store_money(m->books, &money, err));
    if (o->plan_cap_cents > 0)
        money.cap_cents = o->plan_cap_cents;
    TRY(gather_all(m, o, &items, &n, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && (!o->max_hits || bill.hits < o->max_hits); i++)
        rc = plan_one(m, &items[i], &o->terms, &money, &bill, err);
    free(items);
    if (rc == 0)
        *out = bill;
    return rc;
}

/* ---- Doing it ---- */

static int post_one(mturk *m, const candidate *c, const mturk_terms *terms, int64_t now,
                    mturk_bill *bill, error *err)
{
    hit_row hit;
    TRY(mturk_check_interrupt(m, err));
    int rc = make_hit(m, c, terms, &hit, err);
    if (rc == E_LIMIT) {
        bill->too_long++;
        return 0;
    }
    TRY(rc);
    rc = mturk_store_reserve(m->books, &hit, &c->view, now, err);
    if (rc == RESERVE_CHANGED) {
        bill->busy++;
    } else if (rc == RESERVE_OVER_CAP) {
        bill->over_cap++;
    } else if (rc == RESERVED) {
        rc = mturk_send(m, &hit, false, err);
        if (rc == MTURK_SENT)
            add_to_bill(bill, &hit);
        bill->busy += rc == MTURK_SETTLED;
    }
    free(hit.request);
    return rc < 0 ? rc : 0;
}

int mturk_post(mturk *m, const mturk_post_options *o, int64_t now, mturk_bill *out,
               error *err)
{
    candidate *items;
    size_t n;
    *out = (mturk_bill){0};
    TRY(mturk_terms_check(&o->terms, err));
    TRY(gather_all(m, o, &items, &n, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && (!o->max_hits || out->hits < o->max_hits); i++)
        rc = post_one(m, &items[i], &o->terms, now, out, err);
    free(items);
    return rc;
}

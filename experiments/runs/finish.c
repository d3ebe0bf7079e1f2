/* The verdict: finalists by the selection split, penalties taken off as in the search;
 * winner against seed on the final split by what the user asked for alone, without
 * penalties. */
#include "finish.h"

#include <stdlib.h>
#include <string.h>

#include "../../evolve/stats.h"

enum { SEED_ID = 1 }; /* the user's own prompt is the first candidate born */

void finish_free(finish *f)
{
    free(f->costs);
    f->costs = NULL;
    f->n = f->capacity = 0;
}

/* ---- The reserve ---- */

static int cost_on_split(finish *f, const genome *g, split_name name, expense *out,
                         error *err)
{
    const split *s = &f->experiment->splits[name];
    measurement m = {.genome = g, .examples = s->index, .n = s->n};
    return f->objective->cost(f->objective, &m, 1, out, err);
}

/* Make sure that costs[id - 1] is known. */
static int learn_cost(finish *f, uint64_t id, const genome *g, error *err)
{
    while (f->n < id) {
        TRY(array_grow(&f->costs, &f->capacity, f->n, sizeof *f->costs, err));
        f->costs[f->n++] = (finish_cost){0};
    }
    finish_cost *c = &f->costs[id - 1];
    if (c->known)
        return 0;
    TRY(cost_on_split(f, g, SPLIT_SELECTION, &c->selection, err));
    TRY(cost_on_split(f, g, SPLIT_FINAL, &c->final, err));
    c->known = true;
    return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* The sum of the k largest of x[0..n), which is sorted on the way. */
static uint64_t sum_of_largest(uint64_t *x, size_t n, size_t k)
{
    uint64_t sum = 0;
    qsort(x, n, sizeof *x, descending);
    for (size_t i = 0; i < n && i < k; i++)
        sum += x[i];
    return sum;
}

/* Candidates rank by how many examples they have met, then by value. So whoever is asked
 * about now can only rise above those who are not: the finalists will be among the k best
 * of this moment and the candidates of the batch. Fills ids, at most k + n, without
 * repeats. */
static size_t possible_finalists(const search *s, size_t k, const search_query *queries,
                                 size_t n, uint64_t *ids)
{
    size_t count = s ? search_best(s, k, ids) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < count && ids[j] != queries[i].id)
            j++;
        if (j == count)
            ids[count++] = queries[i].id;
    }
    return count;
}

/* What of an expense a budget limits. */
static const size_t limited[] = {offsetof(expense, tokens),
                                 offsetof(expense, evaluations),
                                 offsetof(expense, ratings)};
enum { N_LIMITED = sizeof limited / sizeof *limited };

static uint64_t *part_of(expense *x, size_t offset)
{
    return (uint64_t *)(void *)((char *)x + offset);
}

/* The seed on the final split, and beside it the dearest of the others. */
static void sum_final(const finish *f, const uint64_t *ids, size_t n, expense *out)
{
    *out = (expense){0};
    for (size_t m = 0; m < N_LIMITED; m++) {
        uint64_t dearest = 0;
        for (size_t i = 0; i < n; i++)
            if (ids[i] != SEED_ID)
                dearest =
                    larger(dearest, *part_of(&f->costs[ids[i] - 1].final, limited[m]));
        *part_of(out, limited[m]) =
            *part_of(&f->costs[SEED_ID - 1].final, limited[m]) + dearest;
    }
}

/* That, and the k dearest of them on the selection split. `room` is for n. */
static void sum_reserve(const finish *f, const uint64_t *ids, size_t n, uint64_t *room,
                        expense *out)
{
    sum_final(f, ids, n, out);
    for (size_t m = 0; m < N_LIMITED; m++) {
        for (size_t i = 0; i < n; i++)
            room[i] = *part_of(&f->costs[ids[i] - 1].selection, limited[m]);
        *part_of(out, limited[m]) += sum_of_largest(room, n, f->experiment->finalists);
    }
}

int finish_reserve(finish *f, const search *s, const search_query *queries, size_t n,
                   expense *out, error *err)
{
    size_t k = f->experiment->finalists, most = k + n + 1;
    TRY(learn_cost(f, SEED_ID, &f->experiment->seeds[0], err));
    for (size_t i = 0; i < n; i++)
        TRY(learn_cost(f, queries[i].id, queries[i].genome, err));
    uint64_t *ids = array_new(2 * most, sizeof *ids);
    if (!ids)
        return error_memory(err, 2 * most * sizeof *ids);
    size_t count = possible_finalists(s, k, queries, n, ids);
    sum_reserve(f, ids, count, ids + most, out);
    free(ids);
    return 0;
}

/* ---- Measuring ---- */

/* A few candidates on one split. */
typedef struct heat {
    uint64_t *ids;
    measurement *of; /* scores owned */
    size_t n;
    const split *split;
} heat;

static void heat_free(heat *h)
{
    for (size_t i = 0; h->of && i < h->n; i++)
        free(h->of[i].scores);
    free(h->of);
    free(h->ids);
}

static int heat_new(heat *h, const finish *f, const search *s, split_name name,
                    const uint64_t *ids, size_t n, error *err)
{
    *h = (heat){.split = &f->experiment->splits[name], .n = n};
    h->ids = array_new(n, sizeof *h->ids);
    h->of = array_new(n, sizeof *h->of);
    if (!h->ids || !h->of)
        return error_memory(err, n * sizeof *h->of);
    for (size_t i = 0; i < n; i++) {
        const candidate *c = search_find(s, ids[i]);
        if (!c)
            return error_set(err, E_ARGUMENT, "the search lost its candidate %llu",
                             (unsigned long long)ids[i]);
        h->ids[i] = ids[i];
        h->of[i] = (measurement){.genome = c->genome,
                                 .examples = h->split->index,
                                 .n = h->split->n,
                                 .scores = array_new(h->split->n, sizeof(double))};
        if (!h->of[i].scores)
            return error_memory(err, h->split->n * sizeof(double));
    }
    return 0;
}

/* 1 measured (some may have failed), 0 some are pending. `reserve` is to be left. */
static int heat_measure(heat *h, finish *f, ledger *l, purpose p, const expense *reserve,
                        error *err)
{
    expense spent = {0};
    f->objective->ratings_left = ledger_ratings_left(l, reserve);
    TRY(f->objective->measure(f->objective, h->of, h->n, &spent, err));
    ledger_charge(l, p, &spent);
    for (size_t i = 0; i < h->n; i++)
        if (h->of[i].status == FITNESS_PENDING)
            return 0;
    return 1;
}

static int heat_failure(const heat *h, size_t i, error *err)
{
    return error_set(err, E_LIMIT, "candidate %llu cannot be measured: %s",
                     (unsigned long long)h->ids[i], h->of[i].reason);
}

split_score split_score_of(measurement *m, uint64_t id, double penalty)
{
    split_score x = {.candidate = id,
                     .score = stats_mean(m->scores, m->n) - penalty,
                     .se = stats_se(m->scores, m->n),
                     .n = m->n,
                     .each = m->scores,
                     .first_choice = m->first_choice};
    m->scores = NULL;
    return x;
}

/* ---- Choosing ---- */

/* How many of the finalists the budget allows: all, since there was a reserve, unless the
 * last batch took longer than foretold. One is always tried. */
static int affordable(finish *f, const search *s, const ledger *l, const uint64_t *ids,
                      size_t *n, error *err)
{
    TRY(learn_cost(f, SEED_ID, &f->experiment->seeds[0], err));
    for (size_t i = 0; i < *n; i++)
        TRY(learn_cost(f, ids[i], search_find(s, ids[i])->genome, err));
    uint64_t *room = array_new(*n, sizeof *room);
    if (!room)
        return error_memory(err, *n * sizeof *room);
    for (size_t k = *n; k > 1; k--) {
        const expense nothing = {0};
        expense whole;
        sum_reserve(f, ids, k, room, &whole);
        if (!ledger_refuses(l, &whole, &nothing))
            break;
        *n = k - 1;
    }
    free(room);
    return 0;
}

/* Best first; equal scores stay in the search's order. */
static void sort_scores(split_score *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && x[j].score > x[j - 1].score; j--) {
            split_score t = x[j];
            x[j] = x[j - 1];
            x[j - 1] = t;
        }
}

static int select_winner(finish *f, const search *s, ledger *l, verdict *v, error *err)
{
    size_t k = f->experiment->finalists ? f->experiment->finalists : 1;
    heat h = {0};
    expense rest = {0};
    uint64_t *ids = array_new(k, sizeof *ids);
    if (!ids)
        return error_memory(err, k * sizeof *ids);
    size_t n = search_best(s, k, ids);
    int rc = n ? affordable(f, s, l, ids, &n, err)
               : error_set(err, E_ARGUMENT, "no candidate could be measured");
    if (rc == 0)
        rc = heat_new(&h, f, s, SPLIT_SELECTION, ids, n, err);
    if (rc == 0) {
        sum_final(f, ids, n, &rest);
        rc = heat_measure(&h, f, l, FOR_SELECTION, &rest, err);
    }
    if (rc == 1 && !(v->selection = array_new(n, sizeof *v->selection)))
        rc = error_memory(err, n * sizeof *v->selection);
    for (size_t i = 0; rc == 1 && i < n; i++)
        if (h.of[i].status == FITNESS_DONE)
            v->selection[v->n_selection++] =
                split_score_of(&h.of[i], h.ids[i], h.of[i].penalty);
    if (rc == 1 && v->n_selection == 0)
        rc = heat_failure(&h, 0, err);
    sort_scores(v->selection, v->n_selection);
    heat_free(&h);
    free(ids);
    return rc;
}

/* ---- The final comparison ---- */

static int copy_score(split_score *out, const split_score *from, error *err)
{
    *out = *from;
    out->each = array_new(from->n, sizeof *out->each);
    if (!out->each)
        return error_memory(err, from->n * sizeof *out->each);
    if (from->n)
        memcpy(out->each, from->each, from->n * sizeof *out->each);
    return 0;
}

int verdict_compare(verdict *v, uint64_t seed, error *err)
{
    paired_comparison c;
    TRY(stats_compare(v->seed.each, v->best.each, v->best.n, seed, &c, err));
    v->difference = c.difference;
    v->ci_low = c.ci.low;
    v->ci_high = c.ci.high;
    v->p = c.p;
    return 0;
}

/* 1 done, 0 pending or, with *failed, not measurable. */
static int compare_with_seed(finish *f, const search *s, ledger *l, uint64_t winner,
                             bool *failed, verdict *v, error *err)
{
    uint64_t ids[2] = {SEED_ID, winner};
    heat h = {0};
    const expense nothing = {0};
    int rc = heat_new(&h, f, s, SPLIT_FINAL, ids, winner == SEED_ID ? 1 : 2, err);
    if (rc == 0)
        rc = heat_measure(&h, f, l, FOR_FINAL, &nothing, err);
    if (rc == 1 && h.of[0].status == FITNESS_FAILED)
        rc = heat_failure(&h, 0, err);
    *failed = rc == 1 && h.of[h.n - 1].status == FITNESS_FAILED;
    if (rc == 1 && !*failed) {
        v->seed = split_score_of(&h.of[0], h.ids[0], 0);
        if (h.n == 2)
            v->best = split_score_of(&h.of[1], h.ids[1], 0);
        else
            rc = copy_score(&v->best, &v->seed, err);
        rc = rc < 0 ? rc : verdict_compare(v, f->experiment->seed, err);
        rc = rc < 0 ? rc : 1;
    }
    heat_free(&h);
    return rc;
}

/* The best finalist that fits on the final split; the seed if none does. */
static int judge_winner(finish *f, const search *s, ledger *l, verdict *v, error *err)
{
    bool failed = true;
    int rc = 0;
    for (size_t i = 0; failed && i < v->n_selection; i++)
        TRY(rc = compare_with_seed(f, s, l, v->selection[i].candidate, &failed, v, err));
    if (failed)
        rc = compare_with_seed(f, s, l, SEED_ID, &failed, v, err);
    return rc;
}

int finish_run(finish *f, const search *s, ledger *l,
               void (*stage)(void *context, const char *name), void *context,
               verdict *out, error *err)
{
    verdict v = {0};
    stage(context, purpose_name(FOR_SELECTION));
    int rc = select_winner(f, s, l, &v, err);
    if (rc == 1) {
        stage(context, purpose_name(FOR_FINAL));
        rc = judge_winner(f, s, l, &v, err);
    }
    if (rc == 1)
        *out = v;
    else
        verdict_free(&v);
    return rc;
}

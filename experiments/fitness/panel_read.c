/* What people said of a panel's outputs, and what follows from it. */
#include "panel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../rater/mixed.h"

/* ---- Reading ---- */

/* A rating as it was read: what it is about, by name. */
typedef struct heard {
    int64_t id, rater;
    char task[SHA256_HEX], outputs[MAX_OUTPUTS][SHA256_HEX];
    size_t n;
    int answer;
} heard;

/* The same with its outputs found. */
typedef struct found {
    size_t group, rater, n;
    size_t item[MAX_OUTPUTS];
    int answer;
} found;

typedef struct reader {
    panel *panel;
    heard *list;
    size_t n, capacity;
} reader;

/* The group of a rating: that of the first of its outputs that the batch has. */
static size_t group_of(const panel *p, const heard *r)
{
    size_t group = 0;
    for (size_t i = r->n; i-- > 0;) {
        size_t number = name_index_find(&p->ids, r->outputs[i]);
        if (number == p->ids.n)
            continue;
        const struct panel_place *at = &p->places[number];
        if (at->item < p->groups[at->group].n_live)
            group = at->group;
    }
    return group;
}

static int count_task(panel *p, const char *id, error *err)
{
    size_t number, before = p->tasks.n;
    TRY(name_index_add(&p->tasks, id, &number, err));
    if (number == before) {
        TRY(array_grow(&p->task_answers, &p->tasks_capacity, number,
                       sizeof *p->task_answers, err));
        p->task_answers[number] = 0;
    }
    p->task_answers[number]++;
    return 0;
}

/* Keep a rating that counts and answers this question; others were asked for otherwise.
 */
static int hear(void *context, const crowd_rating *r, error *err)
{
    reader *in = context;
    const panel *p = in->panel;
    heard x = {.id = r->id, .rater = r->rater, .n = r->n_outputs, .answer = r->answer};
    bool mine = strcmp(r->question, p->question) == 0 ||
                strcmp(r->question, p->pair_question) == 0;
    if (!r->counts || !mine)
        return 0;
    snprintf(x.task, sizeof x.task, "%s", r->task);
    for (size_t i = 0; i < x.n; i++)
        snprintf(x.outputs[i], sizeof x.outputs[i], "%s", r->outputs[i]);
    TRY(array_grow(&in->list, &in->capacity, in->n, sizeof x, err));
    in->list[in->n++] = x;
    return 0;
}

static int earlier(const void *a, const void *b)
{
    const heard *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* What was said of the batch's outputs, in the order in which it came: a store may hold
 * very much more than that. A rating is heard of once for each of its outputs. */
static int hear_all(reader *in, error *err)
{
    const panel *p = in->panel;
    size_t n = 0;
    for (size_t g = 0; g < p->n_groups; g++)
        for (size_t i = 0; i < p->groups[g].n_live; i++)
            TRY(crowd_each_rating_of(p->crowd, p->groups[g].items[i].id, hear, in, err));
    if (in->n)
        qsort(in->list, in->n, sizeof *in->list, earlier);
    for (size_t i = 0; i < in->n; i++)
        if (n == 0 || in->list[n - 1].id != in->list[i].id)
            in->list[n++] = in->list[i];
    in->n = n;
    return 0;
}

static int find_outputs(panel *p, const heard *x, found *out, error *err)
{
    found f = {.group = group_of(p, x), .n = x->n, .answer = x->answer};
    char name[32];
    TRY(count_task(p, x->task, err));
    snprintf(name, sizeof name, "%lld", (long long)x->rater);
    TRY(name_index_add(&p->raters, name, &f.rater, err));
    for (size_t i = 0; i < x->n; i++)
        TRY(panel_add_item(p, f.group, x->outputs[i], &f.item[i], err));
    *out = f;
    return 0;
}

/* ---- Counting ---- */

/* Forget what was read before, but not who is in the batch. */
static int panel_reset(panel *p, error *err)
{
    for (size_t g = 0; p->models && g < p->n_groups; g++)
        preference_group_free(&p->models[g]);
    free(p->models);
    ratings_free(&p->scale);
    p->scale = (ratings){0};
    p->models = array_new(p->n_groups, sizeof *p->models);
    if (!p->models)
        return error_memory(err, p->n_groups * sizeof *p->models);
    for (size_t k = 0; k < p->n_groups; k++) {
        panel_group *g = &p->groups[k];
        size_t cells;
        for (size_t i = 0; i < g->n; i++) {
            g->items[i].answers = 0;
            g->items[i].sum = 0;
        }
        free(g->met);
        g->met = size_mul(g->n_live, g->n_live, &cells) ? array_new(cells, sizeof *g->met)
                                                        : NULL;
        if (!g->met)
            return error_memory(err, g->n_live * g->n_live * sizeof *g->met);
    }
    return 0;
}

static int add_pair(panel *p, const found *f, size_t i, size_t j, bool tie, error *err)
{
    panel_group *g = &p->groups[f->group];
    preference_answer a = {f->item[i], f->item[j], f->rater, tie};
    if (a.winner < g->n_live && a.loser < g->n_live)
        ++*panel_met(g, a.winner, a.loser);
    return preference_group_add(&p->models[f->group], a, err);
}

/* A choice among n says of the chosen one that it is better than each other; "no
 * difference" that all are alike. */
static int add_choice(panel *p, const found *f, error *err)
{
    for (size_t i = 0; i < f->n; i++)
        panel_item_at(p, f->group, f->item[i])->answers++;
    for (size_t i = 0; i < f->n; i++)
        for (size_t j = i + 1; j < f->n; j++) {
            bool tie = f->answer == ANSWER_TIE, swap = f->answer == (int)j;
            if (tie || swap || f->answer == (int)i)
                TRY(add_pair(p, f, swap ? j : i, swap ? i : j, tie, err));
        }
    return 0;
}

static int add_value(panel *p, const found *f, error *err)
{
    panel_item *x = panel_item_at(p, f->group, f->item[0]);
    char label[16];
    x->answers++;
    x->sum += f->answer;
    if (p->experiment->people.question.kind != QUESTION_SCALE)
        return 0;
    snprintf(label, sizeof label, "%d", f->answer);
    return ratings_add(&p->scale, x->id, p->raters.names[f->rater], label, 0, err);
}

static int count_all(panel *p, const found *list, size_t n, error *err)
{
    TRY(panel_reset(p, err));
    for (size_t g = 0; g < p->n_groups; g++)
        TRY(preference_group_new(&p->models[g], p->groups[g].n, err));
    for (size_t k = 0; k < n; k++)
        TRY(list[k].n > 1 ? add_choice(p, &list[k], err) : add_value(p, &list[k], err));
    return 0;
}

int panel_read(panel *p, error *err)
{
    reader in = {.panel = p};
    found *list = NULL;
    preference_options o = preference_defaults();
    for (size_t i = 0; i < p->tasks.n; i++)
        p->task_answers[i] = 0;
    int rc = hear_all(&in, err);
    if (rc == 0 && !(list = array_new(in.n, sizeof *list)))
        rc = error_memory(err, in.n * sizeof *list);
    for (size_t i = 0; rc == 0 && i < in.n; i++)
        rc = find_outputs(p, &in.list[i], &list[i], err);
    if (rc == 0)
        rc = count_all(p, list, in.n, err);
    if (rc == 0)
        rc = preference_fit(p->models, p->n_groups, p->raters.n, &o, NULL, err);
    free(list);
    free(in.list);
    return rc;
}

/* ---- Is it enough? ---- */

static bool asks_pairs(const panel *p)
{
    question_kind kind = p->experiment->people.question.kind;
    return kind == QUESTION_COMPARE || kind == QUESTION_BEST;
}

/* Comparisons that count towards what is wanted: of one pair no more than that. */
static size_t group_missing_pairs(const panel_group *g, size_t wanted)
{
    size_t need = wanted * (g->n_live - 1), have = 0, unmet = 0;
    for (size_t i = 0; i < g->n_live; i++) {
        unmet += !g->items[i].anchor && g->items[i].answers == 0;
        for (size_t j = i + 1; j < g->n_live; j++) {
            size_t met = *panel_met(g, i, j);
            have += met < wanted ? met : wanted;
        }
    }
    size_t left = have < need ? need - have : 0;
    return left > unmet ? left : unmet;
}

static size_t group_missing_single(const panel_group *g, size_t wanted)
{
    size_t left = 0;
    for (size_t i = 0; i < g->n_live; i++)
        left += g->items[i].answers < wanted ? wanted - g->items[i].answers : 0;
    return left;
}

size_t panel_missing(const panel *p)
{
    size_t left = 0, wanted = p->experiment->people.ratings;
    for (size_t g = 0; g < p->n_groups; g++)
        left += asks_pairs(p) ? group_missing_pairs(&p->groups[g], wanted)
                              : group_missing_single(&p->groups[g], wanted);
    return left;
}

/* ---- Scores ---- */

/* Where people agree on everything, or a handful of answers is all there is, there is no
 * mixed model, and plain means with one answer in the middle are what is left. */
static double plain_mean(const panel *p, const panel_item *x)
{
    double middle = (1 + (double)p->experiment->people.question.n_labels) / 2;
    return (x->sum + middle) / (double)(x->answers + 1);
}

static int scale_scores(panel *p, double *scores, error *err)
{
    mixed m = {0};
    size_t dropped;
    ratings *all = &p->scale;
    double span = (double)p->experiment->people.question.n_labels - 1;
    TRY(ratings_finish(all, REPEAT_LAST, &dropped, err));
    int rc = all->n ? mixed_fit(&m, all, &(mixed_options){.max_iterations = 1000}, err)
                    : E_FORMAT;
    if (rc == E_MEMORY)
        return rc;
    for (size_t k = 0; k < p->n_cells; k++) {
        const panel_item *x = panel_item_at(p, p->cells[k].group, p->cells[k].item);
        size_t number = rc == 0 ? name_index_find(&all->items, x->id) : 0;
        double mean =
            rc == 0 && number < all->items.n ? m.item[number] : plain_mean(p, x);
        scores[k] = fmin(1, fmax(0, (mean - 1) / span));
    }
    mixed_free(&m);
    return 0;
}

int panel_scores(panel *p, double *scores, error *err)
{
    if (p->experiment->people.question.kind == QUESTION_SCALE)
        return scale_scores(p, scores, err);
    for (size_t k = 0; k < p->n_cells; k++) {
        const panel_cell *c = &p->cells[k];
        const panel_item *x = panel_item_at(p, c->group, c->item);
        scores[k] = asks_pairs(p)
                        ? preference_probability(&p->models[c->group], c->item, c->anchor)
                        : (x->sum + 1) / ((double)x->answers + 2);
    }
    return 0;
}

/* What people are asked next about a panel. */
#include "panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../rater/next_question.h"

/* ---- Between candidates ---- */

static size_t count_candidates(const panel *p)
{
    size_t n = 0;
    for (size_t k = 0; k < p->n_cells; k++)
        n = p->cells[k].candidate >= n ? p->cells[k].candidate + 1 : n;
    return n;
}

/* all[n] is the seed as a candidate: everywhere 0.5, for sure. */
static void stand(const panel *p, standing *all, size_t n)
{
    for (size_t k = 0; k < p->n_cells; k++) {
        const panel_cell *c = &p->cells[k];
        standing_add(&all[c->candidate], &p->models[c->group], c->item, c->anchor);
    }
    all[n] = (standing){.sum = 0.5, .n = 1};
    standings_hope(all, n + 1);
}

/* The most open question between those who say item i and those who say item j. */
static double pair_relevance(const panel *p, const standing *all, const standing *seed,
                             size_t group, size_t i, size_t j)
{
    double most = question_least_relevance;
    for (size_t a = 0; a < p->n_cells; a++) {
        const panel_cell *x = &p->cells[a];
        if (x->group != group || (x->item != i && x->item != j))
            continue;
        size_t other = x->item == i ? j : i;
        if (panel_item_at(p, group, other)->anchor)
            most = fmax(most, question_relevance(&all[x->candidate], seed));
        for (size_t b = a + 1; b < p->n_cells; b++) {
            const panel_cell *y = &p->cells[b];
            if (y->group == group && y->item == other && y->candidate != x->candidate)
                most = fmax(most,
                            question_relevance(&all[x->candidate], &all[y->candidate]));
        }
    }
    return most;
}

/* ---- Pairs ---- */

typedef struct option_list {
    pair_option *list;
    size_t n, capacity;
} option_list;

static size_t first_anchor(const panel_group *g)
{
    size_t i = 0;
    while (i + 1 < g->n_live && !g->items[i].anchor)
        i++;
    return i;
}

/* Has nobody said anything about the output that is not the seed's? */
static bool is_unmet(const panel_group *g, size_t i, size_t j)
{
    size_t anchor = first_anchor(g), other = i == anchor ? j : i;
    return (i == anchor || j == anchor) && !g->items[other].anchor &&
           g->items[other].answers == 0;
}

static int list_options(const panel *p, option_list *out, error *err)
{
    size_t wanted = p->experiment->people.ratings, n = count_candidates(p);
    standing *all = array_new(n + 1, sizeof *all);
    if (!all)
        return error_memory(err, n * sizeof *all);
    stand(p, all, n);
    int rc = 0;
    for (size_t k = 0; k < p->n_groups; k++) {
        const panel_group *g = &p->groups[k];
        for (size_t i = 0; rc == 0 && i < g->n_live; i++)
            for (size_t j = i + 1; rc == 0 && j < g->n_live; j++) {
                size_t met = *panel_met(g, i, j);
                pair_option o = {.group = k, .i = i, .j = j, .first = is_unmet(g, i, j)};
                o.room = met < wanted ? wanted - met : 0;
                o.relevance = o.room ? pair_relevance(p, all, &all[n], k, i, j) : 0;
                rc = array_grow(&out->list, &out->capacity, out->n, sizeof o, err);
                if (rc == 0)
                    out->list[out->n++] = o;
            }
    }
    free(all);
    return rc;
}

/* Ask for so many answers more than there are: of the task, whose id is only known once
 * it is there. */
static int put_task(panel *p, const task_request *t, size_t more, name_index *open,
                    error *err)
{
    char id[SHA256_HEX];
    size_t number;
    task_request whole = *t;
    whole.wanted = 1;
    TRY(crowd_put_task(p->crowd, &whole, id, err));
    number = name_index_find(&p->tasks, id);
    whole.wanted = more + (number < p->tasks.n ? p->task_answers[number] : 0);
    if (whole.wanted > 1)
        TRY(crowd_put_task(p->crowd, &whole, id, err));
    return name_index_add(open, id, &number, err);
}

static int put_pairs(panel *p, const option_list *l, name_index *open, error *err)
{
    for (size_t k = 0; k < l->n; k++) {
        const pair_option *o = &l->list[k];
        const panel_group *g = &p->groups[o->group];
        const char *outputs[2] = {g->items[o->i].id, g->items[o->j].id};
        task_request t = {
            .question = p->pair_question, .outputs = outputs, .priority = o->worth};
        if (o->chosen)
            TRY(put_task(p, &t, o->chosen, open, err));
    }
    return 0;
}

/* ---- Four at a time ---- */

static double worth_beside(const option_list *l, size_t group, const size_t *four,
                           size_t n, size_t item)
{
    double sum = 0;
    for (size_t k = 0; k < l->n; k++) {
        const pair_option *o = &l->list[k];
        for (size_t i = 0; o->group == group && i < n; i++)
            if ((o->i == item && o->j == four[i]) || (o->j == item && o->i == four[i]))
                sum += o->worth + 1e-9 * o->relevance;
    }
    return sum;
}

/* Around the pair that is worth most, the two outputs that are worth most beside it. */
static void fill_four(const panel_group *g, const option_list *l, size_t group,
                      size_t four[4])
{
    for (size_t n = 2; n < 4; n++) {
        size_t best = SIZE_MAX;
        double most = -1;
        for (size_t i = 0; i < g->n_live; i++) {
            bool taken = false;
            for (size_t k = 0; k < n; k++)
                taken = taken || four[k] == i;
            double worth = taken ? -1 : worth_beside(l, group, four, n, i);
            if (!taken && worth > most) {
                most = worth;
                best = i;
            }
        }
        four[n] = best;
    }
}

/* A choice among four answers for three pairs, so a third of the answers is asked for. */
static int put_fours(panel *p, const option_list *l, size_t group, name_index *open,
                     error *err)
{
    const panel_group *g = &p->groups[group];
    size_t left = 0;
    for (size_t k = 0; k < l->n; k++)
        left += l->list[k].chosen;
    left = (left + 2) / 3;
    for (size_t k = 0; k < l->n && left > 0; k++) {
        const pair_option *o = &l->list[k];
        size_t four[4] = {o->i, o->j}, more = o->chosen < left ? o->chosen : left;
        const char *outputs[4];
        if (more == 0)
            continue;
        fill_four(g, l, group, four);
        for (size_t i = 0; i < 4; i++)
            outputs[i] = g->items[four[i]].id;
        task_request t = {
            .question = p->question, .outputs = outputs, .priority = o->worth};
        TRY(put_task(p, &t, more, open, err));
        left -= more;
    }
    return 0;
}

static int put_choices(panel *p, option_list *l, name_index *open, error *err)
{
    option_list pairs = {.list = l->list};
    for (size_t g = 0, at = 0; g < p->n_groups; g++) {
        size_t begin = at;
        while (at < l->n && l->list[at].group == g)
            at++;
        pairs = (option_list){.list = l->list + begin, .n = at - begin};
        if (p->experiment->people.question.kind == QUESTION_BEST &&
            p->groups[g].n_live >= 4)
            TRY(put_fours(p, &pairs, g, open, err));
        else
            TRY(put_pairs(p, &pairs, open, err));
    }
    return 0;
}

static int ask_choices(panel *p, size_t most, name_index *open, error *err)
{
    option_list l = {0};
    int rc = list_options(p, &l, err);
    if (rc == 0)
        rc = next_questions(p->models, p->n_groups, l.list, l.n, most, err);
    if (rc == 0)
        rc = put_choices(p, &l, open, err);
    free(l.list);
    return rc;
}

/* ---- One at a time ---- */

/* The fewer answers an output has, the more the next one says. */
static int ask_single(panel *p, size_t most, name_index *open, error *err)
{
    size_t wanted = p->experiment->people.ratings;
    for (size_t k = 0; k < p->n_groups; k++)
        for (size_t i = 0; i < p->groups[k].n_live; i++) {
            const panel_item *x = &p->groups[k].items[i];
            const char *outputs[1] = {x->id};
            task_request t = {.question = p->question,
                              .outputs = outputs,
                              .priority = 1 / (1 + (double)x->answers)};
            size_t more = x->answers < wanted ? wanted - x->answers : 0;
            more = more < most ? more : most;
            if (more)
                TRY(put_task(p, &t, more, open, err));
            most -= more;
        }
    return 0;
}

int panel_ask(panel *p, size_t most, name_index *open, error *err)
{
    question_kind kind = p->experiment->people.question.kind;
    if (kind == QUESTION_SCALE || kind == QUESTION_ACCEPT)
        return ask_single(p, most, open, err);
    return ask_choices(p, most, open, err);
}

/* ---- No longer ---- */

typedef struct closer {
    const panel *panel;
    const name_index *open;
    name_index stale;
} closer;

static bool is_of_batch(const panel *p, const crowd_task *t)
{
    for (size_t i = 0; i < t->n_outputs; i++) {
        size_t number = name_index_find(&p->ids, t->outputs[i]);
        if (number == p->ids.n)
            return false;
        const struct panel_place *at = &p->places[number];
        if (at->item >= p->groups[at->group].n_live)
            return false;
    }
    return true;
}

static int note_stale(void *context, const crowd_task *t, error *err)
{
    closer *c = context;
    size_t number;
    if (!t->open || !is_of_batch(c->panel, t) ||
        name_index_find(c->open, t->id) < c->open->n)
        return 0;
    return name_index_add(&c->stale, t->id, &number, err);
}

int panel_close_others(panel *p, const name_index *open, error *err)
{
    closer c = {.panel = p, .open = open};
    int rc = crowd_each_task(p->crowd, 0, note_stale, &c, err);
    for (size_t i = 0; rc == 0 && i < c.stale.n; i++)
        rc = crowd_close_task(p->crowd, c.stale.names[i], err);
    name_index_free(&c.stale);
    return rc;
}

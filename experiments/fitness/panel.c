/* Building a panel: groups by context, items by content. */
#include "panel.h"

#include <stdlib.h>
#include <string.h>

int panel_new(panel *p, const experiment *e, crowd *c, error *err)
{
    question pair = e->people.question;
    *p = (panel){.experiment = e, .crowd = c};
    TRY(crowd_put_question(c, &pair, p->question, err));
    memcpy(p->pair_question, p->question, sizeof p->question);
    pair.kind = QUESTION_COMPARE;
    if (e->people.question.kind == QUESTION_BEST)
        return crowd_put_question(c, &pair, p->pair_question, err);
    return 0;
}

static void group_free(panel_group *g)
{
    free(g->context);
    free(g->items);
    free(g->met);
}

void panel_free(panel *p)
{
    for (size_t g = 0; g < p->n_groups; g++) {
        group_free(&p->groups[g]);
        if (p->models)
            preference_group_free(&p->models[g]);
    }
    free(p->models);
    free(p->groups);
    free(p->cells);
    free(p->places);
    name_index_free(&p->contexts);
    name_index_free(&p->ids);
    name_index_free(&p->raters);
    name_index_free(&p->tasks);
    free(p->task_answers);
    ratings_free(&p->scale);
    *p = (panel){0};
}

panel_item *panel_item_at(const panel *p, size_t group, size_t item)
{
    return &p->groups[group].items[item];
}

size_t *panel_met(const panel_group *g, size_t i, size_t j)
{
    return &g->met[(i < j ? i : j) * g->n_live + (i < j ? j : i)];
}

/* ---- Outputs ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int panel_clean(const char *s, text *out, error *err)
{
    size_t n = strlen(s);
    while (n && is_space(s[n - 1]))
        n--;
    while (n && is_space(*s))
        s++, n--;
    return utf8_mend(out, s, n, err);
}

int panel_add_item(panel *p, size_t group, const char id[SHA256_HEX], size_t *item,
                   error *err)
{
    panel_group *g = &p->groups[group];
    size_t number, before = p->ids.n;
    TRY(name_index_add(&p->ids, id, &number, err));
    if (number < before) {
        *item = p->places[number].item;
        return 0;
    }
    TRY(array_grow(&p->places, &p->places_capacity, number, sizeof *p->places, err));
    TRY(array_grow(&g->items, &g->capacity, g->n, sizeof *g->items, err));
    p->places[number].group = group;
    p->places[number].item = g->n;
    g->items[g->n] = (panel_item){0};
    memcpy(g->items[g->n].id, id, SHA256_HEX);
    *item = g->n++;
    return 0;
}

static int put_output(panel *p, size_t group, const char *said, size_t *item, error *err)
{
    text t = {0};
    char id[SHA256_HEX];
    int rc = panel_clean(said, &t, err);
    if (rc == 0)
        rc = crowd_put_output(p->crowd, p->groups[group].context, text_string(&t), id,
                              err);
    text_free(&t);
    TRY(rc);
    TRY(panel_add_item(p, group, id, item, err));
    p->groups[group].n_live = p->groups[group].n;
    return 0;
}

/* ---- Contexts ---- */

/* The group of what people see of an example. Examples that look the same to them are one
 * group: nobody could tell their outputs apart. */
static int find_group(panel *p, size_t at, size_t *group, error *err)
{
    text shown = {0};
    size_t before = p->contexts.n;
    int rc = experiment_people_context(p->experiment, at, &shown, err);
    if (rc == 0)
        rc = name_index_add(&p->contexts, text_string(&shown), group, err);
    if (rc == 0 && *group == before)
        rc = array_grow(&p->groups, &p->groups_capacity, p->n_groups, sizeof *p->groups,
                        err);
    if (rc == 0 && *group == before) {
        p->groups[p->n_groups++] =
            (panel_group){.context = string_copy(text_string(&shown))};
        if (!p->groups[*group].context)
            rc = error_memory(err, shown.n);
    }
    text_free(&shown);
    return rc;
}

int panel_add(panel *p, size_t who, size_t at, const char *said, const char *anchor,
              error *err)
{
    panel_cell c = {.candidate = who};
    TRY(find_group(p, at, &c.group, err));
    TRY(put_output(p, c.group, anchor, &c.anchor, err));
    panel_item_at(p, c.group, c.anchor)->anchor = true;
    TRY(put_output(p, c.group, said, &c.item, err));
    TRY(array_grow(&p->cells, &p->cells_capacity, p->n_cells, sizeof c, err));
    p->cells[p->n_cells++] = c;
    return 0;
}

int panel_decision_key(const panel *p, uint64_t run, char key[SHA256_HEX], error *err)
{
    text t = {0};
    int rc =
        text_add_format(&t, err, "people 1\nrun %llu\n%s %zu\n", (unsigned long long)run,
                        p->question, p->experiment->people.ratings);
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

/* Numbering of names; lists of ratings and comparisons. */
#include "ratings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

static uint64_t hash_name(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return seed_mix(h, 0);
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t find_slot(const name_index *x, const char *name)
{
    size_t i = hash_name(name) & (x->n_slots - 1);
    while (x->slots[i] && strcmp(x->names[x->slots[i] - 1], name) != 0)
        i = (i + 1) & (x->n_slots - 1);
    return i;
}

/* At most half of the slots are taken. */
static int grow_slots(name_index *x, error *err)
{
    if (x->n_slots > 2 * x->n)
        return 0;
    size_t wanted = x->n_slots ? 2 * x->n_slots : 64;
    size_t *slots = array_new(wanted, sizeof *slots);
    if (!slots)
        return error_memory(err, wanted * sizeof *slots);
    free(x->slots);
    x->slots = slots;
    x->n_slots = wanted;
    for (size_t i = 0; i < x->n; i++)
        x->slots[find_slot(x, x->names[i])] = i + 1;
    return 0;
}

int name_index_add(name_index *x, const char *name, size_t *number, error *err)
{
    TRY(grow_slots(x, err));
    size_t slot = find_slot(x, name);
    if (!x->slots[slot]) {
        TRY(array_grow(&x->names, &x->capacity, x->n, sizeof *x->names, err));
        char *copy = string_copy(name);
        if (!copy)
            return error_memory(err, strlen(name) + 1);
        x->names[x->n++] = copy;
        x->slots[slot] = x->n;
    }
    *number = x->slots[slot] - 1;
    return 0;
}

size_t name_index_find(const name_index *x, const char *name)
{
    if (x->n == 0)
        return 0;
    size_t number = x->slots[find_slot(x, name)];
    return number ? number - 1 : x->n;
}

void name_index_free(name_index *x)
{
    for (size_t i = 0; i < x->n; i++)
        free(x->names[i]);
    free(x->names);
    free(x->slots);
    *x = (name_index){0};
}

/* ---- Ratings ---- */

/* strtod in the C locale, which main sets; hexadecimal, "inf" and "nan" are no ratings.
 * Blanks around a number are none of it. */
static double number_of(const char *s)
{
    static const char blanks[] = " \t";
    char *end;
    s += strspn(s, blanks);
    size_t n = strspn(s, "+-.0123456789eE");
    if (n == 0 || s[n + strspn(s + n, blanks)])
        return NAN;
    double value = strtod(s, &end);
    return end != s + n || !isfinite(value) ? (double)NAN : value;
}

int ratings_add(ratings *r, const char *item, const char *rater, const char *label,
                size_t place, error *err)
{
    rating x = {.value = number_of(label), .place = place};
    TRY(name_index_add(&r->items, item, &x.item, err));
    TRY(name_index_add(&r->raters, rater, &x.rater, err));
    TRY(name_index_add(&r->labels, label, &x.label, err));
    TRY(array_grow(&r->list, &r->capacity, r->n, sizeof *r->list, err));
    r->list[r->n++] = x;
    return 0;
}

static int compare_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int by_item(const void *pa, const void *pb)
{
    const rating *a = pa, *b = pb;
    int c = compare_sizes(a->item, b->item);
    if (c == 0)
        c = compare_sizes(a->rater, b->rater);
    return c ? c : compare_sizes(a->place, b->place);
}

static bool is_repeat(const rating *a, const rating *b)
{
    return a->item == b->item && a->rater == b->rater;
}

int ratings_finish(ratings *r, repeat_rule rule, size_t *n_dropped, error *err)
{
    if (r->n)
        qsort(r->list, r->n, sizeof *r->list, by_item);
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        const rating *x = &r->list[i];
        bool repeat = kept && is_repeat(&r->list[kept - 1], x);
        if (repeat && rule == REPEAT_ERROR)
            return error_set(err, E_FORMAT,
                             "line %zu: rater \"%.60s\" rates item \"%.60s\" again, "
                             "after line %zu",
                             x->place, r->raters.names[x->rater], r->items.names[x->item],
                             r->list[kept - 1].place);
        if (!repeat)
            r->list[kept++] = *x;
        else if (rule == REPEAT_LAST)
            r->list[kept - 1] = *x;
    }
    *n_dropped = r->n - kept;
    r->n = kept;
    return 0;
}

int ratings_check_numbers(const ratings *r, error *err)
{
    const rating *first = NULL;
    for (size_t i = 0; i < r->n; i++)
        if (isnan(r->list[i].value) && (!first || r->list[i].place < first->place))
            first = &r->list[i];
    if (!first)
        return 0;
    return error_set(err, E_FORMAT,
                     "line %zu: the value \"%.60s\" is not a number, and this method "
                     "needs numbers",
                     first->place, r->labels.names[first->label]);
}

typedef struct ranked_label {
    const char *name;
    double value;
    size_t label;
} ranked_label;

static int by_value(const void *pa, const void *pb)
{
    const ranked_label *a = pa, *b = pb;
    int c = (a->value > b->value) - (a->value < b->value);
    return c ? c : strcmp(a->name, b->name);
}

int ratings_label_order(const ratings *r, size_t **order, error *err)
{
    size_t n = r->labels.n;
    ranked_label *all = array_new(n, sizeof *all);
    size_t *out = array_new(n, sizeof *out);
    if (!all || !out) {
        free(all);
        free(out);
        return error_memory(err, n * sizeof *all);
    }
    bool numbers = true;
    for (size_t i = 0; i < n; i++) {
        all[i] = (ranked_label){r->labels.names[i], number_of(r->labels.names[i]), i};
        numbers = numbers && !isnan(all[i].value);
    }
    for (size_t i = 0; i < n && !numbers; i++)
        all[i].value = 0;
    if (n)
        qsort(all, n, sizeof *all, by_value);
    for (size_t i = 0; i < n; i++)
        out[i] = all[i].label;
    free(all);
    *order = out;
    return 0;
}

void ratings_free(ratings *r)
{
    name_index_free(&r->items);
    name_index_free(&r->raters);
    name_index_free(&r->labels);
    free(r->list);
    *r = (ratings){0};
}

/* ---- Comparisons ---- */

int comparisons_add(comparisons *c, const char *winner, const char *loser,
                    const char *rater, bool tie, error *err)
{
    comparison x = {.tie = tie};
    TRY(name_index_add(&c->items, winner, &x.winner, err));
    TRY(name_index_add(&c->items, loser, &x.loser, err));
    TRY(name_index_add(&c->raters, rater, &x.rater, err));
    if (x.winner == x.loser)
        return error_set(err, E_FORMAT, "item \"%.60s\" is compared with itself", winner);
    TRY(array_grow(&c->list, &c->capacity, c->n, sizeof *c->list, err));
    c->list[c->n++] = x;
    return 0;
}

void comparisons_free(comparisons *c)
{
    name_index_free(&c->items);
    name_index_free(&c->raters);
    free(c->list);
    *c = (comparisons){0};
}

/* Who is shown to people: the promising, whole candidates, since they may be selected;
 * and single outputs that the reward is in doubt about, since there it has to learn. */
#include "surrogate_parts.h"

#include <math.h>
#include <stdlib.h>

/* A candidate of the batch. */
typedef struct rival {
    size_t first, n; /* its cells */
    size_t open;     /* of them, those that cost ratings */
    double promise;
} rival;

static int by_promise(const void *pa, const void *pb)
{
    const rival *a = pa, *b = pb;
    if (a->promise != b->promise)
        return a->promise < b->promise ? 1 : -1;
    return (a->first > b->first) - (a->first < b->first);
}

/* New; cells of a candidate stand together. */
static int list_rivals(const surrogate_cell *cells, size_t n, rival **out, size_t *count,
                       error *err)
{
    rival *list = array_new(n, sizeof *list);
    if (!list)
        return error_memory(err, n * sizeof *list);
    *count = 0;
    for (size_t k = 0; k < n; k++) {
        bool begins = k == 0 || cells[k].candidate != cells[k - 1].candidate;
        if (begins)
            list[(*count)++] = (rival){.first = k};
        rival *r = &list[*count - 1];
        r->n++;
        r->open += surrogate_is_open(&cells[k]);
        r->promise += cells[k].score;
    }
    for (size_t i = 0; i < *count; i++)
        list[i].promise =
            list[i].promise / (double)list[i].n - cells[list[i].first].penalty;
    qsort(list, *count, sizeof *list, by_promise);
    *out = list;
    return 0;
}

/* Whole candidates, as many as fit into `most` open cells; the first whatever it takes.
 * Returns how many cells that are. */
static size_t show_promising(surrogate_cell *cells, const rival *list, size_t n,
                             size_t most)
{
    size_t shown = 0;
    for (size_t i = 0; i < n; i++) {
        if (shown > 0 && shown + list[i].open > most)
            continue;
        for (size_t k = 0; k < list[i].n; k++)
            cells[list[i].first + k].shown = true;
        shown += list[i].open;
    }
    return shown;
}

/* The one that is in most doubt, n if there is none. */
static size_t most_doubtful(const surrogate_cell *cells, size_t n)
{
    size_t best = n;
    for (size_t k = 0; k < n; k++)
        if (!cells[k].shown && surrogate_is_open(&cells[k]) &&
            (best == n || cells[k].doubt > cells[best].doubt))
            best = k;
    return best;
}

/* What is the same text costs no more, and has one score. */
static void show_twins(surrogate_cell *cells, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (!surrogate_is_open(&cells[k]))
            cells[k].shown = true;
        for (size_t i = 0; !cells[k].shown && i < n; i++)
            cells[k].shown = cells[i].shown && cells[i].text == cells[k].text;
    }
}

int surrogate_pick(const surrogate_plan *how, surrogate_cell *cells, size_t n, error *err)
{
    rival *list = NULL;
    size_t count = 0, open = 0;
    TRY(list_rivals(cells, n, &list, &count, err));
    for (size_t k = 0; k < n; k++) {
        cells[k].shown = false;
        open += surrogate_is_open(&cells[k]);
    }
    size_t most = (size_t)ceil(how->share * (double)open - 1e-9);
    size_t doubtful = (size_t)floor(how->uncertain * (double)most + 1e-9);
    size_t shown = show_promising(cells, list, count, most - doubtful);
    for (size_t k; shown < most && (k = most_doubtful(cells, n)) < n; shown++)
        cells[k].shown = true;
    show_twins(cells, n);
    free(list);
    return 0;
}

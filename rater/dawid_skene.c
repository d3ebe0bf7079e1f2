/* Dawid-Skene: memory, then iterations, then errors. */
#include "dawid_skene.h"

#include <stdlib.h>

#include "dawid_skene_em.h"
#include "dawid_skene_se.h"

/* The posteriors and confusion matrices in memory: a table with a column of free text
 * taken for categories should fail soon. */
enum { MAX_CLASSES = 1000, MAX_CELLS = 1 << 26 };

static int alloc(dawid_skene *d, const ratings *r, error *err)
{
    size_t c = r->labels.n;
    if (c > MAX_CLASSES)
        return error_set(err, E_LIMIT, "%zu categories are over the limit of %d", c,
                         MAX_CLASSES);
    if (r->raters.n * c * c > MAX_CELLS || r->items.n * c > MAX_CELLS)
        return error_set(err, E_LIMIT,
                         "%zu items and %zu raters with %zu categories are over the "
                         "limit of %d cells",
                         r->items.n, r->raters.n, c, MAX_CELLS);
    d->n_classes = c;
    TRY(ratings_label_order(r, &d->order, err));
    d->share = array_new(c, sizeof(double));
    d->share_se = array_new(c, sizeof(double));
    d->posterior = array_new(r->items.n * c, sizeof(double));
    d->confusion = array_new(r->raters.n * c * c, sizeof(double));
    d->confusion_se = array_new(r->raters.n * c * c, sizeof(double));
    if (!d->share || !d->share_se || !d->posterior || !d->confusion || !d->confusion_se)
        return error_memory(err, r->raters.n * c * c * sizeof(double));
    return 0;
}

int dawid_skene_fit(dawid_skene *out, const ratings *r, const dawid_skene_options *o,
                    error *err)
{
    if (!(o->smoothing >= 0) || o->max_iterations == 0)
        return error_set(err, E_ARGUMENT, "smoothing %g or %zu iterations make no sense",
                         o->smoothing, o->max_iterations);
    if (r->n == 0)
        return error_set(err, E_FORMAT, "there are no ratings");
    dawid_skene d = {0};
    size_t *class_of = array_new(r->labels.n, sizeof *class_of);
    int rc = class_of ? alloc(&d, r, err) : error_memory(err, r->labels.n);
    for (size_t k = 0; rc == 0 && k < d.n_classes; k++)
        class_of[d.order[k]] = k;
    if (rc == 0)
        rc = dawid_skene_iterate(&d, r, o, class_of, err);
    if (rc == 0)
        rc = dawid_skene_errors(&d, r, class_of, o->smoothing, err);
    free(class_of);
    if (rc < 0)
        dawid_skene_free(&d);
    else
        *out = d;
    return rc;
}

void dawid_skene_free(dawid_skene *d)
{
    free(d->order);
    free(d->share);
    free(d->share_se);
    free(d->posterior);
    free(d->confusion);
    free(d->confusion_se);
    *d = (dawid_skene){0};
}

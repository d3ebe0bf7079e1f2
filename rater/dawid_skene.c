/* Dawid-Skene by expectation-maximisation. */
#include "dawid_skene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void begin_with_votes(dawid_skene *d, const ratings *r, const size_t *class_of)
{
    size_t c = d->n_classes;
    for (size_t i = 0, end; i < r->n; i = end) {
        double *q = d->posterior + r->list[i].item * c;
        for (end = i; end < r->n && r->list[end].item == r->list[i].item; end++)
            q[class_of[r->list[end].label]]++;
        for (size_t z = 0; z < c; z++)
            q[z] /= (double)(end - i);
    }
}

static void maximise(dawid_skene *d, const ratings *r, const size_t *class_of,
                     double smoothing)
{
    size_t c = d->n_classes, n_cells = r->raters.n * c * c;
    memset(d->share, 0, c * sizeof *d->share);
    for (size_t i = 0; i < r->items.n; i++)
        for (size_t z = 0; z < c; z++)
            d->share[z] += d->posterior[i * c + z] / (double)r->items.n;
    for (size_t k = 0; k < n_cells; k++)
        d->confusion[k] = smoothing;
    for (size_t i = 0; i < r->n; i++) {
        const rating *x = &r->list[i];
        double *cells = d->confusion + x->rater * c * c + class_of[x->label];
        for (size_t z = 0; z < c; z++)
            cells[z * c] += d->posterior[x->item * c + z];
    }
    for (size_t row = 0; row < r->raters.n * c; row++) {
        double *cells = d->confusion + row * c, sum = 0;
        for (size_t l = 0; l < c; l++)
            sum += cells[l];
        for (size_t l = 0; l < c; l++) /* a truth that this rater never met: no opinion */
            cells[l] = sum > 0 ? cells[l] / sum : 1 / (double)c;
    }
}

/* One item's posterior from its log weights; returns the log of their sum. */
static double normalise(double *q, size_t c)
{
    double most = q[0], sum = 0;
    for (size_t z = 1; z < c; z++)
        most = fmax(most, q[z]);
    for (size_t z = 0; z < c; z++) {
        q[z] = exp(q[z] - most);
        sum += q[z];
    }
    for (size_t z = 0; z < c; z++)
        q[z] /= sum;
    return most + log(sum);
}

/* New posteriors; the log-likelihood and the largest change of any. `logs` (C) and
 * `log_confusion` are scratch. */
static double expect(dawid_skene *d, const ratings *r, const size_t *class_of,
                     double *log_confusion, double *q, double *change)
{
    size_t c = d->n_classes, n_cells = r->raters.n * c * c;
    for (size_t k = 0; k < n_cells; k++)
        log_confusion[k] = log(d->confusion[k]);
    double sum = 0;
    *change = 0;
    for (size_t i = 0, end; i < r->n; i = end) {
        double *old = d->posterior + r->list[i].item * c;
        for (size_t z = 0; z < c; z++)
            q[z] = log(d->share[z]);
        for (end = i; end < r->n && r->list[end].item == r->list[i].item; end++)
            for (size_t z = 0; z < c; z++)
                q[z] += log_confusion[r->list[end].rater * c * c + z * c +
                                      class_of[r->list[end].label]];
        sum += normalise(q, c);
        for (size_t z = 0; z < c; z++) {
            *change = fmax(*change, fabs(q[z] - old[z]));
            old[z] = q[z];
        }
    }
    return sum;
}

static int iterate(dawid_skene *d, const ratings *r, const dawid_skene_options *o,
                   const size_t *class_of, error *err)
{
    size_t n_cells = r->raters.n * d->n_classes * d->n_classes;
    double *logs = array_new(n_cells + d->n_classes, sizeof *logs), change;
    if (!logs)
        return error_memory(err, n_cells * sizeof *logs);
    begin_with_votes(d, r, class_of);
    while (!d->converged && d->n_iterations < o->max_iterations) {
        maximise(d, r, class_of, o->smoothing);
        d->log_likelihood = expect(d, r, class_of, logs, logs + n_cells, &change);
        d->n_iterations++;
        d->converged = change <= o->tolerance;
    }
    maximise(d, r, class_of, o->smoothing);
    free(logs);
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
        rc = iterate(&d, r, o, class_of, err);
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

/* The maximum that votes lead to: expectation-maximisation, accelerated.
 *
 * EM creeps where raters hardly tell two classes apart. So of two steps a third point is
 * made on the line through them (SqS3 of Varadhan & Roland 2008, Scandinavian Journal of
 * Statistics 35, 335-353):
 *
 *   r = x1 - x0,  v = (x2 - x1) - r,  a = -|r| / |v|,  x = x0 - 2 a r + a^2 v
 *
 * and is kept only if the objective (log-likelihood, plus the prior of smoothing) is not
 * below that of x1; else x2 is, which EM guarantees. So it never falls, and where it ends
 * is a fixed point of plain EM.
 *
 * Only answers that a rater gave have a row of their own: (row, truth) cells. With
 * smoothing, those that he never gave share one row of equal cells. */
#include "dawid_skene_em.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The likelihood has several maxima, and a jump early on, however short, may lead to
 * another than plain steps from the votes, which other programs take: these come first,
 * and only what has not converged after them is accelerated. */
enum { PLAIN_STEPS = 2500 };
/* Of expected answers in a cell, and of a class's share. A cell that no first vote
 * supports would stay at zero for ever, however likely: from here it can grow. */
static const double floor_of_cells = 1e-10;
static const double first_longest = 4, growth = 4;

typedef struct em {
    const ratings *r;
    dawid_skene *d;
    double smoothing;
    size_t c, n_rows, n_values; /* n_values: shares, then n_rows x c cells */
    size_t *row;                /* (ratings): row of this rater and answer */
    size_t *first;              /* (raters + 1): the rows of a rater */
    size_t *answer;             /* (rows): class, or c: all that he never gave */
    size_t *like; /* (rows): cells of a confusion matrix that it stands for */
    double *logs, *q;
    double *x[3];
    double longest;
} em;

static void em_close(em *e)
{
    free(e->row);
    free(e->first);
    free(e->answer);
    free(e->like);
    free(e->logs);
    free(e->q);
    for (size_t k = 0; k < 3; k++)
        free(e->x[k]);
}

/* ---- Rows ---- */

/* seen[rater * c + answer]: row + 1, or 0 */
static int number_rows(em *e, const size_t *class_of, size_t *seen, error *err)
{
    size_t capacity = 0, like_capacity = 0, n = 0;
    const ratings *r = e->r;
    for (size_t i = 0; i < r->n; i++)
        seen[r->list[i].rater * e->c + class_of[r->list[i].label]] = 1;
    for (size_t k = 0; k < r->raters.n; k++) {
        e->first[k] = n;
        size_t unused = 0;
        for (size_t l = 0; l <= e->c; l++) {
            bool is_rest = l == e->c;
            if (is_rest ? !unused || e->smoothing <= 0 : !seen[k * e->c + l]) {
                unused++;
                continue;
            }
            TRY(array_grow(&e->answer, &capacity, n, sizeof *e->answer, err));
            TRY(array_grow(&e->like, &like_capacity, n, sizeof *e->like, err));
            e->answer[n] = l;
            e->like[n++] = is_rest ? unused : 1;
            if (!is_rest)
                seen[k * e->c + l] = n;
        }
    }
    e->first[r->raters.n] = e->n_rows = n;
    for (size_t i = 0; i < r->n; i++)
        e->row[i] = seen[r->list[i].rater * e->c + class_of[r->list[i].label]] - 1;
    return 0;
}

static int em_open(em *e, const size_t *class_of, error *err)
{
    const ratings *r = e->r;
    size_t *seen = array_new(r->raters.n * e->c, sizeof *seen);
    e->row = array_new(r->n, sizeof *e->row);
    e->first = array_new(r->raters.n + 1, sizeof *e->first);
    int rc = seen && e->row && e->first ? number_rows(e, class_of, seen, err)
                                        : error_memory(err, r->n * sizeof *e->row);
    free(seen);
    TRY(rc);
    e->n_values = (1 + e->n_rows) * e->c;
    e->logs = array_new(e->n_values, sizeof *e->logs);
    e->q = array_new(e->c, sizeof *e->q);
    for (size_t k = 0; k < 3; k++)
        e->x[k] = array_new(e->n_values, sizeof *e->x[k]);
    if (!e->logs || !e->q || !e->x[0] || !e->x[1] || !e->x[2])
        return error_memory(err, e->n_values * sizeof *e->logs);
    return 0;
}

/* ---- Steps ---- */

static void begin_with_votes(em *e, const size_t *class_of)
{
    const rating *list = e->r->list;
    for (size_t i = 0, end; i < e->r->n; i = end) {
        double *q = e->d->posterior + list[i].item * e->c;
        for (end = i; end < e->r->n && list[end].item == list[i].item; end++)
            q[class_of[list[end].label]]++;
        for (size_t z = 0; z < e->c; z++)
            q[z] /= (double)(end - i);
    }
}

/* A rater's cells add up to 1 for each truth; one that he never met says nothing of him:
 * all that he ever answers is as likely. */
static void scale_rater(const em *e, double *cells, size_t rater)
{
    size_t from = e->first[rater], to = e->first[rater + 1];
    for (size_t z = 0; z < e->c; z++) {
        double sum = 0;
        for (size_t k = from; k < to; k++)
            sum += (double)e->like[k] * cells[k * e->c + z];
        for (size_t k = from; k < to; k++)
            cells[k * e->c + z] /= sum;
    }
}

static void maximise(const em *e, double *x)
{
    double *cells = x + e->c;
    memset(x, 0, e->c * sizeof *x);
    for (size_t i = 0; i < e->r->items.n; i++)
        for (size_t z = 0; z < e->c; z++)
            x[z] += e->d->posterior[i * e->c + z];
    for (size_t z = 0; z < e->c; z++)
        x[z] = fmax(x[z] / (double)e->r->items.n, floor_of_cells);
    for (size_t k = 0; k < e->n_rows * e->c; k++)
        cells[k] = e->smoothing;
    for (size_t i = 0; i < e->r->n; i++) {
        const double *q = e->d->posterior + e->r->list[i].item * e->c;
        double *row = cells + e->row[i] * e->c;
        for (size_t z = 0; z < e->c; z++)
            row[z] += q[z];
    }
    for (size_t k = 0; k < e->n_rows * e->c; k++)
        cells[k] = cells[k] > floor_of_cells ? cells[k] : floor_of_cells;
    for (size_t k = 0; k < e->r->raters.n; k++)
        scale_rater(e, cells, k);
}

/* One item's posterior from its log weights; returns the log of their sum. */
static double normalise(double *q, size_t c)
{
    double most = q[0], sum = 0;
    for (size_t z = 1; z < c; z++)
        most = q[z] > most ? q[z] : most;
    for (size_t z = 0; z < c; z++) {
        q[z] = exp(q[z] - most);
        sum += q[z];
    }
    for (size_t z = 0; z < c; z++)
        q[z] /= sum;
    return most + log(sum);
}

/* Posteriors at x, and the log-likelihood; returns the objective. *change: the largest of
 * any posterior. */
static double expect(em *e, const double *x, double *change)
{
    size_t c = e->c;
    double sum = 0, prior = 0;
    const rating *list = e->r->list;
    for (size_t k = 0; k < e->n_values; k++)
        e->logs[k] = log(x[k]);
    for (size_t k = 0; e->smoothing > 0 && k < e->n_rows; k++)
        for (size_t z = 0; z < c; z++)
            prior += e->smoothing * (double)e->like[k] * e->logs[(1 + k) * c + z];
    *change = 0;
    for (size_t i = 0, end; i < e->r->n; i = end) {
        double *old = e->d->posterior + list[i].item * c;
        memcpy(e->q, e->logs, c * sizeof *e->q);
        for (end = i; end < e->r->n && list[end].item == list[i].item; end++) {
            const double *row = e->logs + (1 + e->row[end]) * c;
            for (size_t z = 0; z < c; z++)
                e->q[z] += row[z];
        }
        sum += normalise(e->q, c);
        for (size_t z = 0; z < c; z++) {
            double moved = fabs(e->q[z] - old[z]);
            *change = moved > *change ? moved : *change; /* fmax() is a call */
            old[z] = e->q[z];
        }
    }
    e->d->log_likelihood = sum;
    e->d->n_iterations++;
    return sum + prior;
}

/* ---- Jumps ---- */

/* Into x[0], from x[0..3): the point beyond. A cell keeps a tenth of what EM gives it, so
 * that none is at zero, which EM never leaves. False: there is none beyond x[2]. */
static bool jump(em *e, double *length)
{
    double rr = 0, vv = 0, *x0 = e->x[0], *x1 = e->x[1], *x2 = e->x[2];
    for (size_t k = 0; k < e->n_values; k++) {
        double r = x1[k] - x0[k], v = x2[k] - x1[k] - r;
        rr += r * r;
        vv += v * v;
    }
    double a = vv > 0 ? sqrt(rr / vv) : 1;
    *length = a = fmin(a, e->longest);
    if (!(a > 1))
        return false;
    for (size_t k = 0; k < e->n_values; k++) {
        double r = x1[k] - x0[k], v = x2[k] - x1[k] - r;
        x0[k] = fmax(x0[k] + 2 * a * r + a * a * v, x2[k] / 10);
    }
    double sum = 0;
    for (size_t z = 0; z < e->c; z++)
        sum += x0[z];
    for (size_t z = 0; z < e->c; z++)
        x0[z] /= sum;
    for (size_t k = 0; k < e->r->raters.n; k++)
        scale_rater(e, x0 + e->c, k);
    return true;
}

static void take(em *e, size_t from)
{
    double *x = e->x[0];
    e->x[0] = e->x[from];
    e->x[from] = x;
}

/* After x[1], which has `objective`: x[2] and what is beyond it. */
static void accelerate(em *e, double objective)
{
    double length, change;
    maximise(e, e->x[2]);
    if (!jump(e, &length)) {
        take(e, 2);
        expect(e, e->x[0], &change);
        return;
    }
    if (expect(e, e->x[0], &change) >= objective) {
        if (length >= e->longest)
            e->longest *= growth;
        return;
    }
    take(e, 2);
    expect(e, e->x[0], &change);
    e->longest = fmax(length / growth, first_longest);
}

/* The confusion matrices of the posteriors, all cells. */
static void tell(em *e)
{
    dawid_skene *d = e->d;
    maximise(e, e->x[0]);
    memcpy(d->share, e->x[0], e->c * sizeof *d->share);
    for (size_t k = 0; k < e->r->raters.n; k++) {
        double *confusion = d->confusion + k * e->c * e->c;
        size_t last = e->first[k + 1] - 1;
        for (size_t z = 0; e->answer[last] == e->c && z < e->c; z++)
            for (size_t l = 0; l < e->c; l++)
                confusion[z * e->c + l] = e->x[0][(1 + last) * e->c + z];
        for (size_t row = e->first[k]; row <= last; row++)
            for (size_t z = 0; e->answer[row] < e->c && z < e->c; z++)
                confusion[z * e->c + e->answer[row]] = e->x[0][(1 + row) * e->c + z];
    }
}

int dawid_skene_iterate(dawid_skene *d, const ratings *r, const dawid_skene_options *o,
                        const size_t *class_of, error *err)
{
    em e = {.r = r,
            .d = d,
            .smoothing = o->smoothing,
            .c = d->n_classes,
            .longest = first_longest};
    double change;
    int rc = em_open(&e, class_of, err);
    if (rc == 0) {
        begin_with_votes(&e, class_of);
        maximise(&e, e.x[0]);
        expect(&e, e.x[0], &change);
        d->converged = change <= o->tolerance;
        while (!d->converged && d->n_iterations < o->max_iterations) {
            maximise(&e, e.x[1]);
            double objective = expect(&e, e.x[1], &change);
            d->converged = change <= o->tolerance;
            if (d->converged)
                break;
            if (d->n_iterations < PLAIN_STEPS)
                take(&e, 1);
            else
                accelerate(&e, objective);
        }
        tell(&e);
    }
    em_close(&e);
    return rc;
}

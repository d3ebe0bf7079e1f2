/* The observed information of class shares and confusion matrices.
 *
 * Each row of probabilities (the shares; each rater's answers to one truth) sums to 1, so
 * its largest cell is the reference, 1 minus the others, and the free parameters are the
 * other cells strictly between 0 and 1. With g_z the gradient of the log probability of
 * an item's ratings and truth z, the item adds
 *
 *   sum_z q_z (-H_z - g_z g_z') + s s',   s = sum_z q_z g_z      (Louis 1982, eq. 3.2')
 *
 * where each answer adds 1/e^2 on the diagonal of -H_z, or, for a reference cell,
 * 1/e^2 on the whole block of its row. */
#include "dawid_skene_se.h"

#include <math.h>
#include <stdlib.h>

#include "dense.h"

/* A cell below this is at its limit: EM only comes near to zero. */
static const double at_limit = 1e-7;

typedef struct layout {
    size_t c, n_rows;  /* row 0: the shares; then rater by rater, truth by truth */
    size_t *parameter; /* (n_rows, c): its number, or NONE */
    size_t *reference; /* (n_rows) */
    size_t n;
} layout;

static const size_t none = SIZE_MAX;

static double *row_of(const dawid_skene *d, size_t row)
{
    return row ? d->confusion + (row - 1) * d->n_classes : d->share;
}

/* Rows of truths that a rater hardly met say nothing; they stay out. */
static void number_row(layout *l, const double *cells, size_t row, double weight)
{
    size_t *parameter = l->parameter + row * l->c, best = 0;
    for (size_t k = 1; k < l->c; k++)
        if (cells[k] > cells[best])
            best = k;
    l->reference[row] = best;
    for (size_t k = 0; k < l->c; k++) {
        bool is_free = k != best && weight > at_limit && cells[k] > at_limit;
        parameter[k] = is_free ? l->n++ : none;
    }
}

static void layout_close(layout *l)
{
    free(l->parameter);
    free(l->reference);
}

static int layout_open(layout *l, const dawid_skene *d, const ratings *r, error *err)
{
    l->c = d->n_classes;
    l->n_rows = 1 + r->raters.n * l->c;
    l->parameter = array_new(l->n_rows * l->c, sizeof *l->parameter);
    l->reference = array_new(l->n_rows, sizeof *l->reference);
    double *weight = array_new(l->n_rows, sizeof *weight);
    if (!l->parameter || !l->reference || !weight) {
        free(weight);
        return error_memory(err, l->n_rows * l->c * sizeof *l->parameter);
    }
    weight[0] = 1;
    for (size_t i = 0; i < r->n; i++)
        for (size_t z = 0; z < l->c; z++)
            weight[1 + r->list[i].rater * l->c + z] +=
                d->posterior[r->list[i].item * l->c + z];
    for (size_t row = 0; row < l->n_rows; row++)
        number_row(l, row_of(d, row), row, weight[row]);
    free(weight);
    return 0;
}

/* A sparse gradient: (parameter, value) pairs. */
typedef struct gradient {
    size_t *at;
    double *value;
    size_t n;
} gradient;

/* One answer: its share of g_z into *g, of -H_z times q into the information. */
static void add_answer(const layout *l, const dawid_skene *d, gsl_matrix *info,
                       gradient *g, size_t row, size_t answer, double q)
{
    const size_t *parameter = l->parameter + row * l->c;
    double p = row_of(d, row)[answer];
    if (parameter[answer] != none) {
        g->at[g->n] = parameter[answer];
        g->value[g->n++] = 1 / p;
        dense_add(info, parameter[answer], parameter[answer], q / (p * p));
        return;
    }
    if (answer != l->reference[row])
        return; /* held at its limit */
    for (size_t a = 0; a < l->c; a++) {
        if (parameter[a] == none)
            continue;
        g->at[g->n] = parameter[a];
        g->value[g->n++] = -1 / p;
        for (size_t b = 0; b < l->c; b++)
            if (parameter[b] != none)
                dense_add(info, parameter[a], parameter[b], q / (p * p));
    }
}

static void add_product(gsl_matrix *info, const gradient *g, double factor)
{
    for (size_t a = 0; a < g->n; a++)
        for (size_t b = 0; b < g->n; b++)
            dense_add(info, g->at[a], g->at[b], factor * g->value[a] * g->value[b]);
}

/* The ratings x[0..n) of one item. `g` and `score` have room for all their cells. */
static void add_item(const layout *l, const dawid_skene *d, const size_t *class_of,
                     const rating *x, size_t n, gsl_matrix *info, gradient *g,
                     gradient *score)
{
    const double *posterior = d->posterior + x->item * l->c;
    score->n = 0;
    for (size_t z = 0; z < l->c; z++) {
        double q = posterior[z];
        if (q < 1e-12)
            continue;
        g->n = 0;
        add_answer(l, d, info, g, 0, z, q);
        for (size_t i = 0; i < n; i++)
            add_answer(l, d, info, g, 1 + x[i].rater * l->c + z, class_of[x[i].label], q);
        add_product(info, g, -q);
        for (size_t k = 0; k < g->n; k++, score->n++) {
            score->at[score->n] = g->at[k];
            score->value[score->n] = q * g->value[k];
        }
    }
    add_product(info, score, 1);
}

/* The prior's part: smoothing virtual answers in each cell of a confusion matrix. */
static void add_smoothing(const layout *l, const dawid_skene *d, gsl_matrix *info,
                          gradient *g, double smoothing)
{
    for (size_t row = 1; smoothing > 0 && row < l->n_rows; row++)
        for (size_t k = 0; k < l->c; k++) {
            g->n = 0;
            add_answer(l, d, info, g, row, k, smoothing);
        }
}

static int add_items(const layout *l, const dawid_skene *d, const ratings *r,
                     const size_t *class_of, double smoothing, gsl_matrix *info,
                     error *err)
{
    size_t most = 0, end;
    for (size_t i = 0; i < r->n; i = end) {
        for (end = i; end < r->n && r->list[end].item == r->list[i].item;)
            end++;
        most = end - i > most ? end - i : most;
    }
    size_t room = (most + 1) * l->c;
    gradient g = {array_new(room, sizeof(size_t)), array_new(room, sizeof(double)), 0};
    gradient score = {array_new(room * l->c, sizeof(size_t)),
                      array_new(room * l->c, sizeof(double)), 0};
    bool ok = g.at && g.value && score.at && score.value;
    for (size_t i = 0; ok && i < r->n; i = end) {
        for (end = i; end < r->n && r->list[end].item == r->list[i].item;)
            end++;
        add_item(l, d, class_of, r->list + i, end - i, info, &g, &score);
    }
    if (ok)
        add_smoothing(l, d, info, &g, smoothing);
    free(g.at);
    free(g.value);
    free(score.at);
    free(score.value);
    return ok ? 0 : error_memory(err, room * l->c * sizeof(double));
}

/* Of a row: free cells have their own variance, the reference that of their sum. */
static void spread_row(const layout *l, const gsl_matrix *covariance, size_t row,
                       double *se)
{
    const size_t *parameter = l->parameter + row * l->c;
    double sum = 0;
    bool any = false;
    for (size_t a = 0; a < l->c; a++) {
        se[a] = NAN;
        if (parameter[a] == none)
            continue;
        any = true;
        se[a] = sqrt(dense_at(covariance, parameter[a], parameter[a]));
        for (size_t b = 0; b < l->c; b++)
            if (parameter[b] != none)
                sum += dense_at(covariance, parameter[a], parameter[b]);
    }
    if (any)
        se[l->reference[row]] = sqrt(fmax(0, sum));
}

static void no_errors(dawid_skene *d, const layout *l, const char *why)
{
    d->no_se = why;
    for (size_t k = 0; k < l->c; k++)
        d->share_se[k] = NAN;
    for (size_t k = 0; k < (l->n_rows - 1) * l->c; k++)
        d->confusion_se[k] = NAN;
}

int dawid_skene_errors(dawid_skene *d, const ratings *r, const size_t *class_of,
                       double smoothing, error *err)
{
    layout l = {0};
    gsl_matrix *info = NULL;
    int rc;
    TRY_OUT(rc, layout_open(&l, d, r, err));
    if (l.n > DAWID_SKENE_MAX_SE) {
        no_errors(d, &l, "too many parameters for an information matrix");
        goto out;
    }
    TRY_OUT(rc, dense_new(&info, l.n, "free parameters", err));
    TRY_OUT(rc, add_items(&l, d, r, class_of, smoothing, info, err));
    if (l.n > 0 &&
        (dense_factor(info, NULL) < 0 || dense_invert_factor(info, NULL) < 0)) {
        no_errors(d, &l, "the ratings do not determine all parameters");
        goto out;
    }
    for (size_t row = 0; row < l.n_rows; row++)
        spread_row(&l, info, row, row ? d->confusion_se + (row - 1) * l.c : d->share_se);
out:
    gsl_matrix_free(info);
    layout_close(&l);
    return rc;
}

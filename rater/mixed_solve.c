/* Henderson's equations, the longer side eliminated. */
#include "mixed_solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t long_of(const solver *s, const rating *x)
{
    return s->items_long ? x->item : x->rater;
}

static size_t short_of(const solver *s, const rating *x)
{
    return s->items_long ? x->rater : x->item;
}

/* Put the ratings' indices in order of the long side. */
static int index_long(solver *s, error *err)
{
    const ratings *r = s->r;
    s->begin = array_new(s->n_long + 2, sizeof *s->begin);
    s->at = array_new(r->n, sizeof *s->at);
    s->other = array_new(r->n, sizeof *s->other);
    if (!s->begin || !s->at || !s->other)
        return error_memory(err, r->n * sizeof *s->at);
    for (size_t i = 0; i < r->n; i++)
        s->begin[long_of(s, &r->list[i]) + 2]++;
    for (size_t i = 0; i < s->n_long; i++)
        s->begin[i + 2] += s->begin[i + 1];
    for (size_t i = 0; i < r->n; i++)
        s->at[s->begin[long_of(s, &r->list[i]) + 1]++] = i;
    for (size_t i = 0; i < r->n; i++)
        s->other[i] = short_of(s, &r->list[s->at[i]]);
    return 0;
}

int solver_open(solver *s, const ratings *r, error *err)
{
    *s = (solver){.r = r, .items_long = r->items.n >= r->raters.n};
    s->n_long = s->items_long ? r->items.n : r->raters.n;
    s->n_short = s->items_long ? r->raters.n : r->items.n;
    for (size_t i = 0; i < r->n; i++)
        s->origin += (r->list[i].value - s->origin) / (double)(i + 1);
    TRY(index_long(s, err));
    s->weight = array_new(r->raters.n, sizeof(double));
    s->scale = array_new(r->raters.n, sizeof(double));
    s->diagonal = array_new(s->n_long, sizeof(double));
    s->right = array_new(s->n_long, sizeof(double));
    s->dense_right = array_new(s->n_short + 1, sizeof(double));
    s->row = array_new(s->n_short + 1, sizeof(double));
    if (!s->weight || !s->scale || !s->diagonal || !s->right || !s->dense_right ||
        !s->row)
        return error_memory(err, (s->n_long + r->raters.n) * sizeof(double));
    return dense_new(
        &s->factor, s->n_short + 1,
        s->items_long ? "raters (and as many items)" : "items (and as many raters)", err);
}

void solver_close(solver *s)
{
    free(s->begin);
    free(s->at);
    free(s->other);
    free(s->weight);
    free(s->scale);
    free(s->diagonal);
    free(s->right);
    free(s->dense_right);
    free(s->row);
    gsl_matrix_free(s->factor);
}

/* What one rating is made of: its coefficients on the long and the short effect. */
typedef struct term {
    double on_long, on_short, weight, y;
    size_t short_one;
} term;

static term term_of(const solver *s, size_t index, double t, double d)
{
    const rating *x = &s->r->list[index];
    double on_item = t * s->scale[x->rater];
    return (term){.on_long = s->items_long ? on_item : d,
                  .on_short = s->items_long ? d : on_item,
                  .weight = s->weight[x->rater],
                  .y = x->value - s->origin,
                  .short_one = short_of(s, x)};
}

/* The row of the matrix that ties one long effect to the short ones and the mean, sparse:
 * s->row is filled only where the effect has ratings, and at the end. */
static void fill_row(solver *s, size_t one, double t, double d)
{
    s->row[s->n_short] = 0;
    for (size_t k = s->begin[one]; k < s->begin[one + 1]; k++)
        s->row[term_of(s, s->at[k], t, d).short_one] = 0;
    for (size_t k = s->begin[one]; k < s->begin[one + 1]; k++) {
        term x = term_of(s, s->at[k], t, d);
        s->row[x.short_one] += x.weight * x.on_long * x.on_short;
        s->row[s->n_short] += x.weight * x.on_long;
    }
}

/* A long effect's ratings into the dense system, and the effect out of it. */
static void eliminate(solver *s, size_t one, double t, double d, double *squares)
{
    size_t mean = s->n_short;
    double diagonal = 1, right = 0;
    for (size_t k = s->begin[one]; k < s->begin[one + 1]; k++) {
        term x = term_of(s, s->at[k], t, d);
        diagonal += x.weight * x.on_long * x.on_long;
        right += x.weight * x.on_long * x.y;
        *squares += x.weight * x.y * x.y;
        dense_add(s->factor, x.short_one, x.short_one,
                  x.weight * x.on_short * x.on_short);
        dense_add(s->factor, mean, x.short_one, x.weight * x.on_short);
        dense_add(s->factor, mean, mean, x.weight);
        s->dense_right[x.short_one] += x.weight * x.on_short * x.y;
        s->dense_right[mean] += x.weight * x.y;
    }
    s->diagonal[one] = diagonal;
    s->right[one] = right;
    fill_row(s, one, t, d);
    /* Each rater rates an item once, so that these are distinct. */
    for (size_t k = s->begin[one]; k <= s->begin[one + 1]; k++) {
        bool last = k == s->begin[one + 1];
        size_t a = last ? mean : s->other[k];
        double share = s->row[a] / diagonal, *into = s->factor->data + a * s->factor->tda;
        s->dense_right[a] -= share * right;
        dense_add(s->factor, mean, a, -share * s->row[mean]);
        for (size_t j = s->begin[one]; !last && j < s->begin[one + 1]; j++)
            if (s->other[j] <= a) /* the lower triangle is all that is factored */
                into[s->other[j]] -= share * s->row[s->other[j]];
    }
}

int solver_solve(solver *s, double t, double d, double *log_det, double *residual,
                 error *err)
{
    size_t n = s->n_short + 1;
    double squares = 0, explained = 0;
    gsl_matrix_set_zero(s->factor);
    memset(s->dense_right, 0, n * sizeof(double));
    for (size_t i = 0; i < s->n_short; i++)
        dense_add(s->factor, i, i, 1);
    for (size_t i = 0; i < s->n_long; i++)
        eliminate(s, i, t, d, &squares);
    for (size_t i = 0; i < s->n_short; i++) /* the lower triangle holds the mean's row */
        s->factor->data[i * s->factor->tda + s->n_short] =
            dense_at(s->factor, s->n_short, i);
    for (size_t i = 0; i < n; i++)
        s->row[i] = s->dense_right[i];
    TRY(dense_factor(s->factor, err));
    TRY(dense_solve(s->factor, s->dense_right, err));
    for (size_t i = 0; i < n; i++)
        explained += s->row[i] * s->dense_right[i];
    *log_det = dense_log_determinant(s->factor);
    for (size_t i = 0; i < s->n_long; i++) {
        explained += s->right[i] * s->right[i] / s->diagonal[i];
        *log_det += log(s->diagonal[i]);
        fill_row(s, i, t, d);
        double known = s->row[s->n_short] * s->dense_right[s->n_short];
        for (size_t k = s->begin[i]; k < s->begin[i + 1]; k++) {
            size_t b = short_of(s, &s->r->list[s->at[k]]);
            known += s->row[b] * s->dense_right[b];
        }
        s->right[i] = (s->right[i] - known) / s->diagonal[i];
    }
    *residual = fmax(0, squares - explained);
    return 0;
}

int solver_invert(solver *s, error *err)
{
    return dense_invert_factor(s->factor, err);
}

double solver_item(const solver *s, size_t item)
{
    return s->items_long ? s->right[item] : s->dense_right[item];
}

double solver_rater(const solver *s, size_t rater)
{
    return s->items_long ? s->dense_right[rater] : s->right[rater];
}

double solver_mean(const solver *s)
{
    return s->dense_right[s->n_short];
}

double solver_covariance(solver *s, size_t long_one, double t, double d, double *cov)
{
    size_t n = s->n_short + 1, from = s->begin[long_one], to = s->begin[long_one + 1];
    double diagonal = s->diagonal[long_one], own = 1 / diagonal;
    fill_row(s, long_one, t, d);
    for (size_t j = 0; j < n; j++) {
        const double *inverse = s->factor->data + j * s->factor->tda;
        double sum = inverse[n - 1] * s->row[n - 1];
        for (size_t k = from; k < to; k++) {
            size_t b = short_of(s, &s->r->list[s->at[k]]);
            sum += inverse[b] * s->row[b];
        }
        cov[j] = -sum / diagonal;
    }
    own -= cov[n - 1] * s->row[n - 1] / diagonal;
    for (size_t k = from; k < to; k++) {
        size_t b = short_of(s, &s->r->list[s->at[k]]);
        own -= cov[b] * s->row[b] / diagonal;
    }
    return own;
}

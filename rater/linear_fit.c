/* Newton's method in whichever of the two forms has fewer unknowns. */
#include "linear_fit.h"

#include "dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 200, MAX_HALVINGS = 40 };
/* A step that promises less than this share of the loss ends the search: some digits
 * above the rounding of a sum of thousands of terms. */
static const double gain_enough = 1e-12;

double logistic(double margin)
{
    return margin >= 0 ? 1 / (1 + exp(-margin)) : exp(margin) / (1 + exp(margin));
}

double log_logistic(double margin)
{
    return margin >= 0 ? -log1p(exp(-margin)) : margin - log1p(exp(margin));
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static int check_rows(const fit_rows *r, double lambda, error *err)
{
    if (r->n == 0 || r->p == 0)
        return error_set(err, E_ARGUMENT, "a fit of %zu rows of %zu columns", r->n, r->p);
    if (!(lambda > 0) || !isfinite(lambda))
        return error_set(err, E_ARGUMENT, "a penalty of %g: must be above 0", lambda);
    for (size_t i = 0; i < r->n; i++) {
        bool finite = isfinite(r->y[i]);
        for (size_t j = 0; j < r->p; j++)
            finite = finite && isfinite(r->x[i * r->stride + j]);
        if (!finite)
            return error_set(err, E_NUMERIC, "row %zu of a fit has a value that is none",
                             i);
    }
    return 0;
}

/* ---- Logistic regression: the search, in either form ---- */

/* Unknowns u (m): the weights themselves, or the dual a with w = X^T a / lambda. */
typedef struct newton {
    const fit_rows *rows;
    double lambda;
    bool dual;
    size_t m;
    double *margins;    /* (n) x_i . w */
    double *tried;      /* (n) the same after a step */
    double *curvature;  /* (n) s'(margin) */
    double *slope;      /* (n) y - s(margin) */
    double *u, *step;   /* (m) */
    double *right;      /* (m) */
    gsl_matrix *kernel; /* dual: (n, n) X X^T / lambda */
    gsl_matrix *system; /* (m, m) */
} newton;

static void newton_free(newton *s)
{
    double *owned[] = {s->margins, s->tried, s->curvature, s->slope,
                       s->u,       s->step,  s->right};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    if (s->kernel)
        gsl_matrix_free(s->kernel);
    if (s->system)
        gsl_matrix_free(s->system);
}

static int make_kernel(newton *s, error *err)
{
    const fit_rows *r = s->rows;
    TRY(dense_new(&s->kernel, r->n, "rows of a fit", err));
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j <= i; j++) {
            double k = dot(r->x + i * r->stride, r->x + j * r->stride, r->p) / s->lambda;
            gsl_matrix_set(s->kernel, i, j, k);
            gsl_matrix_set(s->kernel, j, i, k);
        }
    return 0;
}

static int newton_new(newton *s, error *err)
{
    size_t n = s->rows->n, m = s->m;
    double **per_row[] = {&s->margins, &s->tried, &s->curvature, &s->slope};
    double **per_unknown[] = {&s->u, &s->step, &s->right};
    for (size_t i = 0; i < 4; i++)
        if (!(*per_row[i] = array_new(n, sizeof(double))))
            return error_memory(err, n * sizeof(double));
    for (size_t i = 0; i < 3; i++)
        if (!(*per_unknown[i] = array_new(m, sizeof(double))))
            return error_memory(err, m * sizeof(double));
    TRY(dense_new(&s->system, m, s->dual ? "rows of a fit" : "columns of a fit", err));
    return s->dual ? make_kernel(s, err) : 0;
}

/* margins of unknowns u. */
static void take_margins(const newton *s, const double *u, double *margins)
{
    const fit_rows *r = s->rows;
    for (size_t i = 0; i < r->n; i++)
        margins[i] = s->dual ? dot(s->kernel->data + i * s->kernel->tda, u, r->n)
                             : dot(r->x + i * r->stride, u, r->p);
}

/* The penalty lambda / 2 |w|^2; in the dual form that is a . margins / 2. */
static double loss(const newton *s, const double *u, const double *margins)
{
    const fit_rows *r = s->rows;
    double sum = s->dual ? dot(u, margins, r->n) / 2 : s->lambda / 2 * dot(u, u, r->p);
    for (size_t i = 0; i < r->n; i++) /* H(y, s(m)) = ln(1 + e^m) - y m */
        sum -= log_logistic(-margins[i]) + r->y[i] * margins[i];
    return sum;
}

static void take_slopes(newton *s)
{
    for (size_t i = 0; i < s->rows->n; i++) {
        double p = logistic(s->margins[i]);
        s->slope[i] = s->rows->y[i] - p;
        s->curvature[i] = p * (1 - p);
    }
}

/* Lower triangle of m (p, p) += sum over the rows of x of d[i] x_i x_i^T. Four rows at a
 * time: this is where all the time goes, and most of it is the matrix's way to memory. */
static void add_products(gsl_matrix *m, const fit_rows *r, const double *d)
{
    static const double nothing[1] = {0};
    for (size_t i = 0; i < r->n; i += 4) {
        const double *x[4], *w[4];
        for (size_t q = 0; q < 4; q++) { /* rows that are not there weigh nothing */
            bool there = i + q < r->n;
            x[q] = r->x + (there ? i + q : i) * r->stride;
            w[q] = there ? d + i + q : nothing;
        }
        for (size_t j = 0; j < r->p; j++) {
            double a = *w[0] * x[0][j], b = *w[1] * x[1][j], c = *w[2] * x[2][j],
                   e = *w[3] * x[3][j];
            double *row = m->data + j * m->tda;
#pragma omp simd
            for (size_t k = 0; k <= j; k++)
                row[k] += a * x[0][k] + b * x[1][k] + c * x[2][k] + e * x[3][k];
        }
    }
}

/* (X^T D X + lambda I) step = X^T slope - lambda w, and the gain that it promises. */
static int primal_step(newton *s, double *gain, error *err)
{
    const fit_rows *r = s->rows;
    size_t p = r->p;
    gsl_matrix_set_zero(s->system);
    for (size_t j = 0; j < p; j++)
        s->right[j] = -s->lambda * s->u[j];
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < p; j++)
            s->right[j] += s->slope[i] * r->x[i * r->stride + j];
    add_products(s->system, r, s->curvature);
    for (size_t j = 0; j < p; j++)
        dense_add(s->system, j, j, s->lambda);
    memcpy(s->step, s->right, p * sizeof(double));
    TRY(dense_factor(s->system, err));
    TRY(dense_solve(s->system, s->step, err));
    *gain = dot(s->step, s->right, p) / 2;
    return 0;
}

/* Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, algorithm 3.1: with
 * B = I + D^1/2 K D^1/2 and b = D f + slope, the new a is b - D^1/2 B^-1 D^1/2 K b. */
static int dual_step(newton *s, double *gain, error *err)
{
    size_t n = s->rows->n;
    double *b = s->right, *x = s->step;
    for (size_t i = 0; i < n; i++)
        b[i] = s->curvature[i] * s->margins[i] + s->slope[i];
    for (size_t i = 0; i < n; i++) {
        const double *k = s->kernel->data + i * s->kernel->tda;
        double root = sqrt(s->curvature[i]);
        x[i] = root * dot(k, b, n);
        for (size_t j = 0; j <= i; j++)
            gsl_matrix_set(s->system, i, j, root * k[j] * sqrt(s->curvature[j]));
        dense_add(s->system, i, i, 1);
    }
    TRY(dense_factor(s->system, err));
    TRY(dense_solve(s->system, x, err));
    *gain = 0;
    for (size_t i = 0; i < n; i++)
        x[i] = b[i] - sqrt(s->curvature[i]) * x[i] - s->u[i];
    /* The gradient at a is K (slope - a). */
    for (size_t i = 0; i < n; i++)
        *gain +=
            (s->slope[i] - s->u[i]) * dot(s->kernel->data + i * s->kernel->tda, x, n) / 2;
    return 0;
}

/* Go along the step as far as the loss falls; false when it does not at all. */
static bool take_step(newton *s, double *now)
{
    double share = 1;
    for (size_t i = 0; i < s->m; i++)
        s->right[i] = s->u[i];
    for (size_t h = 0; h < MAX_HALVINGS; h++, share /= 2) {
        for (size_t i = 0; i < s->m; i++)
            s->u[i] = s->right[i] + share * s->step[i];
        take_margins(s, s->u, s->tried);
        double next = loss(s, s->u, s->tried);
        if (next <= *now) {
            *now = next;
            memcpy(s->margins, s->tried, s->rows->n * sizeof(double));
            return true;
        }
    }
    memcpy(s->u, s->right, s->m * sizeof(double));
    return false;
}

static int minimise(newton *s, error *err)
{
    take_margins(s, s->u, s->margins);
    double now = loss(s, s->u, s->margins), gain;
    for (size_t i = 0; i < MAX_STEPS; i++) {
        take_slopes(s);
        TRY(s->dual ? dual_step(s, &gain, err) : primal_step(s, &gain, err));
        bool last = !(gain > gain_enough * (1 + fabs(now)));
        if (!take_step(s, &now) || last)
            return 0; /* at a minimum, to rounding */
    }
    return error_set(err, E_NUMERIC, "a logistic fit of %zu rows did not end in %d steps",
                     s->rows->n, MAX_STEPS);
}

static void dual_weights(const newton *s, double *w)
{
    const fit_rows *r = s->rows;
    memset(w, 0, r->p * sizeof *w);
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->p; j++)
            w[j] += s->u[i] / s->lambda * r->x[i * r->stride + j];
}

int logistic_fit(const fit_rows *r, double lambda, double *w, error *err)
{
    TRY(check_rows(r, lambda, err));
    bool dual = r->p > r->n;
    newton s = {.rows = r, .lambda = lambda, .dual = dual, .m = dual ? r->n : r->p};
    int rc = newton_new(&s, err);
    if (rc == 0 && !dual) /* in the dual form the search begins at 0 */
        memcpy(s.u, w, r->p * sizeof *w);
    if (rc == 0)
        rc = minimise(&s, err);
    if (rc == 0 && dual)
        dual_weights(&s, w);
    else if (rc == 0)
        memcpy(w, s.u, r->p * sizeof *w);
    newton_free(&s);
    return rc;
}

/* ---- Ridge regression ---- */

/* The rows about their means: x (n, p), y (n), new. */
typedef struct centred {
    double *x, *y, *mean_x;
    double mean_y;
} centred;

static void centred_free(centred *c)
{
    free(c->x);
    free(c->y);
    free(c->mean_x);
}

static int centre(const fit_rows *r, centred *c, error *err)
{
    size_t n;
    if (!size_mul(r->n, r->p, &n))
        return error_memory(err, SIZE_MAX);
    c->x = array_new(n, sizeof(double));
    c->y = array_new(r->n, sizeof(double));
    c->mean_x = array_new(r->p, sizeof(double));
    if (!c->x || !c->y || !c->mean_x)
        return error_memory(err, n * sizeof(double));
    for (size_t i = 0; i < r->n; i++) {
        c->mean_y += r->y[i] / (double)r->n;
        for (size_t j = 0; j < r->p; j++)
            c->mean_x[j] += r->x[i * r->stride + j] / (double)r->n;
    }
    for (size_t i = 0; i < r->n; i++) {
        c->y[i] = r->y[i] - c->mean_y;
        for (size_t j = 0; j < r->p; j++)
            c->x[i * r->p + j] = r->x[i * r->stride + j] - c->mean_x[j];
    }
    return 0;
}

/* (X^T X + lambda I) w = X^T y */
static int ridge_primal(const centred *c, size_t n, size_t p, double lambda,
                        gsl_matrix *m, double *w, error *err)
{
    memset(w, 0, p * sizeof *w);
    for (size_t i = 0; i < n; i++) {
        const double *x = c->x + i * p;
        for (size_t j = 0; j < p; j++) {
            w[j] += c->y[i] * x[j];
            for (size_t k = 0; k <= j; k++)
                m->data[j * m->tda + k] += x[j] * x[k];
        }
    }
    for (size_t j = 0; j < p; j++)
        dense_add(m, j, j, lambda);
    TRY(dense_factor(m, err));
    return dense_solve(m, w, err);
}

/* (X X^T + lambda I) a = y, w = X^T a; y becomes a. */
static int ridge_dual(const centred *c, size_t n, size_t p, double lambda, gsl_matrix *m,
                      double *w, error *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            gsl_matrix_set(m, i, j,
                           dot(c->x + i * p, c->x + j * p, p) + (i == j ? lambda : 0));
    TRY(dense_factor(m, err));
    TRY(dense_solve(m, c->y, err));
    memset(w, 0, p * sizeof *w);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++)
            w[j] += c->y[i] * c->x[i * p + j];
    return 0;
}

int ridge_fit(const fit_rows *r, double lambda, double *w, double *intercept, error *err)
{
    TRY(check_rows(r, lambda, err));
    centred c = {0};
    gsl_matrix *m = NULL;
    bool dual = r->p > r->n;
    double *found = array_new(r->p, sizeof *found);
    int rc = found ? centre(r, &c, err) : error_memory(err, r->p * sizeof *found);
    if (rc == 0)
        rc = dense_new(&m, dual ? r->n : r->p,
                       dual ? "rows of a fit" : "columns of a fit", err);
    if (rc == 0)
        rc = dual ? ridge_dual(&c, r->n, r->p, lambda, m, found, err)
                  : ridge_primal(&c, r->n, r->p, lambda, m, found, err);
    if (rc == 0) {
        memcpy(w, found, r->p * sizeof *w);
        *intercept = c.mean_y - dot(w, c.mean_x, r->p);
    }
    if (m)
        gsl_matrix_free(m);
    centred_free(&c);
    free(found);
    return rc;
}

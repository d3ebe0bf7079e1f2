/* A Cholesky factor, and what GSL does with one, with the project's errors. */
#include "dense.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>

enum { BLOCK = 64 }; /* columns; a multiple of 4 */

int dense_new(gsl_matrix **out, size_t n, const char *what, error *err)
{
    if (n > DENSE_MAX_ROWS)
        return error_set(err, E_LIMIT, "%zu %s are over the limit of %d", n, what,
                         DENSE_MAX_ROWS);
    gsl_matrix *m = gsl_matrix_calloc(n ? n : 1, n ? n : 1);
    if (!m)
        return error_memory(err, n * n * sizeof(double));
    *out = m;
    return 0;
}

/* ---- Cholesky ----
 *
 * In blocks of columns, since GSL's takes four times as long: the columns left of the
 * rest are factored, then what they explain of the rest is taken off it. All lower
 * triangles, row by row. */

static double *row_of(const gsl_matrix *m, size_t i)
{
    return m->data + i * m->tda;
}

/* Columns [from, to) of rows [from, n), whatever is left of them taken off before. */
static bool factor_columns(gsl_matrix *m, size_t from, size_t to)
{
    for (size_t i = from; i < m->size1; i++) {
        double *row = row_of(m, i);
        for (size_t j = from; j < to && j <= i; j++) {
            const double *other = row_of(m, j);
            double rest = row[j];
            for (size_t k = from; k < j; k++)
                rest -= row[k] * other[k];
            if (j == i && !(rest > 0 && isfinite(rest)))
                return false;
            row[j] = j == i ? sqrt(rest) : rest / other[j];
        }
    }
    return true;
}

/* Of the rest, from column `to` on, what those columns explain. `turned` (BLOCK, n):
 * their rows as columns, so that the innermost loop runs along memory. */
static void take_off(gsl_matrix *m, size_t from, size_t to, double *turned)
{
    size_t n = m->size1;
    for (size_t k = from; k < to; k++)
        for (size_t i = to; i < n; i++)
            turned[(k - from) * n + i] = row_of(m, i)[k];
    for (size_t i = to; i < n; i++) {
        double *row = row_of(m, i);
        for (size_t k = from; k < to; k += 4) {
            const double *t = turned + (k - from) * n;
            double a = row[k], b = row[k + 1], c = row[k + 2], d = row[k + 3];
#pragma omp simd
            for (size_t j = to; j <= i; j++)
                row[j] -= a * t[j] + b * t[n + j] + c * t[2 * n + j] + d * t[3 * n + j];
        }
    }
}

static bool factor(gsl_matrix *m, double *turned)
{
    for (size_t from = 0; from < m->size1; from += BLOCK) {
        size_t to = from + BLOCK < m->size1 ? from + BLOCK : m->size1;
        if (!factor_columns(m, from, to))
            return false;
        if (to < m->size1)
            take_off(m, from, to, turned);
    }
    return true;
}

int dense_factor(gsl_matrix *m, error *err)
{
    bool is_small = m->size1 <= BLOCK; /* one block: most are */
    double *turned = is_small ? NULL : array_new(BLOCK * m->size1, sizeof *turned);
    if (!turned && !is_small)
        return error_memory(err, BLOCK * m->size1 * sizeof *turned);
    bool done = factor(m, turned);
    free(turned);
    return done ? 0
                : error_set(err, E_NUMERIC,
                            "an information matrix of %zu rows is not positive definite",
                            m->size1);
}

int dense_invert_factor(gsl_matrix *m, error *err)
{
    if (gsl_linalg_cholesky_invert(m) != GSL_SUCCESS)
        return error_set(err, E_NUMERIC, "a matrix of %zu rows cannot be inverted",
                         m->size1);
    return 0;
}

int dense_solve(const gsl_matrix *factor, double *x, error *err)
{
    gsl_vector_view v = gsl_vector_view_array(x, factor->size1);
    if (gsl_linalg_cholesky_svx(factor, &v.vector) != GSL_SUCCESS)
        return error_set(err, E_NUMERIC, "a system of %zu rows cannot be solved",
                         factor->size1);
    return 0;
}

double dense_log_determinant(const gsl_matrix *factor)
{
    double sum = 0;
    for (size_t i = 0; i < factor->size1; i++)
        sum += log(dense_at(factor, i, i));
    return 2 * sum;
}

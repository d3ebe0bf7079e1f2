/* Symmetric positive definite systems on GSL: what the estimates and their standard
 * errors come from. Threads: nothing here has state. */
#ifndef LAMARCK_RATER_DENSE_H
#define LAMARCK_RATER_DENSE_H

#include "../model/base.h"

#include <gsl/gsl_matrix.h>

/* Doubles of a matrix: 200 MB, and a minute's work to factor on one core. */
enum { DENSE_MAX_ROWS = 5000 };

/* Zeros. E_LIMIT over DENSE_MAX_ROWS; `what` says what the rows are. */
int dense_new(gsl_matrix **out, size_t n, const char *what, error *err);

/* m becomes its Cholesky factor; E_NUMERIC if it is not positive definite. */
int dense_factor(gsl_matrix *m, error *err);
/* A factor becomes the inverse of what was factored, both triangles. */
int dense_invert_factor(gsl_matrix *m, error *err);
/* x (n), the right-hand side, becomes the solution. */
int dense_solve(const gsl_matrix *factor, double *x, error *err);
double dense_log_determinant(const gsl_matrix *factor);

static inline void dense_add(gsl_matrix *m, size_t i, size_t j, double x)
{
    m->data[i * m->tda + j] += x;
}
static inline double dense_at(const gsl_matrix *m, size_t i, size_t j)
{
    return m->data[i * m->tda + j];
}

#endif

/* GSL's Cholesky with the project's errors. */
#include "dense.h"

#include <math.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>

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

int dense_factor(gsl_matrix *m, error *err)
{
    int status = gsl_linalg_cholesky_decomp1(m);
    if (status == GSL_SUCCESS)
        for (size_t i = 0; i < m->size1; i++)
            if (!isfinite(dense_at(m, i, i)))
                status = GSL_EDOM;
    if (status != GSL_SUCCESS)
        return error_set(err, E_NUMERIC,
                         "an information matrix of %zu rows is not positive definite",
                         m->size1);
    return 0;
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

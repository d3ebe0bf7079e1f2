/* Principal components from the smaller of two matrices: features by features, or rows by
 * rows, which have the same eigenvalues. */
#include "projection.h"

#include "dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_eigen.h>

/* A component that has less of the largest one's variance is rounding. */
static const double variance_enough = 1e-10;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* ---- Standardising ---- */

static int take_moments(projection *j, const double *x, const size_t *index, size_t n,
                        error *err)
{
    for (size_t c = 0; c < j->p; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[index[i] * j->p + c];
        j->mean[c] = sum / (double)n;
        for (size_t i = 0; i < n; i++) {
            double d = x[index[i] * j->p + c] - j->mean[c];
            squares += d * d;
        }
        double sd = sqrt(squares / (double)n);
        if (!isfinite(sd))
            return error_set(err, E_NUMERIC, "feature %zu is not a number somewhere", c);
        j->scale[c] = sd > 1e-12 * (fabs(j->mean[c]) + 1e-300) ? sd : 1;
    }
    return 0;
}

static void standardise(const projection *j, const double *x, double *out)
{
    for (size_t c = 0; c < j->p; c++)
        out[c] = (x[c] - j->mean[c]) / j->scale[c];
}

/* ---- Components ---- */

/* Eigenvectors of m (n, n) in columns, by falling eigenvalue. */
static int decompose(gsl_matrix *m, gsl_vector **values, gsl_matrix **vectors, error *err)
{
    size_t n = m->size1;
    gsl_eigen_symmv_workspace *room = gsl_eigen_symmv_alloc(n);
    *values = gsl_vector_alloc(n);
    *vectors = gsl_matrix_alloc(n, n);
    int rc = 0;
    if (!room || !*values || !*vectors)
        rc = error_memory(err, n * n * sizeof(double));
    else if (gsl_eigen_symmv(m, *values, *vectors, room) ||
             gsl_eigen_symmv_sort(*values, *vectors, GSL_EIGEN_SORT_VAL_DESC))
        rc = error_set(err, E_NUMERIC, "a matrix of %zu rows has no eigenvalues", n);
    if (room)
        gsl_eigen_symmv_free(room);
    return rc;
}

/* m: products of features (over rows), or of rows (over features), of s (n, w). */
static void take_products(gsl_matrix *m, const double *s, size_t n, size_t w, bool rows)
{
    for (size_t i = 0; rows && i < n; i++)
        for (size_t k = 0; k <= i; k++)
            gsl_matrix_set(m, i, k, dot(s + i * w, s + k * w, w));
    for (size_t r = 0; !rows && r < n; r++)
        for (size_t i = 0; i < w; i++)
            for (size_t k = 0; k <= i; k++)
                m->data[i * m->tda + k] += s[r * w + i] * s[r * w + k];
    for (size_t i = 0; i < m->size1; i++)
        for (size_t k = 0; k < i; k++)
            gsl_matrix_set(m, k, i, gsl_matrix_get(m, i, k));
}

/* Eigenvectors are known but for their sign: the largest entry is positive. */
static void fix_sign(double *v, size_t n)
{
    size_t most = 0;
    for (size_t c = 0; c < n; c++)
        if (fabs(v[c]) > fabs(v[most]))
            most = c;
    double sign = v[most] < 0 ? -1 : 1;
    for (size_t c = 0; c < n; c++)
        v[c] *= sign;
}

/* Row b of the basis from eigenvector b. */
static void take_component(projection *j, size_t b, const double *s, size_t n, bool rows,
                           const gsl_matrix *vectors)
{
    size_t w = j->p - j->n_kept;
    double *v = j->basis + b * w, length;
    memset(v, 0, w * sizeof *v);
    if (rows)
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < w; c++)
                v[c] += gsl_matrix_get(vectors, i, b) * s[i * w + c];
    else
        for (size_t c = 0; c < w; c++)
            v[c] = gsl_matrix_get(vectors, c, b);
    length = sqrt(dot(v, v, w));
    for (size_t c = 0; c < w; c++)
        v[c] /= length;
    fix_sign(v, w);
}

static int take_basis(projection *j, const double *s, size_t n, size_t k_most, error *err)
{
    size_t w = j->p - j->n_kept;
    bool rows = n < w;
    gsl_matrix *m = NULL, *vectors = NULL;
    gsl_vector *values = NULL;
    size_t most = n - 1 < w ? n - 1 : w;
    most = k_most < most ? k_most : most;
    if (most == 0)
        return 0;
    TRY(dense_new(&m, rows ? n : w, rows ? "texts" : "features", err));
    take_products(m, s, n, w, rows);
    int rc = decompose(m, &values, &vectors, err);
    if (rc == 0 && !(j->basis = array_new(most * w, sizeof(double))))
        rc = error_memory(err, most * w * sizeof(double));
    for (; rc == 0 && j->k < most; j->k++) {
        double value = gsl_vector_get(values, j->k);
        if (!(value > variance_enough * gsl_vector_get(values, 0)))
            break;
        take_component(j, j->k, s, n, rows, vectors);
    }
    gsl_matrix_free(m);
    if (values)
        gsl_vector_free(values);
    if (vectors)
        gsl_matrix_free(vectors);
    return rc;
}

/* The standardised features of the rows, without those kept: new (n_rows, p - n_kept). */
static int gather(const projection *j, const double *x, const size_t *index, size_t n,
                  double **out, error *err)
{
    size_t w = j->p - j->n_kept, total;
    if (!size_mul(n, w, &total))
        return error_memory(err, SIZE_MAX);
    double *s = array_new(total, sizeof *s), *one = array_new(j->p, sizeof *one);
    for (size_t i = 0; s && one && i < n; i++) {
        standardise(j, x + index[i] * j->p, one);
        if (w)
            memcpy(s + i * w, one, w * sizeof *s);
    }
    free(one);
    if (!s || !one) {
        free(s);
        return error_memory(err, total * sizeof *s);
    }
    *out = s;
    return 0;
}

int projection_make(projection *out, const double *x, const size_t *index, size_t n_rows,
                    size_t p, size_t n_kept, size_t k_most, error *err)
{
    double *s = NULL;
    if (n_rows == 0 || p == 0 || n_kept > p)
        return error_set(err, E_ARGUMENT,
                         "a projection of %zu features, %zu kept, of %zu texts", p,
                         n_kept, n_rows);
    projection j = {.p = p,
                    .n_kept = n_kept,
                    .mean = array_new(p, sizeof(double)),
                    .scale = array_new(p, sizeof(double))};
    int rc = j.mean && j.scale ? take_moments(&j, x, index, n_rows, err)
                               : error_memory(err, p * sizeof(double));
    if (rc == 0)
        rc = gather(&j, x, index, n_rows, &s, err);
    if (rc == 0)
        rc = take_basis(&j, s, n_rows, k_most, err);
    free(s);
    if (rc < 0)
        projection_free(&j);
    else
        *out = j;
    return rc;
}

void projection_free(projection *j)
{
    free(j->mean);
    free(j->scale);
    free(j->basis);
    *j = (projection){0};
}

/* ---- Use ---- */

size_t projection_width(const projection *j)
{
    return j->n_kept + j->k;
}

int projection_apply(const projection *j, const double *x, size_t n, double *z,
                     error *err)
{
    size_t w = j->p - j->n_kept;
    double *one = array_new(j->p, sizeof *one);
    if (!one)
        return error_memory(err, j->p * sizeof *one);
    for (size_t i = 0; i < n; i++, z += projection_width(j)) {
        standardise(j, x + i * j->p, one);
        for (size_t c = 0; c < j->n_kept; c++)
            z[c] = one[w + c];
        for (size_t b = 0; b < j->k; b++)
            z[j->n_kept + b] = dot(j->basis + b * w, one, w);
    }
    free(one);
    return 0;
}

void projection_back(const projection *j, const double *v, size_t n, double *w)
{
    size_t width = j->p - j->n_kept;
    memset(w, 0, j->p * sizeof *w);
    for (size_t c = 0; c < n && c < j->n_kept; c++)
        w[width + c] = v[c];
    for (size_t b = j->n_kept; b < n; b++)
        for (size_t c = 0; c < width; c++)
            w[c] += v[b] * j->basis[(b - j->n_kept) * width + c];
}

/* Features made few: standardised, and all but the last few replaced by their principal
 * components. Components come largest first, so that a smaller model reads a beginning of
 * the same columns. A weight on components is a weight on standardised features again
 * (projection_back), so nothing of this is needed to use a fitted head.
 *
 * Owns its arrays. Read-only once made. */
#ifndef LAMARCK_RATER_PROJECTION_H
#define LAMARCK_RATER_PROJECTION_H

#include "../model/base.h"

typedef struct projection {
    size_t p;      /* features */
    size_t n_kept; /* the last n_kept of them stay what they are */
    size_t k;      /* components of the others */
    double *mean;  /* (p) */
    double *scale; /* (p): standard deviation; 1 where a feature does not vary */
    double *basis; /* (k, p - n_kept): orthonormal rows */
} projection;

/* From the rows index[0..n_rows) of x (…, p). k becomes the least of k_most, the rows
 * less one and the features. E_LIMIT for too many features and rows, E_NUMERIC for values
 * that are none. */
int projection_make(projection *out, const double *x, const size_t *index, size_t n_rows,
                    size_t p, size_t n_kept, size_t k_most, error *err);
void projection_free(projection *j);

/* Columns of what comes out: n_kept + k. */
size_t projection_width(const projection *j);
/* z (n, width): of each row of x (n, p), the kept features, then the components. */
int projection_apply(const projection *j, const double *x, size_t n, double *z,
                     error *err);
/* w (p), on standardised features, from the first n columns' weights v (n). */
void projection_back(const projection *j, const double *v, size_t n, double *w);

#endif

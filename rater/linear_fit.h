/* Linear heads with an L2 penalty: logistic regression on shares, ridge regression.
 *
 * Both minima are unique, since the penalty is positive. With more columns than rows the
 * same problem is solved in its dual form, in as many unknowns as there are rows.
 * Deterministic. Threads: nothing here has state. */
#ifndef LAMARCK_RATER_LINEAR_FIT_H
#define LAMARCK_RATER_LINEAR_FIT_H

#include "../model/base.h"

typedef struct fit_rows {
    const double *x; /* (n, stride), of which the first p columns count; row-major */
    const double *y; /* (n): logistic: a share in [0, 1]; ridge: a value */
    size_t n, p, stride;
} fit_rows;

/* w (p) minimises sum_i H(y_i, s(x_i . w)) + lambda / 2 |w|^2, where s is the logistic
 * function and H(y, p) = -y ln p - (1 - y) ln(1 - p). No intercept: rows are differences
 * of two texts, and which is the first of them means nothing. w is also where the search
 * begins (it changes how long it takes, not where it ends). Newton's method with halved
 * steps. E_ARGUMENT without rows or for a lambda that is not above 0, E_NUMERIC for
 * numbers that are none, E_LIMIT for more than DENSE_MAX_ROWS of both. */
int logistic_fit(const fit_rows *r, double lambda, double *w, error *err);

/* w (p) and *intercept minimise sum_i (y_i - intercept - x_i . w)^2 + lambda |w|^2. */
int ridge_fit(const fit_rows *r, double lambda, double *w, double *intercept, error *err);

/* The logistic function, and ln of it, without overflow. */
double logistic(double margin);
double log_logistic(double margin);

#endif

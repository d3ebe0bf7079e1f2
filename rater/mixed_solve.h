/* The mixed model equations for given variances. Private to mixed*.c.
 *
 * In spherical effects a, c ~ N(0, 1) a rating is mean + t s_r a_item + d c_rater + e /
 * sqrt(w_r). One side, items or raters, whichever is longer, is eliminated: its block is
 * diagonal. What is left is dense: the other side and, last, the mean. */
#ifndef LAMARCK_RATER_MIXED_SOLVE_H
#define LAMARCK_RATER_MIXED_SOLVE_H

#include "dense.h"
#include "ratings.h"

typedef struct solver {
    const ratings *r;
    double origin;   /* the ratings' plain mean: values are taken from it */
    bool items_long; /* items are eliminated */
    size_t n_long, n_short;
    size_t *begin, *at;  /* of each long one's ratings: at[begin[i]..begin[i + 1]) */
    size_t *other;       /* (ratings, in the order of `at`): their short ones */
    double *weight;      /* (raters): 1 / noise variance; set by the caller */
    double *scale;       /* (raters): s; set by the caller */
    double *diagonal;    /* (n_long) */
    double *right;       /* (n_long): right-hand side, then solution */
    double *dense_right; /* (n_short + 1) */
    gsl_matrix *factor;  /* (n_short + 1)^2; after solver_invert the inverse */
    double *row;         /* (n_short + 1) scratch */
} solver;

int solver_open(solver *s, const ratings *r, error *err);
void solver_close(solver *s);

/* Solve for item and rater standard deviations t and d. *log_det: of the whole matrix;
 * *residual: the penalised weighted sum of squares. */
int solver_solve(solver *s, double t, double d, double *log_det, double *residual,
                 error *err);
/* After it, for variances. */
int solver_invert(solver *s, error *err);

/* ---- After both. Spherical effects; variances and covariances given all ratings. ----
 */
double solver_item(const solver *s, size_t item);
double solver_rater(const solver *s, size_t rater);
double solver_mean(const solver *s); /* without the origin */

/* Covariances that concern one long effect, of sides t, d as solved: with every short
 * effect and, last, the mean, into cov (n_short + 1); returns its own variance. */
double solver_covariance(solver *s, size_t long_one, double t, double d, double *cov);

#endif

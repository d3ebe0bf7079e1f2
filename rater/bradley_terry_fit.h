/* The estimation behind bradley_terry.h, shared by its two parts: scores given how much
 * each answer counts, and reliabilities. Private to bradley_terry*.c.
 *
 * Parameters in one vector: scores (items), then t if there are ties, then the
 * reliabilities that are not at a limit. */
#ifndef LAMARCK_RATER_BRADLEY_TERRY_FIT_H
#define LAMARCK_RATER_BRADLEY_TERRY_FIT_H

#include "bradley_terry.h"
#include "dense.h"

/* A comparison's part of the information: by the winner's score a, the loser's b, and t.
 */
typedef struct curvature {
    double aa, ab, bb, at, bt, tt;
} curvature;

typedef struct fit {
    const comparisons *c;
    const bradley_terry_options *o;
    size_t n_items, n; /* n: scores and t */
    bool has_ties;
    double *x;                  /* (n): scores, t */
    double *r;                  /* (raters): reliabilities; NULL: all 1 */
    size_t *parameter;          /* (raters): which one it is; SIZE_MAX: held fixed */
    double *weight;             /* (comparisons): of the rater having said what is true */
    double *gradient;           /* (n + raters) */
    double *step, *tried, *now; /* (n + raters) */
    gsl_matrix *information;    /* NULL: too many items for one */
    curvature *curvature;       /* (comparisons): then */
    double log_likelihood;
    size_t n_iterations;
} fit;

/* Log-probability of an outcome, and its derivatives by the two scores and t. */
typedef struct outcome {
    double log_p;
    double g[3];
    double h[3][3]; /* minus the second derivatives */
} outcome;

/* Of what was said, or, turned, of the opposite; derivatives by the winner's score, the
 * loser's, t, in this order for both. */
outcome outcome_of(const fit *f, const double *x, const comparison *k, bool turned);
outcome outcome_turned(const fit *f, const double *x, const comparison *k);

void fit_places(const fit *f, const comparison *k, size_t at[3]);
double fit_log_prior(const fit *f, const double *x);
/* To f->gradient and an information matrix (NULL: none) of f->n rows or more. */
void fit_add_prior(fit *f, gsl_matrix *information);
/* Scores sum to 0 where no prior says so. */
void fit_centre(const fit *f, double *x);
/* E_NUMERIC where scores or t go to infinity. */
int fit_check_runaway(const fit *f, error *err);

/* Newton steps on scores and t until the gain that one promises is within rounding; 1 if
 * that is not so after `limit` steps. */
int fit_maximise_scores(fit *f, size_t limit, error *err);
/* One such step into f->step, with the gradient, without a matrix. */
int fit_step_large(fit *f, error *err);
/* Scores and reliabilities together; 1 if not converged. */
int fit_reliabilities(fit *f, error *err);
/* Number the free reliabilities; f->gradient and a new information matrix of all
 * parameters. */
int fit_derive_all(fit *f, gsl_matrix **information, error *err);

#endif

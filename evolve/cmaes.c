/* CMA-ES, the covariance matrix adaptation evolution strategy, over the real numbers of a
 * genome: its vectors and its real numbers; all other genes stay as the first seed has
 * them. With a vector that stands for a soft prompt this is black-box tuning (Sun et al.
 * 2022). The equations are those of Hansen 2016, The CMA Evolution Strategy: A Tutorial
 * (arXiv:1604.00772), with positive recombination weights only.
 *
 * A generation races against the best so far as that of any search does. Its order, which
 * is all that the strategy looks at: who met every example, by value; then who was
 * stopped later; among those stopped at the same look, by value on the examples of that
 * look. */
#include "search_state.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_randist.h>

/* One number of the genome. */
typedef struct coordinate {
    size_t gene, at; /* `at` into a vector gene */
    double scale;    /* the step that is 1 in the strategy's units */
    double lowest, highest;
} coordinate;

typedef struct cmaes {
    coordinate *coordinates;
    size_t n;
    size_t n_parents;
    double *weights; /* (n_parents), sum 1 */
    double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi;
    double sigma;
    gsl_vector *mean, *path_sigma, *path_c, *step, *work;
    gsl_matrix *covariance, *axes,
        *scratch; /* covariance = axes diag(lengths^2) axes^T */
    gsl_vector *lengths;
    gsl_eigen_symmv_workspace *eigen;
    record **litter; /* this generation; the first n_seeds of them are the user's */
    size_t n_litter, n_seeds;
    size_t n_told; /* generations */
} cmaes;

/* ---- Coordinates ---- */

static double *number_at(const coordinate *c, genome *g)
{
    gene *x = &g->genes[c->gene];
    return x->n_vector ? &x->vector[c->at] : &x->number;
}

static void add_coordinate(cmaes *self, coordinate c)
{
    if (self->coordinates)
        self->coordinates[self->n] = c;
    self->n++;
}

/* Counts them while there is no room; then fills it. A fifth of a range is a first step
 * that neither leaves it at once nor creeps. */
static void list_coordinates(cmaes *self, const genome_spec *spec)
{
    self->n = 0;
    for (size_t i = 0; i < spec->n_genes; i++) {
        const gene_spec *g = &spec->genes[i];
        for (size_t k = 0; g->kind == GENE_VECTOR && k < g->n_dimensions; k++)
            add_coordinate(self, (coordinate){i, k, g->spread, -HUGE_VAL, HUGE_VAL});
        if (g->kind == GENE_NUMBER && !g->whole && g->lowest < g->highest)
            add_coordinate(self, (coordinate){i, 0, 0.2 * (g->highest - g->lowest),
                                              g->lowest, g->highest});
    }
}

/* ---- Life ---- */

/* Weights and rates: eq. 49-58 of the tutorial. */
static void set_rates(cmaes *self, size_t lambda)
{
    double n = (double)self->n, sum = 0, squares = 0;
    for (size_t i = 0; i < self->n_parents; i++)
        sum += self->weights[i] = log(((double)lambda + 1) / 2) - log((double)i + 1);
    for (size_t i = 0; i < self->n_parents; i++) {
        self->weights[i] /= sum;
        squares += self->weights[i] * self->weights[i];
    }
    double mu = self->mu_eff = 1 / squares;
    self->c_sigma = (mu + 2) / (n + mu + 5);
    self->d_sigma = 1 + 2 * fmax(0, sqrt((mu - 1) / (n + 1)) - 1) + self->c_sigma;
    self->c_c = (4 + mu / n) / (n + 4 + 2 * mu / n);
    self->c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu);
    self->c_mu =
        fmin(1 - self->c_1, 2 * (0.25 + mu + 1 / mu - 2) / ((n + 2) * (n + 2) + mu));
    self->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
}

static int make_room(cmaes *self, error *err)
{
    size_t n = self->n;
    self->mean = gsl_vector_calloc(n);
    self->path_sigma = gsl_vector_calloc(n);
    self->path_c = gsl_vector_calloc(n);
    self->step = gsl_vector_calloc(n);
    self->work = gsl_vector_calloc(n);
    self->lengths = gsl_vector_alloc(n);
    self->covariance = gsl_matrix_alloc(n, n);
    self->axes = gsl_matrix_alloc(n, n);
    self->scratch = gsl_matrix_alloc(n, n);
    self->eigen = gsl_eigen_symmv_alloc(n);
    bool all = self->mean && self->path_sigma && self->path_c && self->step &&
               self->work && self->lengths && self->covariance && self->axes &&
               self->scratch && self->eigen;
    return all ? 0 : error_memory(err, 3 * n * n * sizeof(double));
}

static int cmaes_init(search *s, error *err)
{
    cmaes *self = s->state;
    size_t lambda = s->options.population;
    self->n_parents = lambda / 2;
    list_coordinates(self, s->problem.spec);
    if (self->n == 0)
        return error_set(err, E_ARGUMENT,
                         "cmaes needs a vector gene or a number gene that is not whole: "
                         "there is nothing else that it can move");
    self->coordinates = array_new(self->n, sizeof *self->coordinates);
    self->weights = array_new(self->n_parents, sizeof *self->weights);
    self->litter = array_new(lambda + s->problem.n_seeds, sizeof(void *));
    s->population = array_new(1, sizeof(void *));
    if (!self->coordinates || !self->weights || !self->litter || !s->population)
        return error_memory(err, self->n * sizeof *self->coordinates);
    list_coordinates(self, s->problem.spec);
    TRY(make_room(self, err));
    set_rates(self, lambda);
    self->sigma = 1;
    gsl_matrix_set_identity(self->covariance);
    gsl_matrix_set_identity(self->axes);
    gsl_vector_set_all(self->lengths, 1);
    for (size_t i = 0; i < self->n; i++) {
        const coordinate *c = &self->coordinates[i];
        genome *seed = (genome *)(uintptr_t)&s->problem.seeds[0]; /* only read */
        gsl_vector_set(self->mean, i, *number_at(c, seed) / c->scale);
    }
    return 0;
}

static void cmaes_free(search *s)
{
    cmaes *self = s->state;
    gsl_vector *vectors[] = {self->mean, self->path_sigma, self->path_c,
                             self->step, self->work,       self->lengths};
    gsl_matrix *matrices[] = {self->covariance, self->axes, self->scratch};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        gsl_vector_free(vectors[i]);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        gsl_matrix_free(matrices[i]);
    gsl_eigen_symmv_free(self->eigen);
    free(self->coordinates);
    free(self->weights);
    free(self->litter);
}

/* ---- Sampling ---- */

/* x = m + sigma B D z, z ~ N(0, I) (eq. 38-40), kept inside its bounds. */
static int sample(search *s, record **out, error *err)
{
    cmaes *self = s->state;
    genome g = {0};
    birth b = {0};
    TRY(genome_copy(&g, &s->problem.seeds[0], err));
    for (size_t i = 0; i < self->n; i++)
        gsl_vector_set(self->work, i,
                       gsl_ran_gaussian(s->rng, 1) * gsl_vector_get(self->lengths, i));
    gsl_vector_memcpy(self->step, self->mean);
    gsl_blas_dgemv(CblasNoTrans, self->sigma, self->axes, self->work, 1, self->step);
    for (size_t i = 0; i < self->n; i++) {
        const coordinate *c = &self->coordinates[i];
        double x = gsl_vector_get(self->step, i) * c->scale;
        *number_at(c, &g) = fmin(c->highest, fmax(c->lowest, x)) + 0.0;
    }
    int rc = text_add_string(&b.operators, "cmaes", err);
    if (rc == 0)
        rc = breed_enter(s, &g, &b, out, err);
    genome_free(&g);
    text_free(&b.operators);
    return rc < 0 ? rc : 0;
}

/* The seeds with the first generation; a sample that was met before (a strategy that has
 * come to rest) ends the litter. */
static int make_litter(search *s, error *err)
{
    cmaes *self = s->state;
    while (s->next_seed < s->problem.n_seeds) {
        record *r = NULL;
        TRY(breed_initial(s, &r, err));
        if (r)
            self->litter[self->n_litter++] = r;
        self->n_seeds = self->n_litter;
    }
    while (self->n_litter < s->options.population + self->n_seeds) {
        record *r = NULL;
        TRY(sample(s, &r, err));
        if (!r)
            return 0;
        self->litter[self->n_litter++] = r;
    }
    return 0;
}

static int cmaes_breed(search *s, error *err)
{
    cmaes *self = s->state;
    size_t n_veterans = s->n_population ? 1 : 0;
    TRY(make_litter(s, err));
    return self->n_litter ? heat_begin(s, n_veterans, self->litter, self->n_litter, err)
                          : 0;
}

/* ---- Adapting ---- */

static int by_rank(const void *x, const void *y)
{
    const record *a = *(record *const *)x, *b = *(record *const *)y;
    bool failed[2] = {a->public.fitness.status == FITNESS_FAILED,
                      b->public.fitness.status == FITNESS_FAILED};
    if (failed[0] != failed[1])
        return failed[0] - failed[1];
    if (a->n_scores != b->n_scores)
        return a->n_scores > b->n_scores ? -1 : 1;
    return record_compare(x, y);
}

/* work = (x - m) / sigma of a candidate. */
static void read_step(cmaes *self, record *r)
{
    for (size_t i = 0; i < self->n; i++) {
        const coordinate *c = &self->coordinates[i];
        double x = *number_at(c, &r->genome) / c->scale;
        gsl_vector_set(self->work, i, (x - gsl_vector_get(self->mean, i)) / self->sigma);
    }
}

/* The mean step of the parents into `step`; their spread into `scratch`, sum w y y^T. */
static void recombine(cmaes *self, record *const *ranked)
{
    gsl_vector_set_zero(self->step);
    gsl_matrix_set_zero(self->scratch);
    for (size_t i = 0; i < self->n_parents; i++) {
        read_step(self, ranked[i]);
        gsl_blas_daxpy(self->weights[i], self->work, self->step);
        gsl_blas_dger(self->weights[i], self->work, self->work, self->scratch);
    }
}

/* Both paths (eq. 43 and 45) and h_sigma; `work` is C^(-1/2) step. */
static double move_paths(cmaes *self)
{
    gsl_vector *y = self->step, *w = self->work, *t = gsl_vector_alloc(self->n);
    double cs = self->c_sigma, cc = self->c_c, mu = self->mu_eff;
    if (!t)
        return NAN;
    gsl_blas_dgemv(CblasTrans, 1, self->axes, y, 0, t);
    gsl_vector_div(t, self->lengths);
    gsl_blas_dgemv(CblasNoTrans, 1, self->axes, t, 0, w);
    gsl_vector_free(t);
    gsl_vector_scale(self->path_sigma, 1 - cs);
    gsl_blas_daxpy(sqrt(cs * (2 - cs) * mu), w, self->path_sigma);
    double norm = gsl_blas_dnrm2(self->path_sigma), n = (double)self->n;
    double start = 1 - pow(1 - cs, 2 * ((double)self->n_told + 1));
    double h = norm / sqrt(start) < (1.4 + 2 / (n + 1)) * self->chi;
    gsl_vector_scale(self->path_c, 1 - cc);
    gsl_blas_daxpy(h * sqrt(cc * (2 - cc) * mu), y, self->path_c);
    return h;
}

/* C = B D^2 B^T anew; eigenvalues that rounding made too small are lifted. */
static void factor(cmaes *self)
{
    gsl_matrix_memcpy(self->scratch, self->covariance);
    gsl_eigen_symmv(self->scratch, self->lengths, self->axes, self->eigen);
    double least = 1e-14 * gsl_vector_max(self->lengths);
    for (size_t i = 0; i < self->n; i++) {
        double v = gsl_vector_get(self->lengths, i);
        gsl_vector_set(self->lengths, i, sqrt(v > least ? v : least));
    }
}

/* Move the mean, the paths, the covariance (eq. 47) and the step size (eq. 44). */
static int adapt(cmaes *self, record *const *ranked, error *err)
{
    recombine(self, ranked);
    double h = move_paths(self);
    if (isnan(h))
        return error_memory(err, self->n * sizeof(double));
    gsl_blas_daxpy(self->sigma, self->step, self->mean);
    double kept =
        1 - self->c_1 - self->c_mu + self->c_1 * (1 - h) * self->c_c * (2 - self->c_c);
    gsl_matrix_scale(self->covariance, kept);
    gsl_blas_dger(self->c_1, self->path_c, self->path_c, self->covariance);
    gsl_matrix_scale(self->scratch, self->c_mu);
    gsl_matrix_add(self->covariance, self->scratch);
    double norm = gsl_blas_dnrm2(self->path_sigma);
    self->sigma *= exp(self->c_sigma / self->d_sigma * (norm / self->chi - 1));
    factor(self);
    self->n_told++;
    return 0;
}

static int cmaes_select(search *s, error *err)
{
    cmaes *self = s->state;
    search_crown(s, self->litter, self->n_litter);
    record **sampled = self->litter + self->n_seeds;
    size_t n = self->n_litter - self->n_seeds;
    qsort(sampled, n, sizeof *sampled, by_rank);
    if (n >= self->n_parents)
        TRY(adapt(self, sampled, err));
    self->n_litter = self->n_seeds = 0;
    return 0;
}

const search_type search_cmaes = {
    .name = "cmaes",
    .summary = "CMA-ES over vectors and numbers; words stay as they are",
    .state_size = sizeof(cmaes),
    .init = cmaes_init,
    .breed = cmaes_breed,
    .select = cmaes_select,
    .free = cmaes_free,
};

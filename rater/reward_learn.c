/* Projections, folds and the grid of choices. */
#include "reward_learn.h"

#include "linear_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

const char *const reward_head_names[N_REWARD_HEADS] = {"pairwise", "scalar"};

/* What is tried. Features are standardised, so a penalty is in units of ratings. */
static const size_t component_counts[] = {0, 8, 32, 128};
static const double penalties[] = {10000, 3000, 1000, 300, 100, 30, 10, 3, 1};
enum {
    N_COUNTS = sizeof component_counts / sizeof *component_counts,
    N_PENALTIES = sizeof penalties / sizeof *penalties,
    MOST_COMPONENTS = 128,
};

gsl_rng *reward_rng(uint64_t seed, uint64_t purpose)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (rng)
        gsl_rng_set(rng, (unsigned long)seed_mix(seed, purpose));
    return rng;
}

/* ---- Learners ---- */

/* The items that the ratings name, each once, in order: new. */
static int items_of(const reward_data *d, const rating_list *seen, size_t **out,
                    size_t *n, error *err)
{
    bool *named = array_new(d->n_items, sizeof *named);
    size_t *items = array_new(d->n_items, sizeof *items), count = 0;
    if (!named || !items) {
        free(named);
        free(items);
        return error_memory(err, d->n_items * sizeof *items);
    }
    for (size_t i = 0; i < seen->n; i++) {
        named[d->ratings[seen->index[i]].a] = true;
        named[d->ratings[seen->index[i]].b] = true;
    }
    for (size_t i = 0; i < d->n_items; i++)
        if (named[i])
            items[count++] = i;
    free(named);
    *out = items;
    *n = count;
    return 0;
}

int learner_new(learner *out, const reward_data *d, const rating_list *seen, error *err)
{
    learner l = {.data = d};
    size_t *items = NULL, n = 0, total;
    TRY(items_of(d, seen, &items, &n, err));
    int rc = projection_make(&l.projection, d->x, items, n, d->n_features,
                             N_REWARD_EXTRAS, MOST_COMPONENTS, err);
    free(items);
    TRY(rc);
    if (!size_mul(d->n_items, projection_width(&l.projection), &total) ||
        !(l.z = array_new(total, sizeof *l.z)))
        rc = error_memory(err, d->n_items * sizeof *l.z);
    if (rc == 0)
        rc = projection_apply(&l.projection, d->x, d->n_items, l.z, err);
    if (rc < 0)
        learner_free(&l);
    else
        *out = l;
    return rc;
}

void learner_free(learner *l)
{
    projection_free(&l->projection);
    free(l->z);
    *l = (learner){0};
}

/* ---- Rows ---- */

/* Ratings as rows of a fit; owns both arrays. */
typedef struct design {
    double *x, *y;
    size_t n, width;
} design;

static void design_free(design *g)
{
    free(g->x);
    free(g->y);
    *g = (design){0};
}

static int design_new(design *out, const learner *l, size_t n, error *err)
{
    size_t width = projection_width(&l->projection), total;
    if (!size_mul(n, width, &total))
        return error_memory(err, SIZE_MAX);
    design g = {array_new(total, sizeof(double)), array_new(n, sizeof(double)), 0, width};
    if (!g.x || !g.y) {
        design_free(&g);
        return error_memory(err, total * sizeof(double));
    }
    *out = g;
    return 0;
}

static void design_add(design *g, const learner *l, const reward_rating *r)
{
    const double *a = l->z + r->a * g->width, *b = l->z + r->b * g->width;
    double *x = g->x + g->n * g->width;
    bool pair = l->data->head == HEAD_PAIRWISE;
    for (size_t c = 0; c < g->width; c++)
        x[c] = pair ? a[c] - b[c] : a[c];
    g->y[g->n++] = r->outcome;
}

static int fit_design(const design *g, reward_head head, size_t first, reward_choice c,
                      double *v, double *intercept, error *err)
{
    fit_rows rows = {g->x + first, g->y, g->n, c.n_columns, g->width};
    *intercept = 0;
    return head == HEAD_PAIRWISE ? logistic_fit(&rows, c.lambda, v, err)
                                 : ridge_fit(&rows, c.lambda, v, intercept, err);
}

int learner_fit(const learner *l, const rating_list *seen, size_t first,
                reward_choice choice, double *v, double *intercept, error *err)
{
    design g;
    TRY(design_new(&g, l, seen->n, err));
    for (size_t i = 0; i < seen->n; i++)
        design_add(&g, l, &l->data->ratings[seen->index[i]]);
    memset(v, 0, choice.n_columns * sizeof *v);
    int rc = fit_design(&g, l->data->head, first, choice, v, intercept, err);
    design_free(&g);
    return rc;
}

double learner_score(const learner *l, size_t i, size_t first, size_t n, const double *v)
{
    const double *z = l->z + i * projection_width(&l->projection) + first;
    double sum = 0;
    for (size_t c = 0; c < n; c++)
        sum += z[c] * v[c];
    return sum;
}

/* ---- Folds ---- */

int reward_deal_folds(const reward_data *d, const rating_list *seen, size_t n_folds,
                      gsl_rng *rng, size_t *fold, size_t *n_contexts, error *err)
{
    size_t n = 0, *order = array_new(d->n_contexts, sizeof *order);
    if (!order)
        return error_memory(err, d->n_contexts * sizeof *order);
    for (size_t c = 0; c < d->n_contexts; c++)
        fold[c] = SIZE_MAX;
    for (size_t i = 0; i < seen->n; i++)
        fold[d->context[d->ratings[seen->index[i]].a]] = 0;
    for (size_t c = 0; c < d->n_contexts; c++)
        if (fold[c] == 0)
            order[n++] = c;
    gsl_ran_shuffle(rng, order, n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        fold[order[i]] = i % n_folds;
    free(order);
    *n_contexts = n;
    return 0;
}

/* ---- The choice ---- */

static double design_loss(const design *g, reward_head head, const double *v, size_t n,
                          double intercept)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++) {
        double m = intercept, y = g->y[i];
        for (size_t c = 0; c < n; c++)
            m += g->x[i * g->width + c] * v[c];
        sum += head == HEAD_PAIRWISE ? -y * log_logistic(m) - (1 - y) * log_logistic(-m)
                                     : (y - m) * (y - m);
    }
    return sum;
}

/* Ratings of the other folds, and of this one. */
static int split_design(const learner *l, const rating_list *seen, const size_t *fold,
                        size_t at, design *train, design *test, error *err)
{
    const reward_data *d = l->data;
    TRY(design_new(train, l, seen->n, err));
    TRY(design_new(test, l, seen->n, err));
    for (size_t i = 0; i < seen->n; i++) {
        const reward_rating *r = &d->ratings[seen->index[i]];
        design_add(fold[d->context[r->a]] == at ? test : train, l, r);
    }
    return 0;
}

/* Columns of the c-th count, 0 when a smaller count has as many. */
static size_t columns_of(size_t c, size_t width)
{
    size_t n = N_REWARD_EXTRAS + component_counts[c];
    if (c > 0 && N_REWARD_EXTRAS + component_counts[c - 1] >= width)
        return 0;
    return n < width ? n : width;
}

/* From the largest penalty down: each fit begins where the last one ended. */
static int add_losses(const learner *l, const design *train, const design *test,
                      double losses[N_COUNTS][N_PENALTIES], error *err)
{
    reward_head head = l->data->head;
    double *v = array_new(train->width, sizeof *v), intercept;
    int rc = v ? 0 : error_memory(err, train->width * sizeof *v);
    for (size_t c = 0; rc == 0 && c < N_COUNTS; c++) {
        size_t n = columns_of(c, train->width);
        memset(v, 0, train->width * sizeof *v);
        for (size_t p = 0; rc == 0 && n > 0 && p < N_PENALTIES; p++) {
            rc = fit_design(train, head, 0, (reward_choice){n, penalties[p]}, v,
                            &intercept, err);
            if (rc == 0)
                losses[c][p] += design_loss(test, head, v, n, intercept);
        }
    }
    free(v);
    return rc;
}

static reward_choice best_choice(const double losses[N_COUNTS][N_PENALTIES], size_t width)
{
    reward_choice best = {0};
    double least = INFINITY;
    for (size_t c = 0; c < N_COUNTS; c++)
        for (size_t p = 0; columns_of(c, width) && p < N_PENALTIES; p++)
            if (losses[c][p] < least) {
                least = losses[c][p];
                best = (reward_choice){columns_of(c, width), penalties[p]};
            }
    return best;
}

int learner_choose(const learner *l, const rating_list *seen, size_t n_folds,
                   uint64_t seed, reward_choice *out, error *err)
{
    double losses[N_COUNTS][N_PENALTIES] = {{0}};
    size_t n = l->data->n_contexts;
    size_t *fold = array_new(n, sizeof *fold);
    gsl_rng *rng = reward_rng(seed, 1);
    int rc = fold && rng ? 0 : error_memory(err, n * sizeof *fold);
    size_t have = 0;
    if (rc == 0)
        rc = reward_deal_folds(l->data, seen, n_folds, rng, fold, &have, err);
    n_folds = have < n_folds ? have : n_folds;
    if (rc == 0 && n_folds < 2)
        rc = error_set(err, E_ARGUMENT,
                       "%zu contexts cannot be parted into two to learn from one and "
                       "try on the other",
                       have);
    for (size_t f = 0; rc == 0 && f < n_folds; f++) {
        design train = {0}, test = {0};
        rc = split_design(l, seen, fold, f, &train, &test, err);
        if (rc == 0)
            rc = add_losses(l, &train, &test, losses, err);
        design_free(&train);
        design_free(&test);
    }
    if (rc == 0)
        *out = best_choice((const double(*)[N_PENALTIES])losses,
                           projection_width(&l->projection));
    free(fold);
    if (rng)
        gsl_rng_free(rng);
    return rc;
}

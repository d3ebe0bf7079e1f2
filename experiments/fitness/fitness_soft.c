#include "fitness_soft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "../../prefix/prefix.h"
#include "lm_row.h"

typedef struct fitness_soft {
    objective base; /* first, so that one pointer is both */
    objective *inner;
    const experiment *experiment;
    scorer *scorer;
    size_t gene, n_tokens, width, n_dimensions;
    float *start;      /* (n_tokens, width) */
    float *projection; /* (n_tokens * width, n_dimensions) */
    float *values;     /* (n_tokens, width): of the candidate at hand */
} fitness_soft;

static void soft_release(fitness_soft *f)
{
    free(f->start);
    free(f->projection);
    free(f->values);
}

static void soft_free(objective *o)
{
    fitness_soft *f = (fitness_soft *)o;
    f->inner->free(f->inner);
    soft_release(f);
    free(f);
}

/* ---- The soft prompt ---- */

/* f->start: what the gene's text has in the model. */
static int start_as_text(fitness_soft *f, const model *m, error *err)
{
    const char *init = f->experiment->sources[f->gene].init;
    token_list words = {0};
    int rc = tokenizer_encode(model_tokenizer(m), init, strlen(init), false, &words, err);
    if (rc == 0 && words.n == 0)
        rc = error_set(err, E_ARGUMENT, "the text \"%.60s\" has no tokens", init);
    if (rc == 0)
        rc = prefix_values_of(m, NULL, PREFIX_EMBEDDINGS, words.ids, words.n, f->n_tokens,
                              f->start, err);
    token_list_free(&words);
    return rc;
}

/* Root mean square of the entries: what a step should be measured by. */
static double typical_entry(const float *x, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    return sqrt(squares / (double)n);
}

/* Entries so that z ~ N(0, I) moves each entry of the prompt by about what such an entry
 * measures. The stream belongs to the experiment's seed alone. */
static int make_projection(fitness_soft *f, error *err)
{
    size_t n = f->n_tokens * f->width;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return error_memory(err, sizeof(void *));
    gsl_rng_set(rng, (unsigned long)seed_mix(f->experiment->seed, 0x736f6674));
    double sd = typical_entry(f->start, n) / sqrt((double)f->n_dimensions);
    for (size_t i = 0; i < n * f->n_dimensions; i++)
        f->projection[i] = (float)gsl_ran_gaussian(rng, sd);
    gsl_rng_free(rng);
    return 0;
}

static int soft_prepare(fitness_soft *f, const experiment *e, const model *m, error *err)
{
    size_t n, floats;
    f->experiment = e;
    f->gene = experiment_soft_gene(e);
    f->n_tokens = e->sources[f->gene].n_tokens;
    f->width = model_describe(m)->width;
    f->n_dimensions = e->spec.genes[f->gene].n_dimensions;
    if (!size_mul(f->n_tokens, f->width, &n) || !size_mul(n, f->n_dimensions, &floats))
        return error_memory(err, SIZE_MAX);
    f->start = array_new(n, sizeof(float));
    f->values = array_new(n, sizeof(float));
    f->projection = array_new(floats, sizeof(float));
    if (!f->start || !f->values || !f->projection)
        return error_memory(err, floats * sizeof(float));
    TRY(start_as_text(f, m, err));
    return make_projection(f, err);
}

static void soft_values(const fitness_soft *f, const genome *g)
{
    const double *z = g->genes[f->gene].vector;
    for (size_t i = 0; i < f->n_tokens * f->width; i++) {
        const float *a = f->projection + i * f->n_dimensions;
        double sum = (double)f->start[i];
        for (size_t k = 0; k < f->n_dimensions; k++)
            sum += (double)a[k] * z[k];
        f->values[i] = (float)sum;
    }
}

int soft_prompt_values(const experiment *e, const model *m, const genome *g,
                       float **values, error *err)
{
    fitness_soft f = {0};
    int rc = soft_prepare(&f, e, m, err);
    if (rc == 0) {
        soft_values(&f, g);
        *values = f.values;
        f.values = NULL;
    }
    soft_release(&f);
    return rc;
}

/* ---- The objective ---- */

static int put_before(fitness_soft *f, const genome *g, error *err)
{
    soft_values(f, g);
    prefix_view view = {PREFIX_EMBEDDINGS, f->n_tokens, f->values};
    return scorer_use_prefix(f->scorer, &view, err);
}

static void add_expense(expense *sum, const expense *x)
{
    sum->tokens += x->tokens;
    sum->evaluations += x->evaluations;
    sum->reused += x->reused;
}

/* Each candidate of the batch behind its own vectors: measured, or, with `results` NULL,
 * only priced. */
static int soft_each(fitness_soft *f, const measurement *batch, measurement *results,
                     size_t n, expense *out, error *err)
{
    objective *inner = f->inner;
    expense sum = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        expense one = {0};
        rc = put_before(f, batch[i].genome, err);
        if (rc == 0)
            rc = results ? inner->measure(inner, &results[i], 1, &one, err)
                         : inner->cost(inner, &batch[i], 1, &one, err);
        add_expense(&sum, &one);
    }
    if (rc == 0)
        *out = sum;
    scorer_use_prefix(f->scorer, NULL, NULL); /* to none: cannot fail */
    return rc;
}

static int soft_cost(objective *o, const measurement *batch, size_t n, expense *out,
                     error *err)
{
    return soft_each((fitness_soft *)o, batch, NULL, n, out, err);
}

static int soft_measure(objective *o, measurement *batch, size_t n, expense *out,
                        error *err)
{
    return soft_each((fitness_soft *)o, batch, batch, n, out, err);
}

int fitness_soft_new(objective **out, objective *inner, const experiment *e, scorer *c,
                     error *err)
{
    fitness_soft *f = calloc(1, sizeof *f);
    int rc = f ? soft_prepare(f, e, scorer_model(c), err) : error_memory(err, sizeof *f);
    if (rc < 0) {
        if (f)
            soft_release(f);
        free(f);
        inner->free(inner);
        return rc;
    }
    f->base = (objective){.name = inner->name,
                          .cost = soft_cost,
                          .measure = soft_measure,
                          .free = soft_free};
    f->inner = inner;
    f->scorer = c;
    *out = &f->base;
    return 0;
}

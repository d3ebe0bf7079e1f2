/* Operators on choices, demonstrations and numbers. */
#include "variation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

int operator_choice_flip(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    const gene_spec *spec = &v->spec->genes[which];
    if (spec->n_options < 2)
        return 0;
    size_t other = pick_below(v->rng, spec->n_options - 1);
    g->genes[which].choice = other + (other >= g->genes[which].choice);
    return 1;
}

/* ---- Demonstrations ---- */

static bool demos_hold(const gene *g, size_t demo)
{
    for (size_t i = 0; i < g->n_demos; i++)
        if (g->demos[i] == demo)
            return true;
    return false;
}

/* One of the pool that is not shown yet, uniform; the caller knows that there is one. */
static size_t pick_unused(gsl_rng *rng, const gene_spec *spec, const gene *g)
{
    size_t k = pick_below(rng, spec->n_pool - g->n_demos), demo = 0;
    for (;; demo++)
        if (!demos_hold(g, demo) && k-- == 0)
            return demo;
}

static int demo_put(gene *g, size_t at, size_t demo, error *err)
{
    size_t *grown = array_resize(g->demos, g->n_demos + 1, sizeof *grown);
    if (!grown)
        return error_memory(err, (g->n_demos + 1) * sizeof *grown);
    memmove(grown + at + 1, grown + at, (g->n_demos - at) * sizeof *grown);
    grown[at] = demo;
    g->demos = grown;
    g->n_demos++;
    return 0;
}

int demos_draw(gsl_rng *rng, const gene_spec *spec, gene *g, size_t size, error *err)
{
    g->n_demos = 0;
    while (g->n_demos < size && g->n_demos < spec->n_pool)
        TRY(demo_put(g, g->n_demos, pick_unused(rng, spec, g), err));
    return 0;
}

int operator_demo_add(const variation *v, genome *g, size_t which, error *err)
{
    const gene_spec *spec = &v->spec->genes[which];
    gene *d = &g->genes[which];
    if (d->n_demos >= spec->max_demos || d->n_demos >= spec->n_pool)
        return 0;
    size_t at = pick_below(v->rng, d->n_demos + 1);
    TRY(demo_put(d, at, pick_unused(v->rng, spec, d), err));
    return 1;
}

int operator_demo_drop(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    gene *d = &g->genes[which];
    if (d->n_demos == 0)
        return 0;
    size_t at = pick_below(v->rng, d->n_demos);
    memmove(d->demos + at, d->demos + at + 1, (d->n_demos - at - 1) * sizeof *d->demos);
    d->n_demos--;
    return 1;
}

/* One demonstration gives its place to another of the pool. */
int operator_demo_swap(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    const gene_spec *spec = &v->spec->genes[which];
    gene *d = &g->genes[which];
    if (d->n_demos == 0 || d->n_demos >= spec->n_pool)
        return 0;
    size_t at = pick_below(v->rng, d->n_demos);
    d->demos[at] = pick_unused(v->rng, spec, d);
    return 1;
}

int operator_demo_reorder(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    gene *d = &g->genes[which];
    if (d->n_demos < 2)
        return 0;
    size_t a = pick_below(v->rng, d->n_demos), b = pick_below(v->rng, d->n_demos - 1);
    b += b >= a;
    size_t demo = d->demos[a];
    d->demos[a] = d->demos[b];
    d->demos[b] = demo;
    return 1;
}

/* ---- Numbers ---- */

/* A Gaussian step of a tenth of the range; whole numbers move by one at least. */
int operator_number_step(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    const gene_spec *spec = &v->spec->genes[which];
    double old = g->genes[which].number, range = spec->highest - spec->lowest;
    double step = gsl_ran_gaussian(v->rng, 0.1 * range);
    if (!(range > 0) || step == 0)
        return 0;
    if (spec->whole)
        step = step > 0 ? fmax(1, rint(step)) : fmin(-1, rint(step));
    double low = spec->whole ? ceil(spec->lowest) : spec->lowest;
    double high = spec->whole ? floor(spec->highest) : spec->highest;
    double now = fmin(high, fmax(low, old + step));
    if (now == old) /* at the border, looking out */
        now = fmin(high, fmax(low, old - step));
    g->genes[which].number = now + 0.0;
    return now != old;
}

/* ---- Vectors ---- */

/* A Gaussian step of a tenth of the spread in every direction. */
int operator_vector_step(const variation *v, genome *g, size_t which, error *err)
{
    (void)err;
    const gene_spec *spec = &v->spec->genes[which];
    gene *x = &g->genes[which];
    for (size_t i = 0; i < x->n_vector; i++)
        x->vector[i] += gsl_ran_gaussian(v->rng, 0.1 * spec->spread);
    return x->n_vector > 0;
}

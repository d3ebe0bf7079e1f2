/* Newton's steps for more items than a matrix of all of them holds: conjugate gradients
 * (Hestenes & Stiefel 1952, J. Res. Natl. Bur. Stand. 49, 409-436) on the information as
 * the comparisons make it, which is never put together. */
#include "bradley_terry_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the gradient that a step may leave: the next one takes care of it. */
static const double left_over = 1e-6;

/* The gradient, and each comparison's part of the information. */
static void derive(fit *f)
{
    size_t at[3], n = f->has_ties ? 3 : 2;
    memset(f->gradient, 0, f->n * sizeof *f->gradient);
    for (size_t i = 0; i < f->c->n; i++) {
        const comparison *k = &f->c->list[i];
        outcome o = outcome_of(f, f->x, k, false);
        fit_places(f, k, at);
        for (size_t a = 0; a < n; a++)
            f->gradient[at[a]] += o.g[a];
        f->curvature[i] =
            (curvature){o.h[0][0], o.h[0][1], o.h[1][1], o.h[0][2], o.h[1][2], o.h[2][2]};
    }
    fit_add_prior(f, NULL);
}

/* The information times v; or, with v NULL, its diagonal. */
static void multiply(const fit *f, const double *v, double *out)
{
    size_t t = f->n_items;
    for (size_t i = 0; i < f->n; i++)
        out[i] = i < t ? f->o->prior * (v ? v[i] : 1) : 0;
    for (size_t i = 0; i < f->c->n; i++) {
        const curvature *h = &f->curvature[i];
        size_t a = f->c->list[i].winner, b = f->c->list[i].loser;
        double last = v && f->has_ties ? v[t] : 0;
        out[a] += v ? h->aa * v[a] + h->ab * v[b] + h->at * last : h->aa;
        out[b] += v ? h->ab * v[a] + h->bb * v[b] + h->bt * last : h->bb;
        if (f->has_ties)
            out[t] += v ? h->at * v[a] + h->bt * v[b] + h->tt * last : h->tt;
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* work (4, n): residual, direction, product, diagonal. Without a prior the information
 * has no inverse, since the sum of scores is free; nor has the gradient a part there. */
static void solve(const fit *f, double *step, double *work)
{
    size_t n = f->n;
    double *r = work, *p = work + n, *product = work + 2 * n, *diagonal = work + 3 * n;
    multiply(f, NULL, diagonal);
    memset(step, 0, n * sizeof *step);
    memcpy(r, f->gradient, n * sizeof *r);
    double enough = left_over * left_over * dot(r, r, n), before = 0;
    for (size_t round = 0; round < 4 * n && dot(r, r, n) > enough; round++) {
        double now = 0;
        for (size_t i = 0; i < n; i++)
            now += r[i] * r[i] / diagonal[i];
        for (size_t i = 0; i < n; i++)
            p[i] = r[i] / diagonal[i] + (round ? now / before * p[i] : 0);
        before = now;
        multiply(f, p, product);
        double bend = dot(p, product, n);
        if (!(bend > 0))
            return;
        for (size_t i = 0; i < n; i++) {
            step[i] += now / bend * p[i];
            r[i] -= now / bend * product[i];
        }
    }
}

int fit_step_large(fit *f, error *err)
{
    double *work = array_new(4 * f->n, sizeof *work);
    if (!work)
        return error_memory(err, 4 * f->n * sizeof *work);
    derive(f);
    solve(f, f->step, work);
    free(work);
    return 0;
}

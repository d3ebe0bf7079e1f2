/* Rank correlation of the latest predictions and ratings. */
#include "reward_guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_RATINGS = 10, MOST_WINDOW = 2000 };

struct reward_guard {
    guard_options options;
    double *predicted, *rated; /* (window), a ring */
    size_t next;
    guard_state state;
};

guard_options guard_defaults(void)
{
    return (guard_options){.window = 60, .least = 20, .needed = 0.1, .z = 1.645};
}

/* ---- Kendall's tau-b ---- */

static int sign(double x)
{
    return (x > 0) - (x < 0);
}

/* Concordant less discordant pairs, and pairs that are no tie in x, in y. */
typedef struct pair_sums {
    double s, in_x, in_y;
} pair_sums;

static double tau_of(const pair_sums *t)
{
    return t->in_x > 0 && t->in_y > 0 ? t->s / sqrt(t->in_x * t->in_y) : (double)NAN;
}

/* Kendall 1945, The treatment of ties in ranking problems; the jackknife leaves out each
 * pair of numbers in turn, which takes its share of the sums away. */
int kendall_tau(const double *x, const double *y, size_t n, double *tau, double *se,
                error *err)
{
    pair_sums all = {0}, *of = array_new(n, sizeof *of);
    if (!of)
        return error_memory(err, n * sizeof *of);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            int a = sign(x[i] - x[k]), b = sign(y[i] - y[k]);
            pair_sums *both[] = {&of[i], &of[k], &all};
            for (size_t e = 0; e < 3; e++) {
                both[e]->s += a * b;
                both[e]->in_x += a != 0;
                both[e]->in_y += b != 0;
            }
        }
    double squares = 0, mean = 0;
    for (size_t i = 0; i < n; i++) {
        pair_sums without = {all.s - of[i].s, all.in_x - of[i].in_x,
                             all.in_y - of[i].in_y};
        of[i].s = tau_of(&without);
        mean += of[i].s / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        squares += (of[i].s - mean) * (of[i].s - mean);
    *tau = tau_of(&all);
    *se = n > 1 ? sqrt(squares * (double)(n - 1) / (double)n) : (double)NAN;
    free(of);
    return 0;
}

/* ---- The guard ---- */

int reward_guard_new(reward_guard **out, const guard_options *o, error *err)
{
    if (o->least < LEAST_RATINGS || o->window < o->least || o->window > MOST_WINDOW)
        return error_set(err, E_ARGUMENT,
                         "a guard that decides on %zu of %zu ratings: it wants at least "
                         "%d, and a window of so many up to %d",
                         o->least, o->window, LEAST_RATINGS, MOST_WINDOW);
    if (!(o->needed >= -1 && o->needed <= 1) || !(o->z >= 0) || !isfinite(o->z))
        return error_set(err, E_ARGUMENT,
                         "a guard that wants a correlation of %g, %g standard errors up: "
                         "must be in -1..1, and 0 or more",
                         o->needed, o->z);
    reward_guard *g = array_new(1, sizeof *g);
    if (!g)
        return error_memory(err, sizeof *g);
    g->options = *o;
    g->predicted = array_new(o->window, sizeof(double));
    g->rated = array_new(o->window, sizeof(double));
    if (!g->predicted || !g->rated) {
        reward_guard_free(g);
        return error_memory(err, o->window * sizeof(double));
    }
    reward_guard_refitted(g);
    *out = g;
    return 0;
}

void reward_guard_free(reward_guard *g)
{
    if (!g)
        return;
    free(g->predicted);
    free(g->rated);
    free(g);
}

void reward_guard_refitted(reward_guard *g)
{
    g->next = 0;
    g->state = (guard_state){.tau = (double)NAN, .low = (double)NAN, .high = (double)NAN};
}

int reward_guard_see(reward_guard *g, double predicted, double rated, error *err)
{
    guard_state *s = &g->state;
    double se;
    if (!isfinite(predicted) || !isfinite(rated))
        return error_set(err, E_ARGUMENT,
                         "a rating of %g where %g was predicted: not numbers", rated,
                         predicted);
    g->predicted[g->next] = predicted;
    g->rated[g->next] = rated;
    g->next = (g->next + 1) % g->options.window;
    s->n_seen++;
    s->n += s->n < g->options.window;
    TRY(kendall_tau(g->predicted, g->rated, s->n, &s->tau, &se, err));
    s->low = s->tau - g->options.z * se;
    s->high = s->tau + g->options.z * se;
    bool enough = s->n >= g->options.least;
    if (enough && s->high < g->options.needed)
        s->handed_back = true;
    s->agrees = enough && s->tau >= g->options.needed && s->low > 0;
    return 0;
}

guard_state reward_guard_state(const reward_guard *g)
{
    return g->state;
}

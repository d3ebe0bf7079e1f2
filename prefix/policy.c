/* The policy: its options, its gradient and its steps. Texts are in policy_draw.c. */
#include "policy_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

policy_options policy_defaults(void)
{
    return (policy_options){.n_samples = 8,
                            .batch = 8,
                            .beta = 0.05,
                            .lr = 0.03,
                            .clip = 1,
                            .max_tokens = 24};
}

/* ---- Life ---- */

static int check_options(const policy_options *o, error *err)
{
    if (o->n_samples < 2)
        return error_set(err, E_ARGUMENT,
                         "%zu samples per context: at least 2 are needed, since the "
                         "others are each one's baseline",
                         o->n_samples);
    if (o->max_tokens == 0)
        return error_set(err, E_ARGUMENT, "texts of 0 tokens: at least 1 is needed");
    if (!(o->beta >= 0 && o->beta < 1e6) || !(o->lr > 0 && o->lr < 1e3) ||
        !(o->clip >= 0))
        return error_set(err, E_ARGUMENT,
                         "beta is %g, the rate %g, the clipping norm %g: must be in "
                         "0..1e6, above 0 and below 1000, and 0 or more",
                         o->beta, o->lr, o->clip);
    return 0;
}

static int check_contexts(const policy *p, const row *contexts, size_t n, error *err)
{
    size_t window = model_describe(p->model)->window;
    if (n == 0)
        return error_set(err, E_ARGUMENT, "no contexts to write texts in");
    for (size_t i = 0; i < n; i++) {
        size_t most = p->prefix.n + contexts[i].n + p->options.max_tokens;
        if (contexts[i].n == 0)
            return error_set(err, E_ARGUMENT, "context %zu has no tokens", i);
        if (most > window)
            return error_set(err, E_LIMIT,
                             "context %zu: %zu virtual tokens, %zu of its own and %zu of "
                             "a text are over the model's window of %zu",
                             i, p->prefix.n, contexts[i].n, p->options.max_tokens,
                             window);
    }
    return 0;
}

/* A rate is meant in units of what it moves: of embeddings, or of the keys, or values, of
 * one layer. */
static void take_scales(policy *p)
{
    const model_info *m = model_describe(p->model);
    size_t each = p->n_values / p->prefix.n;
    size_t w =
        p->prefix.kind == PREFIX_EMBEDDINGS ? m->width : m->n_kv_heads * m->head_size;
    for (size_t g = 0; g < each; g += w) {
        double squares = 0;
        for (size_t i = 0; i < p->n_values; i++)
            if (i % each >= g && i % each < g + w)
                squares += (double)p->prefix.values[i] * (double)p->prefix.values[i];
        double size = sqrt(squares / (double)(p->prefix.n * w));
        for (size_t i = 0; i < p->n_values; i++)
            if (i % each >= g && i % each < g + w)
                p->scales[i] = size > 0 ? (float)size : 1.0f;
    }
}

static int open_policy(policy *p, const prefix *start, error *err)
{
    TRY(check_options(&p->options, err));
    if (start->n == 0)
        return error_set(err, E_ARGUMENT, "a prefix of no virtual tokens cannot learn");
    TRY(prefix_check_model(start, p->model, err));
    TRY(prefix_copy(&p->prefix, start, err));
    TRY(check_contexts(p, p->contexts, p->n_contexts, err));
    p->n_values = start->n * prefix_width(model_describe(p->model), start->kind);
    TRY(policy_identify(p, err));
    p->scales = array_new(p->n_values, sizeof(float));
    p->gradient = array_new(p->n_values, sizeof(float));
    if (!p->scales || !p->gradient)
        return error_memory(err, p->n_values * sizeof(float));
    take_scales(p);
    adamw_options a = adamw_defaults();
    return optimizer_new(&p->optimizer, p->n_values, &a, err);
}

int policy_new(policy **out, session *s, const model *m, const prefix *start,
               const row *contexts, size_t n, const policy_options *options,
               const policy_judge *judge, error *err)
{
    policy *p = array_new(1, sizeof *p);
    if (!p)
        return error_memory(err, sizeof *p);
    p->session = s;
    p->model = m;
    p->options = *options;
    p->judge = *judge;
    p->contexts = contexts;
    p->n_contexts = n;
    int rc = open_policy(p, start, err);
    p->judge.name = NULL; /* borrowed until here */
    if (rc < 0)
        policy_free(p);
    else
        *out = p;
    return rc;
}

void policy_free(policy *p)
{
    if (!p)
        return;
    prefix_free(&p->prefix);
    free(p->scales);
    free(p->gradient);
    optimizer_free(&p->optimizer);
    free(p);
}

size_t policy_steps(const policy *p)
{
    return (size_t)p->optimizer.n_steps;
}

int policy_latest(const policy *p, prefix *out, error *err)
{
    TRY(prefix_copy(out, &p->prefix, err));
    out->origin.step = p->optimizer.n_steps;
    return 0;
}

/* ---- The gradient ---- */

/* Of each text, how much more it is worth, after the penalty, than the others of its
 * context, over the number of texts. */
static void take_advantages(const policy_draw *d, double beta, double *out)
{
    double k = (double)d->k;
    for (size_t c = 0; c < d->n; c++) {
        double sum = 0;
        for (size_t i = c * d->k; i < (c + 1) * d->k; i++)
            sum += d->worths[i] - beta * d->ratios[i];
        for (size_t i = c * d->k; i < (c + 1) * d->k; i++) {
            double own = d->worths[i] - beta * d->ratios[i];
            out[i] = (own - (sum - own) / (k - 1)) / (k * (double)d->n);
        }
    }
}

/* The loss of the call is minus what rises. */
static int take_gradient(policy *p, const policy_draw *d, const double *weights,
                         float *gradient, error *err)
{
    size_t n = d->n * d->k;
    row_score *scores = array_new(n, sizeof *scores);
    if (!scores)
        return error_memory(err, n * sizeof *scores);
    prefix_view view = prefix_view_of(&p->prefix);
    gradient_request request = {.weights = weights, .prefix_gradient = gradient};
    int rc = session_set_prefix(p->session, &view, err);
    if (rc == 0)
        rc = model_gradient(p->session, d->rows, n, &request, scores, err);
    for (size_t i = 0; rc == 0 && i < p->n_values; i++)
        gradient[i] = -gradient[i];
    session_set_prefix(p->session, NULL, NULL);
    free(scores);
    return rc;
}

int policy_estimate(policy *p, const size_t *contexts, size_t n, uint64_t drawn,
                    float *gradient, policy_report *out, error *err)
{
    policy_draw d;
    uint64_t seed = seed_mix(p->options.seed, drawn);
    TRY(policy_draw_new(&d, p, &p->prefix, p->contexts, contexts, n, seed, err));
    double *weights = array_new(n * d.k, sizeof *weights);
    int rc = weights ? 0 : error_memory(err, n * d.k * sizeof *weights);
    if (rc == 0) {
        take_advantages(&d, p->options.beta, weights);
        rc = take_gradient(p, &d, weights, gradient, err);
    }
    if (rc == 0) {
        policy_draw_report(&d, p->prefix.n, out);
        out->gradient_norm = gradient_norm(gradient, p->n_values);
        for (size_t i = 0; i < n * d.k; i++)
            out->tokens += 3 * (d.rows[i].n + p->prefix.n);
    }
    free(weights);
    policy_draw_free(&d);
    return rc;
}

/* ---- Steps ---- */

/* Which contexts step `step` takes: all, epoch after epoch in an order drawn for each. */
static int choose_contexts(const policy *p, uint64_t step, size_t *out, size_t n,
                           error *err)
{
    size_t N = p->n_contexts, *order = array_new(N, sizeof *order);
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    uint64_t drawn = 0; /* the epoch that `order` is of, from 1 */
    int rc = order && rng ? 0 : error_memory(err, N * sizeof *order);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        uint64_t at = step * n + i;
        if (at / N + 1 != drawn) {
            drawn = at / N + 1;
            for (size_t c = 0; c < N; c++)
                order[c] = c;
            gsl_rng_set(rng,
                        (unsigned long)seed_mix(p->options.seed, 0x6f726465 + drawn));
            gsl_ran_shuffle(rng, order, N, sizeof *order);
        }
        out[i] = order[at % N];
    }
    if (rng)
        gsl_rng_free(rng);
    free(order);
    return rc;
}

/* The gradient in units of the scales: what is clipped and reported. */
static void move(policy *p)
{
    const policy_options *o = &p->options;
    for (size_t i = 0; i < p->n_values; i++)
        p->gradient[i] *= -p->scales[i];
    gradient_clip(p->gradient, p->n_values, o->clip);
    optimizer_step(&p->optimizer, p->prefix.values, p->gradient, p->scales, o->lr);
}

int policy_step(policy *p, policy_report *out, error *err)
{
    size_t n = p->options.batch;
    if (n == 0 || n > p->n_contexts)
        n = p->n_contexts;
    size_t *chosen = array_new(n, sizeof *chosen);
    if (!chosen)
        return error_memory(err, n * sizeof *chosen);
    policy_report r = {0};
    int rc = choose_contexts(p, p->optimizer.n_steps, chosen, n, err);
    if (rc == 0)
        rc =
            policy_estimate(p, chosen, n, p->optimizer.n_steps + 1, p->gradient, &r, err);
    free(chosen);
    TRY(rc);
    if (!isfinite(r.gradient_norm))
        return error_set(err, E_NUMERIC, "step %zu: the gradient's norm is %g",
                         policy_steps(p) + 1, r.gradient_norm);
    move(p);
    *out = r;
    return 0;
}

int policy_try(policy *p, const prefix *before, const row *contexts, size_t n,
               uint64_t drawn, double *worths, policy_report *out, error *err)
{
    policy_draw d;
    uint64_t seed = seed_mix(seed_mix(p->options.seed, 0x747279), drawn);
    TRY(check_contexts(p, contexts, n, err));
    TRY(policy_draw_new(&d, p, before, contexts, NULL, n, seed, err));
    policy_draw_report(&d, before ? before->n : 0, out);
    if (worths)
        memcpy(worths, d.worths, n * d.k * sizeof *worths);
    policy_draw_free(&d);
    return 0;
}

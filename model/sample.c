/* Temperature, top-k, top-p (Holtzman et al. 2020) and repetition penalty (Keskar et al.
 * 2019). */
#include "sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int check_options(const sampling *o, error *err)
{
    if (!(o->temperature >= 0) || !isfinite(o->temperature))
        return error_set(err, E_ARGUMENT, "temperature %g: must be 0 (greedy) or more",
                         o->temperature);
    if (!(o->top_p >= 0 && o->top_p <= 1))
        return error_set(err, E_ARGUMENT, "top-p %g: must be in 0..1", o->top_p);
    if (!(o->repetition_penalty >= 0) || !isfinite(o->repetition_penalty))
        return error_set(err, E_ARGUMENT,
                         "repetition penalty %g: must be positive, 1 is off",
                         o->repetition_penalty);
    return 0;
}

int sampler_open(sampler *out, const sampling *options, size_t V, error *err)
{
    TRY(check_options(options, err));
    sampler s = {.options = options,
                 .V = V,
                 .logits = array_new(V, sizeof(*s.logits)),
                 .candidates = array_new(V, sizeof(*s.candidates))};
    if (s.logits == NULL || s.candidates == NULL) {
        sampler_close(&s);
        return error_memory(err, V * (sizeof(*s.logits) + sizeof(*s.candidates)));
    }
    *out = s;
    return 0;
}

void sampler_close(sampler *s)
{
    free(s->logits);
    free(s->candidates);
    *s = (sampler){0};
}

/* Copy the logits; divide positive and multiply negative ones of tokens seen before. A
 * token is penalised once however often it occurred: from the original logit. */
static void penalise(sampler *s, const float *logits, const int32_t *history, size_t n)
{
    double penalty = s->options->repetition_penalty;
    memcpy(s->logits, logits, s->V * sizeof(float));
    if (penalty == 0 || penalty == 1)
        return;
    for (size_t i = 0; i < n; i++) {
        double x = (double)logits[history[i]];
        s->logits[history[i]] = (float)(x > 0 ? x / penalty : x * penalty);
    }
}

static size_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static int compare_candidates(const void *x, const void *y)
{
    const candidate_token *a = x, *b = y;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Candidates with a weight of at least `floor` of the largest, in order of id. */
static size_t weigh(sampler *s, float max, double floor)
{
    size_t n = 0;
    for (size_t id = 0; id < s->V; id++) {
        double w = exp(((double)s->logits[id] - (double)max) / s->options->temperature);
        if (w >= floor)
            s->candidates[n++] = (candidate_token){(int32_t)id, w};
    }
    return n;
}

static double total_weight(const candidate_token *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].weight;
    return sum;
}

/* The shortest head of the sorted candidates that holds top_p of the weight. */
static size_t nucleus(const candidate_token *c, size_t n, double top_p)
{
    double wanted = top_p * total_weight(c, n), sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += c[i].weight;
        if (sum >= wanted)
            return i + 1;
    }
    return n;
}

int32_t sample_token(sampler *s, const float *logits, const int32_t *history,
                     size_t n_history, gsl_rng *rng)
{
    const sampling *o = s->options;
    penalise(s, logits, history, n_history);
    size_t best = argmax(s->logits, s->V);
    if (o->temperature == 0)
        return (int32_t)best;
    bool cut_k = o->top_k > 0 && o->top_k<s->V, cut_p = o->top_p> 0 && o->top_p < 1;
    size_t n = weigh(s, s->logits[best], 0);
    if (cut_k || cut_p)
        qsort(s->candidates, n, sizeof(*s->candidates), compare_candidates);
    if (cut_k && n > o->top_k)
        n = o->top_k;
    if (cut_p)
        n = nucleus(s->candidates, n, o->top_p);
    double left = gsl_rng_uniform(rng) * total_weight(s->candidates, n);
    for (size_t i = 0; i < n; i++) {
        left -= s->candidates[i].weight;
        if (left < 0)
            return s->candidates[i].id;
    }
    return s->candidates[n - 1].id;
}

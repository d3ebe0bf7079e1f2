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

/* Every token with its weight, relative to the best one's, in order of id. */
static void weigh(sampler *s, float max)
{
    for (size_t id = 0; id < s->V; id++) {
        double x = ((double)s->logits[id] - (double)max) / s->options->temperature;
        s->candidates[id] = (candidate_token){(int32_t)id, exp(x)};
    }
}

static double total_weight(const candidate_token *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].weight;
    return sum;
}

/* Restore the heap c[0..n) whose worst candidate is on top, from a changed c[at]. */
static void sift_down(candidate_token *c, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare_candidates(&c[child + 1], &c[child]) > 0)
            child++;
        if (compare_candidates(&c[child], &c[at]) <= 0)
            return;
        candidate_token t = c[at];
        c[at] = c[child];
        c[child] = t;
    }
}

/* Bring the k best of n to the front, best first. */
static size_t keep_best(candidate_token *c, size_t n, size_t k)
{
    for (size_t i = k / 2 + 1; i-- > 0;)
        sift_down(c, k, i);
    for (size_t i = k; i < n; i++)
        if (compare_candidates(&c[i], &c[0]) < 0) {
            c[0] = c[i];
            sift_down(c, k, 0);
        }
    qsort(c, k, sizeof(*c), compare_candidates);
    return k;
}

/* Bring those that can be in the nucleus to the front, best first: all tokens below a
 * weight of (1 - top_p) / n of the total weigh less than 1 - top_p together. */
static size_t keep_likely(candidate_token *c, size_t n, double top_p, double total)
{
    double least = total * (1 - top_p) / (double)n;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].weight >= least)
            c[kept++] = c[i];
    qsort(c, kept, sizeof(*c), compare_candidates);
    return kept;
}

/* The shortest head of the sorted candidates that holds the wanted weight. */
static size_t nucleus(const candidate_token *c, size_t n, double wanted)
{
    double sum = 0;
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
    candidate_token *c = s->candidates;
    bool cut_k = o->top_k > 0 && o->top_k<s->V, cut_p = o->top_p> 0 && o->top_p < 1;
    size_t n = s->V;
    weigh(s, s->logits[best]);
    if (cut_k)
        n = keep_best(c, n, o->top_k);
    if (cut_p) {
        double total = total_weight(c, n);
        n = keep_likely(c, n, o->top_p, total);
        n = nucleus(c, n, o->top_p * total);
    }
    double left = gsl_rng_uniform(rng) * total_weight(c, n);
    for (size_t i = 0; i < n; i++) {
        left -= c[i].weight;
        if (left < 0)
            return c[i].id;
    }
    return c[n - 1].id;
}

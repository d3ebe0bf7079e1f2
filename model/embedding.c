/* Vectors against all token embeddings: which are nearest, and what a gradient says of
 * changing to each. */
#include "resident.h"
#include "session_parts.h"
#include "top_k.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Products with the embedding matrix ---- */

/* In several sums that do not wait for each other. */
static double dot(const float *a, const float *b, size_t n)
{
    enum { SUMS = 8 };
    double sums[SUMS] = {0}, total = 0;
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (size_t j = 0; j < SUMS; j++)
            sums[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < n; i++)
        sums[0] += (double)a[i] * (double)b[i];
    for (size_t j = 0; j < SUMS; j++)
        total += sums[j];
    return total;
}

/* s->logits (m, V) = x (m, C) E^T. No backend holds an embedding that is not the head:
 * its rows are widened one at a time. */
static int multiply_widened(session *s, const float *x, size_t m, error *err)
{
    size_t C = s->weights->shape.C, V = s->weights->shape.V;
    float *widened = array_new(C, sizeof(*widened));
    if (widened == NULL)
        return error_memory(err, C * sizeof(*widened));
    for (size_t id = 0; id < V; id++) {
        weight_source_row(&s->weights->embedding, id, widened);
        for (size_t i = 0; i < m; i++)
            s->logits[i * V + id] = (float)dot(x + i * C, widened, C);
    }
    free(widened);
    return 0;
}

static int multiply_embeddings(session *s, const float *x, size_t m, error *err)
{
    const model_shape *shape = &s->weights->shape;
    TRY(session_check_interrupt(s, err));
    s->counters.multiply_adds += (double)m * (double)shape->C * (double)shape->V;
    if (!s->weights->tied_head)
        return multiply_widened(s, x, m, err);
    return s->backend->product(s->context, s->packed->head, x, m, s->logits, false, err);
}

/* s->embedding_norms (V). */
static int make_norms(session *s, error *err)
{
    size_t C = s->weights->shape.C, V = s->weights->shape.V;
    uint64_t bytes = V * sizeof(double);
    if (s->embedding_norms != NULL)
        return 0;
    resident_begin(s);
    TRY(session_charge(s, bytes, "the norms of the embeddings", err));
    float *widened = array_new(C, sizeof(*widened));
    double *norms = array_new(V, sizeof(*norms));
    if (widened == NULL || norms == NULL) {
        session_discharge(s, bytes);
        free(widened);
        free(norms);
        return error_memory(err, (size_t)bytes);
    }
    for (size_t id = 0; id < V; id++) {
        weight_source_row(&s->weights->embedding, id, widened);
        norms[id] = sqrt(dot(widened, widened, C));
    }
    free(widened);
    s->embedding_norms = norms;
    return 0;
}

/* ---- Rankings of the vocabulary for each of n vectors ---- */

typedef struct ranking {
    size_t k;
    int32_t *ids;   /* (n, k) */
    double *values; /* (n, k) */
    /* Makes of products (V) with vector i what is ranked, largest first. */
    void (*measure)(const struct ranking *r, size_t i, float *products);
    bool negated; /* what is ranked is the negative of the value */
    session *s;
    const float *vectors;   /* (n, C) */
    const int32_t *current; /* (n) */
} ranking;

static int check_vectors(const float *x, size_t n, size_t C, const char *what, error *err)
{
    for (size_t i = 0; i < n * C; i++)
        if (!isfinite(x[i]))
            return error_set(err, E_NUMERIC, "%s %zu: value %zu of %zu is %f", what,
                             i / C, i % C, C, (double)x[i]);
    return 0;
}

static int rank_one(ranking *r, size_t i, float *products, error *err)
{
    size_t V = r->s->weights->shape.V;
    int32_t *ids = r->ids + i * r->k;
    r->measure(r, i, products);
    for (size_t id = 0; id < V; id++)
        if (!isfinite(products[id]))
            return error_set(err, E_NUMERIC,
                             "vector %zu: its product with token %zu is %f", i, id,
                             (double)products[id]);
    top_k(products, V, r->k, ids);
    for (size_t j = 0; j < r->k; j++) {
        double value = (double)products[ids[j]];
        r->values[i * r->k + j] = r->negated ? 0 - value : value;
    }
    return 0;
}

static int rank_chunks(ranking *r, size_t n, error *err)
{
    session *s = r->s;
    size_t C = s->weights->shape.C, V = s->weights->shape.V;
    for (size_t done = 0; done < n; done += s->max_logits) {
        size_t m = n - done < s->max_logits ? n - done : s->max_logits;
        TRY(multiply_embeddings(s, r->vectors + done * C, m, err));
        for (size_t i = 0; i < m; i++)
            TRY(rank_one(r, done + i, s->logits + i * V, err));
    }
    return 0;
}

/* Into ids and values, which are untouched on failure; NULL values: not wanted. */
static int rank(ranking *r, size_t n, int32_t *ids, double *values, error *err)
{
    size_t V = r->s->weights->shape.V, total;
    if (r->k == 0 || r->k > V)
        return error_set(err, E_ARGUMENT, "%zu tokens of each: must be in 1..%zu", r->k,
                         V);
    if (!size_mul(n, r->k, &total))
        return error_memory(err, SIZE_MAX);
    int rc;
    r->ids = array_new(total, sizeof(*r->ids));
    r->values = array_new(total, sizeof(*r->values));
    if (r->ids == NULL || r->values == NULL) {
        rc = error_memory(err, total * sizeof(*r->values));
        goto out;
    }
    TRY_OUT(rc, rank_chunks(r, n, err));
    memcpy(ids, r->ids, total * sizeof(*ids));
    if (values != NULL)
        memcpy(values, r->values, total * sizeof(*values));
out:
    free(r->ids);
    free(r->values);
    return rc;
}

/* ---- Nearest tokens ---- */

static void measure_dot(const ranking *r, size_t i, float *products)
{
    (void)r;
    (void)i;
    (void)products;
}

/* Of a vector without length: 0 with all. */
static void measure_cosine(const ranking *r, size_t i, float *products)
{
    const session *s = r->s;
    size_t C = s->weights->shape.C;
    double norm = sqrt(dot(r->vectors + i * C, r->vectors + i * C, C));
    for (size_t id = 0; id < s->weights->shape.V; id++) {
        double both = norm * s->embedding_norms[id];
        products[id] = both > 0 ? (float)((double)products[id] / both) : 0;
    }
}

int model_nearest_tokens(session *s, const float *vectors, size_t n,
                         embedding_measure measure, size_t k, int32_t *ids,
                         double *measures, error *err)
{
    double began = clock_seconds();
    bool cosine = measure == MEASURE_COSINE;
    ranking r = {.k = k,
                 .measure = cosine ? measure_cosine : measure_dot,
                 .s = s,
                 .vectors = vectors};
    if (n == 0)
        return 0;
    TRY(check_vectors(vectors, n, s->weights->shape.C, "vector", err));
    if (cosine)
        TRY(make_norms(s, err));
    int rc = rank(&r, n, ids, measures, err);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

/* ---- Swaps ---- */

/* What is ranked is (e[current] - e[id]) . g: the lower the change, the higher. */
static void measure_swap(const ranking *r, size_t i, float *products)
{
    size_t V = r->s->weights->shape.V;
    double now = (double)products[r->current[i]];
    for (size_t id = 0; id < V; id++)
        products[id] = (float)(now - (double)products[id]);
}

int model_token_gradient(session *s, const float *gradients, const int32_t *current,
                         size_t n, size_t k, int32_t *ids, double *changes, error *err)
{
    double began = clock_seconds();
    size_t V = s->weights->shape.V;
    ranking r = {.k = k,
                 .measure = measure_swap,
                 .negated = true,
                 .s = s,
                 .vectors = gradients,
                 .current = current};
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (current[i] < 0 || (size_t)current[i] >= V)
            return error_set(err, E_ARGUMENT,
                             "position %zu: token %d is outside the vocabulary of %zu", i,
                             current[i], V);
    TRY(check_vectors(gradients, n, s->weights->shape.C, "the gradient of position",
                      err));
    int rc = rank(&r, n, ids, changes, err);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

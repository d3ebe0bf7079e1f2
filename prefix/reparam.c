#include "reparam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

static bool add_part(size_t *at, size_t rows, size_t columns, size_t *count)
{
    size_t n;
    *at = *count;
    return size_mul(rows, columns, &n) && size_add(*count, n, count);
}

int reparam_layout(const reparam *r, reparam_parts *out, error *err)
{
    reparam_parts p = {0};
    bool fits = add_part(&p.inputs, r->n, r->n_inputs, &p.count) &&
                add_part(&p.weight1, r->n_hidden, r->n_inputs, &p.count) &&
                add_part(&p.bias1, 1, r->n_hidden, &p.count) &&
                add_part(&p.weight2, r->width, r->n_hidden, &p.count) &&
                add_part(&p.bias2, 1, r->width, &p.count);
    if (!fits)
        return error_memory(err, SIZE_MAX);
    *out = p;
    return 0;
}

/* Every part of the layout: overflow was ruled out when the array was made. */
static reparam_parts parts_of(const reparam *r)
{
    reparam_parts p = {0};
    (void)reparam_layout(r, &p, NULL);
    return p;
}

/* U(-1/sqrt(n_in), 1/sqrt(n_in)): what torch.nn.Linear begins with. */
static void fill_linear(float *x, size_t n, size_t n_in, gsl_rng *rng)
{
    double bound = 1 / sqrt((double)n_in);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)gsl_ran_flat(rng, -bound, bound);
}

/* The output starts as what the MLP can say of `start` without its second weights, whose
 * rows begin at nought: the mean of start over the tokens in b2, the rest of it through
 * W2 by the least squares of one token after the other (n <= E: an exact fit exists). */
static int fit_start(const reparam *r, const reparam_parts *p, float *parameters,
                     const float *start, error *err);

int reparam_init(const reparam *r, float *parameters, const float *start, gsl_rng *rng,
                 error *err)
{
    reparam_parts p = parts_of(r);
    for (size_t i = 0; i < r->n * r->n_inputs; i++) /* torch.nn.Embedding: N(0, 1) */
        parameters[p.inputs + i] = (float)gsl_ran_gaussian(rng, 1);
    fill_linear(parameters + p.weight1, r->n_hidden * r->n_inputs, r->n_inputs, rng);
    fill_linear(parameters + p.bias1, r->n_hidden, r->n_inputs, rng);
    fill_linear(parameters + p.weight2, r->width * r->n_hidden, r->n_hidden, rng);
    fill_linear(parameters + p.bias2, r->width, r->n_hidden, rng);
    return start != NULL ? fit_start(r, &p, parameters, start, err) : 0;
}

/* hidden (n, E) = tanh(X W1^T + b1) */
static void hidden_of(const reparam *r, const reparam_parts *p, const float *parameters,
                      float *hidden)
{
    const float *x = parameters + p->inputs, *w = parameters + p->weight1;
    const float *b = parameters + p->bias1;
    for (size_t i = 0; i < r->n; i++)
        for (size_t e = 0; e < r->n_hidden; e++) {
            double sum = (double)b[e];
            for (size_t k = 0; k < r->n_inputs; k++)
                sum += (double)x[i * r->n_inputs + k] * (double)w[e * r->n_inputs + k];
            hidden[i * r->n_hidden + e] = (float)tanh(sum);
        }
}

/* Orthonormal rows that span those of hidden (Gram-Schmidt, twice for accuracy): basis
 * (n, E); rows that depend on others become nought. */
static void orthonormal(const float *hidden, size_t n, size_t E, double *basis)
{
    for (size_t i = 0; i < n; i++) {
        double *row = basis + i * E, norm = 0;
        for (size_t e = 0; e < E; e++)
            row[e] = (double)hidden[i * E + e];
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < i; j++) {
                double dot = 0;
                for (size_t e = 0; e < E; e++)
                    dot += row[e] * basis[j * E + e];
                for (size_t e = 0; e < E; e++)
                    row[e] -= dot * basis[j * E + e];
            }
        for (size_t e = 0; e < E; e++)
            norm += row[e] * row[e];
        for (size_t e = 0; e < E; e++)
            row[e] = norm > 1e-12 ? row[e] / sqrt(norm) : 0;
    }
}

/* W2 += residual^T hidden^+, the change of least norm that makes the output `start`:
 * token by token in the orthonormal basis, forward substitution. */
static int fit_start(const reparam *r, const reparam_parts *p, float *parameters,
                     const float *start, error *err)
{
    size_t n = r->n, E = r->n_hidden, W = r->width;
    float *hidden = array_new(n, E * sizeof *hidden),
          *out = array_new(n, W * sizeof *out);
    double *basis = array_new(n, E * sizeof *basis), *c = array_new(n, sizeof *c);
    int rc = hidden && out && basis && c ? 0 : error_memory(err, n * W * sizeof *out);
    if (rc == 0) {
        reparam_forward(r, parameters, hidden, out);
        orthonormal(hidden, n, E, basis);
    }
    for (size_t o = 0; rc == 0 && o < W; o++) {
        float *w = parameters + p->weight2 + o * E;
        for (size_t i = 0; i < n; i++) { /* hidden_i . (sum_j c_j basis_j) = residual_i */
            double left = (double)start[i * W + o] - (double)out[i * W + o], own = 0;
            for (size_t j = 0; j <= i; j++) {
                double dot = 0;
                for (size_t e = 0; e < E; e++)
                    dot += (double)hidden[i * E + e] * basis[j * E + e];
                if (j < i)
                    left -= c[j] * dot;
                else
                    own = dot;
            }
            c[i] = own != 0 ? left / own : 0;
        }
        for (size_t i = 0; i < n; i++)
            for (size_t e = 0; e < E; e++)
                w[e] = (float)((double)w[e] + c[i] * basis[i * E + e]);
    }
    free(hidden);
    free(out);
    free(basis);
    free(c);
    return rc;
}

void reparam_forward(const reparam *r, const float *parameters, float *hidden, float *out)
{
    reparam_parts p = parts_of(r);
    size_t E = r->n_hidden, W = r->width;
    const float *w = parameters + p.weight2, *b = parameters + p.bias2;
    hidden_of(r, &p, parameters, hidden);
    for (size_t o = 0; o < W; o++)
        for (size_t i = 0; i < r->n; i++) {
            double sum = (double)b[o];
            for (size_t e = 0; e < E; e++)
                sum += (double)hidden[i * E + e] * (double)w[o * E + e];
            out[i * W + o] = (float)sum;
        }
}

int reparam_backward(const reparam *r, const float *parameters, const float *hidden,
                     const float *d_out, float *gradient, error *err)
{
    reparam_parts p = parts_of(r);
    size_t n = r->n, E = r->n_hidden, W = r->width, I = r->n_inputs;
    const float *w1 = parameters + p.weight1, *w2 = parameters + p.weight2;
    const float *x = parameters + p.inputs;
    double *dz = array_new(n, E * sizeof *dz); /* at the tanh's input */
    if (dz == NULL)
        return error_memory(err, n * E * sizeof *dz);
    memset(gradient, 0, p.count * sizeof *gradient);
    for (size_t o = 0; o < W; o++) {
        double bias = 0;
        float *dw = gradient + p.weight2 + o * E;
        for (size_t i = 0; i < n; i++) {
            double d = (double)d_out[i * W + o];
            bias += d;
            for (size_t e = 0; e < E; e++) {
                dw[e] += (float)(d * (double)hidden[i * E + e]);
                dz[i * E + e] += d * (double)w2[o * E + e];
            }
        }
        gradient[p.bias2 + o] = (float)bias;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t e = 0; e < E; e++) {
            double h = (double)hidden[i * E + e], d = dz[i * E + e] * (1 - h * h);
            gradient[p.bias1 + e] += (float)d;
            for (size_t k = 0; k < I; k++) {
                gradient[p.weight1 + e * I + k] += (float)(d * (double)x[i * I + k]);
                gradient[p.inputs + i * I + k] += (float)(d * (double)w1[e * I + k]);
            }
        }
    free(dz);
    return 0;
}

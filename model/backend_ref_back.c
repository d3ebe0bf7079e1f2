/* The reference backend, backwards: the gradient of each operation at its input, given
 * that at its output, in double. */
#include "backend_ref.h"

#include <math.h>
#include <stdlib.h>

int ref_gated_keep(backend_context *c, const backend_weight *w, const float *x, size_t m,
                   float *both, float *y, error *err)
{
    size_t F = w->n_out / 2;
    TRY(ref_product(c, w, x, m, both, false, err));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < F; j++) {
            double z = (double)both[i * 2 * F + j], u = (double)both[i * 2 * F + F + j];
            y[i * F + j] = (float)(z / (1 + exp(-z)) * u);
        }
    return 0;
}

/* y = silu(z) u, silu(z) = z s, s = 1 / (1 + exp(-z)), silu'(z) = s (1 + z (1 - s)). */
void ref_gate_back(backend_context *c, const float *dy, size_t m, size_t F, float *both)
{
    (void)c;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < F; j++) {
            float *gate = both + i * 2 * F + j, *up = gate + F;
            double z = (double)*gate, u = (double)*up, d = (double)dy[i * F + j];
            double s = 1 / (1 + exp(-z));
            *gate = (float)(d * u * s * (1 + z * (1 - s)));
            *up = (float)(d * z * s);
        }
}

int ref_product_back(backend_context *c, const backend_weight *w, const float *dy,
                     size_t m, float *dx, bool add, error *err)
{
    (void)c;
    (void)err;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < w->n_in; j++) {
            double sum = 0;
            for (size_t o = 0; o < w->n_out; o++)
                sum += (double)dy[i * w->n_out + o] * (double)w->w[o * w->n_in + j];
            float *at = dx + i * w->n_in + j;
            *at = (float)(add ? (double)*at + sum : sum);
        }
    return 0;
}

/* y = f w x, f = 1 / sqrt(mean(x^2) + eps):
 * dx = f w dy - f^3 / C (sum w dy x) x. */
void ref_norm_back(backend_context *c, const float *x, const float *w, const float *dy,
                   size_t m, float *dx)
{
    size_t C = c->shape.C;
    for (size_t i = 0; i < m; i++, x += C, dy += C, dx += C) {
        double squares = 0, dot = 0;
        for (size_t j = 0; j < C; j++) {
            squares += (double)x[j] * (double)x[j];
            dot += (double)x[j] * (double)dy[j] * (double)w[j];
        }
        double f = 1 / sqrt(squares / (double)C + (double)c->shape.norm_eps);
        double back = f * f * f / (double)C * dot;
        for (size_t j = 0; j < C; j++)
            dx[j] = (float)((double)dx[j] + f * (double)w[j] * (double)dy[j] -
                            back * (double)x[j]);
    }
}

void ref_rotate_back(backend_context *c, float *dx, size_t stride, size_t n_heads,
                     size_t m, const size_t *at, const float *cosine, const float *sine)
{
    size_t D = c->shape.D, half = c->shape.n_rot / 2;
    for (size_t i = 0; i < m; i++)
        for (size_t h = 0; h < n_heads; h++)
            for (size_t j = 0; j < half; j++) {
                float *p = dx + i * stride + h * D + j;
                double co = (double)cosine[at[i] * half + j];
                double si = (double)sine[at[i] * half + j];
                double a = (double)p[0], b = (double)p[half];
                p[0] = (float)(a * co + b * si);
                p[half] = (float)(b * co - a * si);
            }
}

/* ---- Attention: P = softmax(q k^T / sqrt(D)), o = P v;
 * dS = P (do v^T - do . o), dq = dS k / sqrt(D), dk = dS^T q / sqrt(D), dv = P^T do ----
 */

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* One query and one head at work. */
typedef struct query {
    const model_shape *shape;
    const attention *a;
    const float *q, *g;              /* (D): the query, and the gradient at its result */
    double *p;                       /* (position + 1): probabilities */
    double *dq;                      /* (D) */
    double baseline;                 /* do . o */
    size_t first, position, kv_head; /* it sees the keys at [first, position] */
} query;

/* What the keys and values of one span get and give. */
static void back_span(const query *x, const kv_span *s)
{
    size_t D = x->shape->D, Hkv = x->shape->Hkv;
    double scale = 1 / sqrt((double)D);
    for (size_t j = 0; j < s->n_keys && s->first + j <= x->position; j++) {
        if (s->first + j < x->first)
            continue;
        const float *k = s->kv + (x->kv_head * s->capacity + j) * D;
        const float *v = k + Hkv * s->capacity * D;
        double p = x->p[s->first + j];
        double ds = p * (dot(x->g, v, D) - x->baseline) * scale;
        for (size_t d = 0; d < D; d++)
            x->dq[d] += ds * (double)k[d];
        if (s->d_kv == NULL)
            continue;
        float *dk = s->d_kv + (j * 2 * Hkv + x->kv_head) * D, *dv = dk + Hkv * D;
        for (size_t d = 0; d < D; d++) {
            dk[d] = (float)((double)dk[d] + ds * (double)x->q[d]);
            dv[d] = (float)((double)dv[d] + p * (double)x->g[d]);
        }
    }
}

static void back_query(const query *x, size_t i, size_t h)
{
    const attention *a = x->a;
    const kv_span *end = a->spans + a->n_spans;
    double max = -INFINITY, total = 0;
    for (const kv_span *s = a->spans; s < end; s++)
        if (ref_sees(s, i))
            max = ref_score_span(a, s, i, h, x->kv_head, x->shape->D, x->p, max);
    for (size_t j = x->first; j <= x->position; j++)
        total += x->p[j] = exp(x->p[j] - max);
    for (size_t j = x->first; j <= x->position; j++)
        x->p[j] /= total;
    for (const kv_span *s = a->spans; s < end; s++)
        if (ref_sees(s, i))
            back_span(x, s);
}

int ref_attend_back(backend_context *c, const attention *a, const float *d_out,
                    float *d_q, error *err)
{
    const model_shape *shape = &c->shape;
    size_t longest = 0, D = shape->D;
    for (size_t i = 0; i < a->m; i++)
        longest = a->positions[i] >= longest ? a->positions[i] + 1 : longest;
    double *room = array_new(longest + D, sizeof *room);
    if (room == NULL)
        return error_memory(err, (longest + D) * sizeof *room);
    for (size_t i = 0; i < a->m; i++)
        for (size_t h = 0; h < shape->H; h++) {
            const float *g = d_out + i * a->out_stride + h * D;
            query x = {.shape = shape,
                       .a = a,
                       .q = a->q + i * a->q_stride + h * D,
                       .g = g,
                       .p = room,
                       .dq = room + longest,
                       .baseline = dot(g, a->out + i * a->out_stride + h * D, D),
                       .first = attention_first(a, i),
                       .position = a->positions[i],
                       .kv_head = h / (shape->H / shape->Hkv)};
            for (size_t d = 0; d < D; d++)
                x.dq[d] = 0;
            back_query(&x, i, h);
            for (size_t d = 0; d < D; d++)
                d_q[i * a->q_stride + h * D + d] = (float)x.dq[d];
        }
    free(room);
    return 0;
}

void ref_softmax_rows(backend_context *c, float *logits, const logit_stats *stats,
                      const double *factors, size_t m)
{
    size_t V = c->shape.V;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < V; j++) {
            float *x = &logits[i * V + j];
            *x = (float)(factors[i] *
                         exp((double)*x - (double)stats[i].max - stats[i].log_sum));
        }
}

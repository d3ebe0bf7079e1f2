#include "project.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ---- */

static size_t count_targets(const word_rows *w)
{
    size_t targets = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        targets += w->rows[i].n - w->rows[i].n_context;
    return targets;
}

static int check_rows(const word_rows *w, error *err)
{
    for (size_t i = 0; i < w->n_rows; i++)
        for (size_t t = 0; t < w->rows[i].n; t++)
            if (w->places[i][t] != place_none && w->places[i][t] >= w->n)
                return error_set(err, E_ARGUMENT,
                                 "token %zu of row %zu is word %u of %zu", t, i,
                                 w->places[i][t], w->n);
    return 0;
}

/* Sum of -ln p over the rows' targets, divided by their number: as weights, and as sum.
 */
static int mean_gradient(session *s, const row *rows, const word_rows *w,
                         gradient_request *request, double *loss, error *err)
{
    double each = 1 / (double)count_targets(w), sum = 0;
    row_score *scores = array_new(w->n_rows, sizeof *scores);
    double *weights = array_new(w->n_rows, sizeof *weights);
    int rc = scores && weights ? 0 : error_memory(err, w->n_rows * sizeof *scores);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++)
        weights[i] = each;
    request->weights = weights;
    if (rc == 0)
        rc = model_gradient(s, rows, w->n_rows, request, scores, err);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++)
        sum -= scores[i].logprob;
    if (rc == 0)
        *loss = sum * each;
    free(scores);
    free(weights);
    return rc;
}

/* ---- At words ---- */

static void rows_free(row *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        free((int32_t *)(uintptr_t)rows[i].tokens);
    free(rows);
}

/* The rows with `ids` for the words; new. */
static int rows_with(const word_rows *w, const int32_t *ids, row **out, error *err)
{
    row *rows = array_new(w->n_rows, sizeof *rows);
    int rc = rows ? 0 : error_memory(err, w->n_rows * sizeof *rows);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++) {
        const row *from = &w->rows[i];
        int32_t *tokens = array_new(from->n, sizeof *tokens);
        if (!tokens) {
            rc = error_memory(err, from->n * sizeof *tokens);
            break;
        }
        for (size_t t = 0; t < from->n; t++)
            tokens[t] =
                w->places[i][t] == place_none ? from->tokens[t] : ids[w->places[i][t]];
        rows[i] = (row){tokens, from->n, from->n_context};
    }
    if (rc < 0)
        rows_free(rows, w->n_rows);
    else
        *out = rows;
    return rc;
}

int project_gradient(session *s, const word_rows *w, const int32_t *ids, float *gradient,
                     double *loss, error *err)
{
    row *rows = NULL;
    TRY(check_rows(w, err));
    TRY(rows_with(w, ids, &rows, err));
    gradient_request request = {
        .places = w->places, .n_places = w->n, .place_gradients = gradient};
    int rc = mean_gradient(s, rows, w, &request, loss, err);
    rows_free(rows, w->n_rows);
    return rc;
}

/* ---- At vectors ---- */

size_t soften_common(const word_rows *w)
{
    size_t m = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        for (size_t t = m; t < w->rows[i].n; t++)
            if (w->places[i][t] != place_none)
                m = t + 1;
    for (size_t i = 0; i < w->n_rows; i++) {
        const row *r = &w->rows[i];
        if (r->n_context <= m ||
            memcmp(r->tokens, w->rows[0].tokens, m * sizeof *r->tokens) != 0 ||
            memcmp(w->places[i], w->places[0], m * sizeof *w->places[i]) != 0)
            return 0;
    }
    return m;
}

/* (m, C): the rows' common beginning with vectors in place of its words. */
static int put_vectors(session *s, const word_rows *w, size_t m, const float *vectors,
                       float *values, error *err)
{
    size_t C = model_describe(session_model(s))->width;
    TRY(model_embeddings(session_model(s), w->rows[0].tokens, m, values, err));
    for (size_t t = 0; t < m; t++)
        if (w->places[0][t] != place_none)
            memcpy(values + t * C, vectors + w->places[0][t] * C, C * sizeof *values);
    prefix_view view = {PREFIX_EMBEDDINGS, m, values};
    return session_set_prefix(s, &view, err);
}

/* What the gradient (m, C) of the beginning says of the words. */
static void take_gradients(const word_rows *w, size_t m, size_t C, const float *values,
                           float *gradient)
{
    memset(gradient, 0, w->n * C * sizeof *gradient);
    for (size_t t = 0; t < m; t++)
        for (size_t k = 0; w->places[0][t] != place_none && k < C; k++)
            gradient[w->places[0][t] * C + k] += values[t * C + k];
}

int soften_gradient(session *s, const word_rows *w, const float *vectors, float *gradient,
                    double *loss, error *err)
{
    size_t C = model_describe(session_model(s))->width;
    TRY(check_rows(w, err));
    size_t m = soften_common(w);
    if (m == 0)
        return error_set(err, E_ARGUMENT,
                         "the %zu rows do not begin alike up to their last word: no "
                         "vectors can stand there",
                         w->n_rows);
    float *values = array_new(m * C, sizeof *values);
    row *rest = array_new(w->n_rows, sizeof *rest);
    int rc = values && rest ? put_vectors(s, w, m, vectors, values, err)
                            : error_memory(err, m * C * sizeof *values);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++) {
        const row *r = &w->rows[i];
        rest[i] = (row){r->tokens + m, r->n - m, r->n_context - m};
    }
    gradient_request request = {.prefix_gradient = values};
    if (rc == 0)
        rc = mean_gradient(s, rest, w, &request, loss, err);
    if (rc == 0)
        take_gradients(w, m, C, values, gradient);
    int cleared = session_set_prefix(s, NULL, rc == 0 ? err : NULL);
    free(values);
    free(rest);
    return rc < 0 ? rc : cleared;
}

/* ---- Moving ---- */

int descent_new(descent *out, const model *m, const int32_t *ids, size_t n, double lr,
                error *err)
{
    size_t C = model_describe(m)->width;
    adamw_options a = adamw_defaults();
    descent d = {.point = array_new(n * C, sizeof *d.point),
                 .rates = array_new(n * C, sizeof *d.rates),
                 .n = n,
                 .C = C,
                 .lr = lr};
    a.weight_decay = 0;
    int rc = d.point && d.rates ? model_embeddings(m, ids, n, d.point, err)
                                : error_memory(err, n * C * sizeof *d.point);
    if (rc == 0)
        rc = optimizer_new(&d.optimizer, n * C, &a, err);
    if (rc < 0) {
        descent_free(&d);
        return rc;
    }
    double size = gradient_norm(d.point, n * C) / sqrt((double)(n * C));
    for (size_t i = 0; i < n * C; i++)
        d.rates[i] = size > 0 ? (float)size : 1.0f;
    *out = d;
    return 0;
}

void descent_step(descent *d, const float *gradient)
{
    optimizer_step(&d->optimizer, d->point, gradient, d->rates, d->lr);
}

void descent_free(descent *d)
{
    free(d->point);
    free(d->rates);
    optimizer_free(&d->optimizer);
    *d = (descent){0};
}

#include "gradient_fixture.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const double gradient_weights[GRADIENT_ROWS] = {1, -0.5, 2, 0.25, 0.75};

static void read_gradients(gradient_fixture *f, const char *name)
{
    char file[100];
    size_t n;
    snprintf(file, sizeof(file), "%s-gradient.f32", name);
    char *bytes = fixture_read(file, &n);
    f->bytes = array_new(n, 1);
    assert_non_null(f->bytes);
    memcpy(f->bytes, bytes, n);
    free(bytes);
    const float *at = f->bytes;
    for (size_t i = 0; i < GRADIENT_ROWS; i++) {
        f->losses[i] = (double)*at++;
        f->at_tokens[i] = at;
        at += f->rows[i].n * f->C;
    }
    for (int kind = 0; kind < 2; kind++) {
        f->at_prefix[kind] = at;
        at += f->prefixes[kind].n *
              prefix_width(model_describe(f->model), (prefix_kind)kind);
    }
    assert_int_equal((at - f->bytes) * (ptrdiff_t)sizeof(float), n);
}

void gradient_fixture_open(gradient_fixture *f, const char *name)
{
    *f = (gradient_fixture){0};
    prefix_fixture_open(&f->prefixed, name);
    f->model = f->prefixed.model;
    f->prefixes = f->prefixed.prefixes;
    f->C = model_describe(f->model)->width;
    assert_int_equal(f->prefixed.n_rows, GRADIENT_ROWS - 1);
    for (size_t i = 0; i < GRADIENT_ROWS; i++) {
        f->rows[i] = f->prefixed.rows[i % (GRADIENT_ROWS - 1)];
        f->n_tokens += f->rows[i].n;
    }
    f->rows[GRADIENT_ROWS - 1].n_context -= 3;
    read_gradients(f, name);
}

void gradient_fixture_close(gradient_fixture *f)
{
    free(f->bytes);
    prefix_fixture_close(&f->prefixed);
}

/* The place that an earlier row has for the same tokens, or a new one. */
static uint32_t find_place(place_map *m, const row *rows, size_t i, size_t t, bool shared)
{
    for (size_t j = 0; shared && j < i; j++)
        if (rows[j].n > t &&
            memcmp(rows[j].tokens, rows[i].tokens, (t + 1) * sizeof(int32_t)) == 0)
            return m->rows[j][t];
    return (uint32_t)m->n_places++;
}

void place_map_make(place_map *out, const row *rows, size_t n, bool shared)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += rows[i].n;
    *out = (place_map){.rows = array_new(n, sizeof(*out->rows)),
                       .places = array_new(total, sizeof(*out->places))};
    assert_true(out->rows != NULL && out->places != NULL);
    uint32_t *at = out->places;
    for (size_t i = 0; i < n; i++) {
        out->rows[i] = at;
        for (size_t t = 0; t < rows[i].n; t++)
            *at++ = find_place(out, rows, i, t, shared);
    }
}

void place_map_free(place_map *m)
{
    free(m->rows);
    free(m->places);
}

float *must_gradient(session *s, size_t C, const row *rows, size_t n,
                     const double *weights, bool separate, const place_map *m,
                     float *prefix_gradient)
{
    gradient_request q = {
        .weights = weights, .separate = separate, .prefix_gradient = prefix_gradient};
    float *out = NULL;
    if (m != NULL) {
        out = array_new(m->n_places * C, sizeof(*out));
        assert_non_null(out);
        q.places = m->rows;
        q.n_places = m->n_places;
        q.place_gradients = out;
    }
    row_score *scores = array_new(n, sizeof(*scores));
    error err = {0};
    assert_non_null(scores);
    must(model_gradient(s, rows, n, &q, scores, &err), &err);
    free(scores);
    return out;
}

double relative_error(const float *got, const double *want, size_t n)
{
    double squares = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - want[i];
        squares += d * d;
        norm += want[i] * want[i];
    }
    return sqrt(squares / norm);
}

double relative_difference(const float *got, const float *want, size_t n)
{
    double squares = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - (double)want[i];
        squares += d * d;
        norm += (double)want[i] * (double)want[i];
    }
    return sqrt(squares / norm);
}

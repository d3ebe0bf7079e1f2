/* A tiny model with rows, prefixes, and what torch.autograd says of them
 * (tests/fixtures/make_gradients.py); and the ways of asking for gradients that tests
 * have in common. Failures end the running test. */
#ifndef LAMARCK_TESTS_GRADIENT_FIXTURE_H
#define LAMARCK_TESTS_GRADIENT_FIXTURE_H

#include "prefix_fixture.h"

enum { GRADIENT_ROWS = 5 };

typedef struct gradient_fixture {
    prefix_fixture prefixed;
    const model *model;
    size_t C;
    const prefix_view *prefixes; /* by prefix_kind */
    row rows[GRADIENT_ROWS];
    size_t n_tokens;                       /* of all rows */
    float *bytes;                          /* of the file */
    double losses[GRADIENT_ROWS];          /* of each row alone */
    const float *at_tokens[GRADIENT_ROWS]; /* (tokens, C) of that */
    const float *at_prefix[2];             /* as the prefixes, of the weighted sum */
} gradient_fixture;

extern const double gradient_weights[GRADIENT_ROWS]; /* of that sum */

void gradient_fixture_open(gradient_fixture *f, const char *name);
void gradient_fixture_close(gradient_fixture *f);

/* Places for each token of each row. */
typedef struct place_map {
    const uint32_t **rows; /* (n) */
    uint32_t *places;
    size_t n_places;
} place_map;

/* Every token of every row its own place; or, `shared`, one place per distinct beginning.
 */
void place_map_make(place_map *out, const row *rows, size_t n, bool shared);
void place_map_free(place_map *m);

/* model_gradient at all places, which must succeed: (n_places, C), new. */
float *must_gradient(session *s, size_t C, const row *rows, size_t n,
                     const double *weights, bool separate, const place_map *m,
                     float *prefix_gradient);

/* |got - want| / |want|, Euclidean. */
double relative_error(const float *got, const double *want, size_t n);
double relative_difference(const float *got, const float *want, size_t n);

#endif

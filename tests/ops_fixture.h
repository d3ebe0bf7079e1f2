/* What the tests of backends share: odd shapes, random numbers, matrices in memory, and
 * chains of blocks to attend to. Failures end the running test. */
#ifndef LAMARCK_TESTS_OPS_FIXTURE_H
#define LAMARCK_TESTS_OPS_FIXTURE_H

#include "../model/backend.h"
#include "../model/backend_cpu.h"
#include "engine_fixture.h"

#include <gsl/gsl_rng.h>

enum { N_OPS_SHAPES = 3 };
extern const model_shape ops_shapes[N_OPS_SHAPES];

extern gsl_rng *ops_rng;
int ops_set_up(void **state);
int ops_tear_down(void **state);

/* n numbers in [-scale, scale]; new. */
float *floats(size_t n, double scale);
/* A copy; new. */
float *floats_copy(const float *x, size_t n);
double floats_dot(const float *a, const float *b, size_t n);
/* Frees n of them. */
void floats_free(float *const *owned, size_t n);
void assert_near(const float *a, const float *b, size_t n, double tolerance);
backend_context *context(const backend *b, const model_shape *s, size_t n_threads);

/* A source of two tensors in memory, each with half of the rows. */
typedef struct matrix {
    gguf_tensor tensors[2], biases[2];
    weight_source source;
    float *w, *bias;
} matrix;

void matrix_make(matrix *m, size_t n_in, size_t n_out, bool bias, bool gated);
void matrix_free(matrix *m);

/* Positions 0..total of `n_rows` rows that share their first `shared` tokens. Blocks: the
 * shared part in pieces of `piece`, then one block per row. Queries: every token. */
typedef struct chain_case {
    size_t shared, own, n_rows, piece;
    size_t reach; /* of every query; 0: all */
} chain_case;

/* Chains that part at odd places, with what a query reaches from nothing but itself to
 * more than there is. */
enum { N_CHAINS = 19 };
extern const chain_case ops_chains[N_CHAINS];

typedef struct chain_run {
    const model_shape *shape;
    const float *qkv; /* (shared + n_rows * own, stride) */
    float *out;       /* (the same, H D) */
} chain_run;

/* Keys and values of such rows in blocks, and the attention of all their tokens. */
typedef struct chain {
    const backend *backend;
    backend_context *context;
    size_t *positions;
    kv_span *spans; /* their kv are owned */
    size_t n_spans, n_tokens;
    attention attention;
} chain;

void chain_make(chain *out, const backend *b, const chain_case *k, const chain_run *r);
void chain_free(chain *c);

/* loss(x) = weights . f(x): its gradient is what an operation's backward slot gives for
 * dy = weights. */
typedef struct probe {
    double (*loss)(const struct probe *p);
    const model_shape *shape;
    backend_context *context;
    float *x;
    const float *w, *weights;
    size_t m;
    const chain_case *chain; /* of attention */
} probe;

/* Some of the elements of `gradient` (n) against central differences of the loss. */
void check_differences(const probe *p, const float *gradient, size_t n);

#endif

/* What a model is made of: its shape, where each matrix lies in the file, and the
 * matrices as a backend has packed them.
 *
 * A weight_source says how to widen a matrix row by row from the mapped file, so nothing
 * but the packed copy is ever held as floats, and a backend that keeps weights quantised
 * could widen them when it needs them. Immutable once made. */
#ifndef LAMARCK_MODEL_WEIGHTS_H
#define LAMARCK_MODEL_WEIGHTS_H

#include "arch.h"
#include "gguf.h"

typedef struct model_shape {
    size_t L, C, H, Hkv, D, F, V;
    size_t window;
    size_t n_rot; /* dimensions of a head that are rotated; even, at most D */
    float norm_eps;
    double rope_base;
    double rope_scale;         /* positions are divided by it */
    const float *rope_factors; /* (n_rot / 2) or NULL; frequencies are divided by them */
} model_shape;

/* One tensor of a stack. */
typedef struct weight_part {
    const gguf_tensor *weight; /* (n_rows, n_in) */
    const gguf_tensor *bias;   /* (n_rows) or NULL */
    size_t head_size; /* 0: rows as stored; else each head's pairs become halves */
    size_t n_rot;
} weight_part;

/* A matrix: up to three tensors of the same width, one above the other. */
enum { WEIGHT_MAX_PARTS = 3 };
typedef struct weight_source {
    weight_part parts[WEIGHT_MAX_PARTS];
    size_t n_parts;
    size_t n_in, n_out;
    bool gated; /* two parts of equal height: a gate and what it gates */
} weight_source;

/* Widen row `row` into dst (n_in). */
void weight_source_row(const weight_source *s, size_t row, float *dst);
bool weight_source_has_bias(const weight_source *s);
/* dst (n_out); zeros where a part has none. 0 or E_MEMORY. */
int weight_source_bias(const weight_source *s, float *dst, error *err);

typedef struct layer_sources {
    weight_source qkv;     /* (H D + 2 Hkv D, C) */
    weight_source output;  /* (C, H D) */
    weight_source gate_up; /* (2 F, C) */
    weight_source down;    /* (C, F) */
    size_t reach;          /* a query sees so many keys, its own the last; 0: all */
    float *attention_norm; /* (C), widened; owned */
    float *feed_norm;      /* (C) */
} layer_sources;

/* Everything that model_open finds in a file. */
typedef struct weights {
    const arch *arch;
    model_shape shape;
    layer_sources *layers;   /* (L), owned */
    weight_source embedding; /* (V, C) */
    weight_source head;      /* (V, C) */
    float *final_norm;       /* (C), owned */
    float *rope_factors;     /* owned */
    bool tied_head;
    uint64_t n_parameters;
    const char *quantisation; /* format with the most parameters */
} weights;

/* Find and check everything in an open file, which must outlive *out. */
int weights_find(weights *out, const gguf *g, error *err);
void weights_free(weights *w);

struct backend;
struct backend_weight;
struct backend_packer;

typedef struct packed_layer {
    struct backend_weight *qkv, *output, *gate_up, *down;
} packed_layer;

typedef struct packed_weights {
    const struct backend *backend;
    struct backend_packer *packer;
    packed_layer *layers; /* (L) */
    size_t n_layers;
    struct backend_weight *head;
} packed_weights;

int packed_weights_new(packed_weights **out, const weights *w, const struct backend *b,
                       size_t n_threads, error *err);
void packed_weights_free(packed_weights *p);

#endif

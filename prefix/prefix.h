/* A learned prefix as an object: values, what model they belong to, where they come from.
 *
 * What a session takes is a `prefix_view` (model.h); this adds ownership, the check that
 * it stands before the right model, and files: PEFT's adapters in and out (adapter.h),
 * .npy out.
 *
 * Ownership: a prefix is a plain struct that owns its values and strings; {0} is empty;
 * free with prefix_free. Threads: plain data. */
#ifndef LAMARCK_PREFIX_PREFIX_H
#define LAMARCK_PREFIX_PREFIX_H

#include "../model/model.h"

/* The facts of a model that a prefix must agree with. 0: not known (a prompt that another
 * program trained says nothing of key-value heads). */
typedef struct prefix_shape {
    size_t n_layers;   /* L */
    size_t width;      /* C */
    size_t n_heads;    /* H */
    size_t n_kv_heads; /* Hkv */
    size_t head_size;  /* D */
} prefix_shape;

/* Where a prefix comes from; every part may be missing. */
typedef struct prefix_origin {
    char model_hash[SHA256_HEX]; /* SHA-256 of the model's file, or "" */
    char *base_model; /* name or path of the model, as PEFT writes it; owned, or NULL */
    char *init;       /* "text", "random", …; owned, or NULL */
    uint64_t step;    /* optimiser steps behind it */
    double loss;      /* on selection rows at that step; NaN: not known */
} prefix_origin;

typedef struct prefix {
    prefix_kind kind;
    size_t n;      /* virtual tokens */
    float *values; /* (n, C) or (n, L, 2, Hkv, D); owned */
    prefix_shape shape;
    prefix_origin origin;
} prefix;

prefix_shape prefix_shape_of(const model_info *info);
/* "prompt" and "prefix", as users call the methods. */
const char *prefix_kind_name(prefix_kind kind);
/* Floats of one virtual token, or 0 when the shape does not say. */
size_t prefix_floats_per_token(const prefix *p);

/* A prefix of n virtual tokens for the model, values copied (NULL: zeros), origin filled
 * with the model's hash and name. */
int prefix_new(prefix *out, const model *m, prefix_kind kind, size_t n,
               const float *values, error *err);
/* The values, (n, floats per token), that words have in the model: the n_ids > 0 of them
 * repeated until they are n, or cut to n, which is PEFT's rule. The session, which is of
 * that model, is only asked for keys and values; else it may be NULL. */
int prefix_values_of(const model *m, session *s, prefix_kind kind, const int32_t *ids,
                     size_t n_ids, size_t n, float *out, error *err);
int prefix_copy(prefix *out, const prefix *p, error *err);
void prefix_free(prefix *p);

/* What session_set_prefix takes; borrowed from p. */
prefix_view prefix_view_of(const prefix *p);

/* E_ARGUMENT, naming both models, unless p was made for this one: its shape, and its hash
 * where the prefix knows one. */
int prefix_check_model(const prefix *p, const model *m, error *err);

/* Read an adapter folder (or its adapter_config.json, or adapter_model.safetensors). */
int prefix_load(prefix *out, const char *path, error *err);
/* Write an adapter folder, made if it is missing. */
int prefix_save(const prefix *p, const char *folder, error *err);
/* Write the values as a NumPy array: (n, C) or (n, L, 2, Hkv, D). */
int prefix_save_npy(const prefix *p, const char *path, error *err);

#endif

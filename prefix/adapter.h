/* PEFT's adapter folders: adapter_config.json and adapter_model.safetensors.
 *
 * One float32 tensor `prompt_embeddings`: (n, C) for PROMPT_TUNING, (n, L * 2 * Hkv * D)
 * for PREFIX_TUNING, row-major over layer, key then value, kv head, head width. A prefix
 * that still has its MLP (prefix_projection) is folded on reading. Ours says besides
 * which model file it was trained on, in the metadata of the safetensors file, which PEFT
 * does not read.
 *
 * Ownership and threads: plain functions over `prefix`. */
#ifndef LAMARCK_PREFIX_ADAPTER_H
#define LAMARCK_PREFIX_ADAPTER_H

#include "prefix.h"

/* Read a folder. E_IO; E_FORMAT names file, key or tensor, what it has and what was
 * wanted; E_UNSUPPORTED for other kinds of adapters, which it names. */
int adapter_read(prefix *out, const char *folder, error *err);
/* Write a folder (made if missing), so that real PEFT loads it. */
int adapter_write(const prefix *p, const char *folder, error *err);
/* The names of the two files in a folder. */
extern const char adapter_config_name[];
extern const char adapter_tensors_name[];

/* What a configuration says of its adapter. Strings are owned. */
typedef struct adapter_config {
    prefix_kind kind;
    size_t n;         /* num_virtual_tokens */
    size_t token_dim; /* C, or Hkv * D for key-values */
    size_t n_heads;   /* num_attention_heads: Hkv for key-values */
    size_t n_layers;  /* num_layers */
    size_t n_hidden;  /* encoder_hidden_size: E of the MLP, 0 without */
    bool projected;   /* prefix_projection: the MLP's tensors are in the file */
    char *base_model; /* base_model_name_or_path, or NULL */
} adapter_config;

/* Parse the bytes of an adapter_config.json; `name` stands for the file in errors. */
int adapter_config_parse(adapter_config *out, const char *bytes, size_t n,
                         const char *name, error *err);
void adapter_config_free(adapter_config *c);

#endif

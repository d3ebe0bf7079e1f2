/* The table of model families. */
#include "arch.h"

#include <stdio.h>
#include <string.h>

#define GGUF_DECODER_NAMES                                                               \
    .layer_prefix = "blk.", .names = {                                                   \
                                [TENSOR_EMBEDDING] = "token_embd",                       \
                                [TENSOR_FINAL_NORM] = "output_norm",                     \
                                [TENSOR_HEAD] = "output",                                \
                                [TENSOR_ROPE_FACTORS] = "rope_freqs",                    \
                                [TENSOR_ATTENTION_NORM] = "attn_norm",                   \
                                [TENSOR_QUERY] = "attn_q",                               \
                                [TENSOR_KEY] = "attn_k",                                 \
                                [TENSOR_VALUE] = "attn_v",                               \
                                [TENSOR_OUTPUT] = "attn_output",                         \
                                [TENSOR_FEED_NORM] = "ffn_norm",                         \
                                [TENSOR_GATE] = "ffn_gate",                              \
                                [TENSOR_UP] = "ffn_up",                                  \
                                [TENSOR_DOWN] = "ffn_down",                              \
    }

/* Sliding windows: llama.cpp's converter writes {name}.attention.sliding_window for
 * neither family (its own decoders of both see everything), other converters do.
 * - llama: Mistral's files call themselves llama, and Mistral limits every layer.
 * - qwen2: a config has a window and beside it use_sliding_window, mostly false, and
 *   max_window_layers, which leaves out the first ones; GGUF has keys for neither. So a
 *   window shorter than the context counts only beside a pattern that says which layers.
 *   The usual ones are as long as the context, and limit nothing. */
static const arch rows[] = {
    /* The converter that writes llama files reorders queries and keys into pairs. */
    {.name = "llama",
     .rotary = ROTARY_PAIRS,
     .reach = {REACH_EVERY_LAYER},
     GGUF_DECODER_NAMES},
    /* llama with biases on queries, keys and values. */
    {.name = "qwen2",
     .rotary = ROTARY_HALVES,
     .reach = {REACH_AS_TOLD},
     GGUF_DECODER_NAMES},
};

const arch *arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const char *arch_names(void)
{
    return "llama, qwen2";
}

bool reach_rule_limits(const reach_rule *r, size_t l)
{
    if (r->layers != REACH_MOST_LAYERS)
        return r->layers == REACH_EVERY_LAYER;
    return l % r->period != (r->far_first ? 0 : r->period - 1);
}

bool arch_tensor_name(const arch *a, tensor_role role, size_t layer, const char *suffix,
                      char *out, size_t size)
{
    int n = role < TENSOR_LAYER ? snprintf(out, size, "%s.%s", a->names[role], suffix)
                                : snprintf(out, size, "%s%zu.%s.%s", a->layer_prefix,
                                           layer, a->names[role], suffix);
    return n > 0 && (size_t)n < size;
}

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

static const arch rows[] = {
    /* The converter that writes llama files reorders queries and keys into pairs. */
    {.name = "llama", .rotary = ROTARY_PAIRS, GGUF_DECODER_NAMES},
    /* llama with biases on queries, keys and values. */
    {.name = "qwen2", .rotary = ROTARY_HALVES, GGUF_DECODER_NAMES},
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

bool arch_tensor_name(const arch *a, tensor_role role, size_t layer, const char *suffix,
                      char *out, size_t size)
{
    int n = role < TENSOR_LAYER ? snprintf(out, size, "%s.%s", a->names[role], suffix)
                                : snprintf(out, size, "%s%zu.%s.%s", a->layer_prefix,
                                           layer, a->names[role], suffix);
    return n > 0 && (size_t)n < size;
}

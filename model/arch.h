/* Model families as data: one decoder, and one row here for each family it can run.
 *
 * A row says what the family's metadata keys and tensors are called and which of the
 * decoder's variants it uses. What the decoder has no variant for is refused by name
 * when a file is opened. Stateless. */
#ifndef LAMARCK_MODEL_ARCH_H
#define LAMARCK_MODEL_ARCH_H

#include <stdbool.h>
#include <stddef.h>

/* How a file stores the two halves of each rotated pair of a head. The decoder rotates
 * (x[i], x[i + n/2]); rows stored as (x[2i], x[2i + 1]) are reordered when widened. */
typedef enum rotary_kind {
    ROTARY_PAIRS,
    ROTARY_HALVES,
} rotary_kind;

/* Tensors by what they do. A `.weight` has this name; a `.bias` may stand beside it. */
typedef enum tensor_role {
    TENSOR_EMBEDDING, /* (V, C) */
    TENSOR_FINAL_NORM,
    TENSOR_HEAD,         /* (V, C); absent: the embedding serves */
    TENSOR_ROPE_FACTORS, /* (n_rot / 2), divides the frequencies; may be absent */
    TENSOR_LAYER,        /* from here on: one per layer, the name holds its number */
    TENSOR_ATTENTION_NORM = TENSOR_LAYER,
    TENSOR_QUERY,  /* (H D, C) */
    TENSOR_KEY,    /* (Hkv D, C) */
    TENSOR_VALUE,  /* (Hkv D, C) */
    TENSOR_OUTPUT, /* (C, H D) */
    TENSOR_FEED_NORM,
    TENSOR_GATE, /* (F, C) */
    TENSOR_UP,   /* (F, C) */
    TENSOR_DOWN, /* (C, F) */
    N_TENSOR_ROLES,
} tensor_role;

/* Which layers the file's sliding window limits, where the file itself does not say.
 * Gemma 2's local and global layers would be {REACH_MOST_LAYERS, 2}, Gemma 3's the same
 * with 6, GPT-Neo's {REACH_MOST_LAYERS, 2, true}. */
typedef enum reach_layers {
    REACH_AS_TOLD, /* the file must say */
    REACH_EVERY_LAYER,
    REACH_MOST_LAYERS, /* all but every period-th */
} reach_layers;

typedef struct reach_rule {
    reach_layers layers;
    size_t period;
    bool far_first; /* of each period the first layer looks at everything, not the last */
} reach_rule;

typedef struct arch {
    const char *name; /* general.architecture, and the prefix of its keys */
    rotary_kind rotary;
    reach_rule reach;
    /* "token_embd"; in layers "blk.%zu.attn_q", written in two parts around the number */
    const char *names[N_TENSOR_ROLES];
    const char *layer_prefix; /* "blk." */
} arch;

/* NULL when there is no row for it. */
const arch *arch_find(const char *name);
/* The names of all rows, comma-separated, for error messages. */
const char *arch_names(void);

/* Does the window limit layer l? Of a rule that says so itself. */
bool reach_rule_limits(const reach_rule *r, size_t l);

/* The name of a tensor, e.g. "blk.3.attn_q.weight"; false if it does not fit `size`. */
bool arch_tensor_name(const arch *a, tensor_role role, size_t layer, const char *suffix,
                      char *out, size_t size);

#endif

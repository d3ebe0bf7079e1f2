/* One pass forwards and backwards over the rows of a part: the plan laid out in one list
 * of positions, and the activations of every layer in one arena.
 *
 * Unlike a walk for scores, which goes through all layers chunk by chunk, a pass takes
 * all its positions through one layer before the next: the keys of a layer are then all
 * there before anybody attends to them, and on the way back everything that was added to
 * a key's gradient is there before it is sent on. The inputs of all layers and all keys
 * and values are always held; the rest of a layer is held if the layer is kept, else
 * computed anew, to the same bits. Belongs to its session. Not for other folders. */
#ifndef LAMARCK_MODEL_GRADIENT_PASS_H
#define LAMARCK_MODEL_GRADIENT_PASS_H

#include "plan.h"
#include "session_parts.h"

/* The rows that go on through a layer behind its keys: all of them, or in the last layer
 * those whose logits are wanted. */
typedef struct query_set {
    size_t m;
    size_t *positions; /* (m), in their rows; owned */
    block_span *spans; /* what they see; owned */
    size_t n_spans;
} query_set;

/* m: rows of the layer's query set. Where a layer is not kept, all but x is shared with
 * the other layers that are not. */
typedef struct layer_store {
    float *x;     /* (N, C): input of the layer */
    float *q;     /* (m, H D), rotated */
    float *heads; /* (m, H D): what attention gave */
    float *mid;   /* (m, C): x and attention's part */
    float *both;  /* (m, 2 F): gate and up before the gate; NULL: not kept */
} layer_store;

typedef struct gradient_pass {
    session *s;
    plan plan;
    size_t n_positions; /* N; those of an embedded prefix are the first */
    size_t n_embedded;  /* virtual tokens among them */
    size_t n_prefix_kv; /* virtual tokens that are keys and values alone */

    size_t n_runs;      /* an embedded prefix, then the segments */
    kv_block *blocks;   /* (n_runs), memory in the arena; owned */
    forward_run *runs;  /* (n_runs); owned */
    size_t *starts;     /* (n_runs + 1): first position of each run; owned */
    kv_target *targets; /* (n_runs); owned */

    size_t n_wanted;
    size_t *wanted;     /* (n_wanted): positions with logits, ascending; owned */
    size_t *first_want; /* (n_wanted + 1), into the plan's wants; owned */
    query_set all, last;
    kv_span *spans; /* room for either set's; owned */

    size_t n_kept;       /* layers, from the last one down */
    layer_store *layers; /* (L); owned */
    pages arena;
    float *qkv;          /* (N, (H + 2 Hkv) D): of one layer, or gradients of its parts */
    float *dq;           /* (N, H D) */
    float *d_kv;         /* (N + n_prefix_kv, 2 Hkv D): of one layer */
    float *dx;           /* (N, C): at last the gradients at the input embeddings */
    float *both;         /* (max_chunk, 2 F): of a layer that is not kept */
    float *out;          /* (n_wanted, C): the residual stream behind the last layer */
    float *d_out;        /* (n_wanted, C) */
    double *prefix_sums; /* NULL, or (n_prefix_kv, L, 2 Hkv D): added to; borrowed */
} gradient_pass;

/* ---- gradient_pass.c ---- */

/* Plan the rows; nothing is computed and no arena taken yet. Tokens stay borrowed. */
int pass_plan(gradient_pass *p, session *s, const plan_row *rows, size_t n, bool separate,
              error *err);
/* Session memory that the pass takes with so many layers kept. */
uint64_t pass_bytes(gradient_pass *p, size_t n_kept);
/* Take it. */
int pass_take_memory(gradient_pass *p, size_t n_kept, error *err);
void pass_close(gradient_pass *p);

/* ---- backward.c ---- */

/* p->out from the tokens. */
int pass_forward(gradient_pass *p, error *err);
/* p->dx from p->d_out; activations are spent by it. */
int pass_backward(gradient_pass *p, error *err);

#endif

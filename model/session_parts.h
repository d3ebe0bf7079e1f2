/* What the files of the engine share about a session: its buffers, the keys and values
 * it holds, and the walk through the layers. Not for other folders. */
#ifndef LAMARCK_MODEL_SESSION_PARTS_H
#define LAMARCK_MODEL_SESSION_PARTS_H

#include "backend.h"
#include "model.h"
#include "model_parts.h"
#include "pages.h"

/* Keys and values of up to `capacity` consecutive positions, all layers; its chain of
 * parents holds the positions before. */
typedef struct kv_block {
    struct kv_block *parent;
    size_t first; /* position of its first token */
    size_t n, capacity;
    float *data; /* (L, layer_floats), in the backend's layout; owned, or the lender's */
    struct kv_block *lender; /* NULL, or the block whose memory this one only shows */
    size_t lent;             /* how many nodes of the resident trie hold this one */
    size_t layer_floats;
    uint64_t epoch; /* of the walk in which `span` is meant */
    size_t span;
} kv_block;

/* Tokens, or embeddings, to run at the end of a block. */
typedef struct forward_run {
    kv_block *block;
    const int32_t *tokens; /* not read where x is given */
    size_t n;
    const float *x; /* (n, C), or NULL: the embeddings of the tokens */
} forward_run;

/* What stands before every row: positions [0, n). */
typedef struct session_prefix {
    prefix_kind kind;
    size_t n;        /* virtual tokens; 0: none, and the rest is empty */
    float *values;   /* PREFIX_EMBEDDINGS: (n, C), owned. Else NULL: the block has them */
    kv_block *block; /* of capacity n, owned; the roots of every plan hang from it.
                        Embeddings go through the layers at the first call that needs
                        its keys and values: until then it holds 0 positions */
} session_prefix;

/* A span and the block that it is about. */
typedef struct block_span {
    const kv_block *block;
    kv_span span;
} block_span;

enum {
    KV_STEP = 16,  /* capacities are multiples of this */
    KV_SIZES = 17, /* lists of spare blocks, by capacity */
};

struct session {
    const model *model;
    const weights *weights;
    const packed_weights *packed;
    const backend *backend;
    backend_context *context;
    session_options options;
    text description;
    session_counters counters;
    const volatile int *interrupt;

    size_t max_chunk;  /* tokens of one walk */
    size_t max_logits; /* rows of logits at once */
    uint64_t kv_bytes; /* held now, with what session_charge was asked for */
    uint64_t kv_limit; /* of kv_bytes */
    uint64_t epoch;    /* walks so far */

    struct resident **residents; /* all nodes of the resident trie */
    size_t n_residents, residents_capacity;
    struct resident *resident_roots;
    uint64_t resident_bytes;
    uint64_t call; /* calls so far */

    session_prefix prefix;
    double *embedding_norms; /* (V), made when first asked for */

    kv_block *spare[KV_SIZES]; /* linked by parent */
    pages arena;               /* of the last pass for gradients; empty while one runs */
    uint64_t spare_bytes; /* kv_bytes, resident_bytes and these stay below the limit */

    pages buffers;
    /* activations of one walk, in `buffers`: (max_chunk, …) */
    float *x; /* C: the residual stream; at the end the normed rows that are wanted */
    float *normed; /* C */
    float *qkv;    /* (H + 2 Hkv) D */
    float *heads;  /* H D */
    float *hidden; /* F */
    int32_t *ids;
    size_t *positions;
    float *logits;      /* (max_logits, V) */
    logit_stats *stats; /* (max_logits) */

    /* angles of the positions met so far: (n_angles, n_rot / 2) */
    float *cosine, *sine;
    size_t n_angles;

    kv_target *targets;
    size_t *run_starts;
    size_t runs_capacity;
    block_span *block_spans;
    kv_span *spans;
    size_t n_spans, spans_capacity, spans_made;
};

/* ---- kv.c ---- */

/* A block of its own memory, counted against the budget: E_MEMORY beyond it. */
int kv_block_new(session *s, kv_block **out, kv_block *parent, size_t first,
                 size_t capacity, error *err);
void kv_block_free(session *s, kv_block *b);
uint64_t kv_block_bytes(const session *s, size_t capacity);
/* Give memory kept for the next blocks back to the system. */
void kv_drop_spare(session *s);
/* The room of a pass for gradients, with whatever the last one left in it; counted
 * against the budget. One at a time. */
int kv_arena_take(session *s, pages *out, size_t n_floats, error *err);
void kv_arena_give(session *s, pages *arena);

/* Count memory that is not a block's against the budget: E_MEMORY, naming `what`, beyond
 * it. */
int session_charge(session *s, uint64_t bytes, const char *what, error *err);
void session_discharge(session *s, uint64_t bytes);

/* ---- session_prefix.c ---- */

/* Tokens that a row may have behind the prefix. */
size_t session_window(const session *s);

/* Compute the keys and values of the prefix if they are not there yet. */
int session_prefix_run(session *s, error *err);
/* No prefix from now on. */
void session_prefix_drop(session *s);

/* ---- session.c ---- */


/* E_INTERRUPTED when the flag is up. */
int session_check_interrupt(const session *s, error *err);

/* ---- forward.c ---- */

/* Run the tokens of all runs (at most max_chunk) through the layers; blocks grow by
 * them. A block must come after its ancestors and before its descendants' siblings:
 * depth-first order. wanted[0..n_wanted): ascending indices into the tokens of all runs;
 * row i of s->x becomes the final hidden state of wanted[i]. */
int forward(session *s, const forward_run *runs, size_t n_runs, const size_t *wanted,
            size_t n_wanted, error *err);

/* s->logits and s->stats (n rows) from rows [first, first + n) of s->x. n is at most
 * max_logits. */
int forward_logits(session *s, size_t first, size_t n, error *err);

/* Steps of it that a pass for gradients shares. Angles of positions [0, n). */
int forward_angles(session *s, size_t n, error *err);
/* Into s->block_spans (s->n_spans): what the queries starts[r]..starts[r + 1] of each run
 * r see, its block and the block's ancestors. */
int forward_spans(session *s, const forward_run *runs, size_t n_runs,
                  const size_t *starts, error *err);
/* Count the multiply-adds of m rows times a weight. */
void forward_count(session *s, const weight_source *w, size_t m);
int forward_product(session *s, const backend_weight *w, const weight_source *shape,
                    const float *x, size_t m, float *y, bool add, error *err);

/* ---- rows.c ---- */

/* Rows as they will be run: checked, and cut where the policy says so. */
typedef struct row_set {
    row *rows; /* owned; tokens borrowed from the caller or from `cut` */
    size_t n;
    int32_t **cut; /* (n) owned copies of the rows that were cut, else NULL */
} row_set;

/* `room`: tokens that must still fit behind each row. */
int row_set_make(row_set *out, const session *s, const row *rows, size_t n, bool targets,
                 size_t room, error *err);
/* Which token of row i as it was asked for, with targets, is token t of the set's. */
size_t row_set_origin(const row_set *set, const session *s, size_t i, const row *asked,
                      size_t t);
void row_set_free(row_set *r);

#endif

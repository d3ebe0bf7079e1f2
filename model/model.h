/* A frozen causal language model: load, tokenize, score, generate.
 *
 * Two types. A `model` is weights and tokenizer: immutable once open, shared by any
 * number of threads. A `session` is a timeline: plan, keys and values, activations,
 * counters; it belongs to one thread at a time and borrows its model, which must outlive
 * it.
 *
 * Callers hand over whole rows. The session plans them as a trie of segments by itself:
 * what rows share is computed once, log-probabilities exist only at target positions,
 * nothing is padded. Callers never hear of caches. The numbers of a row do not depend on
 * the other rows of the call, on their order or on the number of threads. */
#ifndef LAMARCK_MODEL_MODEL_H
#define LAMARCK_MODEL_MODEL_H

#include "base.h"
#include "tokenizer.h"

#include <gsl/gsl_rng.h>

typedef struct model model;
typedef struct session session;

/* ---- The model ---- */

/* Facts of an open model. Strings are borrowed from the model. */
typedef struct model_info {
    const char *path;
    const char *name;         /* general.name, or "" */
    const char *family;       /* "llama" */
    const char *quantisation; /* of the largest share of the weights: "Q4_1" */
    size_t n_layers;          /* L */
    size_t width;             /* C */
    size_t n_heads;           /* H */
    size_t n_kv_heads;        /* Hkv */
    size_t head_size;         /* D */
    size_t n_feed_forward;    /* F */
    size_t n_vocabulary;      /* V */
    size_t window;            /* tokens of context the model was trained for */
    size_t reach;             /* tokens that a query of a limited layer sees, itself the
                                 last; 0: no layer is limited */
    size_t n_limited;         /* layers that are */
    bool tied_head;           /* the output projection is the embedding matrix */
    uint64_t n_parameters;
    uint64_t file_bytes;
    uint64_t weight_bytes_f32; /* what the weights take once widened */
} model_info;

/* Open a GGUF file (v2, v3), memory-mapped. E_IO, E_FORMAT (with byte offset and what was
 * expected there), E_UNSUPPORTED (names the architecture, tensor type or tokenizer). */
int model_open(model **out, const char *path, error *err);
void model_close(model *m);
const model_info *model_describe(const model *m);
const tokenizer *model_tokenizer(const model *m);

/* SHA-256 of the file's bytes, computed at the first call (thread-safe), 64 hex digits.
 * Borrowed from the model. */
int model_hash(const model *m, const char **hex, error *err);

/* ---- The session ---- */

/* What to do with a row of more tokens than the window. LEFT drops tokens from the front
 * (a BOS stays), MIDDLE from the middle of the context; targets are never cut. */
typedef enum row_overflow {
    OVERFLOW_ERROR,
    OVERFLOW_LEFT,
    OVERFLOW_MIDDLE,
} row_overflow;

typedef struct session_options {
    const char *backend;   /* "cpu" (default when NULL), "ref" */
    size_t n_threads;      /* 0: as many as the process may run on */
    uint64_t memory_bytes; /* for everything but the weights; 0: 512 MiB */
    row_overflow overflow;
} session_options;

/* NULL options mean all defaults. Packs the weights for the backend at the first session
 * of a model (later sessions share them). E_UNSUPPORTED for an unknown backend, E_MEMORY.
 */
int session_open(session **out, const model *m, const session_options *options,
                 error *err);
void session_close(session *s);
const model *session_model(const session *s);

/* One line saying which library call the backend chose for each weight shape, and the
 * CPU; runs record it, since other calls may round differently. Borrowed. */
const char *session_describe(const session *s);

/* Everything a session has done so far; monotone. */
typedef struct session_counters {
    uint64_t row_tokens; /* sum of the lengths of all rows: what a server would bill */
    uint64_t positions;  /* token positions really computed: fewer, thanks to sharing */
    uint64_t logit_rows; /* positions that were projected onto the vocabulary */
    uint64_t generated;  /* tokens sampled */
    double multiply_adds;
    double seconds; /* inside the calls */
} session_counters;
session_counters session_spent(const session *s);

/* Stop the call in progress at its next chunk (it returns E_INTERRUPTED, outputs
 * untouched). `flag` is read, never written; NULL removes it. May be set from a signal
 * handler. */
void session_set_interrupt(session *s, const volatile int *flag);

/* ---- Scoring ---- */

/* A row: n tokens, of which [n_context, n) are targets. n_context may be 0 only if the
 * row is scored from its second token on (nothing predicts the first): then set it to 1.
 */
typedef struct row {
    const int32_t *tokens;
    size_t n;
    size_t n_context;
} row;

typedef struct row_score {
    double logprob; /* sum over targets of ln p(token | all before), summed in double */
    size_t n_targets;
    size_t n_first; /* targets that were the model's first choice (greedy would say so) */
} row_score;

/* Score n rows. out[i] belongs to rows[i]; token_logprobs, if not NULL, receives the
 * targets' ln p, row after row (sum of n - n_context doubles). E_LIMIT names the row, its
 * tokens and the window; E_NUMERIC names the row when a logit is NaN; E_ARGUMENT for
 * token ids outside the vocabulary, or rows without context or targets. */
int model_score(session *s, const row *rows, size_t n, row_score *out,
                double *token_logprobs, error *err);

/* The k most probable next tokens after each row (row.n_context is ignored): ids and ln
 * p, k per row, best first, ties by lower id. */
int model_next(session *s, const row *rows, size_t n, size_t k, int32_t *ids,
               double *logprobs, error *err);

/* ---- Features: what the network makes of a text in its context ---- */

/* How the final hidden states (after the last norm, before the vocabulary) of a row's
 * targets become one vector. */
typedef enum pooling {
    POOLING_MEAN, /* (C): their mean, summed in double */
    POOLING_LAST, /* (C): the last one, which has seen all of the text */
    POOLING_BOTH, /* (2 C): mean, then last */
    N_POOLINGS
} pooling;
extern const char *const pooling_names[N_POOLINGS]; /* "mean", "last", "both" */
/* Floats of one row: C or 2 C. */
size_t pooling_width(const model_info *info, pooling p);

/* out (n, pooling_width): of each row's targets; scores (n), NULL allowed, as model_score
 * has them. Errors as model_score; one token more of each row is run, its last. */
int model_features(session *s, const row *rows, size_t n, pooling p, float *out,
                   row_score *scores, error *err);

/* ---- Generation ---- */

typedef struct sampling {
    double temperature;        /* 0: greedy */
    size_t top_k;              /* 0: off */
    double top_p;              /* 1: off; 0 means 1 */
    double repetition_penalty; /* 1: off; 0 means 1. Keskar et al. 2019 (CTRL),
                                  section 4.1 */
    size_t max_tokens;
    const char *const *stops; /* generation ends before the first of these texts */
    size_t n_stops;
    bool keep_eos; /* do not end at the tokenizer's end-of-text or end-of-turn */
    uint64_t seed; /* stream of sample j of context i: seed_mix(seed_mix(seed, i), j) */
} sampling;

typedef enum finish_reason {
    FINISH_LENGTH,
    FINISH_EOS,
    FINISH_STOP,
    FINISH_WINDOW,
} finish_reason;

typedef struct continuation {
    int32_t *ids; /* sampled tokens, the end token not among them; owned */
    size_t n;
    char *text; /* decoded bytes, cut at the stop text, NUL-terminated; owned */
    size_t n_text;
    double logprob; /* of the sampled tokens under the model itself (temperature 1) */
    finish_reason reason;
} continuation;

/* n_samples continuations of each of n contexts, which share their context (and contexts
 * their common beginnings). out[i * n_samples + j]; free each with continuation_free. */
int model_generate(session *s, const row *contexts, size_t n, size_t n_samples,
                   const sampling *options, continuation *out, error *err);
void continuation_free(continuation *c);

/* ---- Prefixes: what stands before every row, learned elsewhere ---- */

typedef enum prefix_kind {
    PREFIX_EMBEDDINGS, /* (n, C): virtual tokens at the input. Lester et al. 2021 */
    PREFIX_KEY_VALUES, /* (n, L, 2, Hkv, D): keys, then values, of each layer as they
                          stand in the cache, keys rotated for positions 0..n-1. Li &
                          Liang 2021. The layout of PEFT's files */
} prefix_kind;

typedef struct prefix_view {
    prefix_kind kind;
    size_t n;            /* virtual tokens, at least 1 */
    const float *values; /* borrowed for the call */
} prefix_view;

/* Floats of one virtual token: C, or L * 2 * Hkv * D. */
size_t prefix_width(const model_info *info, prefix_kind kind);

/* From the next call on every row of the session stands behind these virtual tokens: its
 * first token has position n, its window is n shorter, and it is billed n tokens more.
 * Copies. NULL: none, as at first. Virtual tokens go through the layers once, in the
 * first call that needs them. E_LIMIT when the window has no room, E_MEMORY when the
 * session has none, E_NUMERIC when a value is not a number: then the old prefix stays. */
int session_set_prefix(session *s, const prefix_view *prefix, error *err);

/* out (n, C): the embeddings of tokens. */
int model_embeddings(const model *m, const int32_t *ids, size_t n, float *out,
                     error *err);
/* out (n, L, 2, Hkv, D): the keys and values of a text from position 0 on, in the layout
 * of PREFIX_KEY_VALUES. The session's prefix plays no part. */
int model_key_values(session *s, const int32_t *ids, size_t n, float *out, error *err);

/* How token embeddings compare to a vector. */
typedef enum embedding_measure { MEASURE_DOT, MEASURE_COSINE } embedding_measure;
/* The k tokens whose embeddings are most like each of n vectors (n, C), best first, ties
 * by lower id: ids and measures are (n, k). NULL allowed for `measures`. */
int model_nearest_tokens(session *s, const float *vectors, size_t n,
                         embedding_measure measure, size_t k, int32_t *ids,
                         double *measures, error *err);

/* ---- Gradients: backwards through the frozen model ---- */

/* The loss of a call is sum_i weights[i] * -logprob(rows[i]), logprob as model_score has
 * it. Its gradient is taken at inputs; weights of the model get none. */
static const uint32_t place_none = UINT32_MAX;

typedef struct gradient_request {
    const double *weights; /* (n) of the rows, of either sign; NULL: 1 each */
    /* Run each row by itself, although rows share beginnings: then places of different
     * rows receive the gradients of their own row's loss alone. Slower. */
    bool separate;
    /* places[i][t]: the gradient at the input embedding of token t of row i is added to
     * row places[i][t] of place_gradients; place_none: to none. NULL, or NULL for a row:
     * none. Unless `separate`, rows that share a beginning name the same places there:
     * each position of the trie is added once. */
    const uint32_t *const *places;
    size_t n_places;
    float
        *place_gradients; /* out (n_places, C); the last token of a row has gradient 0 */
    float *prefix_gradient; /* out, shaped as the session's prefix; NULL: not wanted */
} gradient_request;

/* Scores as model_score, and the gradients asked for. Activations are kept, or computed
 * anew layer by layer where the session's memory does not hold them: the numbers are the
 * same. Errors as model_score; E_NUMERIC when a gradient is not a number; E_MEMORY when
 * not even one row fits. Outputs untouched on failure. One backward position costs what
 * two forward ones do in counters.row_tokens. */
int model_gradient(session *s, const row *rows, size_t n, const gradient_request *request,
                   row_score *out, error *err);

/* What model_gradient of these rows will take, before it is run. */
typedef struct gradient_estimate {
    uint64_t peak_bytes;  /* of the session's memory, its buffers included */
    size_t n_parts;       /* the rows are run in so many parts */
    size_t n_kept_layers; /* of L; the others are computed twice */
    size_t n_positions;
} gradient_estimate;
int model_gradient_estimate(session *s, const row *rows, size_t n,
                            const gradient_request *request, gradient_estimate *out,
                            error *err);

/* First-order change of the loss if a token were another one: (e[id] - e[current]) . g,
 * for gradients g (n, C) at n positions. The k of lowest change per position, best first,
 * ties by lower id; k = V gives all. ids and changes are (n, k). HotFlip, Ebrahimi et al.
 * 2018; AutoPrompt, Shin et al. 2020, eq. 2. */
int model_token_gradient(session *s, const float *gradients, const int32_t *current,
                         size_t n, size_t k, int32_t *ids, double *changes, error *err);

#endif

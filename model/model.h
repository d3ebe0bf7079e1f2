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

#endif

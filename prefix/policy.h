/* Learning a prefix by reward: the frozen model behind the prefix is a policy that writes
 * texts, somebody says what each is worth, and the prefix moves so that texts of more
 * worth become likelier. No weight of the model changes.
 *
 * What rises is E[R(y)] - beta KL(p || p0), per context, where p is the model behind the
 * prefix and p0 the model behind nothing: what the reward knows of is text that the
 * frozen model might write, and the penalty keeps the policy near it. The gradient is
 * REINFORCE (Williams 1992) with k samples per context and the mean of the others as each
 * one's baseline (leave-one-out: Kool et al. 2019, Buy 4 REINFORCE samples, get a
 * baseline for free), of the penalised worth R(y) - beta sum_t ln(p(y_t) / p0(y_t)): the
 * sum is an unbiased estimate of the KL of a whole text (k1 of Schulman 2020,
 * Approximating KL divergence), so the gradient is unbiased too. What is reported per
 * token is his k3, (r - 1) - ln r with r = p0 / p, which is never negative and varies
 * less.
 *
 * Ownership: a policy borrows session, model, contexts and what the options point to, all
 * of which must outlive it; it sets and takes away the session's prefix. Threads: one at
 * a time. A function of its inputs and the seed, whatever the number of threads. */
#ifndef LAMARCK_PREFIX_POLICY_H
#define LAMARCK_PREFIX_POLICY_H

#include "prefix.h"

/* A text that was written: its tokens up to and with the one that ended it. */
typedef struct policy_text {
    size_t context; /* index in the contexts */
    const int32_t *ids;
    size_t n;
    const char *text; /* without the end token, cut at the stop */
} policy_text;

/* Who says what texts are worth: worths (n), finite. The session stands behind nothing
 * meanwhile, and may be used. */
typedef struct policy_judge {
    int (*judge)(void *context, const policy_text *texts, size_t n, double *worths,
                 error *err);
    void *context;
    const char *name; /* whose opinion it is, such as a hash; NULL: nobody asks. It
                         need not outlive policy_new */
} policy_judge;

typedef struct policy_options {
    size_t n_samples;  /* (8) per context, at least 2 */
    size_t batch;      /* (8) contexts of a step; 0: all */
    double beta;       /* (0.05) worth that one nat of KL takes away */
    double lr;         /* (0.03) in units of the size of what the prefix begins as */
    double clip;       /* (1) of the gradient's norm, in the same units; 0: none */
    size_t max_tokens; /* (24) of a text */
    /* A text ends with the token that completes one of these, or at the model's end. */
    const char *const *stops;
    size_t n_stops;
    uint64_t seed;
} policy_options;
policy_options policy_defaults(void);

/* What some samples were like: means. */
typedef struct policy_report {
    size_t n_texts;
    double worth, worth_se; /* R; its standard error over contexts, NaN for one */
    double kl;              /* of a text, k1 */
    double kl_token;        /* of a token, k3 */
    double n_tokens;        /* of a text */
    double gradient_norm;   /* before clipping; 0 where none was taken */
    uint64_t tokens;        /* charged: rows written, scored twice, and three times more
                               for a gradient; virtual tokens included */
} policy_report;

typedef struct policy policy;

/* Begins as `start`, which is copied. Contexts are rows of which all tokens are context.
 * E_ARGUMENT for options out of range, a prefix of another model, no contexts; E_LIMIT
 * when a context with a text does not fit the window behind the prefix. */
int policy_new(policy **out, session *s, const model *m, const prefix *start,
               const row *contexts, size_t n, const policy_options *options,
               const policy_judge *judge, error *err);
void policy_free(policy *p);

/* One step on the next contexts: write, judge, move. E_NUMERIC when a gradient is not a
 * number; on failure the prefix stays as it was. */
int policy_step(policy *p, policy_report *out, error *err);
size_t policy_steps(const policy *p);
/* The prefix as it stands: a new copy. */
int policy_latest(const policy *p, prefix *out, error *err);

/* All state, for a later policy of the same options, contexts, start and judge:
 * E_FORMAT when the bytes are not whole, E_ARGUMENT when they are of another tuning; then
 * the policy stays as it was. */
int policy_save_state(const policy *p, text *out, error *err);
int policy_load_state(policy *p, const void *bytes, size_t n, error *err);

/* The estimate of a step on all of these contexts, without moving: gradient (floats of
 * the prefix), of what rises. `draw` chooses the samples. */
int policy_estimate(policy *p, const size_t *contexts, size_t n, uint64_t draw,
                    float *gradient, policy_report *out, error *err);

/* What the model behind `before` (NULL: behind nothing) writes, n_samples per context,
 * and what it is worth: worths (n, n_samples), NULL allowed. The policy's own prefix
 * plays no part. */
int policy_try(policy *p, const prefix *before, const row *contexts, size_t n,
               uint64_t draw, double *worths, policy_report *out, error *err);

#endif

/* What the files of the policy share. Private to prefix/. */
#ifndef LAMARCK_PREFIX_POLICY_PARTS_H
#define LAMARCK_PREFIX_POLICY_PARTS_H

#include "optimizer.h"
#include "policy.h"

/* Texts of some contexts, k each: text i * k + j is sample j of context i. */
typedef struct policy_draw {
    const row *contexts;
    size_t n, k;
    row *rows;          /* (n k): context, then the text's tokens as targets; owned */
    policy_text *texts; /* (n k): point into rows and `strings` */
    char **strings;     /* (n k); owned */
    double *worths;     /* (n k) */
    double *ratios;     /* (n k): sum_t ln p - ln p0 */
    double *k3;         /* (n k): sum over tokens */
} policy_draw;

struct policy {
    session *session;
    const model *model;
    policy_options options;
    policy_judge judge;
    const row *contexts;
    size_t n_contexts;
    prefix prefix; /* as it stands */
    size_t n_values;
    float *scales; /* (n_values): what each rate is multiplied with */
    float *gradient;
    optimizer optimizer;
    char of[SHA256_HEX]; /* what decides where it goes, see policy_state.c */
};

/* ---- policy_state.c ---- */

/* Fill `of`, while the prefix is where it begins. */
int policy_identify(policy *p, error *err);

/* ---- policy_draw.c ---- */

/* Write, judge and score texts behind `before` (NULL: nothing). The session is left
 * without a prefix. Of the texts, `context` counts from `contexts`, or is index[i]. */
int policy_draw_new(policy_draw *out, policy *p, const prefix *before,
                    const row *contexts, const size_t *index, size_t n, uint64_t seed,
                    error *err);
void policy_draw_free(policy_draw *d);
/* All but the gradient's norm. */
void policy_draw_report(const policy_draw *d, size_t n_virtual, policy_report *out);

#endif

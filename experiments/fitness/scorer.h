/* A session with a memory: each row is computed once per folder, and charged once per
 * run.
 *
 * What a row is charged does not depend on whether the store happens to hold it already:
 * only on whether this scorer charged it before. So a run that was killed and replayed
 * spends what it would have spent. Work goes to the session in slices of a few seconds,
 * each stored before the next begins, and in shorter ones where the ticker says that time
 * runs out; rows' numbers do not depend on their company, so slicing changes none. One
 * thread at a time. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_SCORER_H
#define LAMARCK_EXPERIMENTS_FITNESS_SCORER_H

#include "../../model/model.h"
#include "../store/store.h"
#include "objective.h"

typedef struct scorer scorer;

/* Called before the first slice and after each, so at least every few seconds of work,
 * with the row tokens that the slice took (0: none yet). Returns the seconds that the
 * next one may take, INFINITY where nobody is in a hurry. When not even a small slice
 * fits into them, the call fails with E_INTERRUPTED; what was computed is kept. */
typedef struct ticker {
    double (*tick)(void *context, uint64_t tokens); /* NULL: nobody listens */
    void *context;
} ticker;

typedef struct scorer_options {
    store *store;          /* NULL: nothing is remembered */
    const char *backend;   /* how the numbers are made, part of each key: what the run has
                              recorded. NULL: session_describe() */
    row_overflow overflow; /* the session's */
    const volatile int *interrupt; /* NULL: none */
    const ticker *ticker;          /* NULL: none */
} scorer_options;

/* Model, session and everything in the options are borrowed for the scorer's life. */
int scorer_open(scorer **out, const model *m, session *s, const scorer_options *options,
                error *err);
/* Another one with the model, session and memory of `c`, to whom nobody listens and who
 * has charged nothing: what it remembers, `c` finds, and charges as its own. */
int scorer_open_beside(scorer **out, const scorer *c, error *err);
void scorer_close(scorer *c);
const model *scorer_model(const scorer *c);
/* From now on remember in `s`. */
void scorer_use_store(scorer *c, store *s);

/* From now on every row stands behind these virtual tokens, as session_set_prefix has it;
 * they are part of each row's key and of its price. Copies. NULL: behind none. */
int scorer_use_prefix(scorer *c, const prefix_view *prefix, error *err);
/* Tokens that a row may have: the model's window less the vectors before it. */
size_t scorer_window(const scorer *c);

/* What the rows would be charged; charged[i] (NULL allowed) says whether rows[i] is among
 * those that cost something: new to this run, and the first of its kind in the list. With
 * `g`, of texts generated from rows as contexts: the most that they could cost. */
int scorer_price(scorer *c, const row *rows, size_t n, const sampling *g,
                 uint64_t *tokens, bool *charged, error *err);

/* model_score, remembered; tokens and reused tokens are added to *spent. */
int scorer_score(scorer *c, const row *rows, size_t n, row_score *out, expense *spent,
                 error *err);

/* One continuation of each context: texts[i] is new. With a temperature, a text's random
 * stream depends on g->seed and the context's tokens alone. */
int scorer_generate(scorer *c, const row *contexts, size_t n, const sampling *g,
                    char **texts, expense *spent, error *err);

/* model_next for one row, remembered. */
int scorer_next(scorer *c, const row *r, size_t k, int32_t *ids, double *logprobs,
                expense *spent, error *err);

/* Anything else that is computed from rows: remembered as bytes under its name and the
 * rows, n_context included, and charged `tokens` once per run. compute() appends its
 * result to its *out. 1: *out is filled; 0: it would cost more than `allowance`, and
 * nothing was done. */
typedef struct scorer_question {
    const char *name; /* with everything that the result depends on besides the rows */
    const row *rows;
    size_t n;
    uint64_t tokens;
    int (*compute)(void *context, session *s, text *out, error *err);
    void *context;
} scorer_question;
int scorer_remember(scorer *c, const scorer_question *q, uint64_t allowance, text *out,
                    expense *spent, error *err);

#endif

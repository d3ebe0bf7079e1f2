/* Words found by gradients: what a step of projected or of plain gradient descent needs
 * at positions in the middle of rows.
 *
 * Projected (PEZ: Wen et al. 2023, Hard prompts made easy, algorithm 1): a point moves
 * freely among the embeddings, but loss and gradient are taken at the real tokens nearest
 * to it, so every look is at a text that can be written down.
 * Plain: the point itself stands in the rows, as virtual tokens between words; what it
 * becomes is read back into words afterwards (readback.h).
 *
 * Every function is one look or one step: the caller drives, pays and remembers. Losses
 * are nats per target token over all rows. Sessions must be without a prefix, and are
 * left without one. Threads: as a session. Ownership: a descent is a plain struct that
 * owns its arrays; free with descent_free. */
#ifndef LAMARCK_PREFIX_PROJECT_H
#define LAMARCK_PREFIX_PROJECT_H

#include "optimizer.h"
#include "readback.h"

/* Rows, and which of their tokens are the n words to be found; a word may stand in
 * several places of a row. Borrowed. */
typedef struct word_rows {
    const row *rows;
    size_t n_rows;
    const uint32_t *const
        *places; /* [i][t]: token t of row i is that word, or place_none */
    size_t n;
} word_rows;

/* Loss of the rows with `ids` (n) for the words, and its gradient (n, C) at their
 * embeddings there. Errors as model_gradient. */
int project_gradient(session *s, const word_rows *w, const int32_t *ids, float *gradient,
                     double *loss, error *err);

/* How many tokens the rows have in common from their first on to behind their last word:
 * what vectors can stand in. 0 when they do not begin alike so far, or when nothing but
 * targets would follow. */
size_t soften_common(const word_rows *w);

/* Loss of the rows with `vectors` (n, C) for the words, and its gradient (n, C).
 * E_ARGUMENT where soften_common is 0. */
int soften_gradient(session *s, const word_rows *w, const float *vectors, float *gradient,
                    double *loss, error *err);

/* The point that moves, by AdamW without decay. */
typedef struct descent {
    float *point; /* (n, C) */
    float *rates; /* (n, C) */
    size_t n, C;
    double lr; /* in units of the size (root mean square) of what it began as */
    optimizer optimizer;
} descent;

/* Begins at n tokens. */
int descent_new(descent *out, const model *m, const int32_t *ids, size_t n, double lr,
                error *err);
void descent_step(descent *d, const float *gradient);
void descent_free(descent *d);

#endif

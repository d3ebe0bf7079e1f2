/* The plan of a call: the trie of its rows' tokens, and where logits are wanted.
 *
 * A segment is a run of tokens at consecutive positions that the same rows share. Each
 * distinct prefix of the rows is in exactly one segment, so it is computed once.
 * Segments stand in depth-first order: the descendants of segment s are (s, s.end), which
 * is all that either direction needs: forward walks up the list and may forget a segment
 * once `end` is passed; a backward pass walks down the list and has met all descendants
 * of s when it comes to s. Tokens are borrowed from the caller's rows for the plan's
 * life. */
#ifndef LAMARCK_MODEL_PLAN_H
#define LAMARCK_MODEL_PLAN_H

#include "base.h"

static const size_t plan_none = SIZE_MAX;

/* What one row asks for: run its n tokens, give the logits after positions [n - n_wanted,
 * n). */
typedef struct plan_row {
    const int32_t *tokens;
    size_t n; /* at least 1 */
    size_t n_wanted;
} plan_row;

typedef struct plan_segment {
    size_t parent; /* plan_none at a root */
    size_t start;  /* position of its first token in its rows */
    size_t n;
    size_t end; /* index after its last descendant */
    const int32_t *tokens;
} plan_segment;

/* Logits after token `offset` of `segment` serve row `row` at its `position`. */
typedef struct plan_want {
    size_t segment, offset;
    size_t row, position;
} plan_want;

typedef struct plan {
    plan_segment *segments; /* owned */
    size_t n_segments;
    plan_want *wants; /* by segment, offset, row; owned */
    size_t n_wants;
    size_t n_positions; /* sum of the segments' tokens */
} plan;

/* How segments are cut beyond what sharing asks for. */
typedef struct plan_cuts {
    size_t max_segment; /* no segment is longer */
    bool at_row_ends; /* every row ends where a segment ends, so that more can hang there
                       */
} plan_cuts;

/* Rows may be prefixes of each other or equal. */
int plan_make(plan *out, const plan_row *rows, size_t n, plan_cuts cuts, error *err);
/* Each row a root of its own, in the order given: nothing is shared or cut. */
int plan_make_separate(plan *out, const plan_row *rows, size_t n, error *err);
void plan_free(plan *p);

#endif

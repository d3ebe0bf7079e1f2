/* Computing a plan: its segments in depth-first order, as many at a time as fit, and the
 * logits that it wants handed to a visitor. Not for other folders. */
#ifndef LAMARCK_MODEL_WALK_H
#define LAMARCK_MODEL_WALK_H

#include "plan.h"
#include "session_parts.h"

/* Segments longer than this are parted, so that walks can be packed well. */
enum { MAX_SEGMENT = 256 };

plan_cuts walk_cuts(const session *s, bool at_row_ends);

/* What one row of logits serves: the wants of one position. */
typedef struct walk_visitor {
    /* Takes logits (V) and their statistics for wants[0..n). */
    int (*visit)(struct walk_visitor *v, const plan_want *wants, size_t n,
                 const float *logits, const logit_stats *stats, error *err);
    /* (C): the final hidden state of that position; set before each visit, which borrows
     * it. */
    const float *hidden;
    size_t first_row; /* what error messages add to the plan's row numbers */
} walk_visitor;

/* Compute every segment of the plan; the blocks of keys and values are released as soon
 * as nothing hangs from them, unless `blocks` is not NULL: then blocks[i] (of segment i)
 * are all kept, and the caller's to free, on failure too. E_MEMORY when a chain of
 * segments does not fit the budget. */
int plan_walk(session *s, const plan *p, walk_visitor *v, kv_block **blocks, error *err);

#endif

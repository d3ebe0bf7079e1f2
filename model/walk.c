/* The forward pass over a plan. */
#include "walk.h"

#include <stdlib.h>

plan_cuts walk_cuts(const session *s, bool at_row_ends)
{
    size_t most = s->max_chunk < MAX_SEGMENT ? s->max_chunk : MAX_SEGMENT;
    return (plan_cuts){.max_segment = most, .at_row_ends = at_row_ends};
}

typedef struct walker {
    session *s;
    const plan *plan;
    walk_visitor *visitor;
    kv_block **blocks; /* (n_segments) */
    bool keep;
    forward_run *runs;  /* of the chunk */
    size_t *starts;     /* of each run in the chunk's tokens, and the end */
    size_t *wanted;     /* tokens of the chunk with logits, distinct */
    size_t *first_want; /* (n_wanted + 1): into the plan's wants */
    size_t next_want;
} walker;

/* Add segments from `first` on while they fit; returns how many. */
static int gather_segments(walker *w, size_t first, size_t *n_runs, error *err)
{
    session *s = w->s;
    size_t n = 0, tokens = 0;
    for (size_t i = first; i < w->plan->n_segments; i++, n++) {
        const plan_segment *seg = &w->plan->segments[i];
        if (tokens + seg->n > s->max_chunk)
            break;
        if (n > 0 && kv_block_bytes(s, seg->n) > s->kv_limit - s->kv_bytes)
            break;
        kv_block *parent = seg->parent == plan_none ? NULL : w->blocks[seg->parent];
        TRY(kv_block_new(s, &w->blocks[i], parent, seg->start, seg->n, err));
        w->runs[n] = (forward_run){w->blocks[i], seg->tokens, seg->n};
        w->starts[n] = tokens;
        tokens += seg->n;
    }
    *n_runs = n;
    return 0;
}

/* The distinct positions of segments [first, first + n_runs) that want logits. */
static size_t gather_wanted(walker *w, size_t first, size_t n_runs)
{
    const plan *p = w->plan;
    size_t n = 0, i = w->next_want;
    for (; i < p->n_wants && p->wants[i].segment < first + n_runs; i++) {
        const plan_want *want = &p->wants[i];
        size_t token = w->starts[want->segment - first] + want->offset;
        if (n == 0 || w->wanted[n - 1] != token) {
            w->wanted[n] = token;
            w->first_want[n++] = i;
        }
    }
    w->first_want[n] = i;
    w->next_want = i;
    return n;
}

static int visit_logits(walker *w, size_t n_wanted, error *err)
{
    session *s = w->s;
    size_t V = s->weights->shape.V;
    for (size_t done = 0; done < n_wanted; done += s->max_logits) {
        size_t n = n_wanted - done < s->max_logits ? n_wanted - done : s->max_logits;
        TRY(forward_logits(s, done, n, err));
        for (size_t i = 0; i < n; i++) {
            size_t from = w->first_want[done + i];
            const plan_want *wants = &w->plan->wants[from];
            if (!s->stats[i].finite)
                return error_set(err, E_NUMERIC,
                                 "row %zu: the logits after token %zu are not numbers",
                                 w->visitor->first_row + wants->row, wants->position);
            TRY(w->visitor->visit(w->visitor, wants, w->first_want[done + i + 1] - from,
                                  s->logits + i * V, &s->stats[i], err));
        }
    }
    return 0;
}

static void release_if_done(walker *w, size_t i, size_t done)
{
    if (w->plan->segments[i].end > done)
        return;
    kv_block_free(w->s, w->blocks[i]);
    w->blocks[i] = NULL;
}

/* Segments [first, done) have been computed: forget the blocks from which nothing hangs
 * any more. Of the earlier ones only the ancestors of `first` still live. */
static void release(walker *w, size_t first, size_t done)
{
    for (size_t i = w->plan->segments[first].parent; i != plan_none;
         i = w->plan->segments[i].parent)
        release_if_done(w, i, done);
    for (size_t i = first; i < done; i++)
        release_if_done(w, i, done);
}

static int walk(walker *w, error *err)
{
    size_t n_runs;
    for (size_t first = 0; first < w->plan->n_segments; first += n_runs) {
        TRY(gather_segments(w, first, &n_runs, err));
        size_t n_wanted = gather_wanted(w, first, n_runs);
        TRY(forward(w->s, w->runs, n_runs, w->wanted, n_wanted, err));
        TRY(visit_logits(w, n_wanted, err));
        if (!w->keep)
            release(w, first, first + n_runs);
    }
    return 0;
}

int plan_walk(session *s, const plan *p, walk_visitor *v, kv_block **blocks, error *err)
{
    size_t n = s->max_chunk + 1;
    walker w = {.s = s,
                .plan = p,
                .visitor = v,
                .keep = blocks != NULL,
                .blocks =
                    blocks != NULL ? blocks : array_new(p->n_segments, sizeof(*w.blocks)),
                .runs = array_new(n, sizeof(*w.runs)),
                .starts = array_new(n, sizeof(*w.starts)),
                .wanted = array_new(n, sizeof(*w.wanted)),
                .first_want = array_new(n, sizeof(*w.first_want))};
    int rc;
    if (w.blocks == NULL || w.runs == NULL || w.starts == NULL || w.wanted == NULL ||
        w.first_want == NULL)
        rc = error_memory(err, n * sizeof(*w.runs));
    else
        rc = walk(&w, err);
    for (size_t i = 0; blocks == NULL && w.blocks != NULL && i < p->n_segments; i++)
        kv_block_free(s, w.blocks[i]);
    if (blocks == NULL)
        free(w.blocks);
    free(w.runs);
    free(w.starts);
    free(w.wanted);
    free(w.first_want);
    return rc;
}

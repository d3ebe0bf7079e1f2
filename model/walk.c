/* The forward pass over a plan. */
#include "walk.h"

#include "resident.h"

#include <stdlib.h>

plan_cuts walk_cuts(const session *s, bool at_row_ends)
{
    size_t most = s->max_chunk < MAX_SEGMENT ? s->max_chunk : MAX_SEGMENT;
    return (plan_cuts){.max_segment = most, .at_row_ends = at_row_ends};
}

/* What is known of a segment: [0, covered) of its tokens were resident, the rest is or
 * will be computed. */
typedef struct segment_state {
    kv_block *last;  /* its descendants hang here */
    size_t n_blocks; /* from `last` up, how many are this segment's own */
    bool kept;       /* `last` belongs to the resident trie now */
    size_t covered;
    bool resident; /* all of it is in the resident trie, and `place` is its end */
    resident_place place;
} segment_state;

typedef struct walker {
    session *s;
    const plan *plan;
    walk_visitor *visitor;
    kv_block **blocks; /* NULL, or the caller's: then the resident trie is left alone */
    segment_state *state; /* (n_segments) */
    forward_run *runs;    /* of the chunk */
    size_t *starts;       /* of each of its segments in the chunk's tokens */
    size_t *wanted;       /* tokens of the chunk with logits, distinct */
    size_t *first_want;   /* (n_wanted + 1): into the plan's wants */
    size_t next_want, next_limit;
} walker;

/* Logits need the token itself to be run: a segment can be resident up to the first that
 * is wanted in it. */
static size_t coverable(walker *w, size_t i)
{
    const plan *p = w->plan;
    while (w->next_limit < p->n_wants && p->wants[w->next_limit].segment < i)
        w->next_limit++;
    bool wanted = w->next_limit < p->n_wants && p->wants[w->next_limit].segment == i;
    return wanted ? p->wants[w->next_limit].offset : p->segments[i].n;
}

/* Take from the resident trie what it has of segment i. */
static int cover(walker *w, size_t i, error *err)
{
    const plan_segment *seg = &w->plan->segments[i];
    segment_state *st = &w->state[i];
    const segment_state *parent =
        seg->parent == plan_none ? NULL : &w->state[seg->parent];
    st->last = parent == NULL ? w->s->prefix.block : parent->last;
    if (w->blocks != NULL || (parent != NULL && !parent->resident))
        return 0;
    resident_place from = parent == NULL ? (resident_place){0} : parent->place;
    st->place = from;
    st->covered = resident_follow(w->s, &st->place, seg->tokens, coverable(w, i));
    st->resident = st->covered == seg->n;
    if (st->covered == 0)
        return 0;
    return resident_show(w->s, from, st->place, st->last, &st->last, &st->n_blocks, err);
}

/* Add segments from `first` on while they fit: *n of them, with *n_runs to be run. */
static int gather_segments(walker *w, size_t first, size_t *n, size_t *n_runs, error *err)
{
    session *s = w->s;
    size_t tokens = 0;
    *n_runs = *n = 0;
    for (size_t i = first; i < w->plan->n_segments && *n < s->max_chunk; i++, ++*n) {
        const plan_segment *seg = &w->plan->segments[i];
        segment_state *st = &w->state[i];
        if (tokens + seg->n > s->max_chunk)
            break;
        if (*n > 0 && !resident_make_room(s, kv_block_bytes(s, seg->n)))
            break;
        TRY(cover(w, i, err));
        w->starts[*n] = tokens;
        size_t rest = seg->n - st->covered;
        if (rest == 0)
            continue;
        kv_block *own;
        size_t position = s->prefix.n + seg->start + st->covered;
        TRY(kv_block_new(s, &own, st->last, position, rest, err));
        st->last = own;
        st->n_blocks++;
        if (w->blocks != NULL)
            w->blocks[i] = own;
        w->runs[(*n_runs)++] =
            (forward_run){.block = own, .tokens = seg->tokens + st->covered, .n = rest};
        tokens += rest;
    }
    return 0;
}

/* The distinct positions of segments [first, first + n) that want logits. */
static size_t gather_wanted(walker *w, size_t first, size_t n)
{
    const plan *p = w->plan;
    size_t n_wanted = 0, i = w->next_want;
    for (; i < p->n_wants && p->wants[i].segment < first + n; i++) {
        const plan_want *want = &p->wants[i];
        size_t token = w->starts[want->segment - first] + want->offset -
                       w->state[want->segment].covered;
        if (n_wanted == 0 || w->wanted[n_wanted - 1] != token) {
            w->wanted[n_wanted] = token;
            w->first_want[n_wanted++] = i;
        }
    }
    w->first_want[n_wanted] = i;
    w->next_want = i;
    return n_wanted;
}

static int visit_logits(walker *w, size_t n_wanted, error *err)
{
    session *s = w->s;
    size_t V = s->weights->shape.V, C = s->weights->shape.C;
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
            w->visitor->hidden = s->x + (done + i) * C;
            TRY(w->visitor->visit(w->visitor, wants, w->first_want[done + i + 1] - from,
                                  s->logits + i * V, &s->stats[i], err));
        }
    }
    return 0;
}

static void release_segment(walker *w, size_t i)
{
    segment_state *st = &w->state[i];
    for (; st->n_blocks > 0; st->n_blocks--) {
        kv_block *above = st->last->parent;
        if (!st->kept)
            kv_block_free(w->s, st->last);
        st->kept = false;
        st->last = above;
    }
}

static void release_if_done(walker *w, size_t i, size_t done)
{
    if (w->plan->segments[i].end <= done)
        release_segment(w, i);
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

/* Segments that several rows hang from go to the resident trie, parents first. */
static void keep_shared(walker *w, size_t first, size_t done)
{
    for (size_t i = first; i < done; i++) {
        const plan_segment *seg = &w->plan->segments[i];
        segment_state *st = &w->state[i];
        bool anchored = seg->parent == plan_none || w->state[seg->parent].resident;
        if (st->resident || !anchored || seg->end == i + 1)
            continue;
        if (st->covered == 0)
            st->place = seg->parent == plan_none ? (resident_place){0}
                                                 : w->state[seg->parent].place;
        st->kept = st->resident =
            resident_keep(w->s, &st->place, st->last, seg->tokens + st->covered);
    }
}

static int walk(walker *w, error *err)
{
    size_t n, n_runs;
    for (size_t first = 0; first < w->plan->n_segments; first += n) {
        TRY(gather_segments(w, first, &n, &n_runs, err));
        size_t n_wanted = gather_wanted(w, first, n);
        if (n_runs > 0)
            TRY(forward(w->s, w->runs, n_runs, w->wanted, n_wanted, err));
        TRY(visit_logits(w, n_wanted, err));
        if (w->blocks == NULL) {
            keep_shared(w, first, first + n);
            release(w, first, first + n);
        }
    }
    return 0;
}

static int walk_once(session *s, const plan *p, walk_visitor *v, kv_block **blocks,
                     error *err)
{
    size_t n = s->max_chunk + 1;
    walker w = {.s = s,
                .plan = p,
                .visitor = v,
                .blocks = blocks,
                .state = array_new(p->n_segments, sizeof(*w.state)),
                .runs = array_new(n, sizeof(*w.runs)),
                .starts = array_new(n, sizeof(*w.starts)),
                .wanted = array_new(n, sizeof(*w.wanted)),
                .first_want = array_new(n, sizeof(*w.first_want))};
    int rc = 0;
    if (w.state == NULL || w.runs == NULL || w.starts == NULL || w.wanted == NULL ||
        w.first_want == NULL)
        rc = error_memory(err, n * sizeof(*w.runs));
    else
        rc = walk(&w, err);
    for (size_t i = 0; blocks == NULL && w.state != NULL && i < p->n_segments; i++)
        release_segment(&w, i);
    free(w.state);
    free(w.runs);
    free(w.starts);
    free(w.wanted);
    free(w.first_want);
    return rc;
}

int plan_walk(session *s, const plan *p, walk_visitor *v, kv_block **blocks, error *err)
{
    TRY(session_prefix_run(s, err));
    resident_begin(s);
    error first = {0};
    int rc = walk_once(s, p, v, blocks, &first);
    /* What the resident trie pins may be just what is missing; without it the call takes
     * no more than it ever did. */
    if (rc == E_MEMORY && blocks == NULL && s->n_residents > 0) {
        resident_drop_all(s);
        return walk_once(s, p, v, blocks, err);
    }
    if (rc < 0 && err != NULL)
        *err = first;
    return rc;
}

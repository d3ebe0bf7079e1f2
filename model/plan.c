/* Rows to trie: sort the rows by their tokens, then hang each from the path of the one
 * before it at their longest common prefix. */
#include "plan.h"

#include <stdlib.h>

/* A node while the trie grows; nodes are split where rows part. */
typedef struct node {
    size_t parent, start, n;
    const int32_t *tokens;
    size_t first_child, last_child, next; /* next sibling */
} node;

typedef struct trie {
    node *nodes;
    size_t n, capacity;
    size_t first_root, last_root;
} trie;

/* ---- Sorting ---- */

static size_t common_prefix(const plan_row *a, const plan_row *b)
{
    size_t n = a->n < b->n ? a->n : b->n, i = 0;
    while (i < n && a->tokens[i] == b->tokens[i])
        i++;
    return i;
}

static int compare_rows(const void *x, const void *y, void *context)
{
    const plan_row *rows = context;
    size_t i = *(const size_t *)x, j = *(const size_t *)y;
    const plan_row *a = &rows[i], *b = &rows[j];
    size_t l = common_prefix(a, b);
    if (l < a->n && l < b->n)
        return a->tokens[l] < b->tokens[l] ? -1 : 1;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return (i > j) - (i < j);
}

/* ---- Growing ---- */

static int node_add(trie *t, size_t parent, size_t start, size_t n, const int32_t *tokens,
                    size_t *out, error *err)
{
    TRY(array_grow(&t->nodes, &t->capacity, t->n, sizeof(*t->nodes), err));
    t->nodes[t->n] = (node){.parent = parent,
                            .start = start,
                            .n = n,
                            .tokens = tokens,
                            .first_child = plan_none,
                            .last_child = plan_none,
                            .next = plan_none};
    *out = t->n++;
    return 0;
}

static void append_child(trie *t, size_t parent, size_t child)
{
    size_t *first = parent == plan_none ? &t->first_root : &t->nodes[parent].first_child;
    size_t *last = parent == plan_none ? &t->last_root : &t->nodes[parent].last_child;
    if (*first == plan_none)
        *first = child;
    else
        t->nodes[*last].next = child;
    *last = child;
}

/* Part node x at position `at`, inside it: the rest becomes its only child. */
static int node_split(trie *t, size_t x, size_t at, error *err)
{
    size_t rest, head = at - t->nodes[x].start;
    TRY(node_add(t, x, at, t->nodes[x].n - head, t->nodes[x].tokens + head, &rest, err));
    node *parent = &t->nodes[x], *child = &t->nodes[rest];
    child->first_child = parent->first_child;
    child->last_child = parent->last_child;
    for (size_t c = child->first_child; c != plan_none; c = t->nodes[c].next)
        t->nodes[c].parent = rest;
    parent->n = head;
    parent->first_child = parent->last_child = rest;
    return 0;
}

/* Hang a row whose first `shared` tokens are on the path that ends in *leaf. */
static int hang_row(trie *t, const plan_row *row, size_t shared, bool part, size_t *leaf,
                    error *err)
{
    size_t x = *leaf;
    while (x != plan_none && t->nodes[x].start >= shared)
        x = t->nodes[x].parent;
    if (x != plan_none && shared < t->nodes[x].start + t->nodes[x].n)
        TRY(node_split(t, x, shared, err));
    else if (x != plan_none && t->nodes[x].first_child == plan_none && !part) {
        /* the row before is a prefix of this one: same node, more tokens */
        node *old = &t->nodes[x];
        old->tokens = row->tokens + old->start;
        old->n = row->n - old->start;
        *leaf = x;
        return 0;
    }
    size_t child;
    TRY(node_add(t, x, shared, row->n - shared, row->tokens + shared, &child, err));
    append_child(t, x, child);
    *leaf = child;
    return 0;
}

static int grow(trie *t, const plan_row *rows, const size_t *order, size_t n, bool part,
                error *err)
{
    size_t leaf = plan_none;
    for (size_t i = 0; i < n; i++) {
        const plan_row *row = &rows[order[i]];
        size_t shared = i > 0 ? common_prefix(&rows[order[i - 1]], row) : 0;
        if (i > 0 && shared == row->n)
            continue; /* equal to the row before */
        TRY(hang_row(t, row, shared, part, &leaf, err));
    }
    return 0;
}

/* ---- Flattening ---- */

static int emit_node(plan *p, size_t *capacity, const node *x, size_t parent,
                     size_t max_segment, error *err)
{
    for (size_t done = 0; done < x->n; done += max_segment) {
        size_t n = x->n - done < max_segment ? x->n - done : max_segment;
        TRY(array_grow(&p->segments, capacity, p->n_segments, sizeof(*p->segments), err));
        p->segments[p->n_segments] = (plan_segment){.parent = parent,
                                                    .start = x->start + done,
                                                    .n = n,
                                                    .tokens = x->tokens + done};
        parent = p->n_segments++;
        p->n_positions += n;
    }
    return 0;
}

/* Depth first; last_of[x] is the last segment of node x, where its children hang. */
static int flatten(plan *p, const trie *t, size_t *last_of, size_t max_segment,
                   error *err)
{
    size_t capacity = 0, x = t->first_root;
    while (x != plan_none) {
        const node *at = &t->nodes[x];
        size_t parent = at->parent == plan_none ? plan_none : last_of[at->parent];
        TRY(emit_node(p, &capacity, at, parent, max_segment, err));
        last_of[x] = p->n_segments - 1;
        if (at->first_child != plan_none) {
            x = at->first_child;
            continue;
        }
        while (x != plan_none && t->nodes[x].next == plan_none)
            x = t->nodes[x].parent;
        if (x != plan_none)
            x = t->nodes[x].next;
    }
    /* children come after parents, so that ends can be carried up from the back */
    for (size_t s = p->n_segments; s-- > 0;) {
        plan_segment *segment = &p->segments[s];
        if (segment->end == 0)
            segment->end = s + 1;
        if (segment->parent != plan_none && p->segments[segment->parent].end == 0)
            p->segments[segment->parent].end = segment->end;
    }
    return 0;
}

/* ---- Wants ---- */

static int compare_wants(const void *x, const void *y)
{
    const plan_want *a = x, *b = y;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static size_t segment_end(const plan_segment *s)
{
    return s->start + s->n;
}

static int add_wants(plan *p, const plan_row *rows, const size_t *order, size_t n,
                     error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += rows[i].n_wanted;
    p->wants = array_new(total, sizeof(*p->wants));
    if (p->wants == NULL)
        return error_memory(err, total * sizeof(*p->wants));
    /* Sorted rows end in segments of ascending index, and every segment has a row that
     * ends in or below it: so the segments after the one where the last row ended, up to
     * the one where this row ends, are all on this row's path. */
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        const plan_row *row = &rows[order[i]];
        if (i > 0 && common_prefix(&rows[order[i - 1]], row) <= p->segments[last].start)
            last++;
        while (segment_end(&p->segments[last]) < row->n)
            last++;
        size_t s = last;
        for (size_t k = 0; k < row->n_wanted; k++) {
            size_t position = row->n - 1 - k;
            while (position < p->segments[s].start)
                s = p->segments[s].parent;
            p->wants[p->n_wants++] =
                (plan_want){.segment = s,
                            .offset = position - p->segments[s].start,
                            .row = order[i],
                            .position = position};
        }
    }
    qsort(p->wants, p->n_wants, sizeof(*p->wants), compare_wants);
    return 0;
}

int plan_make(plan *out, const plan_row *rows, size_t n, plan_cuts cuts, error *err)
{
    plan p = {0};
    trie t = {.first_root = plan_none, .last_root = plan_none};
    size_t *last_of = NULL, *order = array_new(n, sizeof(*order));
    int rc = order == NULL ? error_memory(err, n * sizeof(*order)) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        order[i] = i;
    if (rc == 0) {
        /* compare_rows only reads the rows */
        union {
            const plan_row *in;
            void *out;
        } context = {.in = rows};
        qsort_r(order, n, sizeof(*order), compare_rows, context.out);
        rc = grow(&t, rows, order, n, cuts.at_row_ends, err);
    }
    if (rc == 0 && (last_of = array_new(t.n, sizeof(*last_of))) == NULL)
        rc = error_memory(err, t.n * sizeof(*last_of));
    if (rc == 0)
        rc = flatten(&p, &t, last_of, cuts.max_segment, err);
    if (rc == 0)
        rc = add_wants(&p, rows, order, n, err);
    free(last_of);
    free(order);
    free(t.nodes);
    if (rc < 0)
        plan_free(&p);
    else
        *out = p;
    return rc;
}

int plan_make_separate(plan *out, const plan_row *rows, size_t n, error *err)
{
    plan p = {.segments = array_new(n, sizeof(*p.segments))};
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += rows[i].n_wanted;
    p.wants = array_new(total, sizeof(*p.wants));
    if (p.segments == NULL || p.wants == NULL) {
        plan_free(&p);
        return error_memory(err, n * sizeof(*p.segments) + total * sizeof(*p.wants));
    }
    for (size_t i = 0; i < n; i++) {
        const plan_row *row = &rows[i];
        p.segments[p.n_segments++] = (plan_segment){
            .parent = plan_none, .n = row->n, .end = i + 1, .tokens = row->tokens};
        p.n_positions += row->n;
        for (size_t at = row->n - row->n_wanted; at < row->n; at++)
            p.wants[p.n_wants++] =
                (plan_want){.segment = i, .offset = at, .row = i, .position = at};
    }
    *out = p;
    return 0;
}

void plan_free(plan *p)
{
    free(p->segments);
    free(p->wants);
    *p = (plan){0};
}

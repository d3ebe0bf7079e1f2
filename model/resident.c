#include "resident.h"

#include <stdlib.h>
#include <string.h>

/* A run of tokens. Its keys and values are at [begin, begin + n) of a stored block, which
 * nodes that were once one share. */
struct resident {
    resident *parent, *first_child, *next;
    kv_block *stored;
    size_t begin, n;
    int32_t *tokens; /* (n), owned */
    uint64_t used;   /* the last call that met it */
    size_t index;    /* in the session's list */
};

void resident_begin(session *s)
{
    s->call++;
}

/* ---- Following ---- */

static resident **children_of(session *s, resident *node)
{
    return node == NULL ? &s->resident_roots : &node->first_child;
}

static resident *find_child(session *s, resident *node, int32_t token)
{
    resident *c = *children_of(s, node);
    while (c != NULL && c->tokens[0] != token)
        c = c->next;
    return c;
}

/* A place is held while other segments are kept, and its node may have been parted since:
 * what was behind the cut is in the child that shows on in the same stored block. */
static void settle(resident_place *place)
{
    while (place->node != NULL && place->offset > place->node->n) {
        const resident *head = place->node;
        resident *rest = head->first_child;
        while (rest->stored != head->stored || rest->begin != head->begin + head->n)
            rest = rest->next;
        place->offset -= head->n;
        place->node = rest;
    }
}

size_t resident_follow(session *s, resident_place *place, const int32_t *tokens, size_t n)
{
    size_t i = 0;
    settle(place);
    for (; i < n; i++) {
        resident *node = place->node;
        if (node == NULL || place->offset == node->n) {
            resident *child = find_child(s, node, tokens[i]);
            if (child == NULL)
                break;
            *place = (resident_place){child, 1};
            child->used = s->call;
        } else if (node->tokens[place->offset] == tokens[i]) {
            place->offset++;
        } else {
            break;
        }
    }
    return i;
}

/* ---- Showing ---- */

/* A block that borrows the first n positions of a stored one. */
static kv_block *view_new(kv_block *stored, size_t n, kv_block *parent)
{
    kv_block *v = array_new(1, sizeof(*v));
    if (v != NULL)
        *v = (kv_block){.parent = parent,
                        .first = stored->first,
                        .n = n,
                        .capacity = stored->capacity,
                        .data = stored->data,
                        .layer_floats = stored->layer_floats,
                        .lender = stored};
    return v;
}

/* Add the first `n` tokens of `node` to the chain. Nodes that share a stored block are
 * one behind the other in it: a longer view takes the place of the shorter. */
static int show_node(const resident *node, size_t n, kv_block **last, size_t *n_made,
                     error *err)
{
    kv_block *end = *last;
    bool same = end != NULL && end->lender == node->stored;
    if (same && *n_made > 0) {
        end->n = node->begin + n;
        return 0;
    }
    kv_block *v = view_new(node->stored, node->begin + n, same ? end->parent : end);
    if (v == NULL)
        return error_memory(err, sizeof(*v));
    *last = v;
    ++*n_made;
    return 0;
}

int resident_show(session *s, resident_place from, resident_place to, kv_block *parent,
                  kv_block **last, size_t *n_made, error *err)
{
    int rc = 0;
    settle(&from);
    settle(&to);
    *last = parent;
    *n_made = 0;
    /* down from `from`: the node below on the way to `to` is found by going up from it */
    const resident *at = from.node;
    if (at != NULL && at != to.node && from.offset < at->n)
        rc = show_node(at, at->n, last, n_made, err);
    while (rc == 0 && at != to.node) {
        const resident *below = to.node;
        while (below->parent != at)
            below = below->parent;
        at = below;
        rc = show_node(at, at == to.node ? to.offset : at->n, last, n_made, err);
    }
    if (rc == 0 && from.node == to.node && from.offset < to.offset)
        rc = show_node(at, to.offset, last, n_made, err);
    for (; rc < 0 && *n_made > 0; --*n_made) {
        kv_block *above = (*last)->parent;
        kv_block_free(s, *last);
        *last = above;
    }
    return rc;
}

/* ---- Keeping ---- */

static resident *node_new(session *s, kv_block *stored, size_t begin, size_t n,
                          const int32_t *tokens)
{
    resident *r = array_new(1, sizeof(*r));
    int32_t *copy = array_new(n, sizeof(*copy));
    if (r == NULL || copy == NULL ||
        array_grow(&s->residents, &s->residents_capacity, s->n_residents,
                   sizeof(*s->residents), NULL) < 0) {
        free(r);
        free(copy);
        return NULL;
    }
    memcpy(copy, tokens, n * sizeof(*copy));
    *r = (resident){.stored = stored,
                    .begin = begin,
                    .n = n,
                    .tokens = copy,
                    .used = s->call,
                    .index = s->n_residents};
    s->residents[s->n_residents++] = r;
    return r;
}

static void hang(session *s, resident *child, resident *parent)
{
    resident **list = children_of(s, parent);
    child->parent = parent;
    child->next = *list;
    *list = child;
}

/* Part a node: what is behind `offset` becomes its only child. */
static bool split(session *s, resident *node, size_t offset)
{
    resident *rest = node_new(s, node->stored, node->begin + offset, node->n - offset,
                              node->tokens + offset);
    if (rest == NULL)
        return false;
    rest->used = node->used;
    rest->first_child = node->first_child;
    for (resident *c = rest->first_child; c != NULL; c = c->next)
        c->parent = rest;
    node->first_child = NULL;
    node->n = offset;
    node->stored->lent++;
    hang(s, rest, node);
    return true;
}

/* The token that the trie has behind a place already is not hung there again. */
static bool goes_on_with(session *s, resident_place place, int32_t token)
{
    if (place.node != NULL && place.offset < place.node->n)
        return place.node->tokens[place.offset] == token;
    return find_child(s, place.node, token) != NULL;
}

bool resident_keep(session *s, resident_place *place, kv_block *block,
                   const int32_t *tokens)
{
    uint64_t bytes = kv_block_bytes(s, block->capacity);
    settle(place);
    if (block->n == 0 || goes_on_with(s, *place, tokens[0]))
        return false;
    while (s->resident_bytes + bytes > s->kv_limit / 2)
        if (!resident_give_up_one(s))
            return false;
    if (place->node != NULL && place->offset < place->node->n &&
        !split(s, place->node, place->offset))
        return false;
    resident *r = node_new(s, block, 0, block->n, tokens);
    if (r == NULL)
        return false;
    hang(s, r, place->node);
    block->lent = 1;
    s->kv_bytes -= bytes;
    s->resident_bytes += bytes;
    *place = (resident_place){r, r->n};
    return true;
}

/* ---- Giving up ---- */

static void unhang(session *s, resident *r)
{
    resident **list = children_of(s, r->parent);
    while (*list != r)
        list = &(*list)->next;
    *list = r->next;
}

static void node_free(session *s, resident *r)
{
    s->residents[r->index] = s->residents[--s->n_residents];
    s->residents[r->index]->index = r->index;
    if (--r->stored->lent == 0) {
        uint64_t bytes = kv_block_bytes(s, r->stored->capacity);
        s->resident_bytes -= bytes;
        s->kv_bytes += bytes; /* kv_block_free takes it off again */
        kv_block_free(s, r->stored);
    }
    free(r->tokens);
    free(r);
}

bool resident_give_up_one(session *s)
{
    resident *oldest = NULL;
    for (size_t i = 0; i < s->n_residents; i++) {
        resident *r = s->residents[i];
        if (r->first_child == NULL && r->used < s->call &&
            (oldest == NULL || r->used < oldest->used))
            oldest = r;
    }
    if (oldest == NULL)
        return false;
    unhang(s, oldest);
    node_free(s, oldest);
    return true;
}

bool resident_make_room(session *s, uint64_t bytes)
{
    while (bytes > s->kv_limit - s->kv_bytes - s->resident_bytes)
        if (!resident_give_up_one(s))
            return false;
    return true;
}

void resident_drop_all(session *s)
{
    while (s->n_residents > 0)
        node_free(s, s->residents[s->n_residents - 1]);
    s->resident_roots = NULL;
}

/* Merge table and merging. Short words are scanned for the best pair, long ones keep a
 * heap of pairs: the results are the same, and no word takes quadratic time. */
#include "bpe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_SCAN = 48 }; /* symbols; beyond it the heap is faster */
static const uint32_t NO_RANK = UINT32_MAX;
static const uint32_t NOBODY = UINT32_MAX;

typedef struct merge {
    int32_t left, right; /* left -1: a free slot */
    uint32_t rank;
    int32_t id; /* of the two together */
} merge;

struct bpe {
    int32_t byte_ids[256]; /* -1: not in the vocabulary */
    merge *merges;         /* (n_slots) open addressing */
    size_t n_slots;        /* a power of two, at least twice the number of merges */
};

/* ---- The table ---- */

static const merge *find_merge(const bpe *b, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(key >> 32) & (b->n_slots - 1);
    const merge *m = &b->merges[slot];
    while (m->left >= 0 && (m->left != left || m->right != right)) {
        slot = (slot + 1) & (b->n_slots - 1);
        m = &b->merges[slot];
    }
    return m;
}

static uint32_t find_rank(const bpe *b, int32_t left, int32_t right)
{
    return find_merge(b, left, right)->rank; /* free slots have NO_RANK */
}

static int find_part(const vocabulary *v, const char *s, size_t n, size_t rank,
                     const char *line, int32_t *id, error *err)
{
    *id = vocabulary_find(v, s, n);
    if (*id >= 0)
        return 0;
    return error_set(
        err, E_FORMAT,
        "merge %zu (\"%.60s\") needs the token \"%.*s\", which is not in the "
        "vocabulary of %zu",
        rank, line, n > 60 ? 60 : (int)n, s, vocabulary_size(v));
}

static int add_merge(bpe *b, const vocabulary *v, const char *line, size_t rank,
                     text *joined, error *err)
{
    const char *space = strchr(line, ' ');
    if (!space || strchr(space + 1, ' '))
        return error_set(
            err, E_FORMAT,
            "merge %zu is \"%.60s\", but a merge is two tokens with one space "
            "between them",
            rank, line);
    size_t n_left = (size_t)(space - line), n_right = strlen(space + 1);
    merge m = {.rank = (uint32_t)rank};
    TRY(find_part(v, line, n_left, rank, line, &m.left, err));
    TRY(find_part(v, space + 1, n_right, rank, line, &m.right, err));
    text_clear(joined);
    TRY(text_add(joined, line, n_left, err));
    TRY(text_add(joined, space + 1, n_right, err));
    TRY(find_part(v, joined->s, joined->n, rank, line, &m.id, err));
    b->merges[find_merge(b, m.left, m.right) - b->merges] = m;
    return 0;
}

static int fill(bpe *b, const vocabulary *v, const char *const *merges, size_t n,
                error *err)
{
    for (size_t i = 0; i < b->n_slots; i++)
        b->merges[i] = (merge){.left = -1, .right = -1, .rank = NO_RANK, .id = -1};
    for (int byte = 0; byte < 256; byte++)
        b->byte_ids[byte] = vocabulary_find_byte(v, (unsigned char)byte);
    text joined = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_merge(b, v, merges[i], i, &joined, err);
    text_free(&joined);
    return rc;
}

int bpe_new(bpe **out, const vocabulary *v, const char *const *merges, size_t n,
            error *err)
{
    if (n > INT32_MAX / 2)
        return error_set(err, E_LIMIT, "the vocabulary has %zu merges, at most %d fit", n,
                         INT32_MAX / 2);
    bpe *b = array_new(1, sizeof *b);
    if (!b)
        return error_memory(err, sizeof *b);
    b->n_slots = 16;
    while (b->n_slots < 2 * n)
        b->n_slots *= 2;
    b->merges = array_new(b->n_slots, sizeof *b->merges);
    int rc = b->merges ? fill(b, v, merges, n, err)
                       : error_memory(err, b->n_slots * sizeof *b->merges);
    if (rc < 0) {
        bpe_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

void bpe_free(bpe *b)
{
    if (!b)
        return;
    free(b->merges);
    free(b);
}

void bpe_work_free(bpe_work *w)
{
    free(w->symbols);
    free(w->heap);
    *w = (bpe_work){0};
}

/* ---- Short words: look at every pair for each merge ---- */

static uint32_t pair_rank(const bpe *b, const bpe_work *w, size_t i)
{
    return i + 1 < w->n ? find_rank(b, w->symbols[i].id, w->symbols[i + 1].id) : NO_RANK;
}

static void merge_by_scan(const bpe *b, bpe_work *w)
{
    bpe_symbol *s = w->symbols;
    for (size_t i = 0; i < w->n; i++)
        s[i].rank = pair_rank(b, w, i);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i < w->n; i++)
            if (s[i].rank < s[best].rank)
                best = i;
        if (w->n < 2 || s[best].rank == NO_RANK)
            return;
        s[best].id = find_merge(b, s[best].id, s[best + 1].id)->id;
        w->n--;
        memmove(s + best + 1, s + best + 2, (w->n - best - 1) * sizeof *s);
        s[best].rank = pair_rank(b, w, best);
        if (best > 0)
            s[best - 1].rank = pair_rank(b, w, best - 1);
    }
}

/* ---- Long words: a binary heap of pairs; an entry whose pair has changed is skipped
 * ----
 */

static void heap_push(bpe_work *w, uint64_t entry)
{
    assert(w->n_heap < w->heap_capacity);
    size_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = entry;
}

static uint64_t heap_pop(bpe_work *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < w->n_heap; i = child, child = 2 * i + 1) {
        if (child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child])
            child++;
        if (w->heap[child] >= last)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static void offer_pair(const bpe *b, bpe_work *w, uint32_t i)
{
    bpe_symbol *s = &w->symbols[i];
    s->rank = s->next == NOBODY ? NO_RANK : find_rank(b, s->id, w->symbols[s->next].id);
    if (s->rank != NO_RANK)
        heap_push(w, (uint64_t)s->rank << 32 | i);
}

static void merge_at(const bpe *b, bpe_work *w, uint32_t i)
{
    bpe_symbol *s = &w->symbols[i], *gone = &w->symbols[s->next];
    s->id = find_merge(b, s->id, gone->id)->id;
    s->next = gone->next;
    gone->rank = NO_RANK;
    gone->id = -1;
    if (s->next != NOBODY)
        w->symbols[s->next].prev = i;
    offer_pair(b, w, i);
    if (s->prev != NOBODY)
        offer_pair(b, w, s->prev);
}

static void merge_by_heap(const bpe *b, bpe_work *w)
{
    bpe_symbol *s = w->symbols;
    w->n_heap = 0;
    for (size_t i = 0; i < w->n; i++) {
        s[i].prev = i ? (uint32_t)i - 1 : NOBODY;
        s[i].next = i + 1 < w->n ? (uint32_t)i + 1 : NOBODY;
    }
    for (size_t i = 0; i < w->n; i++)
        offer_pair(b, w, (uint32_t)i);
    while (w->n_heap) {
        uint64_t top = heap_pop(w);
        uint32_t i = (uint32_t)top;
        if (s[i].rank == top >> 32 && s[i].rank != NO_RANK)
            merge_at(b, w, i);
    }
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++)
        if (s[i].id >= 0)
            s[kept++] = s[i];
    w->n = kept;
}

/* Every merge offers at most two pairs, and there are fewer merges than symbols. */
static int reserve(bpe_work *w, size_t n, error *err)
{
    if (n > w->symbol_capacity) {
        bpe_symbol *grown = array_resize(w->symbols, n, sizeof *grown);
        if (!grown)
            return error_memory(err, n * sizeof *grown);
        w->symbols = grown;
        w->symbol_capacity = n;
    }
    if (n > LONGEST_SCAN && 3 * n > w->heap_capacity) {
        uint64_t *grown = array_resize(w->heap, 3 * n, sizeof *grown);
        if (!grown)
            return error_memory(err, 3 * n * sizeof *grown);
        w->heap = grown;
        w->heap_capacity = 3 * n;
    }
    return 0;
}

int bpe_merge(const bpe *b, const char *word, size_t n, bpe_work *w, error *err)
{
    if (n > BPE_MAX_WORD_BYTES)
        return error_set(err, E_LIMIT, "a word of %zu bytes is over the limit of %d", n,
                         BPE_MAX_WORD_BYTES);
    TRY(reserve(w, n, err));
    w->n = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t id = b->byte_ids[(unsigned char)word[i]];
        if (id >= 0)
            w->symbols[w->n++] = (bpe_symbol){.id = id, .begin = (uint32_t)i};
    }
    if (w->n <= LONGEST_SCAN)
        merge_by_scan(b, w);
    else
        merge_by_heap(b, w);
    return 0;
}

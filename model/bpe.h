/* Byte-pair merging (Sennrich et al. 2016): the bytes of one word become tokens, the pair
 * of lowest rank first, the leftmost first among equals.
 *
 * A bpe is immutable once made and shared by threads; a bpe_work belongs to one call.
 * It keeps no pointer to the vocabulary it was made from. */
#ifndef LAMARCK_MODEL_BPE_H
#define LAMARCK_MODEL_BPE_H

#include "vocabulary.h"

typedef struct bpe bpe;

/* merges: "left right" in the byte alphabet, best first. Both parts and the two together
 * must be tokens; of a pair that is given twice the later rank holds, as in the
 * reference.
 */
int bpe_new(bpe **out, const vocabulary *v, const char *const *merges, size_t n,
            error *err);
void bpe_free(bpe *b);

typedef struct bpe_symbol {
    int32_t id;
    uint32_t begin;      /* byte of the word where it begins */
    uint32_t rank;       /* of the merge with its right neighbour */
    uint32_t prev, next; /* neighbours, while a long word is merged */
} bpe_symbol;

/* Scratch that grows; {0} is empty. */
typedef struct bpe_work {
    bpe_symbol *symbols;
    size_t n, symbol_capacity;
    uint64_t *heap; /* rank << 32 | position */
    size_t n_heap, heap_capacity;
} bpe_work;
void bpe_work_free(bpe_work *w);

enum { BPE_MAX_WORD_BYTES = 1 << 30 };

/* Leave the tokens of a word in w->symbols[0..w->n). Bytes that the vocabulary lacks are
 * dropped first, so that their neighbours may merge, as in the reference. O(n log n). */
int bpe_merge(const bpe *b, const char *word, size_t n, bpe_work *w, error *err);

#endif

/* Edits of a text gene that keep its laws, for the operators and crossover. Private to
 * evolve/.
 *
 * The laws: a gene with words keeps at least one; every word but the first has white
 * space before it; frozen words stay as they are, in order, and whether two of them are
 * neighbours never changes. So words are never inserted between frozen neighbours, and
 * the last word between two frozen ones is never taken away: the place stays open. */
#ifndef LAMARCK_EVOLVE_WORDS_H
#define LAMARCK_EVOLVE_WORDS_H

#include "genome.h"

/* Split s[0..n) at white space into the words and the trail of an empty gene. */
int words_split(gene *out, const char *s, size_t n, error *err);

bool words_may_insert(const gene *g, size_t at);
bool words_may_remove(const gene *g, size_t begin, size_t end);
/* None of [begin, end) is frozen. */
bool words_free_span(const gene *g, size_t begin, size_t end);

/* Put copies of from[0..n) (may lie in g itself), not frozen, in the place of words
 * [begin, end). White space at the seams is kept as the neighbours had it; a capital at
 * the start of the gene moves to the new first word. The caller has asked words_may_. */
int words_splice(gene *g, size_t begin, size_t end, const word *from, size_t n,
                 error *err);
/* The same with text that is split into words. */
int words_splice_text(gene *g, size_t begin, size_t end, const char *s, error *err);

/* Exchange the words of two spans of n words that do not overlap; white space stays. */
int words_exchange(gene *g, size_t a, size_t b, size_t n, error *err);

/* Append a copy of `w` to a gene under construction whose array holds `capacity`. */
int words_append(gene *g, size_t *capacity, const word *w, error *err);
/* After appending from several genes: the first word gets `space`, all others some. */
int words_mend_spaces(gene *g, const char *space, error *err);

/* Levenshtein distance of two word sequences, in words. Exact where the part that differs
 * is at most 1,024 words long in the shorter gene; beyond, an upper bound. */
size_t words_distance(const gene *a, const gene *b);

#endif

/* Keys and values that stay between calls: a trie of token sequences that rows of earlier
 * calls shared, inside half of the session's budget, the longest unused given up first.
 *
 * What is kept is bit for bit what would be computed again, so it saves time and changes
 * no number. A call pins what it has met until it ends. Not for other folders. */
#ifndef LAMARCK_MODEL_RESIDENT_H
#define LAMARCK_MODEL_RESIDENT_H

#include "session_parts.h"

typedef struct resident resident;

/* A place in the trie: behind the first `offset` tokens of `node`; node NULL: the root.
 */
typedef struct resident_place {
    resident *node;
    size_t offset;
} resident_place;

/* A new call: everything not met in it may be given up. */
void resident_begin(session *s);

/* Go on from *place by as many of the tokens as are there; returns how many. */
size_t resident_follow(session *s, resident_place *place, const int32_t *tokens,
                       size_t n);

/* Blocks that show what lies between two places to attention, hung from `parent`, the
 * last block of the way to `from`. Only borrow their memory: kv_block_free them.
 * *last: the new end of the chain; *n_made: how many blocks up from it are new. */
int resident_show(session *s, resident_place from, resident_place to, kv_block *parent,
                  kv_block **last, size_t *n_made, error *err);

/* Keep a block of the walk, whose tokens come right behind *place: true if it was kept;
 * then its memory is no longer the caller's, and *place is behind it. */
bool resident_keep(session *s, resident_place *place, kv_block *block,
                   const int32_t *tokens);

/* Give up what the call has not met until `bytes` more fit the budget; false when they
 * never will. */
bool resident_make_room(session *s, uint64_t bytes);

/* Give up the longest unused leaf; false when the call has met all that is left. */
bool resident_give_up_one(session *s);

/* Give up everything. */
void resident_drop_all(session *s);

#endif

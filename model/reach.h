/* How far back each layer looks, as a file says it.
 *
 * {family}.attention.sliding_window is the number of keys that a query sees, its own the
 * last of them: at position i those at positions > i - window, as llama.cpp and
 * transformers mean it. {family}.attention.sliding_window_pattern says for which layers:
 * an array has a bool for each; a number n leaves out one layer in n (0: none); without
 * it the family's row decides. Stateless. */
#ifndef LAMARCK_MODEL_REACH_H
#define LAMARCK_MODEL_REACH_H

#include "arch.h"
#include "gguf.h"

/* out (n_layers): the reach of each, 0 where it is unlimited or at least `context`
 * tokens, which is all there ever is. E_FORMAT and E_UNSUPPORTED name the key. */
int reach_find(const gguf *file, const arch *a, size_t n_layers, size_t context,
               size_t *out, error *err);

#endif

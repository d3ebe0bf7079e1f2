/* Text as the reference tokenizer sees it: well-formed UTF-8, and in Unicode's composed
 * form where the pre-tokenizer asks for it, with the way back to the bytes it came from.
 *
 * A mapped_text either borrows the bytes it was made from or owns its own. */
#ifndef LAMARCK_MODEL_NORMALIZER_H
#define LAMARCK_MODEL_NORMALIZER_H

#include "base.h"

typedef struct mapped_text {
    const char *s;
    size_t n;
    const size_t *origin; /* (n) offset in the source of what byte i stands for; never
                             falls. NULL: base + i */
    size_t base;
    void *owned_s, *owned_origin; /* NULL: borrowed */
} mapped_text;

/* A borrowed view of n bytes from `begin`. */
mapped_text mapped_part(const mapped_text *m, size_t begin, size_t n);
size_t mapped_origin(const mapped_text *m, size_t i);
void mapped_free(mapped_text *m);

/* Each maximal ill-formed part of n bytes becomes U+FFFD, as the Unicode standard (3.9,
 * table 3-8) recommends and Python's errors="replace" does. */
int mapped_repair(mapped_text *out, const char *bytes, size_t n, error *err);

/* Normalization Form C of well-formed text. A character that was composed or reordered
 * comes from the first byte of its run that is left. */
int mapped_compose(mapped_text *out, const mapped_text *in, error *err);

#endif

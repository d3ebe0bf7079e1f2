/* Finds the tokens that are matched in the text as they are spelled: control tokens and
 * those that the user of the vocabulary added.
 *
 * Immutable once made; shared by threads; keeps a pointer to the vocabulary. */
#ifndef LAMARCK_MODEL_SPECIALS_H
#define LAMARCK_MODEL_SPECIALS_H

#include "vocabulary.h"

typedef struct specials specials;

int specials_new(specials **out, const vocabulary *v, error *err);
void specials_free(specials *s);
size_t specials_count(const specials *s);

/* The first match in text[from..n), the longest where several begin at one place: its id,
 * *begin and *length. -1 when there is none. */
int32_t specials_next(const specials *s, const char *text, size_t n, size_t from,
                      size_t *begin, size_t *length);

#endif

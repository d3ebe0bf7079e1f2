/* Cuts text into the words that are merged one by one, as the named pre-tokenizer of the
 * reference does.
 *
 * Immutable once made; shared by threads. */
#ifndef LAMARCK_MODEL_PRETOKENIZER_H
#define LAMARCK_MODEL_PRETOKENIZER_H

#include "base.h"

/* What a name stands for, beside its patterns. */
typedef struct pretokenizer_kind {
    const char *name;
    bool composes;    /* the text is brought to Normalization Form C first */
    bool whole_words; /* a word that is a token is that token, whatever the merges say */
    bool adds_bos;    /* where the file does not say */
} pretokenizer_kind;

typedef struct pretokenizer pretokenizer;

/* E_UNSUPPORTED for an unknown name, telling the known ones. */
int pretokenizer_new(pretokenizer **out, const char *name, error *err);
void pretokenizer_free(pretokenizer *p);
const pretokenizer_kind *pretokenizer_describe(const pretokenizer *p);

/* Called with s[begin..begin + n) for each word, in order. */
typedef int word_function(void *context, size_t begin, size_t n, error *err);

/* Cut n bytes of well-formed UTF-8. The words cover all of them. */
int pretokenizer_split(const pretokenizer *p, const char *s, size_t n,
                       word_function *each, void *context, error *err);

#endif

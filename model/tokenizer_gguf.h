/* A tokenizer from the metadata of a GGUF file. */
#ifndef LAMARCK_MODEL_TOKENIZER_GGUF_H
#define LAMARCK_MODEL_TOKENIZER_GGUF_H

#include "gguf.h"
#include "tokenizer.h"

/* The tokenizer keeps nothing of the file. */
int tokenizer_from_gguf(tokenizer **out, const gguf *g, error *err);

/* The same from the file itself, which needs no weights: a vocabulary alone will do. */
int tokenizer_open(tokenizer **out, const char *path, error *err);

#endif

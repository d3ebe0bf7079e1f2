/* A tokenizer from the metadata of a GGUF file. */
#ifndef LAMARCK_MODEL_TOKENIZER_GGUF_H
#define LAMARCK_MODEL_TOKENIZER_GGUF_H

#include "gguf.h"
#include "tokenizer.h"

/* The tokenizer keeps nothing of the file. */
int tokenizer_from_gguf(tokenizer **out, const gguf *g, error *err);

#endif

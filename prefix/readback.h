/* Vectors read back into words: the tokens nearest to them, and of these the sequence
 * that the frozen model itself finds most fluent.
 *
 * Vectors are learned, words are read: most vectors lie far from any word, so what is
 * read is an offer and nothing more. Special tokens are never offered. What a tokenizer
 * would not read back as the same tokens is not a text of these tokens at all:
 * readback_survives tells.
 *
 * Pure functions of their arguments and the session's model. A session must be without a
 * prefix. Threads: as a session. Ownership: results are the caller's. */
#ifndef LAMARCK_PREFIX_READBACK_H
#define LAMARCK_PREFIX_READBACK_H

#include "../model/model.h"

/* Which tokens may stand at a position, besides that it must not be a special one. NULL,
 * or without a function: any. */
typedef struct token_rule {
    bool (*allows)(const void *context, size_t position, int32_t id);
    const void *context;
} token_rule;

/* The k allowed tokens that are most like each of n vectors (n, C), best first, ties by
 * lower id: ids and measures (n, k). Where fewer are allowed, ids end with -1. Measures
 * may be NULL. */
int readback_nearest(session *s, const float *vectors, size_t n,
                     embedding_measure measure, const token_rule *rule, size_t k,
                     int32_t *ids, double *measures, error *err);

/* A text of m tokens, some of which are vectors. */
typedef struct vector_text {
    const int32_t *ids;     /* (m) */
    const uint32_t *places; /* (m): which of the n vectors stands there, or place_none */
    size_t m;
    const float *vectors; /* (n, C) */
    size_t n;
} vector_text;

typedef struct beam_options {
    size_t width;   /* sequences kept (4) */
    size_t nearest; /* tokens looked at per vector (8) */
    double fluency; /* what a nat of ln p weighs against a cosine of 1 (0.05) */
} beam_options;
beam_options beam_defaults(void);

/* What the beam charges at most: one row per sequence and position. */
uint64_t readback_beam_tokens(const vector_text *x, const beam_options *o);

/* Sequences of tokens for the vectors, the best first: by the sum over vectors of the
 * cosine with their token, and over the tokens from the first vector to the last of
 * `fluency` times ln p given all before (nothing predicts a text's first token: it counts
 * 0). ids (width, n) and scores (width). Returns how many sequences there are: fewer than
 * `width` where not enough tokens are allowed. */
int readback_beam(session *s, const vector_text *x, const token_rule *rule,
                  const beam_options *o, int32_t *ids, double *scores, error *err);

/* 1: the ids, decoded, are tokenised into the same ids again; 0: not. */
int readback_survives(const tokenizer *t, const int32_t *ids, size_t n, error *err);

#endif

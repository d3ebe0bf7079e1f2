/* Texts as rows of tokens: the one place that decides what a model reads and which tokens
 * are the answer. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_LM_ROW_H
#define LAMARCK_EXPERIMENTS_FITNESS_LM_ROW_H

#include "../../model/model.h"

typedef struct row_text {
    const char *context;
    size_t n_context; /* bytes */
    const char *tail; /* the target and what follows it */
    size_t n_tail;
    size_t n_target; /* bytes of the tail that are the target */
    bool special;    /* spelled special tokens are those tokens */
    bool no_bos;     /* no BOS, whatever the model's policy */
} row_text;

/* Context and tail are tokenised as one text, after a BOS if that is the model's policy
 * and the text does not begin with one. Every token that covers a byte of the target is a
 * target; what comes after the last of them is left away, since nothing reads it.
 * out->tokens is new. E_LIMIT when nothing comes before the target's only token. */
int row_encode(row *out, const tokenizer *t, const row_text *x, error *err);
/* The same, and (*begin)[i] is the byte of the joined text where token i begins; that of
 * a BOS is ROW_NO_BYTE. New. */
#define ROW_NO_BYTE SIZE_MAX
int row_encode_places(row *out, size_t **begin, const tokenizer *t, const row_text *x,
                      error *err);

/* The context alone, for a model to go on from. out->tokens is new. */
int row_encode_context(row *out, const tokenizer *t, const char *context, size_t n,
                       bool special, error *err);

/* A growing list of rows that owns their tokens. */
typedef struct row_list {
    row *rows;
    size_t n, capacity;
} row_list;
int row_list_add(row_list *l, row r, error *err); /* takes r.tokens, on failure too */
void row_list_cut(row_list *l, size_t n);         /* down to the first n rows */
void row_list_free(row_list *l);

#endif

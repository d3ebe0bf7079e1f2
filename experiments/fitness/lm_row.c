#include "lm_row.h"

#include <stdlib.h>
#include <string.h>

/* ---- Encoding ---- */

/* The tokens of s[0..n) with their places, in *list; *bos: one is to come before them. */
static int encode(const tokenizer *t, const char *s, size_t n, bool special,
                  token_list *list, bool *bos, error *err)
{
    const tokenizer_info *info = tokenizer_describe(t);
    TRY(tokenizer_encode(t, s, n, special, list, err));
    *bos = info->add_bos && info->bos >= 0 && !(list->n && list->ids[0] == info->bos);
    return 0;
}

/* The first n tokens of the list, after a BOS if wanted; *count of them. */
static int copy_tokens(const tokenizer *t, const token_list *list, size_t n, bool bos,
                       int32_t **out, size_t *count, error *err)
{
    int32_t *tokens = array_new(n + bos, sizeof *tokens);
    if (!tokens)
        return error_memory(err, (n + bos) * sizeof *tokens);
    if (bos)
        tokens[0] = tokenizer_describe(t)->bos;
    if (n)
        memcpy(tokens + bos, list->ids, n * sizeof *tokens);
    *out = tokens;
    *count = n + bos;
    return 0;
}

/* Where token i's bytes end, in a text of n bytes. */
static size_t token_end(const token_list *list, size_t i, size_t n)
{
    return i + 1 < list->n ? list->begin[i + 1] : n;
}

/* The tokens of `joined`, the context and its tail, as a row. */
static int cut_row(row *out, const tokenizer *t, const row_text *x, const text *joined,
                   token_list *list, error *err)
{
    bool bos;
    size_t first = 0, last, target_end = x->n_context + x->n_target, n;
    TRY(encode(t, text_string(joined), joined->n, x->special, list, &bos, err));
    bos = bos && !x->no_bos;
    while (first < list->n && token_end(list, first, joined->n) <= x->n_context)
        first++;
    last = first;
    while (last < list->n && list->begin[last] < target_end)
        last++;
    size_t n_context = first + bos > 0 ? first + bos : 1; /* nothing predicts the first */
    if (n_context >= last + bos)
        return error_set(err, E_LIMIT,
                         "the target \"%.*s\" has no token that something comes before",
                         (int)(x->n_target < 60 ? x->n_target : 60), x->tail);
    int32_t *tokens;
    TRY(copy_tokens(t, list, last, bos, &tokens, &n, err));
    *out = (row){.tokens = tokens, .n = n, .n_context = n_context};
    return 0;
}

/* Takes the places of the row's tokens over from the list. */
static int copy_places(const row *r, const token_list *list, size_t **out, error *err)
{
    size_t bos = r->n > 0 && (list->n == 0 || list->ids[0] != r->tokens[0]);
    size_t *begin = array_new(r->n, sizeof *begin);
    if (!begin)
        return error_memory(err, r->n * sizeof *begin);
    for (size_t i = 0; i < r->n; i++)
        begin[i] = i < bos ? ROW_NO_BYTE : list->begin[i - bos];
    *out = begin;
    return 0;
}

static int encode_row(row *out, size_t **begin, const tokenizer *t, const row_text *x,
                      error *err)
{
    text joined = {0};
    token_list list = {0};
    row r = {0};
    int rc = text_add(&joined, x->context, x->n_context, err);
    if (rc == 0)
        rc = text_add(&joined, x->tail, x->n_tail, err);
    if (rc == 0)
        rc = cut_row(&r, t, x, &joined, &list, err);
    if (rc == 0 && begin)
        rc = copy_places(&r, &list, begin, err);
    token_list_free(&list);
    text_free(&joined);
    if (rc < 0)
        free((int32_t *)(uintptr_t)r.tokens);
    else
        *out = r;
    return rc;
}

int row_encode(row *out, const tokenizer *t, const row_text *x, error *err)
{
    return encode_row(out, NULL, t, x, err);
}

int row_encode_places(row *out, size_t **begin, const tokenizer *t, const row_text *x,
                      error *err)
{
    return encode_row(out, begin, t, x, err);
}

int row_encode_context(row *out, const tokenizer *t, const char *context, size_t n,
                       bool special, error *err)
{
    token_list list = {0};
    int32_t *tokens = NULL;
    size_t count = 0;
    bool bos;
    int rc = encode(t, context, n, special, &list, &bos, err);
    if (rc == 0)
        rc = copy_tokens(t, &list, list.n, bos, &tokens, &count, err);
    if (rc == 0)
        *out = (row){.tokens = tokens, .n = count, .n_context = count};
    token_list_free(&list);
    return rc;
}

/* ---- Lists ---- */

static void free_tokens(row *r)
{
    free((int32_t *)(uintptr_t)r->tokens); /* const only for those who read rows */
}

int row_list_add(row_list *l, row r, error *err)
{
    int rc = array_grow(&l->rows, &l->capacity, l->n, sizeof r, err);
    if (rc < 0) {
        free_tokens(&r);
        return rc;
    }
    l->rows[l->n++] = r;
    return 0;
}

void row_list_cut(row_list *l, size_t n)
{
    while (l->n > n)
        free_tokens(&l->rows[--l->n]);
}

void row_list_free(row_list *l)
{
    row_list_cut(l, 0);
    free(l->rows);
    *l = (row_list){0};
}

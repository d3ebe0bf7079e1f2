/* Checking rows, and cutting those that do not fit the window. */
#include "session_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_row(const session *s, const row *r, size_t index, bool targets,
                     error *err)
{
    size_t V = s->weights->shape.V;
    if (r->n == 0)
        return error_set(err, E_ARGUMENT, "row %zu has no tokens", index);
    if (targets && r->n_context == 0)
        return error_set(err, E_ARGUMENT,
                         "row %zu has no context: nothing predicts its first token",
                         index);
    if (targets && r->n_context >= r->n)
        return error_set(err, E_ARGUMENT,
                         "row %zu has no targets: its context is %zu of its %zu tokens",
                         index, r->n_context, r->n);
    for (size_t i = 0; i < r->n; i++)
        if (r->tokens[i] < 0 || (size_t)r->tokens[i] >= V)
            return error_set(err, E_ARGUMENT,
                             "row %zu: token %zu is %d, outside the vocabulary of %zu",
                             index, i, r->tokens[i], V);
    return 0;
}

/* How many of n_kept context tokens a cut row has from its front. LEFT keeps a BOS and
 * the last; MIDDLE keeps as many from the front (one more when odd) as from the end. */
static size_t kept_front(const session *s, const row *r, size_t n_kept)
{
    int32_t bos = tokenizer_describe(model_tokenizer(s->model))->bos;
    if (s->options.overflow == OVERFLOW_MIDDLE)
        return (n_kept + 1) / 2;
    return bos >= 0 && r->tokens[0] == bos;
}

/* Copy `row` without all but n_kept of its n_context context tokens. */
static int cut_row(const session *s, row *r, size_t n_context, size_t n_kept,
                   int32_t **out, error *err)
{
    size_t n_rest = r->n - n_context, front = kept_front(s, r, n_kept);
    size_t back = n_kept - front;
    int32_t *tokens = array_new(n_kept + n_rest, sizeof(*tokens));
    if (tokens == NULL)
        return error_memory(err, (n_kept + n_rest) * sizeof(*tokens));
    memcpy(tokens, r->tokens, front * sizeof(*tokens));
    memcpy(tokens + front, r->tokens + n_context - back,
           (back + n_rest) * sizeof(*tokens));
    *out = tokens;
    r->tokens = tokens;
    r->n = n_kept + n_rest;
    r->n_context = n_kept;
    return 0;
}

static int refuse_long(const session *s, const row *r, size_t index, size_t n_targets,
                       bool room, error *err)
{
    char prefix[60] = "";
    if (s->prefix.n > 0)
        snprintf(prefix, sizeof(prefix), ", of which the prefix takes %zu", s->prefix.n);
    return error_set(
        err, E_LIMIT,
        "row %zu has %zu tokens, %zu of them targets%s; the model's window is %zu%s",
        index, r->n, n_targets, room ? ", and must leave room for more" : "",
        s->weights->shape.window, prefix);
}

/* At least this many context tokens must survive a cut: a BOS and a last token. */
enum { MIN_KEPT = 2 };

static int fit_row(const session *s, row *r, size_t index, bool targets, size_t room,
                   int32_t **cut, error *err)
{
    size_t window = session_window(s);
    size_t n_context = targets ? r->n_context : r->n, n_targets = r->n - n_context;
    if (r->n <= window && room <= window - r->n)
        return 0;
    bool never = n_targets + room >= window || window - n_targets - room < MIN_KEPT ||
                 n_context < MIN_KEPT;
    if (s->options.overflow == OVERFLOW_ERROR || never)
        return refuse_long(s, r, index, n_targets, room > 0, err);
    return cut_row(s, r, n_context, window - n_targets - room, cut, err);
}

int row_set_make(row_set *out, const session *s, const row *rows, size_t n, bool targets,
                 size_t room, error *err)
{
    row_set set = {.rows = array_new(n, sizeof(row)),
                   .n = n,
                   .cut = array_new(n, sizeof(int32_t *))};
    int rc = 0;
    if (set.rows == NULL || set.cut == NULL)
        rc = error_memory(err, n * sizeof(row));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        set.rows[i] = rows[i];
        rc = check_row(s, &rows[i], i, targets, err);
        if (rc == 0)
            rc = fit_row(s, &set.rows[i], i, targets, room, &set.cut[i], err);
    }
    if (rc < 0)
        row_set_free(&set);
    else
        *out = set;
    return rc;
}

size_t row_set_origin(const row_set *set, const session *s, size_t i, const row *asked,
                      size_t t)
{
    const row *r = &set->rows[i];
    if (set->cut[i] == NULL || t < kept_front(s, asked, r->n_context))
        return t;
    return t + asked->n - r->n;
}

void row_set_free(row_set *r)
{
    for (size_t i = 0; r->cut != NULL && i < r->n; i++)
        free(r->cut[i]);
    free(r->cut);
    free(r->rows);
    *r = (row_set){0};
}

/* Rows of a file through the model, a batch at a time. */
#include "score_rows.h"
#include "json_lines.h"

#include <stdlib.h>
#include <string.h>

/* Rows that meet the model in one call: enough that shared contexts are found, few enough
 * that the first answers of a long file come soon. */
enum { BATCH_ROWS = 4096 };

typedef struct batch {
    row rows[BATCH_ROWS]; /* tokens owned */
    row_score scores[BATCH_ROWS];
    size_t n;
} batch;

static void batch_clear(batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        free((int32_t *)(uintptr_t)b->rows[i].tokens);
    b->n = 0;
}

/* What one file's rows are read with. */
typedef struct reader {
    const model *model;
    const score_rows_options *options;
    json_lines lines;
    token_list tokens;
    text joined;
} reader;

static bool wants_bos(const reader *r)
{
    const tokenizer_info *t = tokenizer_describe(model_tokenizer(r->model));
    return t->add_bos && t->bos >= 0 && !r->options->no_bos;
}

static int push_token(token_list *l, int32_t id, size_t begin, error *err)
{
    size_t capacity = l->capacity;
    TRY(array_grow(&l->ids, &capacity, l->n, sizeof *l->ids, err));
    capacity = l->capacity;
    TRY(array_grow(&l->begin, &capacity, l->n, sizeof *l->begin, err));
    l->capacity = capacity;
    l->ids[l->n] = id;
    l->begin[l->n++] = begin;
    return 0;
}

/* The first token that covers a byte at or after `from`: the one before the first token
 * that begins later, unless it ends there. */
static size_t first_covering(const token_list *l, size_t first, size_t from)
{
    size_t i = first;
    while (i < l->n && l->begin[i] < from)
        i++;
    bool straddles = i > first && (i < l->n ? l->begin[i] > from : true);
    return straddles ? i - 1 : i;
}

/* Context and target as one text. */
static int read_texts(reader *r, const json_t *object, size_t *n_context, error *err)
{
    const char *context = "", *target;
    size_t nc = 0, nt;
    TRY(json_lines_text(&r->lines, object, "context", &context, &nc, err));
    int found = json_lines_text(&r->lines, object, "target", &target, &nt, err);
    TRY(found);
    if (!found)
        return json_lines_error(&r->lines, E_FORMAT, err, "\"target\" is missing");
    if (nt == 0)
        return json_lines_error(&r->lines, E_FORMAT, err, "\"target\" is empty");
    text_clear(&r->joined);
    TRY(text_add(&r->joined, context, nc, err));
    TRY(text_add(&r->joined, target, nt, err));
    size_t bos = r->tokens.n;
    TRY(tokenizer_encode(model_tokenizer(r->model), text_string(&r->joined), r->joined.n,
                         r->options->special, &r->tokens, err));
    *n_context = first_covering(&r->tokens, bos, nc);
    return 0;
}

static int read_ids(reader *r, const json_t *object, size_t *n_context, error *err)
{
    static const char *const keys[] = {"context_ids", "target_ids"};
    size_t n_vocabulary = model_describe(r->model)->n_vocabulary;
    for (int k = 0; k < 2; k++) {
        int32_t *ids;
        size_t n;
        int found =
            json_lines_ids(&r->lines, object, keys[k], n_vocabulary, &ids, &n, err);
        TRY(found);
        if (!found)
            return json_lines_error(&r->lines, E_FORMAT, err, "\"%s\" is missing",
                                    keys[k]);
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = push_token(&r->tokens, ids[i], 0, err);
        free(ids);
        TRY(rc);
        if (k == 0)
            *n_context = r->tokens.n;
    }
    return 0;
}

/* One line of the file as a row at the end of the batch. */
static int read_row(reader *r, const json_t *object, batch *b, error *err)
{
    static const char *const by_text[] = {"context", "target"};
    static const char *const by_ids[] = {"context_ids", "target_ids"};
    bool ids = json_object_get(object, "target_ids") != NULL ||
               json_object_get(object, "context_ids") != NULL;
    TRY(json_lines_known(&r->lines, object, ids ? by_ids : by_text, 2, err));
    r->tokens.n = 0;
    if (wants_bos(r))
        TRY(push_token(&r->tokens, tokenizer_describe(model_tokenizer(r->model))->bos, 0,
                       err));
    size_t n_context = 0;
    TRY(ids ? read_ids(r, object, &n_context, err)
            : read_texts(r, object, &n_context, err));
    if (n_context == 0)
        n_context = 1; /* nothing predicts the first token of all */
    size_t n = r->tokens.n, window = model_describe(r->model)->window;
    if (n <= n_context)
        return json_lines_error(&r->lines, E_FORMAT, err,
                                "no token of the target has anything before it that "
                                "could predict it");
    if (n > window && r->options->overflow == OVERFLOW_ERROR)
        return json_lines_error(&r->lines, E_LIMIT, err,
                                "the row has %zu tokens, the model's window %zu: shorten "
                                "it, or cut it with --overflow left or middle",
                                n, window);
    int32_t *tokens = array_new(n, sizeof *tokens);
    if (!tokens)
        return error_memory(err, n * sizeof *tokens);
    memcpy(tokens, r->tokens.ids, n * sizeof *tokens);
    b->rows[b->n++] = (row){.tokens = tokens, .n = n, .n_context = n_context};
    return 0;
}

static int score_batch(session *s, batch *b, error *err)
{
    if (b->n == 0)
        return 0;
    TRY(model_score(s, b->rows, b->n, b->scores, NULL, err));
    for (size_t i = 0; i < b->n; i++)
        TRY(json_print_line(json_pack("{s:f, s:I}", "logprob", b->scores[i].logprob,
                                      "tokens", (json_int_t)b->scores[i].n_targets),
                            err));
    return 0;
}

/* One batch: 1 when there may be more, 0 at the end. */
static int run_batch(reader *r, session *s, batch *b, error *err)
{
    size_t first_line = r->lines.line + 1;
    json_t *object;
    int more = 0, rc = 0;
    while (b->n < BATCH_ROWS && (more = json_lines_next(&r->lines, &object, err)) > 0) {
        rc = read_row(r, object, b, err);
        json_decref(object);
        TRY(rc);
    }
    TRY(more);
    rc = score_batch(s, b, err);
    if (rc < 0 && rc != E_INTERRUPTED)
        error_prefix(err, "%s, lines %zu to %zu", r->lines.path, first_line,
                     r->lines.line);
    batch_clear(b);
    return rc < 0 ? rc : more;
}

int score_rows(const model *m, session *s, const char *path,
               const score_rows_options *options, error *err)
{
    reader r = {.model = m, .options = options};
    TRY(json_lines_open(&r.lines, path, err));
    batch *b = array_new(1, sizeof *b);
    int rc = b ? 1 : error_memory(err, sizeof *b);
    while (rc > 0)
        rc = run_batch(&r, s, b, err);
    if (b)
        batch_clear(b);
    free(b);
    token_list_free(&r.tokens);
    text_free(&r.joined);
    json_lines_close(&r.lines);
    return rc;
}

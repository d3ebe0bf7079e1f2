/* Rows of a file through the model, a batch at a time. */
#include "score_rows.h"
#include "../fitness/lm_row.h"
#include "../views/json_lines.h"

#include <stdlib.h>
#include <string.h>

/* Rows that meet the model in one call: enough that shared contexts are found, few enough
 * that the first answers of a long file come soon. */
enum { BATCH_ROWS = 4096 };

/* What one file is read with. */
typedef struct reader {
    const model *model;
    const score_rows_options *options;
    json_lines lines;
    row_list batch;
    size_t line_of[BATCH_ROWS]; /* of each row of the batch */
    row_score scores[BATCH_ROWS];
} reader;

/* Context and target as one text. */
static int read_texts(reader *r, const json_t *object, row *out, error *err)
{
    const char *context = "", *target;
    size_t n_context = 0, n;
    TRY(json_lines_text(&r->lines, object, "context", &context, &n_context, err));
    int found = json_lines_text(&r->lines, object, "target", &target, &n, err);
    TRY(found);
    if (!found)
        return json_lines_error(&r->lines, E_FORMAT, err, "\"target\" is missing");
    if (n == 0)
        return json_lines_error(&r->lines, E_FORMAT, err, "\"target\" is empty");
    row_text x = {.context = context,
                  .n_context = n_context,
                  .tail = target,
                  .n_tail = n,
                  .n_target = n,
                  .special = r->options->special,
                  .no_bos = r->options->no_bos};
    int rc = row_encode(out, model_tokenizer(r->model), &x, err);
    if (rc < 0)
        error_prefix(err, "%s:%zu", r->lines.path, r->lines.line);
    return rc;
}

/* Context and target as the ids that they are, after a BOS if that is the policy. */
static int join_ids(const reader *r, const int32_t *context, size_t n_context,
                    const int32_t *target, size_t n_target, row *out, error *err)
{
    const tokenizer_info *t = tokenizer_describe(model_tokenizer(r->model));
    size_t bos = t->add_bos && t->bos >= 0 && !r->options->no_bos &&
                 !(n_context && context[0] == t->bos);
    size_t before = bos + n_context, n = before + n_target;
    if (before == 0)
        before = 1; /* nothing predicts the first token of all */
    if (n <= before)
        return json_lines_error(&r->lines, E_FORMAT, err,
                                "the target has no token that something comes before");
    int32_t *tokens = array_new(n, sizeof *tokens);
    if (!tokens)
        return error_memory(err, n * sizeof *tokens);
    if (bos)
        tokens[0] = t->bos;
    memcpy(tokens + bos, context, n_context * sizeof *tokens);
    memcpy(tokens + bos + n_context, target, n_target * sizeof *tokens);
    *out = (row){.tokens = tokens, .n = n, .n_context = before};
    return 0;
}

static int read_ids(reader *r, const json_t *object, row *out, error *err)
{
    static const char *const keys[] = {"context_ids", "target_ids"};
    size_t n_vocabulary = model_describe(r->model)->n_vocabulary, n[2] = {0};
    int32_t *ids[2] = {NULL, NULL};
    int rc = 0;
    for (int k = 0; rc >= 0 && k < 2; k++) {
        rc =
            json_lines_ids(&r->lines, object, keys[k], n_vocabulary, &ids[k], &n[k], err);
        if (rc == 0)
            rc = json_lines_error(&r->lines, E_FORMAT, err, "\"%s\" is missing", keys[k]);
    }
    if (rc >= 0)
        rc = join_ids(r, ids[0], n[0], ids[1], n[1], out, err);
    free(ids[0]);
    free(ids[1]);
    return rc;
}

/* One line of the file as a row at the end of the batch. */
static int read_row(reader *r, const json_t *object, error *err)
{
    static const char *const by_text[] = {"context", "target"};
    static const char *const by_ids[] = {"context_ids", "target_ids"};
    bool ids = json_object_get(object, "target_ids") != NULL ||
               json_object_get(object, "context_ids") != NULL;
    TRY(json_lines_known(&r->lines, object, ids ? by_ids : by_text, 2, err));
    row x;
    TRY(ids ? read_ids(r, object, &x, err) : read_texts(r, object, &x, err));
    size_t n = x.n, window = model_describe(r->model)->window;
    r->line_of[r->batch.n] = r->lines.line;
    TRY(row_list_add(&r->batch, x, err));
    if (n > window && r->options->overflow == OVERFLOW_ERROR)
        return json_lines_error(&r->lines, E_LIMIT, err,
                                "the row has %zu tokens, the model's window %zu: shorten "
                                "it, or cut it with --overflow left or middle",
                                n, window);
    return 0;
}

static int print_score(const row_score *x, error *err)
{
    return json_print_line(json_pack("{s:f, s:I}", "logprob", x->logprob, "tokens",
                                     (json_int_t)x->n_targets),
                           err);
}

/* Rows met together fail together, and the first place where that shows need not be in
 * the first bad row. Each alone says which it is; those before it have their numbers,
 * which are the same alone. */
static int score_one_by_one(reader *r, session *s, error *err)
{
    for (size_t i = 0; i < r->batch.n; i++) {
        int rc = model_score(s, &r->batch.rows[i], 1, &r->scores[i], NULL, err);
        if (rc == E_NUMERIC)
            return error_set(err, E_NUMERIC,
                             "%s:%zu: the model's answer to this row is not a number: "
                             "its weights hold NaN or infinity, or lead there",
                             r->lines.path, r->line_of[i]);
        TRY(rc);
        TRY(print_score(&r->scores[i], err));
    }
    return 0;
}

static int score_batch(reader *r, session *s, error *err)
{
    if (r->batch.n == 0)
        return 0;
    TRY(model_score(s, r->batch.rows, r->batch.n, r->scores, NULL, err));
    for (size_t i = 0; i < r->batch.n; i++)
        TRY(print_score(&r->scores[i], err));
    return 0;
}

/* One batch: 1 when there may be more, 0 at the end. */
static int run_batch(reader *r, session *s, error *err)
{
    size_t first_line = r->lines.line + 1;
    json_t *object;
    int more = 0, rc = 0;
    row_list_cut(&r->batch, 0);
    while (r->batch.n < BATCH_ROWS &&
           (more = json_lines_next(&r->lines, &object, err)) > 0) {
        rc = read_row(r, object, err);
        json_decref(object);
        TRY(rc);
    }
    TRY(more);
    rc = score_batch(r, s, err);
    if (rc == E_NUMERIC)
        TRY(rc = score_one_by_one(r, s, err));
    if (rc < 0 && rc != E_INTERRUPTED)
        error_prefix(err, "%s, lines %zu to %zu", r->lines.path, first_line,
                     r->lines.line);
    return rc < 0 ? rc : more;
}

int score_rows(const model *m, session *s, const char *path,
               const score_rows_options *options, error *err)
{
    reader *r = array_new(1, sizeof *r);
    if (!r)
        return error_memory(err, sizeof *r);
    r->model = m;
    r->options = options;
    int rc = json_lines_open(&r->lines, path, err);
    bool opened = rc == 0;
    for (rc = opened ? 1 : rc; rc > 0;)
        rc = run_batch(r, s, err);
    if (opened)
        json_lines_close(&r->lines);
    row_list_free(&r->batch);
    free(r);
    return rc;
}

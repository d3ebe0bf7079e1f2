/* Lines of a file as rows of tokens. */
#include "row_file.h"

#include <stdlib.h>
#include <string.h>

/* Context and target as one text. */
static int read_texts(row_file *f, const json_t *object, row *out, error *err)
{
    const char *context = "", *target;
    size_t n_context = 0, n;
    TRY(json_lines_text(&f->lines, object, "context", &context, &n_context, err));
    int found = json_lines_text(&f->lines, object, "target", &target, &n, err);
    TRY(found);
    if (!found)
        return json_lines_error(&f->lines, E_FORMAT, err, "\"target\" is missing");
    if (n == 0)
        return json_lines_error(&f->lines, E_FORMAT, err, "\"target\" is empty");
    row_text x = {.context = context,
                  .n_context = n_context,
                  .tail = target,
                  .n_tail = n,
                  .n_target = n,
                  .special = f->options->special,
                  .no_bos = f->options->no_bos};
    int rc = row_encode(out, model_tokenizer(f->model), &x, err);
    if (rc < 0)
        error_prefix(err, "%s:%zu", f->lines.path, f->lines.line);
    return rc;
}

/* Context and target as the ids that they are, after a BOS if that is the policy. */
static int join_ids(const row_file *f, const int32_t *context, size_t n_context,
                    const int32_t *target, size_t n_target, row *out, error *err)
{
    const tokenizer_info *t = tokenizer_describe(model_tokenizer(f->model));
    size_t bos = t->add_bos && t->bos >= 0 && !f->options->no_bos &&
                 !(n_context && context[0] == t->bos);
    size_t before = bos + n_context, n = before + n_target;
    if (before == 0)
        before = 1; /* nothing predicts the first token of all */
    if (n <= before)
        return json_lines_error(&f->lines, E_FORMAT, err,
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

static int read_ids(row_file *f, const json_t *object, row *out, error *err)
{
    static const char *const keys[] = {"context_ids", "target_ids"};
    size_t n_vocabulary = model_describe(f->model)->n_vocabulary, n[2] = {0};
    int32_t *ids[2] = {NULL, NULL};
    int rc = 0;
    for (int k = 0; rc >= 0 && k < 2; k++) {
        rc =
            json_lines_ids(&f->lines, object, keys[k], n_vocabulary, &ids[k], &n[k], err);
        if (rc == 0)
            rc = json_lines_error(&f->lines, E_FORMAT, err, "\"%s\" is missing", keys[k]);
    }
    if (rc >= 0)
        rc = join_ids(f, ids[0], n[0], ids[1], n[1], out, err);
    free(ids[0]);
    free(ids[1]);
    return rc;
}

/* One line of the file as a row at the end of the batch. */
static int read_row(row_file *f, const json_t *object, error *err)
{
    static const char *const by_text[] = {"context", "target"};
    static const char *const by_ids[] = {"context_ids", "target_ids"};
    bool ids = json_object_get(object, "target_ids") != NULL ||
               json_object_get(object, "context_ids") != NULL;
    TRY(json_lines_known(&f->lines, object, ids ? by_ids : by_text, 2, err));
    row x;
    TRY(ids ? read_ids(f, object, &x, err) : read_texts(f, object, &x, err));
    size_t n = x.n, window = model_describe(f->model)->window;
    size_t before = f->options->n_before;
    TRY(row_list_add(&f->batch, x, err));
    TRY(array_grow(&f->line_of, &f->line_capacity, f->batch.n - 1, sizeof *f->line_of,
                   err));
    f->line_of[f->batch.n - 1] = f->lines.line;
    if (f->options->overflow != OVERFLOW_ERROR || n + before <= window)
        return 0;
    if (before)
        return json_lines_error(&f->lines, E_LIMIT, err,
                                "the row has %zu tokens behind %zu virtual ones, the "
                                "model's window %zu: shorten it, or cut it with "
                                "--overflow left or middle",
                                n, before, window);
    return json_lines_error(&f->lines, E_LIMIT, err,
                            "the row has %zu tokens, the model's window %zu: shorten it, "
                            "or cut it with --overflow left or middle",
                            n, window);
}

int row_file_open(row_file *f, const model *m, const char *path,
                  const row_file_options *options, error *err)
{
    *f = (row_file){.model = m, .options = options};
    return json_lines_open(&f->lines, path, err);
}

int row_file_next(row_file *f, size_t limit, error *err)
{
    json_t *object;
    int more = 0;
    f->first_line = f->lines.line + 1;
    row_list_cut(&f->batch, 0);
    while (f->batch.n < limit && (more = json_lines_next(&f->lines, &object, err)) > 0) {
        int rc = read_row(f, object, err);
        json_decref(object);
        TRY(rc);
    }
    return more;
}

void row_file_close(row_file *f)
{
    json_lines_close(&f->lines);
    row_list_free(&f->batch);
    free(f->line_of);
}

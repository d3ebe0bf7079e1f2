/* Rows of a file through the model, a batch at a time. */
#include "score_rows.h"

#include <stdlib.h>

/* Rows that meet the model in one call: enough that shared contexts are found, few enough
 * that the first answers of a long file come soon. */
enum { BATCH_ROWS = 4096 };

static int print_score(const row_score *x, error *err)
{
    return json_print_line(json_pack("{s:f, s:I}", "logprob", x->logprob, "tokens",
                                     (json_int_t)x->n_targets),
                           err);
}

static int score_batch(const row_file *f, session *s, row_score *scores, error *err)
{
    if (f->batch.n == 0)
        return 0;
    TRY(model_score(s, f->batch.rows, f->batch.n, scores, NULL, err));
    for (size_t i = 0; i < f->batch.n; i++)
        TRY(print_score(&scores[i], err));
    return 0;
}

/* Rows met together fail together, and the first place where that shows need not be in
 * the first bad row. Each alone says which it is; those before it have their numbers,
 * which are the same alone. */
static int score_one_by_one(const row_file *f, session *s, error *err)
{
    for (size_t i = 0; i < f->batch.n; i++) {
        row_score score;
        int rc = model_score(s, &f->batch.rows[i], 1, &score, NULL, err);
        if (rc == E_NUMERIC)
            return error_set(err, E_NUMERIC,
                             "%s:%zu: the model's answer to this row is not a number: "
                             "its weights hold NaN or infinity, or lead there",
                             f->lines.path, f->line_of[i]);
        TRY(rc);
        TRY(print_score(&score, err));
    }
    return 0;
}

/* One batch: 1 when there may be more, 0 at the end. */
static int run_batch(row_file *f, session *s, row_score *scores, error *err)
{
    int more = row_file_next(f, BATCH_ROWS, err);
    TRY(more);
    int rc = score_batch(f, s, scores, err);
    if (rc == E_NUMERIC)
        TRY(rc = score_one_by_one(f, s, err));
    if (rc < 0 && rc != E_INTERRUPTED)
        error_prefix(err, "%s, lines %zu to %zu", f->lines.path, f->first_line,
                     f->lines.line);
    return rc < 0 ? rc : more;
}

int score_rows(const model *m, session *s, const char *path,
               const row_file_options *options, error *err)
{
    row_file f;
    row_score *scores = array_new(BATCH_ROWS, sizeof *scores);
    if (!scores)
        return error_memory(err, BATCH_ROWS * sizeof *scores);
    int rc = row_file_open(&f, m, path, options, err);
    if (rc == 0) {
        for (rc = 1; rc > 0;)
            rc = run_batch(&f, s, scores, err);
        row_file_close(&f);
    }
    free(scores);
    return rc;
}

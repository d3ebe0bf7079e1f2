/* Rows of texts, and what the model makes of them. */
#include "reward_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lm_row.h"

/* Rows that meet the model in one call: enough that shared contexts are found. */
enum { BATCH_ROWS = 1024 };

int reward_row(row *out, const tokenizer *t, const char *context, const char *output,
               error *err)
{
    int32_t end = tokenizer_describe(t)->eos;
    if (end < 0)
        return error_set(err, E_UNSUPPORTED,
                         "the model has no end token, which the features of a text end "
                         "with");
    text before = {0};
    token_list list = {0};
    row r = {0};
    int32_t *tokens = NULL;
    int rc = text_add_format(&before, err, "%s\n", context);
    if (rc == 0)
        rc = row_encode_context(&r, t, text_string(&before), before.n, false, err);
    if (rc == 0)
        rc = tokenizer_encode(t, output, strlen(output), false, &list, err);
    size_t n = r.n + list.n + 1;
    if (rc == 0 && !(tokens = array_new(n, sizeof *tokens)))
        rc = error_memory(err, n * sizeof *tokens);
    if (rc == 0) {
        memcpy(tokens, r.tokens, r.n * sizeof *tokens);
        if (list.n)
            memcpy(tokens + r.n, list.ids, list.n * sizeof *tokens);
        tokens[n - 1] = end;
        *out = (row){.tokens = tokens, .n = n, .n_context = r.n};
    }
    free((int32_t *)(uintptr_t)r.tokens);
    token_list_free(&list);
    text_free(&before);
    return rc;
}

/* states (n, pooled): room. */
static int batch_features(session *s, const row *rows, size_t n, pooling p, size_t pooled,
                          float *states, row_score *scores, double *x, error *err)
{
    TRY(model_features(s, rows, n, p, states, scores, err));
    for (size_t i = 0; i < n; i++, x += pooled + N_REWARD_EXTRAS) {
        double tokens = (double)scores[i].n_targets;
        for (size_t c = 0; c < pooled; c++)
            x[c] = (double)states[i * pooled + c];
        x[pooled + EXTRA_LIKELIHOOD] = scores[i].logprob / tokens;
        x[pooled + EXTRA_LENGTH] = log(tokens);
    }
    return 0;
}

int reward_features(session *s, const model *m, const row *rows, size_t n, pooling p,
                    double *x, error *err)
{
    size_t pooled = pooling_width(model_describe(m), p);
    size_t most = n < BATCH_ROWS ? n : BATCH_ROWS;
    float *states = array_new(most * pooled, sizeof *states);
    row_score *scores = array_new(most, sizeof *scores);
    int rc = states && scores ? 0 : error_memory(err, most * pooled * sizeof *states);
    for (size_t i = 0; rc == 0 && i < n; i += most) {
        size_t batch = n - i < most ? n - i : most;
        rc = batch_features(s, rows + i, batch, p, pooled, states, scores,
                            x + i * (pooled + N_REWARD_EXTRAS), err);
        if (rc == E_LIMIT)
            error_prefix(err, "of the texts from %zu on", i);
    }
    free(states);
    free(scores);
    return rc;
}

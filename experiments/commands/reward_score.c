/* lamarck reward score: what a reward gives to the texts of a file. */
#include "../fitness/lm_row.h"
#include "../fitness/reward_features.h"
#include "../views/json_lines.h"
#include "command_model.h"
#include "reward_commands.h"

#include <math.h>
#include <stdlib.h>

static const char usage[] =
    "usage: lamarck reward score REWARD --rows FILE.jsonl [--model MODEL]\n"
    "\n"
    "Reads one JSON object per line (\"-\": standard input) and prints one per line, in "
    "the\n"
    "same order.\n"
    "  {\"context\": \"…\", \"output\": \"…\"}\n"
    "      ->  {\"reward\": mean over the heads, \"sd\": their standard deviation,\n"
    "           \"logprob\": mean ln p of the output's tokens and its end, \"tokens\": "
    "how many}\n"
    "A pairwise reward is in logits: between two texts of one context, 1 / (1 + e^-d) "
    "of\n"
    "their difference d is the chance that the first is preferred. A scalar one is in "
    "the\n"
    "units of the ratings.\n"
    "\n"
    "  --model MODEL      where its model is now; default: where it was\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

enum { BATCH_ROWS = 1024 };

/* The rows of one batch. */
typedef struct scoring {
    const reward *reward;
    const model *model;
    session *session;
    json_lines lines;
    row_list batch;
    double *x, *mean, *sd;
} scoring;

static int read_text(scoring *s, const json_t *object, const char *key, const char **out,
                     error *err)
{
    size_t n;
    int found = json_lines_text(&s->lines, object, key, out, &n, err);
    TRY(found);
    if (!found)
        return json_lines_error(&s->lines, E_FORMAT, err, "\"%s\" is missing", key);
    return 0;
}

static int add_row(scoring *s, const json_t *object, error *err)
{
    static const char *const keys[] = {"context", "output"};
    const char *context, *output;
    row r = {0};
    TRY(json_lines_known(&s->lines, object, keys, 2, err));
    TRY(read_text(s, object, "context", &context, err));
    TRY(read_text(s, object, "output", &output, err));
    TRY(reward_row(&r, model_tokenizer(s->model), context, output, err));
    return row_list_add(&s->batch, r, err);
}

static int print_scores(const scoring *s, error *err)
{
    size_t width = reward_n_features(s->reward);
    for (size_t i = 0; i < s->batch.n; i++) {
        const row *r = &s->batch.rows[i];
        double logprob = s->x[(i + 1) * width - N_REWARD_EXTRAS + EXTRA_LIKELIHOOD];
        TRY(json_print_line(json_pack("{s:f, s:f, s:f, s:I}", "reward", s->mean[i], "sd",
                                      s->sd[i], "logprob", logprob, "tokens",
                                      (json_int_t)(r->n - r->n_context)),
                            err));
    }
    return 0;
}

/* 1 when there may be more, 0 at the end. */
static int score_batch(scoring *s, error *err)
{
    json_t *object;
    int more = 0;
    size_t first = s->lines.line + 1;
    row_list_cut(&s->batch, 0);
    while (s->batch.n < BATCH_ROWS &&
           (more = json_lines_next(&s->lines, &object, err)) > 0) {
        int rc = add_row(s, object, err);
        json_decref(object);
        TRY(rc);
    }
    TRY(more);
    int rc = reward_features(s->session, s->model, s->batch.rows, s->batch.n,
                             reward_describe(s->reward)->pooling, s->x, err);
    if (rc < 0 && rc != E_INTERRUPTED)
        return error_prefix(err, "%s, lines %zu to %zu", s->lines.path, first,
                            s->lines.line);
    TRY(rc);
    reward_score(s->reward, s->x, s->batch.n, s->mean, s->sd);
    TRY(print_scores(s, err));
    return more;
}

static int score_all(scoring *s, const char *rows, error *err)
{
    size_t width = reward_n_features(s->reward);
    s->x = array_new(BATCH_ROWS * width, sizeof *s->x);
    s->mean = array_new(BATCH_ROWS, sizeof *s->mean);
    s->sd = array_new(BATCH_ROWS, sizeof *s->sd);
    if (!s->x || !s->mean || !s->sd)
        return error_memory(err, BATCH_ROWS * width * sizeof *s->x);
    TRY(json_lines_open(&s->lines, rows, err));
    int rc = 1;
    while (rc > 0)
        rc = score_batch(s, err);
    json_lines_close(&s->lines);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    const char *rows = NULL, *name = NULL;
    model_choice choice = {0};
    const option options[] = {{"rows", OPTION_TEXT, &rows, NULL, NULL},
                              {"model", OPTION_TEXT, &name, NULL, NULL},
                              MODEL_OPTIONS(choice)};
    size_t n;
    reward *r;
    model *m = NULL;
    session *opened = NULL;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"a REWARD", 1, 1}, &n, err));
    if (!rows)
        return error_set(err, E_USAGE, "score wants --rows FILE.jsonl");
    TRY(reward_open(&r, argv[1], err));
    int rc = command_model_open(name ? name : reward_describe(r)->model, &choice, &m,
                                &opened, err);
    scoring s = {.reward = r, .model = m, .session = opened};
    if (rc == 0)
        rc = reward_check_model(r, m, err);
    if (rc == 0)
        rc = score_all(&s, rows, err);
    row_list_free(&s.batch);
    free(s.x);
    free(s.mean);
    free(s.sd);
    session_close(opened);
    model_close(m);
    reward_free(r);
    return rc;
}

const command reward_score_command = {
    .name = "score",
    .group = "people",
    .summary = "what a reward gives to texts",
    .usage = usage,
    .run = run,
};

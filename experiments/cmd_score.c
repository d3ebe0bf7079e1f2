/* lamarck score: rows of a file, or an exported prompt on its examples. */
#include "command.h"
#include "command_model.h"
#include "score_rows.h"

static const char usage[] =
    "usage: lamarck score MODEL --rows FILE.jsonl [--no-bos] [--special]\n"
    "\n"
    "Scores rows: reads one JSON object per line (\"-\": standard input) and prints one "
    "per\n"
    "line, in the same order.\n"
    "  {\"context\": \"…\", \"target\": \"…\"} or {\"context_ids\": […], \"target_ids\": "
    "[…]}\n"
    "      ->  {\"logprob\": sum of ln p over the target's tokens, \"tokens\": how "
    "many}\n"
    "Context and target are tokenised as one text; every token that covers a byte of "
    "the\n"
    "target counts. A text begins with BOS if that is the model's policy. Nothing "
    "predicts\n"
    "the first token of all: it is never counted.\n"
    "\n"
    "  --no-bos           no BOS, whatever the policy\n"
    "  --special          spelled special tokens are those tokens, not text\n" //
    MODEL_OPTIONS_USAGE;

static int run_rows(const char *model_path, const char *rows, const model_choice *choice,
                    const score_rows_options *options, error *err)
{
    model *m;
    session *s;
    TRY(command_model_open(model_path, choice, &m, &s, err));
    int rc = score_rows(m, s, rows, options, err);
    session_close(s);
    model_close(m);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    model_choice choice = {0};
    const char *rows = NULL;
    score_rows_options row_options = {0};
    const option options[] = {
        {"rows", OPTION_TEXT, &rows, NULL, NULL},
        {"no-bos", OPTION_FLAG, &row_options.no_bos, NULL, NULL},
        {"special", OPTION_FLAG, &row_options.special, NULL, NULL},
        MODEL_OPTIONS(choice),
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    if (!rows)
        return error_set(err, E_USAGE,
                         "score wants --rows FILE.jsonl with what to score");
    row_options.overflow = (row_overflow)choice.overflow;
    return run_rows(argv[1], rows, &choice, &row_options, err);
}

const command cmd_score = {
    .name = "score",
    .group = "model",
    .summary = "log-probabilities of rows, or the score of an exported prompt",
    .usage = usage,
    .run = run,
};

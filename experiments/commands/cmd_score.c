/* lamarck score: rows of a file, or a prompt on its examples. */
#include "../views/json_lines.h"
#include "command.h"
#include "command_model.h"
#include "entrant.h"
#include "score_rows.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck score MODEL --rows FILE.jsonl [--no-bos] [--special]\n"
    "       lamarck score PROMPT [--experiment FILE.yaml] [--split NAME | --data FILE]\n"
    "\n"
    "Rows: reads one JSON object per line (\"-\": standard input) and prints one per "
    "line,\n"
    "in the same order.\n"
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
    "  --special          spelled special tokens are those tokens, not text\n"
    "  --prefix ADAPTER   learned vectors stand before every row\n"
    "\n"
    "A prompt: prints its mean score with standard error, the number that a run "
    "reports.\n"       //
    ENTRANT_USAGE "\n" //
    ENTRANT_OPTIONS_USAGE "  --prefix ADAPTER   learned vectors stand before the prompt\n"
    "  --json             with the score of each example\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

typedef struct request {
    const char *what, *rows;
    bool json;
    row_file_options row_options;
    model_choice choice;
    entrant_options entrant;
    bool has_backend, has_overflow, has_memory;
} request;

static int score_file_rows(const request *q, error *err)
{
    model *m;
    session *s;
    row_file_options how = q->row_options;
    TRY(command_model_open(q->what, &q->choice, &m, &s, err));
    int rc = command_use_prefix(q->entrant.prefix, m, s, &how.n_before, err);
    if (rc == 0)
        rc = score_rows(m, s, q->rows, &how, err);
    session_close(s);
    model_close(m);
    return rc;
}

static json_t *each_json(const split_score *score)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < score->n; i++)
        if (json_array_append_new(list, json_real_or_null(score->each[i])) < 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static int score_prompt(const request *q, error *err)
{
    entrant e;
    split_score score = {0};
    text prompt = {0};
    TRY(entrant_open(&e, q->what, &q->entrant, err));
    int rc = entrant_prompt(&e, &prompt, err);
    if (rc == 0)
        rc = entrant_score(&e, &score, err);
    if (rc == 0 && q->json)
        rc = json_print(
            json_pack("{s:s, s:o, s:o, s:o, s:I, s:s, s:o}", "prompt",
                      text_string(&prompt), "score", json_real_or_null(score.score), "se",
                      json_real_or_null(score.se), "first_choice",
                      json_real_or_null(score.first_choice), "examples",
                      (json_int_t)score.n, "on", entrant_examples_label(&q->entrant),
                      "each", each_json(&score)),
            err);
    else if (rc == 0)
        printf("%.17g ± %.2g on %zu examples of %s\n", score.score, score.se, score.n,
               entrant_examples_label(&q->entrant));
    free(score.each);
    text_free(&prompt);
    entrant_close(&e);
    return rc;
}

/* Options that belong to the other form are mistakes, not to be passed over. */
static int check(const request *q, error *err)
{
    const entrant_options *o = &q->entrant;
    bool of_prompts = o->experiment || o->data || o->model || o->set.n || o->has_split ||
                      q->json || o->fields.input || o->fields.target;
    if (q->rows && of_prompts)
        return error_set(
            err, E_USAGE,
            "--rows scores rows with a model: --experiment, --split, --data, "
            "--set, --model and --json are for prompts");
    if (q->rows)
        return 0;
    if (q->row_options.no_bos || q->row_options.special)
        return error_set(err, E_USAGE, "--no-bos and --special go with --rows");
    if (q->has_overflow || q->has_memory)
        return error_set(err, E_USAGE,
                         "--overflow and --memory go with --rows; an experiment has its "
                         "own: --set overflow=left, --set engine.memory=1GiB");
    return entrant_options_check(o, err);
}

static int run_request(request *q, int argc, char **argv, error *err)
{
    entrant_options *o = &q->entrant;
    const option options[] = {
        {"rows", OPTION_TEXT, &q->rows, NULL, NULL},
        {"no-bos", OPTION_FLAG, &q->row_options.no_bos, NULL, NULL},
        {"special", OPTION_FLAG, &q->row_options.special, NULL, NULL},
        ENTRANT_OPTIONS(*o),
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
        {"backend", OPTION_CHOICE, &q->choice.backend, &q->has_backend, backend_names},
        {"threads", OPTION_SIZE, &q->choice.n_threads, NULL, NULL},
        {"memory", OPTION_SIZE, &q->choice.memory_mib, &q->has_memory, NULL},
        {"overflow", OPTION_CHOICE, &q->choice.overflow, &q->has_overflow,
         overflow_names},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"a MODEL or a PROMPT", 1, 1}, &n, err));
    TRY(check(q, err));
    q->what = argv[1];
    q->row_options.overflow = (row_overflow)q->choice.overflow;
    o->backend = q->has_backend ? backend_names[q->choice.backend] : NULL;
    o->n_threads = q->choice.n_threads;
    return q->rows ? score_file_rows(q, err) : score_prompt(q, err);
}

static int run(int argc, char **argv, error *err)
{
    request q = {.entrant = entrant_defaults()};
    int rc = run_request(&q, argc, argv, err);
    option_list_free(&q.entrant.set);
    return rc;
}

const command cmd_score = {
    .name = "score",
    .group = "model",
    .summary = "log-probabilities of rows, or the score of a prompt",
    .usage = usage,
    .run = run,
};

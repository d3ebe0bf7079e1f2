/* lamarck reward train: ratings in, features of their texts from the model, heads out. */
#include "../../rater/reward_crowd.h"
#include "../definition/experiment.h"
#include "../definition/preferences_file.h"
#include "../fitness/lm_row.h"
#include "../fitness/reward_features.h"
#include "../store/store.h"
#include "command_model.h"
#include "reward_commands.h"

#include <stdlib.h>

static const char usage[] =
    "usage: lamarck reward train [RUN…] [--ratings FILE.jsonl…] [--model MODEL]\n"
    "                            [--out FILE] [OPTIONS] [--json]\n"
    "\n"
    "Learns what people prefer: linear heads on what the frozen model makes of a text "
    "in\n"
    "its context, from the ratings that people gave in the folders RUN, and from files "
    "of\n"
    "one JSON object per line:\n"
    "  {\"context\": \"…\", \"a\": \"…\", \"b\": \"…\", \"preferred\": \"a\", \"b\" or "
    "\"tie\"}\n"
    "  {\"context\": \"…\", \"output\": \"…\", \"value\": a number}\n"
    "with \"rater\" and \"simulated\" (true: no person gave it) if known.\n"
    "\n"
    "Then it says how good that is: each rating is predicted by heads that were chosen "
    "and\n"
    "fitted on other contexts only, beside the length and the likelihood of the texts "
    "alone.\n"
    "  --out FILE         where the reward goes (safetensors); default\n"
    "                     RUN/reward.safetensors of the first RUN, else "
    "reward.safetensors\n"
    "  --model MODEL      whose features; default: the model of the first RUN\n"
    "  --head HEAD        pairwise: logistic regression on differences (Bradley-Terry "
    "with a\n"
    "                     linear score; a tie is half a win of each; default where "
    "there are\n"
    "                     comparisons), or scalar: ridge regression of values\n"
    "  --pooling HOW      of the final hidden states of a text's tokens and its end:\n"
    "                     mean (default), last (of the end), or both\n"
    "  --heads N          of the ensemble, each on a bootstrap of the contexts; default "
    "16\n"
    "  --resamples N      of the bootstrap behind the intervals; default 1000\n"
    "  --seed N           of folds and bootstraps; default 1\n"
    "  --json             as 'lamarck reward show --json'\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

static const char *const head_options[] = {"pairwise", "scalar", NULL};
static const char *const pooling_options[] = {"mean", "last", "both", NULL};

typedef struct request {
    char **runs; /* borrowed from argv */
    size_t n_runs;
    option_list files;
    const char *out, *model;
    int head, pooled;
    bool has_head, json;
    reward_options options;
    model_choice choice;
} request;

/* ---- What people said ---- */

static int add_run(reward_texts *to, const char *dir, char **asked, error *err)
{
    text path = {0};
    crowd *c = NULL;
    int rc = text_add_format(&path, err, "%s/lamarck.sqlite", dir);
    if (rc == 0)
        rc = crowd_open(&c, text_string(&path), err);
    if (rc == 0) {
        rc = reward_texts_add_crowd(to, c, *asked ? NULL : asked, err);
        if (rc < 0)
            error_prefix(err, "%s", dir);
    }
    crowd_close(c);
    text_free(&path);
    return rc;
}

static int gather(const request *q, reward_texts *to, char **asked, error *err)
{
    for (size_t i = 0; i < q->n_runs; i++)
        TRY(add_run(to, q->runs[i], asked, err));
    for (size_t i = 0; i < q->files.n; i++)
        TRY(preferences_load(to, q->files.items[i], err));
    if (reward_texts_count(to) == 0)
        return error_set(err, E_ARGUMENT,
                         "there are no ratings to learn from: people have not answered, "
                         "or none of what they answered counts");
    return 0;
}

/* Appends "runs/a, votes.jsonl". */
static int name_sources(const request *q, text *out, error *err)
{
    for (size_t i = 0; i < q->n_runs; i++)
        TRY(text_add_format(out, err, "%s%s", out->n ? ", " : "", q->runs[i]));
    for (size_t i = 0; i < q->files.n; i++)
        TRY(text_add_format(out, err, "%s%s", out->n ? ", " : "", q->files.items[i]));
    return 0;
}

/* ---- The model ---- */

/* What the run in `dir` was made with: new. */
static int model_of_run(const char *dir, char **out, error *err)
{
    store *s = NULL;
    run_record *r = NULL;
    experiment *e = NULL;
    int rc = store_open_readonly(&s, dir, err);
    if (rc == 0)
        rc = store_run_read(s, 0, &r, err);
    if (rc == 0)
        rc = experiment_restore(&e, r->experiment, err);
    if (rc == 0 && !(*out = string_copy(e->model_path)))
        rc = error_memory(err, 1);
    experiment_free(e);
    run_record_free(r);
    store_close(s);
    return rc;
}

static int name_model(const request *q, char **out, error *err)
{
    if (!q->model && q->n_runs > 0)
        return model_of_run(q->runs[0], out, err);
    *out = string_copy(q->model);
    return *out ? 0 : error_memory(err, 1);
}

/* ---- Features ---- */

static int encode_all(const reward_texts *t, const model *m, row_list *out, error *err)
{
    for (size_t i = 0; i < reward_texts_count(t); i++) {
        row r = {0};
        TRY(reward_row(&r, model_tokenizer(m), reward_texts_context(t, i),
                       reward_texts_output(t, i), err));
        TRY(row_list_add(out, r, err));
    }
    return 0;
}

/* New (texts, reward_width). */
static int ask_features(const reward_texts *t, const model *m, session *s, pooling p,
                        double **out, error *err)
{
    size_t n;
    row_list rows = {0};
    double *x = NULL;
    if (!size_mul(reward_texts_count(t), reward_width(model_describe(m), p), &n))
        return error_memory(err, SIZE_MAX);
    int rc = encode_all(t, m, &rows, err);
    if (rc == 0 && !(x = array_new(n, sizeof *x)))
        rc = error_memory(err, n * sizeof *x);
    if (rc == 0)
        rc = reward_features(s, m, rows.rows, rows.n, p, x, err);
    row_list_free(&rows);
    if (rc < 0)
        free(x);
    else
        *out = x;
    return rc;
}

/* ---- Training ---- */

/* Comparisons say more per rating: they are taken where both are there and nothing was
 * asked for. */
static int choose_head(const request *q, const reward_texts *t, reward_head *out,
                       error *err)
{
    reward_head head = q->has_head                       ? (reward_head)q->head
                       : t->by_head[HEAD_PAIRWISE].n > 0 ? HEAD_PAIRWISE
                                                         : HEAD_SCALAR;
    reward_head other = head == HEAD_PAIRWISE ? HEAD_SCALAR : HEAD_PAIRWISE;
    if (t->by_head[head].n == 0)
        return error_set(
            err, E_ARGUMENT, "there are no ratings for a %s head, but %zu for a %s one",
            reward_head_names[head], t->by_head[other].n, reward_head_names[other]);
    if (t->by_head[other].n > 0)
        fprintf(stderr, "%zu ratings that are for a %s head are left out\n",
                t->by_head[other].n, reward_head_names[other]);
    *out = head;
    return 0;
}

/* The facts but for their sources, and the reward. */
static int learn(const request *q, const reward_texts *t, reward_facts facts,
                 const model *m, session *s, reward **out, error *err)
{
    double *x = NULL;
    reward_head head = HEAD_PAIRWISE;
    facts.pooling = (pooling)q->pooled;
    TRY(choose_head(q, t, &head, err));
    facts.n_simulated = t->by_head[head].n_simulated;
    TRY(model_hash(m, &facts.model_hash, err));
    TRY(ask_features(t, m, s, facts.pooling, &x, err));
    reward_data d =
        reward_texts_data(t, head, x, reward_width(model_describe(m), facts.pooling));
    int rc = reward_train(out, &d, &facts, &q->options, err);
    free(x);
    return rc;
}

static int save(const request *q, const reward *r, error *err)
{
    text path = {0};
    int rc = q->out ? text_add_string(&path, q->out, err)
             : q->n_runs
                 ? text_add_format(&path, err, "%s/reward.safetensors", q->runs[0])
                 : text_add_string(&path, "reward.safetensors", err);
    if (rc == 0)
        rc = reward_save(r, text_string(&path), err);
    if (rc == 0)
        fprintf(stderr, "saved as %s\n", text_string(&path));
    text_free(&path);
    return rc;
}

static int train(const request *q, error *err)
{
    reward_texts texts = {0};
    char *asked = NULL, *name = NULL;
    text sources = {0};
    model *m = NULL;
    session *s = NULL;
    reward *r = NULL;
    int rc = gather(q, &texts, &asked, err);
    if (rc == 0)
        rc = name_sources(q, &sources, err);
    if (rc == 0)
        rc = name_model(q, &name, err);
    if (rc == 0)
        rc = command_model_open(name, &q->choice, &m, &s, err);
    reward_facts facts = {
        .model = name, .question = asked ? asked : "", .source = text_string(&sources)};
    if (rc == 0)
        rc = learn(q, &texts, facts, m, s, &r, err);
    if (rc == 0)
        rc = save(q, r, err);
    if (rc == 0)
        rc = reward_print(r, q->json, err);
    reward_free(r);
    session_close(s);
    model_close(m);
    text_free(&sources);
    free(asked);
    free(name);
    reward_texts_free(&texts);
    return rc;
}

/* ---- What was asked ---- */

static int run_request(request *q, int argc, char **argv, error *err)
{
    const option options[] = {
        {"ratings", OPTION_LIST, &q->files, NULL, NULL},
        {"out", OPTION_TEXT, &q->out, NULL, NULL},
        {"model", OPTION_TEXT, &q->model, NULL, NULL},
        {"head", OPTION_CHOICE, &q->head, &q->has_head, head_options},
        {"pooling", OPTION_CHOICE, &q->pooled, NULL, pooling_options},
        {"heads", OPTION_SIZE, &q->options.n_heads, NULL, NULL},
        {"resamples", OPTION_SIZE, &q->options.judge.n_resamples, NULL, NULL},
        {"seed", OPTION_SEED, &q->options.judge.seed, NULL, NULL},
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
        MODEL_OPTIONS(q->choice)};
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN folders", 0, 1000}, &q->n_runs, err));
    q->runs = argv + 1;
    if (q->n_runs == 0 && q->files.n == 0)
        return error_set(err, E_USAGE, "train wants a RUN or --ratings FILE.jsonl");
    if (q->n_runs == 0 && !q->model)
        return error_set(err, E_USAGE,
                         "train wants --model MODEL where it has no RUN to take it from");
    if (q->options.n_heads < 2 || q->options.n_heads > 1000)
        return error_set(err, E_USAGE, "--heads wants 2 to 1000, not %zu",
                         q->options.n_heads);
    if (q->options.judge.n_resamples > 1000000)
        return error_set(err, E_USAGE, "--resamples: %zu is over the limit of 1000000",
                         q->options.judge.n_resamples);
    return train(q, err);
}

static int run(int argc, char **argv, error *err)
{
    request q = {.options = reward_defaults()};
    int rc = run_request(&q, argc, argv, err);
    option_list_free(&q.files);
    return rc;
}

const command reward_train_command = {
    .name = "train",
    .group = "people",
    .summary = "learn a reward from ratings, and say how good it is",
    .usage = usage,
    .run = run,
};

/* lamarck reward tune: vectors before the frozen model, learned from what a reward gives
 * to what it writes behind them. */
#include "../../evolve/stats.h"
#include "../../prefix/policy.h"
#include "../fitness/lm_row.h"
#include "../fitness/reward_features.h"
#include "../views/json_lines.h"
#include "command_model.h"
#include "reward_commands.h"
#include "tuning_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck reward tune REWARD --rows FILE.jsonl --text TEXT --out ADAPTER\n"
    "                           [--resume] [OPTIONS] [--json]\n"
    "\n"
    "Learns vectors that stand before the frozen model's rows, so that what it writes "
    "has\n"
    "more of the reward: REINFORCE with leave-one-out baselines over several texts per "
    "row,\n"
    "and a penalty for leaving the frozen model (Kullback-Leibler). No weight changes. "
    "The\n"
    "file has one JSON object per line:\n"
    "  {\"context\": \"what people are shown\", \"prompt\": \"what the model goes on "
    "from\"}\n"
    "Without a prompt that is the context and a new line. The last rows are not learned "
    "on:\n"
    "they say, at the end, what was gained over the vectors' beginning and over none.\n"
    "Ctrl-C, kill -9, a full disk: the steps that were done are kept, and the same line "
    "with\n"
    "--resume ends as if nothing had happened.\n"
    "  --text TEXT        what the vectors begin as\n"
    "  --out ADAPTER      folder in PEFT's format; score and generate take --prefix "
    "ADAPTER\n"
    "  --resume           go on with the tuning that was stopped in ADAPTER;\n"
    "                     --steps may be another then\n"
    "  --method METHOD    prompt: virtual tokens (default); prefix: keys and values\n"
    "  --tokens N         virtual tokens; default: as many as the text has\n"
    "  --steps N          default 50\n"
    "  --samples K        texts per row and step, at least 2; default 8\n"
    "  --batch N          rows of a step; default 8\n"
    "  --beta B           reward that one nat of leaving costs; default 0.05\n"
    "  --lr RATE          in units of what the vectors begin as; default 0.03\n"
    "  --max-tokens N     of a text; default 24\n"
    "  --stop TEXT        ends a text; may be given several times; default: a new line\n"
    "  --held-out SHARE   of the rows; default 0.25\n"
    "  --seed N           default 1\n"
    "  --model MODEL      where the reward's model is now; default: where it was\n"
    "  --json             the numbers of the end for scripts\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

static const char *const methods[] = {"prompt", "prefix", NULL};

typedef struct request {
    const char *reward, *rows, *begin, *out, *model;
    int method;
    size_t n_tokens, n_steps;
    double held_out;
    option_list stops;
    policy_options options;
    model_choice choice;
    bool resume, json;
} request;

/* A tuning under way. `shown` are the contexts of the rows; the judge looks at those from
 * `first` on. */
typedef struct tuning {
    const request *request;
    reward *reward;
    model *model;
    session *session;
    row_list rows;
    char **shown;
    size_t shown_capacity, first;
    size_t n_learned; /* rows that are learned on: the others are held out */
} tuning;

/* ---- Rows ---- */

static int add_row(tuning *t, const json_lines *l, const json_t *object, error *err)
{
    static const char *const keys[] = {"context", "prompt"};
    const char *context = NULL, *prompt = NULL;
    size_t n;
    row r = {0};
    text plain = {0};
    TRY(json_lines_known(l, object, keys, 2, err));
    TRY(json_lines_text(l, object, "context", &context, &n, err));
    TRY(json_lines_text(l, object, "prompt", &prompt, &n, err));
    if (!context)
        return json_lines_error(l, E_FORMAT, err, "\"context\" is missing");
    TRY(array_grow(&t->shown, &t->shown_capacity, t->rows.n, sizeof *t->shown, err));
    int rc = prompt ? text_add_string(&plain, prompt, err)
                    : text_add_format(&plain, err, "%s\n", context);
    if (rc == 0)
        rc = row_encode_context(&r, model_tokenizer(t->model), text_string(&plain),
                                plain.n, false, err);
    text_free(&plain);
    TRY(rc);
    if (r.n == 0) {
        free((int32_t *)(uintptr_t)r.tokens);
        return json_lines_error(l, E_FORMAT, err, "\"prompt\" has no tokens");
    }
    char *copy = string_copy(context);
    rc = copy ? row_list_add(&t->rows, r, err) : error_memory(err, strlen(context));
    if (!copy)
        free((int32_t *)(uintptr_t)r.tokens);
    if (rc < 0)
        free(copy);
    else
        t->shown[t->rows.n - 1] = copy;
    return rc;
}

static int read_rows(tuning *t, error *err)
{
    json_lines l;
    json_t *object;
    int rc;
    TRY(json_lines_open(&l, t->request->rows, err));
    while ((rc = json_lines_next(&l, &object, err)) > 0) {
        rc = add_row(t, &l, object, err);
        json_decref(object);
        if (rc < 0)
            break;
    }
    json_lines_close(&l);
    return rc;
}

/* ---- Worth ---- */

static int encode_texts(const tuning *t, const policy_text *texts, size_t n, row_list *to,
                        error *err)
{
    for (size_t i = 0; i < n; i++) {
        row r = {0};
        TRY(reward_row(&r, model_tokenizer(t->model),
                       t->shown[t->first + texts[i].context], texts[i].text, err));
        TRY(row_list_add(to, r, err));
    }
    return 0;
}

static int judge(void *context, const policy_text *texts, size_t n, double *worths,
                 error *err)
{
    const tuning *t = context;
    row_list rows = {0};
    double *x = array_new(n, reward_n_features(t->reward) * sizeof *x);
    int rc = x ? encode_texts(t, texts, n, &rows, err) : error_memory(err, n);
    if (rc == 0)
        rc = reward_features(t->session, t->model, rows.rows, rows.n,
                             reward_describe(t->reward)->pooling, x, err);
    if (rc == 0)
        reward_score(t->reward, x, n, worths, NULL);
    row_list_free(&rows);
    free(x);
    return rc;
}

/* ---- The beginning ---- */

static int begin_prefix(const tuning *t, prefix *out, error *err)
{
    row r = {0};
    const request *q = t->request;
    prefix_kind kind = q->method ? PREFIX_KEY_VALUES : PREFIX_EMBEDDINGS;
    TRY(row_encode_context(&r, model_tokenizer(t->model), q->begin, strlen(q->begin),
                           false, err));
    size_t n = q->n_tokens ? q->n_tokens : r.n, floats;
    float *values = NULL;
    int rc = 0;
    if (r.n == 0)
        rc = error_set(err, E_ARGUMENT, "--text \"%.60s\" has no tokens", q->begin);
    else if (!size_mul(n, prefix_width(model_describe(t->model), kind), &floats) ||
             !(values = array_new(floats, sizeof *values)))
        rc = error_memory(err, n * sizeof *values);
    if (rc == 0)
        rc = prefix_values_of(t->model, t->session, kind, r.tokens, r.n, n, values, err);
    if (rc == 0)
        rc = prefix_new(out, t->model, kind, n, values, err);
    free(values);
    free((int32_t *)(uintptr_t)r.tokens);
    return rc;
}

/* ---- The end ---- */

enum { NONE, BEGUN, LEARNED, N_SIDES };
static const char *const side_names[N_SIDES] = {"no vectors", "the text", "learned"};

/* Mean worth of each held-out row's texts, for each side. */
typedef struct outcome {
    double *means[N_SIDES];
    policy_report reports[N_SIDES];
    paired_comparison over_none, over_begun;
    size_t n;
} outcome;

static void outcome_free(outcome *o)
{
    for (size_t s = 0; s < N_SIDES; s++)
        free(o->means[s]);
}

static int try_side(tuning *t, policy *p, const prefix *before, size_t side, outcome *o,
                    error *err)
{
    size_t k = t->request->options.n_samples;
    o->means[side] = array_new(o->n, sizeof(double));
    double *worths = array_new(o->n, k * sizeof *worths);
    int rc = worths && o->means[side] ? 0 : error_memory(err, o->n * k * sizeof *worths);
    if (rc == 0)
        rc = policy_try(p, before, t->rows.rows + t->first, o->n, 0, worths,
                        &o->reports[side], err);
    for (size_t i = 0; rc == 0 && i < o->n * k; i++)
        o->means[side][i / k] += worths[i] / (double)k;
    free(worths);
    return rc;
}

static int measure(tuning *t, policy *p, const prefix *begun, const prefix *learned,
                   outcome *o, error *err)
{
    uint64_t seed = t->request->options.seed;
    const prefix *const sides[N_SIDES] = {NULL, begun, learned};
    for (size_t s = 0; s < N_SIDES; s++)
        TRY(try_side(t, p, sides[s], s, o, err));
    TRY(stats_compare(o->means[NONE], o->means[LEARNED], o->n, seed, &o->over_none, err));
    return stats_compare(o->means[BEGUN], o->means[LEARNED], o->n, seed, &o->over_begun,
                         err);
}

static void print_difference(const char *over, const paired_comparison *c)
{
    printf("learned - %s = %+.4f (95 %% interval %+.4f to %+.4f, p = %.4f)\n", over,
           c->difference, c->ci.low, c->ci.high, c->p);
}

static json_t *difference_json(const paired_comparison *c)
{
    return json_pack("{s:f, s:[f, f], s:f}", "difference", c->difference, "ci95",
                     c->ci.low, c->ci.high, "p", c->p);
}

static json_t *side_json(const policy_report *r)
{
    return json_pack("{s:f, s:o, s:f, s:f, s:f}", "reward", r->worth, "se",
                     json_real_or_null(r->worth_se), "kl", r->kl, "kl_token", r->kl_token,
                     "tokens", r->n_tokens);
}

static int tell(const tuning *t, const outcome *o, error *err)
{
    const policy_report *r = o->reports;
    size_t simulated = reward_describe(t->reward)->n_simulated;
    if (t->request->json)
        return json_print(
            json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "rows", (json_int_t)o->n,
                      "none", side_json(&r[NONE]), "text", side_json(&r[BEGUN]),
                      "learned", side_json(&r[LEARNED]), "over_none",
                      difference_json(&o->over_none), "over_text",
                      difference_json(&o->over_begun), "simulated", simulated > 0),
            err);
    printf("On %zu rows that were not learned on, %zu texts each:\n", o->n,
           r[0].n_texts / o->n);
    for (size_t s = 0; s < N_SIDES; s++)
        printf("  %-10s  reward %+.4f ± %.4f, KL %.2f nats a text (%.3f a token)\n",
               side_names[s], r[s].worth, r[s].worth_se, r[s].kl, r[s].kl_token);
    print_difference("no vectors", &o->over_none);
    print_difference("the text", &o->over_begun);
    printf("The reward is a model of people%s: ask people whether they agree.\n",
           simulated ? ", and some of those it learned from were SIMULATED" : "");
    return 0;
}

/* ---- Tuning ---- */

/* After each step all is on the disk from which another process would take the next. */
static int run_steps(const request *q, policy *p, tuning_file *f, error *err)
{
    while (policy_steps(p) < q->n_steps) {
        policy_report r;
        TRY(policy_step(p, &r, err));
        TRY(tuning_file_save(f, p, err));
        fprintf(stderr,
                "step %zu of %zu: reward %+.4f, KL %.2f nats a text, %.1f tokens\n",
                policy_steps(p), q->n_steps, r.worth, r.kl, r.n_tokens);
    }
    return 0;
}

/* The adapter as the last good step left it. */
static int keep(const request *q, const policy *p, prefix *learned, error *err)
{
    TRY(policy_latest(p, learned, err));
    return prefix_save(learned, q->out, err);
}

static int finish(tuning *t, policy *p, const prefix *begun, const prefix *learned,
                  error *err)
{
    outcome o = {.n = t->rows.n - t->n_learned};
    t->first = t->n_learned; /* the judge hears of held-out rows from here on */
    int rc = measure(t, p, begun, learned, &o, err);
    if (rc == 0)
        rc = tell(t, &o, err);
    outcome_free(&o);
    return rc;
}

static int learn(tuning *t, policy *p, const prefix *begun, tuning_file *f, error *err)
{
    const request *q = t->request;
    prefix learned = {0};
    if (q->resume)
        fprintf(stderr, "%zu of %zu steps are done\n", policy_steps(p), q->n_steps);
    int rc = run_steps(q, p, f, err);
    int kept = keep(q, p, &learned, rc < 0 ? NULL : err);
    rc = rc < 0 ? rc : kept;
    if (rc == 0)
        rc = finish(t, p, begun, &learned, err);
    if (rc == 0)
        rc = tuning_file_end(f, err);
    prefix_free(&learned);
    if (rc == E_INTERRUPTED)
        return error_set(err, rc,
                         "stopped after %zu of %zu steps; they are kept, and the same "
                         "line with --resume goes on",
                         policy_steps(p), q->n_steps);
    return rc;
}

static int part_rows(tuning *t, error *err)
{
    size_t n = t->rows.n, held = (size_t)ceil(t->request->held_out * (double)n);
    if (n < 3 || held < 2 || held >= n)
        return error_set(err, E_ARGUMENT,
                         "%s has %zu rows, of which %zu would be held out: at least 2 "
                         "are to be, and at least 1 to be learned on",
                         t->request->rows, n, held);
    t->n_learned = n - held;
    return 0;
}

static int hash_file(const char *path, char hash[SHA256_HEX], error *err)
{
    char *bytes;
    size_t n;
    TRY(file_read(path, SIZE_MAX - 1, &bytes, &n, err));
    int rc = sha256_hex(bytes, n, hash, err);
    free(bytes);
    return rc;
}

static int open_policy(tuning *t, const prefix *begun, policy **out, error *err)
{
    static const char *const line[] = {"\n"};
    const request *q = t->request;
    policy_options o = q->options;
    o.stops = q->stops.n ? q->stops.items : line;
    o.n_stops = q->stops.n ? q->stops.n : 1;
    char hash[SHA256_HEX];
    TRY(hash_file(q->reward, hash, err));
    const policy_judge by_reward = {judge, t, hash};
    return policy_new(out, t->session, t->model, begun, t->rows.rows, t->n_learned, &o,
                      &by_reward, err);
}

static void tuning_close(tuning *t)
{
    for (size_t i = 0; i < t->rows.n; i++)
        free(t->shown[i]);
    free(t->shown);
    row_list_free(&t->rows);
    session_close(t->session);
    model_close(t->model);
    reward_free(t->reward);
}

static int tune(const request *q, error *err)
{
    tuning t = {.request = q};
    prefix begun = {0};
    policy *p = NULL;
    tuning_file f = {.folder = -1};
    int rc = reward_open(&t.reward, q->reward, err);
    if (rc == 0)
        rc = command_model_open(q->model ? q->model : reward_describe(t.reward)->model,
                                &q->choice, &t.model, &t.session, err);
    if (rc == 0)
        rc = reward_check_model(t.reward, t.model, err);
    if (rc == 0)
        rc = read_rows(&t, err);
    if (rc == 0)
        rc = part_rows(&t, err);
    if (rc == 0)
        rc = begin_prefix(&t, &begun, err);
    if (rc == 0)
        rc = open_policy(&t, &begun, &p, err);
    if (rc == 0)
        rc = tuning_file_open(&f, q->out, q->resume, p, err);
    if (rc == 0)
        rc = learn(&t, p, &begun, &f, err);
    tuning_file_close(&f);
    policy_free(p);
    prefix_free(&begun);
    tuning_close(&t);
    return rc;
}

/* ---- What was asked ---- */

static int check(const request *q, error *err)
{
    if (!q->rows || !q->begin || !q->out)
        return error_set(err, E_USAGE,
                         "tune wants --rows FILE.jsonl, --text TEXT and --out ADAPTER");
    if (!(q->held_out > 0 && q->held_out < 1))
        return error_set(err, E_USAGE, "--held-out wants a share between 0 and 1, not %g",
                         q->held_out);
    if (q->n_steps == 0 || q->n_steps > 1000000)
        return error_set(err, E_USAGE, "--steps wants 1 to 1000000, not %zu", q->n_steps);
    for (size_t i = 0; i < q->stops.n; i++)
        if (!*q->stops.items[i])
            return error_set(err, E_USAGE, "--stop is empty: it would end every text");
    return 0;
}

static int run_request(request *q, int argc, char **argv, error *err)
{
    policy_options *o = &q->options;
    const option options[] = {{"rows", OPTION_TEXT, &q->rows, NULL, NULL},
                              {"text", OPTION_TEXT, &q->begin, NULL, NULL},
                              {"out", OPTION_TEXT, &q->out, NULL, NULL},
                              {"model", OPTION_TEXT, &q->model, NULL, NULL},
                              {"method", OPTION_CHOICE, &q->method, NULL, methods},
                              {"tokens", OPTION_SIZE, &q->n_tokens, NULL, NULL},
                              {"steps", OPTION_SIZE, &q->n_steps, NULL, NULL},
                              {"samples", OPTION_SIZE, &o->n_samples, NULL, NULL},
                              {"batch", OPTION_SIZE, &o->batch, NULL, NULL},
                              {"beta", OPTION_REAL, &o->beta, NULL, NULL},
                              {"lr", OPTION_REAL, &o->lr, NULL, NULL},
                              {"max-tokens", OPTION_SIZE, &o->max_tokens, NULL, NULL},
                              {"stop", OPTION_LIST, &q->stops, NULL, NULL},
                              {"held-out", OPTION_REAL, &q->held_out, NULL, NULL},
                              {"seed", OPTION_SEED, &o->seed, NULL, NULL},
                              {"resume", OPTION_FLAG, &q->resume, NULL, NULL},
                              {"json", OPTION_FLAG, &q->json, NULL, NULL},
                              MODEL_OPTIONS(q->choice)};
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"a REWARD", 1, 1}, &n, err));
    q->reward = argv[1];
    TRY(check(q, err));
    return tune(q, err);
}

static int run(int argc, char **argv, error *err)
{
    request q = {.options = policy_defaults(), .n_steps = 50, .held_out = 0.25};
    q.options.seed = 1;
    int rc = run_request(&q, argc, argv, err);
    option_list_free(&q.stops);
    return rc;
}

const command reward_tune_command = {
    .name = "tune",
    .group = "people",
    .summary = "learn vectors by which the model writes what a reward likes",
    .usage = usage,
    .run = run,
};

/* lamarck generate: let the model go on with a text. */
#include "../fitness/lm_row.h"
#include "../views/json_lines.h"
#include "../views/terminal.h"
#include "command.h"
#include "command_model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: lamarck generate MODEL (--prompt TEXT… | --rows FILE.jsonl) [options]\n"
    "\n"
    "Continues each prompt, --n times. Rows are {\"prompt\": \"…\"} or {\"messages\": "
    "[{\"role\":\n"
    "\"user\", \"content\": \"…\"}, …]}, one per line (\"-\": standard input). A TEXT "
    "that begins\n"
    "with @ names a file with the prompt.\n"
    "\n"
    "  --n N                     continuations of each prompt; default 1\n"
    "  --max-tokens N            default 64\n"
    "  --temperature T           default 0: always the likeliest token\n"
    "  --top-k K                 only the K likeliest tokens; default 0: all\n"
    "  --top-p P                 only the likeliest tokens that together have P; default "
    "1\n"
    "  --repetition-penalty R    default 1: none\n"
    "  --stop TEXT               end before this text; may be given several times\n"
    "  --seed N                  default 0\n"
    "  --chat                    the prompt is a user's message in the model's chat "
    "format\n"
    "  --special                 spelled special tokens in a prompt are those tokens\n"
    "  --prefix ADAPTER          learned vectors stand before every prompt\n"
    "  --json                    one object per continuation: prompt (index), "
    "prompt_tokens,\n"
    "                            sample, text, ids, logprob, finish (length, eos, stop, "
    "window)\n" //
    MODEL_OPTIONS_USAGE;

typedef struct request {
    option_list prompts, stops;
    const char *rows, *prefix;
    sampling sampling;
    size_t n_samples;
    bool chat, special, json;
} request;

/* ---- Prompts to tokens ---- */

static int add_context(row_list *c, const model *m, const char *s, size_t n, bool special,
                       error *err)
{
    row r;
    TRY(row_encode_context(&r, model_tokenizer(m), s, n, special, err));
    bool empty = r.n == 0;
    TRY(row_list_add(c, r, err));
    return empty ? error_set(err, E_ARGUMENT,
                             "the prompt is empty: a model needs a token to go on from")
                 : 0;
}

static int add_chat(row_list *c, const model *m, const chat_message *messages, size_t n,
                    error *err)
{
    text t = {0};
    int rc = tokenizer_chat(model_tokenizer(m), messages, n, true, &t, err);
    if (rc == 0)
        rc = add_context(c, m, text_string(&t), t.n, true, err);
    text_free(&t);
    return rc;
}

static int add_prompt(row_list *c, const model *m, const request *q, const char *s,
                      size_t n, error *err)
{
    chat_message user = {"user", s};
    return q->chat ? add_chat(c, m, &user, 1, err)
                   : add_context(c, m, s, n, q->special, err);
}

/* --prompt TEXT or @FILE. */
static int add_argument(row_list *c, const model *m, const request *q, const char *s,
                        error *err)
{
    enum { MAX_PROMPT_BYTES = 16 << 20 };
    if (*s != '@')
        return add_prompt(c, m, q, s, strlen(s), err);
    char *bytes;
    size_t n;
    TRY(file_read(s + 1, MAX_PROMPT_BYTES, &bytes, &n, err));
    int rc = add_prompt(c, m, q, bytes, n, err);
    free(bytes);
    return rc;
}

static int add_messages(row_list *c, const model *m, const json_lines *l,
                        const json_t *list, error *err)
{
    enum { MOST = 256 };
    chat_message messages[MOST];
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > MOST)
        return json_lines_error(l, E_FORMAT, err,
                                "\"messages\" is not a list of 1 to %d messages", MOST);
    for (size_t i = 0; i < n; i++) {
        const json_t *message = json_array_get(list, i);
        messages[i].role = json_string_value(json_object_get(message, "role"));
        messages[i].content = json_string_value(json_object_get(message, "content"));
        if (!messages[i].role || !messages[i].content)
            return json_lines_error(
                l, E_FORMAT, err,
                "message %zu wants \"role\" and \"content\", both texts", i + 1);
    }
    return add_chat(c, m, messages, n, err);
}

static int add_row(row_list *c, const model *m, const request *q, const json_lines *l,
                   const json_t *object, error *err)
{
    static const char *const known[] = {"prompt", "messages"};
    TRY(json_lines_known(l, object, known, 2, err));
    const json_t *messages = json_object_get(object, "messages");
    if (messages)
        return add_messages(c, m, l, messages, err);
    const char *s;
    size_t n;
    int found = json_lines_text(l, object, "prompt", &s, &n, err);
    TRY(found);
    if (!found)
        return json_lines_error(l, E_FORMAT, err,
                                "\"prompt\" or \"messages\" is missing");
    int rc = add_prompt(c, m, q, s, n, err);
    if (rc < 0)
        error_prefix(err, "%s:%zu", l->path, l->line);
    return rc;
}

static int read_contexts(row_list *c, const model *m, const request *q, error *err)
{
    for (size_t i = 0; i < q->prompts.n; i++)
        TRY(add_argument(c, m, q, q->prompts.items[i], err));
    if (!q->rows)
        return 0;
    json_lines l;
    TRY(json_lines_open(&l, q->rows, err));
    json_t *object;
    int rc;
    while ((rc = json_lines_next(&l, &object, err)) > 0) {
        rc = add_row(c, m, q, &l, object, err);
        json_decref(object);
        if (rc < 0)
            break;
    }
    json_lines_close(&l);
    return rc;
}

/* ---- What came ---- */

static json_t *ids_json(const continuation *k)
{
    json_t *ids = json_array();
    for (size_t i = 0; ids && i < k->n; i++)
        if (json_array_append_new(ids, json_integer(k->ids[i])) < 0) {
            json_decref(ids);
            ids = NULL;
        }
    return ids;
}

/* The text with what is not UTF-8 (a token may end inside a character) as U+FFFD. */
static int print_json(const continuation *k, size_t prompt, size_t prompt_tokens,
                      size_t sample, error *err)
{
    static const char *const reasons[] = {"length", "eos", "stop", "window"};
    text t = {0};
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < k->n_text) {
        size_t good = utf8_check(k->text + at, k->n_text - at);
        rc = text_add(&t, k->text + at, good, err);
        at += good;
        if (rc == 0 && at < k->n_text) {
            rc = text_add_string(&t, "\xef\xbf\xbd", err);
            at++;
        }
    }
    if (rc == 0)
        rc = json_print_line(
            json_pack("{s:I, s:I, s:I, s:s%, s:o, s:o, s:s}", "prompt",
                      (json_int_t)prompt, "prompt_tokens", (json_int_t)prompt_tokens,
                      "sample", (json_int_t)sample, "text", text_string(&t), t.n, "ids",
                      ids_json(k), "logprob", json_real_or_null(k->logprob), "finish",
                      reasons[k->reason]),
            err);
    text_free(&t);
    return rc;
}

/* On a terminal nothing that a model says may steer it; elsewhere bytes are bytes. */
static int print_text(const continuation *k, bool on_terminal, error *err)
{
    text t = {0};
    int rc = on_terminal ? terminal_printable(&t, k->text, k->n_text, err)
                         : text_add(&t, k->text, k->n_text, err);
    if (rc == 0) {
        fwrite(text_string(&t), 1, t.n, stdout);
        putchar('\n');
    }
    text_free(&t);
    return rc;
}

static int print_all(const request *q, const row_list *c, const continuation *out,
                     error *err)
{
    bool on_terminal = isatty(STDOUT_FILENO);
    size_t n = c->n * q->n_samples;
    for (size_t i = 0; i < n; i++) {
        size_t prompt = i / q->n_samples;
        if (!q->json && i > 0 && n > 1)
            printf("---\n");
        TRY(q->json
                ? print_json(&out[i], prompt, c->rows[prompt].n, i % q->n_samples, err)
                : print_text(&out[i], on_terminal, err));
    }
    return 0;
}

static int generate(const model *m, session *s, const request *q, error *err)
{
    row_list c = {0};
    size_t n = 0;
    continuation *out = NULL;
    int rc;
    TRY_OUT(rc, read_contexts(&c, m, q, err));
    if (!size_mul(c.n, q->n_samples, &n) || !(out = array_new(n, sizeof *out))) {
        rc = error_memory(err, n * sizeof *out);
        n = 0;
        goto out;
    }
    TRY_OUT(rc, model_generate(s, c.rows, c.n, q->n_samples, &q->sampling, out, err));
    rc = print_all(q, &c, out, err);
out:
    for (size_t i = 0; out && i < n; i++)
        continuation_free(&out[i]);
    free(out);
    row_list_free(&c);
    return rc;
}

static int check(const request *q, error *err)
{
    const sampling *s = &q->sampling;
    if (!q->prompts.n && !q->rows)
        return error_set(err, E_USAGE,
                         "generate wants --prompt TEXT or --rows FILE.jsonl");
    if (q->n_samples < 1 || s->max_tokens < 1)
        return error_set(err, E_USAGE, "--n and --max-tokens want at least 1");
    if (s->temperature < 0)
        return error_set(err, E_USAGE, "--temperature wants 0 or more, not %g",
                         s->temperature);
    if (!(s->top_p > 0 && s->top_p <= 1))
        return error_set(err, E_USAGE, "--top-p wants more than 0 and at most 1, not %g",
                         s->top_p);
    if (!(s->repetition_penalty > 0))
        return error_set(err, E_USAGE, "--repetition-penalty wants more than 0, not %g",
                         s->repetition_penalty);
    return 0;
}

static int run_request(request *q, model_choice *choice, int argc, char **argv,
                       error *err)
{
    sampling *p = &q->sampling;
    const option options[] = {
        {"prompt", OPTION_LIST, &q->prompts, NULL, NULL},
        {"rows", OPTION_TEXT, &q->rows, NULL, NULL},
        {"n", OPTION_SIZE, &q->n_samples, NULL, NULL},
        {"max-tokens", OPTION_SIZE, &p->max_tokens, NULL, NULL},
        {"temperature", OPTION_REAL, &p->temperature, NULL, NULL},
        {"top-k", OPTION_SIZE, &p->top_k, NULL, NULL},
        {"top-p", OPTION_REAL, &p->top_p, NULL, NULL},
        {"repetition-penalty", OPTION_REAL, &p->repetition_penalty, NULL, NULL},
        {"stop", OPTION_LIST, &q->stops, NULL, NULL},
        {"seed", OPTION_SEED, &p->seed, NULL, NULL},
        {"chat", OPTION_FLAG, &q->chat, NULL, NULL},
        {"special", OPTION_FLAG, &q->special, NULL, NULL},
        {"prefix", OPTION_TEXT, &q->prefix, NULL, NULL},
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
        MODEL_OPTIONS(*choice),
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    TRY(check(q, err));
    p->stops = q->stops.items;
    p->n_stops = q->stops.n;
    model *m;
    session *s;
    TRY(command_model_open(argv[1], choice, &m, &s, err));
    int rc = command_use_prefix(q->prefix, m, s, &n, err);
    if (rc == 0)
        rc = generate(m, s, q, err);
    session_close(s);
    model_close(m);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    model_choice choice = {0};
    request q = {
        .n_samples = 1,
        .sampling = {.max_tokens = 64, .top_p = 1, .repetition_penalty = 1},
    };
    int rc = run_request(&q, &choice, argc, argv, err);
    option_list_free(&q.prompts);
    option_list_free(&q.stops);
    return rc;
}

const command cmd_generate = {
    .name = "generate",
    .group = "model",
    .summary = "let the model go on with a text",
    .usage = usage,
    .run = run,
};

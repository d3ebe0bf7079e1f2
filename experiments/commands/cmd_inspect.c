/* lamarck inspect: what a model file is, what it will take, and what it cannot do. */
#include "../views/json_lines.h"
#include "command.h"
#include "command_model.h"

#include <inttypes.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck inspect MODEL [--json] [--backend NAME] [--threads N] [--memory "
    "MIB]\n"
    "\n"
    "Prints a model's family, shapes, quantisation, tokenizer and window, the memory it\n"
    "will take, which library call the backend chose for each weight shape on this\n"
    "machine, and what cannot be done with it.\n";

static const char *chat_name(chat_format format)
{
    static const char *const names[] = {"none", "chatml", "llama3", "unrecognised"};
    return names[format];
}

enum { MAX_LIMITS = 6, LIMIT_CHARS = 200, DEFAULT_SESSION_MIB = 512 };

typedef struct limits {
    char lines[MAX_LIMITS][LIMIT_CHARS];
    size_t n;
} limits;

/* What a user might expect of a model and will not get from this one. */
static limits find_limits(const model_info *i, const tokenizer_info *t)
{
    limits l = {0};
    snprintf(l.lines[l.n++], LIMIT_CHARS,
             "texts of more than %zu tokens: an error, unless --overflow cuts them",
             i->window);
    if (t->chat == CHAT_NONE)
        snprintf(
            l.lines[l.n++], LIMIT_CHARS,
            "chat: the file has no chat template, so only plain text templates work");
    if (t->chat == CHAT_OTHER)
        snprintf(l.lines[l.n++], LIMIT_CHARS,
                 "chat: its chat template is not one of those known (ChatML, Llama 3)");
    if (t->n_missing_bytes)
        snprintf(l.lines[l.n++], LIMIT_CHARS,
                 "%zu of the 256 byte values: the vocabulary has no token for them, they "
                 "are dropped as the reference does",
                 t->n_missing_bytes);
    if (t->bos < 0)
        snprintf(l.lines[l.n++], LIMIT_CHARS,
                 "a text's first token: nothing predicts it, for there is no BOS token");
    return l;
}

/* ---- As text ---- */

static void print_model(const model_info *i)
{
    printf("%-14s %s\n", "file", i->path);
    if (*i->name)
        printf("%-14s %s\n", "name", i->name);
    printf("%-14s %s\n", "family", i->family);
    bool many = i->n_parameters >= 1000000;
    printf("%-14s %.1f %s\n", "parameters", (double)i->n_parameters / (many ? 1e6 : 1e3),
           many ? "million" : "thousand");
    printf("%-14s %zu layers, width %zu, feed-forward %zu\n", "shape", i->n_layers,
           i->width, i->n_feed_forward);
    printf("%-14s %zu heads of %zu over %zu key-value heads\n", "attention", i->n_heads,
           i->head_size, i->n_kv_heads);
    printf("%-14s %s, %.1f MiB on disk\n", "weights", i->quantisation,
           (double)i->file_bytes / (1 << 20));
    printf("%-14s %zu tokens, %s\n", "vocabulary", i->n_vocabulary,
           i->tied_head ? "output head tied to the embedding" : "its own output head");
    printf("%-14s %zu tokens\n", "window", i->window);
    if (i->n_limited > 0)
        printf("%-14s the last %zu tokens, in %zu of %zu layers\n", "sliding window",
               i->reach, i->n_limited, i->n_layers);
}

static void print_tokenizer(const tokenizer_info *t)
{
    printf("%-14s byte-level BPE, pre-tokenizer %s, %zu merges, %zu special tokens\n",
           "tokenizer", t->pre, t->n_merges, t->n_special);
    printf("%-14s bos %" PRId32 "%s, eos %" PRId32 ", end of turn %" PRId32 "\n",
           "special ids", t->bos, t->add_bos ? " (put before a text)" : " (not added)",
           t->eos, t->eot);
    printf("%-14s %s\n", "chat", chat_name(t->chat));
}

static void print_text(const model_info *i, const tokenizer_info *t, const char *backend,
                       size_t session_mib, const char *hash)
{
    print_model(i);
    print_tokenizer(t);
    printf("%-14s %.1f MiB of weights as f32, and up to %zu MiB a session\n", "memory",
           (double)i->weight_bytes_f32 / (1 << 20), session_mib);
    printf("%-14s %s\n", "sha256", hash);
    printf("%-14s %s\n", "backend", backend);
    limits l = find_limits(i, t);
    for (size_t k = 0; k < l.n; k++)
        printf("%-14s %s\n", k ? "" : "it cannot do", l.lines[k]);
}

/* ---- As JSON ---- */

static json_t *tokenizer_json(const tokenizer_info *t)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:b, s:s}", "pre", t->pre,
                     "vocabulary", (json_int_t)t->n_vocabulary, "merges",
                     (json_int_t)t->n_merges, "special", (json_int_t)t->n_special,
                     "missing_bytes", (json_int_t)t->n_missing_bytes, "bos", (int)t->bos,
                     "eos", (int)t->eos, "eot", (int)t->eot, "add_bos", t->add_bos,
                     "chat", chat_name(t->chat));
}

static json_t *limits_json(const limits *l)
{
    json_t *list = json_array();
    for (size_t k = 0; list && k < l->n; k++)
        if (json_array_append_new(list, json_string(l->lines[k])) < 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *to_json(const model_info *i, const tokenizer_info *t, const char *backend,
                       size_t session_mib, const char *hash)
{
    limits l = find_limits(i, t);
    json_t *shape = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "layers", (json_int_t)i->n_layers, "width",
        (json_int_t)i->width, "feed_forward", (json_int_t)i->n_feed_forward, "heads",
        (json_int_t)i->n_heads, "kv_heads", (json_int_t)i->n_kv_heads, "head_size",
        (json_int_t)i->head_size, "vocabulary", (json_int_t)i->n_vocabulary);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, "
        "s:s, s:o}",
        "path", i->path, "name", i->name, "family", i->family, "quantisation",
        i->quantisation, "sha256", hash, "parameters", (json_int_t)i->n_parameters,
        "shape", shape, "tied_head", i->tied_head, "window", (json_int_t)i->window,
        "sliding_window", (json_int_t)i->reach, "sliding_layers",
        (json_int_t)i->n_limited, "file_bytes", (json_int_t)i->file_bytes,
        "weight_bytes_f32", (json_int_t)i->weight_bytes_f32, "session_bytes",
        (json_int_t)session_mib << 20, "tokenizer", tokenizer_json(t), "backend", backend,
        "cannot", limits_json(&l));
}

static int run(int argc, char **argv, error *err)
{
    bool json = false;
    model_choice choice = {0};
    const option options[] = {
        {"json", OPTION_FLAG, &json, NULL, NULL},
        {"backend", OPTION_CHOICE, &choice.backend, NULL, backend_names},
        {"threads", OPTION_SIZE, &choice.n_threads, NULL, NULL},
        {"memory", OPTION_SIZE, &choice.memory_mib, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    model *m;
    session *s;
    TRY(command_model_open(argv[1], &choice, &m, &s, err));
    const char *hash;
    int rc = model_hash(m, &hash, err);
    const model_info *i = model_describe(m);
    const tokenizer_info *t = tokenizer_describe(model_tokenizer(m));
    size_t mib = choice.memory_mib ? choice.memory_mib : DEFAULT_SESSION_MIB;
    if (rc == 0 && json)
        rc = json_print(to_json(i, t, session_describe(s), mib, hash), err);
    else if (rc == 0)
        print_text(i, t, session_describe(s), mib, hash);
    session_close(s);
    model_close(m);
    return rc;
}

const command cmd_inspect = {
    .name = "inspect",
    .group = "model",
    .summary = "what a model file is, takes and cannot do",
    .usage = usage,
    .run = run,
};

/* lamarck gradient: how the loss of each row changes with its input embeddings. */
#include "../../model/safetensors.h"
#include "command.h"
#include "command_model.h"
#include "row_file.h"

#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: lamarck gradient MODEL --rows FILE.jsonl --out FILE.safetensors\n"
    "                        [--no-bos] [--special]\n"
    "\n"
    "Goes forwards and backwards through the frozen model with each row, and writes how\n"
    "its loss, the summed negative log-likelihood of its target, changes with the input\n"
    "embeddings: tensor \"row.N\" (N from 0), float32, (tokens, width). Rows are those "
    "of\n"
    "'lamarck score --rows'; what that prints is printed here too, a line per row.\n"
    "Says on standard error, before it starts, how much memory it will take.\n"
    "\n"
    "  --rows FILE        one row per line; \"-\": standard input\n"
    "  --out FILE         safetensors\n"
    "  --no-bos           no BOS, whatever the policy\n"
    "  --special          spelled special tokens are those tokens, not text\n"
    "  --prefix ADAPTER   learned vectors stand before every row\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

/* Rows that meet the model in one call, if their gradients fit the session's memory. */
enum { GROUP_ROWS = 256 };

typedef struct group {
    size_t begin, n; /* rows */
} group;

typedef struct request {
    const char *rows, *out, *prefix;
    row_file_options row_options;
    model_choice choice;
} request;

typedef struct workspace {
    session *s;
    const row *rows;
    size_t n;
    size_t width;
    size_t *offsets;         /* (n + 1): tokens before each row */
    const uint32_t **places; /* (n): row i's are its own tokens, in `tokens` */
    uint32_t *tokens;        /* (all tokens): 0, 1, 2, … from each group's begin */
    float *gradients;        /* (all tokens, width) */
    row_score *scores;       /* (n) */
    group *groups;
    size_t n_groups, groups_capacity;
} workspace;

static int workspace_open(workspace *w, error *err)
{
    size_t total = 0, floats;
    w->offsets = array_new(w->n + 1, sizeof *w->offsets);
    w->places = array_new(w->n, sizeof *w->places);
    w->scores = array_new(w->n, sizeof *w->scores);
    if (!w->offsets || !w->places || !w->scores)
        return error_memory(err, w->n * sizeof *w->scores);
    for (size_t i = 0; i < w->n; i++) {
        w->offsets[i] = total;
        total += w->rows[i].n;
    }
    w->offsets[w->n] = total;
    if (!size_mul(total, w->width, &floats))
        return error_memory(err, SIZE_MAX);
    w->tokens = array_new(total, sizeof *w->tokens);
    w->gradients = array_new(floats, sizeof *w->gradients);
    if (!w->tokens || !w->gradients)
        return error_memory(err, floats * sizeof *w->gradients);
    return 0;
}

static void workspace_close(workspace *w)
{
    free(w->offsets);
    free(w->places);
    free(w->tokens);
    free(w->gradients);
    free(w->scores);
    free(w->groups);
}

/* Every token of the group's rows has a place of its own. */
static gradient_request ask(workspace *w, const group *g)
{
    size_t first = w->offsets[g->begin], n = w->offsets[g->begin + g->n] - first;
    for (size_t t = 0; t < n; t++)
        w->tokens[first + t] = (uint32_t)t;
    for (size_t i = g->begin; i < g->begin + g->n; i++)
        w->places[i] = w->tokens + w->offsets[i];
    return (gradient_request){.separate = true,
                              .places = w->places + g->begin,
                              .n_places = n,
                              .place_gradients = w->gradients + first * w->width};
}

/* As many of the rows from g->begin on as fit in a call: fewer while the session has not
 * the memory. */
static int find_group(workspace *w, group *g, gradient_estimate *e, error *err)
{
    g->n = w->n - g->begin < GROUP_ROWS ? w->n - g->begin : GROUP_ROWS;
    for (;; g->n = (g->n + 1) / 2) {
        gradient_request q = ask(w, g);
        int rc = model_gradient_estimate(w->s, w->rows + g->begin, g->n, &q, e, err);
        if (rc != E_MEMORY || g->n == 1)
            return rc;
    }
}

/* Cut the rows into groups, and say what running them takes. */
static int plan_groups(workspace *w, error *err)
{
    gradient_estimate all = {.n_kept_layers = SIZE_MAX}, e;
    for (group g = {0}; g.begin < w->n; g.begin += g.n) {
        int rc = find_group(w, &g, &e, err);
        if (rc < 0)
            return error_prefix(err, "rows from %zu on", g.begin);
        TRY(array_grow(&w->groups, &w->groups_capacity, w->n_groups, sizeof g, err));
        w->groups[w->n_groups++] = g;
        all.n_parts += e.n_parts;
        all.n_positions += e.n_positions;
        all.peak_bytes = e.peak_bytes > all.peak_bytes ? e.peak_bytes : all.peak_bytes;
        if (e.n_kept_layers < all.n_kept_layers)
            all.n_kept_layers = e.n_kept_layers;
    }
    if (w->n > 0)
        fprintf(stderr,
                "%zu rows, %zu positions in %zu part%s: at most %.1f MiB beside the "
                "weights, activations of %zu layers kept\n",
                w->n, all.n_positions, all.n_parts, all.n_parts == 1 ? "" : "s",
                (double)all.peak_bytes / (1 << 20), all.n_kept_layers);
    return 0;
}

static int run_group(workspace *w, const group *g, error *err)
{
    gradient_request q = ask(w, g);
    row_score *scores = w->scores + g->begin;
    int rc = model_gradient(w->s, w->rows + g->begin, g->n, &q, scores, err);
    if (rc < 0)
        return rc == E_INTERRUPTED ? rc : error_prefix(err, "rows from %zu on", g->begin);
    for (size_t i = 0; i < g->n; i++)
        TRY(json_print_line(json_pack("{s:f, s:I}", "logprob", scores[i].logprob,
                                      "tokens", (json_int_t)scores[i].n_targets),
                            err));
    return 0;
}

enum { NAME_BYTES = 32 };

static int write_tensors(const workspace *w, const request *q, safetensor *tensors,
                         char (*names)[NAME_BYTES], error *err)
{
    for (size_t i = 0; i < w->n; i++) {
        snprintf(names[i], NAME_BYTES, "row.%zu", i);
        tensors[i] = (safetensor){.name = names[i],
                                  .type = SAFETENSOR_F32,
                                  .n_dims = 2,
                                  .dims = {w->rows[i].n, w->width},
                                  .bytes = w->gradients + w->offsets[i] * w->width};
    }
    return safetensors_write(q->out, tensors, w->n, NULL, 0, err);
}

static int write_gradients(const workspace *w, const request *q, error *err)
{
    safetensor *tensors = array_new(w->n, sizeof *tensors);
    char(*names)[NAME_BYTES] = array_new(w->n, sizeof *names);
    int rc = tensors && names ? write_tensors(w, q, tensors, names, err)
                              : error_memory(err, w->n * sizeof *tensors);
    free(tensors);
    free(names);
    return rc;
}

static int run_rows(workspace *w, const request *q, error *err)
{
    TRY(workspace_open(w, err));
    TRY(plan_groups(w, err));
    for (size_t i = 0; i < w->n_groups; i++)
        TRY(run_group(w, &w->groups[i], err));
    return write_gradients(w, q, err);
}

static int run_file(const request *q, const model *m, session *s, error *err)
{
    row_file f;
    TRY(row_file_open(&f, m, q->rows, &q->row_options, err));
    int rc = row_file_next(&f, SIZE_MAX, err);
    if (rc >= 0) {
        workspace w = {.s = s,
                       .rows = f.batch.rows,
                       .n = f.batch.n,
                       .width = model_describe(m)->width};
        rc = run_rows(&w, q, err);
        workspace_close(&w);
    }
    row_file_close(&f);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    request q = {0};
    const option options[] = {
        {"rows", OPTION_TEXT, &q.rows, NULL, NULL},
        {"out", OPTION_TEXT, &q.out, NULL, NULL},
        {"no-bos", OPTION_FLAG, &q.row_options.no_bos, NULL, NULL},
        {"special", OPTION_FLAG, &q.row_options.special, NULL, NULL},
        {"prefix", OPTION_TEXT, &q.prefix, NULL, NULL},
        MODEL_OPTIONS(q.choice),
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    if (!q.rows || !q.out)
        return error_set(err, E_USAGE, "%s is missing",
                         q.rows ? "--out FILE" : "--rows FILE");
    TRY(file_check_writable(q.out, err));
    q.row_options.overflow = (row_overflow)q.choice.overflow;
    model *m;
    session *s;
    TRY(command_model_open(argv[1], &q.choice, &m, &s, err));
    int rc = command_use_prefix(q.prefix, m, s, &n, err);
    if (rc == 0)
        rc = run_file(&q, m, s, err);
    session_close(s);
    model_close(m);
    return rc;
}

const command cmd_gradient = {
    .name = "gradient",
    .group = "model",
    .summary = "how the loss of rows changes with their input embeddings",
    .usage = usage,
    .run = run,
};

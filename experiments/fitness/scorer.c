#include "scorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scorer_job.h"

enum { SLICE_FIRST_TOKENS = 1024 }; /* until there is a pace */

/* What of a backend's description bears on the numbers: not the speeds that it tells in
 * brackets, nor how many threads there are. */
static int add_essence(text *out, const char *description, error *err)
{
    for (const char *p = description; *p;) {
        int length = 0;
        if (*p == '(')
            p += strcspn(p, ")") + (strchr(p, ')') != NULL);
        else if (sscanf(p, ", %*u threads%n", &length) == 0 && length > 0)
            p += length;
        else if (sscanf(p, ", %*u thread%n", &length) == 0 && length > 0)
            p += length;
        else
            TRY(text_add(out, p++, 1, err));
    }
    return text_add_string(out, "\n", err);
}

int scorer_open(scorer **out, const model *m, session *s, const scorer_options *options,
                error *err)
{
    const char *hash;
    TRY(model_hash(m, &hash, err));
    scorer *c = calloc(1, sizeof *c);
    if (!c)
        return error_memory(err, sizeof *c);
    c->model = m;
    c->session = s;
    c->options = *options;
    c->window = model_describe(m)->window;
    c->slice_tokens = SLICE_FIRST_TOKENS;
    const char *backend = options->backend ? options->backend : session_describe(s);
    int rc = text_add_format(&c->prefix, err, "%s\n", hash);
    if (rc == 0)
        rc = add_essence(&c->prefix, backend, err);
    c->n_who = c->prefix.n;
    if (rc < 0) {
        scorer_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

int scorer_open_beside(scorer **out, const scorer *c, error *err)
{
    scorer_options quiet = c->options;
    quiet.ticker = NULL;
    return scorer_open(out, c->model, c->session, &quiet, err);
}

void scorer_close(scorer *c)
{
    if (!c)
        return;
    text_free(&c->prefix);
    key_ledger_free(&c->keys);
    free(c);
}

const model *scorer_model(const scorer *c)
{
    return c->model;
}

size_t scorer_window(const scorer *c)
{
    return c->window - c->n_virtual;
}

void scorer_use_store(scorer *c, store *s)
{
    c->options.store = s;
}

int scorer_use_prefix(scorer *c, const prefix_view *prefix, error *err)
{
    char hex[SHA256_HEX];
    size_t floats = 0;
    if (prefix)
        floats = prefix->n * prefix_width(model_describe(c->model), prefix->kind);
    TRY(session_set_prefix(c->session, prefix, err));
    c->prefix.n = c->n_who;
    c->n_virtual = prefix ? prefix->n : 0;
    if (!prefix)
        return 0;
    TRY(sha256_hex(prefix->values, floats * sizeof(float), hex, err));
    return text_add_format(&c->prefix, err, "behind %d %zu %s\n", (int)prefix->kind,
                           prefix->n, hex);
}

/* ---- Prices ---- */

int scorer_price(scorer *c, const row *rows, size_t n, const sampling *g,
                 uint64_t *tokens, bool *charged, error *err)
{
    job j;
    task t = {.kind = g ? TASK_GENERATE : TASK_SCORE, .sampling = g};
    TRY(job_new(&j, c, t, rows, n, err));
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += j.due[i] ? row_price(c, &t, &rows[i]) : 0;
        if (charged)
            charged[i] = j.due[i];
    }
    *tokens = sum;
    job_free(&j);
    return 0;
}

/* ---- Scores ---- */

typedef struct score_value {
    double logprob;
    uint64_t n_targets, n_first;
} score_value;

static int compute_scores(job *j, const size_t *index, size_t n, error *err)
{
    row *rows = NULL;
    row_score *scores = array_new(n, sizeof *scores);
    int rc = scores ? job_collect_rows(j, index, n, &rows, err)
                    : error_memory(err, n * sizeof *scores);
    if (rc == 0)
        rc = model_score(j->scorer->session, rows, n, scores, NULL, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        score_value v = {scores[i].logprob, scores[i].n_targets, scores[i].n_first};
        rc = job_set_value(j, index[i], &v, sizeof v, err);
    }
    free(rows);
    free(scores);
    return rc;
}

int scorer_score(scorer *c, const row *rows, size_t n, row_score *out, expense *spent,
                 error *err)
{
    job j;
    TRY(job_new(&j, c, (task){.kind = TASK_SCORE}, rows, n, err));
    int rc = job_run(&j, compute_scores, sizeof(score_value), true, spent, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        score_value v;
        memcpy(&v, j.values[j.first[i]].bytes, sizeof v);
        out[i] = (row_score){v.logprob, (size_t)v.n_targets, (size_t)v.n_first};
    }
    job_free(&j);
    return rc;
}

/* ---- Texts ---- */

/* A value is the number of tokens that were sampled, then the text. */
static int keep_continuation(job *j, size_t i, const continuation *x, error *err)
{
    text t = {0};
    uint64_t n = x->n;
    int rc = text_add(&t, &n, sizeof n, err);
    if (rc == 0)
        rc = text_add(&t, x->text, x->n_text, err);
    if (rc == 0)
        rc = job_set_value(j, i, t.s, t.n, err);
    text_free(&t);
    return rc;
}

static int generate_rows(job *j, const sampling *g, const size_t *index, size_t n,
                         error *err)
{
    row *rows = NULL;
    continuation *texts = array_new(n, sizeof *texts);
    int rc = texts ? job_collect_rows(j, index, n, &rows, err)
                   : error_memory(err, n * sizeof *texts);
    if (rc == 0)
        rc = model_generate(j->scorer->session, rows, n, 1, g, texts, err);
    bool made = rc == 0;
    for (size_t i = 0; made && i < n; i++) {
        if (rc == 0)
            rc = keep_continuation(j, index[i], &texts[i], err);
        continuation_free(&texts[i]);
    }
    free(rows);
    free(texts);
    return rc;
}

/* The session draws from a stream that depends on a context's place in the call; a text
 * that is to depend on its context alone needs a call, and a seed, of its own. */
static int compute_texts(job *j, const size_t *index, size_t n, error *err)
{
    if (j->task.sampling->temperature == 0)
        return generate_rows(j, j->task.sampling, index, n, err);
    for (size_t i = 0; i < n; i++) {
        const row *r = &j->rows[index[i]];
        char hex[SHA256_HEX], digits[17] = "";
        TRY(sha256_hex(r->tokens, r->n * sizeof *r->tokens, hex, err));
        memcpy(digits, hex, 16);
        sampling g = *j->task.sampling;
        g.seed = seed_mix(g.seed, strtoull(digits, NULL, 16));
        TRY(generate_rows(j, &g, index + i, 1, err));
    }
    return 0;
}

static int hand_out_texts(const job *j, char **texts, error *err)
{
    for (size_t i = 0; i < j->n; i++) {
        const value *v = &j->values[j->first[i]];
        texts[i] = bytes_copy(v->bytes + sizeof(uint64_t), v->n - sizeof(uint64_t));
        if (!texts[i]) {
            while (i-- > 0)
                free(texts[i]);
            return error_memory(err, v->n);
        }
    }
    return 0;
}

int scorer_generate(scorer *c, const row *contexts, size_t n, const sampling *g,
                    char **texts, expense *spent, error *err)
{
    job j;
    TRY(job_new(&j, c, (task){.kind = TASK_GENERATE, .sampling = g}, contexts, n, err));
    int rc = job_run(&j, compute_texts, sizeof(uint64_t), false, spent, err);
    if (rc == 0)
        rc = hand_out_texts(&j, texts, err);
    job_free(&j);
    return rc;
}

/* ---- Next tokens ---- */

static int compute_next(job *j, const size_t *index, size_t n, error *err)
{
    size_t k = j->task.k, bytes = k * (sizeof(int32_t) + sizeof(double));
    char *buffer = array_new(1, bytes);
    if (!buffer)
        return error_memory(err, bytes);
    double *logprobs = (double *)(void *)buffer;
    int32_t *ids = (int32_t *)(void *)(buffer + k * sizeof *logprobs);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = model_next(j->scorer->session, &j->rows[index[i]], 1, k, ids, logprobs, err);
        if (rc == 0)
            rc = job_set_value(j, index[i], buffer, bytes, err);
    }
    free(buffer);
    return rc;
}

int scorer_next(scorer *c, const row *r, size_t k, int32_t *ids, double *logprobs,
                expense *spent, error *err)
{
    job j;
    TRY(job_new(&j, c, (task){.kind = TASK_NEXT, .k = k}, r, 1, err));
    int rc =
        job_run(&j, compute_next, k * (sizeof *ids + sizeof *logprobs), true, spent, err);
    if (rc == 0) {
        memcpy(logprobs, j.values[0].bytes, k * sizeof *logprobs);
        memcpy(ids, j.values[0].bytes + k * sizeof *logprobs, k * sizeof *ids);
    }
    job_free(&j);
    return rc;
}

/* ---- Anything else ---- */

static int question_key(const scorer *c, const scorer_question *q, char key[SHA256_HEX],
                        error *err)
{
    sha256 h;
    TRY(sha256_begin(&h, err));
    int rc = sha256_add(&h, c->prefix.s, c->prefix.n, err);
    if (rc == 0)
        rc = sha256_add(&h, q->name, strlen(q->name) + 1, err);
    for (size_t i = 0; rc == 0 && i < q->n; i++) {
        uint64_t facts[2] = {q->rows[i].n, q->rows[i].n_context};
        rc = sha256_add(&h, facts, sizeof facts, err);
        if (rc == 0)
            rc = sha256_add(&h, q->rows[i].tokens, q->rows[i].n * sizeof(int32_t), err);
    }
    if (rc < 0) {
        sha256_end(&h, NULL, NULL);
        return rc;
    }
    return sha256_end(&h, key, err);
}

/* From the memo, or computed and put there before anything depends on it. */
static int question_value(scorer *c, const scorer_question *q, const char *key, text *out,
                          bool *foreign, error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    store *s = c->options.store;
    int found = s ? store_memo_get(s, key, &bytes, &n, foreign, err) : 0;
    int rc = found == 1 ? text_add(out, bytes, n, err) : found;
    free(bytes);
    if (rc < 0 || found == 1)
        return rc;
    TRY(q->compute(q->context, c->session, out, err));
    if (s)
        TRY(store_memo_put(s, key, text_string(out), out->n, err));
    (void)scorer_tick(c, q->tokens); /* what is asked next is short of time, not this */
    return 0;
}

int scorer_remember(scorer *c, const scorer_question *q, uint64_t allowance, text *out,
                    expense *spent, error *err)
{
    char key[SHA256_HEX];
    key_entry *e;
    bool foreign = false;
    TRY(question_key(c, q, key, err));
    TRY(key_ledger_find(&c->keys, key, &e, err));
    bool due = !e->paid;
    if (due && q->tokens > allowance)
        return 0;
    text_clear(out);
    TRY(question_value(c, q, key, out, &foreign, err));
    TRY(key_ledger_find(&c->keys, key, &e, err));
    e->paid = true;
    spent->tokens += due ? q->tokens : 0;
    spent->reused += due && foreign ? q->tokens : 0;
    return 1;
}

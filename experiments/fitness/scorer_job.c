#include "scorer_job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A slice is as many tokens as take about this long: what a kill can cost at most, and
 * how often a watcher hears. */
static const double slice_seconds = 3.0;
/* Against the clock they may be as short as this; shorter ones cost more than they do. */
static const double slice_least_seconds = 0.25;
enum { SLICE_LEAST_TOKENS = 512 };

/* ---- Keys ---- */

/* Everything of the task that its results depend on, as text. */
static int task_describe(const task *t, text *out, error *err)
{
    if (t->kind == TASK_SCORE)
        return text_add_string(out, "score\n", err);
    if (t->kind == TASK_NEXT)
        return text_add_format(out, err, "next %zu\n", t->k);
    const sampling *g = t->sampling;
    TRY(text_add_format(out, err, "generate %a %zu %a %a %zu %d %llu %zu\n",
                        g->temperature, g->top_k, g->top_p, g->repetition_penalty,
                        g->max_tokens, g->keep_eos, (unsigned long long)g->seed,
                        g->n_stops));
    for (size_t i = 0; i < g->n_stops; i++)
        TRY(text_add(out, g->stops[i], strlen(g->stops[i]) + 1, err));
    return 0;
}

/* How many tokens of the row the model reads, virtual ones included. */
static size_t tokens_read(const scorer *c, const row *r)
{
    size_t n = r->n + c->n_virtual;
    return n < c->window ? n : c->window;
}

static int row_key(const scorer *c, const text *head, const row *r, bool context_matters,
                   char key[SHA256_HEX], error *err)
{
    uint64_t facts[3] = {r->n, context_matters ? r->n_context : 0,
                         r->n + c->n_virtual > c->window ? c->options.overflow
                                                         : OVERFLOW_ERROR};
    sha256 h;
    TRY(sha256_begin(&h, err));
    int rc = sha256_add(&h, text_string(head), head->n, err);
    if (rc == 0)
        rc = sha256_add(&h, facts, sizeof facts, err);
    if (rc == 0)
        rc = sha256_add(&h, r->tokens, r->n * sizeof *r->tokens, err);
    if (rc < 0) {
        sha256_end(&h, NULL, NULL);
        return rc;
    }
    return sha256_end(&h, key, err);
}

/* ---- Naming rows ---- */

void job_free(job *j)
{
    for (size_t i = 0; j->values && i < j->n; i++)
        free(j->values[i].bytes);
    free(j->values);
    free(j->keys);
    free(j->first);
    free(j->due);
    free(j->missing);
}

/* Name every row, and find equal ones and those to be charged. */
static int job_name_rows(job *j, error *err)
{
    scorer *c = j->scorer;
    text head = {0};
    int rc = text_add(&head, c->prefix.s, c->prefix.n, err);
    if (rc == 0)
        rc = task_describe(&j->task, &head, err);
    uint64_t pass = ++c->keys.pass;
    for (size_t i = 0; rc == 0 && i < j->n; i++) {
        key_entry *e;
        rc = row_key(c, &head, &j->rows[i], j->task.kind == TASK_SCORE, j->keys[i], err);
        if (rc == 0)
            rc = key_ledger_find(&c->keys, j->keys[i], &e, err);
        if (rc < 0)
            break;
        if (e->pass != pass) {
            e->pass = pass;
            e->first = i;
            j->due[i] = !e->paid;
        }
        j->first[i] = e->first;
    }
    text_free(&head);
    return rc;
}

int job_new(job *j, scorer *c, task t, const row *rows, size_t n, error *err)
{
    *j = (job){.scorer = c,
               .task = t,
               .rows = rows,
               .n = n,
               .keys = array_new(n, sizeof *j->keys),
               .first = array_new(n, sizeof *j->first),
               .due = array_new(n, sizeof *j->due),
               .values = array_new(n, sizeof *j->values),
               .missing = array_new(n, sizeof *j->missing)};
    int rc = j->keys && j->first && j->due && j->values && j->missing
                 ? job_name_rows(j, err)
                 : error_memory(err, n * sizeof *j->keys);
    if (rc < 0)
        job_free(j);
    return rc;
}

/* What the memo knows; what it does not goes on the list of the missing. */
static int job_look_up(job *j, error *err)
{
    store *s = j->scorer->options.store;
    for (size_t i = 0; i < j->n; i++) {
        if (j->first[i] != i)
            continue;
        value *v = &j->values[i];
        int found =
            s ? store_memo_get(s, j->keys[i], &v->bytes, &v->n, &v->foreign, err) : 0;
        TRY(found);
        if (!found)
            j->missing[j->n_missing++] = i;
    }
    return 0;
}

static int row_order(const void *a, const void *b, void *context)
{
    const row *rows = context;
    const row *x = &rows[*(const size_t *)a], *y = &rows[*(const size_t *)b];
    size_t n = x->n < y->n ? x->n : y->n;
    for (size_t i = 0; i < n; i++)
        if (x->tokens[i] != y->tokens[i])
            return x->tokens[i] < y->tokens[i] ? -1 : 1;
    return (x->n > y->n) - (x->n < y->n);
}

/* Rows that begin alike stand together, so that a cut between slices parts few. */
static void job_sort_missing(job *j)
{
    row *rows = (row *)(uintptr_t)j->rows; /* qsort_r's context is not const */
    qsort_r(j->missing, j->n_missing, sizeof *j->missing, row_order, rows);
}

uint64_t row_price(const scorer *c, const task *t, const row *r)
{
    size_t tokens = tokens_read(c, r);
    if (t->kind == TASK_GENERATE) {
        size_t room = c->window - tokens;
        tokens += t->sampling->max_tokens < room ? t->sampling->max_tokens : room;
    }
    return tokens;
}

/* ---- Slices ---- */

/* Keep results in memory and, in one transaction, in the store. */
static int keep_slice(job *j, const size_t *index, size_t n, error *err)
{
    store *s = j->scorer->options.store;
    if (!s)
        return 0;
    int rc = store_begin(s, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const value *v = &j->values[index[i]];
        rc = store_memo_put(s, j->keys[index[i]], v->bytes, v->n, err);
    }
    return store_end(s, rc, err);
}

/* The rows of the next slice, which may take `allowed` seconds; 0: not even a small one
 * fits into them. */
static size_t slice_length(const job *j, size_t from, double allowed, uint64_t *tokens)
{
    double most = j->scorer->slice_tokens;
    if (allowed < slice_seconds)
        most *= fmax(0, allowed) / slice_seconds;
    size_t n = 0;
    *tokens = 0;
    while (from + n < j->n_missing && (n == 0 || (double)*tokens < most))
        *tokens += row_price(j->scorer, &j->task, &j->rows[j->missing[from + n++]]);
    bool fits = (double)*tokens <= most ||
                (allowed >= slice_least_seconds && (double)*tokens <= 2 * most);
    return fits || allowed >= slice_seconds ? n : 0;
}

static void adapt_slice(scorer *c, uint64_t tokens, double seconds)
{
    double wanted = seconds > 0 ? (double)tokens * slice_seconds / seconds : 1e9;
    double most = 4 * c->slice_tokens;
    c->slice_tokens = wanted < most ? wanted : most;
    if (c->slice_tokens < SLICE_LEAST_TOKENS)
        c->slice_tokens = SLICE_LEAST_TOKENS;
}

double scorer_tick(const scorer *c, uint64_t tokens)
{
    const ticker *t = c->options.ticker;
    return t && t->tick ? t->tick(t->context, tokens) : (double)INFINITY;
}

static int job_compute(job *j, compute_function *compute, error *err)
{
    scorer *c = j->scorer;
    uint64_t tokens;
    double allowed = j->n_missing ? scorer_tick(c, 0) : (double)INFINITY;
    job_sort_missing(j);
    for (size_t at = 0, n; at < j->n_missing; at += n) {
        if (c->options.interrupt && *c->options.interrupt)
            return error_set(err, E_INTERRUPTED, "stopped by the user");
        n = slice_length(j, at, allowed, &tokens);
        if (n == 0)
            return error_set(err, E_INTERRUPTED, "stopped because the time is up");
        double begin = clock_seconds();
        TRY(compute(j, j->missing + at, n, err));
        adapt_slice(c, tokens, clock_seconds() - begin);
        TRY(keep_slice(j, j->missing + at, n, err));
        allowed = scorer_tick(c, tokens);
    }
    return 0;
}

/* Everything is there: charge what is due, at the price that `charge_of` reads from the
 * value. */
static int job_charge(job *j, expense *spent, error *err)
{
    for (size_t i = 0; i < j->n; i++) {
        if (!j->due[i])
            continue;
        key_entry *e;
        TRY(key_ledger_find(&j->scorer->keys, j->keys[i], &e, err));
        uint64_t tokens = tokens_read(j->scorer, &j->rows[i]);
        if (j->task.kind == TASK_GENERATE) {
            uint64_t generated;
            memcpy(&generated, j->values[i].bytes, sizeof generated);
            tokens += generated;
        }
        e->paid = true;
        spent->tokens += tokens;
        spent->reused += j->values[i].foreign ? tokens : 0;
    }
    return 0;
}

static int bad_value(const job *j, size_t i, error *err)
{
    return error_set(err, E_FORMAT,
                     "the remembered result %s is %zu bytes long: not ours", j->keys[i],
                     j->values[i].n);
}

/* Are the remembered values what this task writes? `exact`: bytes, or the least. */
static int job_check(const job *j, size_t bytes, bool exact, error *err)
{
    for (size_t i = 0; i < j->n; i++) {
        size_t n = j->values[i].n;
        if (j->first[i] == i && (exact ? n != bytes : n < bytes))
            return bad_value(j, i, err);
    }
    return 0;
}

int job_set_value(job *j, size_t i, const void *bytes, size_t n, error *err)
{
    j->values[i].bytes = bytes_copy(bytes, n);
    j->values[i].n = n;
    return j->values[i].bytes ? 0 : error_memory(err, n);
}

int job_collect_rows(const job *j, const size_t *index, size_t n, row **out, error *err)
{
    row *rows = array_new(n, sizeof *rows);
    if (!rows)
        return error_memory(err, n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = j->rows[index[i]];
    *out = rows;
    return 0;
}

int job_run(job *j, compute_function *compute, size_t bytes, bool exact, expense *spent,
            error *err)
{
    TRY(job_look_up(j, err));
    TRY(job_compute(j, compute, err));
    TRY(job_check(j, bytes, exact, err));
    return job_charge(j, spent, err);
}

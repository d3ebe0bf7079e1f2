/* What is asked: questions, outputs and tasks, addressed by their content. */
#include "crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

const char *const question_names[N_QUESTION_KINDS] = {
    [QUESTION_COMPARE] = "compare",
    [QUESTION_BEST] = "best",
    [QUESTION_SCALE] = "scale",
    [QUESTION_ACCEPT] = "accept",
};

size_t question_outputs(question_kind kind)
{
    return kind == QUESTION_COMPARE ? 2 : kind == QUESTION_BEST ? 4 : 1;
}

void question_free(question *q)
{
    free(q->text);
    free(q->instructions);
    for (size_t i = 0; i < q->n_labels && q->labels; i++)
        free(q->labels[i]);
    free(q->labels);
    *q = (question){0};
}

/* SHA-256 of several strings: each with its NUL, so that no two lists read alike. */
static int hash_strings(const char *const *s, size_t n, char id[SHA256_HEX], error *err)
{
    sha256 h;
    int rc = 0;
    TRY(sha256_begin(&h, err));
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = sha256_add(&h, s[i], strlen(s[i]) + 1, err);
    int end = sha256_end(&h, rc == 0 ? id : NULL, err);
    return rc < 0 ? rc : end;
}

/* ---- Questions ---- */

static int check_question(const question *q, error *err)
{
    if ((unsigned)q->kind >= N_QUESTION_KINDS)
        return error_set(err, E_ARGUMENT, "a question of unknown kind %d", (int)q->kind);
    const char *name = question_names[q->kind];
    if (!q->text || !*q->text)
        return error_set(err, E_ARGUMENT, "a question (%s) has no text", name);
    if (q->ties && q->kind != QUESTION_COMPARE && q->kind != QUESTION_BEST)
        return error_set(err, E_ARGUMENT, "a question of kind %s knows no ties", name);
    if (q->kind != QUESTION_SCALE && q->n_labels)
        return error_set(err, E_ARGUMENT, "a question of kind %s has no labels", name);
    if (q->kind == QUESTION_SCALE && (q->n_labels < 2 || q->n_labels > MAX_LABELS))
        return error_set(err, E_ARGUMENT, "a scale has %zu labels; it must be 2 to %d",
                         q->n_labels, MAX_LABELS);
    for (size_t i = 0; i < q->n_labels; i++)
        if (!q->labels[i] || !*q->labels[i])
            return error_set(err, E_ARGUMENT, "label %zu of a scale is empty", i + 1);
    return 0;
}

static int mend_question(const question *q, question *out, error *err)
{
    *out = (question){.kind = q->kind, .ties = q->ties};
    out->labels = array_new(q->n_labels, sizeof *out->labels);
    if (!out->labels)
        return error_memory(err, q->n_labels * sizeof *out->labels);
    int rc = crowd_mend("a question's text", q->text, &out->text, err);
    if (rc == 0)
        rc = crowd_mend("a question's instructions",
                        q->instructions ? q->instructions : "", &out->instructions, err);
    for (; rc == 0 && out->n_labels < q->n_labels; out->n_labels += rc == 0)
        rc = crowd_mend("a label", q->labels[out->n_labels], &out->labels[out->n_labels],
                        err);
    if (rc < 0)
        question_free(out);
    return rc;
}

static int hash_question(const question *q, char id[SHA256_HEX], error *err)
{
    const char *parts[5 + MAX_LABELS] = {"question", question_names[q->kind],
                                         q->ties ? "ties" : "no ties", q->text,
                                         q->instructions};
    for (size_t i = 0; i < q->n_labels; i++)
        parts[5 + i] = q->labels[i];
    return hash_strings(parts, 5 + q->n_labels, id, err);
}

static int write_question(crowd *c, const question *q, const char *id, error *err)
{
    TRY(sql_execute(&c->file, CROWD_QUESTION_PUT, "write a question", err, "siissi", id,
                    (int64_t)q->kind, (int64_t)q->ties, q->text, q->instructions,
                    (int64_t)q->n_labels));
    for (size_t i = 0; i < q->n_labels; i++)
        TRY(sql_execute(&c->file, CROWD_LABEL_PUT, "write a label", err, "sis", id,
                        (int64_t)i, q->labels[i]));
    return 0;
}

int crowd_put_question(crowd *c, const question *q, char id[SHA256_HEX], error *err)
{
    question mended;
    char hash[SHA256_HEX];
    bool nested;
    TRY(check_question(q, err));
    TRY(mend_question(q, &mended, err));
    int rc = hash_question(&mended, hash, err);
    if (rc == 0)
        rc = crowd_enter(c, &nested, err);
    if (rc == 0)
        rc = crowd_end(c, nested, write_question(c, &mended, hash, err), err);
    question_free(&mended);
    if (rc == 0)
        memcpy(id, hash, sizeof hash);
    return rc;
}

static int read_labels(crowd *c, const char *id, question *q, size_t n, error *err)
{
    sqlite3_stmt *s;
    int rc;
    q->labels = array_new(n, sizeof *q->labels);
    if (!q->labels)
        return error_memory(err, n * sizeof *q->labels);
    if (n == 0)
        return 0;
    TRY(sql_query(&c->file, CROWD_LABELS_GET, &s, err, "s", id));
    while ((rc = sql_next(&c->file, s, "read the labels", err)) == 1 && q->n_labels < n) {
        rc = column_text(s, 0, &q->labels[q->n_labels], err);
        if (rc < 0)
            break;
        q->n_labels++;
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

int crowd_question(crowd *c, const char *id, question *out, error *err)
{
    sqlite3_stmt *s;
    TRY(sql_query(&c->file, CROWD_QUESTION_GET, &s, err, "s", id));
    int rc = sql_next(&c->file, s, "read a question", err);
    if (rc <= 0)
        return rc;
    question q = {.kind = (question_kind)sqlite3_column_int(s, 0),
                  .ties = sqlite3_column_int(s, 1) != 0};
    size_t n_labels = (size_t)sqlite3_column_int(s, 4);
    rc = column_text(s, 2, &q.text, err);
    if (rc == 0)
        rc = column_text(s, 3, &q.instructions, err);
    sql_done(s);
    if (rc == 0 && ((unsigned)q.kind >= N_QUESTION_KINDS || n_labels > MAX_LABELS))
        rc = error_set(err, E_FORMAT, "%s: question %.12s… is damaged", c->path, id);
    if (rc == 0)
        rc = read_labels(c, id, &q, n_labels, err);
    if (rc < 0) {
        question_free(&q);
        return rc;
    }
    *out = q;
    return 1;
}

/* ---- Outputs ---- */

static int write_output(crowd *c, const char *context, const char *output,
                        char id[SHA256_HEX], error *err)
{
    char context_id[SHA256_HEX];
    TRY(hash_strings((const char *const[]){"context", context}, 2, context_id, err));
    TRY(hash_strings((const char *const[]){"output", context, output}, 3, id, err));
    TRY(sql_execute(&c->file, CROWD_CONTEXT_PUT, "write a context", err, "ss", context_id,
                    context));
    return sql_execute(&c->file, CROWD_OUTPUT_PUT, "write an output", err, "sss", id,
                       context_id, output);
}

int crowd_put_output(crowd *c, const char *context, const char *output,
                     char id[SHA256_HEX], error *err)
{
    char *mended_context = NULL, *mended = NULL, hash[SHA256_HEX];
    bool nested;
    int rc = crowd_mend("a context", context, &mended_context, err);
    if (rc == 0)
        rc = crowd_mend("an output", output, &mended, err);
    if (rc == 0)
        rc = crowd_enter(c, &nested, err);
    if (rc == 0)
        rc =
            crowd_end(c, nested, write_output(c, mended_context, mended, hash, err), err);
    free(mended_context);
    free(mended);
    if (rc == 0)
        memcpy(id, hash, sizeof hash);
    return rc;
}

int crowd_output(crowd *c, const char *id, char **context, char **output, error *err)
{
    sqlite3_stmt *s;
    char *texts[2] = {NULL, NULL};
    TRY(sql_query(&c->file, CROWD_OUTPUT_GET, &s, err, "s", id));
    int rc = sql_next(&c->file, s, "read an output", err);
    if (rc <= 0)
        return rc;
    rc = context ? column_text(s, 2, &texts[0], err) : 0;
    if (rc == 0 && output)
        rc = column_text(s, 1, &texts[1], err);
    sql_done(s);
    if (rc < 0) {
        free(texts[0]);
        free(texts[1]);
        return rc;
    }
    if (context)
        *context = texts[0];
    if (output)
        *output = texts[1];
    return 1;
}

/* ---- Tasks ---- */

/* A task as it is written. */
typedef struct task_row {
    question q;
    size_t n;
    const char *outputs[MAX_OUTPUTS]; /* sorted */
    int64_t gold;                     /* as an answer; NO_GOLD */
    char id[SHA256_HEX];
} task_row;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The context (its id) of an output that must be there. */
static int find_context(crowd *c, const char *output, char context[SHA256_HEX],
                        error *err)
{
    sqlite3_stmt *s;
    TRY(sql_query(&c->file, CROWD_OUTPUT_GET, &s, err, "s", output));
    int rc = sql_next(&c->file, s, "look up an output", err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_ARGUMENT, "%s has no output \"%.64s\"", c->path,
                                  output);
    const char *id = (const char *)sqlite3_column_text(s, 0);
    strncpy(context, id ? id : "", SHA256_HEX - 1);
    context[SHA256_HEX - 1] = '\0';
    sql_done(s);
    return 0;
}

static int check_outputs(crowd *c, const task_row *t, error *err)
{
    char first[SHA256_HEX], other[SHA256_HEX];
    TRY(find_context(c, t->outputs[0], first, err));
    for (size_t i = 1; i < t->n; i++) {
        if (strcmp(t->outputs[i - 1], t->outputs[i]) == 0)
            return error_set(err, E_ARGUMENT, "output %.12s… is twice in one task",
                             t->outputs[i]);
        TRY(find_context(c, t->outputs[i], other, err));
        if (strcmp(first, other) != 0)
            return error_set(err, E_ARGUMENT,
                             "outputs %.12s… and %.12s… of one task have different "
                             "contexts",
                             t->outputs[0], t->outputs[i]);
    }
    return 0;
}

/* A whole number of one or two digits from least to most, else NO_GOLD. */
static int64_t small_number(const char *s, int least, int most)
{
    int x = 0;
    size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 2 || s[n] != '\0' || (n == 2 && s[0] == '0'))
        return NO_GOLD;
    for (size_t i = 0; i < n; i++)
        x = 10 * x + (s[i] - '0');
    return x < least || x > most ? NO_GOLD : x;
}

static int read_gold(const char *gold, task_row *t, error *err)
{
    t->gold = NO_GOLD;
    if (!gold)
        return 0;
    if (t->q.kind == QUESTION_SCALE)
        t->gold = small_number(gold, 1, (int)t->q.n_labels);
    else if (t->q.kind == QUESTION_ACCEPT)
        t->gold = small_number(gold, 0, 1);
    for (size_t i = 0; t->n > 1 && i < t->n; i++)
        if (strcmp(t->outputs[i], gold) == 0)
            t->gold = (int64_t)i;
    if (t->gold != NO_GOLD)
        return 0;
    return error_set(err, E_ARGUMENT, "gold \"%.64s\" is no answer to a task of kind %s",
                     gold, question_names[t->q.kind]);
}

static int check_request(crowd *c, const task_request *r, task_row *t, error *err)
{
    int rc = crowd_question(c, r->question, &t->q, err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_ARGUMENT, "%s has no question \"%.64s\"",
                                  c->path, r->question);
    if (!isfinite(r->priority))
        return error_set(err, E_NUMERIC, "a task's priority is not a finite number");
    if (r->wanted > INT32_MAX)
        return error_set(err, E_ARGUMENT, "a task wants %zu ratings; the limit is %d",
                         r->wanted, INT32_MAX);
    if (r->practice && !r->gold)
        return error_set(err, E_ARGUMENT, "a practice task needs its right answer");
    t->n = question_outputs(t->q.kind);
    for (size_t i = 0; i < t->n; i++)
        t->outputs[i] = r->outputs[i];
    qsort(t->outputs, t->n, sizeof *t->outputs, by_bytes);
    TRY(check_outputs(c, t, err));
    return read_gold(r->gold, t, err);
}

static int hash_task(const task_request *r, task_row *t, error *err)
{
    const char *parts[3 + MAX_OUTPUTS] = {"task", r->question, r->gold ? r->gold : ""};
    for (size_t i = 0; i < t->n; i++)
        parts[3 + i] = t->outputs[i];
    return hash_strings(parts, 3 + t->n, t->id, err);
}

static int put_task(crowd *c, const task_request *r, task_row *t, error *err)
{
    TRY(check_request(c, r, t, err));
    TRY(hash_task(r, t, err));
    return sql_execute(&c->file, CROWD_TASK_PUT, "write a task", err, "ssiissssidsii",
                       t->id, r->question, (int64_t)t->q.kind, (int64_t)t->n,
                       t->outputs[0], t->outputs[1], t->outputs[2], t->outputs[3],
                       (int64_t)r->wanted, r->priority, r->gold, t->gold,
                       (int64_t)r->practice);
}

int crowd_put_task(crowd *c, const task_request *r, char id[SHA256_HEX], error *err)
{
    task_row t = {0};
    bool nested;
    TRY(crowd_enter(c, &nested, err));
    int rc = crowd_end(c, nested, put_task(c, r, &t, err), err);
    question_free(&t.q);
    if (rc == 0)
        memcpy(id, t.id, sizeof t.id);
    return rc;
}

int crowd_task_outputs(crowd *c, const char *id, char outputs[MAX_OUTPUTS][SHA256_HEX],
                       error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_TASK_OUTPUTS, &q, err, "s", id));
    int rc = sql_next(&c->file, q, "read a task", err);
    if (rc <= 0)
        return rc;
    int n = sqlite3_column_int(q, 0);
    for (int i = 0; i < n && i < MAX_OUTPUTS; i++) {
        const char *output = (const char *)sqlite3_column_text(q, 1 + i);
        snprintf(outputs[i], SHA256_HEX, "%s", output ? output : "");
    }
    sql_done(q);
    return n >= 1 && n <= MAX_OUTPUTS
               ? n
               : error_set(err, E_FORMAT, "%s: task %.12s… is damaged", c->path, id);
}

int crowd_close_task(crowd *c, const char *id, error *err)
{
    if (!id)
        return sql_execute(&c->file, CROWD_TASKS_CLOSE, "close the tasks", err, "");
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_TASK_FIND, &q, err, "s", id));
    int rc = sql_next(&c->file, q, "look up a task", err);
    if (rc <= 0)
        return rc < 0
                   ? rc
                   : error_set(err, E_ARGUMENT, "%s has no task \"%.64s\"", c->path, id);
    sql_done(q);
    return sql_execute(&c->file, CROWD_TASK_CLOSE, "close a task", err, "s", id);
}

int crowd_task_wanted(crowd *c, const char *id, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_TASK_WANTED, &q, err, "s", id));
    int rc = sql_next(&c->file, q, "look up a task", err);
    if (rc <= 0)
        return rc < 0
                   ? rc
                   : error_set(err, E_ARGUMENT, "%s has no task \"%.64s\"", c->path, id);
    bool wanted = sqlite3_column_int(q, 0) != 0;
    sql_done(q);
    return wanted;
}

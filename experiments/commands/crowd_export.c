/* Tasks and ratings, a line each. */
#include "crowd_export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../views/json_lines.h"

typedef struct writer {
    crowd *c;
    bool csv;
    size_t n_labels; /* columns of labels, in CSV */
    text *out;
} writer;

/* ---- Cells and lines ---- */

/* A cell of RFC 4180, always quoted. One that a spreadsheet would take for a formula, or
 * that begins with an apostrophe, gets an apostrophe before it: contexts, names and
 * comments are others'. */
static int add_cell(text *out, const char *s, bool first, error *err)
{
    TRY(text_add_string(out, first ? "\"" : ",\"", err));
    if (*s && strchr("=+-@'\t\r", *s))
        TRY(text_add(out, "'", 1, err));
    for (const char *p = s; *p;) {
        size_t n = strcspn(p, "\"");
        TRY(text_add(out, p, n, err));
        p += n;
        if (*p == '"') {
            TRY(text_add(out, "\"\"", 2, err));
            p++;
        }
    }
    return text_add(out, "\"", 1, err);
}

static int add_number(text *out, double x, error *err)
{
    return isfinite(x) ? text_add_format(out, err, ",%.17g", x)
                       : text_add(out, ",", 1, err);
}

/* Takes `value`. */
static int add_json_line(text *out, json_t *value, error *err)
{
    char *s = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(value);
    if (!s)
        return error_set(err, E_MEMORY, "out of memory while an export was put together");
    int rc = text_add_string(out, s, err);
    free(s);
    return rc < 0 ? rc : text_add(out, "\n", 1, err);
}

/* NULL when any of them could not be made. */
static json_t *text_list(const char *const *s, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        if (json_array_append_new(list, json_string(s[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* ---- Tasks ---- */

/* A task with its texts. */
typedef struct whole_task {
    const crowd_task *task;
    question asked;
    char *context, *outputs[MAX_OUTPUTS];
    int gold; /* place of an output, or the number; -1: none */
} whole_task;

static void whole_task_free(whole_task *t)
{
    question_free(&t->asked);
    free(t->context);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        free(t->outputs[i]);
}

static int load_task(crowd *c, whole_task *t, error *err)
{
    const crowd_task *task = t->task;
    int rc = crowd_question(c, task->question, &t->asked, err);
    for (size_t i = 0; rc == 1 && i < task->n_outputs; i++)
        rc = crowd_output(c, task->outputs[i], i ? NULL : &t->context, &t->outputs[i],
                          err);
    if (rc == 0)
        return error_set(err, E_FORMAT, "what task %.12s… asks about is gone", task->id);
    t->gold = task->gold && task->n_outputs == 1 ? (int)strtol(task->gold, NULL, 10) : -1;
    for (size_t i = 0; task->gold && task->n_outputs > 1 && i < task->n_outputs; i++)
        if (strcmp(task->gold, task->outputs[i]) == 0)
            t->gold = (int)i;
    return rc < 0 ? rc : 0;
}

static int add_task_json(text *out, const whole_task *t, error *err)
{
    const crowd_task *task = t->task;
    const question *q = &t->asked;
    return add_json_line(
        out,
        json_pack("{s:s, s:{s:s, s:b, s:s, s:s, s:o}, s:s, s:o, s:I, s:f, s:o, s:b, s:b, "
                  "s:I}",
                  "task", task->id, "question", "kind", question_names[q->kind], "ties",
                  q->ties, "text", q->text, "instructions", q->instructions, "labels",
                  text_list((const char *const *)q->labels, q->n_labels), "context",
                  t->context, "outputs",
                  text_list((const char *const *)t->outputs, task->n_outputs), "wanted",
                  (json_int_t)task->wanted, "priority", task->priority, "gold",
                  t->gold < 0 ? json_null() : json_integer(t->gold), "practice",
                  task->practice, "closed", task->closed, "done", (json_int_t)task->done),
        err);
}

static int add_task_csv(text *out, const whole_task *t, size_t n_labels, error *err)
{
    const crowd_task *task = t->task;
    const question *q = &t->asked;
    TRY(add_cell(out, task->id, true, err));
    TRY(add_cell(out, question_names[q->kind], false, err));
    TRY(text_add_format(out, err, ",%d", q->ties));
    TRY(add_cell(out, q->text, false, err));
    TRY(add_cell(out, q->instructions, false, err));
    for (size_t i = 0; i < n_labels; i++)
        TRY(add_cell(out, i < q->n_labels ? q->labels[i] : "", false, err));
    TRY(add_cell(out, t->context, false, err));
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        TRY(add_cell(out, i < task->n_outputs ? t->outputs[i] : "", false, err));
    TRY(text_add_format(out, err, ",%zu", task->wanted));
    TRY(add_number(out, task->priority, err));
    TRY(t->gold < 0 ? text_add(out, ",", 1, err)
                    : text_add_format(out, err, ",%d", t->gold));
    return text_add_format(out, err, ",%d,%d,%zu\r\n", task->practice, task->closed,
                           task->done);
}

static int add_task(void *context, const crowd_task *task, error *err)
{
    const writer *w = context;
    whole_task t = {.task = task};
    int rc = load_task(w->c, &t, err);
    if (rc == 0)
        rc = w->csv ? add_task_csv(w->out, &t, w->n_labels, err)
                    : add_task_json(w->out, &t, err);
    whole_task_free(&t);
    return rc;
}

static int widen_labels(void *context, const crowd_task *task, error *err)
{
    writer *w = context;
    question q;
    if (task->kind != QUESTION_SCALE)
        return 0;
    int rc = crowd_question(w->c, task->question, &q, err);
    if (rc <= 0)
        return rc;
    if (q.n_labels > w->n_labels)
        w->n_labels = q.n_labels;
    question_free(&q);
    return 0;
}

static int add_task_head(const writer *w, error *err)
{
    TRY(text_add_string(w->out, "task,kind,ties,text,instructions", err));
    for (size_t i = 0; i < w->n_labels; i++)
        TRY(text_add_format(w->out, err, ",label%zu", i + 1));
    return text_add_string(w->out,
                           ",context,output1,output2,output3,output4,wanted,priority,"
                           "gold,practice,closed,done\r\n",
                           err);
}

int crowd_export_tasks(crowd *c, bool csv, text *out, error *err)
{
    writer w = {.c = c, .csv = csv, .out = out};
    if (csv) {
        TRY(crowd_each_task(c, 0, widen_labels, &w, err));
        TRY(add_task_head(&w, err));
    }
    return crowd_each_task(c, 0, add_task, &w, err);
}

/* ---- Ratings ---- */

static json_t *answer_value(int answer)
{
    return answer == ANSWER_TIE ? json_string("tie") : json_integer(answer);
}

static int add_rating_json(text *out, const crowd_rating *r, error *err)
{
    return add_json_line(
        out,
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s?, s:b, s:b, "
                  "s:b, s:b, s:b, s:b, s:o, s:s, s:s, s:s?}",
                  "id", (json_int_t)r->id, "time", (json_int_t)r->time, "rater",
                  (json_int_t)r->rater, "rater_name", r->rater_name, "rater_source",
                  rater_source_names[r->rater_source], "task", r->task, "question",
                  r->question, "kind", question_names[r->kind], "outputs",
                  text_list(r->outputs, r->n_outputs), "answer", answer_value(r->answer),
                  "gold", r->gold, "repeat", r->repeat, "late", r->late, "withdrawn",
                  r->withdrawn, "fast", r->fast, "excluded", r->excluded, "counts",
                  r->counts, "seconds", json_real_or_null(r->seconds), "comment",
                  r->comment, "source", r->source, "key", r->key),
        err);
}

static int add_rating_csv(text *out, const crowd_rating *r, error *err)
{
    TRY(text_add_format(out, err, "%" PRId64 ",%" PRId64 ",%" PRId64, r->id, r->time,
                        r->rater));
    TRY(add_cell(out, r->rater_name, false, err));
    TRY(text_add_format(out, err, ",%s,%s,%s,%s", rater_source_names[r->rater_source],
                        r->task, r->question, question_names[r->kind]));
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        TRY(text_add_format(out, err, ",%s", i < r->n_outputs ? r->outputs[i] : ""));
    TRY(r->answer == ANSWER_TIE ? text_add_string(out, ",tie", err)
                                : text_add_format(out, err, ",%d", r->answer));
    TRY(text_add_format(out, err, ",%s,%d,%d,%d,%d,%d,%d", r->gold ? r->gold : "",
                        r->repeat, r->late, r->withdrawn, r->fast, r->excluded,
                        r->counts));
    TRY(add_number(out, r->seconds, err));
    TRY(add_cell(out, r->comment, false, err));
    TRY(add_cell(out, r->source, false, err));
    TRY(add_cell(out, r->key ? r->key : "", false, err));
    return text_add_string(out, "\r\n", err);
}

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    const writer *w = context;
    return w->csv ? add_rating_csv(w->out, r, err) : add_rating_json(w->out, r, err);
}

int crowd_export_ratings(crowd *c, bool csv, text *out, error *err)
{
    writer w = {.c = c, .csv = csv, .out = out};
    if (csv)
        TRY(text_add_string(out,
                            "id,time,rater,rater_name,rater_source,task,question,kind,"
                            "output1,output2,output3,output4,answer,gold,repeat,late,"
                            "withdrawn,fast,excluded,counts,seconds,comment,source,key"
                            "\r\n",
                            err));
    return crowd_each_rating(c, 0, add_rating, &w, err);
}

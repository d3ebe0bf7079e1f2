/* Tasks and ratings, a line each. */
#include "crowd_export.h"

#include <stdlib.h>
#include <string.h>

#include "../../rater/api_json.h"
#include "../../rater/crowd_ratings.h"

typedef struct writer {
    crowd *c;
    bool csv;
    size_t n_labels; /* columns of labels, in CSV */
    text *out;
} writer;

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
    return api_print(
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
    TRY(text_add_string(out, task->id, err));
    TRY(api_csv_text(out, question_names[q->kind], err));
    TRY(text_add_format(out, err, ",%d", q->ties));
    TRY(api_csv_text(out, q->text, err));
    TRY(api_csv_text(out, q->instructions, err));
    for (size_t i = 0; i < n_labels; i++)
        TRY(api_csv_text(out, i < q->n_labels ? q->labels[i] : "", err));
    TRY(api_csv_text(out, t->context, err));
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        TRY(api_csv_text(out, i < task->n_outputs ? t->outputs[i] : "", err));
    TRY(text_add_format(out, err, ",%zu,%.17g", task->wanted, task->priority));
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

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    const writer *w = context;
    return w->csv ? api_rating_csv(w->out, r, err) : api_rating_jsonl(w->out, r, err);
}

int crowd_export_ratings(crowd *c, bool csv, text *out, error *err)
{
    writer w = {.c = c, .csv = csv, .out = out};
    if (csv)
        TRY(api_rating_csv_head(out, err));
    return crowd_each_rating(c, 0, add_rating, &w, err);
}

/* ---- For aggregation ---- */

static int add_comparison(text *out, bool csv, const comparisons *c, size_t i,
                          const double *weights, error *err)
{
    const comparison *x = &c->list[i];
    const char *winner = c->items.names[x->winner], *loser = c->items.names[x->loser];
    const char *rater = c->raters.names[x->rater];
    if (!csv)
        return api_print(out,
                         json_pack("{s:s, s:s, s:s, s:b, s:f}", "winner", winner, "loser",
                                   loser, "rater", rater, "tie", x->tie, "weight",
                                   weights[x->rater]),
                         err);
    TRY(text_add_format(out, err, "%s,%s", winner, loser));
    TRY(api_csv_text(out, rater, err));
    return text_add_format(out, err, ",%d,%.6g\r\n", x->tie, weights[x->rater]);
}

int crowd_export_comparisons(crowd *c, bool csv, text *out, error *err)
{
    comparisons list = {0};
    double *weights = NULL;
    TRY(crowd_comparisons(c, &(crowd_choice){.question = NULL}, &list, err));
    int rc = crowd_weights(c, &list.raters, &weights, err);
    if (rc == 0 && csv)
        rc = text_add_string(out, "winner,loser,rater,tie,weight\r\n", err);
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = add_comparison(out, csv, &list, i, weights, err);
    free(weights);
    comparisons_free(&list);
    return rc;
}

static int add_value(text *out, bool csv, const ratings *r, size_t i, error *err)
{
    const rating *x = &r->list[i];
    const char *item = r->items.names[x->item], *rater = r->raters.names[x->rater];
    if (!csv)
        return api_print(
            out,
            json_pack("{s:s, s:s, s:f}", "item", item, "rater", rater, "value", x->value),
            err);
    TRY(text_add_string(out, item, err));
    TRY(api_csv_text(out, rater, err));
    return text_add_format(out, err, ",%s\r\n", r->labels.names[x->label]);
}

int crowd_export_values(crowd *c, bool csv, text *out, error *err)
{
    ratings list = {0};
    TRY(crowd_values(c, &(crowd_choice){.question = NULL}, &list, err));
    int rc = csv ? text_add_string(out, "item,rater,value\r\n", err) : 0;
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = add_value(out, csv, &list, i, err);
    ratings_free(&list);
    return rc;
}

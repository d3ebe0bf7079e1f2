/* A row as a task, a row as a rating. */
#include "crowd_import.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const crowd_task_columns[] = {
    "question", "kind",    "ties",     "text",    "instructions", "labels",
    "label1",   "label2",  "label3",   "label4",  "label5",       "label6",
    "label7",   "label8",  "label9",   "label10", "label11",      "context",
    "outputs",  "output1", "output2",  "output3", "output4",      "wanted",
    "priority", "gold",    "practice", "closed",  "task",         NULL};
const char *const crowd_rating_columns[] = {
    "id",       "time",     "rater",   "rater_name", "rater_source", "task",
    "question", "kind",     "outputs", "output1",    "output2",      "output3",
    "output4",  "answer",   "gold",    "practice",   "repeat",       "late",
    "fast",     "excluded", "counts",  "withdrawn",  "seconds",      "comment",
    "source",   "key",      NULL};

/* Put the row's place before an error of the crowd. */
static int at_row(const crowd_rows *r, int rc, error *err)
{
    if (rc < 0)
        error_prefix(err, "%s:%zu", r->path, crowd_rows_line(r));
    return rc;
}

static int wanted_text(crowd_rows *r, const char *name, const char **out, error *err)
{
    TRY(crowd_rows_text(r, name, out, err));
    return **out ? 0 : crowd_rows_error(r, err, "\"%s\" is missing", name);
}

static int read_choice(crowd_rows *r, const char *name, const char *const *names,
                       size_t n, size_t *out, error *err)
{
    const char *s;
    TRY(wanted_text(r, name, &s, err));
    for (*out = 0; *out < n; ++*out)
        if (strcmp(names[*out], s) == 0)
            return 0;
    const char *near = nearest_name(s, names, n);
    return crowd_rows_error(r, err, "\"%s\" says \"%.60s\", which it cannot be%s%s%s",
                            name, s, near ? "; did you mean \"" : "", near ? near : "",
                            near ? "\"?" : "");
}

/* ---- Tasks ---- */

/* A question whose texts are the row's. */
static int read_question(crowd_rows *r, question *q, char *labels[MAX_LABELS], error *err)
{
    size_t kind;
    const char *asked, *instructions, *label;
    TRY(read_choice(r, "kind", question_names, N_QUESTION_KINDS, &kind, err));
    TRY(wanted_text(r, "text", &asked, err));
    TRY(crowd_rows_text(r, "instructions", &instructions, err));
    *q = (question){.kind = (question_kind)kind,
                    .text = (char *)(uintptr_t)asked,
                    .instructions = (char *)(uintptr_t)instructions,
                    .labels = labels};
    TRY(crowd_rows_bool(r, "ties", &q->ties, err));
    for (; q->n_labels < MAX_LABELS; q->n_labels++) {
        char name[30];
        snprintf(name, sizeof name, "label%zu", q->n_labels + 1);
        TRY(crowd_rows_text(r, name, &label, err));
        if (!*label)
            break;
        labels[q->n_labels] = (char *)(uintptr_t)label;
    }
    return 0;
}

static int put_outputs(crowd *c, crowd_rows *r, size_t n,
                       char ids[MAX_OUTPUTS][SHA256_HEX], error *err)
{
    const char *context, *output;
    char name[30];
    TRY(crowd_rows_text(r, "context", &context, err));
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        snprintf(name, sizeof name, "output%zu", i + 1);
        int has = crowd_rows_text(r, name, &output, err);
        TRY(has);
        if (i < n && !has)
            return crowd_rows_error(r, err, "\"%s\" is missing: this kind has %zu", name,
                                    n);
        if (i >= n && *output)
            return crowd_rows_error(
                r, err, "\"%s\" says \"%.60s\", but this kind has %zu", name, output, n);
        if (i < n)
            TRY(at_row(r, crowd_put_output(c, context, output, ids[i], err), err));
    }
    return 0;
}

/* The right answer: the place of an output in this row, from 0; or the label or truth.
 * *gold NULL: there is none. */
static int read_gold(crowd_rows *r, size_t n, char ids[MAX_OUTPUTS][SHA256_HEX],
                     char number[8], const char **gold, error *err)
{
    int64_t place;
    int most = n > 1 ? (int)n - 1 : MAX_LABELS;
    int rc = crowd_rows_whole(r, "gold", 0, most, &place, err);
    *gold = NULL;
    if (rc <= 0)
        return rc;
    snprintf(number, 8, "%d", (int)place);
    *gold = n > 1 ? ids[place] : number;
    return 0;
}

static int read_request(crowd_rows *r, task_request *t, bool *closed, error *err)
{
    int64_t wanted = 1;
    TRY(crowd_rows_whole(r, "wanted", 0, INT32_MAX, &wanted, err));
    TRY(crowd_rows_real(r, "priority", &t->priority, err));
    TRY(crowd_rows_bool(r, "practice", &t->practice, err));
    t->wanted = (size_t)wanted;
    *closed = false;
    int rc = crowd_rows_bool(r, "closed", closed, err);
    return rc < 0 ? rc : 0;
}

/* A file that tells the task's id tells what was shown: it must come out the same. */
static int check_id(crowd_rows *r, const char *id, error *err)
{
    const char *told;
    TRY(crowd_rows_text(r, "task", &told, err));
    if (!*told || strcmp(told, id) == 0)
        return 0;
    return crowd_rows_error(r, err,
                            "\"task\" says \"%.64s\", but the id of what the row asks is "
                            "%s",
                            told, id);
}

static int import_task(crowd *c, crowd_rows *r, error *err)
{
    question q;
    char *labels[MAX_LABELS], ids[MAX_OUTPUTS][SHA256_HEX], asked[SHA256_HEX], number[8];
    char id[SHA256_HEX];
    const char *outputs[MAX_OUTPUTS];
    bool closed;
    TRY(read_question(r, &q, labels, err));
    TRY(at_row(r, crowd_put_question(c, &q, asked, err), err));
    TRY(put_outputs(c, r, question_outputs(q.kind), ids, err));
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        outputs[i] = ids[i];
    task_request t = {.question = asked, .outputs = outputs};
    TRY(read_request(r, &t, &closed, err));
    TRY(read_gold(r, question_outputs(q.kind), ids, number, &t.gold, err));
    TRY(at_row(r, crowd_put_task(c, &t, id, err), err));
    TRY(check_id(r, id, err));
    return closed ? at_row(r, crowd_close_task(c, id, err), err) : 0;
}

int crowd_import_tasks(crowd *c, crowd_rows *rows, import_counts *n, error *err)
{
    int rc;
    crowd_counts before, after;
    *n = (import_counts){0};
    TRY(crowd_count(c, &before, err));
    while ((rc = crowd_rows_next(rows, crowd_task_columns, err)) == 1) {
        TRY(import_task(c, rows, err));
        n->rows++;
    }
    TRY(rc);
    TRY(crowd_count(c, &after, err));
    n->known = n->rows - (after.tasks - before.tasks);
    return 0;
}

/* ---- Ratings ---- */

/* Where ratings come from and go to. */
typedef struct rating_reader {
    crowd *c;
    crowd_rows *rows;
    int64_t now;
} rating_reader;

/* What the answers of a task mean. */
typedef struct answered_task {
    const char *id;
    size_t n;
    char outputs[MAX_OUTPUTS][SHA256_HEX];
} answered_task;

static int read_rater(const rating_reader *x, int64_t *id, error *err)
{
    size_t source = RATER_API;
    const char *name, *told;
    TRY(crowd_rows_text(x->rows, "rater_name", &name, err));
    if (!*name)
        TRY(wanted_text(x->rows, "rater", &name, err));
    TRY(crowd_rows_text(x->rows, "rater_source", &told, err));
    if (*told)
        TRY(read_choice(x->rows, "rater_source", rater_source_names, N_RATER_SOURCES,
                        &source, err));
    return at_row(x->rows, crowd_rater(x->c, (rater_source)source, name, x->now, id, err),
                  err);
}

static int find_task(const rating_reader *x, answered_task *task, error *err)
{
    TRY(wanted_text(x->rows, "task", &task->id, err));
    int rc = crowd_task_outputs(x->c, task->id, task->outputs, err);
    task->n = rc > 0 ? (size_t)rc : 0;
    if (rc == 0)
        return crowd_rows_error(x->rows, err,
                                "the crowd has no task \"%.64s\": import its tasks first",
                                task->id);
    return rc < 0 ? at_row(x->rows, rc, err) : 0;
}

/* If the row tells the outputs, they must be the task's. */
static int check_outputs(const rating_reader *x, const answered_task *task, error *err)
{
    const char *told;
    for (size_t i = 0; i < task->n; i++) {
        char name[30];
        snprintf(name, sizeof name, "output%zu", i + 1);
        TRY(crowd_rows_text(x->rows, name, &told, err));
        if (*told && strcmp(told, task->outputs[i]) != 0)
            return crowd_rows_error(
                x->rows, err, "\"%s\" says \"%.64s\", but that of task %.12s… is %s",
                name, told, task->id, task->outputs[i]);
    }
    return 0;
}

/* "tie", the id of an output of the task, or a number. */
static int read_answer(const rating_reader *x, const answered_task *task, int *answer,
                       error *err)
{
    const char *s;
    int64_t number = 0;
    TRY(wanted_text(x->rows, "answer", &s, err));
    *answer = ANSWER_TIE;
    if (strcmp(s, "tie") == 0)
        return 0;
    for (size_t i = 0; task->n > 1 && i < task->n; i++)
        if (strcmp(s, task->outputs[i]) == 0) {
            *answer = (int)i;
            return 0;
        }
    int most = task->n > 1 ? (int)task->n - 1 : MAX_LABELS;
    int rc = crowd_rows_whole(x->rows, "answer", 0, most, &number, err);
    *answer = (int)number;
    return rc < 0 ? rc : 0;
}

static int read_times(const rating_reader *x, foreign_rating *r, error *err)
{
    r->seconds = (double)NAN;
    r->time = x->now;
    TRY(crowd_rows_whole(x->rows, "time", 0, INT64_MAX, &r->time, err));
    int rc = crowd_rows_real(x->rows, "seconds", &r->seconds, err);
    return rc < 0 ? rc : 0;
}

static int read_flags(const rating_reader *x, foreign_rating *r, error *err)
{
    TRY(crowd_rows_bool(x->rows, "repeat", &r->repeat, err));
    TRY(crowd_rows_bool(x->rows, "late", &r->late, err));
    int rc = crowd_rows_bool(x->rows, "withdrawn", &r->withdrawn, err);
    return rc < 0 ? rc : 0;
}

/* A row without a key gets one of its content, so that importing it again is importing it
 * once; "id" tells equal rows apart. */
static int derive_key(const foreign_rating *r, const char *id, char key[SHA256_HEX + 10],
                      error *err)
{
    text all = {0};
    char hex[SHA256_HEX] = "";
    int rc = text_add_format(&all, err, "%s %lld %d %lld %d %d %s", r->task,
                             (long long)r->rater, r->answer, (long long)r->time,
                             r->repeat, r->withdrawn, id);
    if (rc == 0)
        rc = sha256_hex(all.s, all.n, hex, err);
    text_free(&all);
    snprintf(key, SHA256_HEX + 10, "import:%s", hex);
    return rc;
}

static int record(const rating_reader *x, const foreign_rating *r, import_counts *n,
                  error *err)
{
    int rc = crowd_record(x->c, r, err);
    if (rc < 0)
        return at_row(x->rows, rc, err);
    n->known += rc == SUBMIT_SAME;
    if (rc != SUBMIT_CONFLICT)
        return 0;
    return crowd_rows_error(x->rows, err,
                            "the crowd has another answer of this rater to task %.12s…, "
                            "or key \"%.80s\" is another rating's",
                            r->task, r->key);
}

static int import_rating(const rating_reader *x, import_counts *n, error *err)
{
    foreign_rating r = {.source = "import"};
    answered_task task;
    const char *id, *source, *key;
    char derived[SHA256_HEX + 10];
    TRY(find_task(x, &task, err));
    r.task = task.id;
    TRY(check_outputs(x, &task, err));
    TRY(read_answer(x, &task, &r.answer, err));
    TRY(read_rater(x, &r.rater, err));
    TRY(read_times(x, &r, err));
    TRY(read_flags(x, &r, err));
    TRY(crowd_rows_text(x->rows, "comment", &r.comment, err));
    TRY(crowd_rows_text(x->rows, "source", &source, err));
    TRY(crowd_rows_text(x->rows, "key", &key, err));
    TRY(crowd_rows_text(x->rows, "id", &id, err));
    if (*source)
        r.source = source;
    r.key = *key ? key : derived;
    if (!*key)
        TRY(derive_key(&r, id, derived, err));
    return record(x, &r, n, err);
}

int crowd_import_ratings(crowd *c, crowd_rows *rows, int64_t now, import_counts *n,
                         error *err)
{
    int rc;
    const rating_reader x = {c, rows, now};
    *n = (import_counts){0};
    while ((rc = crowd_rows_next(rows, crowd_rating_columns, err)) == 1) {
        TRY(import_rating(&x, n, err));
        n->rows++;
    }
    return rc;
}

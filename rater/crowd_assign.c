/* Asking: which task a rater is shown next, and in which order. */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

void assignment_free(assignment *a)
{
    question_free(&a->question);
    free(a->context);
    for (size_t i = 0; i < a->n_shown && i < MAX_OUTPUTS; i++)
        free(a->shown[i]);
    *a = (assignment){0};
}

/* ---- Loading one for the caller ---- */

/* The place at which output `answer` was shown; ties and labels are themselves. */
static int answer_as_shown(const char *placement, size_t n, int answer)
{
    for (size_t i = 0; n > 1 && i < n; i++)
        if (placement[i] - '0' == answer)
            return (int)i;
    return answer;
}

static void read_name(sqlite3_stmt *q, int column, char *out, size_t size)
{
    const char *s = (const char *)sqlite3_column_text(q, column);
    snprintf(out, size, "%s", s ? s : "");
}

/* Ids that the row refers to. */
typedef struct assignment_ids {
    char question[SHA256_HEX], outputs[MAX_OUTPUTS][SHA256_HEX];
} assignment_ids;

static int read_assignment(crowd *c, int64_t n, assignment *a, assignment_ids *ids,
                           error *err)
{
    sqlite3_stmt *q;
    char placement[MAX_OUTPUTS + 1];
    TRY(sql_query(&c->file, CROWD_ASSIGNMENT_GET, &q, err, "i", n));
    int rc = sql_next(&c->file, q, "read an assignment", err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_EXTERNAL, "%s: an assignment is gone", c->path);
    read_name(q, 0, a->token, sizeof a->token);
    read_name(q, 1, a->task, sizeof a->task);
    a->rater = sqlite3_column_int64(q, 2);
    read_name(q, 3, placement, sizeof placement);
    a->repeat = sqlite3_column_int(q, 4) != 0;
    a->answered = sqlite3_column_int(q, 5) != 0;
    a->n_shown = (size_t)sqlite3_column_int(q, 8);
    read_name(q, 7, ids->question, sizeof ids->question);
    size_t shown = a->n_shown <= MAX_OUTPUTS && strlen(placement) == a->n_shown;
    for (size_t i = 0; shown && i < a->n_shown; i++)
        read_name(q, 9 + (placement[i] - '0') % MAX_OUTPUTS, ids->outputs[i],
                  sizeof ids->outputs[i]);
    if (a->answered)
        a->answer = answer_as_shown(placement, a->n_shown, sqlite3_column_int(q, 6));
    a->n_done = (size_t)sqlite3_column_int64(q, 13);
    int64_t unanswered = sqlite3_column_int64(q, 15) - sqlite3_column_int64(q, 14);
    bool is_among_them = sqlite3_column_int(q, 16) != 0;
    a->n_left = (size_t)unanswered + (!is_among_them && !a->answered);
    a->can_undo = a->n_done > 0;
    sql_done(q);
    return shown ? 0
                 : error_set(err, E_FORMAT, "%s: assignment %lld is damaged", c->path,
                             (long long)n);
}

static int load_texts(crowd *c, assignment *a, const assignment_ids *ids, error *err)
{
    int rc = crowd_question(c, ids->question, &a->question, err);
    size_t n = a->n_shown;
    a->n_shown = 0;
    for (; rc == 1 && a->n_shown < n; a->n_shown += rc == 1)
        rc = crowd_output(c, ids->outputs[a->n_shown], a->n_shown ? NULL : &a->context,
                          &a->shown[a->n_shown], err);
    if (rc == 0)
        return error_set(err, E_FORMAT, "%s: what a task asks about is gone", c->path);
    return rc < 0 ? rc : 0;
}

int crowd_load_assignment(crowd *c, int64_t n, assignment *out, error *err)
{
    assignment a = {0};
    assignment_ids ids;
    int rc = read_assignment(c, n, &a, &ids, err);
    if (rc < 0)
        return rc; /* no text is there yet */
    rc = load_texts(c, &a, &ids, err);
    if (rc < 0) {
        assignment_free(&a);
        return rc;
    }
    *out = a;
    return 0;
}

int crowd_find_assignment(crowd *c, const char *token, assignment_row *out, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_ASSIGNMENT_BY_TOKEN, &q, err, "s", token));
    int rc = sql_next(&c->file, q, "look up an assignment", err);
    if (rc <= 0)
        return rc;
    *out = (assignment_row){
        .n = sqlite3_column_int64(q, 0),
        .task = sqlite3_column_int64(q, 1),
        .rater = sqlite3_column_int64(q, 2),
        .kind = (question_kind)sqlite3_column_int(q, 3),
        .ties = sqlite3_column_int(q, 4) != 0,
        .repeat = sqlite3_column_int(q, 5) != 0,
        .has_rating = sqlite3_column_int(q, 6) != 0,
        .n_labels = (size_t)sqlite3_column_int(q, 7),
        .n_outputs = (size_t)sqlite3_column_int(q, 8),
        .shown = sqlite3_column_int64(q, 10),
        .gold = sqlite3_column_int64(q, 11),
        .answer = sqlite3_column_int(q, 12),
        .late = sqlite3_column_int(q, 13) != 0,
    };
    read_name(q, 9, out->placement, sizeof out->placement);
    sql_done(q);
    return 1;
}

int crowd_assignment(crowd *c, const char *token, assignment *out, error *err)
{
    assignment_row a;
    int rc = crowd_find_assignment(c, token, &a, err);
    if (rc <= 0)
        return rc;
    TRY(crowd_load_assignment(c, a.n, out, err));
    return 1;
}

/* ---- Choosing ---- */

/* A row of task, number of outputs, whether it takes a place. 1, or 0 for no row. */
static int read_choice(crowd *c, sqlite3_stmt *q, task_choice *out, error *err)
{
    int rc = sql_next(&c->file, q, "choose a task", err);
    if (rc <= 0)
        return rc;
    *out = (task_choice){.task = sqlite3_column_int64(q, 0),
                         .n_outputs = (size_t)sqlite3_column_int(q, 1),
                         .takes_place = sqlite3_column_int(q, 2) != 0};
    sql_done(q);
    return 1;
}

int crowd_find_task(crowd *c, const char *id, task_choice *out, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_TASK_FIND, &q, err, "s", id));
    return read_choice(c, q, out, err);
}

static int choose_gold(crowd *c, int64_t rater, int64_t n_tasks, task_choice *out,
                       error *err)
{
    sqlite3_stmt *q;
    size_t from;
    TRY(random_below((size_t)n_tasks + 1, &from, err));
    TRY(sql_query(&c->file, CROWD_NEXT_GOLD, &q, err, "ii", rater, (int64_t)from));
    int rc = read_choice(c, q, out, err);
    if (rc != 0)
        return rc;
    TRY(sql_query(&c->file, CROWD_NEXT_GOLD, &q, err, "ii", rater, (int64_t)0));
    return read_choice(c, q, out, err);
}

static int choose_repeat(crowd *c, int64_t rater, task_choice *out, error *err)
{
    sqlite3_stmt *q;
    size_t above;
    TRY(sql_query(&c->file, CROWD_REPEAT_RANGE, &q, err, "i", rater));
    int rc = sql_next(&c->file, q, "choose a task to repeat", err);
    if (rc <= 0)
        return rc;
    bool none = sqlite3_column_type(q, 1) == SQLITE_NULL;
    int64_t first = sqlite3_column_int64(q, 0), last = sqlite3_column_int64(q, 1);
    sql_done(q);
    if (none)
        return 0;
    TRY(random_below((size_t)(last - first) + 1, &above, err));
    TRY(sql_query(&c->file, CROWD_NEXT_REPEAT, &q, err, "iii", rater,
                  first + (int64_t)above, last));
    rc = read_choice(c, q, out, err);
    out->repeat = true;
    return rc;
}

/* 1, or 0 when nothing is left. Gold and repeats are only mixed among open tasks: who has
 * answered those is not kept busy with checks. */
static int choose(crowd *c, int64_t rater, const crowd_state *s, task_choice *out,
                  error *err)
{
    sqlite3_stmt *q;
    task_choice check = {0};
    size_t draw;
    TRY(sql_query(&c->file, CROWD_NEXT_TASK, &q, err, "i", rater));
    int rc = read_choice(c, q, out, err);
    if (rc <= 0)
        return rc;
    TRY(random_below((size_t)1 << 32, &draw, err));
    double x = (double)draw / 4294967296.0;
    rc = 0;
    if (x < s->rules.gold_share)
        rc = choose_gold(c, rater, s->n_tasks, &check, err);
    else if (x < s->rules.gold_share + s->rules.repeat_share)
        rc = choose_repeat(c, rater, &check, err);
    if (rc == 1)
        *out = check;
    return rc < 0 ? rc : 1;
}

static int random_placement(size_t n, char out[MAX_OUTPUTS + 1], error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t j;
        TRY(random_below(i + 1, &j, err));
        out[i] = out[j];
        out[j] = (char)('0' + i);
    }
    out[n] = '\0';
    return 0;
}

int crowd_new_assignment(crowd *c, int64_t rater, const task_choice *t, int64_t now,
                         const quality_rules *rules, int64_t *n,
                         char token[ASSIGNMENT_TOKEN], error *err)
{
    char placement[MAX_OUTPUTS + 1];
    sqlite3_stmt *q;
    TRY(random_token(token, err));
    TRY(random_placement(t->n_outputs, placement, err));
    TRY(sql_query(&c->file, CROWD_ASSIGNMENT_PUT, &q, err, "siisiiii", token, t->task,
                  rater, placement, (int64_t)t->repeat, now, now + rules->lease_seconds,
                  (int64_t)t->takes_place));
    int rc = sql_next(&c->file, q, "write an assignment", err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_EXTERNAL, "a new assignment has no number");
    *n = sqlite3_column_int64(q, 0);
    sql_done(q);
    return 0;
}

int crowd_find_assignment_of(crowd *c, int64_t rater, const task_choice *t, int64_t *n,
                             bool *answered, char token[ASSIGNMENT_TOKEN], error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_ASSIGNMENT_OF, &q, err, "iii", rater, t->task,
                  (int64_t)t->repeat));
    int rc = sql_next(&c->file, q, "look up an assignment", err);
    if (rc <= 0)
        return rc;
    *n = sqlite3_column_int64(q, 0);
    *answered = sqlite3_column_int(q, 1) == 1;
    read_name(q, 2, token, ASSIGNMENT_TOKEN);
    sql_done(q);
    return 1;
}

/* The rater's assignment to this task: the one he has had before, if any (so that he
 * cannot be counted twice), else a new one. *answered: nothing is left to do. */
static int assign_choice(crowd *c, int64_t rater, const task_choice *t, int64_t now,
                         const quality_rules *rules, int64_t *n, error *err)
{
    char token[ASSIGNMENT_TOKEN];
    bool answered;
    int rc = crowd_find_assignment_of(c, rater, t, n, &answered, token, err);
    if (rc == 0)
        return crowd_new_assignment(c, rater, t, now, rules, n, token, err);
    if (rc < 0 || answered)
        return rc < 0 ? rc : 0;
    TRY(sql_execute(&c->file, CROWD_ASSIGNMENT_REOPEN, "reopen an assignment", err, "i",
                    *n));
    return sql_execute(&c->file, CROWD_LEASE_TAKE, "keep a place", err, "ii", *n,
                       now + rules->lease_seconds);
}

/* Keep the place, which runs out at `until` (0: has), from now on. A reload within the
 * first half of its time writes nothing. */
static int renew(crowd *c, int64_t n, int64_t until, int64_t now,
                 const quality_rules *rules, error *err)
{
    if (until - now > rules->lease_seconds / 2)
        return 0;
    return sql_execute(&c->file, CROWD_LEASE_TAKE, "keep a place", err, "ii", n,
                       now + rules->lease_seconds);
}

/* The assignment that the rater has open and may go on with: 1 and *n. Those whose task
 * was closed meanwhile, or whose place somebody else has, are dropped. */
static int find_open(crowd *c, int64_t rater, int64_t now, const quality_rules *rules,
                     int64_t *n, error *err)
{
    for (;;) {
        sqlite3_stmt *q;
        TRY(sql_query(&c->file, CROWD_ASSIGNMENT_OPEN, &q, err, "i", rater));
        int rc = sql_next(&c->file, q, "look up an open assignment", err);
        if (rc <= 0)
            return rc;
        int64_t found = sqlite3_column_int64(q, 0), until = sqlite3_column_int64(q, 1);
        bool closed = sqlite3_column_int(q, 2) != 0;
        bool has_place = sqlite3_column_int(q, 3) != 0;
        bool check = sqlite3_column_int(q, 4) != 0;
        sql_done(q);
        if (check || (!closed && (until || has_place))) {
            *n = found;
            if (!check)
                TRY(renew(c, found, until, now, rules, err));
            return 1;
        }
        TRY(sql_execute(&c->file, CROWD_ASSIGNMENT_DROP, "drop an assignment", err, "i",
                        found));
    }
}

/* ---- Whether the rater may ---- */

static int admit(crowd *c, int64_t rater, const crowd_state *s, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_RATER_GET, &q, err, "i", rater));
    int rc = sql_next(&c->file, q, "look up a rater", err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_ARGUMENT, "%s has no rater %lld", c->path,
                                  (long long)rater);
    size_t n = (size_t)sqlite3_column_int64(q, 3);
    bool excluded = sqlite3_column_int(q, 10) != 0;
    sql_done(q);
    if (!s->open)
        return ASSIGN_CLOSED;
    if (excluded)
        return ASSIGN_EXCLUDED;
    return s->rules.max_ratings && n >= s->rules.max_ratings ? ASSIGN_LIMIT
                                                             : ASSIGN_GIVEN;
}

/* 1: there are as many ratings as there may be, or will be soon. */
static int is_limit_reached(crowd *c, int64_t now, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_LIMIT_REACHED, &q, err, "i", now));
    int rc = sql_next(&c->file, q, "look up the limit of ratings", err);
    if (rc <= 0)
        return rc; /* none was ever set */
    rc = sqlite3_column_int(q, 0) != 0;
    sql_done(q);
    return rc;
}

/* 1 and an assignment that is new to him; 0: there is nothing for him. */
static int assign_next(crowd *c, int64_t rater, const crowd_state *s, int64_t now,
                       int64_t *n, error *err)
{
    task_choice t;
    int rc = is_limit_reached(c, now, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = choose(c, rater, s, &t, err);
    if (rc == 1)
        TRY(assign_choice(c, rater, &t, now, &s->rules, n, err));
    return rc;
}

static int assign(crowd *c, int64_t rater, int64_t now, assignment *out, error *err)
{
    crowd_state s;
    int64_t n = 0;
    TRY(crowd_read_state(c, &s, err));
    int rc = admit(c, rater, &s, err);
    if (rc != ASSIGN_GIVEN)
        return rc;
    TRY(sql_execute(&c->file, CROWD_LEASES_EXPIRE, "let old places go", err, "i", now));
    rc = find_open(c, rater, now, &s.rules, &n, err);
    if (rc == 0)
        rc = assign_next(c, rater, &s, now, &n, err);
    if (rc <= 0)
        return rc < 0 ? rc : ASSIGN_NOTHING;
    TRY(crowd_load_assignment(c, n, out, err));
    return ASSIGN_GIVEN;
}

/* What was loaded is let go when the transaction did not end well. */
static int finish(crowd *c, bool nested, int rc, assignment *made, assignment *out,
                  error *err)
{
    bool given = rc == ASSIGN_GIVEN;
    rc = crowd_end(c, nested, rc, err);
    if (given && rc >= 0)
        *out = *made;
    else if (given)
        assignment_free(made);
    return rc;
}

int crowd_assign(crowd *c, int64_t rater, int64_t now, assignment *out, error *err)
{
    bool nested;
    assignment made = {0};
    TRY(crowd_enter(c, &nested, err));
    return finish(c, nested, assign(c, rater, now, &made, err), &made, out, err);
}

/* `always`: whatever the rater's record and the crowd's state. */
static int assign_task(crowd *c, int64_t rater, const char *task, bool always,
                       int64_t now, assignment *out, error *err)
{
    crowd_state s;
    task_choice t;
    int64_t n = 0;
    TRY(crowd_read_state(c, &s, err));
    int rc = admit(c, rater, &s, err);
    if (rc < 0 || (rc != ASSIGN_GIVEN && !always))
        return rc;
    TRY(sql_execute(&c->file, CROWD_LEASES_EXPIRE, "let old places go", err, "i", now));
    rc = crowd_find_task(c, task, &t, err);
    if (rc == 0)
        return error_set(err, E_ARGUMENT, "%s has no task \"%.64s\"", c->path, task);
    if (rc == 1)
        rc = assign_choice(c, rater, &t, now, &s.rules, &n, err);
    if (rc < 0)
        return rc;
    TRY(crowd_load_assignment(c, n, out, err));
    return ASSIGN_GIVEN;
}

int crowd_assign_task(crowd *c, int64_t rater, const char *task, int64_t now,
                      assignment *out, error *err)
{
    bool nested;
    assignment made = {0};
    TRY(crowd_enter(c, &nested, err));
    return finish(c, nested, assign_task(c, rater, task, false, now, &made, err), &made,
                  out, err);
}

int crowd_assign_answered(crowd *c, int64_t rater, const char *task, int64_t now,
                          assignment *out, error *err)
{
    bool nested;
    assignment made = {0};
    TRY(crowd_enter(c, &nested, err));
    return finish(c, nested, assign_task(c, rater, task, true, now, &made, err), &made,
                  out, err);
}

int crowd_leave(crowd *c, int64_t rater, error *err)
{
    return sql_execute(&c->file, CROWD_LEAVE, "free a rater's places", err, "i", rater);
}

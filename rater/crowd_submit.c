/* Answers: taking them, and taking them back. */
#include "crowd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

enum { COMMENT_LIMIT_BYTES = 2000 };

/* ---- What an answer means ---- */

int crowd_check_answer(const assignment_row *a, int answer, error *err)
{
    int least = a->kind == QUESTION_SCALE ? 1 : 0;
    int most = a->kind == QUESTION_SCALE    ? (int)a->n_labels
               : a->kind == QUESTION_ACCEPT ? 1
                                            : (int)a->n_outputs - 1;
    if (answer == ANSWER_TIE && a->ties)
        return 0;
    if (answer >= least && answer <= most)
        return 0;
    return error_set(err, E_ARGUMENT,
                     "answer %d to a question of kind %s; it must be %d to %d%s", answer,
                     question_names[a->kind], least, most, a->ties ? ", or a tie" : "");
}

/* The place shown as an index into the task's sorted outputs. */
static int canonical_answer(const assignment_row *a, int answer)
{
    return a->n_outputs > 1 && answer >= 0 ? a->placement[answer] - '0' : answer;
}

/* On a long scale people are not held to the step. */
static bool agree(const assignment_row *a, int64_t x, int64_t y)
{
    int64_t slack = a->kind == QUESTION_SCALE && a->n_labels >= 5;
    return x == y || (slack && llabs(x - y) <= slack);
}

/* Whether a check was passed; 1 for what is none. */
static int passes(crowd *c, const assignment_row *a, int answer, bool *out, error *err)
{
    sqlite3_stmt *q;
    *out = true;
    if (!a->repeat && a->gold == NO_GOLD)
        return 0;
    if (!a->repeat) {
        *out = agree(a, a->gold, answer);
        return 0;
    }
    TRY(sql_query(&c->file, CROWD_EARLIER_ANSWER, &q, err, "ii", a->rater, a->task));
    int rc = sql_next(&c->file, q, "read an earlier answer", err);
    if (rc <= 0)
        return rc; /* withdrawn meanwhile: nothing to disagree with */
    *out = agree(a, sqlite3_column_int64(q, 0), answer);
    sql_done(q);
    return 0;
}

/* A comment of at most COMMENT_LIMIT_BYTES, not cut within a character. New. */
int crowd_cut_comment(const char *s, char **out, error *err)
{
    size_t n = s ? strnlen(s, COMMENT_LIMIT_BYTES + 4) : 0;
    text t = {0};
    TRY(text_add(&t, "", 0, err));
    int rc = utf8_mend(&t, s ? s : "", n, err);
    if (rc < 0) {
        text_free(&t);
        return rc;
    }
    if (t.n > COMMENT_LIMIT_BYTES) {
        size_t end = COMMENT_LIMIT_BYTES;
        while (end && ((unsigned char)t.s[end] & 0xc0) == 0x80)
            end--;
        t.s[end] = '\0';
    }
    *out = t.s;
    return 0;
}

/* ---- Taking one ---- */

int crowd_write_rating(crowd *c, const assignment_row *a, const rating_row *r, error *err)
{
    sqlite3_stmt *q;
    bool passed;
    TRY(passes(c, a, r->answer, &passed, err));
    bool simulated = strcmp(r->source, "simulated") == 0;
    TRY(sql_query(&c->file, CROWD_RATING_PUT, &q, err, "iiiisdissiiiiiiii", a->n, a->task,
                  a->rater, (int64_t)r->answer, r->key, r->seconds, r->time, r->comment,
                  r->source, (int64_t)(a->gold != NO_GOLD && !a->repeat),
                  (int64_t)a->repeat, (int64_t)passed, (int64_t)r->late,
                  (int64_t)(r->seconds < r->rules->min_seconds), (int64_t)simulated,
                  (int64_t)RATER_SIMULATED, (int64_t)r->withdrawn));
    int rc = sql_next(&c->file, q, "write a rating", err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_EXTERNAL, "a new rating has no number");
    int64_t id = sqlite3_column_int64(q, 0);
    sql_done(q);
    if (!r->withdrawn)
        TRY(sql_execute(&c->file, CROWD_ASSIGNMENT_ANSWERED, "close an assignment", err,
                        "ii", a->n, id));
    return crowd_judge_rater(c, a->rater, r->rules, err);
}

static int write_submission(crowd *c, const assignment_row *a, const submission *s,
                            int answer, int64_t now, error *err)
{
    crowd_state state;
    char *comment;
    TRY(crowd_read_state(c, &state, err));
    TRY(crowd_cut_comment(s->comment, &comment, err));
    double since = now > a->shown ? (double)(now - a->shown) : 0;
    bool is_check = a->repeat || a->gold != NO_GOLD;
    const rating_row r = {.answer = answer,
                          .seconds = isnan(s->seconds) ? since : s->seconds,
                          .time = now,
                          .comment = comment,
                          .source = s->source,
                          .key = s->key,
                          .late = !state.open || (!is_check && a->late),
                          .rules = &state.rules};
    int rc = crowd_write_rating(c, a, &r, err);
    free(comment);
    if (rc < 0)
        return rc;
    return r.late ? SUBMIT_LATE : SUBMIT_RECORDED;
}

int crowd_check_key(crowd *c, const assignment_row *a, const char *key, int answer,
                    error *err)
{
    sqlite3_stmt *q;
    if (!key)
        return SUBMIT_UNKNOWN;
    TRY(sql_query(&c->file, CROWD_KEY_GET, &q, err, "s", key));
    int rc = sql_next(&c->file, q, "look up a key", err);
    if (rc <= 0)
        return rc < 0 ? rc : SUBMIT_UNKNOWN;
    bool same = sqlite3_column_int64(q, 0) == a->n && sqlite3_column_int(q, 1) == answer;
    sql_done(q);
    return same ? SUBMIT_SAME : SUBMIT_CONFLICT;
}

static int submit(crowd *c, const submission *s, int64_t now, error *err)
{
    assignment_row a;
    int rc = crowd_find_assignment(c, s->token, &a, err);
    if (rc <= 0)
        return rc < 0 ? rc : SUBMIT_UNKNOWN;
    TRY(crowd_check_answer(&a, s->answer, err));
    int answer = canonical_answer(&a, s->answer);
    rc = crowd_check_key(c, &a, s->key, answer, err);
    if (rc != SUBMIT_UNKNOWN)
        return rc;
    if (a.has_rating)
        return a.answer == answer ? SUBMIT_SAME : SUBMIT_CONFLICT;
    return write_submission(c, &a, s, answer, now, err);
}

int crowd_check_sending(const char *source, const char *key, double seconds, error *err)
{
    TRY(crowd_check_name("a rating's source", source, err));
    if (key)
        TRY(crowd_check_name("an idempotency key", key, err));
    if (!isnan(seconds) && !(seconds >= 0 && seconds < 1e9))
        return error_set(err, E_ARGUMENT, "a rating took %g seconds; it must be 0 to 1e9",
                         seconds);
    return 0;
}

int crowd_submit(crowd *c, const submission *s, int64_t now, error *err)
{
    bool nested;
    TRY(crowd_check_sending(s->source, s->key, s->seconds, err));
    TRY(crowd_enter(c, &nested, err));
    return crowd_end(c, nested, submit(c, s, now, err), err);
}

/* ---- One that was made elsewhere ---- */

static int write_foreign(crowd *c, const assignment_row *a, const foreign_rating *r,
                         const quality_rules *rules, error *err)
{
    char *comment;
    TRY(crowd_cut_comment(r->comment, &comment, err));
    const rating_row row = {.answer = r->answer,
                            .seconds = r->seconds,
                            .time = r->time,
                            .comment = comment,
                            .source = r->source,
                            .key = r->key,
                            .late = r->late,
                            .withdrawn = r->withdrawn,
                            .rules = rules};
    int rc = crowd_write_rating(c, a, &row, err);
    free(comment);
    return rc < 0 ? rc : SUBMIT_RECORDED;
}

/* A new assignment for the rating, not kept open for the rater. */
static int make_assignment(crowd *c, const foreign_rating *r, const task_choice *t,
                           const quality_rules *rules, assignment_row *a, error *err)
{
    char token[ASSIGNMENT_TOKEN];
    int64_t n;
    TRY(crowd_new_assignment(c, r->rater, t, r->time, rules, &n, token, err));
    TRY(sql_execute(&c->file, CROWD_ASSIGNMENT_DROP, "drop an assignment", err, "i", n));
    int rc = crowd_find_assignment(c, token, a, err);
    return rc < 0 ? rc : 0;
}

static int find_foreign_task(crowd *c, const foreign_rating *r, task_choice *t,
                             error *err)
{
    TRY(crowd_check_rater(c, r->rater, err));
    int rc = crowd_find_task(c, r->task, t, err);
    t->repeat = r->repeat;
    t->takes_place = false;
    if (rc == 0)
        return error_set(err, E_ARGUMENT, "%s has no task \"%.64s\"", c->path, r->task);
    return rc < 0 ? rc : 0;
}

static int record(crowd *c, const foreign_rating *r, error *err)
{
    crowd_state s;
    assignment_row a = {.n = -1}; /* none: a key that is there belongs to another */
    task_choice t;
    char token[ASSIGNMENT_TOKEN];
    bool answered;
    TRY(crowd_read_state(c, &s, err));
    TRY(find_foreign_task(c, r, &t, err));
    int found = crowd_find_assignment_of(c, r->rater, &t, &a.n, &answered, token, err);
    TRY(found);
    if (found)
        TRY(crowd_find_assignment(c, token, &a, err));
    int rc = crowd_check_key(c, &a, r->key, r->answer, err);
    if (rc != SUBMIT_UNKNOWN)
        return rc;
    if (!found)
        TRY(make_assignment(c, r, &t, &s.rules, &a, err));
    TRY(crowd_check_answer(&a, r->answer, err));
    if (a.has_rating && !r->withdrawn)
        return a.answer == r->answer ? SUBMIT_SAME : SUBMIT_CONFLICT;
    return write_foreign(c, &a, r, &s.rules, err);
}

int crowd_record(crowd *c, const foreign_rating *r, error *err)
{
    bool nested;
    TRY(crowd_check_sending(r->source, r->key, r->seconds, err));
    TRY(crowd_enter(c, &nested, err));
    return crowd_end(c, nested, record(c, r, err), err);
}

/* ---- Taking one back ---- */

static int undo(crowd *c, int64_t rater, int64_t now, assignment *out, error *err)
{
    crowd_state s;
    sqlite3_stmt *q;
    TRY(crowd_read_state(c, &s, err));
    TRY(sql_query(&c->file, CROWD_RATING_LATEST, &q, err, "i", rater));
    int rc = sql_next(&c->file, q, "look up the latest rating", err);
    if (rc <= 0)
        return rc;
    int64_t id = sqlite3_column_int64(q, 0), n = sqlite3_column_int64(q, 1);
    sql_done(q);
    TRY(sql_execute(&c->file, CROWD_RATING_WITHDRAW, "withdraw a rating", err, "i", id));
    TRY(sql_execute(&c->file, CROWD_ASSIGNMENT_REOPEN, "reopen an assignment", err, "i",
                    n));
    TRY(sql_execute(&c->file, CROWD_LEASE_TAKE, "keep a place", err, "ii", n,
                    now + s.rules.lease_seconds));
    TRY(crowd_judge_rater(c, rater, &s.rules, err));
    TRY(crowd_load_assignment(c, n, out, err));
    return 1;
}

int crowd_undo(crowd *c, int64_t rater, int64_t now, assignment *out, error *err)
{
    bool nested;
    assignment made = {0};
    TRY(crowd_enter(c, &nested, err));
    int rc = undo(c, rater, now, &made, err);
    bool loaded = rc == 1;
    rc = crowd_end(c, nested, rc, err);
    if (loaded && rc == 1)
        *out = made;
    else if (loaded)
        assignment_free(&made);
    return rc;
}

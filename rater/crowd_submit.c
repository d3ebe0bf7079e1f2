/* Answers: taking them, and taking them back. */
#include "crowd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

enum { COMMENT_LIMIT_BYTES = 2000 };

/* ---- What an answer means ---- */

static int check_answer(const assignment_row *a, int answer, error *err)
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
static int cut_comment(const char *s, char **out, error *err)
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
    TRY(cut_comment(s->comment, &comment, err));
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

/* SAME or CONFLICT when the key was used before, SUBMIT_UNKNOWN when it was not. */
static int check_key(crowd *c, const assignment_row *a, const char *key, int answer,
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
    TRY(check_answer(&a, s->answer, err));
    int answer = canonical_answer(&a, s->answer);
    rc = check_key(c, &a, s->key, answer, err);
    if (rc != SUBMIT_UNKNOWN)
        return rc;
    if (a.has_rating)
        return a.answer == answer ? SUBMIT_SAME : SUBMIT_CONFLICT;
    return write_submission(c, &a, s, answer, now, err);
}

static int check_submission(const submission *s, error *err)
{
    TRY(crowd_check_name("a rating's source", s->source, err));
    if (s->key)
        TRY(crowd_check_name("an idempotency key", s->key, err));
    if (!isnan(s->seconds) && !(s->seconds >= 0 && s->seconds < 1e9))
        return error_set(err, E_ARGUMENT, "a rating took %g seconds; it must be 0 to 1e9",
                         s->seconds);
    return 0;
}

int crowd_submit(crowd *c, const submission *s, int64_t now, error *err)
{
    bool nested;
    TRY(check_submission(s, err));
    TRY(crowd_enter(c, &nested, err));
    return crowd_leave_with(c, nested, submit(c, s, now, err), err);
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
    rc = crowd_leave_with(c, nested, rc, err);
    if (loaded && rc == 1)
        *out = made;
    else if (loaded)
        assignment_free(&made);
    return rc;
}

/* What came of it: counts, and walks over ratings and tasks. */
#include "crowd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

/* ---- Counts ---- */

static int count_tasks(crowd *c, crowd_counts *out, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_COUNT_TASKS, &q, err, ""));
    int rc = sql_next(&c->file, q, "count the tasks", err);
    if (rc <= 0)
        return rc;
    out->tasks = (size_t)sqlite3_column_int64(q, 0);
    out->open_tasks = (size_t)sqlite3_column_int64(q, 1);
    out->wanted = (size_t)sqlite3_column_int64(q, 2);
    out->open = sqlite3_column_int(q, 3) != 0;
    sql_done(q);
    return 0;
}

static int count_raters(crowd *c, crowd_counts *out, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_COUNT_RATERS, &q, err, ""));
    int rc = sql_next(&c->file, q, "count the ratings", err);
    if (rc <= 0)
        return rc;
    size_t *const to[] = {&out->raters, &out->excluded,  &out->ratings, &out->withdrawn,
                          &out->late,   &out->simulated, &out->counted};
    for (int i = 0; i < (int)(sizeof to / sizeof *to); i++)
        *to[i] = (size_t)sqlite3_column_int64(q, i);
    sql_done(q);
    return 0;
}

/* The middle one or two of the ratings that stand and whose time is known, along their
 * index. */
static int read_median(crowd *c, size_t n, double *out, error *err)
{
    sqlite3_stmt *q;
    double sum = 0;
    int found = 0;
    *out = NAN;
    TRY(sql_query(&c->file, CROWD_COUNT_UNTIMED, &q, err, ""));
    int rc = sql_next(&c->file, q, "count ratings without a time", err);
    if (rc <= 0)
        return rc;
    n -= (size_t)sqlite3_column_int64(q, 0);
    sql_done(q);
    if (n == 0)
        return 0;
    TRY(sql_query(&c->file, CROWD_MEDIAN, &q, err, "ii", (int64_t)(n % 2 ? 1 : 2),
                  (int64_t)((n - 1) / 2)));
    while ((rc = sql_next(&c->file, q, "find the median", err)) == 1) {
        sum += column_number(q, 0);
        found++;
    }
    if (found)
        *out = sum / found;
    return rc;
}

static int count(crowd *c, crowd_counts *out, error *err)
{
    TRY(count_tasks(c, out, err));
    TRY(count_raters(c, out, err));
    return read_median(c, out->ratings, &out->median_seconds, err);
}

/* ---- A view of one moment ---- */

/* A transaction that only reads, unless one is open: all statements see one state. */
static int enter_reading(crowd *c, bool *opened, error *err)
{
    *opened = sqlite3_get_autocommit(c->file.db);
    return *opened ? sql_run(&c->file, "BEGIN", "begin to read", err) : 0;
}

static int leave_reading(crowd *c, bool opened, int rc)
{
    if (opened && !sqlite3_get_autocommit(c->file.db))
        sqlite3_exec(c->file.db, "COMMIT", NULL, NULL, NULL);
    return rc;
}

int crowd_count(crowd *c, crowd_counts *out, error *err)
{
    bool opened;
    crowd_counts counts = {0};
    TRY(enter_reading(c, &opened, err));
    int rc = leave_reading(c, opened, count(c, &counts, err));
    if (rc == 0)
        *out = counts;
    return rc;
}

/* ---- Walks ---- */

static const char *column_string(sqlite3_stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q, column);
}

static const char *string_or_empty(const char *s)
{
    return s ? s : "";
}

static int begin_walk(crowd *c, const char *query, int64_t after, sqlite3_stmt **q,
                      error *err)
{
    if (sqlite3_prepare_v2(c->file.db, query, -1, q, NULL) == SQLITE_OK &&
        sqlite3_bind_int64(*q, 1, after) == SQLITE_OK)
        return 0;
    int rc = sql_error(&c->file, "prepare a walk", err);
    sqlite3_finalize(*q);
    return rc;
}

/* Who is told of the rows of a walk. */
typedef struct listener {
    const char *doing; /* for errors */
    int (*tell)(sqlite3_stmt *q, const struct listener *l, error *err);
    void *context;
    int (*rating)(void *context, const crowd_rating *r, error *err); /* one of the two */
    int (*task)(void *context, const crowd_task *t, error *err);
} listener;

static void read_outputs(sqlite3_stmt *q, int first, size_t n,
                         const char *out[MAX_OUTPUTS])
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        out[i] = i < n ? string_or_empty(column_string(q, first + (int)i)) : NULL;
}

static size_t read_n_outputs(sqlite3_stmt *q, int column)
{
    int64_t n = sqlite3_column_int64(q, column);
    return n < 0 || n > MAX_OUTPUTS ? 0 : (size_t)n;
}

static void read_rating(sqlite3_stmt *q, crowd_rating *r)
{
    *r = (crowd_rating){
        .id = sqlite3_column_int64(q, 0),
        .rater = sqlite3_column_int64(q, 1),
        .rater_name = string_or_empty(column_string(q, 2)),
        .rater_source = (rater_source)sqlite3_column_int(q, 3),
        .task = string_or_empty(column_string(q, 4)),
        .question = string_or_empty(column_string(q, 5)),
        .kind = (question_kind)sqlite3_column_int(q, 6),
        .n_outputs = read_n_outputs(q, 7),
        .answer = sqlite3_column_int(q, 12),
        .gold = column_string(q, 13),
        .repeat = sqlite3_column_int(q, 14) != 0,
        .late = sqlite3_column_int(q, 15) != 0,
        .withdrawn = sqlite3_column_int(q, 16) != 0,
        .fast = sqlite3_column_int(q, 17) != 0,
        .excluded = sqlite3_column_int(q, 18) != 0,
        .counts = sqlite3_column_int(q, 19) != 0,
        .seconds = column_number(q, 20),
        .time = sqlite3_column_int64(q, 21),
        .comment = string_or_empty(column_string(q, 22)),
        .source = string_or_empty(column_string(q, 23)),
        .key = column_string(q, 24),
        .practice = sqlite3_column_int(q, 25) != 0,
    };
    read_outputs(q, 8, r->n_outputs, r->outputs);
}

static int tell_rating(sqlite3_stmt *q, const listener *l, error *err)
{
    crowd_rating r;
    read_rating(q, &r);
    return l->rating(l->context, &r, err);
}

static void read_task(sqlite3_stmt *q, crowd_task *t)
{
    *t = (crowd_task){
        .n = sqlite3_column_int64(q, 0),
        .id = string_or_empty(column_string(q, 1)),
        .question = string_or_empty(column_string(q, 2)),
        .kind = (question_kind)sqlite3_column_int(q, 3),
        .n_outputs = read_n_outputs(q, 4),
        .gold = column_string(q, 9),
        .practice = sqlite3_column_int(q, 10) != 0,
        .wanted = (size_t)sqlite3_column_int64(q, 11),
        .priority = column_number(q, 12),
        .done = (size_t)sqlite3_column_int64(q, 13),
        .leased = (size_t)sqlite3_column_int64(q, 14),
        .closed = sqlite3_column_int(q, 15) != 0,
        .open = sqlite3_column_int(q, 16) != 0,
    };
    read_outputs(q, 5, t->n_outputs, t->outputs);
}

static int tell_task(sqlite3_stmt *q, const listener *l, error *err)
{
    crowd_task t;
    read_task(q, &t);
    return l->task(l->context, &t, err);
}

/* Every row of a query, until one is refused. */
static int tell_all(crowd *c, sqlite3_stmt *q, const listener *l, error *err)
{
    int rc;
    while ((rc = sql_next(&c->file, q, l->doing, err)) == 1) {
        rc = l->tell(q, l, err);
        if (rc < 0) {
            sql_done(q);
            return rc;
        }
    }
    return rc;
}

static int walk(crowd *c, const char *sql, int64_t after, const listener *l, error *err)
{
    sqlite3_stmt *q = NULL;
    TRY(begin_walk(c, sql, after, &q, err));
    int rc = tell_all(c, q, l, err);
    sqlite3_finalize(q);
    return rc;
}

static int walk_of(crowd *c, size_t statement, const char *output, const listener *l,
                   error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, statement, &q, err, "s", output));
    return tell_all(c, q, l, err);
}

int crowd_each_rating(crowd *c, int64_t after,
                      int (*each)(void *context, const crowd_rating *r, error *err),
                      void *context, error *err)
{
    listener l = {"read the ratings", tell_rating, context, .rating = each};
    return walk(c, crowd_walk_ratings, after, &l, err);
}

int crowd_each_rating_of(crowd *c, const char *output,
                         int (*each)(void *context, const crowd_rating *r, error *err),
                         void *context, error *err)
{
    listener l = {"read the ratings of an output", tell_rating, context, .rating = each};
    return walk_of(c, CROWD_RATINGS_OF, output, &l, err);
}

int crowd_each_task(crowd *c, int64_t after,
                    int (*each)(void *context, const crowd_task *t, error *err),
                    void *context, error *err)
{
    listener l = {"read the tasks", tell_task, context, .task = each};
    return walk(c, crowd_walk_tasks, after, &l, err);
}

int crowd_each_task_of(crowd *c, const char *output,
                       int (*each)(void *context, const crowd_task *t, error *err),
                       void *context, error *err)
{
    listener l = {"read the tasks of an output", tell_task, context, .task = each};
    return walk_of(c, CROWD_TASKS_OF, output, &l, err);
}

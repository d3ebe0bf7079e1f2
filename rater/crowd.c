/* The crowd's file: opening, transactions, its state and rules, and the texts and random
 * numbers that its other parts need. */
#include "crowd.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "crowd_sql.h"

/* ---- Transactions ---- */

int crowd_begin(crowd *c, error *err)
{
    return sql_execute(&c->file, CROWD_BEGIN, "begin a transaction", err, "");
}

int crowd_commit(crowd *c, error *err)
{
    int rc = sql_execute(&c->file, CROWD_COMMIT, "commit a transaction", err, "");
    if (rc < 0)
        crowd_rollback(c);
    return rc;
}

void crowd_rollback(crowd *c)
{
    /* SQLite may have rolled back by itself: after a full disk, for one. */
    if (!sqlite3_get_autocommit(c->file.db))
        sql_execute(&c->file, CROWD_ROLLBACK, "roll back", NULL, "");
}

int crowd_enter(crowd *c, bool *nested, error *err)
{
    *nested = !sqlite3_get_autocommit(c->file.db);
    return *nested ? sql_execute(&c->file, CROWD_SAVEPOINT, "set a savepoint", err, "")
                   : crowd_begin(c, err);
}

int crowd_end(crowd *c, bool nested, int rc, error *err)
{
    if (!nested && rc >= 0) {
        int end = crowd_commit(c, err);
        return end < 0 ? end : rc;
    }
    if (!nested) {
        crowd_rollback(c);
    } else if (!sqlite3_get_autocommit(c->file.db)) {
        if (rc < 0)
            sql_execute(&c->file, CROWD_ROLLBACK_TO, "roll back", NULL, "");
        int end = sql_execute(&c->file, CROWD_RELEASE, "release a savepoint",
                              rc < 0 ? NULL : err, "");
        if (rc >= 0 && end < 0)
            return end;
    }
    return rc;
}

/* ---- Opening ---- */

static int open_tables(crowd *c, error *err)
{
    struct stat info;
    if (stat(c->path, &info) != 0)
        return error_set(err, E_IO, "cannot open %s: %s", c->path, strerror(errno));
    TRY(sql_open(&c->file, c->path, SQLITE_OPEN_READWRITE, err));
    if (sqlite3_db_readonly(c->file.db, "main") == 1)
        return error_set(err, E_IO, "no permission to write %s", c->path);
    /* FULL: in WAL mode a commit is on the disk when it returns. */
    TRY(sql_run(&c->file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                "switch to a write-ahead log", err));
    bool nested;
    TRY(crowd_enter(c, &nested, err));
    return crowd_end(c, nested, crowd_make_tables(c, err), err);
}

int crowd_open(crowd **out, const char *path, error *err)
{
    crowd *c = calloc(1, sizeof *c);
    if (!c || !(c->path = string_copy(path))) {
        free(c);
        return error_memory(err, sizeof *c + strlen(path));
    }
    c->file = (sql_file){.path = c->path,
                         .texts = crowd_statements,
                         .prepared = c->statements,
                         .n = N_CROWD_STATEMENTS};
    int rc = open_tables(c, err);
    if (rc < 0) {
        crowd_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void crowd_close(crowd *c)
{
    if (!c)
        return;
    sql_close(&c->file);
    free(c->path);
    free(c);
}

/* ---- State and rules ---- */

int crowd_read_state(crowd *c, crowd_state *out, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_STATE_GET, &q, err, ""));
    int rc = sql_next(&c->file, q, "read the crowd's rules", err);
    if (rc <= 0)
        return rc < 0 ? rc
                      : error_set(err, E_FORMAT, "%s: the crowd has no rules", c->path);
    *out = (crowd_state){
        .open = sqlite3_column_int(q, 0) != 0,
        .rules = {.gold_share = column_number(q, 1),
                  .repeat_share = column_number(q, 2),
                  .min_seconds = column_number(q, 3),
                  .max_ratings = (size_t)sqlite3_column_int64(q, 4),
                  .min_checks = (size_t)sqlite3_column_int64(q, 5),
                  .min_right = column_number(q, 6),
                  .lease_seconds = sqlite3_column_int64(q, 7)},
        .n_open = sqlite3_column_int64(q, 8),
        .missing = sqlite3_column_int64(q, 9),
        .n_tasks = sqlite3_column_int64(q, 10),
    };
    sql_done(q);
    return 0;
}

int crowd_set_open(crowd *c, bool open, error *err)
{
    return sql_execute(&c->file, CROWD_OPEN_PUT, "open or close the crowd", err, "i",
                       (int64_t)open);
}

int crowd_set_limit(crowd *c, uint64_t ratings, error *err)
{
    int64_t most = ratings < INT64_MAX ? (int64_t)ratings : INT64_MAX;
    return sql_execute(&c->file, CROWD_LIMIT_PUT, "limit the ratings", err, "i", most);
}

quality_rules quality_defaults(void)
{
    return (quality_rules){.gold_share = 0.1,
                           .repeat_share = 0.05,
                           .min_seconds = 1,
                           .max_ratings = 0,
                           .min_checks = 8,
                           .min_right = 0.6,
                           .lease_seconds = 900};
}

static int check_share(const char *name, double x, error *err)
{
    return x >= 0 && x <= 1
               ? 0
               : error_set(err, E_ARGUMENT, "%s is %g; it must be from 0 to 1", name, x);
}

static int check_rules(const quality_rules *r, error *err)
{
    TRY(check_share("gold_share", r->gold_share, err));
    TRY(check_share("repeat_share", r->repeat_share, err));
    TRY(check_share("gold_share + repeat_share", r->gold_share + r->repeat_share, err));
    TRY(check_share("min_right", r->min_right, err));
    if (!(r->min_seconds >= 0 && isfinite(r->min_seconds)))
        return error_set(err, E_ARGUMENT, "min_seconds is %g; it must be 0 or more",
                         r->min_seconds);
    if (r->lease_seconds < 1 || r->lease_seconds > 100LL * 365 * 86400)
        return error_set(err, E_ARGUMENT,
                         "lease_seconds is %lld; it must be from 1 to a hundred years",
                         (long long)r->lease_seconds);
    if (r->max_ratings > INT64_MAX || r->min_checks > INT64_MAX)
        return error_set(err, E_ARGUMENT, "max_ratings or min_checks is too large");
    return 0;
}

/* What earlier ratings and raters are under the new rules. */
static int apply_rules(crowd *c, const quality_rules *r, error *err)
{
    rater_quality *all;
    size_t n;
    TRY(sql_execute(&c->file, CROWD_RULES_PUT, "write the rules", err, "dddiidi",
                    r->gold_share, r->repeat_share, r->min_seconds,
                    (int64_t)r->max_ratings, (int64_t)r->min_checks, r->min_right,
                    r->lease_seconds));
    TRY(sql_execute(&c->file, CROWD_REFRESH_FAST, "apply the rules", err, "d",
                    r->min_seconds));
    TRY(crowd_raters(c, &all, &n, err));
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = crowd_judge_rater(c, all[i].rater, r, err);
    rater_quality_free(all, n);
    return rc;
}

int crowd_set_rules(crowd *c, const quality_rules *rules, error *err)
{
    bool nested;
    TRY(check_rules(rules, err));
    TRY(crowd_enter(c, &nested, err));
    return crowd_end(c, nested, apply_rules(c, rules, err), err);
}

int crowd_rules(crowd *c, quality_rules *rules, error *err)
{
    crowd_state s;
    TRY(crowd_read_state(c, &s, err));
    *rules = s.rules;
    return 0;
}

/* ---- Texts ---- */

int crowd_mend(const char *what, const char *s, char **out, error *err)
{
    text t = {0};
    size_t n = strlen(s);
    if (n > TEXT_LIMIT_BYTES)
        return error_set(err, E_LIMIT, "%s has %zu bytes; the limit is %d", what, n,
                         TEXT_LIMIT_BYTES);
    TRY(text_add(&t, "", 0, err)); /* so that "" is a text too */
    int rc = utf8_mend(&t, s, n, err);
    if (rc < 0) {
        text_free(&t);
        return rc;
    }
    *out = t.s ? t.s : string_copy("");
    return *out ? 0 : error_memory(err, 1);
}

int crowd_check_name(const char *what, const char *s, error *err)
{
    size_t n = s ? strlen(s) : 0;
    if (n == 0)
        return error_set(err, E_ARGUMENT, "%s is empty", what);
    if (n > NAME_LIMIT_BYTES)
        return error_set(err, E_ARGUMENT, "%s \"%.40s…\" has %zu bytes; the limit is %d",
                         what, s, n, NAME_LIMIT_BYTES);
    if (utf8_check(s, n) != n)
        return error_set(err, E_ARGUMENT, "%s is not UTF-8 at byte %zu", what,
                         utf8_check(s, n));
    return 0;
}

/* ---- Randomness of the system ---- */

int random_bytes(void *out, size_t n, error *err)
{
    unsigned char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(err, E_IO, "cannot get random bytes of the system: %s",
                             strerror(errno));
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

int random_token(char out[RATER_TOKEN], error *err)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char b[33] = {0}; /* 32 bytes are 43 digits of 6 bits, the last padded */
    TRY(random_bytes(b, 32, err));
    for (size_t i = 0; i < RATER_TOKEN - 1; i++) {
        size_t bit = 6 * i, at = bit / 8;
        unsigned pair = (unsigned)b[at] << 8 | b[at + 1];
        out[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    out[RATER_TOKEN - 1] = '\0';
    return 0;
}

int random_below(size_t n, size_t *out, error *err)
{
    uint64_t x, most = UINT64_MAX - UINT64_MAX % n; /* above it, some would be likelier */
    do
        TRY(random_bytes(&x, sizeof x, err));
    while (x >= most);
    *out = (size_t)(x % n);
    return 0;
}

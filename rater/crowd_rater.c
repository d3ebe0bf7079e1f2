/* Who is asked: raters, their invitations, their record under the rules. */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_sql.h"

const char *const rater_source_names[N_RATER_SOURCES] = {
    [RATER_INVITED] = "invited", [RATER_OPEN] = "open",           [RATER_API] = "api",
    [RATER_MTURK] = "mturk",     [RATER_SIMULATED] = "simulated",
};

static int find_or_make(crowd *c, rater_source source, const char *name, int64_t now,
                        int64_t *id, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_execute(&c->file, CROWD_RATER_PUT, "write a rater", err, "isi",
                    (int64_t)source, name, now));
    TRY(sql_query(&c->file, CROWD_RATER_FIND, &q, err, "is", (int64_t)source, name));
    int rc = sql_next(&c->file, q, "look up a rater", err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_EXTERNAL, "a new rater is not there");
    *id = sqlite3_column_int64(q, 0);
    sql_done(q);
    return 0;
}

int crowd_rater(crowd *c, rater_source source, const char *name, int64_t now, int64_t *id,
                error *err)
{
    bool nested;
    sqlite3_stmt *q;
    if ((unsigned)source >= N_RATER_SOURCES)
        return error_set(err, E_ARGUMENT, "a rater of unknown source %d", (int)source);
    TRY(crowd_check_name("a rater's name", name, err));
    /* Most are known: no write, no lock. */
    TRY(sql_query(&c->file, CROWD_RATER_FIND, &q, err, "is", (int64_t)source, name));
    int rc = sql_next(&c->file, q, "look up a rater", err);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        *id = sqlite3_column_int64(q, 0);
        sql_done(q);
        return 0;
    }
    int64_t made = 0;
    TRY(crowd_enter(c, &nested, err));
    rc = crowd_end(c, nested, find_or_make(c, source, name, now, &made, err), err);
    if (rc == 0)
        *id = made;
    return rc;
}

/* ---- Invitations ---- */

int crowd_check_rater(crowd *c, int64_t rater, error *err)
{
    sqlite3_stmt *q;
    TRY(sql_query(&c->file, CROWD_RATER_GET, &q, err, "i", rater));
    int rc = sql_next(&c->file, q, "look up a rater", err);
    if (rc < 0)
        return rc;
    sql_done(q);
    return rc ? 0
              : error_set(err, E_ARGUMENT, "%s has no rater %lld", c->path,
                          (long long)rater);
}

static int invite(crowd *c, int64_t rater, char token[RATER_TOKEN], error *err)
{
    char hash[SHA256_HEX];
    TRY(crowd_check_rater(c, rater, err));
    TRY(random_token(token, err));
    TRY(sha256_hex(token, strlen(token), hash, err));
    return sql_execute(&c->file, CROWD_TOKEN_PUT, "write an invitation", err, "si", hash,
                       rater);
}

int crowd_invite(crowd *c, int64_t rater, char token[RATER_TOKEN], error *err)
{
    bool nested;
    char made[RATER_TOKEN];
    TRY(crowd_enter(c, &nested, err));
    int rc = crowd_end(c, nested, invite(c, rater, made, err), err);
    if (rc == 0)
        memcpy(token, made, sizeof made);
    return rc;
}

/* What is compared is the token's hash, of which nobody can choose the first bytes: how
 * long the index takes says nothing about tokens. */
int crowd_rater_by_token(crowd *c, const char *token, int64_t *id, error *err)
{
    sqlite3_stmt *q;
    char hash[SHA256_HEX];
    TRY(sha256_hex(token, strlen(token), hash, err));
    TRY(sql_query(&c->file, CROWD_TOKEN_GET, &q, err, "s", hash));
    int rc = sql_next(&c->file, q, "look up an invitation", err);
    if (rc <= 0)
        return rc;
    *id = sqlite3_column_int64(q, 0);
    sql_done(q);
    return 1;
}

/* ---- Their record ---- */

static int read_quality(sqlite3_stmt *q, rater_quality *out, error *err)
{
    *out = (rater_quality){
        .rater = sqlite3_column_int64(q, 0),
        .source = (rater_source)sqlite3_column_int(q, 2),
        .n = (size_t)sqlite3_column_int64(q, 3),
        .gold = (size_t)sqlite3_column_int64(q, 4),
        .gold_right = (size_t)sqlite3_column_int64(q, 5),
        .repeats = (size_t)sqlite3_column_int64(q, 6),
        .repeats_agree = (size_t)sqlite3_column_int64(q, 7),
        .fast = (size_t)sqlite3_column_int64(q, 8),
        .counted = (size_t)sqlite3_column_int64(q, 9),
        .excluded = sqlite3_column_int(q, 10) != 0,
    };
    const char *reason = (const char *)sqlite3_column_text(q, 11);
    snprintf(out->reason, sizeof out->reason, "%s", reason ? reason : "");
    return column_text(q, 1, &out->name, err);
}

int crowd_raters(crowd *c, rater_quality **out, size_t *n, error *err)
{
    sqlite3_stmt *q;
    size_t count = 0, capacity = 0;
    rater_quality *list = array_new(0, sizeof *list);
    if (!list)
        return error_memory(err, sizeof *list);
    int rc = sql_query(&c->file, CROWD_RATER_LIST, &q, err, "");
    while (rc >= 0 && (rc = sql_next(&c->file, q, "list the raters", err)) == 1) {
        rc = array_grow(&list, &capacity, count, sizeof *list, err);
        if (rc == 0)
            rc = read_quality(q, &list[count], err);
        if (rc < 0)
            sql_done(q);
        else
            count++;
    }
    if (rc < 0) {
        rater_quality_free(list, count);
        return rc;
    }
    *out = list;
    *n = count;
    return 0;
}

void rater_quality_free(rater_quality *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(q[i].name);
    free(q);
}

/* The rule: with min_checks gold and repeated answers or more, a share of right ones
 * below min_right excludes. It looks at the record only, so that it can be told, and
 * undone when the record or the rules change. */
static bool fails(const rater_quality *r, const quality_rules *rules)
{
    size_t checks = r->gold + r->repeats, right = r->gold_right + r->repeats_agree;
    return checks > 0 && checks >= rules->min_checks &&
           (double)right + 1e-9 < rules->min_right * (double)checks; /* 3 of 5 is 0.6 */
}

int crowd_judge_rater(crowd *c, int64_t rater, const quality_rules *rules, error *err)
{
    sqlite3_stmt *q;
    rater_quality r;
    TRY(sql_query(&c->file, CROWD_RATER_GET, &q, err, "i", rater));
    int rc = sql_next(&c->file, q, "read a rater's record", err);
    if (rc <= 0)
        return rc;
    rc = read_quality(q, &r, err);
    sql_done(q);
    if (rc < 0)
        return rc;
    free(r.name);
    bool excluded = fails(&r, rules);
    char reason[sizeof r.reason] = "";
    if (excluded)
        snprintf(reason, sizeof reason,
                 "%zu of %zu gold and %zu of %zu repeated answers right; the rules want "
                 "%.0f %%",
                 r.gold_right, r.gold, r.repeats_agree, r.repeats,
                 100 * rules->min_right);
    if (excluded == r.excluded && strcmp(reason, r.reason) == 0)
        return 0;
    TRY(sql_execute(&c->file, CROWD_RATER_EXCLUDE, "write a rater's exclusion", err,
                    "iis", rater, (int64_t)excluded, reason));
    return excluded && !r.excluded ? sql_execute(&c->file, CROWD_LEAVE,
                                                 "free a rater's places", err, "i", rater)
                                   : 0;
}

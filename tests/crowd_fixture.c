#include "crowd_fixture.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../rater/crowd_sql.h"

const char *crowd_path(char path[CROWD_PATH], const char *dir)
{
    snprintf(path, CROWD_PATH, "%s/lamarck.sqlite", dir);
    return path;
}

crowd *crowd_in(const char *dir)
{
    char path[CROWD_PATH];
    crowd *c = NULL;
    error err = {0};
    crowd_path(path, dir);
    if (access(path, F_OK) != 0)
        fclose(fopen(path, "wxe")); /* an empty file is an empty database */
    must(crowd_open(&c, path, &err), &err);
    return c;
}

void put_question(crowd *c, question_kind kind, char id[SHA256_HEX])
{
    char texts[7][10], *labels[7], ask[] = "Which is better?", how[] = "Read both.";
    error err = {0};
    for (size_t i = 0; i < 7; i++) {
        snprintf(texts[i], sizeof texts[i], "label %zu", i + 1);
        labels[i] = texts[i];
    }
    const question q = {.kind = kind,
                        .ties = kind == QUESTION_COMPARE || kind == QUESTION_BEST,
                        .text = ask,
                        .instructions = how,
                        .labels = labels,
                        .n_labels = kind == QUESTION_SCALE ? 7 : 0};
    must(crowd_put_question(c, &q, id, &err), &err);
}

void put_output(crowd *c, const char *context, const char *output, char id[SHA256_HEX])
{
    error err = {0};
    must(crowd_put_output(c, context, output, id, &err), &err);
}

static void put(crowd *c, const char *asked, question_kind kind, size_t i, size_t wanted,
                bool gold, char id[SHA256_HEX])
{
    char ids[MAX_OUTPUTS][SHA256_HEX], context[60], output[60];
    const char *outputs[MAX_OUTPUTS];
    error err = {0};
    snprintf(context, sizeof context, "context %zu", i);
    for (size_t k = 0; k < question_outputs(kind); k++) {
        snprintf(output, sizeof output, "%zu.%zu", i, k);
        put_output(c, context, output, ids[k]);
        outputs[k] = ids[k];
    }
    const char *right = question_outputs(kind) > 1 ? ids[0]
                        : kind == QUESTION_SCALE   ? "6"
                                                   : "1";
    const task_request r = {.question = asked,
                            .outputs = outputs,
                            .wanted = wanted,
                            .gold = gold ? right : NULL,
                            .practice = gold};
    must(crowd_put_task(c, &r, id, &err), &err);
}

void put_task(crowd *c, const char *asked, question_kind kind, size_t i, size_t wanted,
              char id[SHA256_HEX])
{
    put(c, asked, kind, i, wanted, false, id);
}

void put_gold(crowd *c, const char *asked, question_kind kind, size_t i,
              char id[SHA256_HEX])
{
    put(c, asked, kind, i, 1, true, id);
}

quality_rules plain_rules(void)
{
    quality_rules r = quality_defaults();
    r.gold_share = r.repeat_share = r.min_seconds = 0;
    return r;
}

void set_rules(crowd *c, const quality_rules *r)
{
    error err = {0};
    must(crowd_set_rules(c, r, &err), &err);
}

int64_t rater_named(crowd *c, const char *name)
{
    int64_t id = 0;
    error err = {0};
    must(crowd_rater(c, RATER_INVITED, name, 1000, &id, &err), &err);
    return id;
}

assignment assign(crowd *c, int64_t rater, int64_t now)
{
    assignment a = {0};
    error err = {0};
    int rc = crowd_assign(c, rater, now, &a, &err);
    must(rc, &err);
    assert_int_equal(rc, ASSIGN_GIVEN);
    return a;
}

void assert_assign(crowd *c, int64_t rater, int64_t now, assign_result expected)
{
    assignment a = {0};
    error err = {0};
    int rc = crowd_assign(c, rater, now, &a, &err);
    must(rc, &err);
    assert_int_equal(rc, expected);
    if (rc == ASSIGN_GIVEN)
        assignment_free(&a);
}

int submit(crowd *c, const char *token, int answer, int64_t now)
{
    error err = {0};
    const submission s = {
        .token = token, .answer = answer, .seconds = 5, .source = "page"};
    int rc = crowd_submit(c, &s, now, &err);
    must(rc, &err);
    return rc;
}

int place_of(const assignment *a, const char *output)
{
    for (size_t i = 0; i < a->n_shown; i++)
        if (strcmp(a->shown[i], output) == 0)
            return (int)i;
    fail_msg("\"%s\" is not shown", output);
    return -1;
}

crowd_counts counts_of(crowd *c)
{
    crowd_counts n = {0};
    error err = {0};
    must(crowd_count(c, &n, &err), &err);
    return n;
}

/* Each must give no row. */
static const char *const recounts[] = {
    "SELECT t.n FROM crowd_task t WHERE done <> (SELECT count(*) FROM crowd_rating g JOIN"
    " crowd_rater r ON r.id = g.rater WHERE g.task = t.n AND g.withdrawn = 0 AND g.gold ="
    " 0 AND g.repeat = 0 AND g.fast = 0 AND r.excluded = 0)",
    "SELECT t.n FROM crowd_task t WHERE leased <> (SELECT count(*) FROM crowd_assignment"
    " WHERE task = t.n AND lease_until IS NOT NULL)",
    "SELECT 1 FROM crowd_state WHERE n_tasks <> (SELECT count(*) FROM crowd_task) OR"
    " n_open <> (SELECT count(*) FROM crowd_task WHERE gold IS NULL AND closed = 0 AND"
    " done < wanted) OR missing <> (SELECT total(wanted - done) FROM crowd_task WHERE"
    " gold IS NULL AND closed = 0 AND done < wanted)",
    "SELECT id FROM crowd_rater r WHERE n <> (SELECT count(*) FROM crowd_rating WHERE"
    " rater = r.id AND withdrawn = 0) OR withdrawn <> (SELECT count(*) FROM crowd_rating"
    " WHERE rater = r.id AND withdrawn = 1) OR good <> (SELECT count(*) FROM crowd_rating"
    " WHERE rater = r.id AND withdrawn = 0 AND gold = 0 AND repeat = 0 AND fast = 0)",
    "SELECT id FROM crowd_rater r WHERE gold <> (SELECT total(gold) FROM crowd_rating"
    " WHERE rater = r.id AND withdrawn = 0) OR gold_right <> (SELECT total(gold AND"
    " passed) FROM crowd_rating WHERE rater = r.id AND withdrawn = 0) OR repeats <>"
    " (SELECT total(repeat) FROM crowd_rating WHERE rater = r.id AND withdrawn = 0) OR"
    " repeats_agree <> (SELECT total(repeat AND passed) FROM crowd_rating WHERE rater ="
    " r.id AND withdrawn = 0)",
    "SELECT id FROM crowd_rater r WHERE fast <> (SELECT total(fast) FROM crowd_rating"
    " WHERE rater = r.id AND withdrawn = 0) OR late <> (SELECT total(late) FROM"
    " crowd_rating WHERE rater = r.id AND withdrawn = 0) OR simulated <> (SELECT"
    " total(simulated) FROM crowd_rating WHERE rater = r.id AND withdrawn = 0)",
    "SELECT id FROM crowd_rater r WHERE open_answered <> (SELECT count(DISTINCT g.task)"
    " FROM crowd_rating g JOIN crowd_task t ON t.n = g.task WHERE g.rater = r.id AND"
    " g.withdrawn = 0 AND t.gold IS NULL AND t.closed = 0 AND t.done < t.wanted)",
};

void assert_counters_hold(crowd *c)
{
    for (size_t i = 0; i < sizeof recounts / sizeof *recounts; i++) {
        sqlite3_stmt *q = NULL;
        if (sqlite3_prepare_v2(c->file.db, recounts[i], -1, &q, NULL) != SQLITE_OK)
            fail_msg("%s", sqlite3_errmsg(c->file.db));
        if (sqlite3_step(q) != SQLITE_DONE)
            fail_msg("row %lld: %s", (long long)sqlite3_column_int64(q, 0), recounts[i]);
        sqlite3_finalize(q);
    }
}

#include "crowd_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void ok(int rc, const error *err)
{
    if (rc < 0)
        fail_msg("unexpected error %d: %s", rc, err->text);
}

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
    ok(crowd_open(&c, path, &err), &err);
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
    ok(crowd_put_question(c, &q, id, &err), &err);
}

void put_output(crowd *c, const char *context, const char *output, char id[SHA256_HEX])
{
    error err = {0};
    ok(crowd_put_output(c, context, output, id, &err), &err);
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
    ok(crowd_put_task(c, &r, id, &err), &err);
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
    ok(crowd_set_rules(c, r, &err), &err);
}

int64_t rater_named(crowd *c, const char *name)
{
    int64_t id = 0;
    error err = {0};
    ok(crowd_rater(c, RATER_INVITED, name, 1000, &id, &err), &err);
    return id;
}

assignment assign(crowd *c, int64_t rater, int64_t now)
{
    assignment a = {0};
    error err = {0};
    int rc = crowd_assign(c, rater, now, &a, &err);
    ok(rc, &err);
    assert_int_equal(rc, ASSIGN_GIVEN);
    return a;
}

void assert_assign(crowd *c, int64_t rater, int64_t now, assign_result expected)
{
    assignment a = {0};
    error err = {0};
    int rc = crowd_assign(c, rater, now, &a, &err);
    ok(rc, &err);
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
    ok(rc, &err);
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
    ok(crowd_count(c, &n, &err), &err);
    return n;
}

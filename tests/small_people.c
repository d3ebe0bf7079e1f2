#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_fixture.h"
#include "fixture.h"
#include "scratch.h"
#include "small_people.h"

enum { N_RATERS = 5 };

static const char yaml[] =
    "name: people\n"
    "model: %s\n"
    "data: {file: people.jsonl, search: 6, selection: 4, final: 8}\n"
    "template: '{{instruction}}{{mark}} {{input}} is'\n"
    "genes:\n"
    "  instruction: {kind: text, seed: the opposite of, max_words: 6,\n"
    "                lexicon: [hot, cold, question, answer]}\n"
    "  mark: {kind: choice, options: [':', ' of', ' to']}\n"
    "fitness:\n"
    "  kind: human\n"
    "  question: Which is longer?\n"
    "  shown: 'about {{input}}'\n"
    "  ratings: 2\n"
    "  cents: 3\n"
    "  max_tokens: 6\n"
    "  quality: {gold_share: 0, repeat_share: 0, min_seconds: 0}\n"
    "search: {population: 4, founders: 6, elites: 1, tournament: 2, block: 3,\n"
    "         model_words: 0}\n"
    "budget: {evaluations: 150}\n"
    "finalists: 2\n"
    "engine: {threads: 1}\n";

int small_people_load(const char *dir, const char *const *set, size_t n, experiment **out,
                      error *err)
{
    char model_path[FIXTURE_PATH_BYTES], absolute[FIXTURE_PATH_BYTES],
        path[FIXTURE_PATH_BYTES];
    assert_non_null(realpath(fixture_path(model_path, "tiny-f32.gguf"), absolute));
    FILE *f = scratch_create(dir, "people.jsonl");
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"input\": \"thing %d\"}\n", i);
    assert_int_equal(fclose(f), 0);
    f = scratch_create(dir, "targets.jsonl");
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"input\": \"thing %d\", \"target\": \"%s\"}\n", i,
                i % 3 ? "cold" : "tall");
    assert_int_equal(fclose(f), 0);
    f = scratch_create(dir, "people.yaml");
    fprintf(f, yaml, absolute);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "%s/people.yaml", dir);
    experiment_overrides o = {.set = set, .n_set = n};
    return experiment_load(out, path, &o, err);
}

experiment *small_people_experiment(const char *dir, const char *const *set, size_t n)
{
    experiment *e = NULL;
    error err = {0};
    if (small_people_load(dir, set, n, &e, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

/* ---- The crowd ---- */

size_t scripted_liking(const char *said)
{
    size_t letters = 0;
    for (; *said; said++)
        letters += (*said >= 'a' && *said <= 'z') || (*said >= 'A' && *said <= 'Z');
    return letters;
}

int scripted_answer(const char *rater, const assignment *a)
{
    (void)rater;
    size_t best = 0, n_best = 1, liking = scripted_liking(a->shown[0]);
    if (a->question.kind == QUESTION_ACCEPT)
        return liking > 12;
    if (a->question.kind == QUESTION_SCALE)
        return 1 + (int)(liking < 2 * a->question.n_labels ? liking / 2
                                                           : a->question.n_labels - 1);
    for (size_t i = 1; i < a->n_shown; i++) {
        size_t mine = scripted_liking(a->shown[i]);
        n_best = mine > liking ? 1 : n_best + (mine == liking);
        best = mine > liking ? i : best;
        liking = mine > liking ? mine : liking;
    }
    return n_best > 1 ? ANSWER_TIE : (int)best;
}

/* One answer of one rater; 0 when there is none for him to give. */
static size_t turn(crowd *c, const char *rater, int64_t now, crowd_script *script)
{
    error err = {0};
    assignment a = {0};
    int rc = crowd_assign(c, rater_named(c, rater), now, &a, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    if (rc != ASSIGN_GIVEN)
        return 0;
    submission s = {
        .token = a.token, .answer = script(rater, &a), .seconds = 5, .source = "api"};
    rc = crowd_submit(c, &s, now, &err);
    if (rc != SUBMIT_RECORDED && rc != SUBMIT_LATE)
        fail_msg("submit gave %d: %s", rc, err.text);
    assignment_free(&a);
    return 1;
}

size_t crowd_by_script(const char *dir, int64_t now, crowd_script *script)
{
    crowd *c = crowd_in(dir);
    size_t given = 0, before;
    error err = {0};
    assert_int_equal(crowd_begin(c, &err), 0);
    do {
        before = given;
        for (int i = 1; i <= N_RATERS; i++) {
            char name[16];
            snprintf(name, sizeof name, "t-%d", i);
            given += turn(c, name, now, script);
        }
    } while (given > before);
    assert_int_equal(crowd_commit(c, &err), 0);
    crowd_close(c);
    return given;
}

size_t scripted_crowd(const char *dir, int64_t now)
{
    return crowd_by_script(dir, now, scripted_answer);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"

static const char yaml[] =
    "name: small\n"
    "model: %s\n"
    "data: {file: small.jsonl, search: 12, selection: 8, final: 10}\n"
    "template: '{{instruction}}{{mark}} {{input}} {{target}}'\n"
    "genes:\n"
    "  instruction: {kind: text, seed: the opposite of, max_words: 6,\n"
    "                lexicon: [hot, cold, question, answer]}\n"
    "  mark: {kind: choice, options: [':', ' is']}\n"
    "search: {population: 6, elites: 1, tournament: 2, block: 4, model_words: 4}\n"
    "budget: {tokens: 9000}\n"
    "finalists: 2\n"
    /* Threads that wait for each other on a busy machine take ten times as long. */
    "engine: {threads: 1}\n";

experiment *small_lm_experiment(const char *dir, const char *model_file,
                                const char *const *set, size_t n)
{
    char model_path[FIXTURE_PATH_BYTES], absolute[FIXTURE_PATH_BYTES],
        path[FIXTURE_PATH_BYTES];
    error err = {0};
    experiment *e = NULL;
    assert_non_null(realpath(fixture_path(model_path, model_file), absolute));
    FILE *f = scratch_create(dir, "small.jsonl");
    for (int i = 0; i < 34; i++)
        fprintf(f, "{\"input\": \"thing %d\", \"target\": \"%s\"}\n", i,
                i % 3 ? "cold" : "tall");
    assert_int_equal(fclose(f), 0);
    f = scratch_create(dir, "small.yaml");
    fprintf(f, yaml, absolute);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "%s/small.yaml", dir);
    experiment_overrides o = {.set = set, .n_set = n};
    if (experiment_load(&e, path, &o, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

void small_lm_link(experiment *e, const char *dir, const char *model_file)
{
    char path[FIXTURE_PATH_BYTES], real[FIXTURE_PATH_BYTES], *link_path = NULL;
    assert_non_null(realpath(fixture_path(path, model_file), real));
    assert_true(asprintf(&link_path, "%s/model.gguf", dir) > 0);
    unlink(link_path);
    assert_int_equal(symlink(real, link_path), 0);
    free(e->model_path);
    e->model_path = link_path;
}

void small_lm_judge(judge *j, const experiment *e, store *s)
{
    error err = {0};
    if (judge_open(j, e, &(judge_options){.store = s}, &err) < 0)
        fail_msg("%s", err.text);
}

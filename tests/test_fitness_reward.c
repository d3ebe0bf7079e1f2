/* A reward in the place of people: what it gives to what a candidate makes the model say,
 * at a price that is foretold, in whole runs. */
#include "engine_fixture.h"
#include "scratch.h"
#include "toy.h"

#include "../experiments/fitness/fitness_lm.h"
#include "../experiments/fitness/fitness_reward.h"
#include "../experiments/fitness/lm_row.h"
#include "../experiments/fitness/reward_features.h"
#include "../experiments/runs/run.h"
#include "../rater/reward_learn.h"
#include "../rater/reward_texts.h"
#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>

static const char yaml[] =
    "model: %s\n"
    "data: {file: things.jsonl, search: 6, selection: 4, final: 8}\n"
    "template: '{{instruction}}{{mark}} {{input}} is'\n"
    "genes:\n"
    "  instruction: {kind: text, seed: the opposite of, max_words: 6,\n"
    "                lexicon: [hot, cold, question, answer]}\n"
    "  mark: {kind: choice, options: [':', ' of', ' to']}\n"
    "fitness:\n"
    "  kind: reward\n"
    "  reward: taste\n"
    "  shown: 'about {{input}}'\n"
    "  max_tokens: 6\n"
    "search: {population: 4, founders: 6, elites: 1, tournament: 2, block: 3,\n"
    "         model_words: 0}\n"
    "budget: {evaluations: 150}\n"
    "finalists: 2\n"
    "engine: {threads: 1}\n";

/* ---- A reward that likes letters ---- */

static size_t letters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s >= 'a' && *s <= 'z';
    return n;
}

static void make_votes(reward_texts *t)
{
    static const char *const says[] = {"the house", "3 4 5",    "hill",
                                       "???",       "a n d",    "question and answer",
                                       "",          "la maison"};
    error err = {0};
    gsl_rng *rng = reward_rng(5, 5);
    for (size_t i = 0; i < 240; i++) {
        char context[40];
        size_t a = gsl_rng_uniform_int(rng, 8);
        size_t b = (a + 1 + gsl_rng_uniform_int(rng, 7)) % 8;
        snprintf(context, sizeof context, "about thing %zu", i % 12);
        double outcome = letters(says[a]) > letters(says[b]) ? 1 : 0;
        must(reward_texts_compare(t, context, says[a], says[b], outcome, true, &err),
             &err);
    }
    gsl_rng_free(rng);
}

static void save_taste(const char *dir, const char *model_name, uint64_t seed)
{
    char path[FIXTURE_PATH_BYTES];
    error err = {0};
    engine_fixture e;
    reward_texts t = {0};
    reward *r;
    reward_options o = reward_defaults();
    reward_facts facts = {.model = model_name, .question = "", .source = "made up"};
    row_list rows = {0};
    engine_fixture_open(&e, model_name);
    make_votes(&t);
    must(model_hash(e.model, &facts.model_hash, &err), &err);
    session *s = must_open(e.model, "cpu", 1, 0, OVERFLOW_ERROR);
    size_t width = reward_width(model_describe(e.model), POOLING_MEAN);
    for (size_t i = 0; i < reward_texts_count(&t); i++) {
        row x;
        must(reward_row(&x, model_tokenizer(e.model), reward_texts_context(&t, i),
                        reward_texts_output(&t, i), &err),
             &err);
        must(row_list_add(&rows, x, &err), &err);
    }
    double *x = array_new(rows.n * width, sizeof *x);
    must(reward_features(s, e.model, rows.rows, rows.n, POOLING_MEAN, x, &err), &err);
    reward_data d = reward_texts_data(&t, HEAD_PAIRWISE, x, width);
    o.judge = (reward_judge_options){.n_folds = 3, .n_resamples = 50, .seed = seed};
    must(reward_train(&r, &d, &facts, &o, &err), &err);
    assert_true(reward_judged(r)->accuracy.value > 0.8);
    snprintf(path, sizeof path, "%s/taste", dir);
    must(reward_save(r, path, &err), &err);
    reward_free(r);
    free(x);
    row_list_free(&rows);
    session_close(s);
    reward_texts_free(&t);
    engine_fixture_close(&e);
}

/* ---- The experiment ---- */

static int load(const char *dir, const char *const *set, size_t n, experiment **out,
                error *err)
{
    char model_path[FIXTURE_PATH_BYTES], absolute[FIXTURE_PATH_BYTES],
        path[FIXTURE_PATH_BYTES];
    assert_non_null(realpath(fixture_path(model_path, "tiny-f32.gguf"), absolute));
    FILE *f = scratch_create(dir, "things.jsonl");
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"input\": \"thing %d\"}\n", i);
    assert_int_equal(fclose(f), 0);
    f = scratch_create(dir, "reward.yaml");
    fprintf(f, yaml, absolute);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "%s/reward.yaml", dir);
    experiment_overrides o = {.set = set, .n_set = n};
    return experiment_load(out, path, &o, err);
}

typedef struct bench {
    char *dir;
    experiment *e;
    store *store;
    judge j;
} bench;

static void open_bench(bench *w)
{
    error err = {0};
    w->dir = scratch_new();
    save_taste(w->dir, "tiny-f32", 1);
    must(load(w->dir, NULL, 0, &w->e, &err), &err);
    must(store_open(&w->store, w->dir, true, &err), &err);
    must(judge_open(&w->j, w->e, &(judge_options){.store = w->store}, &err), &err);
}

static void close_bench(bench *w)
{
    judge_close(&w->j);
    store_close(w->store);
    experiment_free(w->e);
    scratch_remove(w->dir);
}

/* ---- Scores ---- */

/* What the reward gives to what the model says after the seed's row of the example. */
static void expected(const bench *w, size_t i, double *mean, double *sd)
{
    error err = {0};
    char path[FIXTURE_PATH_BYTES], context[60];
    reward *r;
    row prompt, said;
    continuation c;
    const tokenizer *t = model_tokenizer(w->j.model);
    session *s = must_open(w->j.model, "cpu", 1, 0, OVERFLOW_ERROR);
    snprintf(path, sizeof path, "%s/taste", w->dir);
    must(reward_open(&r, path, &err), &err);
    snprintf(context, sizeof context, "the opposite of: thing %zu is", i);
    must(row_encode_context(&prompt, t, context, strlen(context), false, &err), &err);
    must(model_generate(s, &prompt, 1, 1, &w->e->fitness.generation, &c, &err), &err);
    snprintf(context, sizeof context, "about thing %zu", i);
    must(reward_row(&said, t, context, c.text, &err), &err);
    double *x = array_new(reward_n_features(r), sizeof *x);
    must(reward_features(s, w->j.model, &said, 1, POOLING_MEAN, x, &err), &err);
    reward_score(r, x, 1, mean, sd);
    free(x);
    free((int32_t *)(uintptr_t)prompt.tokens);
    free((int32_t *)(uintptr_t)said.tokens);
    continuation_free(&c);
    reward_free(r);
    session_close(s);
}

static void a_score_is_the_reward_of_what_is_said(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    expense spent = {0};
    double scores[5], sd[5], mean, doubt;
    const size_t examples[] = {0, 7, 3, 19, 4};
    open_bench(&w);
    measurement m = {
        .genome = &w.e->seeds[0], .examples = examples, .n = 5, .scores = scores};
    assert_string_equal(w.j.objective->name, "reward");
    must(w.j.objective->measure(w.j.objective, &m, 1, &spent, &err), &err);
    must(fitness_reward_doubt(w.j.objective, &m, sd, &err), &err);
    assert_int_equal(m.status, FITNESS_DONE);
    assert_true(m.penalty == 0 && isnan(m.first_choice));
    for (size_t k = 0; k < 5; k++) {
        expected(&w, examples[k], &mean, &doubt);
        assert_true(scores[k] == mean && sd[k] == doubt && doubt > 0);
    }
    close_bench(&w);
}

static void prices_hold_and_nothing_is_paid_twice(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    expense most = {0}, spent = {0}, again = {0};
    double scores[6], others[6];
    const size_t examples[] = {0, 1, 2, 3, 4, 5};
    open_bench(&w);
    objective *o = w.j.objective;
    measurement m = {
        .genome = &w.e->seeds[0], .examples = examples, .n = 6, .scores = scores};
    must(o->cost(o, &m, 1, &most, &err), &err);
    must(o->measure(o, &m, 1, &spent, &err), &err);
    assert_int_equal(most.evaluations, 6);
    assert_int_equal(spent.evaluations, 6);
    assert_true(spent.tokens > 0 && spent.tokens <= most.tokens && spent.reused == 0);
    must(o->cost(o, &m, 1, &most, &err), &err);
    assert_true(most.tokens == 0 && most.evaluations == 0);
    m.scores = others;
    must(o->measure(o, &m, 1, &again, &err), &err);
    assert_true(again.tokens == 0 && again.evaluations == 0);
    assert_memory_equal(scores, others, sizeof scores);
    /* Another run of the folder pays the same. */
    judge_close(&w.j);
    must(judge_open(&w.j, w.e, &(judge_options){.store = w.store}, &err), &err);
    o = w.j.objective;
    must(o->measure(o, &m, 1, &again, &err), &err);
    assert_true(again.tokens == spent.tokens && again.evaluations == 6);
    assert_memory_equal(scores, others, sizeof scores);
    close_bench(&w);
}

/* ---- Runs ---- */

/* Its verdict says what the reward gives; and it comes out the same in another folder. */
static void a_run_is_driven_by_it(void **state)
{
    (void)state;
    char *out[2] = {scratch_new(), scratch_new()};
    bench w;
    error err = {0};
    uint64_t id = 0;
    run_record *r[2];
    double scores[8], mean = 0;
    expense spent = {0};
    open_bench(&w);
    for (size_t k = 0; k < 2; k++) {
        must(run_start(w.e, out[k], NULL, &id, &err), &err);
        r[k] = read_run(out[k], 0);
    }
    assert_int_equal(r[0]->status, RUN_FINISHED);
    assert_true(r[0]->has_verdict && r[0]->n_history > 2 && r[0]->n_candidates > 10);
    assert_same_run(r[0], r[1], true);
    measurement m = {.genome = &w.e->seeds[0],
                     .examples = w.e->splits[SPLIT_FINAL].index,
                     .n = 8,
                     .scores = scores};
    must(w.j.objective->measure(w.j.objective, &m, 1, &spent, &err), &err);
    for (size_t i = 0; i < 8; i++)
        mean += scores[i] / 8;
    assert_true(fabs(r[0]->verdict.seed.score - mean) < 1e-12);
    for (size_t k = 0; k < 2; k++) {
        run_record_free(r[k]);
        scratch_remove(out[k]);
    }
    close_bench(&w);
}

static void a_dump_keeps_which_reward_it_was(void **state)
{
    (void)state;
    char *dir = scratch_new(), *dump, hash[SHA256_HEX];
    error err = {0};
    experiment *e, *again;
    judge j;
    save_taste(dir, "tiny-f32", 1);
    must(load(dir, NULL, 0, &e, &err), &err);
    memcpy(hash, e->reward.sha256, sizeof hash);
    must(experiment_dump(e, &dump, &err), &err);
    save_taste(dir, "tiny-f32", 2); /* another one, where it was */
    must(experiment_restore(&again, dump, &err), &err);
    assert_string_equal(again->reward.sha256, hash);
    assert_string_equal(again->reward.path, e->reward.path);
    assert_string_equal(again->people.shown.source, "about {{input}}");
    assert_int_equal(judge_open(&j, again, &(judge_options){0}, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "is not the reward that the run began with"));
    assert_non_null(strstr(err.text, hash));
    experiment_free(again);
    char *at = strstr(dump, hash);
    assert_non_null(at);
    at[5] = 'z';
    assert_int_equal(experiment_restore(&again, dump, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "64 hex digits"));
    free(dump);
    experiment_free(e);
    scratch_remove(dir);
}

static void what_cannot_be_used_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *set, *text;
    } cases[] = {
        {"fitness.reward=nowhere", "nowhere"},
        {"fitness.rewart=x", "rewart"},
        {"fitness.ratings=3", "ratings"},
        {"fitness.reward_sha256=x", "reward_sha256"},
        {"fitness.shown='{{target}}'", "\"shown\" names {{target}}"},
        {"fitness.shown='{{mark}}'", "mark"},
    };
    char *dir = scratch_new();
    error err = {0};
    experiment *e = NULL;
    judge j;
    save_taste(dir, "tiny-f32", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(load(dir, &cases[i].set, 1, &e, &err) < 0);
        if (!strstr(err.text, cases[i].text) || !strstr(err.text, "--set fitness"))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
    }
    save_taste(dir, "tiny-q8_0", 1); /* of the same width: only the hash tells */
    must(load(dir, NULL, 0, &e, &err), &err);
    assert_int_equal(judge_open(&j, e, &(judge_options){0}, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "was learned on another model (tiny-q8_0)"));
    experiment_free(e);
    FILE *f = scratch_create(dir, "taste");
    fputs("not a reward", f);
    fclose(f);
    must(load(dir, NULL, 0, &e, &err), &err);
    assert_int_equal(judge_open(&j, e, &(judge_options){0}, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "/taste"));
    experiment_free(e);
    scratch_remove(dir);
}

int main(void)
{
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_the_reward_of_what_is_said),
        cmocka_unit_test(prices_hold_and_nothing_is_paid_twice),
        cmocka_unit_test(a_run_is_driven_by_it),
        cmocka_unit_test(a_dump_keeps_which_reward_it_was),
        cmocka_unit_test(what_cannot_be_used_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

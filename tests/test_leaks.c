/* What the model reads in a whole run, row by row, for every candidate there is: no
 * example is shown to itself, and none of the selection and final splits to any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/fitness/sheet.h"
#include "../experiments/runs/run_loop.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"
#include "toy.h"

enum { EXAMPLES = 50 };

/* Example 7 is "<07" and its answer "07>": both can be found wherever they are shown. */
static const char yaml[] = "name: leaks\n"
                           "model: %s\n"
                           "data: {file: leaks.jsonl, search: 24, selection: 12,"
                           " final: 14}\n"
                           "template: '{{demos}}{{say}} {{input}} {{target}}'\n"
                           "genes:\n"
                           "  say: {kind: text, seed: so is, max_words: 3}\n"
                           "  demos: {kind: demos, max: 4, seed: 2,"
                           " each: \"{{input}} {{target}}\\n\"}\n"
                           "search: {population: 8, block: 6, model_words: 0}\n"
                           "budget: {tokens: 60000}\n"
                           "finalists: 3\n"
                           "engine: {threads: 1}\n";

static FILE *create(const char *dir, const char *name, char path[FIXTURE_PATH_BYTES])
{
    snprintf(path, FIXTURE_PATH_BYTES, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    return f;
}

static experiment *leaks_experiment(const char *dir, const char *const *set, size_t n)
{
    char path[FIXTURE_PATH_BYTES], tiny[FIXTURE_PATH_BYTES], real[FIXTURE_PATH_BYTES];
    error err = {0};
    experiment *e = NULL;
    assert_non_null(realpath(fixture_path(tiny, "tiny-f32.gguf"), real));
    FILE *f = create(dir, "leaks.jsonl", path);
    for (int i = 0; i < EXAMPLES; i++)
        fprintf(f, "{\"input\": \"<%02d\", \"target\": \"%02d>\"}\n", i, i);
    assert_int_equal(fclose(f), 0);
    f = create(dir, "leaks.yaml", path);
    fprintf(f, yaml, real);
    assert_int_equal(fclose(f), 0);
    experiment_overrides o = {.set = set, .n_set = n};
    if (experiment_load(&e, path, &o, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

/* ---- A spy between the run and the objective ---- */

typedef struct spy {
    objective base;
    objective *real;
    const experiment *experiment;
    sheet_maker maker;
    size_t rows, demonstrations;
    size_t itself; /* rows of an example that the candidate holds as a demonstration */
    size_t of_split[N_SPLITS];
} spy;

static bool in_split(const experiment *e, split_name name, size_t which)
{
    const split *s = &e->splits[name];
    for (size_t i = 0; i < s->n; i++)
        if (s->index[i] == which)
            return true;
    return false;
}

/* How often each example's mark is in the text: "<07" or, as an answer, "07>". */
static void count_marks(const char *s, bool answers, size_t count[EXAMPLES])
{
    memset(count, 0, EXAMPLES * sizeof *count);
    for (const char *p = s; (p = strchr(p, answers ? '>' : '<')); p++) {
        char digits[3] = "";
        if (answers && p < s + 2)
            continue;
        memcpy(digits, answers ? p - 2 : p + 1, 2);
        char *end;
        unsigned long i = strtoul(digits, &end, 10);
        if (end == digits + 2 && i < EXAMPLES)
            count[i]++;
    }
}

/* The one place of example `own` in the row, and demonstrations of the search split. */
static void check_row(spy *x, const row *r, size_t own, bool answered)
{
    text t = {0};
    assert_int_equal(
        tokenizer_decode(x->maker.tokenizer, r->tokens, r->n, true, &t, NULL), 0);
    size_t inputs[EXAMPLES], answers[EXAMPLES];
    count_marks(text_string(&t), false, inputs);
    count_marks(text_string(&t), true, answers);
    for (size_t i = 0; i < EXAMPLES; i++) {
        if (i == own) {
            assert_int_equal(inputs[i], 1);
            assert_int_equal(answers[i], answered);
            continue;
        }
        assert_true(inputs[i] <= 1);
        assert_int_equal(inputs[i], answers[i]);
        if (inputs[i] && !in_split(x->experiment, SPLIT_SEARCH, i))
            fail_msg("example %zu of a held-out split is shown: %s", i, t.s);
        x->demonstrations += inputs[i];
    }
    x->rows++;
    text_free(&t);
}

static void check_measurement(spy *x, const sheet *s, const sheet_part *part,
                              const measurement *m)
{
    const gene *demos = &m->genome->genes[1];
    const split *pool = &x->experiment->splits[SPLIT_SEARCH];
    for (size_t j = 0; !part->failed && j < m->n; j++) {
        const sheet_pair *pair = &s->pairs[part->first_pair + j];
        size_t own = m->examples[j];
        for (size_t i = 0; i < pair->n; i++)
            check_row(x, &s->rows.rows[pair->first + i], own, true);
        if (s->contexts.n)
            check_row(x, &s->contexts.rows[part->first_pair + j], own, false);
        for (size_t i = 0; i < demos->n_demos; i++)
            x->itself += pool->index[demos->demos[i]] == own;
        for (split_name name = 0; name < N_SPLITS; name++)
            x->of_split[name] += in_split(x->experiment, name, own);
    }
}

static int spy_measure(objective *o, measurement *batch, size_t n, expense *out,
                       error *err)
{
    spy *x = (spy *)o;
    sheet s;
    TRY(sheet_new(&s, &x->maker, batch, n, err));
    for (size_t i = 0; i < n; i++)
        check_measurement(x, &s, &s.parts[i], &batch[i]);
    sheet_free(&s);
    return x->real->measure(x->real, batch, n, out, err);
}

static int spy_cost(objective *o, const measurement *batch, size_t n, expense *out,
                    error *err)
{
    spy *x = (spy *)o;
    return x->real->cost(x->real, batch, n, out, err);
}

/* ---- Runs ---- */

/* The prompts as people read them, of all candidates that ever were. */
static void check_prompts(const experiment *e, const run_record *r)
{
    for (size_t k = 0; k < r->n_candidates; k++) {
        size_t inputs[EXAMPLES];
        count_marks(r->candidates[k].prompt, false, inputs);
        for (size_t i = 0; i < EXAMPLES; i++)
            assert_true(!inputs[i] || in_split(e, SPLIT_SEARCH, i));
    }
}

static void check_run(const char *const *set, size_t n)
{
    char *dir = scratch_new();
    experiment *e = leaks_experiment(dir, set, n);
    error err = {0};
    store *s = NULL;
    judge j;
    uint64_t id = 0;
    assert_int_equal(store_open(&s, dir, true, &err), 0);
    small_lm_judge(&j, e, s);
    assert_int_equal(store_run_begin(s, "leaks", 0, "{}", "none", "tiny", &id, &err), 0);
    spy x = {.base = {"spy", spy_cost, spy_measure, NULL},
             .real = j.objective,
             .experiment = e,
             .maker = {e, model_tokenizer(j.model), model_describe(j.model)->window}};
    run_parts parts = {.experiment = e, .store = s, .id = id, .objective = &x.base};
    if (run_loop(&parts, NULL, &err) < 0)
        fail_msg("%s", err.text);
    judge_close(&j);
    store_close(s);
    run_record *r = read_run(dir, id);
    assert_true(r->has_verdict);
    assert_true(r->n_candidates > 40);
    check_prompts(e, r);
    assert_true(x.demonstrations > x.rows);
    assert_true(x.itself > 20); /* there was something to leave out */
    for (split_name name = 0; name < N_SPLITS; name++)
        assert_true(x.of_split[name] >= 12);
    run_record_free(r);
    experiment_free(e);
    scratch_remove(dir);
}

static void test_no_row_of_a_search_leaks(void **state)
{
    (void)state;
    const char *set[] = {"search.kind=ga"};
    check_run(set, 1);
}

static void test_no_row_of_random_search_leaks(void **state)
{
    (void)state;
    const char *set[] = {"search.kind=random", "seed=3"};
    check_run(set, 2);
}

static void test_no_context_of_generated_answers_leaks(void **state)
{
    (void)state;
    const char *set[] = {"fitness={kind: exact, max_tokens: 2}", "budget.tokens=40000"};
    check_run(set, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_row_of_a_search_leaks),
        cmocka_unit_test(test_no_row_of_random_search_leaks),
        cmocka_unit_test(test_no_context_of_generated_answers_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

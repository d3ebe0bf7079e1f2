/* Where gradients and evolution meet: swaps that the gradient proposes, and candidates
 * that carry a soft prompt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/fitness/fitness_soft.h"
#include "../experiments/fitness/gene_rows.h"
#include "../experiments/fitness/propose_lm.h"
#include "../experiments/runs/run.h"
#include "engine_fixture.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"

enum { MOST = 16 };

typedef struct bench {
    char *dir;
    experiment *e;
    judge j;
} bench;

static void open_bench(bench *w, const char *const *set, size_t n)
{
    w->dir = scratch_new();
    w->e = small_lm_experiment(w->dir, "tiny-f32.gguf", set, n);
    small_lm_judge(&w->j, w->e, NULL);
}

static void close_bench(bench *w)
{
    judge_close(&w->j);
    experiment_free(w->e);
    scratch_remove(w->dir);
}

static const char *const hybrid[] = {"search.hybrid=on", "search.gradient_rows=5"};

/* ---- Rows ---- */

/* Wherever a word is said to stand, its token spells it. */
static void words_are_found_where_they_stand(void **state)
{
    (void)state;
    bench w;
    gene_rows r;
    error err = {0};
    open_bench(&w, hybrid, 2);
    const genome *g = &w.e->seeds[0];
    const tokenizer *t = model_tokenizer(w.j.model);
    size_t found = 0;
    must(gene_rows_new(&r, w.e, t, g, 0, 5, &err), &err);
    assert_int_equal(r.rows.n, 5);
    for (size_t i = 0; i < r.rows.n; i++)
        for (size_t k = 0; k < r.rows.rows[i].n; k++) {
            if (r.places[i][k] == place_none)
                continue;
            size_t n;
            const char *s = tokenizer_token(t, r.rows.rows[i].tokens[k], &n);
            const char *said = g->genes[0].words[r.places[i][k]].s;
            s += s[0] == ' ';
            assert_int_equal(strncmp(s, said, strlen(said)), 0);
            found++;
        }
    assert_true(found >= 5);
    gene_rows_free(&r);
    close_bench(&w);
}

/* ---- Swaps ---- */

static int ask(const bench *w, const genome *g, word_swap *out)
{
    error err = {0};
    paid_proposer *p = w->j.proposer;
    memset(out, 0, MOST * sizeof *out);
    int n = p->proposer.swaps(&p->proposer, &w->e->spec, g, 0, MOST, out, &err);
    if (n < 0)
        fail_msg("%s", err.text);
    return n;
}

static void free_swaps(word_swap *swaps)
{
    for (size_t i = 0; i < MOST; i++)
        free(swaps[i].word);
}

static void swaps_are_words_that_fit_the_same_twice_and_charged_once(void **state)
{
    (void)state;
    bench w;
    word_swap first[MOST], again[MOST];
    open_bench(&w, hybrid, 2);
    const genome *g = &w.e->seeds[0];
    paid_proposer *p = w.j.proposer;
    int n = ask(&w, g, first);
    assert_true(n > 0);
    uint64_t paid = p->spent.tokens;
    assert_true(paid > 0);
    for (int i = 0; i < n; i++) {
        assert_true(first[i].at < g->genes[0].n_words);
        assert_null(strpbrk(first[i].word, " \n\t"));
        assert_string_not_equal(first[i].word, g->genes[0].words[first[i].at].s);
    }
    assert_int_equal(ask(&w, g, again), n);
    assert_int_equal(p->spent.tokens, paid);
    for (int i = 0; i < n; i++) {
        assert_int_equal(first[i].at, again[i].at);
        assert_string_equal(first[i].word, again[i].word);
    }
    free_swaps(first);
    free_swaps(again);
    close_bench(&w);
}

static void swaps_stay_within_the_allowance(void **state)
{
    (void)state;
    bool none = false, some = false;
    for (uint64_t allowance = 0; allowance < 2000; allowance += 150) {
        bench w;
        word_swap swaps[MOST];
        open_bench(&w, hybrid, 2);
        w.j.proposer->allowance = allowance;
        int n = ask(&w, &w.e->seeds[0], swaps);
        assert_true(w.j.proposer->spent.tokens <= allowance);
        none = none || n == 0;
        some = some || n > 0;
        free_swaps(swaps);
        close_bench(&w);
    }
    assert_true(none && some);
}

static double mean_score(const bench *w, const genome *g)
{
    double scores[12], sum = 0;
    expense spent;
    error err = {0};
    measurement m = {.genome = g,
                     .examples = w->e->splits[SPLIT_SEARCH].index,
                     .n = 12,
                     .scores = scores};
    must(w->j.objective->measure(w->j.objective, &m, 1, &spent, &err), &err);
    assert_int_equal(m.status, FITNESS_DONE);
    for (size_t i = 0; i < 12; i++)
        sum += scores[i];
    return sum / 12;
}

/* What the gradient promises is of first order, but it is no lottery: among its offers
 * the best does better than the seed, and the mean offer better than the mean of words
 * swapped blindly. */
static void swaps_raise_the_score_more_than_blind_ones(void **state)
{
    (void)state;
    static const char *const words[] = {"hot", "cold", "question", "answer", "name"};
    bench w;
    word_swap swaps[MOST];
    error err = {0};
    open_bench(&w, hybrid, 2);
    const genome *seed = &w.e->seeds[0];
    double before = mean_score(&w, seed), best = -INFINITY, sum = 0, blind = 0;
    int n = ask(&w, seed, swaps);
    assert_true(n > 0);
    for (int i = 0; i < n + 15; i++) {
        genome g;
        const char *new_word = i < n ? swaps[i].word : words[i % 5];
        size_t at = i < n ? swaps[i].at : (size_t)(i - n) % 3;
        must(genome_copy(&g, seed, &err), &err);
        free(g.genes[0].words[at].s);
        g.genes[0].words[at].s = string_copy(new_word);
        double score = mean_score(&w, &g);
        if (i < n) {
            best = score > best ? score : best;
            sum += score / n;
        } else {
            blind += score / 15;
        }
        genome_free(&g);
    }
    assert_true(best > before);
    assert_true(sum > blind);
    free_swaps(swaps);
    close_bench(&w);
}

/* ---- Soft prompts ---- */

static void write_soft(const char *dir, char path[4096])
{
    snprintf(path, 4096, "%s/soft.yaml", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    char found[4096], absolute[4096];
    assert_non_null(realpath(fixture_path(found, "tiny-f32.gguf"), absolute));
    fprintf(f,
            "name: soft\nmodel: %s\n"
            "data: {file: small.jsonl, search: 12, selection: 8, final: 10}\n"
            "template: ': {{input}} {{target}}'\n"
            "genes:\n  soft: {kind: soft, init: the opposite of, tokens: 3, "
            "dimensions: 6}\n"
            "search: {kind: cmaes, population: 6, block: 4, elites: 1}\n"
            "budget: {tokens: 12000}\nfinalists: 2\nengine: {threads: 1}\n",
            absolute);
    assert_int_equal(fclose(f), 0);
}

static experiment *soft_experiment(const char *dir)
{
    char path[4096];
    error err = {0};
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", NULL, 0);
    experiment_free(e); /* it has left its data there */
    write_soft(dir, path);
    if (experiment_load(&e, path, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

/* The zero vector is the text itself; another vector is another prompt. */
static void the_zero_vector_scores_as_its_text(void **state)
{
    (void)state;
    bench w = {.dir = scratch_new()};
    error err = {0};
    float *values;
    w.e = soft_experiment(w.dir);
    small_lm_judge(&w.j, w.e, NULL);
    genome g;
    must(genome_copy(&g, &w.e->seeds[0], &err), &err);
    double zero = mean_score(&w, &g);
    token_list ids = {0};
    size_t width = model_describe(w.j.model)->width;
    float *text_values = array_new(3 * width, sizeof(float));
    must(tokenizer_encode(model_tokenizer(w.j.model), "the opposite of", 15, false, &ids,
                          &err),
         &err);
    must(soft_prompt_values(w.e, w.j.model, &g, &values, &err), &err);
    for (size_t i = 0; i < 3; i++)
        must(model_embeddings(w.j.model, &ids.ids[i % ids.n], 1, text_values + i * width,
                              &err),
             &err);
    assert_memory_equal(values, text_values, 3 * width * sizeof(float));
    g.genes[0].vector[2] = 1.5;
    assert_true(mean_score(&w, &g) != zero);
    g.genes[0].vector[2] = 0;
    assert_true(mean_score(&w, &g) == zero);
    genome_free(&g);
    free(values);
    free(text_values);
    token_list_free(&ids);
    close_bench(&w);
}

/* ---- Whole runs ---- */

static run_record *run_once(const experiment *e, const char *dir)
{
    uint64_t id;
    store *s;
    run_record *r;
    error err = {0};
    run_options o = {0};
    if (run_start(e, dir, &o, &id, &err) < 0)
        fail_msg("%s", err.text);
    must(store_open_readonly(&s, dir, &err), &err);
    must(store_run_read(s, id, &r, &err), &err);
    store_close(s);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_true(r->has_verdict);
    return r;
}

static void assert_same_end(const run_record *a, const run_record *b)
{
    assert_int_equal(a->n_candidates, b->n_candidates);
    assert_int_equal(a->verdict.best.candidate, b->verdict.best.candidate);
    assert_memory_equal(&a->verdict.best.score, &b->verdict.best.score, sizeof(double));
    for (purpose p = 0; p < N_PURPOSES; p++)
        assert_int_equal(a->spent[p].tokens, b->spent[p].tokens);
}

static void hybrid_runs_repeat_themselves_and_use_the_gradient(void **state)
{
    (void)state;
    char *one = scratch_new(), *two = scratch_new();
    experiment *e = small_lm_experiment(one, "tiny-f32.gguf", hybrid, 2);
    run_record *a = run_once(e, one), *b = run_once(e, two);
    assert_same_end(a, b);
    size_t swapped = 0;
    for (size_t i = 0; i < a->n_candidates; i++)
        swapped += strstr(a->candidates[i].operators, "gradient") != NULL;
    assert_true(swapped > 0);
    run_record_free(a);
    run_record_free(b);
    experiment_free(e);
    scratch_remove(one);
    scratch_remove(two);
}

static void soft_prompts_can_be_searched_without_a_gradient(void **state)
{
    (void)state;
    char *one = scratch_new(), *two = scratch_new();
    experiment *e = soft_experiment(one);
    run_record *a = run_once(e, one), *b = run_once(e, two);
    assert_same_end(a, b);
    assert_true(a->verdict.best.score >= a->verdict.seed.score);
    run_record_free(a);
    run_record_free(b);
    experiment_free(e);
    scratch_remove(one);
    scratch_remove(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_where_they_stand),
        cmocka_unit_test(swaps_are_words_that_fit_the_same_twice_and_charged_once),
        cmocka_unit_test(swaps_stay_within_the_allowance),
        cmocka_unit_test(swaps_raise_the_score_more_than_blind_ones),
        cmocka_unit_test(the_zero_vector_scores_as_its_text),
        cmocka_unit_test(hybrid_runs_repeat_themselves_and_use_the_gradient),
        cmocka_unit_test(soft_prompts_can_be_searched_without_a_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

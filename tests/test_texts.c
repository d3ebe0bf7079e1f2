/* Texts that gradients find for a gene: written so that they are read as they were
 * found, no worse where they say so, paid once and within the allowance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/fitness/gene_rows.h"
#include "../experiments/runs/run.h"
#include "../experiments/views/summary.h"
#include "engine_fixture.h"
#include "failing_malloc.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"
#include "toy.h"

enum { MOST = 4, ROWS = 5 };

typedef struct bench {
    char *dir;
    experiment *e;
    judge j;
} bench;

static void open_bench(bench *w, const char *parts)
{
    char set[100];
    const char *sets[] = {set, "search.gradient_rows=5", "search.gradient_looks=6"};
    snprintf(set, sizeof set, "search.hybrid=%s", parts);
    w->dir = scratch_new();
    w->e = small_lm_experiment(w->dir, "tiny-f32.gguf", sets, 3);
    small_lm_judge(&w->j, w->e, NULL);
}

static void close_bench(bench *w)
{
    judge_close(&w->j);
    experiment_free(w->e);
    scratch_remove(w->dir);
}

static int ask(const bench *w, const genome *g, proposed_text *out)
{
    error err = {0};
    paid_proposer *p = w->j.proposer;
    memset(out, 0, MOST * sizeof *out);
    int n = p->proposer.texts(&p->proposer, &w->e->spec, g, 0, MOST, out, &err);
    if (n < 0)
        fail_msg("%s", err.text);
    return n;
}

static void free_texts(proposed_text *texts)
{
    for (size_t i = 0; i < MOST; i++)
        free(texts[i].text);
}

/* Nats per target token on the rows that the gradients were taken on. */
static double loss_of(const bench *w, const gene_rows *r, const genome *g)
{
    error err = {0};
    double sum = 0;
    size_t targets = 0;
    for (size_t i = 0; i < r->rows.n; i++) {
        double score;
        expense spent;
        measurement m = {
            .genome = g, .examples = &r->examples[i], .n = 1, .scores = &score};
        must(w->j.objective->measure(w->j.objective, &m, 1, &spent, &err), &err);
        size_t n = r->rows.rows[i].n - r->rows.rows[i].n_context;
        sum -= score * (double)n; /* the score is per token */
        targets += n;
    }
    return sum / (double)targets;
}

/* Of one kind: as many words, valid, tokenised alike, and, projected, of less loss. */
static size_t check_offers(const bench *w, const genome *g, const char *origin)
{
    proposed_text offers[MOST];
    gene_rows r;
    error err = {0};
    must(gene_rows_new(&r, w->e, model_tokenizer(w->j.model), g, 0, ROWS, &err), &err);
    double before = loss_of(w, &r, g);
    int n = ask(w, g, offers);
    for (int i = 0; i < n; i++) {
        genome variant;
        assert_string_equal(offers[i].origin, origin);
        must(genome_copy(&variant, g, &err), &err);
        assert_int_equal(gene_rewrite(&variant.genes[0], offers[i].text, &err), 1);
        must(genome_check(&w->e->spec, &variant, &err), &err);
        for (size_t k = 0; k < r.rows.n; k++) { /* word for word, token for token */
            gene_rows other;
            must(gene_rows_new(&other, w->e, model_tokenizer(w->j.model), &variant, 0, 12,
                               &err),
                 &err);
            for (size_t x = 0; x < other.rows.n; x++)
                if (other.examples[x] == r.examples[k])
                    assert_int_equal(other.rows.rows[x].n, r.rows.rows[k].n);
            gene_rows_free(&other);
        }
        if (strcmp(origin, "projected") == 0)
            assert_true(loss_of(w, &r, &variant) < before);
        genome_free(&variant);
    }
    gene_rows_free(&r);
    free_texts(offers);
    return (size_t)n;
}

static void offers_are_read_as_they_were_found(void **state)
{
    (void)state;
    static const char *const kinds[] = {"nearest", "projected"};
    static const char *const starts[] = {"the opposite of", "the the the the",
                                         "of the opposite", "is the opposite is"};
    for (size_t i = 0; i < 2; i++) {
        bench w;
        char list[20];
        snprintf(list, sizeof list, "[%s]", kinds[i]);
        open_bench(&w, list);
        assert_null(w.j.proposer->proposer.swaps);
        size_t n = 0;
        for (size_t k = 0; k < sizeof starts / sizeof *starts; k++) {
            genome g;
            error err = {0};
            must(genome_copy(&g, &w.e->seeds[0], &err), &err);
            must(gene_set_text(&g.genes[0], starts[k], NULL, 0, &err), &err);
            n += check_offers(&w, &g, kinds[i]);
            genome_free(&g);
        }
        assert_true(n > 1);
        close_bench(&w);
    }
}

/* ---- Survival ---- */

static void another_tokenisation_does_not_match(void **state)
{
    (void)state;
    bench w;
    gene_rows r;
    error err = {0};
    genome variant;
    open_bench(&w, "on");
    const genome *g = &w.e->seeds[0];
    must(gene_rows_new(&r, w.e, model_tokenizer(w.j.model), g, 0, ROWS, &err), &err);
    int32_t *ids = array_new(r.n_sites, sizeof *ids);
    for (size_t i = 0; i < r.n_sites; i++)
        ids[i] = r.sites[i].id;
    assert_int_equal(gene_rows_match(&r, g, ids, &err), 1);
    must(genome_copy(&variant, g, &err), &err);
    assert_int_equal(gene_rewrite(&variant.genes[0], "the zebra of", &err), 1);
    assert_int_equal(gene_rows_match(&r, &variant, ids, &err), 0); /* more tokens */
    size_t usable = r.n_sites;
    for (size_t i = 0; i < r.n_sites; i++)
        usable = r.sites[i].usable ? i : usable;
    assert_true(usable < r.n_sites);
    ids[usable]++;
    assert_int_equal(gene_rows_match(&r, g, ids, &err), 0); /* another token */
    genome_free(&variant);
    gene_rows_free(&r);
    free(ids);
    close_bench(&w);
}

/* ---- Money ---- */

static void offers_are_the_same_twice_and_charged_once(void **state)
{
    (void)state;
    bench w;
    proposed_text first[MOST], again[MOST];
    open_bench(&w, "on");
    const genome *g = &w.e->seeds[0];
    int n = ask(&w, g, first);
    uint64_t paid = w.j.proposer->spent.tokens;
    assert_true(n > 1 && paid > 0);
    assert_int_equal(ask(&w, g, again), n);
    assert_int_equal(w.j.proposer->spent.tokens, paid);
    for (int i = 0; i < n; i++) {
        assert_string_equal(first[i].text, again[i].text);
        assert_string_equal(first[i].origin, again[i].origin);
    }
    free_texts(first);
    free_texts(again);
    close_bench(&w);
}

static void no_allowance_is_passed(void **state)
{
    (void)state;
    bool none = false, some = false;
    for (uint64_t allowance = 0; allowance < 40000; allowance += 1700) {
        bench w;
        proposed_text offers[MOST];
        open_bench(&w, "[nearest, projected]");
        w.j.proposer->allowance = allowance;
        int n = ask(&w, &w.e->seeds[0], offers);
        assert_true(w.j.proposer->spent.tokens <= allowance);
        none = none || n == 0;
        some = some || n > 0;
        free_texts(offers);
        close_bench(&w);
    }
    assert_true(none && some);
}

/* ---- Memory ---- */

/* Told as such; and what is asked afterwards is answered as if nothing had been. */
static void an_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    bench w;
    proposed_text wanted[MOST], offers[MOST];
    size_t failures = 0;
    open_bench(&w, "on");
    const genome *g = &w.e->seeds[0];
    proposer *p = &w.j.proposer->proposer;
    int n = ask(&w, g, wanted), rc = -1;
    for (long after = 1; rc < 0; after += 1 + after / 8) {
        error err = {0};
        long before = allocations_held();
        memset(offers, 0, sizeof offers);
        set_allocations_left(after);
        rc = p->texts(p, &w.e->spec, g, 0, MOST, offers, &err);
        set_allocations_left(-1);
        /* E_EXTERNAL: libcrypto had none for its SHA-256 */
        assert_true(rc == n || rc == E_MEMORY || rc == E_EXTERNAL);
        assert_int_equal(err.code, rc < 0 ? rc : 0);
        failures += rc < 0;
        free_texts(offers);
        assert_int_equal(ask(&w, g, offers), n);
        for (int i = 0; i < n; i++)
            assert_string_equal(offers[i].text, wanted[i].text);
        free_texts(offers);
        /* the engine's aligned buffers are given back without having been counted */
        assert_true(allocations_held() <= before);
    }
    assert_true(failures > 20);
    free_texts(wanted);
    close_bench(&w);
}

/* ---- Whole runs ---- */

static run_record *run_with(const char *dir, const char *parts, unsigned limit)
{
    uint64_t id;
    error err = {0};
    char hybrid[100], tokens[100];
    const char *sets[] = {hybrid, tokens, "search.gradient_rows=4",
                          "search.guests_every=2"};
    snprintf(hybrid, sizeof hybrid, "search.hybrid=%s", parts);
    snprintf(tokens, sizeof tokens, "budget.tokens=%u", limit);
    experiment *e = small_lm_experiment(dir, "tiny-f32.gguf", sets, 4);
    if (run_start(e, dir, NULL, &id, &err) < 0)
        fail_msg("%s", err.text);
    experiment_free(e);
    return read_run(dir, id);
}

static size_t count_made_by(const run_record *r, const char *origin)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_candidates; i++)
        n += strcmp(r->candidates[i].operators, origin) == 0;
    return n;
}

static void parts_can_be_chosen_and_runs_repeat_themselves(void **state)
{
    (void)state;
    static const char *const lists[] = {"off", "[nearest]", "[projected]", "on"};
    for (size_t i = 0; i < 4; i++) {
        char *one = scratch_new(), *two = scratch_new();
        run_record *a = run_with(one, lists[i], 14000),
                   *b = run_with(two, lists[i], 14000);
        bool on = i == 3;
        assert_same_run(a, b, true);
        assert_int_equal(count_made_by(a, "nearest") > 0, on || i == 1);
        assert_int_equal(count_made_by(a, "projected") > 0, on || i == 2);
        run_record_free(a);
        run_record_free(b);
        scratch_remove(one);
        scratch_remove(two);
    }
}

static void no_budget_is_passed(void **state)
{
    (void)state;
    char *dir = scratch_new();
    for (unsigned limit = 6000; limit < 13000; limit += 777) {
        run_record *r = run_with(dir, "on", limit);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->has_verdict);
        assert_true(summary_spent(r).tokens <= limit);
        run_record_free(r);
    }
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_are_read_as_they_were_found),
        cmocka_unit_test(another_tokenisation_does_not_match),
        cmocka_unit_test(offers_are_the_same_twice_and_charged_once),
        cmocka_unit_test(no_allowance_is_passed),
        cmocka_unit_test(an_allocation_may_fail),
        cmocka_unit_test(parts_can_be_chosen_and_runs_repeat_themselves),
        cmocka_unit_test(no_budget_is_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

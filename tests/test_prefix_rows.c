/* Rows behind prefixes: against transformers (tests/fixtures/make_prefixes.py), and that
 * nothing but the row and the prefix decides its numbers. */
#include "prefix_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};

/* Per token, as for rows without a prefix. */
static const double tolerance = 1e-4;

enum { MAX_TARGETS = 100 };

/* ---- Against transformers ---- */

static void check_scores(const prefix_fixture *f, session *s, prefix_kind kind)
{
    row_score scores[MAX_ROWS];
    double logprobs[MAX_TARGETS];
    error err = {0};
    const json_t *rows =
        json_object_get(json_object_get(f->data, prefix_kind_names[kind]), "rows");
    must(model_score(s, f->rows, f->n_rows, scores, logprobs, &err), &err);
    size_t at = 0;
    for (size_t r = 0; r < f->n_rows; r++) {
        const json_t *want = json_array_get(rows, r);
        assert_int_equal(json_array_size(want), scores[r].n_targets);
        for (size_t t = 0; t < scores[r].n_targets; t++, at++) {
            double expected = json_number_value(json_array_get(want, t));
            if (!(fabs(logprobs[at] - expected) < tolerance))
                fail_msg("%s, row %zu, target %zu: %.7f instead of %.7f",
                         prefix_kind_names[kind], r, t, logprobs[at], expected);
        }
    }
}

static void scores_behind_prefixes_equal_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        for (prefix_kind k = PREFIX_EMBEDDINGS; k <= PREFIX_KEY_VALUES; k++) {
            must_set(s, &f.prefixes[k]);
            check_scores(&f, s, k);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

static void check_greedy(const prefix_fixture *f, session *s, prefix_kind kind)
{
    size_t n;
    error err = {0};
    continuation out;
    const json_t *p = json_object_get(f->data, prefix_kind_names[kind]);
    int32_t *want = json_ids(json_object_get(p, "greedy"), &n);
    sampling options = {.max_tokens = n, .keep_eos = true};
    must(model_generate(s, f->rows, 1, 1, &options, &out, &err), &err);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.ids, want, n * sizeof(*want));
    continuation_free(&out);
    free(want);
}

static void greedy_behind_prefixes_equals_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        for (prefix_kind k = PREFIX_EMBEDDINGS; k <= PREFIX_KEY_VALUES; k++) {
            must_set(s, &f.prefixes[k]);
            check_greedy(&f, s, k);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

/* ---- Company ---- */

static void check_company(const prefix_fixture *f, const char *backend,
                          const prefix_view *p)
{
    row_score batch[MAX_ROWS], other[MAX_ROWS];
    row reversed[MAX_ROWS];
    error err = {0};
    session *one = open_behind(f->model, backend, 1, 0, p);
    session *three = open_behind(f->model, backend, 3, 260 << 10, p);
    must(model_score(one, f->rows, f->n_rows, batch, NULL, &err), &err);
    for (size_t i = 0; i < f->n_rows; i++)
        reversed[i] = f->rows[f->n_rows - 1 - i];
    must(model_score(three, reversed, f->n_rows, other, NULL, &err), &err);
    for (size_t i = 0; i < f->n_rows; i++) {
        assert_true(batch[i].logprob == other[f->n_rows - 1 - i].logprob);
        assert_true(batch[i].logprob == must_score(i % 2 ? one : three, &f->rows[i]));
    }
    session_close(one);
    session_close(three);
}

static void a_row_behind_a_prefix_does_not_feel_its_company(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 4; i++) {
        prefix_fixture f;
        prefix_fixture_open(&f, tiny_models[i / 4]);
        check_company(&f, backend_names[i % 2], &f.prefixes[i / 2 % 2]);
        prefix_fixture_close(&f);
    }
}

/* In a session that goes from prefix to prefix every score is that of a session that
 * never saw another one: none, one, the other, none. */
static void a_prefix_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        prefix_fixture f;
        prefix_fixture_open(&f, "tiny-q8_0");
        const prefix_view *const all[] = {NULL, &f.prefixes[0], &f.prefixes[1],
                                          &f.prefixes[0], NULL};
        session *s = must_open(f.model, backend_names[b], 2, 0, OVERFLOW_ERROR);
        double last = 1;
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            row_score old[MAX_ROWS], new[MAX_ROWS];
            error err = {0};
            session *fresh = open_behind(f.model, backend_names[b], 1, 0, all[i]);
            must_set(s, all[i]);
            for (int again = 0; again < 2; again++)
                must(model_score(s, f.rows, f.n_rows, old, NULL, &err), &err);
            must(model_score(fresh, f.rows, f.n_rows, new, NULL, &err), &err);
            for (size_t r = 0; r < f.n_rows; r++)
                assert_true(old[r].logprob == new[r].logprob);
            assert_true(old[0].logprob != last);
            last = old[0].logprob;
            session_close(fresh);
        }
        session_close(s);
        prefix_fixture_close(&f);
    }
}

/* The same with much that stays between calls, and with so little memory that it keeps
 * being given up: families of rows that part here and there, behind prefixes that come
 * and go. */
static void what_stays_between_calls_behind_prefixes_changes_no_bit(void **state)
{
    (void)state;
    enum { ROUNDS = 24, BATCH = 8, LONGEST = 40 };
    static const uint64_t budgets[] = {0, 200 << 10, 120 << 10};
    prefix_fixture f;
    size_t scored = 0;
    prefix_fixture_open(&f, "tiny-q8_0");
    const prefix_view *const prefixes[] = {&f.prefixes[0], &f.prefixes[1], NULL};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (size_t b = 0; b < 6; b++) {
        session *old =
            must_open(f.model, backend_names[b % 2], 2, budgets[b / 2], OVERFLOW_ERROR);
        for (size_t round = 0; round < ROUNDS; round++) {
            int32_t tokens[BATCH][LONGEST];
            row rows[BATCH];
            row_score kept[BATCH], want[BATCH];
            error err = {0};
            for (size_t i = 0; i < BATCH; i++) {
                size_t n = 2 + gsl_rng_uniform_int(rng, LONGEST - 2);
                for (size_t t = 0; t < LONGEST; t++)
                    tokens[i][t] =
                        (int32_t)(20 + t + (gsl_rng_uniform_int(rng, 8) == 0) * 50);
                rows[i] = (row){tokens[i], n, n - 1};
            }
            const prefix_view *p = prefixes[round / 4 % 3];
            session *fresh = open_behind(f.model, backend_names[b % 2], 1, 0, p);
            if (round % 4 == 0)
                must_set(old, p);
            int rc = model_score(old, rows, BATCH, kept, NULL, &err);
            assert_true(rc == 0 || rc == E_MEMORY);
            scored += rc == 0;
            must(model_score(fresh, rows, BATCH, want, NULL, &err), &err);
            for (size_t i = 0; rc == 0 && i < BATCH; i++)
                assert_true(kept[i].logprob == want[i].logprob);
            session_close(fresh);
        }
        session_close(old);
    }
    assert_in_range(scored, 4 * ROUNDS, 6 * ROUNDS);
    gsl_rng_free(rng);
    prefix_fixture_close(&f);
}

static void the_prefix_is_computed_once_and_billed_for_each_row(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    int32_t tokens[] = {20, 30, 40, 50, 60}, other[] = {21, 30, 40};
    row rows[] = {{tokens, 5, 4}, {other, 3, 2}};
    row_score scores[2];
    error err = {0};
    session *s = open_behind(f.model, "cpu", 1, 0, &f.prefixes[PREFIX_EMBEDDINGS]);
    assert_int_equal(session_spent(s).positions, 0); /* only when it is needed */
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 4 + 2);
    assert_int_equal(session_spent(s).row_tokens, 7 + 5 + 7 + 3);
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 4 + 2 + 4 + 2);
    must_set(s, &f.prefixes[PREFIX_KEY_VALUES]);
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 7 + 3 * (4 + 2));
    assert_int_equal(session_spent(s).row_tokens, 2 * (7 + 5 + 7 + 3) + 5 + 5 + 5 + 3);
    session_close(s);
    prefix_fixture_close(&f);
}

/* ---- Generation ---- */

/* Greedy generation takes what model_next says, token by token. */
static void generation_behind_a_prefix_equals_its_steps(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-q4_1");
    for (size_t i = 0; i < 4; i++) {
        const prefix_view *p = &f.prefixes[i / 2];
        session *s = open_behind(f.model, backend_names[i % 2], 2, 0, p);
        sampling options = {.max_tokens = WINDOW, .keep_eos = true};
        int32_t tokens[WINDOW];
        size_t n = f.rows[0].n;
        double total = 0;
        continuation out;
        error err = {0};
        must(model_generate(s, f.rows, 1, 1, &options, &out, &err), &err);
        assert_int_equal(out.reason, FINISH_WINDOW);
        assert_int_equal(p->n + n + out.n, WINDOW);
        memcpy(tokens, f.rows[0].tokens, n * sizeof(*tokens));
        for (size_t t = 0; t < out.n; t++, n++) {
            row so_far = {tokens, n, 0};
            double logprob;
            must(model_next(s, &so_far, 1, 1, &tokens[n], &logprob, &err), &err);
            assert_int_equal(tokens[n], out.ids[t]);
            total += logprob;
        }
        assert_true(total == out.logprob);
        continuation_free(&out);
        session_close(s);
    }
    prefix_fixture_close(&f);
}

static void samples_behind_a_prefix_do_not_feel_memory(void **state)
{
    (void)state;
    enum { SAMPLES = 4, ALL = 4 * SAMPLES };
    prefix_fixture f;
    continuation all[ALL], other[ALL];
    error err = {0};
    sampling options = {.temperature = 1.3, .max_tokens = 12, .seed = 9};
    prefix_fixture_open(&f, "tiny-q4_1");
    const prefix_view *p = &f.prefixes[PREFIX_EMBEDDINGS];
    session *s = open_behind(f.model, "cpu", 2, 0, p);
    session *small = open_behind(f.model, "cpu", 1, 130 << 10, p);
    must(model_generate(s, f.rows, f.n_rows, SAMPLES, &options, all, &err), &err);
    must(model_generate(small, f.rows, f.n_rows, SAMPLES, &options, other, &err), &err);
    for (size_t i = 0; i < f.n_rows * SAMPLES; i++) {
        assert_int_equal(all[i].n, other[i].n);
        assert_memory_equal(all[i].ids, other[i].ids, all[i].n * sizeof(*all[i].ids));
        assert_true(all[i].logprob == other[i].logprob);
        continuation_free(&all[i]);
        continuation_free(&other[i]);
    }
    assert_true(session_spent(small).positions > session_spent(s).positions);
    session_close(s);
    session_close(small);
    prefix_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_behind_prefixes_equal_transformers),
        cmocka_unit_test(greedy_behind_prefixes_equals_transformers),
        cmocka_unit_test(a_row_behind_a_prefix_does_not_feel_its_company),
        cmocka_unit_test(a_prefix_leaves_nothing_behind),
        cmocka_unit_test(what_stays_between_calls_behind_prefixes_changes_no_bit),
        cmocka_unit_test(the_prefix_is_computed_once_and_billed_for_each_row),
        cmocka_unit_test(generation_behind_a_prefix_equals_its_steps),
        cmocka_unit_test(samples_behind_a_prefix_do_not_feel_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

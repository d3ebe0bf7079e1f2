/* Scoring on both backends against independent references, and that nothing but a row
 * itself decides its numbers. */
#include "engine_fixture.h"
#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const backend_names[] = {"ref", "cpu"};

/* Per token. The reference is float64 on the same weights; float32 transformers differ
 * from it by up to 4e-5 in a logit. */
static const double tolerance = 1e-4;

static void check_row(const json_t *want, const row_score *got, const double *logprobs)
{
    const json_t *list = json_object_get(want, "logprobs");
    assert_int_equal(got->n_targets, json_array_size(list));
    assert_int_equal(got->n_first, json_integer_value(json_object_get(want, "n_first")));
    double sum = 0;
    for (size_t t = 0; t < got->n_targets; t++) {
        double expected = json_number_value(json_array_get(list, t));
        if (!(fabs(logprobs[t] - expected) < tolerance))
            fail_msg("target %zu: %.7f instead of %.7f", t, logprobs[t], expected);
        sum += logprobs[t];
    }
    assert_true(sum == got->logprob);
}

static void scores_of_tiny_models_equal_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        row_score scores[16];
        double logprobs[16 * 64];
        error err = {0};
        engine_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backend_names[i % 2], 2, 0, OVERFLOW_ERROR);
        must(model_score(s, f.rows, f.n_rows, scores, logprobs, &err), &err);
        size_t at = 0;
        for (size_t r = 0; r < f.n_rows; at += scores[r].n_targets, r++)
            check_row(json_array_get(json_object_get(f.reference, "rows"), r), &scores[r],
                      logprobs + at);
        session_close(s);
        engine_fixture_close(&f);
    }
}

/* ln of the softmax denominator of a JSON array of logits. */
static double log_total(const json_t *logits)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < json_array_size(logits); i++)
        max = fmax(max, json_number_value(json_array_get(logits, i)));
    for (size_t i = 0; i < json_array_size(logits); i++)
        sum += exp(json_number_value(json_array_get(logits, i)) - max);
    return max + log(sum);
}

static void next_tokens_of_one_model(const engine_fixture *f, const char *backend)
{
    error err = {0};
    size_t V = model_describe(f->model)->n_vocabulary;
    int32_t *ids = array_new(f->n_rows * V, sizeof(*ids));
    double *logprobs = array_new(f->n_rows * V, sizeof(*logprobs));
    session *s = must_open(f->model, backend, 2, 0, OVERFLOW_ERROR);
    must(model_next(s, f->rows, f->n_rows, V, ids, logprobs, &err), &err);
    for (size_t r = 0; r < f->n_rows; r++) {
        const json_t *rows = json_object_get(f->reference, "rows");
        const json_t *logits = json_object_get(json_array_get(rows, r), "logits");
        if (!json_is_array(logits))
            continue;
        double total = log_total(logits);
        for (size_t i = 0; i < V; i++) {
            size_t at = r * V + i;
            double x = json_number_value(json_array_get(logits, (size_t)ids[at]));
            assert_true(fabs(logprobs[at] - (x - total)) < tolerance);
            assert_true(i == 0 || logprobs[at] <= logprobs[at - 1]);
        }
    }
    session_close(s);
    free(ids);
    free(logprobs);
}

static void next_tokens_equal_the_reference_logits(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i / 2]);
        next_tokens_of_one_model(&f, backend_names[i % 2]);
        engine_fixture_close(&f);
    }
}

/* ---- Invariance ---- */

/* Bit for bit: alone, in a batch, in the reverse order, with other threads, with so
 * little memory that walks are short and blocks come and go. */
static void check_company(const model *m, const row *rows, size_t n, const char *backend,
                          uint64_t little)
{
    error err = {0};
    row *reversed = array_new(n, sizeof(*reversed));
    row_score *batch = array_new(n, sizeof(*batch)),
              *other = array_new(n, sizeof(*other));
    session *one = must_open(m, backend, 1, 0, OVERFLOW_ERROR);
    session *three = must_open(m, backend, 3, little, OVERFLOW_ERROR);
    must(model_score(one, rows, n, batch, NULL, &err), &err);
    for (size_t i = 0; i < n; i++)
        reversed[i] = rows[n - 1 - i];
    must(model_score(three, reversed, n, other, NULL, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assert_true(batch[i].logprob == other[n - 1 - i].logprob);
        assert_true(batch[i].logprob == must_score(i % 2 ? one : three, &rows[i]));
    }
    session_close(one);
    session_close(three);
    free(reversed);
    free(batch);
    free(other);
}

static void a_row_does_not_feel_its_company(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i / 2]);
        check_company(f.model, f.rows, f.n_rows, backend_names[i % 2], 260 << 10);
        engine_fixture_close(&f);
    }
}

static void what_rows_share_is_computed_once(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    int32_t tokens[20] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    int32_t other[20] = {3, 4, 5, 6, 7, 8, 50, 51};
    row rows[] = {{tokens, 10, 8}, {tokens, 10, 9}, {other, 8, 7}, {tokens, 10, 8}};
    row_score scores[4];
    error err = {0};
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    must(model_score(s, rows, 4, scores, NULL, &err), &err);
    session_counters spent = session_spent(s);
    assert_int_equal(spent.row_tokens, 38);
    assert_int_equal(spent.positions, 10); /* 9 of the first, 1 more of the third */
    assert_int_equal(spent.logit_rows, 3);
    assert_true(scores[0].logprob == scores[3].logprob && spent.multiply_adds > 0);
    session_close(s);
    engine_fixture_close(&f);
}

/* ---- Between calls ---- */

enum { ROUNDS = 30, BATCH = 12, LONGEST = 40 };

/* Rows in nested families that part here and there, to lower and to higher ids, so that
 * calls share beginnings with calls before at every place: inside, at and beyond what was
 * kept, and in every order within one call. */
static size_t random_rows(gsl_rng *rng, int32_t tokens[BATCH][LONGEST], row rows[BATCH])
{
    size_t n = 1 + gsl_rng_uniform_int(rng, BATCH);
    for (size_t i = 0; i < n; i++) {
        size_t length = 2 + gsl_rng_uniform_int(rng, LONGEST - 2);
        size_t first = gsl_rng_uniform_int(rng, LONGEST);
        for (size_t t = 0; t < LONGEST; t++) {
            size_t parted = t >= first && gsl_rng_uniform_int(rng, 6) == 0;
            size_t way = parted ? 1 + gsl_rng_uniform_int(rng, 2) : 0;
            tokens[i][t] = (int32_t)(20 + t % 7 + (way + 1) % 3 * 7);
        }
        rows[i] = (row){tokens[i], length, 1 + gsl_rng_uniform_int(rng, length - 1)};
    }
    return n;
}

static int score_fresh(const model *m, const char *backend, uint64_t memory,
                       const row *rows, size_t n, row_score *scores)
{
    session *s = must_open(m, backend, 2, memory, OVERFLOW_ERROR);
    int rc = model_score(s, rows, n, scores, NULL, NULL);
    session_close(s);
    return rc;
}

/* A session that has seen many calls gives the bits of one that has seen none, with much
 * memory and with so little that it keeps giving up what it holds. */
static void what_stays_between_calls_changes_no_bit(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-q8_0");
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    static const uint64_t budgets[] = {0, 150 << 10, 100 << 10};
    size_t refused = 0;
    for (size_t b = 0; b < 6; b++) {
        const char *name = backend_names[b % 2];
        session *old = must_open(f.model, name, 2, budgets[b / 2], OVERFLOW_ERROR);
        for (int round = 0; round < ROUNDS; round++) {
            int32_t tokens[BATCH][LONGEST];
            row rows[BATCH];
            row_score kept[BATCH], fresh[BATCH];
            error err = {0};
            size_t n = random_rows(rng, tokens, rows);
            session *new = must_open(f.model, name, 1, 0, OVERFLOW_ERROR);
            int rc = model_score(old, rows, n, kept, NULL, &err);
            refused += rc == E_MEMORY;
            if (rc == E_MEMORY) /* then it is too much without what was kept, too */
                assert_int_equal(
                    score_fresh(f.model, name, budgets[b / 2], rows, n, fresh), E_MEMORY);
            else
                must(rc, &err);
            must(model_score(new, rows, n, fresh, NULL, &err), &err);
            for (size_t i = 0; rc == 0 && i < n; i++)
                assert_true(kept[i].logprob == fresh[i].logprob &&
                            kept[i].n_first == fresh[i].n_first);
            session_close(new);
        }
        session_close(old);
    }
    assert_in_range(refused, 0, ROUNDS); /* of 6 ROUNDS */
    gsl_rng_free(rng);
    engine_fixture_close(&f);
}

/* Within one call a kept stretch is parted (by "x", met first) while another segment
 * ("y") is still to be kept behind its end. */
static void what_is_parted_while_in_use_is_found_again(void **state)
{
    (void)state;
    enum { A = 60, B, C, D, E, F, X = 40, Y, P, Q };
    static const int32_t whole[][8] = {{A, B, C, D, E, F, P, P},
                                       {A, B, C, D, E, F, Q, Q}};
    static const int32_t parting[][9] = {{A, B, C, X, P, P},
                                         {A, B, C, X, Q, Q},
                                         {A, B, C, D, E, F, Y, P, P},
                                         {A, B, C, D, E, F, Y, Q, Q}};
    static const int32_t after[][8] = {{A, B, C, Y, P, P}, {A, B, C, D, E, F, Y, Q}};
    const row first[] = {{whole[0], 8, 7}, {whole[1], 8, 7}};
    const row second[] = {
        {parting[0], 6, 5}, {parting[1], 6, 5}, {parting[2], 9, 8}, {parting[3], 9, 8}};
    const row third[] = {{after[0], 6, 5}, {after[1], 8, 7}};
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    row_score scores[4], fresh[2];
    error err = {0};
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    must(model_score(s, first, 2, scores, NULL, &err), &err);
    must(model_score(s, second, 4, scores, NULL, &err), &err);
    must(model_score(s, third, 2, scores, NULL, &err), &err);
    must(score_fresh(f.model, "cpu", 0, third, 2, fresh), NULL);
    for (int i = 0; i < 2; i++)
        assert_true(scores[i].logprob == fresh[i].logprob);
    session_close(s);
    engine_fixture_close(&f);
}

static void what_rows_shared_is_not_computed_again(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    int32_t a[20], b[20];
    for (int i = 0; i < 20; i++)
        a[i] = b[i] = 30 + i;
    b[12] = 99; /* 12 tokens shared */
    row rows[] = {{a, 20, 18}, {b, 20, 18}};
    row_score scores[2];
    error err = {0};
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    must(model_score(s, rows, 2, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 12 + 7 + 7);
    a[15] = 98;
    must(model_score(s, rows, 1, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 26 + 7);
    /* logits wanted inside what is resident: computed from there on */
    rows[0].n_context = 9;
    must(model_score(s, rows, 1, scores, NULL, &err), &err);
    assert_int_equal(session_spent(s).positions, 33 + 11);
    session_close(s);
    engine_fixture_close(&f);
}

/* ---- The rest ---- */

static void a_raised_flag_stops_the_call(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    volatile int flag = 1;
    row_score score = {.logprob = 7};
    error err = {0};
    session_set_interrupt(s, &flag);
    assert_int_equal(model_score(s, f.rows, 1, &score, NULL, &err), E_INTERRUPTED);
    assert_true(score.logprob == 7);
    flag = 0;
    must(model_score(s, f.rows, 1, &score, NULL, &err), &err);
    session_close(s);
    engine_fixture_close(&f);
}

static void models_describe_themselves(void **state)
{
    (void)state;
    engine_fixture f;
    const char *hex, *again;
    char expected[SHA256_HEX], path[FIXTURE_PATH_BYTES], *bytes;
    size_t n;
    error err = {0};
    engine_fixture_open(&f, "tiny-q4_1");
    const model_info *info = model_describe(f.model);
    assert_string_equal(info->family, "llama");
    assert_string_equal(info->quantisation, "Q4_1");
    assert_int_equal(info->window, 64);
    must(file_read(fixture_path(path, "tiny-q4_1.gguf"), 1 << 24, &bytes, &n, &err),
         &err);
    must(sha256_hex(bytes, n, expected, &err), &err);
    free(bytes);
    must(model_hash(f.model, &hex, &err), &err);
    must(model_hash(f.model, &again, &err), &err);
    assert_string_equal(hex, expected);
    assert_ptr_equal(hex, again);
    engine_fixture_close(&f);
}

/* ---- The real model ---- */

static void smollm2_scores_equal_pytorch(void **state)
{
    (void)state;
    const char *path = fixture_model();
    if (path == NULL)
        return;
    model *m;
    error err = {0};
    char file[FIXTURE_PATH_BYTES];
    json_error_t where;
    must(model_open(&m, path, &err), &err);
    json_t *data = json_load_file(fixture_path(file, "smollm2-greedy.json"), 0, &where);
    assert_non_null(data);
    const json_t *prompts = json_object_get(data, "prompts");
    size_t n = json_array_size(prompts);
    row *rows = array_new(n, sizeof(*rows));
    row_score *scores = array_new(n, sizeof(*scores));
    int32_t **ids = array_new(n, sizeof(*ids));
    for (size_t i = 0; i < n; i++) {
        size_t n_made;
        const json_t *p = json_array_get(prompts, i);
        ids[i] = json_ids(json_object_get(p, "ids"), &rows[i].n_context);
        int32_t *made = json_ids(json_object_get(p, "made"), &n_made);
        rows[i].n = rows[i].n_context + n_made;
        ids[i] = array_resize(ids[i], rows[i].n, sizeof(**ids));
        memcpy(ids[i] + rows[i].n_context, made, n_made * sizeof(*made));
        rows[i].tokens = ids[i];
        free(made);
    }
    session *s = must_open(m, "cpu", 2, 0, OVERFLOW_ERROR);
    must(model_score(s, rows, n, scores, NULL, &err), &err);
    for (size_t i = 0; i < n; i++) {
        json_t *want = json_object_get(json_array_get(prompts, i), "logprob");
        if (!(fabs(scores[i].logprob - json_number_value(want)) < 1e-3))
            fail_msg("prompt %zu: %.6f instead of %.6f", i, scores[i].logprob,
                     json_number_value(want));
    }
    session_close(s);
    check_company(m, rows, 6, "cpu", 64 << 20);
    for (size_t i = 0; i < n; i++)
        free(ids[i]);
    free(ids);
    free(rows);
    free(scores);
    json_decref(data);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_of_tiny_models_equal_the_reference),
        cmocka_unit_test(next_tokens_equal_the_reference_logits),
        cmocka_unit_test(a_row_does_not_feel_its_company),
        cmocka_unit_test(what_rows_share_is_computed_once),
        cmocka_unit_test(what_stays_between_calls_changes_no_bit),
        cmocka_unit_test(what_is_parted_while_in_use_is_found_again),
        cmocka_unit_test(what_rows_shared_is_not_computed_again),
        cmocka_unit_test(a_raised_flag_stops_the_call),
        cmocka_unit_test(models_describe_themselves),
        cmocka_unit_test(smollm2_scores_equal_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

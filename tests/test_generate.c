/* Generation: greedy against references, sampling by its definition, where continuations
 * end, and that neither company nor memory changes them. */
#include "engine_fixture.h"
#include "fixture.h"

#include "../model/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void free_all(continuation *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        continuation_free(&c[i]);
}

static void must_generate(session *s, const row *contexts, size_t n, size_t n_samples,
                          const sampling *options, continuation *out)
{
    error err = {0};
    must(model_generate(s, contexts, n, n_samples, options, out, &err), &err);
}

static void assert_same(const continuation *a, const continuation *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, a->n * sizeof(*a->ids));
    assert_int_equal(a->n_text, b->n_text);
    assert_memory_equal(a->text, b->text, a->n_text);
    assert_true(a->logprob == b->logprob && a->reason == b->reason);
}

static void greedy_of_tiny_models_equals_the_reference(void **state)
{
    (void)state;
    static const char *const backends[] = {"ref", "cpu"};
    for (size_t i = 0; i < n_tiny_models * 2; i++) {
        engine_fixture f;
        engine_fixture_open(&f, tiny_models[i / 2]);
        session *s = must_open(f.model, backends[i % 2], 2, 0, OVERFLOW_ERROR);
        const json_t *cases = json_object_get(f.reference, "greedy");
        assert_true(json_array_size(cases) > 0);
        for (size_t g = 0; g < json_array_size(cases); g++) {
            size_t n, n_made;
            const json_t *c = json_array_get(cases, g);
            int32_t *ids = json_ids(json_object_get(c, "ids"), &n);
            int32_t *made = json_ids(json_object_get(c, "continuation"), &n_made);
            row context = {ids, n, 0};
            continuation out;
            sampling options = {.max_tokens = n_made, .keep_eos = true};
            must_generate(s, &context, 1, 1, &options, &out);
            assert_int_equal(out.n, n_made);
            assert_memory_equal(out.ids, made, n_made * sizeof(*made));
            assert_int_equal(out.reason, FINISH_LENGTH);
            continuation_free(&out);
            free(ids);
            free(made);
        }
        session_close(s);
        engine_fixture_close(&f);
    }
}

enum { CONTEXTS = 4, SAMPLES = 5, ALL = CONTEXTS * SAMPLES };

/* Contexts that share beginnings; one is a prefix of another. */
static const int32_t shared_ids[] = {20, 30, 40, 50, 60, 70, 80, 90};
static const int32_t other_ids[] = {20, 30, 41, 51};
static const row shared_contexts[CONTEXTS] = {
    {shared_ids, 8, 0}, {shared_ids, 3, 0}, {other_ids, 4, 0}, {shared_ids, 8, 0}};
static const sampling random_sampling = {
    .temperature = 1.3, .top_p = 0.95, .max_tokens = 40, .seed = 9, .keep_eos = true};

static void continuations_do_not_feel_their_company(void **state)
{
    (void)state;
    engine_fixture f;
    continuation all[ALL], other[ALL], one;
    engine_fixture_open(&f, "tiny-q4_1");
    session *s = must_open(f.model, "cpu", 2, 0, OVERFLOW_ERROR);
    session *small = must_open(f.model, "cpu", 1, 100 << 10, OVERFLOW_ERROR);
    must_generate(s, shared_contexts, CONTEXTS, SAMPLES, &random_sampling, all);
    must_generate(small, shared_contexts, CONTEXTS, SAMPLES, &random_sampling, other);
    for (size_t i = 0; i < ALL; i++)
        assert_same(&all[i], &other[i]);
    must_generate(s, shared_contexts, 1, 1, &random_sampling, &one);
    assert_same(&all[0], &one);
    assert_true(all[0].n != all[1].n ||
                memcmp(all[0].ids, all[1].ids, all[0].n * sizeof(int32_t)) != 0);
    continuation_free(&one);
    free_all(all, ALL);
    free_all(other, ALL);
    session_close(s);
    session_close(small);
    engine_fixture_close(&f);
}

/* What generation says about its tokens is what scoring says about them. */
static void logprobs_equal_scoring(void **state)
{
    (void)state;
    engine_fixture f;
    continuation all[ALL];
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 2, 0, OVERFLOW_ERROR);
    must_generate(s, shared_contexts, CONTEXTS, SAMPLES, &random_sampling, all);
    for (size_t i = 0; i < ALL; i++) {
        const row *c = &shared_contexts[i / SAMPLES];
        int32_t tokens[64];
        row_score score;
        error err = {0};
        memcpy(tokens, c->tokens, c->n * sizeof(*tokens));
        memcpy(tokens + c->n, all[i].ids, all[i].n * sizeof(*tokens));
        row whole = {tokens, c->n + all[i].n, c->n};
        must(model_score(s, &whole, 1, &score, NULL, &err), &err);
        assert_true(score.logprob == all[i].logprob);
    }
    free_all(all, ALL);
    session_close(s);
    engine_fixture_close(&f);
}

static void generation_ends_where_it_should(void **state)
{
    (void)state;
    engine_fixture f;
    continuation whole, out;
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    sampling options = {.max_tokens = 100, .keep_eos = true};
    must_generate(s, shared_contexts, 1, 1, &options, &whole);
    assert_int_equal(whole.reason, FINISH_WINDOW);
    assert_int_equal(whole.n, 64 - shared_contexts[0].n);
    /* a stop text of some bytes in the middle, whatever tokens they are from */
    assert_true(whole.n_text > 12);
    char stop[4] = {0};
    memcpy(stop, whole.text + 7, 3);
    assert_int_equal(strlen(stop), 3);
    const char *hit = memmem(whole.text, whole.n_text, stop, 3);
    const char *stops[] = {"never to be seen", stop};
    options.stops = stops;
    options.n_stops = 2;
    must_generate(s, shared_contexts, 1, 1, &options, &out);
    assert_int_equal(out.reason, FINISH_STOP);
    assert_int_equal(out.n_text, hit - whole.text);
    assert_memory_equal(out.text, whole.text, out.n_text);
    assert_memory_equal(out.ids, whole.ids, out.n * sizeof(*out.ids));
    continuation_free(&out);
    options = (sampling){.max_tokens = 5, .keep_eos = true};
    must_generate(s, shared_contexts, 1, 1, &options, &out);
    assert_int_equal(out.reason, FINISH_LENGTH);
    assert_int_equal(out.n, 5);
    continuation_free(&out);
    continuation_free(&whole);
    session_close(s);
    engine_fixture_close(&f);
}

static void end_tokens_end_it(void **state)
{
    (void)state;
    engine_fixture f;
    engine_fixture_open(&f, "tiny-f32");
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    enum { MANY = 200 };
    continuation out[MANY];
    sampling options = {.temperature = 3, .max_tokens = 50, .seed = 4};
    size_t ended = 0;
    must_generate(s, shared_contexts, 1, MANY, &options, out);
    for (size_t i = 0; i < MANY; i++) {
        ended += out[i].reason == FINISH_EOS;
        for (size_t t = 0; t < out[i].n; t++)
            assert_false(tokenizer_is_end(model_tokenizer(f.model), out[i].ids[t]));
        assert_true(out[i].reason == FINISH_EOS ? out[i].n < 50 : out[i].n == 50);
    }
    assert_in_range(ended, 1, MANY);
    free_all(out, MANY);
    session_close(s);
    engine_fixture_close(&f);
}

static void contexts_that_fill_the_window_are_refused_or_cut(void **state)
{
    (void)state;
    engine_fixture f;
    int32_t tokens[70];
    error err = {0};
    continuation out;
    engine_fixture_open(&f, "tiny-f32");
    for (int i = 0; i < 70; i++)
        tokens[i] = 20 + i;
    row full = {tokens, 64, 0}, nearly = {tokens, 63, 0}, longer = {tokens, 70, 0};
    sampling options = {.max_tokens = 8, .keep_eos = true};
    session *s = must_open(f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    assert_int_equal(model_generate(s, &full, 1, 1, &options, &out, &err), E_LIMIT);
    must_generate(s, &nearly, 1, 1, &options, &out);
    assert_true(out.n == 1 && out.reason == FINISH_WINDOW);
    continuation_free(&out);
    session_close(s);
    s = must_open(f.model, "cpu", 1, 0, OVERFLOW_LEFT);
    must_generate(s, &longer, 1, 1, &options, &out);
    assert_true(out.n == 8 && out.reason == FINISH_LENGTH);
    continuation_free(&out);
    session_close(s);
    engine_fixture_close(&f);
}

/* ---- Sampling ---- */

enum { V = 6, DRAWS = 40000 };
static const float logits[V] = {0.0f, 1.0f, 2.0f, -1.0f, 2.0f, -30.0f};

static void draw(const sampling *o, const int32_t *history, size_t n, double share[V])
{
    sampler s;
    error err = {0};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    must(sampler_open(&s, o, V, &err), &err);
    memset(share, 0, V * sizeof(*share));
    for (int i = 0; i < DRAWS; i++)
        share[sample_token(&s, logits, history, n, rng)] += 1.0 / DRAWS;
    sampler_close(&s);
    gsl_rng_free(rng);
}

/* Four standard errors of a share near a half: 0.01. */
static void assert_shares(const double share[V], const double weights[V])
{
    double total = 0;
    for (int i = 0; i < V; i++)
        total += weights[i];
    for (int i = 0; i < V; i++)
        assert_true(fabs(share[i] - weights[i] / total) < 0.01);
}

static void draws_follow_the_distribution(void **state)
{
    (void)state;
    double share[V], half[V], w[V];
    for (int i = 0; i < V; i++)
        w[i] = exp((double)logits[i]);
    draw(&(sampling){.temperature = 1}, NULL, 0, share);
    assert_shares(share, w);
    for (int i = 0; i < V; i++)
        half[i] = exp((double)logits[i] / 0.5);
    draw(&(sampling){.temperature = 0.5, .top_p = 1}, NULL, 0, share);
    assert_shares(share, half);
    draw(&(sampling){.temperature = 1, .top_k = 3}, NULL, 0, share);
    assert_shares(share, (double[V]){0, w[1], w[2], 0, w[4], 0});
    /* 2 and 4 hold 0.78 of the weight, with 1: 0.93 */
    draw(&(sampling){.temperature = 1, .top_p = 0.8}, NULL, 0, share);
    assert_shares(share, (double[V]){0, w[1], w[2], 0, w[4], 0});
    draw(&(sampling){.temperature = 1, .top_p = 0.7}, NULL, 0, share);
    assert_shares(share, (double[V]){0, 0, w[2], 0, w[4], 0});
    /* of two equal logits the lower id is the first */
    draw(&(sampling){.temperature = 1, .top_k = 1}, NULL, 0, share);
    assert_true(share[2] > 0.999);
}

static void repetition_is_penalised_once_a_token(void **state)
{
    (void)state;
    static const int32_t history[] = {2, 2, 3};
    double share[V], w[V];
    for (int i = 0; i < V; i++)
        w[i] = exp((double)logits[i]);
    w[2] = exp(2 / 1.5);
    w[3] = exp(-1 * 1.5);
    draw(&(sampling){.temperature = 1, .repetition_penalty = 1.5}, history, 3, share);
    assert_shares(share, w);
    draw(&(sampling){.repetition_penalty = 1.5}, history, 3, share);
    assert_true(share[4] > 0.999);
}

/* At a temperature that makes all nearly equal, every one of the k best is drawn and no
 * other; ids 3 i mod 500 have the logits in falling order. */
static void top_k_of_many_is_the_k_best(void **state)
{
    (void)state;
    enum { MANY = 500, K = 40 };
    float x[MANY];
    bool seen[MANY] = {false};
    sampler s;
    error err = {0};
    sampling o = {.temperature = 100, .top_k = K};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    for (int rank = 0; rank < MANY; rank++)
        x[3 * rank % MANY] = -0.1f * (float)rank;
    must(sampler_open(&s, &o, MANY, &err), &err);
    for (int i = 0; i < 3000; i++)
        seen[sample_token(&s, x, NULL, 0, rng)] = true;
    for (int rank = 0; rank < MANY; rank++)
        assert_true(seen[3 * rank % MANY] == (rank < K));
    sampler_close(&s);
    gsl_rng_free(rng);
}

static void senseless_options_are_refused(void **state)
{
    (void)state;
    static const sampling bad[] = {
        {.temperature = -1}, {.temperature = NAN},         {.top_p = 1.5},
        {.top_p = -0.1},     {.repetition_penalty = -1.0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        sampler s;
        error err = {0};
        assert_int_equal(sampler_open(&s, &bad[i], V, &err), E_ARGUMENT);
        assert_true(err.text[0] != '\0');
    }
}

/* ---- The real model ---- */

/* Up to the first step at which the two best logits are nearly equal. */
static void check_greedy(const json_t *prompt, const continuation *got, size_t index)
{
    const json_t *made = json_object_get(prompt, "made");
    const json_t *margins = json_object_get(prompt, "margins");
    assert_int_equal(got->n, json_array_size(made));
    for (size_t t = 0; t < got->n; t++) {
        if (json_number_value(json_array_get(margins, t)) <= 1e-3)
            return;
        json_int_t expected = json_integer_value(json_array_get(made, t));
        if (got->ids[t] != expected)
            fail_msg("prompt %zu, token %zu: %d instead of %d", index, t, got->ids[t],
                     (int)expected);
    }
}

static void smollm2_greedy_equals_pytorch(void **state)
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
    row *contexts = array_new(n, sizeof(*contexts));
    int32_t **ids = array_new(n, sizeof(*ids));
    continuation *out = array_new(n, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const json_t *list = json_object_get(json_array_get(prompts, i), "ids");
        ids[i] = json_ids(list, &contexts[i].n);
        contexts[i].tokens = ids[i];
    }
    session *s = must_open(m, "cpu", 2, 0, OVERFLOW_ERROR);
    sampling options = {.max_tokens = 32, .keep_eos = true};
    must_generate(s, contexts, n, 1, &options, out);
    for (size_t i = 0; i < n; i++) {
        check_greedy(json_array_get(prompts, i), &out[i], i);
        continuation_free(&out[i]);
        free(ids[i]);
    }
    session_close(s);
    free(contexts);
    free(ids);
    free(out);
    json_decref(data);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_of_tiny_models_equals_the_reference),
        cmocka_unit_test(continuations_do_not_feel_their_company),
        cmocka_unit_test(logprobs_equal_scoring),
        cmocka_unit_test(generation_ends_where_it_should),
        cmocka_unit_test(end_tokens_end_it),
        cmocka_unit_test(contexts_that_fill_the_window_are_refused_or_cut),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(repetition_is_penalised_once_a_token),
        cmocka_unit_test(top_k_of_many_is_the_k_best),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(smollm2_greedy_equals_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

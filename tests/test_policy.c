/* Learning a prefix by reward: the gradient is that of the exact expectation; what is
 * rewarded is written more often, and the penalty keeps the policy near the model. */
#include "engine_fixture.h"

#include "../prefix/policy.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 3 }; /* virtual ones */

typedef struct bench {
    engine_fixture f;
    session *s;
    prefix start;
    int32_t ids[2][5];
    row contexts[2];
    size_t V, n_values;
    gsl_rng *rng;
} bench;

static void open_bench(bench *b, const char *name, prefix_kind kind)
{
    error err = {0};
    int32_t words[TOKENS] = {40, 50, 60};
    engine_fixture_open(&b->f, name);
    b->s = must_open(b->f.model, "cpu", 1, 0, OVERFLOW_ERROR);
    b->V = model_describe(b->f.model)->n_vocabulary;
    b->n_values = TOKENS * prefix_width(model_describe(b->f.model), kind);
    float *values = array_new(b->n_values, sizeof *values);
    if (kind == PREFIX_EMBEDDINGS)
        must(model_embeddings(b->f.model, words, TOKENS, values, &err), &err);
    else
        must(model_key_values(b->s, words, TOKENS, values, &err), &err);
    must(prefix_new(&b->start, b->f.model, kind, TOKENS, values, &err), &err);
    free(values);
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < 5; i++)
            b->ids[c][i] = (int32_t)(20 + 31 * c + 7 * i);
        b->contexts[c] = (row){.tokens = b->ids[c], .n = 5, .n_context = 5};
    }
    b->rng = gsl_rng_alloc(gsl_rng_mt19937);
}

static void close_bench(bench *b)
{
    gsl_rng_free(b->rng);
    prefix_free(&b->start);
    session_close(b->s);
    engine_fixture_close(&b->f);
}

/* ---- Worths ---- */

static double token_worth(int32_t id)
{
    return id % 3 == 0 ? 1 : id % 7 == 0 ? -0.5 : 0;
}

/* Mean over the tokens. */
static int judge_tokens(void *context, const policy_text *texts, size_t n, double *worths,
                        error *err)
{
    (void)context;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        worths[i] = 0;
        for (size_t t = 0; t < texts[i].n; t++)
            worths[i] += token_worth(texts[i].ids[t]) / (double)texts[i].n;
    }
    return 0;
}

static policy *new_policy(bench *b, const policy_options *o, const char *judge_name)
{
    policy *p;
    error err = {0};
    const policy_judge judge = {judge_tokens, NULL, judge_name};
    must(policy_new(&p, b->s, b->f.model, &b->start, b->contexts, 2, o, &judge, &err),
         &err);
    return p;
}

static policy *make_policy(bench *b, const policy_options *o)
{
    return new_policy(b, o, NULL);
}

/* ---- The exact expectation, of texts of one token ---- */

/* ln p of every token after context 0, behind values (NULL: nothing). */
static void all_logprobs(bench *b, const float *values, double *out)
{
    error err = {0};
    prefix_view view = {b->start.kind, TOKENS, values};
    int32_t *tokens = array_new(b->V, 6 * sizeof *tokens);
    row *rows = array_new(b->V, sizeof *rows);
    row_score *scores = array_new(b->V, sizeof *scores);
    for (size_t id = 0; id < b->V; id++) {
        memcpy(tokens + 6 * id, b->ids[0], sizeof b->ids[0]);
        tokens[6 * id + 5] = (int32_t)id;
        rows[id] = (row){.tokens = tokens + 6 * id, .n = 6, .n_context = 5};
    }
    must(session_set_prefix(b->s, values ? &view : NULL, &err), &err);
    must(model_score(b->s, rows, b->V, scores, out, &err), &err);
    must(session_set_prefix(b->s, NULL, &err), &err);
    free(tokens);
    free(rows);
    free(scores);
}

/* E[R] - beta KL of the policy at start + step * direction. */
static double objective_at(bench *b, const float *direction, double step, double beta)
{
    double *frozen = array_new(b->V, sizeof *frozen),
           *mine = array_new(b->V, sizeof *mine);
    float *values = array_new(b->n_values, sizeof *values);
    double sum = 0;
    for (size_t i = 0; i < b->n_values; i++)
        values[i] = b->start.values[i] + (float)(step * (double)direction[i]);
    all_logprobs(b, values, mine);
    all_logprobs(b, NULL, frozen);
    for (size_t id = 0; id < b->V; id++)
        sum +=
            exp(mine[id]) * (token_worth((int32_t)id) - beta * (mine[id] - frozen[id]));
    free(frozen);
    free(mine);
    free(values);
    return sum;
}

static double slope_along(bench *b, const float *direction, double beta)
{
    double h = 2e-3;
    return (objective_at(b, direction, h, beta) - objective_at(b, direction, -h, beta)) /
           (2 * h);
}

static double along(const float *gradient, const float *direction, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)gradient[i] * (double)direction[i];
    return sum;
}

/* The mean of many estimates is the slope of the exact expectation, in every direction
 * within its own standard error. */
static void check_gradient(prefix_kind kind)
{
    enum { DRAWS = 24, DIRECTIONS = 5 };
    bench b;
    error err = {0};
    policy_report report;
    double sums[DIRECTIONS] = {0}, squares[DIRECTIONS] = {0};
    const size_t first = 0;
    policy_options o = policy_defaults();
    o.n_samples = 400;
    o.max_tokens = 1;
    o.beta = 0.3;
    open_bench(&b, "tiny-f32", kind);
    policy *p = make_policy(&b, &o);
    float *gradient = array_new(b.n_values, sizeof *gradient);
    float *directions = array_new(DIRECTIONS * b.n_values, sizeof *directions);
    must(policy_estimate(p, &first, 1, 99, directions, &report, &err), &err);
    for (size_t i = 0; i < b.n_values; i++) /* the first is uphill */
        directions[i] /= (float)report.gradient_norm;
    for (size_t i = b.n_values; i < DIRECTIONS * b.n_values; i++)
        directions[i] = (float)gsl_ran_gaussian(b.rng, 1 / sqrt((double)b.n_values));
    for (size_t k = 0; k < DRAWS; k++) {
        must(policy_estimate(p, &first, 1, k, gradient, &report, &err), &err);
        for (size_t d = 0; d < DIRECTIONS; d++) {
            double x = along(gradient, directions + d * b.n_values, b.n_values);
            sums[d] += x / DRAWS;
            squares[d] += x * x / DRAWS;
        }
    }
    for (size_t d = 0; d < DIRECTIONS; d++) {
        double se = sqrt((squares[d] - sums[d] * sums[d]) / (DRAWS - 1));
        double want = slope_along(&b, directions + d * b.n_values, o.beta);
        if (!(fabs(sums[d] - want) < 3.5 * se + 1e-4))
            fail_msg("direction %zu: %g +- %g, exactly %g", d, sums[d], se, want);
        if (d == 0) /* and that says something */
            assert_true(want > 20 * se);
    }
    free(gradient);
    free(directions);
    policy_free(p);
    close_bench(&b);
}

static void the_gradient_is_that_of_the_expectation(void **state)
{
    (void)state;
    check_gradient(PREFIX_EMBEDDINGS);
    check_gradient(PREFIX_KEY_VALUES);
}

static void what_is_reported_is_the_expectation(void **state)
{
    (void)state;
    bench b;
    error err = {0};
    policy_report r;
    policy_options o = policy_defaults();
    o.n_samples = 4000;
    o.max_tokens = 1;
    open_bench(&b, "tiny-f32", PREFIX_EMBEDDINGS);
    policy *p = make_policy(&b, &o);
    double *mine = array_new(b.V, sizeof *mine), *frozen = array_new(b.V, sizeof *frozen);
    double worth = 0, kl = 0;
    all_logprobs(&b, b.start.values, mine);
    all_logprobs(&b, NULL, frozen);
    for (size_t id = 0; id < b.V; id++) {
        worth += exp(mine[id]) * token_worth((int32_t)id);
        kl += exp(mine[id]) * (mine[id] - frozen[id]);
    }
    must(policy_try(p, &b.start, b.contexts, 1, 0, NULL, &r, &err), &err);
    assert_int_equal(r.n_texts, 4000);
    assert_true(fabs(r.worth - worth) < 0.03);
    assert_true(fabs(r.kl - kl) < 0.1 * kl + 0.05);
    assert_true(fabs(r.kl_token - kl) < 0.15 * kl + 0.05);
    assert_true(r.n_tokens == 1);
    must(policy_try(p, NULL, b.contexts, 1, 0, NULL, &r, &err), &err);
    assert_true(r.kl == 0 && r.kl_token == 0); /* behind nothing: the model itself */
    free(mine);
    free(frozen);
    policy_free(p);
    close_bench(&b);
}

/* ---- Learning ---- */

static policy_report learn(bench *b, policy *p, size_t n_steps)
{
    error err = {0};
    policy_report r;
    prefix learned = {0};
    for (size_t k = 0; k < n_steps; k++) {
        must(policy_step(p, &r, &err), &err);
        assert_true(r.kl_token >= 0 && r.tokens > 0);
    }
    assert_int_equal(policy_steps(p), n_steps);
    must(policy_latest(p, &learned, &err), &err);
    assert_int_equal(learned.origin.step, n_steps);
    must(policy_try(p, &learned, b->contexts, 2, 1, NULL, &r, &err), &err);
    prefix_free(&learned);
    return r;
}

static void what_is_rewarded_is_written_more_and_kl_stays_bounded(void **state)
{
    (void)state;
    static const struct {
        prefix_kind kind;
        double beta;
    } cases[] = {
        {PREFIX_EMBEDDINGS, 0.02}, {PREFIX_KEY_VALUES, 0.02}, {PREFIX_EMBEDDINGS, 1}};
    policy_report first, last[3];
    for (size_t c = 0; c < 3; c++) {
        bench b;
        error err = {0};
        policy_options o = policy_defaults();
        o.n_samples = 32;
        o.max_tokens = 6;
        o.beta = cases[c].beta;
        o.lr = 0.1;
        open_bench(&b, "tiny-f32", cases[c].kind);
        policy *p = make_policy(&b, &o);
        must(policy_try(p, &b.start, b.contexts, 2, 1, NULL, &first, &err), &err);
        last[c] = learn(&b, p, 80);
        policy_free(p);
        close_bench(&b);
        if (c < 2)
            assert_true(last[c].worth > first.worth + 0.2);
        assert_true(last[c].kl < first.kl); /* it began as words far from nothing */
    }
    assert_true(last[2].kl < 0.5 * last[0].kl); /* what the penalty is for */
    assert_true(last[2].worth < last[0].worth);
}

static void steps_depend_on_the_seed_and_nothing_else(void **state)
{
    (void)state;
    float *values[3];
    bench b;
    error err = {0};
    policy_options o = policy_defaults();
    o.max_tokens = 4;
    open_bench(&b, "tiny-f32", PREFIX_EMBEDDINGS);
    for (size_t k = 0; k < 3; k++) {
        policy_report r;
        prefix learned = {0};
        session *s = must_open(b.f.model, "cpu", k + 1, 0, OVERFLOW_ERROR), *old = b.s;
        b.s = s;
        o.seed = k == 2;
        o.batch = 1;
        policy *p = make_policy(&b, &o);
        for (size_t i = 0; i < 3; i++)
            must(policy_step(p, &r, &err), &err);
        must(policy_latest(p, &learned, &err), &err);
        values[k] = learned.values;
        learned.values = NULL;
        prefix_free(&learned);
        policy_free(p);
        session_close(s);
        b.s = old;
    }
    assert_memory_equal(values[0], values[1], b.n_values * sizeof(float));
    assert_memory_not_equal(values[0], values[2], b.n_values * sizeof(float));
    for (size_t k = 0; k < 3; k++)
        free(values[k]);
    close_bench(&b);
}

/* ---- A state that goes on ---- */

static void take_steps(policy *p, size_t n)
{
    policy_report r;
    error err = {0};
    for (size_t i = 0; i < n; i++)
        must(policy_step(p, &r, &err), &err);
}

static void assert_same_prefix(const policy *a, const policy *b, size_t n)
{
    prefix x = {0}, y = {0};
    error err = {0};
    must(policy_latest(a, &x, &err), &err);
    must(policy_latest(b, &y, &err), &err);
    assert_memory_equal(x.values, y.values, n * sizeof(float));
    assert_int_equal(x.origin.step, y.origin.step);
    prefix_free(&x);
    prefix_free(&y);
}

static void a_state_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    static const prefix_kind kinds[] = {PREFIX_EMBEDDINGS, PREFIX_KEY_VALUES};
    for (size_t k = 0; k < 2; k++) {
        bench b;
        error err = {0};
        text bytes = {0};
        policy_options o = policy_defaults();
        o.max_tokens = 4;
        o.batch = 1;
        open_bench(&b, "tiny-f32", kinds[k]);
        policy *whole = new_policy(&b, &o, "r"), *first = new_policy(&b, &o, "r"),
               *second = new_policy(&b, &o, "r");
        take_steps(whole, 5);
        take_steps(first, 2);
        must(policy_save_state(first, &bytes, &err), &err);
        must(policy_load_state(second, bytes.s, bytes.n, &err), &err);
        take_steps(second, 3);
        assert_same_prefix(whole, second, b.n_values);
        text_free(&bytes);
        policy_free(whole);
        policy_free(first);
        policy_free(second);
        close_bench(&b);
    }
}

static void a_state_of_another_tuning_is_refused(void **state)
{
    (void)state;
    bench b;
    error err = {0};
    text bytes = {0};
    const char *const line[] = {"\n"};
    policy_options o = policy_defaults();
    open_bench(&b, "tiny-f32", PREFIX_EMBEDDINGS);
    policy *p = new_policy(&b, &o, "r"), *untouched = new_policy(&b, &o, "r");
    must(policy_save_state(p, &bytes, &err), &err);
    for (size_t n = 0; n < bytes.n; n += n < 200 ? 1 : 977)
        assert_int_equal(policy_load_state(p, bytes.s, n, &err), E_FORMAT);
    policy_options others[] = {o, o, o, o, o, o, o, o};
    others[1].seed++;
    others[2].beta *= 2;
    others[3].lr *= 2;
    others[4].n_samples++;
    others[5].batch = 1;
    others[6].max_tokens++;
    others[7].stops = line;
    others[7].n_stops = 1;
    for (size_t i = 0; i < 8; i++) {
        policy *other = new_policy(&b, &others[i], i ? "r" : "another reward");
        assert_int_equal(policy_load_state(other, bytes.s, bytes.n, &err), E_ARGUMENT);
        assert_same_prefix(other, untouched, b.n_values);
        policy_free(other);
    }
    b.ids[1][2]++;
    policy *other = new_policy(&b, &o, "r");
    assert_int_equal(policy_load_state(other, bytes.s, bytes.n, &err), E_ARGUMENT);
    policy_free(other);
    text_free(&bytes);
    policy_free(p);
    policy_free(untouched);
    close_bench(&b);
}

/* ---- Texts ---- */

typedef struct seen {
    size_t n, stopped, ended;
    const tokenizer *tokenizer;
} seen;

static int judge_ends(void *context, const policy_text *texts, size_t n, double *worths,
                      error *err)
{
    seen *x = context;
    const tokenizer_info *info = tokenizer_describe(x->tokenizer);
    for (size_t i = 0; i < n; i++) {
        text whole = {0};
        assert_true(texts[i].n >= 1 && texts[i].n <= 12 && texts[i].context < 2);
        int32_t last = texts[i].ids[texts[i].n - 1];
        bool end = last == info->eos || last == info->eot;
        must(tokenizer_decode(x->tokenizer, texts[i].ids, texts[i].n - end, true, &whole,
                              err),
             err);
        const char *stop = memchr(text_string(&whole), 'e', whole.n);
        assert_null(strchr(texts[i].text, 'e'));
        assert_int_equal(
            strncmp(text_string(&whole), texts[i].text, strlen(texts[i].text)), 0);
        if (!end && texts[i].n < 12)
            assert_non_null(stop); /* nothing else ends one */
        x->stopped += stop != NULL;
        x->ended += end;
        text_free(&whole);
        worths[i] = 0;
    }
    x->n += n;
    return 0;
}

static void a_text_ends_at_its_stop_or_its_end_token(void **state)
{
    (void)state;
    bench b;
    error err = {0};
    policy_report r;
    policy *p;
    const char *const stops[] = {"e"};
    policy_options o = policy_defaults();
    o.n_samples = 200;
    o.max_tokens = 12;
    o.stops = stops;
    o.n_stops = 1;
    open_bench(&b, "tiny-f32", PREFIX_EMBEDDINGS);
    seen x = {.tokenizer = model_tokenizer(b.f.model)};
    const policy_judge judge = {judge_ends, &x, NULL};
    must(policy_new(&p, b.s, b.f.model, &b.start, b.contexts, 2, &o, &judge, &err), &err);
    must(policy_try(p, &b.start, b.contexts, 2, 0, NULL, &r, &err), &err);
    assert_true(x.n == 400 && x.stopped > 20 && x.ended > 0);
    policy_free(p);
    close_bench(&b);
}

/* ---- What makes no sense ---- */

static int judge_nan(void *context, const policy_text *texts, size_t n, double *worths,
                     error *err)
{
    (void)context;
    (void)texts;
    (void)err;
    for (size_t i = 0; i < n; i++)
        worths[i] = (double)NAN;
    return 0;
}

static int judge_fails(void *context, const policy_text *texts, size_t n, double *worths,
                       error *err)
{
    (void)context;
    (void)texts;
    (void)n;
    (void)worths;
    return error_set(err, E_EXTERNAL, "nobody is there");
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    bench b;
    error err = {0};
    policy *p = NULL;
    policy_report r = {.n_texts = 7};
    open_bench(&b, "tiny-f32", PREFIX_EMBEDDINGS);
    policy_options good = policy_defaults(), bad[4] = {good, good, good, good};
    const policy_judge judge = {judge_tokens, NULL, NULL};
    bad[0].n_samples = 1;
    bad[1].max_tokens = 0;
    bad[2].lr = -1;
    bad[3].beta = NAN;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(policy_new(&p, b.s, b.f.model, &b.start, b.contexts, 2, &bad[i],
                                    &judge, &err),
                         E_ARGUMENT);
    assert_int_equal(
        policy_new(&p, b.s, b.f.model, &b.start, b.contexts, 0, &good, &judge, &err),
        E_ARGUMENT);
    good.max_tokens = 57; /* 3 + 5 + 57 > 64 */
    assert_int_equal(
        policy_new(&p, b.s, b.f.model, &b.start, b.contexts, 2, &good, &judge, &err),
        E_LIMIT);
    assert_null(p);
    good.max_tokens = 4;
    const policy_judge faulty[] = {{judge_nan, NULL, NULL}, {judge_fails, NULL, NULL}};
    const int codes[] = {E_NUMERIC, E_EXTERNAL};
    for (size_t i = 0; i < 2; i++) {
        prefix after = {0};
        must(policy_new(&p, b.s, b.f.model, &b.start, b.contexts, 2, &good, &faulty[i],
                        &err),
             &err);
        assert_int_equal(policy_step(p, &r, &err), codes[i]);
        must(policy_latest(p, &after, &err), &err);
        assert_memory_equal(after.values, b.start.values, b.n_values * sizeof(float));
        assert_true(policy_steps(p) == 0 && r.n_texts == 7);
        prefix_free(&after);
        policy_free(p);
    }
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_that_of_the_expectation),
        cmocka_unit_test(what_is_reported_is_the_expectation),
        cmocka_unit_test(what_is_rewarded_is_written_more_and_kl_stays_bounded),
        cmocka_unit_test(steps_depend_on_the_seed_and_nothing_else),
        cmocka_unit_test(a_state_goes_on_to_the_same_bits),
        cmocka_unit_test(a_state_of_another_tuning_is_refused),
        cmocka_unit_test(a_text_ends_at_its_stop_or_its_end_token),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

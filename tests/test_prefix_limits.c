/* What prefixes are refused, and what they leave of window and memory. */
#include "prefix_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

static const char *const backend_names[] = {"ref", "cpu"};

static void prefixes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32"); /* C 32, window 64 */
    const prefix_view good = f.prefixes[PREFIX_EMBEDDINGS];
    float *nan = array_new(good.n * 32, sizeof(*nan));
    float *infinite = array_new(good.n * 32, sizeof(*nan));
    float *many = array_new(WINDOW * 32, sizeof(*many));
    nan[2 * 32 + 5] = NAN;
    infinite[3 * 32] = -INFINITY;
    const struct {
        prefix_view prefix;
        int code;
        const char *says;
    } cases[] = {
        {{.kind = PREFIX_EMBEDDINGS, .n = 0}, E_ARGUMENT, "at least 1"},
        {{.kind = (prefix_kind)7, .n = 1}, E_ARGUMENT, "7 is no kind of prefix"},
        {{PREFIX_EMBEDDINGS, WINDOW, many}, E_LIMIT, "64 virtual tokens leaves no room"},
        {{PREFIX_EMBEDDINGS, SIZE_MAX, many}, E_LIMIT, "the model's window is 64"},
        {{PREFIX_EMBEDDINGS, good.n, nan},
         E_NUMERIC,
         "virtual token 2 of the prefix: value 5 of 32 is nan"},
        {{PREFIX_EMBEDDINGS, good.n, infinite},
         E_NUMERIC,
         "virtual token 3 of the prefix: value 0 of 32 is -inf"},
    };
    session *s = open_behind(f.model, "cpu", 1, 0, &good);
    double before = must_score(s, &f.rows[0]);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        error err = {0};
        assert_int_equal(session_set_prefix(s, &cases[i].prefix, &err), cases[i].code);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, err.text);
        assert_true(must_score(s, &f.rows[0]) == before); /* the old one stays */
    }
    session_close(s);
    free(nan);
    free(infinite);
    free(many);
    prefix_fixture_close(&f);
}

static void the_window_is_shorter_by_the_prefix(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    int32_t tokens[WINDOW];
    for (int i = 0; i < WINDOW; i++)
        tokens[i] = 10 + i;
    const prefix_view *p = &f.prefixes[PREFIX_EMBEDDINGS];
    row fits = {tokens, WINDOW - p->n, 50}, longer = {tokens, WINDOW - p->n + 1, 50};
    session *s = open_behind(f.model, "cpu", 1, 0, p);
    session *left = must_open(f.model, "cpu", 1, 0, OVERFLOW_LEFT);
    row_score score;
    error err = {0};
    must_score(s, &fits);
    assert_int_equal(model_score(s, &longer, 1, &score, NULL, &err), E_LIMIT);
    assert_string_equal(err.text, "row 0 has 58 tokens, 8 of them targets; the model's "
                                  "window is 64, of which the prefix takes 7");
    must_set(left, p);
    row cut = {tokens + 1, WINDOW - p->n, 49};
    assert_true(must_score(left, &longer) == must_score(s, &cut));
    must_set(s, NULL);
    must_score(s, &longer);
    /* a prefix may fill the window but for one token, which then has a next one */
    float *many = array_new((WINDOW - 1) * 32, sizeof(*many));
    prefix_view most = {PREFIX_EMBEDDINGS, WINDOW - 1, many};
    row one = {tokens, 1, 0};
    int32_t id;
    double logprob;
    must_set(s, &most);
    must(model_next(s, &one, 1, 1, &id, &logprob, &err), &err);
    session_close(s);
    session_close(left);
    free(many);
    prefix_fixture_close(&f);
}

/* With so little memory that walks are of few tokens, a long prefix is run in parts; when
 * it does not fit at all, setting it says so and leaves the session as it was. */
static void memory_limits_the_prefix(void **state)
{
    (void)state;
    enum { LONG = 50 };
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    float *values = array_new(LONG * 32, sizeof(*values));
    for (size_t i = 0; i < LONG * 32; i++)
        values[i] = (float)(i % 31) / 31 - 0.5f;
    prefix_view p = {PREFIX_EMBEDDINGS, LONG, values};
    for (size_t b = 0; b < 2; b++) {
        session *s = open_behind(f.model, backend_names[b], 1, 0, &p);
        double want = must_score(s, &f.rows[1]), alone;
        size_t refused = 0, set = 0;
        for (uint64_t kib = 20; kib < 120; kib += 4) {
            row_score score;
            error err = {0};
            session *small =
                must_open(f.model, backend_names[b], 1, kib << 10, OVERFLOW_ERROR);
            alone = must_score(small, &f.rows[2]);
            int rc = session_set_prefix(small, &p, &err);
            if (rc < 0) {
                assert_int_equal(rc, E_MEMORY);
                assert_non_null(strstr(err.text, "prefix"));
                assert_non_null(strstr(err.text, "of the session's"));
                assert_true(must_score(small, &f.rows[2]) == alone);
                refused++;
            } else if (model_score(small, &f.rows[1], 1, &score, NULL, &err) == 0) {
                assert_true(score.logprob == want);
                must_set(small, NULL);
                assert_true(must_score(small, &f.rows[2]) == alone);
                set++;
            } else {
                assert_int_equal(err.code, E_MEMORY);
            }
            session_close(small);
        }
        assert_true(refused > 0 && set > 0);
        session_close(s);
    }
    free(values);
    prefix_fixture_close(&f);
}

static void a_stopped_prefix_is_run_again(void **state)
{
    (void)state;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    const prefix_view *p = &f.prefixes[PREFIX_EMBEDDINGS];
    session *s = open_behind(f.model, "cpu", 1, 0, p);
    session *fresh = open_behind(f.model, "cpu", 1, 0, p);
    volatile int stop = 1;
    row_score score;
    session_set_interrupt(s, &stop);
    assert_int_equal(model_score(s, f.rows, 1, &score, NULL, NULL), E_INTERRUPTED);
    stop = 0;
    assert_true(must_score(s, &f.rows[0]) == must_score(fresh, &f.rows[0]));
    session_close(s);
    session_close(fresh);
    prefix_fixture_close(&f);
}

/* Every allocation of setting a prefix and scoring behind it fails in turn: the error is
 * E_MEMORY, nothing leaks, and the session goes on with what it had. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    prefix_fixture f;
    prefix_fixture_open(&f, "tiny-f32");
    for (size_t k = 0; k < 2; k++) {
        session *whole = open_behind(f.model, "ref", 1, 0, &f.prefixes[k]);
        double alone, want = must_score(whole, &f.rows[0]);
        session_close(whole);
        long failures = 0;
        for (int rc = -1; rc < 0; failures++) {
            row_score score;
            error err = {0};
            long held_before = allocations_held();
            session *s = must_open(f.model, "ref", 1, 0, OVERFLOW_ERROR);
            alone = must_score(s, &f.rows[0]);
            set_allocations_left(failures + 1);
            rc = session_set_prefix(s, &f.prefixes[k], &err);
            bool set = rc == 0;
            if (set)
                rc = model_score(s, &f.rows[0], 1, &score, NULL, &err);
            set_allocations_left(-1);
            assert_true(rc == 0 || rc == E_MEMORY);
            assert_true(must_score(s, &f.rows[0]) == (set ? want : alone));
            session_close(s);
            assert_int_equal(allocations_held(), held_before);
        }
        assert_in_range(failures, 10, 100);
    }
    prefix_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_that_cannot_be_are_refused),
        cmocka_unit_test(the_window_is_shorter_by_the_prefix),
        cmocka_unit_test(memory_limits_the_prefix),
        cmocka_unit_test(a_stopped_prefix_is_run_again),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

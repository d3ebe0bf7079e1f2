/* Words found by gradients and vectors read back into words, against PyTorch and NumPy
 * (tests/fixtures/make_readback.py), and where the answer is known beforehand. */
#include "gradient_fixture.h"

#include "../prefix/project.h"
#include "fixture.h"

#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

enum { N_WORDS = 3, MOST_ROWS = 4 };

typedef struct words_fixture {
    model *model;
    session *session;
    json_t *data;
    size_t C;
    row rows[MOST_ROWS];
    uint32_t *places[MOST_ROWS];
    word_rows words;
    token_rule rule;
} words_fixture;

/* The rule of the fixture: its list of forbidden ids. */
static bool allows(const void *context, size_t position, int32_t id)
{
    const json_t *forbidden = context;
    (void)position;
    for (size_t i = 0; i < json_array_size(forbidden); i++)
        if (json_integer_value(json_array_get(forbidden, i)) == id)
            return false;
    return true;
}

static uint32_t *read_places(const json_t *list)
{
    size_t n = json_array_size(list);
    uint32_t *places = array_new(n, sizeof *places);
    for (size_t i = 0; i < n; i++) {
        json_int_t p = json_integer_value(json_array_get(list, i));
        places[i] = p < 0 ? place_none : (uint32_t)p;
    }
    return places;
}

static void open_words(words_fixture *f, const char *backend)
{
    char path[FIXTURE_PATH_BYTES];
    error err = {0};
    json_error_t where;
    *f = (words_fixture){0};
    must(model_open(&f->model, fixture_path(path, "tiny-f32.gguf"), &err), &err);
    f->session = must_open(f->model, backend, 1, 0, OVERFLOW_ERROR);
    f->data = json_load_file(fixture_path(path, "tiny-f32-words.json"), 0, &where);
    if (!f->data)
        fail_msg("%s: %s", path, where.text);
    f->C = model_describe(f->model)->width;
    const json_t *rows = json_object_get(f->data, "rows");
    size_t n = json_array_size(rows);
    assert_in_range(n, 1, MOST_ROWS);
    for (size_t i = 0; i < n; i++) {
        const json_t *r = json_array_get(rows, i);
        f->rows[i].tokens = json_ids(json_object_get(r, "ids"), &f->rows[i].n);
        f->rows[i].n_context =
            (size_t)json_integer_value(json_object_get(r, "n_context"));
        f->places[i] = read_places(json_object_get(r, "places"));
    }
    f->words = (word_rows){.rows = f->rows,
                           .n_rows = n,
                           .places = (const uint32_t *const *)f->places,
                           .n = N_WORDS};
    f->rule = (token_rule){allows, json_object_get(f->data, "forbidden")};
}

static void close_words(words_fixture *f)
{
    for (size_t i = 0; i < MOST_ROWS; i++) {
        free((int32_t *)(uintptr_t)f->rows[i].tokens);
        free(f->places[i]);
    }
    session_close(f->session);
    model_close(f->model);
    json_decref(f->data);
}

static int32_t *get_ids(const words_fixture *f, const json_t *of, const char *key)
{
    size_t n;
    (void)f;
    int32_t *ids = json_ids(json_object_get(of, key), &n);
    assert_int_equal(n, N_WORDS);
    return ids;
}

/* ---- Descent ---- */

static void begin(const words_fixture *f, descent *d)
{
    error err = {0};
    int32_t *start = get_ids(f, f->data, "start");
    double lr = json_number_value(json_object_get(f->data, "lr"));
    must(descent_new(d, f->model, start, N_WORDS, lr, &err), &err);
    free(start);
}

/* The loss and gradient of a step are as PyTorch has them. */
static void check_look(const json_t *step, double loss, const float *gradient, size_t C)
{
    size_t n;
    float *want = json_floats(json_object_get(step, "gradient"), &n);
    double said = json_number_value(json_object_get(step, "loss"));
    assert_int_equal(n, N_WORDS * C);
    assert_true(fabs(loss - said) < 1e-5 * said);
    double off = relative_difference(gradient, want, n);
    if (off > 1e-4)
        fail_msg("a gradient is off by %g", off);
    free(want);
}

static void projected_descent_goes_where_pytorch_goes(void **state)
{
    (void)state;
    static const char *const backends[] = {"ref", "cpu"};
    for (size_t k = 0; k < 2; k++) {
        words_fixture f;
        descent d;
        error err = {0};
        open_words(&f, backends[k]);
        begin(&f, &d);
        float *gradient = array_new(N_WORDS * f.C, sizeof *gradient);
        const json_t *steps = json_object_get(f.data, "projected");
        bool moved = false;
        for (size_t i = 0; i < json_array_size(steps); i++) {
            const json_t *step = json_array_get(steps, i);
            int32_t ids[N_WORDS], *want = get_ids(&f, step, "ids");
            double loss = 0;
            must(readback_nearest(f.session, d.point, N_WORDS, MEASURE_COSINE, &f.rule, 1,
                                  ids, NULL, &err),
                 &err);
            assert_memory_equal(ids, want, sizeof ids);
            must(project_gradient(f.session, &f.words, ids, gradient, &loss, &err), &err);
            check_look(step, loss, gradient, f.C);
            descent_step(&d, gradient);
            moved = moved || ids[0] != f.rows[0].tokens[1];
            free(want);
        }
        assert_true(moved);
        free(gradient);
        descent_free(&d);
        close_words(&f);
    }
}

static void vectors_between_words_go_where_pytorch_goes(void **state)
{
    (void)state;
    words_fixture f;
    descent d;
    error err = {0};
    open_words(&f, "cpu");
    begin(&f, &d);
    float *gradient = array_new(N_WORDS * f.C, sizeof *gradient);
    const json_t *steps = json_object_get(f.data, "softened");
    assert_int_equal(soften_common(&f.words), 6);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        double loss = 0;
        must(soften_gradient(f.session, &f.words, d.point, gradient, &loss, &err), &err);
        check_look(json_array_get(steps, i), loss, gradient, f.C);
        descent_step(&d, gradient);
    }
    free(gradient);
    descent_free(&d);
    close_words(&f);
}

/* At the embeddings of the words themselves both ways of looking see the same. */
static void both_looks_agree_where_they_meet(void **state)
{
    (void)state;
    words_fixture f;
    descent d;
    error err = {0};
    open_words(&f, "cpu");
    begin(&f, &d);
    int32_t *start = get_ids(&f, f.data, "start");
    float *a = array_new(N_WORDS * f.C, sizeof *a),
          *b = array_new(N_WORDS * f.C, sizeof *b);
    double at_words, at_vectors;
    must(project_gradient(f.session, &f.words, start, a, &at_words, &err), &err);
    must(soften_gradient(f.session, &f.words, d.point, b, &at_vectors, &err), &err);
    assert_true(fabs(at_words - at_vectors) < 1e-5);
    assert_true(relative_difference(a, b, N_WORDS * f.C) < 1e-4);
    free(a);
    free(b);
    free(start);
    descent_free(&d);
    close_words(&f);
}

static void rows_that_do_not_begin_alike_take_no_vectors(void **state)
{
    (void)state;
    words_fixture f;
    error err = {0};
    float x = 0;
    double loss;
    open_words(&f, "cpu");
    int32_t *tokens = (int32_t *)(uintptr_t)f.rows[1].tokens;
    tokens[2]++; /* between the words */
    assert_int_equal(soften_common(&f.words), 0);
    assert_int_equal(soften_gradient(f.session, &f.words, &x, &x, &loss, &err),
                     E_ARGUMENT);
    assert_non_null(strstr(err.text, "begin alike"));
    tokens[2]--;
    assert_int_equal(soften_common(&f.words), 6);
    f.rows[1].n_context = 6; /* the first target stands right behind the last word */
    assert_int_equal(soften_common(&f.words), 0);
    f.places[0][1] = N_WORDS;
    int32_t ids[N_WORDS] = {5, 6, 8};
    assert_int_equal(project_gradient(f.session, &f.words, ids, &x, &loss, &err),
                     E_ARGUMENT);
    assert_non_null(strstr(err.text, "word 3 of 3"));
    close_words(&f);
}

/* ---- A planted answer ---- */

/* The loss is |point's words - the planted ones|^2 in embeddings: the projected search
 * must arrive at the planted tokens, whatever they are and wherever it begins. */
static void a_planted_sequence_is_found(void **state)
{
    (void)state;
    words_fixture f;
    error err = {0};
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    open_words(&f, "cpu");
    size_t size = N_WORDS * f.C;
    float *at = array_new(size, sizeof *at), *goal = array_new(size, sizeof *goal);
    for (size_t round = 0; round < 20; round++) {
        int32_t ids[N_WORDS], planted[N_WORDS], start[N_WORDS];
        descent d;
        bool found = false;
        for (size_t i = 0; i < N_WORDS; i++)
            do {
                start[i] = (int32_t)(3 + gsl_rng_uniform_int(rng, 288));
                planted[i] = (int32_t)(3 + gsl_rng_uniform_int(rng, 288));
            } while (!allows(f.rule.context, i, start[i]) ||
                     !allows(f.rule.context, i, planted[i]));
        must(descent_new(&d, f.model, start, N_WORDS, 0.1, &err), &err);
        must(model_embeddings(f.model, planted, N_WORDS, goal, &err), &err);
        for (size_t step = 0; step < 100 && !found; step++) {
            must(readback_nearest(f.session, d.point, N_WORDS, MEASURE_COSINE, &f.rule, 1,
                                  ids, NULL, &err),
                 &err);
            found = memcmp(ids, planted, sizeof ids) == 0;
            must(model_embeddings(f.model, ids, N_WORDS, at, &err), &err);
            for (size_t i = 0; i < size; i++)
                at[i] = 2 * (at[i] - goal[i]);
            descent_step(&d, at);
        }
        assert_true(found);
        descent_free(&d);
    }
    free(at);
    free(goal);
    gsl_rng_free(rng);
    close_words(&f);
}

/* ---- Reading back ---- */

static void nearest_allowed_tokens_equal_numpy(void **state)
{
    (void)state;
    static const char *const names[] = {"dot", "cosine"};
    words_fixture f;
    error err = {0};
    size_t n;
    open_words(&f, "cpu");
    float *vectors = json_floats(json_object_get(f.data, "vectors"), &n);
    for (embedding_measure k = MEASURE_DOT; k <= MEASURE_COSINE; k++) {
        const json_t *lists =
            json_object_get(json_object_get(f.data, "nearest"), names[k]);
        for (size_t i = 0; i < N_WORDS; i++) {
            int32_t got[N_WORDS * 4], *want = json_ids(json_array_get(lists, i), &n);
            assert_int_equal(n, 4);
            must(readback_nearest(f.session, vectors, N_WORDS, k, &f.rule, 4, got, NULL,
                                  &err),
                 &err);
            assert_memory_equal(got + 4 * i, want, 4 * sizeof *want);
            free(want);
        }
    }
    free(vectors);
    close_words(&f);
}

static bool allows_two(const void *context, size_t position, int32_t id)
{
    (void)context;
    (void)position;
    return id == 50 || id == 1 || id == 200; /* 1 is special */
}

static void special_tokens_are_never_offered_and_want_is_said(void **state)
{
    (void)state;
    words_fixture f;
    error err = {0};
    int32_t ids[3];
    double measures[3];
    open_words(&f, "cpu");
    float *vector = array_new(f.C, sizeof *vector);
    for (int32_t special = 0; special < 3; special++) {
        must(model_embeddings(f.model, &special, 1, vector, &err), &err);
        must(readback_nearest(f.session, vector, 1, MEASURE_COSINE, NULL, 3, ids, NULL,
                              &err),
             &err);
        for (size_t i = 0; i < 3; i++)
            assert_true(ids[i] > 2);
    }
    token_rule rule = {allows_two, NULL};
    must(readback_nearest(f.session, vector, 1, MEASURE_DOT, &rule, 3, ids, measures,
                          &err),
         &err);
    assert_true(ids[0] + ids[1] == 250);
    assert_true(measures[0] >= measures[1]);
    assert_int_equal(ids[2], -1);
    free(vector);
    close_words(&f);
}

/* The text that vectors stand in, as the fixture has it. */
typedef struct soft_text {
    vector_text text;
    int32_t *ids;
    uint32_t *places;
    float *vectors;
} soft_text;

static void open_text(const words_fixture *f, soft_text *x)
{
    size_t n, floats;
    const json_t *t = json_object_get(f->data, "text");
    x->ids = json_ids(json_object_get(t, "ids"), &n);
    x->places = read_places(json_object_get(t, "places"));
    x->vectors = json_floats(json_object_get(f->data, "vectors"), &floats);
    x->text = (vector_text){x->ids, x->places, n, x->vectors, N_WORDS};
}

static void close_text(soft_text *x)
{
    free(x->ids);
    free(x->places);
    free(x->vectors);
}

static void the_beam_equals_numpy_and_its_price_holds(void **state)
{
    (void)state;
    words_fixture f;
    soft_text x;
    error err = {0};
    open_words(&f, "cpu");
    open_text(&f, &x);
    const json_t *b = json_object_get(f.data, "beam");
    beam_options o = {.width = (size_t)json_integer_value(json_object_get(b, "width")),
                      .nearest =
                          (size_t)json_integer_value(json_object_get(b, "nearest")),
                      .fluency = json_number_value(json_object_get(b, "fluency"))};
    int32_t ids[3 * N_WORDS];
    double scores[3];
    uint64_t before = session_spent(f.session).row_tokens;
    int n = readback_beam(f.session, &x.text, &f.rule, &o, ids, scores, &err);
    assert_int_equal(n, 3);
    assert_true(session_spent(f.session).row_tokens - before <=
                readback_beam_tokens(&x.text, &o));
    for (size_t i = 0; i < 3; i++) {
        size_t count;
        int32_t *want = json_ids(json_array_get(json_object_get(b, "ids"), i), &count);
        assert_memory_equal(ids + i * N_WORDS, want, N_WORDS * sizeof *ids);
        double said = json_number_value(json_array_get(json_object_get(b, "scores"), i));
        assert_true(fabs(scores[i] - said) < 1e-5);
        free(want);
    }
    close_text(&x);
    close_words(&f);
}

/* Without fluency the best sequence is that of the nearest tokens. */
static void without_fluency_the_beam_is_the_nearest_tokens(void **state)
{
    (void)state;
    words_fixture f;
    soft_text x;
    error err = {0};
    open_words(&f, "cpu");
    open_text(&f, &x);
    beam_options o = {.width = 4, .nearest = 3, .fluency = 0};
    int32_t ids[4 * N_WORDS], nearest[N_WORDS];
    double scores[4];
    assert_int_equal(readback_beam(f.session, &x.text, NULL, &o, ids, scores, &err), 4);
    must(readback_nearest(f.session, x.vectors, N_WORDS, MEASURE_COSINE, NULL, 1, nearest,
                          NULL, &err),
         &err);
    assert_memory_equal(ids, nearest, sizeof nearest);
    for (size_t i = 1; i < 4; i++)
        assert_true(scores[i] <= scores[i - 1]);
    close_text(&x);
    close_words(&f);
}

static void what_a_beam_cannot_read_is_said(void **state)
{
    (void)state;
    words_fixture f;
    soft_text x;
    error err = {0};
    int32_t ids[4 * N_WORDS];
    double scores[4];
    open_words(&f, "cpu");
    open_text(&f, &x);
    beam_options none = {.width = 0, .nearest = 3}, o = beam_defaults();
    assert_int_equal(readback_beam(f.session, &x.text, NULL, &none, ids, scores, &err),
                     E_ARGUMENT);
    x.places[0] = x.places[1];
    assert_int_equal(readback_beam(f.session, &x.text, NULL, &o, ids, scores, &err),
                     E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "two places"));
    x.places[0] = N_WORDS;
    assert_int_equal(readback_beam(f.session, &x.text, NULL, &o, ids, scores, &err),
                     E_ARGUMENT);
    x.places[0] = place_none;
    x.vectors[3] = NAN;
    assert_int_equal(readback_beam(f.session, &x.text, NULL, &o, ids, scores, &err),
                     E_NUMERIC);
    close_text(&x);
    close_words(&f);
}

/* Ids that a tokenizer made survive; a merge that it would make does not, nor does half a
 * character. */
static void only_what_a_tokenizer_would_write_survives(void **state)
{
    (void)state;
    words_fixture f;
    error err = {0};
    token_list made = {0};
    open_words(&f, "cpu");
    const tokenizer *t = model_tokenizer(f.model);
    must(tokenizer_encode(t, "the opposite of hot", 19, false, &made, &err), &err);
    assert_int_equal(readback_survives(t, made.ids, made.n, &err), 1);
    token_list letters = {0}; /* the same text in more tokens than it takes */
    for (size_t i = 0; i < 19; i++)
        must(tokenizer_encode(t, &"the opposite of hot"[i], 1, false, &letters, &err),
             &err);
    assert_true(letters.n > made.n);
    assert_int_equal(readback_survives(t, letters.ids, letters.n, &err), 0);
    token_list accent = {0};
    must(tokenizer_encode(t, "é", 2, false, &accent, &err), &err);
    assert_true(accent.n > 1);
    assert_int_equal(readback_survives(t, accent.ids, 1, &err), 0);
    int32_t special = 1;
    assert_int_equal(readback_survives(t, &special, 1, &err), 0);
    special = 100000;
    assert_int_equal(readback_survives(t, &special, 1, &err), E_ARGUMENT);
    token_list_free(&made);
    token_list_free(&letters);
    token_list_free(&accent);
    close_words(&f);
}

/* ---- Memory ---- */

static int everything(const words_fixture *f, const soft_text *x, float *gradient,
                      error *err)
{
    beam_options o = {.width = 2, .nearest = 3, .fluency = 0.1};
    int32_t ids[2 * N_WORDS], start[N_WORDS] = {5, 6, 8};
    double scores[2], loss;
    descent d;
    TRY(readback_beam(f->session, &x->text, &f->rule, &o, ids, scores, err));
    TRY(project_gradient(f->session, &f->words, start, gradient, &loss, err));
    TRY(soften_gradient(f->session, &f->words, x->vectors, gradient, &loss, err));
    TRY(readback_survives(model_tokenizer(f->model), ids, N_WORDS, err));
    TRY(descent_new(&d, f->model, start, N_WORDS, 0.1, err));
    descent_free(&d);
    return 0;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    words_fixture f;
    soft_text x;
    open_words(&f, "ref");
    open_text(&f, &x);
    float *gradient = array_new(N_WORDS * f.C, sizeof *gradient);
    session *first = f.session; /* keeps the packed weights */
    long failures = 0;
    for (int rc = -1; rc < 0; failures++) {
        error err = {0};
        long before = allocations_held();
        f.session = must_open(f.model, "ref", 1, 0, OVERFLOW_ERROR);
        set_allocations_left(failures + 1);
        rc = everything(&f, &x, gradient, &err);
        set_allocations_left(-1);
        assert_true(rc >= 0 || rc == E_MEMORY);
        assert_int_equal(err.code, rc < 0 ? rc : 0);
        session_close(f.session);
        assert_int_equal(allocations_held(), before);
        assert_true(failures < 2000);
    }
    f.session = first;
    assert_true(failures > 40);
    free(gradient);
    close_text(&x);
    close_words(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projected_descent_goes_where_pytorch_goes),
        cmocka_unit_test(vectors_between_words_go_where_pytorch_goes),
        cmocka_unit_test(both_looks_agree_where_they_meet),
        cmocka_unit_test(rows_that_do_not_begin_alike_take_no_vectors),
        cmocka_unit_test(a_planted_sequence_is_found),
        cmocka_unit_test(nearest_allowed_tokens_equal_numpy),
        cmocka_unit_test(special_tokens_are_never_offered_and_want_is_said),
        cmocka_unit_test(the_beam_equals_numpy_and_its_price_holds),
        cmocka_unit_test(without_fluency_the_beam_is_the_nearest_tokens),
        cmocka_unit_test(what_a_beam_cannot_read_is_said),
        cmocka_unit_test(only_what_a_tokenizer_would_write_survives),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

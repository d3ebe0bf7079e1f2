/* Training: it starts where its text stands, defaults overfit one sentence, it goes on
 * from a saved state to the same bits, and says what went wrong while it keeps what was
 * good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../prefix/train.h"
#include "engine_fixture.h"

static const char start_text[] = "the opposite of";

typedef struct bench {
    engine_fixture f;
    session *s;
} bench;

static void open_bench(bench *w, const char *name)
{
    engine_fixture_open(&w->f, name);
    w->s = must_open(w->f.model, "cpu", 1, 0, OVERFLOW_ERROR);
}

static void close_bench(bench *w)
{
    session_close(w->s);
    engine_fixture_close(&w->f);
}

static trainer *open_trainer(const bench *w, const train_options *o, const row *train,
                             size_t n_train, size_t n_selection)
{
    trainer *t;
    error err = {0};
    must(trainer_new(&t, w->s, w->f.model, o, train, n_train, w->f.rows, n_selection,
                     &err),
         &err);
    return t;
}

static train_options options_of(prefix_kind kind)
{
    train_options o = train_defaults(kind);
    o.text = start_text;
    return o;
}

/* Until the end, or n actions. Returns the loss of the last step. */
static double run(trainer *t, size_t n)
{
    double loss = INFINITY;
    error err = {0};
    for (size_t i = 0; i < n && trainer_next(t, NULL) != TRAIN_END; i++) {
        train_event e;
        must(trainer_advance(t, &e, &err), &err);
        loss = e.action == TRAIN_STEP ? e.loss : loss;
    }
    return loss;
}

static double loss_behind(const bench *w, const trainer *t, const row *rows, size_t n)
{
    prefix p;
    double loss;
    error err = {0};
    must(trainer_best(t, &p, &err), &err);
    must(train_loss(w->s, &p, rows, n, &loss, &err), &err);
    prefix_free(&p);
    return loss;
}

/* One sentence: everything after its first token is to be said. Where no layer looks at
 * everything, as much of it as sees the vectors: what is further away they hardly move.
 */
static row sentence(int32_t ids[static 64], const bench *w)
{
    const model_info *info = model_describe(w->f.model);
    static const char said[] = "this is the answer";
    token_list list = {0};
    error err = {0};
    must(tokenizer_encode(model_tokenizer(w->f.model), said, strlen(said), false, &list,
                          &err),
         &err);
    assert_true(list.n > 1 && list.n <= 64);
    memcpy(ids, list.ids, list.n * sizeof *ids);
    row r = {ids, list.n, 1};
    if (info->n_limited == info->n_layers && r.n > info->reach)
        r.n = info->reach;
    token_list_free(&list);
    return r;
}

static void defaults_overfit_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models; i++)
        for (int kind = PREFIX_EMBEDDINGS; kind <= PREFIX_KEY_VALUES; kind++) {
            bench w;
            open_bench(&w, tiny_models[i]);
            int32_t ids[64];
            row r = sentence(ids, &w);
            train_options o = options_of((prefix_kind)kind);
            trainer *t = open_trainer(&w, &o, &r, 1, 0);
            run(t, SIZE_MAX);
            double loss = loss_behind(&w, t, &r, 1);
            print_message("%s, %s: %.4g nat per token, rate %g\n", tiny_models[i],
                          prefix_kind_name((prefix_kind)kind), loss, trainer_rate(t));
            if (!(loss < 0.01))
                fail_msg("%s, %s: %.4g nat per token after %zu steps", tiny_models[i],
                         prefix_kind_name((prefix_kind)kind), loss, trainer_steps(t));
            trainer_free(t);
            close_bench(&w);
        }
}

/* The rows behind the real tokens of a text, as one row each. */
static double loss_behind_text(const bench *w, const row *rows, size_t n)
{
    token_list list = {0};
    const tokenizer *words = model_tokenizer(w->f.model);
    const tokenizer_info *info = tokenizer_describe(words);
    error err = {0};
    double sum = 0;
    size_t targets = 0;
    must(tokenizer_encode(words, start_text, strlen(start_text), false, &list, &err),
         &err);
    for (size_t i = 0; i < n; i++) {
        int32_t ids[128];
        size_t bos = info->add_bos && info->bos >= 0;
        ids[0] = info->bos;
        memcpy(ids + bos, list.ids, list.n * sizeof *ids);
        memcpy(ids + bos + list.n, rows[i].tokens, rows[i].n * sizeof *ids);
        row whole = {ids, bos + list.n + rows[i].n, bos + list.n + rows[i].n_context};
        sum -= must_score(w->s, &whole);
        targets += rows[i].n - rows[i].n_context;
    }
    token_list_free(&list);
    return sum / (double)targets;
}

static void a_text_start_has_the_texts_own_score(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tiny_models; i++)
        for (int kind = PREFIX_EMBEDDINGS; kind <= PREFIX_KEY_VALUES; kind++) {
            bench w;
            open_bench(&w, tiny_models[i]);
            int32_t ids[64];
            row r = sentence(ids, &w);
            train_options o = options_of((prefix_kind)kind);
            o.n_tokens = 0; /* as many as the text has */
            trainer *t = open_trainer(&w, &o, &r, 1, 0);
            double behind = loss_behind(&w, t, &r, 1);
            double plain = loss_behind_text(&w, &r, 1);
            assert_true(fabs(behind - plain) < 1e-6);
            trainer_free(t);
            close_bench(&w);
        }
}

/* Options under which everything happens: probe, looks, decay, accumulation, an MLP. */
static train_options busy_options(size_t mlp)
{
    train_options o = options_of(mlp ? PREFIX_KEY_VALUES : PREFIX_EMBEDDINGS);
    o.reparameterise = mlp;
    o.n_steps = 12;
    o.n_warmup = 3;
    o.batch = 2;
    o.accumulate = 2;
    o.eval_every = 4;
    o.weight_decay = 0.1;
    o.seed = 5;
    return o;
}

static void assert_same_prefix(const trainer *a, const trainer *b)
{
    prefix p, q;
    error err = {0};
    must(trainer_best(a, &p, &err), &err);
    must(trainer_best(b, &q, &err), &err);
    assert_memory_equal(p.values, q.values,
                        p.n * prefix_floats_per_token(&p) * sizeof(float));
    assert_int_equal(p.origin.step, q.origin.step);
    prefix_free(&p);
    prefix_free(&q);
    must(trainer_latest(a, &p, &err), &err);
    must(trainer_latest(b, &q, &err), &err);
    assert_memory_equal(p.values, q.values,
                        p.n * prefix_floats_per_token(&p) * sizeof(float));
    prefix_free(&p);
    prefix_free(&q);
}

static void a_saved_state_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    for (size_t mlp = 0; mlp <= 8; mlp += 8) {
        bench w;
        error err = {0};
        open_bench(&w, "tiny-q4_1");
        train_options o = busy_options(mlp);
        trainer *whole = open_trainer(&w, &o, w.f.rows, 3, 2);
        run(whole, SIZE_MAX);
        for (size_t stop = 0; stop < 20; stop += 3) {
            text saved = {0};
            trainer *first = open_trainer(&w, &o, w.f.rows, 3, 2);
            run(first, stop);
            must(trainer_save_state(first, &saved, &err), &err);
            trainer_free(first);
            trainer *second = open_trainer(&w, &o, w.f.rows, 3, 2);
            must(trainer_load_state(second, saved.s, saved.n, &err), &err);
            run(second, SIZE_MAX);
            assert_same_prefix(whole, second);
            trainer_free(second);
            text_free(&saved);
        }
        trainer_free(whole);
        close_bench(&w);
    }
}

static void states_of_others_and_damaged_ones_are_refused(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    text saved = {0};
    open_bench(&w, "tiny-f32");
    train_options o = busy_options(0);
    trainer *t = open_trainer(&w, &o, w.f.rows, 3, 2);
    must(trainer_save_state(t, &saved, &err), &err);
    for (size_t n = 0; n < saved.n; n += 1 + saved.n / 50)
        assert_int_equal(trainer_load_state(t, saved.s, n, &err), E_FORMAT);
    trainer_free(t);
    o.seed++;
    t = open_trainer(&w, &o, w.f.rows, 3, 2);
    assert_int_equal(trainer_load_state(t, saved.s, saved.n, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "seed"));
    trainer_free(t);
    o.seed--;
    o.clip = 2; /* an option that no size shows */
    t = open_trainer(&w, &o, w.f.rows, 3, 2);
    assert_int_equal(trainer_load_state(t, saved.s, saved.n, &err), E_ARGUMENT);
    trainer_free(t);
    o = busy_options(0); /* as many rows, but others */
    t = open_trainer(&w, &o, w.f.rows + 1, 3, 2);
    assert_int_equal(trainer_load_state(t, saved.s, saved.n, &err), E_ARGUMENT);
    trainer_free(t);
    t = open_trainer(&w, &o, w.f.rows, 3, 2);
    must(trainer_load_state(t, saved.s, saved.n, &err), &err);
    trainer_free(t);
    text_free(&saved);
    close_bench(&w);
}

/* What an advance says it will charge is what the session bills. */
static void what_is_due_is_what_is_charged(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    open_bench(&w, "tiny-f32");
    train_options o = busy_options(0);
    trainer *t = open_trainer(&w, &o, w.f.rows, 3, 2);
    while (trainer_next(t, NULL) != TRAIN_END) {
        uint64_t due, before = session_spent(w.s).row_tokens;
        train_event e;
        train_action action = trainer_next(t, &due);
        must(trainer_advance(t, &e, &err), &err);
        assert_int_equal(e.action, action);
        assert_int_equal(e.tokens, due);
        assert_int_equal(session_spent(w.s).row_tokens - before, due);
    }
    trainer_free(t);
    close_bench(&w);
}

static void a_rate_that_diverges_ends_it_and_the_best_is_kept(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    train_event e;
    open_bench(&w, "tiny-f32");
    train_options o = busy_options(0);
    o.lr = 1e5;
    o.n_warmup = 0;
    o.weight_decay = 0;
    trainer *t = open_trainer(&w, &o, w.f.rows, 3, 2);
    int rc = 0;
    while (rc == 0 && trainer_next(t, NULL) != TRAIN_END)
        rc = trainer_advance(t, &e, &err);
    if (rc == 0) { /* finite, if useless: then the start is still the best */
        prefix p;
        must(trainer_best(t, &p, &err), &err);
        assert_int_equal(p.origin.step, 0);
        prefix_free(&p);
    } else {
        assert_int_equal(rc, E_NUMERIC);
        assert_non_null(strstr(err.text, "step "));
        assert_int_equal(trainer_ended(t), TRAIN_DIVERGED);
        assert_true(isfinite(loss_behind(&w, t, w.f.rows, 3)));
    }
    trainer_free(t);
    close_bench(&w);
}

static void impossible_trainings_are_refused_by_name(void **state)
{
    (void)state;
    bench w;
    open_bench(&w, "tiny-f32");
    const struct {
        const char *says;
        int code;
        size_t n_train, n_tokens;
        const char *text;
        double lr, clip;
        size_t mlp;
    } cases[] = {
        {"no rows", E_ARGUMENT, 0, 4, "the", 0, 1, 0},
        {"text is empty", E_ARGUMENT, 2, 4, "", 0, 1, 0},
        {"window", E_LIMIT, 2, 64, "the", 0, 1, 0},
        {"learning rate", E_ARGUMENT, 2, 4, "the", -1, 1, 0},
        {"clipping", E_ARGUMENT, 2, 4, "the", 0, -1, 0},
        {"MLP", E_ARGUMENT, 2, 4, "the", 0, 1, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trainer *t = NULL;
        error err = {0};
        train_options o = train_defaults(PREFIX_EMBEDDINGS);
        o.n_tokens = cases[i].n_tokens;
        o.text = cases[i].text;
        o.lr = cases[i].lr;
        o.clip = cases[i].clip;
        o.reparameterise = cases[i].mlp;
        int rc = trainer_new(&t, w.s, w.f.model, &o, w.f.rows, cases[i].n_train, NULL, 0,
                             &err);
        assert_int_equal(rc, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" should say \"%s\"", err.text, cases[i].says);
    }
    close_bench(&w);
}

static void every_start_trains(void **state)
{
    (void)state;
    static const char *const labels[] = {"hot", "cold"};
    for (int init = PREFIX_INIT_TEXT; init <= PREFIX_INIT_GIVEN; init++)
        for (int kind = PREFIX_EMBEDDINGS; kind <= PREFIX_KEY_VALUES; kind++) {
            bench w;
            error err = {0};
            prefix given;
            open_bench(&w, "tiny-f32");
            must(prefix_new(&given, w.f.model, (prefix_kind)kind, 3, NULL, &err), &err);
            for (size_t i = 0; i < 3 * prefix_floats_per_token(&given); i++)
                given.values[i] = 0.01f * (float)(i % 7);
            train_options o = options_of((prefix_kind)kind);
            o.init = (prefix_init)init;
            o.labels = labels;
            o.n_labels = 2;
            o.given = &given;
            o.n_tokens = 4;
            int32_t ids[64];
            row r = sentence(ids, &w);
            trainer *t = open_trainer(&w, &o, &r, 1, 0);
            double before = loss_behind(&w, t, &r, 1);
            run(t, 100);
            double after = loss_behind(&w, t, &r, 1);
            if (!(after < 0.8 * before))
                fail_msg("%s, %s: %g nat per token, then %g", prefix_init_name(o.init),
                         prefix_kind_name(o.kind), before, after);
            trainer_free(t);
            prefix_free(&given);
            close_bench(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_overfit_one_sentence),
        cmocka_unit_test(a_text_start_has_the_texts_own_score),
        cmocka_unit_test(a_saved_state_goes_on_to_the_same_bits),
        cmocka_unit_test(states_of_others_and_damaged_ones_are_refused),
        cmocka_unit_test(what_is_due_is_what_is_charged),
        cmocka_unit_test(a_rate_that_diverges_ends_it_and_the_best_is_kept),
        cmocka_unit_test(impossible_trainings_are_refused_by_name),
        cmocka_unit_test(every_start_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

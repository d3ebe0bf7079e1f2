/* Rewards as files: what is written is what is read; everything else is refused with its
 * reason. And files of preferences. */
#include "engine_fixture.h"
#include "reward_fixture.h"
#include "scratch.h"

#include "../experiments/definition/preferences_file.h"
#include "../experiments/fitness/reward_features.h"
#include "../model/safetensors.h"
#include "../rater/reward_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const crowd_plan small = {
    .n_contexts = 8, .per_context = 3, .p = 6, .n_ratings = 60, .signal = 2, .seed = 3};

static reward *train(const reward_fixture *f, const reward_facts *facts)
{
    reward *r;
    error err = {0};
    reward_options o = reward_defaults();
    o.judge.n_resamples = 100;
    must(reward_train(&r, &f->data, facts, &o, &err), &err);
    return r;
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void what_is_saved_is_read(void **state)
{
    (void)state;
    char path[4200];
    error err = {0};
    reward_fixture f;
    reward_facts facts = made_up_facts();
    double want[2][24], got[2][24];
    facts.source = "runs/\xff.jsonl"; /* a file's name may be any bytes */
    reward_fixture_make(&f, &small);
    reward *r = train(&f, &facts), *q = NULL;
    char *folder = scratch_new();
    snprintf(path, sizeof path, "%s/reward.safetensors", folder);
    must(reward_save(r, path, &err), &err);
    must(reward_open(&q, path, &err), &err);
    reward_score(r, f.x, 24, want[0], want[1]);
    reward_score(q, f.x, 24, got[0], got[1]);
    assert_memory_equal(want, got, sizeof want);
    const reward_facts *a = reward_describe(r), *b = reward_describe(q);
    assert_string_equal(b->question, "Which is nicer?");
    assert_string_equal(b->source, "runs/\xef\xbf\xbd.jsonl");
    assert_string_equal(b->model, "tiny");
    assert_string_equal(b->model_hash, a->model_hash);
    assert_true(a->head == b->head && a->pooling == b->pooling && a->seed == b->seed);
    assert_true(a->n_ratings == b->n_ratings && a->n_simulated == b->n_simulated);
    assert_true(a->n_contexts == b->n_contexts && a->n_texts == b->n_texts);
    assert_true(a->n_components == b->n_components && a->lambda == b->lambda);
    const reward_judgement *j = reward_judged(r), *k = reward_judged(q);
    assert_true(j->accuracy.value == k->accuracy.value &&
                j->accuracy.low == k->accuracy.low);
    assert_true(j->over_length.high == k->over_length.high);
    assert_true(j->n_pairs == k->n_pairs && j->n_sizes == k->n_sizes);
    assert_true(same_number(j->correlation, k->correlation));
    assert_true(j->calibration_error == k->calibration_error);
    for (size_t b2 = 0; b2 < REWARD_BINS; b2++)
        assert_true(same_number(j->bins[b2].right, k->bins[b2].right));
    for (size_t i = 0; i < j->n_sizes; i++)
        assert_true(j->curve[i].accuracy.low == k->curve[i].accuracy.low);
    reward_free(r);
    reward_free(q);
    reward_fixture_free(&f);
    scratch_remove(folder);
}

/* ---- Files that are no rewards ---- */

/* Open the reward again with one thing changed. */
typedef struct change {
    const char *note, *old, *new; /* in this note; old NULL: the note goes */
    const char *tensor;           /* this tensor … */
    size_t rows, columns;         /* … has this shape */
    safetensor_type type;
    double value;     /* and this first value, unless it is 0 */
    const char *text; /* what the error says */
} change;

static char *replaced(const char *in, const char *old, const char *new)
{
    const char *at = strstr(in, old);
    text t = {0};
    assert_non_null(at);
    text_add(&t, in, (size_t)(at - in), NULL);
    text_add_string(&t, new, NULL);
    text_add_string(&t, at + strlen(old), NULL);
    return t.s;
}

static void check_change(const char *path, const char *changed, const change *c)
{
    safetensors *s;
    error err = {0};
    static const char *const keys[] = {"format", "facts", "judgement"};
    safetensor tensors[8];
    safetensors_note notes[3];
    size_t n = 0, n_notes = 0;
    char *new_note = NULL;
    must(safetensors_open(&s, path, &err), &err);
    double *room = array_new(100000, sizeof *room);
    for (size_t i = 0; i < safetensors_count(s); i++) {
        tensors[n] = *safetensors_at(s, i);
        if (c->tensor && strcmp(c->tensor, tensors[n].name) == 0) {
            if (c->rows == 0)
                continue;
            memcpy(room, tensors[n].bytes, tensors[n].n_bytes);
            room[0] = c->value != 0 ? c->value : room[0];
            tensors[n].bytes = room;
            tensors[n].type = c->type;
            tensors[n].n_dims = c->columns ? 2 : 1;
            tensors[n].dims[0] = c->rows;
            tensors[n].dims[1] = c->columns;
        }
        n++;
    }
    for (size_t i = 0; i < 3; i++) {
        const char *note = safetensors_metadata(s, keys[i]);
        if (c->note && strcmp(c->note, keys[i]) == 0) {
            if (!c->old)
                continue;
            note = new_note = replaced(note, c->old, c->new);
        }
        notes[n_notes++] = (safetensors_note){keys[i], note};
    }
    must(safetensors_write(changed, tensors, n, notes, n_notes, &err), &err);
    reward *r = NULL;
    assert_int_equal(reward_open(&r, changed, &err), E_FORMAT);
    assert_null(r);
    if (!strstr(err.text, c->text) || strncmp(err.text, changed, strlen(changed)) != 0)
        fail_msg("\"%s\" does not say \"%s\"", err.text, c->text);
    free(new_note);
    free(room);
    safetensors_close(s);
}

static void files_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const change changes[] = {
        {.note = "format", .text = "\"format\" is missing"},
        {.note = "format", .old = "reward 1", .new = "reward 2", .text = "reward 2"},
        {.note = "facts", .text = "no note \"facts\""},
        {.note = "facts", .old = "{", .new = "[", .text = "is not JSON"},
        {.note = "facts", .old = "pairwise", .new = "cubic", .text = "\"cubic\""},
        {.note = "facts",
         .old = "\"mean\"",
         .new = "7",
         .text = "\"pooling\" is missing"},
        {.note = "facts", .old = "0123", .new = "012", .text = "64 hex digits"},
        {.note = "facts", .old = "\"texts\":", .new = "\"texts\":-", .text = "\"texts\""},
        {.note = "facts", .old = "question", .new = "quest", .text = "\"question\""},
        {.note = "judgement", .text = "no note \"judgement\""},
        {.note = "judgement", .old = "ci95", .new = "ci", .text = "\"accuracy\""},
        {.note = "judgement", .old = "\"bins\":", .new = "\"b\":", .text = "\"bins\""},
        {.note = "judgement", .old = "\"curve\":", .new = "\"c\":", .text = "\"curve\""},
        {.note = "judgement",
         .old = "\"log_loss\":",
         .new = "\"l\":",
         .text = "log_loss"},
        {.tensor = "weights", .text = "no tensor \"weights\""},
        {.tensor = "weights", .rows = 16, .columns = 5, .text = "\"weights\" has 2"},
        {.tensor = "weights", .rows = 1, .columns = 6, .text = "1 heads"},
        {.tensor = "weights", .rows = 96, .text = "\"weights\" has 1 dim"},
        {.tensor = "weights",
         .rows = 16,
         .columns = 6,
         .value = NAN,
         .text = "\"weights\": value 0 is nan"},
        {.tensor = "intercepts", .rows = 15, .text = "\"intercepts\""},
        {.tensor = "feature_scale", .rows = 5, .text = "\"feature_scale\""},
        {.tensor = "feature_scale", .rows = 6, .value = -1, .text = "above 0"},
        {.tensor = "feature_mean",
         .rows = 6,
         .type = SAFETENSOR_F32,
         .text = "dtype F32, where F64"},
    };
    char path[4200], changed[4200];
    error err = {0};
    reward_fixture f;
    reward_facts facts = made_up_facts();
    char *folder = scratch_new();
    snprintf(path, sizeof path, "%s/reward", folder);
    snprintf(changed, sizeof changed, "%s/changed", folder);
    reward_fixture_make(&f, &small);
    reward *r = train(&f, &facts);
    must(reward_save(r, path, &err), &err);
    reward_free(r);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change c = changes[i];
        if (c.tensor && c.type == SAFETENSOR_F32 && !strstr(c.text, "F32"))
            c.type = SAFETENSOR_F64;
        check_change(path, changed, &c);
    }
    reward_fixture_free(&f);
    scratch_remove(folder);
}

static void a_file_cut_short_is_refused(void **state)
{
    (void)state;
    char path[4200], *bytes;
    size_t n;
    error err = {0};
    reward_fixture f;
    reward_facts facts = made_up_facts();
    char *folder = scratch_new();
    snprintf(path, sizeof path, "%s/reward", folder);
    reward_fixture_make(&f, &small);
    reward *r = train(&f, &facts);
    must(reward_save(r, path, &err), &err);
    reward_free(r);
    must(file_read(path, 1 << 20, &bytes, &n, &err), &err);
    for (size_t k = 0; k < n; k += k < 64 ? 1 : 37) {
        reward *q = NULL;
        assert_int_equal(reward_parse(&q, bytes, k, "short", &err), E_FORMAT);
        assert_true(q == NULL && strncmp(err.text, "short", 5) == 0);
    }
    reward *none = NULL;
    assert_int_equal(reward_open(&none, "/nowhere/reward", &err), E_IO);
    free(bytes);
    reward_fixture_free(&f);
    scratch_remove(folder);
}

static void another_model_is_refused_with_both_hashes(void **state)
{
    (void)state;
    error err = {0};
    engine_fixture e;
    reward_fixture f;
    const char *hash;
    reward_facts facts = made_up_facts();
    engine_fixture_open(&e, "tiny-f32");
    must(model_hash(e.model, &hash, &err), &err);
    reward_fixture_make(&f, &small);
    reward *r = train(&f, &facts);
    assert_int_equal(reward_check_model(r, e.model, &err), E_FORMAT);
    assert_non_null(strstr(err.text, hash));
    assert_non_null(strstr(err.text, facts.model_hash));
    reward_free(r);
    facts.model_hash = hash; /* the model, but not its features */
    r = train(&f, &facts);
    assert_int_equal(reward_check_model(r, e.model, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "6 features, its model gives 34"));
    reward_free(r);
    reward_fixture_free(&f);
    engine_fixture_close(&e);
}

/* ---- Texts ---- */

static void a_text_has_its_tokens_and_an_end(void **state)
{
    (void)state;
    error err = {0};
    engine_fixture e;
    row r, empty;
    engine_fixture_open(&e, "tiny-q8_0"); /* puts a BOS before texts */
    const tokenizer *t = model_tokenizer(e.model);
    const tokenizer_info *info = tokenizer_describe(t);
    token_list context = {0}, output = {0};
    must(tokenizer_encode(t, "the hill\n", 9, false, &context, &err), &err);
    must(tokenizer_encode(t, " is", 3, false, &output, &err), &err);
    must(reward_row(&r, t, "the hill", " is", &err), &err);
    assert_int_equal(r.n_context, context.n + 1);
    assert_int_equal(r.n, r.n_context + output.n + 1);
    assert_int_equal(r.tokens[0], info->bos);
    assert_memory_equal(r.tokens + 1, context.ids, context.n * sizeof *context.ids);
    assert_memory_equal(r.tokens + r.n_context, output.ids,
                        output.n * sizeof *output.ids);
    assert_int_equal(r.tokens[r.n - 1], info->eos);
    must(reward_row(&empty, t, "", "", &err), &err);
    assert_int_equal(empty.n, empty.n_context + 1);
    session *s = must_open(e.model, "cpu", 1, 0, OVERFLOW_ERROR);
    const model_info *m = model_describe(e.model);
    size_t width = reward_width(m, POOLING_BOTH);
    double *x = array_new(2 * width, sizeof *x);
    row rows[] = {r, empty};
    row_score score;
    must(reward_features(s, e.model, rows, 2, POOLING_BOTH, x, &err), &err);
    must(model_score(s, &r, 1, &score, NULL, &err), &err);
    assert_int_equal(width, 2 * m->width + N_REWARD_EXTRAS);
    assert_true(x[2 * m->width + EXTRA_LIKELIHOOD] ==
                score.logprob / (double)score.n_targets);
    assert_true(x[2 * m->width + EXTRA_LENGTH] == log((double)score.n_targets));
    assert_true(x[2 * width - N_REWARD_EXTRAS + EXTRA_LENGTH] == 0);
    free(x);
    session_close(s);
    free((int32_t *)(uintptr_t)r.tokens);
    free((int32_t *)(uintptr_t)empty.tokens);
    token_list_free(&context);
    token_list_free(&output);
    engine_fixture_close(&e);
}

/* ---- Files of preferences ---- */

static void preferences_are_read(void **state)
{
    (void)state;
    static const char file[] =
        "\xef\xbb\xbf{\"context\": \"c\", \"a\": \"x\", \"b\": \"y\", \"preferred\": "
        "\"a\"}\n"
        "\n"
        "{\"context\": \"c\", \"a\": \"y\", \"b\": \"\", \"preferred\": \"tie\", "
        "\"rater\": \"r\", \"simulated\": true}\r\n"
        "{\"context\": \"d\", \"a\": \"x\", \"b\": \"y\\n2\", \"preferred\": \"b\"}\n"
        "{\"context\": \"d\", \"output\": \"x\", \"value\": 3.5}";
    error err = {0};
    reward_texts t = {0};
    must(preferences_parse(&t, file, sizeof file - 1, "f", &err), &err);
    assert_int_equal(reward_texts_count(&t), 5); /* x y "" | x y\n2 */
    const reward_judgements *pairs = &t.by_head[HEAD_PAIRWISE];
    assert_int_equal(pairs->n, 3);
    assert_int_equal(pairs->n_simulated, 1);
    static const double outcomes[] = {1, 0.5, 0};
    for (size_t i = 0; i < 3; i++)
        assert_true(pairs->list[i].outcome == outcomes[i]);
    assert_int_equal(pairs->list[0].b, pairs->list[1].a);
    assert_string_equal(reward_texts_output(&t, pairs->list[1].b), "");
    assert_string_equal(reward_texts_output(&t, pairs->list[2].b), "y\n2");
    assert_string_equal(reward_texts_context(&t, pairs->list[2].b), "d");
    const reward_judgements *values = &t.by_head[HEAD_SCALAR];
    assert_true(values->n == 1 && values->list[0].outcome == 3.5);
    assert_int_equal(values->list[0].a, pairs->list[2].a);
    reward_data d = reward_texts_data(&t, HEAD_PAIRWISE, NULL, 9);
    assert_true(d.n == 3 && d.n_items == 5 && d.n_contexts == 2 && d.n_features == 9);
    must(preferences_parse(&t, "", 0, "f", &err), &err);
    reward_texts_free(&t);
}

static void bad_preferences_are_refused_with_their_line(void **state)
{
    (void)state;
#define PAIR "\"context\": \"c\", \"a\": \"x\", \"b\": \"y\""
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"[]", "f:1: the line is not a JSON object"},
        {"{", "f:1: not JSON"},
        {"{\"a\": 1, \"a\": 2}", "f:1: not JSON"},
        {"{" PAIR "}", "\"preferred\" is missing"},
        {"{" PAIR ", \"preferred\": \"c\"}", "\"preferred\" is none of"},
        {"{" PAIR ", \"preferred\": 1}", "\"preferred\" is not a text"},
        {"{" PAIR ", \"prefered\": \"a\"}", "did you mean \"preferred\"?"},
        {"{\"a\": \"x\", \"b\": \"y\", \"preferred\": \"a\"}", "\"context\" is missing"},
        {"{\"context\": \"c\", \"b\": \"y\", \"preferred\": \"a\"}", "\"a\" is missing"},
        {"{\"context\": \"c\", \"a\": \"y\", \"b\": \"y\", \"preferred\": \"a\"}",
         "f:1: the text \"y\" is compared with itself"},
        {"{" PAIR ", \"preferred\": \"a\", \"value\": 3}", "do not go together"},
        {"{" PAIR ", \"preferred\": \"a\", \"simulated\": 1}", "neither true nor false"},
        {"{\"context\": \"c\", \"output\": \"x\"}", "\"value\" is missing"},
        {"{\"context\": \"c\", \"output\": \"x\", \"value\": \"3\"}",
         "\"value\" is not a number"},
        {"{\"context\": \"c\", \"value\": 3}", "\"output\" is missing"},
        {"{\"context\": \"c\\u0000\", \"output\": \"x\", \"value\": 3}", "not JSON"},
        {"{\"context\": \"\xff\", \"output\": \"x\", \"value\": 3}", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        reward_texts t = {0};
        int rc = preferences_parse(&t, cases[i].line, strlen(cases[i].line), "f", &err);
        assert_int_equal(rc, E_FORMAT);
        if (!strstr(err.text, cases[i].text) || strncmp(err.text, "f:1: ", 5) != 0)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
        reward_texts_free(&t);
    }
    error err = {0};
    reward_texts t = {0};
    assert_int_equal(preferences_load(&t, "/nowhere/p.jsonl", &err), E_IO);
    assert_non_null(strstr(err.text, "/nowhere/p.jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_read),
        cmocka_unit_test(files_that_do_not_fit_are_refused),
        cmocka_unit_test(a_file_cut_short_is_refused),
        cmocka_unit_test(another_model_is_refused_with_both_hashes),
        cmocka_unit_test(a_text_has_its_tokens_and_an_end),
        cmocka_unit_test(preferences_are_read),
        cmocka_unit_test(bad_preferences_are_refused_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

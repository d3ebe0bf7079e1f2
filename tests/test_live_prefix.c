/* The live view of a training, its curve, and its report: what they say, and that they
 * keep to the window. */
#include "../experiments/views/curve.h"
#include "../experiments/views/live_prefix.h"
#include "../experiments/views/report.h"
#include "../experiments/views/show_text.h"
#include "../experiments/views/summary.h"
#include "synthetic_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 60, LOOKS = 7 };

static char name[] = "antonyms", method[] = "prompt", start[] = "the text \"<b>\"";

/* A training after 60 of 100 steps: its losses fall from 4 by a closed formula. */
typedef struct scene {
    experiment experiment;
    training_step steps[STEPS];
    training_evaluation looks[LOOKS];
    training_record record;
    prefix_progress progress;
} scene;

static void make_scene(scene *s)
{
    *s = (scene){.experiment = {.name = name, .budget = {.tokens = 60000}}};
    for (size_t i = 0; i < STEPS; i++)
        s->steps[i] =
            (training_step){.step = i + 1,
                            .loss = 4.0 / (1 + 0.1 * (double)i) + (i % 2 ? 0.1 : -0.1),
                            .grad_norm = 0.5,
                            .rate = 0.02,
                            .tokens = 500 * (i + 1),
                            .seconds = (double)i};
    for (size_t i = 0; i < LOOKS; i++)
        s->looks[i] = (training_evaluation){.step = 10 * i,
                                            .loss = 4.0 / (1 + (double)i) + 0.2,
                                            .best = true,
                                            .tokens = 5000 * i};
    s->record = (training_record){.facts = {.method = method,
                                            .n_tokens = 20,
                                            .start = start,
                                            .planned = 100,
                                            .rate = 0.02,
                                            .peak_bytes = 118 << 20,
                                            .parameters = 11520},
                                  .steps = s->steps,
                                  .n_steps = STEPS,
                                  .evaluations = s->looks,
                                  .n_evaluations = LOOKS,
                                  .has_prefix = true,
                                  .best_step = 60,
                                  .best_loss = s->looks[LOOKS - 1].loss};
    s->progress = (prefix_progress){.experiment = &s->experiment,
                                    .stage = "training",
                                    .so_far = &s->record,
                                    .spent = {30000, 960, 0},
                                    .rate = 0.02,
                                    .seconds = 85,
                                    .tokens_per_second = 352.6};
}

static void assert_says(const char *said, const char *words)
{
    if (!strstr(said, words))
        fail_msg("\"%s\" does not say \"%s\"", said, words);
}

/* ---- Live ---- */

static void says_what_a_watcher_wants_to_know(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "antonyms: training\n",
        "20 virtual tokens, 11,520 numbers; at most 118 MiB beside the weights\n",
        "step 60 of 100   rate 0.02   gradient 0.5   1 min 25 s\n",
        "loss 0.6797   selection 0.7714   best 0.7714 at step 60",
        "960 evaluations   30,000 tokens   353 tokens/s\n",
        "  60 % of 100 steps, about 57 s left\n",
        "● on the selection split\n",
    };
    scene s;
    screen on = {0};
    text out = {0};
    terminal t = {.live = true, .width = 100, .height = 40};
    make_scene(&s);
    assert_int_equal(live_prefix_block(&on, &t, &s.progress, &out, NULL), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_says(out.s, wanted[i]);
    text_free(&out);
}

static void keeps_to_the_window(void **state)
{
    (void)state;
    scene s;
    make_scene(&s);
    for (size_t width = 10; width < 130; width += 7)
        for (size_t height = 4; height < 50; height += 5) {
            screen on = {0};
            text out = {0};
            terminal t = {.live = true, .width = width, .height = height};
            assert_int_equal(live_prefix_block(&on, &t, &s.progress, &out, NULL), 0);
            size_t lines = 0;
            for (const char *at = out.s, *end; *at; at = end + 1, lines++) {
                end = strchr(at, '\n');
                assert_non_null(end);
                size_t n = (size_t)(end - at);
                assert_true(terminal_columns(at, n) < width);
                assert_int_equal(terminal_columns(at, n), on.columns[lines]);
            }
            assert_int_equal(lines, on.n_lines);
            if (height >= 8)
                assert_true(lines < height);
            text_free(&out);
        }
}

static void prints_lines_where_nothing_can_be_redrawn(void **state)
{
    (void)state;
    scene s;
    text out = {0};
    make_scene(&s);
    assert_int_equal(live_prefix_line(&s.progress, &out, NULL), 0);
    assert_string_equal(out.s,
                        "training step 60   loss 0.6797   selection 0.7714   best "
                        "0.7714 at step 60   960 evaluations   30,000 tokens   353 "
                        "tokens/s\n");
    text_clear(&out);
    s.record.n_steps = s.record.n_evaluations = 0;
    assert_int_equal(live_prefix_line(&s.progress, &out, NULL), 0);
    assert_string_equal(out.s, "training: 20 virtual tokens, 11,520 numbers; at most 118 "
                               "MiB beside the weights\n");
    text_free(&out);
}

/* ---- The curve ---- */

static void a_curve_falls_from_left_to_right(void **state)
{
    (void)state;
    scene s;
    text out = {0};
    make_scene(&s);
    assert_int_equal(curve_draw(&s.record, 60, 8, &out, NULL), 0);
    /* The first line holds the beginning, the last line of the drawing the end. */
    const char *first = strstr(out.s, "┤"), *last = NULL;
    for (const char *at = out.s; (at = strstr(at, "┤")); at++)
        last = at;
    assert_non_null(first);
    size_t head = strcspn(first, "\n"), tail = strcspn(last, "\n");
    assert_true(terminal_columns(first, head) < 20);
    assert_true(terminal_columns(last, tail) > 40);
    assert_says(out.s, " 4.200 ┤");
    assert_says(out.s, "step 60");
    text_free(&out);
}

static void a_curve_survives_anything_that_a_loss_can_be(void **state)
{
    (void)state;
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0, 1e300, -1e300, 5, 5};
    training_step steps[8];
    for (size_t i = 0; i < 8; i++)
        steps[i] = (training_step){.step = i + 1, .loss = odd[i]};
    for (size_t n = 0; n <= 8; n++) {
        training_record t = {.steps = steps, .n_steps = n};
        text out = {0};
        assert_int_equal(curve_draw(&t, 50, 5, &out, NULL), 0);
        if (n < 4)
            assert_int_equal(out.n, 0);
        text_free(&out);
    }
    training_record flat = {.steps = steps + 6, .n_steps = 2};
    text out = {0};
    assert_int_equal(curve_draw(&flat, 50, 5, &out, NULL), 0);
    assert_says(out.s, " 5.000 ┤");
    text_clear(&out);
    assert_int_equal(curve_draw(&flat, 12, 5, &out, NULL), 0); /* no room */
    assert_int_equal(out.n, 0);
    text_free(&out);
}

/* ---- What is left ---- */

/* The synthetic run's verdict as that of a training. */
static run_record *make_training(scene *s)
{
    run_record *r = synthetic_run();
    make_scene(s);
    s->record.has_bare = true;
    s->record.bare = r->verdict.seed;
    s->record.bare.candidate = 3;
    s->record.difference = 1.25;
    s->record.ci_low = 1;
    s->record.ci_high = 1.5;
    s->record.p = 0.001;
    r->training = &s->record;
    return r;
}

static void words_are_of_vectors_and_against_no_prompt(void **state)
{
    (void)state;
    scene s;
    run_record *r = make_training(&s);
    text t = {0};
    assert_int_equal(summary_sentence(r, &t, NULL), 0);
    assert_says(t.s, "The learned prefix is better than the seed prompt.");
    text_clear(&t);
    assert_int_equal(summary_bare_sentence(r, &t, NULL), 0);
    assert_says(t.s, "no prompt at all: difference +1.2500");
    text_clear(&t);
    r->verdict.ci_low = -1;
    assert_int_equal(summary_sentence(r, &t, NULL), 0);
    assert_says(t.s, "The learned prefix is not shown to be better");
    text_clear(&t);
    assert_int_equal(summary_training(r, &t, NULL), 0);
    assert_says(t.s,
                "20 vectors at the input (11,520 numbers), begun as the text \"<b>\"; "
                "60 steps of at most 100, learning rate 0.02; the best after step 60, "
                "with a loss of 0.7714");
    text_free(&t);
    r->training = NULL;
}

static void a_training_spends_on_other_things_than_a_search(void **state)
{
    (void)state;
    scene s;
    run_record *r = make_training(&s);
    assert_true(summary_has_purpose(r, FOR_TRAINING));
    assert_false(summary_has_purpose(r, FOR_SEARCH));
    r->training = NULL;
    assert_false(summary_has_purpose(r, FOR_TRAINING));
    assert_true(summary_has_purpose(r, FOR_SEARCH));
}

static void json_has_steps_looks_and_the_second_comparison(void **state)
{
    (void)state;
    scene s;
    run_record *r = make_training(&s);
    json_t *j = summary_json(r);
    assert_non_null(j);
    const json_t *t = json_object_get(j, "training");
    assert_int_equal(json_array_size(json_object_get(t, "steps")), STEPS);
    assert_int_equal(json_array_size(json_object_get(t, "evaluations")), LOOKS);
    assert_int_equal(json_integer_value(json_object_get(t, "best_step")), 60);
    assert_true(json_real_value(json_object_get(t, "lr")) == 0.02);
    assert_true(json_real_value(json_object_get(j, "difference_to_bare")) == 1.25);
    assert_int_equal(json_array_size(json_object_get(j, "ci95_to_bare")), 2);
    assert_non_null(json_object_get(
        json_object_get(json_object_get(j, "spent"), "by_purpose"), "training"));
    json_decref(j);
    r->training = NULL;
}

static void the_report_has_curves_and_nothing_unescaped(void **state)
{
    (void)state;
    scene s;
    run_record *r = make_training(&s);
    text out = {0};
    assert_int_equal(report_render(r, &out, NULL), 0);
    assert_says(out.s, "<h2>Training</h2>");
    assert_says(out.s, "the text &quot;&lt;b&gt;&quot;");
    assert_null(strstr(out.s, "text \"<b>"));
    assert_says(out.s, "60 (best)");
    assert_says(out.s, "no prompt</td>");
    assert_says(out.s, "learned prefix");
    assert_says(out.s, "</html>");
    text_free(&out);
    r->training = NULL;
    assert_int_equal(report_render(r, &out, NULL), 0);
    assert_null(strstr(out.s, "<h2>Training</h2>"));
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_a_watcher_wants_to_know),
        cmocka_unit_test(keeps_to_the_window),
        cmocka_unit_test(prints_lines_where_nothing_can_be_redrawn),
        cmocka_unit_test(a_curve_falls_from_left_to_right),
        cmocka_unit_test(a_curve_survives_anything_that_a_loss_can_be),
        cmocka_unit_test(words_are_of_vectors_and_against_no_prompt),
        cmocka_unit_test(a_training_spends_on_other_things_than_a_search),
        cmocka_unit_test(json_has_steps_looks_and_the_second_comparison),
        cmocka_unit_test(the_report_has_curves_and_nothing_unescaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The live view: what it says, and that it keeps to the window. */
#include "../experiments/views/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char name[] = "antonyms";

/* A search half way through its budget. */
typedef struct scene {
    experiment experiment;
    history_point point;
    run_progress progress;
} scene;

static void make_scene(scene *s)
{
    static int any_search; /* only whether there is one matters */
    *s = (scene){
        .experiment = {.name = name, .budget = {.tokens = 60000, .seconds = 600}},
        .point =
            {.step = 13,
             .generation = 12,
             .best = -1.2034,
             .best_se = 0.0812,
             .median = -2.1043,
             .n_alive = 16,
             .spent = {[FOR_SEARCH] = {28000, 2400, 0}, [FOR_PROPOSALS] = {2000, 0, 0}}},
    };
    s->progress = (run_progress){
        .experiment = &s->experiment,
        .search = (const search *)(const void *)&any_search,
        .stage = "search",
        .point = &s->point,
        .best_prompt =
            "Input: cold\nOutput: hot\n\nWrite the exact opposite of the word that "
            "follows, in one word \x1b[31mand nothing else.\n\nInput: {{input}}\n"
            "Output:",
        .seconds = 85,
        .tokens_per_second = 352.6,
    };
}

static const terminal plain = {.live = true, .width = 100, .height = 40};

static void says_what_a_watcher_wants_to_know(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "antonyms: searching\n",
        "generation 12   16 candidates alive   1 min 25 s\n",
        "best -1.2034 ± 0.0812   median -2.1043\n",
        "2,400 evaluations   30,000 tokens   353 tokens/s\n",
        "  50 % of 60,000 tokens, about 1 min 25 s left\n",
        "best prompt so far\n  Input: cold\n",
    };
    scene s;
    screen l = {0};
    text out = {0};
    make_scene(&s);
    assert_int_equal(live_block(&l, &plain, &s.progress, &out, NULL), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(out.s, wanted[i]))
            fail_msg("\"%s\" is not in:\n%s", wanted[i], out.s);
    assert_null(strchr(out.s, '\x1b')); /* no colours asked, and the prompt gives none */
    text_free(&out);
}

static const surrogate_record trusted = {.stage = SURROGATE_TRUSTED,
                                         .by_people = 1259,
                                         .by_reward = 132,
                                         .tau = 0.371,
                                         .hand_backs = 2};
static const people_state asked = {.simulated = true,
                                   .waiting = true,
                                   .asked = 30,
                                   .missing = 7,
                                   .ratings = 845,
                                   .raters = 20,
                                   .surrogate = &trusted};

static void tells_of_people_and_of_the_reward_in_their_place(void **state)
{
    (void)state;
    static const char reward[] = "reward trusted, handed back 2 times (tau 0.37): 1,259 "
                                 "scores by people, 132 by the reward\n";
    scene s;
    screen l = {0};
    text out = {0};
    make_scene(&s);
    s.progress.people = &asked;
    assert_int_equal(live_block(&l, &plain, &s.progress, &out, NULL), 0);
    assert_non_null(strstr(out.s, "SIMULATED raters: 7 of 30 answers missing"));
    assert_non_null(strstr(out.s, reward));
    text_clear(&out);
    assert_int_equal(live_line(&s.progress, &out, NULL), 0);
    assert_non_null(strstr(out.s, reward));
    assert_true(strchr(out.s, '\n') == out.s + out.n - 1);
    text_free(&out);
}

/* Width and height of any window: no line is broken, the block never scrolls. */
static void keeps_to_the_window(void **state)
{
    (void)state;
    scene s;
    make_scene(&s);
    s.progress.people = &asked;
    for (size_t width = 20; width < 130; width++)
        for (size_t height = 7; height < 30; height++) {
            terminal t = {.live = true, .width = width, .height = height};
            screen l = {0};
            text out = {0};
            assert_int_equal(live_block(&l, &t, &s.progress, &out, NULL), 0);
            size_t lines = 0;
            for (char *at = out.s; *at; lines++) {
                size_t n = strcspn(at, "\n");
                assert_true(terminal_columns(at, n) < width);
                assert_int_equal(terminal_columns(at, n), l.columns[lines]);
                at += n + 1;
            }
            assert_int_equal(lines, l.n_lines);
            assert_true(lines < height);
            text_free(&out);
        }
}

static void colours_only_where_wanted(void **state)
{
    (void)state;
    scene s;
    screen l = {0};
    text out = {0};
    make_scene(&s);
    terminal t = plain;
    t.colour = true;
    assert_int_equal(live_block(&l, &t, &s.progress, &out, NULL), 0);
    assert_non_null(strstr(out.s, "\x1b[1mantonyms: searching\x1b[0m\n"));
    assert_null(strstr(out.s, "\x1b[31m"));
    text_free(&out);
}

static void begins_before_there_is_anything_to_show(void **state)
{
    (void)state;
    scene s;
    screen l = {0};
    text out = {0};
    make_scene(&s);
    s.progress.point = NULL;
    s.progress.best_prompt = NULL;
    s.progress.stage = "replaying";
    assert_int_equal(live_block(&l, &plain, &s.progress, &out, NULL), 0);
    assert_string_equal(out.s, "antonyms: replaying what is already paid for\n");
    text_clear(&out);
    assert_int_equal(live_line(&s.progress, &out, NULL), 0);
    assert_string_equal(out.s, "replaying what is already paid for\n");
    text_free(&out);
}

static void shows_the_limit_that_is_nearest(void **state)
{
    (void)state;
    scene s;
    screen l = {0};
    text out = {0};
    make_scene(&s);
    s.experiment.budget = (budget){.tokens = 60000, .evaluations = 3000};
    assert_int_equal(live_block(&l, &plain, &s.progress, &out, NULL), 0);
    assert_non_null(strstr(out.s, " 80 % of 3,000 evaluations, about 21 s left"));
    text_clear(&out);
    s.experiment.budget = (budget){0};
    assert_int_equal(live_block(&l, &plain, &s.progress, &out, NULL), 0);
    assert_non_null(strstr(out.s, "no budget"));
    text_free(&out);
}

static void prints_a_line_where_nothing_can_be_redrawn(void **state)
{
    (void)state;
    scene s;
    text out = {0};
    make_scene(&s);
    assert_int_equal(live_line(&s.progress, &out, NULL), 0);
    assert_string_equal(out.s,
                        "search generation 12   best -1.2034 ± 0.0812   median "
                        "-2.1043   2,400 evaluations   30,000 tokens   353 tokens/s\n");
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_a_watcher_wants_to_know),
        cmocka_unit_test(tells_of_people_and_of_the_reward_in_their_place),
        cmocka_unit_test(keeps_to_the_window),
        cmocka_unit_test(colours_only_where_wanted),
        cmocka_unit_test(begins_before_there_is_anything_to_show),
        cmocka_unit_test(shows_the_limit_that_is_nearest),
        cmocka_unit_test(prints_a_line_where_nothing_can_be_redrawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

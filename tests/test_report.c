/* Records in words: verdicts that claim no more than the interval, lineages, the page. */
#include "../experiments/views/report.h"
#include "../experiments/views/show_text.h"
#include "../experiments/views/summary.h"
#include "../rater/html.h"
#include "scratch.h"
#include "synthetic_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *render(const run_record *r)
{
    text out = {0};
    error err = {0};
    assert_int_equal(report_render(r, &out, &err), 0);
    return out.s;
}

static size_t count(const char *s, const char *what)
{
    size_t n = 0;
    for (; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

static void assert_says(const run_record *r, conclusion expected, const char *words)
{
    text t = {0};
    assert_int_equal(summary_conclusion(r), expected);
    assert_int_equal(summary_sentence(r, &t, NULL), 0);
    if (!strstr(t.s, words))
        fail_msg("\"%s\" does not say \"%s\"", t.s, words);
    text_free(&t);
}

/* ---- Words ---- */

static void claims_only_what_the_interval_supports(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    assert_says(r, CONCLUSION_BETTER, "is better than the seed prompt");
    r->verdict.ci_low = -0.01;
    assert_says(r, CONCLUSION_NOT_SHOWN, "not shown to be better");
    r->verdict.ci_low = 0;
    assert_says(r, CONCLUSION_NOT_SHOWN, "not shown to be better");
    r->verdict.ci_low = 0.1;
    r->verdict.p = 0.05;
    assert_says(r, CONCLUSION_NOT_SHOWN, "not shown to be better");
    r->verdict.p = NAN;
    assert_says(r, CONCLUSION_NOT_SHOWN, "not shown to be better");
    r->verdict.ci_low = NAN;
    r->verdict.ci_high = NAN;
    assert_says(r, CONCLUSION_NOT_SHOWN, "not shown to be better");
    r->verdict.ci_low = -0.9;
    r->verdict.ci_high = -0.1;
    assert_says(r, CONCLUSION_WORSE, "keep the seed");
    r->verdict.best.candidate = r->verdict.seed.candidate;
    assert_says(r, CONCLUSION_SAME, "the seed prompt itself did best");
    r->has_verdict = false;
    r->status = RUN_STOPPED;
    assert_says(r, CONCLUSION_NONE, "No verdict: the run is stopped");
}

static void what_became_of_immigrants_is_told_and_nothing_where_none_came(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    guest_count g[SUMMARY_GUESTS];
    text t = {0};
    static char origin[] = "projected", replaced[] = "replaced", out[] = "raced out";
    assert_int_equal(summary_guests(r, g, NULL), 0);
    assert_int_equal(summary_guest_sentence(r, &t, NULL), 0);
    assert_int_equal(t.n, 0);
    uint64_t *line = NULL;
    size_t n = 0;
    assert_int_equal(summary_lineage(r, 37, &line, &n, NULL), 0);
    assert_true(n > 2);
    candidate_record *forebear = &r->candidates[line[1] - 1];
    forebear->operators = origin;
    forebear->state = replaced;
    size_t at = line[1] == 39 ? 37 : 38;
    r->candidates[at].operators = origin;
    r->candidates[at].state = out;
    assert_int_equal(summary_guests(r, g, NULL), 1);
    assert_int_equal(g[0].entered, 0);
    assert_int_equal(g[1].entered, 2);
    assert_int_equal(g[1].survived, 1);
    assert_int_equal(g[1].living, 0);
    assert_int_equal(g[1].in_lineage, 1);
    assert_int_equal(summary_guest_sentence(r, &t, NULL), 0);
    assert_string_equal(text_string(&t),
                        "Texts that gradients found: 2 passed by a projected descent "
                        "(projected), of which 1 survived the race, 0 live and 1 are "
                        "forebears of the best prompt.");
    char *page = render(r);
    assert_non_null(strstr(page, "Who came from elsewhere"));
    json_t *json = summary_json(r);
    assert_int_equal(json_array_size(json_object_get(json, "immigrants")), 1);
    json_decref(json);
    free(page);
    free(line);
    text_free(&t);
}

static void follows_first_parents_to_the_seed(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    uint64_t *ids = NULL;
    size_t n = 0;
    assert_int_equal(summary_lineage(r, 37, &ids, &n, NULL), 0);
    static const uint64_t expected[] = {1, 5, 12, 23, 37};
    assert_int_equal(n, 5);
    assert_memory_equal(ids, expected, sizeof expected);
    free(ids);
    /* A record whose parents point forward or at themselves ends the line. */
    r->candidates[36].parents[0] = 37;
    assert_int_equal(summary_lineage(r, 37, &ids, &n, NULL), 0);
    assert_int_equal(n, 1);
    free(ids);
    assert_int_equal(summary_lineage(r, 999, &ids, &n, NULL), 0);
    assert_int_equal(n, 0);
    free(ids);
}

static void ranks_by_examples_then_value_then_birth(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    uint64_t ids[40];
    assert_int_equal(summary_top(r, 3, ids), 3);
    assert_int_equal(ids[0], 37);
    assert_int_equal(ids[1], 23);
    assert_int_equal(ids[2], 12);
    r->candidates[4].value = r->candidates[36].value;
    assert_int_equal(summary_top(r, 2, ids), 2);
    assert_int_equal(ids[0], 5);
    assert_int_equal(ids[1], 37);
    static char failed[] = "failed";
    r->candidates[4].state = failed;
    assert_int_equal(summary_top(r, 1, ids), 1);
    assert_int_equal(ids[0], 37);
    assert_int_equal(summary_top(r, 40, ids), 39);
    assert_int_equal(summary_top(r, 0, ids), 0);
}

static void formats_counts_and_durations(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *words;
    } cases[] = {{0, "0.0 s"},
                 {9.94, "9.9 s"},
                 {9.96, "10 s"},
                 {59.6, "1 min 00 s"},
                 {3599.4, "59 min 59 s"},
                 {3600, "1 h 00 min"},
                 {-1, "?"},
                 {NAN, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        assert_int_equal(summary_duration(&t, cases[i].seconds, NULL), 0);
        assert_string_equal(t.s, cases[i].words);
        text_free(&t);
    }
    text t = {0};
    assert_int_equal(summary_count(&t, 999, NULL), 0);
    assert_int_equal(text_add_string(&t, " ", NULL), 0);
    assert_int_equal(summary_count(&t, UINT64_MAX, NULL), 0);
    assert_string_equal(t.s, "999 18,446,744,073,709,551,615");
    text_free(&t);
}

/* ---- JSON ---- */

static void json_gives_the_stored_doubles(void **state)
{
    (void)state;
    const run_record *r = synthetic_run();
    json_t *j = summary_json(r);
    assert_non_null(j);
    char *printed = json_dumps(j, JSON_REAL_PRECISION(17));
    json_decref(j);
    j = json_loads(printed, 0, NULL);
    const char *prompt = NULL;
    double score = 0, low = 0, high = 0, p = 0;
    json_int_t tokens = 0, evaluations = 0;
    assert_int_equal(
        json_unpack(j, "{s:{s:s, s:f}, s:[f, f], s:f, s:{s:I, s:I}, s:{s:f}}", "best",
                    "prompt", &prompt, "final_score", &score, "ci95", &low, &high, "p",
                    &p, "spent", "tokens", &tokens, "evaluations", &evaluations, "seed",
                    "final_score", &(double){0}),
        0);
    assert_true(score == r->verdict.best.score);
    assert_true(low == r->verdict.ci_low && high == r->verdict.ci_high);
    assert_true(p == r->verdict.p);
    assert_string_equal(prompt, r->candidates[36].prompt);
    assert_int_equal(tokens, 48000 + 3450 + 4200 + 4100);
    assert_int_equal(evaluations, 3840 + 150 + 200);
    assert_int_equal(json_array_size(json_object_get(j, "history")), r->n_history);
    json_decref(j);
    free(printed);
}

static void json_of_an_unfinished_run_has_nulls(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    r->has_verdict = false;
    r->status = RUN_RUNNING;
    r->n_history = 0;
    json_t *j = summary_json(r);
    assert_non_null(j);
    assert_true(json_is_null(json_object_get(j, "difference")));
    assert_true(json_is_null(json_object_get(j, "ci95")));
    assert_true(json_is_null(json_object_get(j, "p")));
    assert_true(json_is_null(json_object_get(j, "better")));
    assert_true(json_is_null(json_object_get(j, "best")));
    const json_t *seed = json_object_get(j, "seed");
    assert_true(json_is_null(json_object_get(seed, "final_score")));
    assert_string_equal(json_string_value(json_object_get(j, "status")), "running");
    json_decref(j);
}

/* ---- The page ---- */

static void escapes_what_it_did_not_write(void **state)
{
    (void)state;
    text t = {0};
    assert_int_equal(html_escape(&t, "<a href=\"x\" b='y'>&\x01\xff\xc3\xa9\n", 24, NULL),
                     0);
    assert_string_equal(t.s, "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
                             "\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\n");
    text_free(&t);
    run_record *r = synthetic_run();
    static char attack[] = "</title><script>alert(1)</script>";
    r->name = r->stop_reason = r->started = r->backend = r->model_hash = attack;
    for (size_t i = 0; i < r->n_candidates; i++)
        r->candidates[i].prompt = r->candidates[i].operators = attack;
    for (size_t i = 0; i < r->n_operators; i++)
        r->operators[i].name = attack;
    static char settings[] = "{\"</td><script>\": \"<script>\"}";
    r->experiment = settings;
    char *html = render(r);
    assert_int_equal(count(html, "<script"), 0);
    assert_int_equal(count(html, "</title>"), 1);
    free(html);
}

static void has_every_section(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "antonyms &lt;demo&gt;",
        "<h2>Progress</h2>",
        "<h2>Final comparison</h2>",
        "better on 78, worse on 22, equal on 0 of 100",
        "<h2>How the best prompt came to be</h2>",
        "<ins>exact</ins>",
        "<del>&amp; read the word.</del>",
        "other parent #3",
        "<h2>What the edits earned</h2>",
        "<h2>Where the tokens went</h2>",
        "59,750",
        "<h2>Best candidates of the search</h2>",
        "<td>budget.tokens</td>",
        "fitness.labels",
        "prefers-color-scheme:dark",
        "width=device-width",
    };
    char *html = render(synthetic_run());
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(html, wanted[i]))
            fail_msg("the page lacks \"%s\"", wanted[i]);
    assert_int_equal(count(html, "http://"), count(html, "http://www.w3.org/"));
    assert_int_equal(count(html, "https://"), 0);
    if (access("/usr/bin/gnuplot", X_OK) == 0)
        assert_int_equal(count(html, "<svg"), 6);
    free(html);
}

static void strikes_words_out_where_they_stood(void **state)
{
    (void)state;
    static char five[] = "head\n\nold tail", twelve[] = "head\n\ntail";
    static char before[] = "keep this word\n\nInput", after[] = "keep this\n\nInput";
    run_record *r = synthetic_run();
    r->candidates[4].prompt = five;
    r->candidates[11].prompt = twelve;
    r->candidates[22].prompt = before;
    r->candidates[36].prompt = after;
    char *html = render(r);
    assert_non_null(strstr(html, "head\n\n<del>old</del> tail"));
    assert_non_null(strstr(html, "keep this <del>word</del>\n\nInput"));
    free(html);
}

static void has_no_column_for_a_first_choice_that_nobody_knows(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    char *html = render(r);
    size_t known = count(html, "first choice</th>");
    assert_true(known > 0);
    assert_int_equal(count(html, "colspan=\"5\""), r->verdict.n_selection);
    free(html);
    r->verdict.seed.first_choice = (double)NAN;
    html = render(r);
    assert_int_equal(count(html, "first choice</th>"), 0);
    assert_int_equal(count(html, "colspan=\"5\""), 0);
    free(html);
}

/* Tics of the drawing, and how often each stands there. */
static void names_tokens_without_rounding(void **state)
{
    (void)state;
    if (access("/usr/bin/gnuplot", X_OK) != 0)
        skip();
    run_record *r = synthetic_run();
    for (size_t i = 0; i < r->n_history; i++) {
        memset(r->history[i].spent, 0, sizeof r->history[i].spent);
        r->history[i].spent[FOR_SEARCH].tokens = 1800 + 125 * i;
    }
    char *html = render(r);
    assert_int_equal(count(html, ">2500<"), 2); /* wide and narrow */
    assert_int_equal(count(html, ">2k<"), 0);
    free(html);
    for (size_t i = 0; i < r->n_history; i++)
        r->history[i].spent[FOR_SEARCH].tokens = 1000000 + 125000 * i;
    html = render(r);
    assert_int_equal(count(html, ">1500k<"), 2);
    free(html);
}

static void does_without_gnuplot(void **state)
{
    (void)state;
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    char *html = render(synthetic_run());
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(count(html, "<svg"), 0);
    assert_int_equal(count(html, "gnuplot is not installed"), 1);
    assert_non_null(strstr(html, "51,450</td><td class=\"n\">"));
    free(html);
}

static void reports_runs_that_have_only_begun(void **state)
{
    (void)state;
    run_record *r = synthetic_run();
    r->has_verdict = false;
    r->status = RUN_STOPPED;
    r->n_history = r->n_operators = r->n_candidates = 0;
    memset(r->spent, 0, sizeof r->spent);
    r->seconds = 0;
    char *html = render(r);
    assert_non_null(strstr(html, "no verdict yet"));
    assert_null(strstr(html, "nan"));
    free(html);
}

static void replaces_the_old_page_at_once(void **state)
{
    (void)state;
    char *dir = scratch_new();
    text path = {0};
    assert_int_equal(text_add_format(&path, NULL, "%s/report.html", dir), 0);
    error err = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(report_write(synthetic_run(), dir, &err), 0);
    char *html;
    size_t n;
    assert_int_equal(file_read(path.s, 1 << 24, &html, &n, &err), 0);
    assert_non_null(strstr(html, "</html>"));
    free(html);
    assert_int_equal(report_write(synthetic_run(), "/nonexistent/folder", &err), E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/folder/report.html"));
    text_free(&path);
    scratch_remove(dir);
}

/* ---- On a terminal ---- */

static void shows_edits_without_colours(void **state)
{
    (void)state;
    text out = {0};
    error err = {0};
    sheet s = {&out, {.width = 60, .height = 24}, &err};
    assert_int_equal(show_lineage(&s, synthetic_run()), 0);
    assert_non_null(strstr(out.s, "{+exact+}"));
    assert_non_null(strstr(out.s, "[-& read the word.-]"));
    assert_null(strchr(out.s, '\x1b'));
    text_free(&out);
}

static void wraps_to_the_width(void **state)
{
    (void)state;
    static const char mixed[] =
        "one two three four five six 日本語日本語日本語日本語 "
        "averyveryverylongwordwithoutanyspace\n\nend\ttab \x1b[2J";
    for (size_t width = 8; width < 60; width++) {
        text out = {0};
        assert_int_equal(terminal_wrap(&out, mixed, "  ", width, 0, NULL), 0);
        assert_null(strchr(out.s, '\x1b'));
        for (char *s = out.s; *s;) {
            size_t n = strcspn(s, "\n");
            assert_true(terminal_columns(s, n) <= width);
            s += n + 1;
        }
        text_clear(&out);
        assert_int_equal(terminal_wrap(&out, mixed, "", width, 2, NULL), 0);
        assert_int_equal(count(out.s, "\n"), 2);
        assert_non_null(strstr(out.s, "…\n"));
        text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_only_what_the_interval_supports),
        cmocka_unit_test(follows_first_parents_to_the_seed),
        cmocka_unit_test(what_became_of_immigrants_is_told_and_nothing_where_none_came),
        cmocka_unit_test(ranks_by_examples_then_value_then_birth),
        cmocka_unit_test(formats_counts_and_durations),
        cmocka_unit_test(json_gives_the_stored_doubles),
        cmocka_unit_test(json_of_an_unfinished_run_has_nulls),
        cmocka_unit_test(escapes_what_it_did_not_write),
        cmocka_unit_test(has_every_section),
        cmocka_unit_test(strikes_words_out_where_they_stood),
        cmocka_unit_test(has_no_column_for_a_first_choice_that_nobody_knows),
        cmocka_unit_test(names_tokens_without_rounding),
        cmocka_unit_test(does_without_gnuplot),
        cmocka_unit_test(reports_runs_that_have_only_begun),
        cmocka_unit_test(replaces_the_old_page_at_once),
        cmocka_unit_test(shows_edits_without_colours),
        cmocka_unit_test(wraps_to_the_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

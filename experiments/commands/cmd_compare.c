/* lamarck compare: two prompts on the same examples, with what may be said of the
 * difference. */
#include "../../evolve/stats.h"
#include "../views/json_lines.h"
#include "../views/summary.h"
#include "../views/terminal.h"
#include "command.h"
#include "command_model.h"
#include "entrant.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: lamarck compare A B [--experiment FILE.yaml] [--split NAME | --data FILE]\n"
    "\n"
    "Scores prompts A and B on the same examples and tells their difference B - A with "
    "a\n"
    "95 % bootstrap interval (BCa) and a paired permutation p-value.\n" //
    ENTRANT_USAGE "\n"                                                  //
    ENTRANT_OPTIONS_USAGE
    "  --prefix ADAPTER   learned vectors stand before B: 'seed bare --prefix ADAPTER'\n"
    "                     compares them with the words that you wrote\n"
    "  --prefix-a ADAPTER learned vectors stand before A\n"
    "  --backend NAME, --threads N, --json\n";

typedef struct comparison {
    split_score scores[2];
    text prompts[2];
    paired_comparison of;
} comparison;

/* 'a', 'b', or 0: nothing is shown. */
static char better(const comparison *c)
{
    if (!(c->of.p < SUMMARY_ALPHA))
        return 0;
    return c->of.ci.low > 0 ? 'b' : c->of.ci.high < 0 ? 'a' : 0;
}

static json_t *side_json(const comparison *c, int k, const char *what)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "what", what, "prompt",
                     text_string(&c->prompts[k]), "score",
                     json_real_or_null(c->scores[k].score), "se",
                     json_real_or_null(c->scores[k].se), "first_choice",
                     json_real_or_null(c->scores[k].first_choice));
}

static int print_json(const comparison *c, const char *const *what, const char *on,
                      error *err)
{
    char name[2] = {better(c), '\0'};
    return json_print(json_pack("{s:o, s:o, s:o, s:[o, o], s:o, s:o, s:I, s:s}", "a",
                                side_json(c, 0, what[0]), "b", side_json(c, 1, what[1]),
                                "difference", json_real_or_null(c->of.difference), "ci95",
                                json_real_or_null(c->of.ci.low),
                                json_real_or_null(c->of.ci.high), "p",
                                json_real_or_null(c->of.p), "better",
                                *name ? json_string(name) : json_null(), "examples",
                                (json_int_t)c->scores[0].n, "on", on),
                      err);
}

static int add_score(text *out, const terminal *t, char name, const split_score *s,
                     error *err)
{
    TRY(text_add_format(out, err, "%s%c  %.4f ± %.4f%s  ", terminal_style(t, STYLE_BOLD),
                        name, s->score, s->se, terminal_style(t, STYLE_PLAIN)));
    return summary_first_choice(out, "", s->first_choice, "  ", err);
}

static int print_text(const comparison *c, const char *const *what, const char *on,
                      error *err)
{
    terminal t = terminal_look(STDOUT_FILENO);
    text out = {0};
    int rc = 0;
    for (int k = 0; rc == 0 && k < 2; k++) {
        rc = add_score(&out, &t, "AB"[k], &c -> scores[k], err);
        if (rc == 0)
            rc = terminal_wrap(&out, what[k], "", t.width, 1, err);
        if (rc == 0)
            rc =
                terminal_wrap(&out, text_string(&c->prompts[k]), "    ", t.width, 0, err);
        if (rc == 0)
            rc = text_add_string(&out, "\n", err);
    }
    char winner = better(c);
    if (rc == 0)
        rc = text_add_format(&out, err,
                             "%s%s%s\nB - A = %+.4f (95 %% interval %+.4f to %+.4f, p = "
                             "%.2g) on %zu examples of %s\n",
                             terminal_style(&t, winner ? STYLE_GOOD : STYLE_BAD),
                             winner == 'a'   ? "A is better than B."
                             : winner == 'b' ? "B is better than A."
                                             : "Neither is shown to be better.",
                             terminal_style(&t, STYLE_PLAIN), c->of.difference,
                             c->of.ci.low, c->of.ci.high, c->of.p, c->scores[0].n, on);
    if (rc == 0)
        fputs(text_string(&out), stdout);
    text_free(&out);
    return rc;
}

static int compare(const char *const *what, const entrant_options options[2], bool json,
                   error *err)
{
    entrant e[2] = {{0}};
    comparison c = {0};
    int rc = 0;
    for (int k = 0; rc == 0 && k < 2; k++) {
        rc = entrant_open(&e[k], what[k], &options[k], err);
        if (rc == 0)
            rc = entrant_prompt(&e[k], &c.prompts[k], err);
    }
    if (rc == 0)
        rc = entrant_check_match(&e[0], &e[1], err);
    for (int k = 0; rc == 0 && k < 2; k++)
        rc = entrant_score(&e[k], &c.scores[k], err);
    if (rc == 0)
        rc = stats_compare(c.scores[0].each, c.scores[1].each, c.scores[0].n,
                           e[0].of.experiment->seed, &c.of, err);
    const char *on = entrant_examples_label(options);
    if (rc == 0)
        rc = json ? print_json(&c, what, on, err) : print_text(&c, what, on, err);
    for (int k = 0; k < 2; k++) {
        free(c.scores[k].each);
        text_free(&c.prompts[k]);
        entrant_close(&e[k]);
    }
    return rc;
}

static int run_request(entrant_options *o, int argc, char **argv, error *err)
{
    bool json = false, has_backend = false;
    int backend = 0;
    const char *prefix_a = NULL;
    const option options[] = {
        ENTRANT_OPTIONS(*o),
        {"backend", OPTION_CHOICE, &backend, &has_backend, backend_names},
        {"threads", OPTION_SIZE, &o->n_threads, NULL, NULL},
        {"prefix-a", OPTION_TEXT, &prefix_a, NULL, NULL},
        {"json", OPTION_FLAG, &json, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"two prompts, A and B", 2, 2}, &n, err));
    TRY(entrant_options_check(o, err));
    o->backend = has_backend ? backend_names[backend] : NULL;
    const char *const what[2] = {argv[1], argv[2]};
    entrant_options sides[2] = {*o, *o};
    sides[0].prefix = prefix_a;
    return compare(what, sides, json, err);
}

static int run(int argc, char **argv, error *err)
{
    entrant_options options = entrant_defaults();
    int rc = run_request(&options, argc, argv, err);
    option_list_free(&options.set);
    return rc;
}

const command cmd_compare = {
    .name = "compare",
    .group = "search",
    .summary = "two prompts on the same examples: is one better?",
    .usage = usage,
    .run = run,
};

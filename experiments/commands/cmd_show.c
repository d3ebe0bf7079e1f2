/* lamarck show: one run, for people and for scripts. */
#include "../views/json_lines.h"
#include "../views/people.h"
#include "../views/report.h"
#include "../views/show_text.h"
#include "../views/summary.h"
#include "command.h"
#include "options.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: lamarck show DIR [--run ID] [--top N] [--json] [--report]\n"
    "\n"
    "Shows the run in folder DIR: the verdict, the seed and the best prompt, how the "
    "best\n"
    "one came to be, the best candidates of the search, and what was spent. May be "
    "called\n"
    "while the run goes on.\n"
    "\n"
    "  --run ID     of a folder with several runs; default: the latest\n"
    "  --top N      how many candidates to list; default 5\n"
    "  --json       for scripts; what is not known yet is null:\n"
    "                 seed, best      prompt, final_score, final_se, final_examples, …\n"
    "                 difference, ci95 [low, high], p, better\n"
    "                 spent           tokens, evaluations, ratings, seconds, by_purpose\n"
    "                 history         one entry per step of the search\n"
    "                 finalists, lineage, run, name, status, random_seed, model_hash, …\n"
    "                 people          of a run that people judge: ratings, raters, "
    "cost_cents,\n"
    "                                 alpha, simulated, missing_ratings, …; else null\n"
    "               and of a run of lamarck prefix\n"
    "                 training        method, lr, steps, evaluations, best_step, …\n"
    "                 bare            the same rows without anything before them, and\n"
    "                 difference_to_bare, ci95_to_bare, p_to_bare\n"
    "  --report     write DIR/report.html again\n";

static int print_text(const run_record *r, size_t top, error *err)
{
    text out = {0};
    sheet s = {.out = &out, .terminal = terminal_look(STDOUT_FILENO), .err = err};
    int rc;
    text name = {0};
    TRY_OUT(rc, terminal_printable(&name, r->name, strlen(r->name), err));
    TRY_OUT(rc, text_add_format(&out, err,
                                "%s, run %" PRIu64 ", seed %" PRIu64
                                ", started %s: %s%s%s\n\n",
                                text_string(&name), r->id, r->seed, r->started,
                                run_status_name(r->status),
                                r->stop_reason && *r->stop_reason ? ", " : "",
                                r->stop_reason ? r->stop_reason : ""));
    TRY_OUT(rc, show_verdict(&s, r));
    TRY_OUT(rc, text_add_string(&out, "\n", err));
    TRY_OUT(rc, show_training(&s, r));
    TRY_OUT(rc, show_lineage(&s, r));
    TRY_OUT(rc, show_guests(&s, r));
    TRY_OUT(rc, show_top(&s, r, top));
    TRY_OUT(rc, show_spend(&s, r));
    fputs(text_string(&out), stdout);
out:
    text_free(&name);
    text_free(&out);
    return rc;
}

static int read_run(const char *dir, uint64_t id, run_record **r, error *err)
{
    store *s;
    TRY(store_open_readonly(&s, dir, err));
    int rc = store_run_read(s, id, r, err);
    store_close(s);
    return rc == 0 ? people_look(*r, dir, err) : rc;
}

static int run(int argc, char **argv, error *err)
{
    uint64_t id = 0;
    size_t top = 5, n;
    bool json = false, report = false;
    const option options[] = {
        {"run", OPTION_SEED, &id, NULL, NULL},
        {"top", OPTION_SIZE, &top, NULL, NULL},
        {"json", OPTION_FLAG, &json, NULL, NULL},
        {"report", OPTION_FLAG, &report, NULL, NULL},
    };
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"DIR", 1, 1}, &n, err));
    run_record *r = NULL;
    TRY(read_run(argv[1], id, &r, err));
    int rc = report ? report_write(r, argv[1], err) : 0;
    if (rc == 0)
        rc = json ? json_print(summary_json(r), err) : print_text(r, top, err);
    run_record_free(r);
    return rc;
}

const command cmd_show = {
    .name = "show",
    .group = "look",
    .summary = "a run: verdict, best prompts, lineage, spend",
    .usage = usage,
    .run = run,
};

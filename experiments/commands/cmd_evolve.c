/* lamarck evolve: start a search or go on with one, watch it, tell how it ended. */
#include "../runs/run.h"
#include "../views/json_lines.h"
#include "../views/live.h"
#include "../views/people.h"
#include "../views/summary.h"
#include "command.h"
#include "run_request.h"

#include <stdlib.h>

static const char usage[] =
    "usage: lamarck evolve FILE.yaml [options]\n"
    "       lamarck evolve --resume DIR [--poll SECONDS] [--json]\n"
    "\n"
    "Searches for a better prompt as the experiment file says, and ends with a verdict:\n"
    "whether the best prompt beats the one you started from, on examples that no prompt\n"
    "was chosen on. Everything is kept in a folder, report.html included; a search that "
    "was\n"
    "stopped, however rudely, goes on with --resume as if it never had been.\n"
    "\n"
    "  --out DIR          the run's folder; default: runs/NAME-seedN\n"
    "  --seed N           instead of the file's seed; 0 is a seed like any other\n"
    "  --budget LIMITS    such as tokens=60000,evaluations=5000,seconds=120,ratings=900: "
    "never\n"
    "                     overshot\n"
    "  --set KEY=VALUE    change a value of the file, such as search.population=24; may "
    "be\n"
    "                     given several times\n"
    "  --dry-run          check everything, tell what it would cost, start nothing\n"
    "  --resume DIR       go on with the latest unfinished run of DIR\n"
    "  --run ID           with --resume: with this run of DIR\n"
    "  --poll SECONDS     where people judge: stay, and look for their answers so "
    "often.\n"
    "                     Without it the run ends while it waits, and --resume looks\n"
    "  --json             print the result as `lamarck show --json` does\n"
    "\n"
    "Progress goes to standard error. Ctrl-C stops at once and keeps everything; a "
    "second\n"
    "one does not wait.\n";

typedef struct request {
    run_request common; /* first, so that one pointer is both */
    double poll;        /* seconds; 0: not asked for */
    screen screen;
} request;

/* ---- What is asked ---- */

static int check_poll(double seconds, error *err)
{
    if (seconds > 0 && seconds <= 86400)
        return 0;
    return error_set(err, E_USAGE, "--poll is %g: give the seconds, up to 86400",
                     seconds);
}

static int parse(int argc, char **argv, request *q, error *err)
{
    bool polls = false;
    const option options[] = {{"poll", OPTION_REAL, &q->poll, &polls, NULL},
                              RUN_OPTIONS(q->common)};
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"FILE.yaml", 0, 1}, &n, err));
    q->common.file = n ? argv[1] : NULL;
    if (polls)
        TRY(check_poll(q->poll, err));
    return run_request_check(&q->common, err);
}

/* ---- Foretelling ---- */

/* What is asked of people, at most: every output judged anew, nothing in common. */
static int add_people(const experiment *e, const run_estimate *x, text *t, error *err)
{
    if (!experiment_asks_people(e))
        return 0;
    TRY(text_add_string(t,
                        e->people.simulated ? "SIMULATED raters answer at most "
                                            : "people answer at most ",
                        err));
    TRY(summary_count(t, x->ratings, err));
    TRY(text_add_format(t, err, " questions, for "));
    TRY(people_money(t, x->cents, err));
    TRY(text_add_format(t, err, " at %g cents each and ", e->people.cents));
    TRY(summary_count(t, (uint64_t)(x->people_seconds / 60 + 0.5), err));
    TRY(text_add_format(t, err, " minutes of people at %g s each;\n  the first ",
                        e->people.rating_seconds));
    TRY(text_add_string(t, "generation takes about ", err));
    TRY(summary_count(t, x->first_generation_ratings, err));
    TRY(text_add_string(t, " of them and the finish ", err));
    TRY(summary_count(t, x->finish_ratings, err));
    return text_add_string(t, "\n", err);
}

static json_t *estimate_json(const run_estimate *x)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:f}", "tokens",
                     (json_int_t)x->tokens, "evaluations", (json_int_t)x->evaluations,
                     "first_generation_tokens", (json_int_t)x->first_generation_tokens,
                     "finish_tokens", (json_int_t)x->finish_tokens, "tokens_per_second",
                     x->tokens_per_second, "seconds", x->seconds, "ratings",
                     (json_int_t)x->ratings, "first_generation_ratings",
                     (json_int_t)x->first_generation_ratings, "finish_ratings",
                     (json_int_t)x->finish_ratings, "cents", x->cents, "people_seconds",
                     x->people_seconds);
}

static int print_estimate(const experiment *e, bool json, error *err)
{
    run_estimate x;
    TRY(run_dry(e, &x, err));
    if (json)
        return json_print(estimate_json(&x), err);
    text t = {0};
    int rc;
    TRY_OUT(rc, text_add_string(&t, "nothing was started; the run would cost at most\n  ",
                                err));
    TRY_OUT(rc, summary_count(&t, x.tokens, err));
    TRY_OUT(rc,
            text_add_string(&t, " tokens, of which the first generation takes ", err));
    TRY_OUT(rc, summary_count(&t, x.first_generation_tokens, err));
    TRY_OUT(rc, text_add_string(&t, " and the finish ", err));
    TRY_OUT(rc, summary_count(&t, x.finish_tokens, err));
    TRY_OUT(rc, text_add_string(&t, "\n  ", err));
    TRY_OUT(rc, summary_count(&t, x.evaluations, err));
    TRY_OUT(rc, text_add_format(&t, err, " evaluations\nand take about "));
    TRY_OUT(rc, summary_duration(&t, x.seconds, err));
    TRY_OUT(rc, text_add_format(&t, err, " on this machine (%.0f tokens per second)\n",
                                x.tokens_per_second));
    TRY_OUT(rc, add_people(e, &x, &t, err));
    fputs(t.s, stdout);
out:
    text_free(&t);
    return rc;
}

/* ---- Running ---- */

static run_options options_of(run_request *common)
{
    request *q = (request *)common;
    return (run_options){live_watch, &q->screen, &command_interrupted, q->poll};
}

static int start(run_request *q, const experiment *e, const char *dir, uint64_t *id,
                 error *err)
{
    run_options options = options_of(q);
    return run_start(e, dir, &options, id, err);
}

static int resume(run_request *q, uint64_t *id, error *err)
{
    run_options options = options_of(q);
    return run_resume(q->resume, q->run, &options, id, err);
}

static const run_maker maker = {
    .command = "evolve", .foretell = print_estimate, .start = start, .resume = resume};

static int run(int argc, char **argv, error *err)
{
    request q = {.common = {.maker = &maker}};
    int rc = parse(argc, argv, &q, err);
    if (rc == 0)
        rc = run_request_do(&q.common, err);
    run_request_free(&q.common);
    return rc;
}

const command cmd_evolve = {
    .name = "evolve",
    .group = "search",
    .summary = "search for a better prompt, or go on with a search",
    .usage = usage,
    .run = run,
};

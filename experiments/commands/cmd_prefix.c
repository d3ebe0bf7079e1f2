/* lamarck prefix: learn vectors that stand before every row, watch it, tell how it ended.
 */
#include "../runs/prefix_run.h"
#include "../views/json_lines.h"
#include "../views/live_prefix.h"
#include "../views/summary.h"
#include "command.h"
#include "run_request.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck prefix FILE.yaml [options]\n"
    "       lamarck prefix --resume DIR [--json]\n"
    "\n"
    "Learns vectors that take the place of the prompt's words, by gradients through\n"
    "the frozen model, as the experiment file and its section 'prefix' say: virtual\n"
    "tokens at the input (prompt tuning), or keys and values at every layer (prefix\n"
    "tuning). Ends with a verdict: whether they beat the prompt that you wrote, and\n"
    "no prompt at all, on examples that nothing was learned or chosen on. All is kept\n"
    "in a folder, report.html included; a run that was stopped, however rudely, goes\n"
    "on with --resume to the same vectors, bit for bit.\n"
    "\n"
    "  --out DIR          the run's folder; default: runs/NAME-prefix-seedN\n"
    "  --seed N           instead of the file's seed\n"
    "  --budget LIMITS    such as tokens=60000,seconds=120,steps=50: never overshot\n"
    "  --lr RATE          peak learning rate, or auto: a probe chooses\n"
    "  --memory MIB       for activations, keys and values; default 512\n"
    "  --set KEY=VALUE    change a value of the file, such as prefix.tokens=8; may be\n"
    "                     given several times\n"
    "  --dry-run          check everything, tell what it would cost and the memory\n"
    "                     that it would take, start nothing\n"
    "  --resume DIR       go on with the latest unfinished run of DIR\n"
    "  --run ID           with --resume: with this run of DIR\n"
    "  --json             print the result as `lamarck show --json` does\n"
    "\n"
    "Take the vectors along with 'lamarck export DIR --format peft --out ADAPTER';\n"
    "score, generate and compare put them before rows with --prefix ADAPTER. Progress\n"
    "goes to standard error. Ctrl-C stops at once and keeps everything; a second one\n"
    "does not wait.\n";

typedef struct request {
    run_request common; /* first, so that one pointer is both */
    const char *lr;
    size_t memory_mib;
    bool has_memory;
    screen screen;
} request;

static int parse(int argc, char **argv, request *q, error *err)
{
    const option options[] = {
        RUN_OPTIONS(q->common),
        {"lr", OPTION_TEXT, &q->lr, NULL, NULL},
        {"memory", OPTION_SIZE, &q->memory_mib, &q->has_memory, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"FILE.yaml", 0, 1}, &n, err));
    q->common.file = n ? argv[1] : NULL;
    TRY(run_request_check(&q->common, err));
    if (q->common.resume && (q->lr || q->has_memory))
        return error_set(err, E_USAGE,
                         "--resume goes on with a run as it was begun: no --lr or "
                         "--memory can change it");
    double rate = 0;
    if (q->lr && strcmp(q->lr, "auto") != 0)
        TRY(option_real("--lr", q->lr, &rate, err));
    if (q->lr)
        TRY(run_request_change(&q->common, err, "prefix.lr=%s", q->lr));
    if (q->has_memory)
        TRY(run_request_change(&q->common, err, "engine.memory=%zu MiB", q->memory_mib));
    return 0;
}

/* ---- Foretelling ---- */

static json_t *estimate_json(const prefix_estimate *x)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "tokens",
                     (json_int_t)x->tokens, "step_tokens", (json_int_t)x->step_tokens,
                     "finish_tokens", (json_int_t)x->finish_tokens, "steps",
                     (json_int_t)x->steps, "virtual_tokens", (json_int_t)x->n_tokens,
                     "parameters", (json_int_t)x->parameters, "peak_bytes",
                     (json_int_t)x->peak_bytes, "tokens_per_second", x->tokens_per_second,
                     "seconds", x->seconds);
}

static int add_estimate(const prefix_estimate *x, text *t, error *err)
{
    TRY(text_add_format(t, err, "nothing was started; %zu virtual tokens (",
                        x->n_tokens));
    TRY(summary_count(t, x->parameters, err));
    TRY(text_add_format(t, err, " numbers) would be learned in at most %zu steps for\n  ",
                        x->steps));
    TRY(summary_count(t, x->tokens, err));
    TRY(text_add_string(t, " tokens at most, of which a step takes about ", err));
    TRY(summary_count(t, x->step_tokens, err));
    TRY(text_add_string(t, " and the finish ", err));
    TRY(summary_count(t, x->finish_tokens, err));
    TRY(text_add_format(t, err, "\n  %.0f MiB of memory at most, beside the weights\n",
                        (double)x->peak_bytes / (1 << 20)));
    TRY(text_add_string(t, "and take about ", err));
    TRY(summary_duration(t, x->seconds, err));
    return text_add_format(t, err, " on this machine (%.0f tokens per second)\n",
                           x->tokens_per_second);
}

static int print_estimate(const experiment *e, bool json, error *err)
{
    prefix_estimate x;
    text t = {0};
    TRY(prefix_run_dry(e, &x, err));
    if (json)
        return json_print(estimate_json(&x), err);
    int rc = add_estimate(&x, &t, err);
    if (rc == 0)
        fputs(t.s, stdout);
    text_free(&t);
    return rc;
}

/* ---- Running ---- */

static prefix_run_options options_of(run_request *common)
{
    request *q = (request *)common;
    return (prefix_run_options){.watch = live_prefix_watch,
                                .context = &q->screen,
                                .interrupt = &command_interrupted};
}

static int start(run_request *q, const experiment *e, const char *dir, uint64_t *id,
                 error *err)
{
    prefix_run_options options = options_of(q);
    return prefix_run_start(e, dir, &options, id, err);
}

static int resume(run_request *q, uint64_t *id, error *err)
{
    prefix_run_options options = options_of(q);
    return prefix_run_resume(q->resume, q->run, &options, id, err);
}

static const run_maker maker = {.command = "prefix",
                                .trains = true,
                                .look_up = prefix_run_look_up,
                                .foretell = print_estimate,
                                .start = start,
                                .resume = resume};

static int run(int argc, char **argv, error *err)
{
    request q = {.common = {.maker = &maker}};
    int rc = parse(argc, argv, &q, err);
    if (rc == 0)
        rc = run_request_do(&q.common, err);
    run_request_free(&q.common);
    return rc;
}

const command cmd_prefix = {
    .name = "prefix",
    .group = "search",
    .summary = "learn vectors in the place of a prompt, or go on with it",
    .usage = usage,
    .run = run,
};

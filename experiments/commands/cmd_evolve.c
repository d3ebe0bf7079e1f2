/* lamarck evolve: start a search or go on with one, watch it, tell how it ended. */
#include "../runs/run.h"
#include "../views/json_lines.h"
#include "../views/live.h"
#include "../views/report.h"
#include "../views/show_text.h"
#include "../views/summary.h"
#include "command.h"
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: lamarck evolve FILE.yaml [options]\n"
    "       lamarck evolve --resume DIR [--json]\n"
    "\n"
    "Searches for a better prompt as the experiment file says, and ends with a verdict:\n"
    "whether the best prompt beats the one you started from, on examples that no prompt\n"
    "was chosen on. Everything is kept in a folder, report.html included; a search that "
    "was\n"
    "stopped, however rudely, goes on with --resume as if it never had been.\n"
    "\n"
    "  --out DIR          the run's folder; default: runs/NAME-seedN\n"
    "  --seed N           instead of the file's seed; 0 is a seed like any other\n"
    "  --budget LIMITS    such as tokens=60000,evaluations=5000,seconds=120: never "
    "overshot\n"
    "  --set KEY=VALUE    change a value of the file, such as search.population=24; may "
    "be\n"
    "                     given several times\n"
    "  --dry-run          check everything, tell what it would cost, start nothing\n"
    "  --resume DIR       go on with the latest unfinished run of DIR\n"
    "  --run ID           with --resume: with this run of DIR\n"
    "  --json             print the result as `lamarck show --json` does\n"
    "\n"
    "Progress goes to standard error. Ctrl-C stops at once and keeps everything; a "
    "second\n"
    "one does not wait.\n";

typedef struct request {
    const char *file, *out, *resume, *budget;
    uint64_t seed, run;
    bool has_seed, has_run, dry_run, json;
    option_list set;
} request;

/* ---- What is asked ---- */

static int parse(int argc, char **argv, request *q, error *err)
{
    const option options[] = {
        {"out", OPTION_TEXT, &q->out, NULL, NULL},
        {"seed", OPTION_SEED, &q->seed, &q->has_seed, NULL},
        {"budget", OPTION_TEXT, &q->budget, NULL, NULL},
        {"set", OPTION_LIST, &q->set, NULL, NULL},
        {"dry-run", OPTION_FLAG, &q->dry_run, NULL, NULL},
        {"resume", OPTION_TEXT, &q->resume, NULL, NULL},
        {"run", OPTION_SEED, &q->run, &q->has_run, NULL},
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"FILE.yaml", 0, 1}, &n, err));
    q->file = n ? argv[1] : NULL;
    if (q->resume && (q->file || q->out || q->has_seed || q->budget || q->set.n))
        return error_set(err, E_USAGE,
                         "--resume goes on with a run as it was begun: no file, --out, "
                         "--seed, --budget or --set can change it");
    if (q->resume && q->dry_run)
        return error_set(err, E_USAGE, "--dry-run is for runs that have not begun");
    if (!q->resume && !q->file)
        return error_set(err, E_USAGE, "evolve wants FILE.yaml, or --resume DIR");
    if (q->has_run && !q->resume)
        return error_set(err, E_USAGE, "--run chooses among the runs to --resume");
    return 0;
}

/* One "tokens=N" as the change "budget.tokens=N". New; free(). */
static int budget_change(const char *part, size_t n, char **out, error *err)
{
    static const char *const names[] = {"tokens", "evaluations", "seconds", "minutes"};
    enum { N_NAMES = sizeof names / sizeof *names };
    char name[40];
    const char *equals = memchr(part, '=', n);
    size_t length = equals ? (size_t)(equals - part) : n;
    snprintf(name, sizeof name, "%.*s", (int)(length < 39 ? length : 39), part);
    for (size_t i = 0; equals && i < N_NAMES; i++)
        if (strcmp(names[i], name) == 0) {
            text t = {0};
            TRY(text_add_format(&t, err, "budget.%.*s", (int)n, part));
            *out = t.s;
            return 0;
        }
    const char *near = nearest_name(name, names, N_NAMES);
    return error_set(
        err, E_USAGE,
        "--budget wants limits such as tokens=60000,seconds=120, not '%.*s'%s%s%s",
        (int)(n < 60 ? n : 60), part, near && equals ? "; did you mean " : "",
        near && equals ? near : "", near && equals ? "?" : "");
}

/* The limits of --budget behind the other changes; changes[0..*n) are new. */
static int budget_changes(const char *s, char **changes, size_t most, size_t *n,
                          error *err)
{
    while (s) {
        size_t length = strcspn(s, ",");
        if (*n == most)
            return error_set(err, E_USAGE, "--budget has more than %zu limits", most);
        TRY(budget_change(s, length, &changes[*n], err));
        ++*n;
        s = s[length] ? s + length + 1 : NULL;
    }
    return 0;
}

static int load(request *q, experiment **e, error *err)
{
    enum { MOST = 8 };
    char *limits[MOST];
    size_t n = 0;
    int rc = budget_changes(q->budget, limits, MOST, &n, err);
    size_t own = q->set.n;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = array_grow(&q->set.items, &q->set.capacity, q->set.n, sizeof *q->set.items,
                        err);
        if (rc == 0)
            q->set.items[q->set.n++] = limits[i];
    }
    experiment_overrides overrides = {q->set.items, q->set.n,
                                      q->has_seed ? &q->seed : NULL};
    if (rc == 0)
        rc = experiment_load(e, q->file, &overrides, err);
    q->set.n = own;
    for (size_t i = 0; i < n; i++)
        free(limits[i]);
    return rc;
}

/* ---- Where it goes ---- */

/* runs/NAME-seedN, the name with only letters that are safe in any file name. */
static int default_folder(const experiment *e, text *out, error *err)
{
    TRY(text_add_string(out, "runs/", err));
    for (const char *s = e->name; *s; s++) {
        bool safe = strchr("._-", *s) || (*s >= '0' && *s <= '9') ||
                    ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z');
        char c = safe ? *s : '-';
        TRY(text_add(out, &c, 1, err));
    }
    return text_add_format(out, err, "-seed%" PRIu64, e->seed);
}

/* Make the folders above `path`. */
static int make_parents(const char *path, error *err)
{
    char *copy = string_copy(path);
    int rc = copy ? 0 : error_memory(err, strlen(path));
    for (char *s = copy; rc == 0 && s && *s && (s = strchr(s + 1, '/'));) {
        *s = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST)
            rc = error_set(err, E_IO, "cannot make the folder %s: %s", copy,
                           strerror(errno));
        *s = '/';
    }
    free(copy);
    return rc;
}

/* The latest run of a folder, 0 if it has none; *unfinished: the latest unfinished one.
 */
static int find_runs(const char *dir, uint64_t *latest, uint64_t *unfinished, error *err)
{
    store *s;
    TRY(store_open_readonly(&s, dir, err));
    int rc = store_run_latest(s, false, latest, err);
    if (rc == 0)
        rc = store_run_latest(s, true, unfinished, err);
    store_close(s);
    return rc;
}

/* A folder with an unfinished run is not begun anew by accident. A file without a byte
 * holds nothing: its program was killed before the first write. */
static int refuse_unfinished(const char *dir, error *err)
{
    text path = {0};
    struct stat st;
    TRY(text_add_format(&path, err, "%s/lamarck.sqlite", dir));
    bool exists = stat(path.s, &st) == 0 && st.st_size > 0;
    text_free(&path);
    if (!exists)
        return 0;
    uint64_t latest = 0, id = 0;
    int rc = find_runs(dir, &latest, &id, err);
    if (rc == E_ARGUMENT) /* killed before the first write was whole */
        return 0;
    TRY(rc);
    if (id)
        return error_set(
            err, E_BUSY,
            "%s holds run %" PRIu64 ", which is not finished: go on with "
            "'lamarck evolve --resume %s', or choose another folder with --out",
            dir, id, dir);
    return 0;
}

/* ---- What came out ---- */

static int print_estimate(const experiment *e, bool json, error *err)
{
    run_estimate x;
    TRY(run_dry(e, &x, err));
    if (json)
        return json_print(
            json_pack("{s:I, s:I, s:I, s:I, s:f, s:f}", "tokens", (json_int_t)x.tokens,
                      "evaluations", (json_int_t)x.evaluations, "first_generation_tokens",
                      (json_int_t)x.first_generation_tokens, "finish_tokens",
                      (json_int_t)x.finish_tokens, "tokens_per_second",
                      x.tokens_per_second, "seconds", x.seconds),
            err);
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
    fputs(t.s, stdout);
out:
    text_free(&t);
    return rc;
}

static int print_end(const run_record *r, const char *dir, error *err)
{
    text out = {0};
    sheet s = {.out = &out, .terminal = terminal_look(STDOUT_FILENO), .err = err};
    int rc;
    TRY_OUT(rc, text_add_string(&out, "\n", err));
    TRY_OUT(rc, show_verdict(&s, r));
    TRY_OUT(rc, text_add_string(&out, "\n", err));
    TRY_OUT(rc, show_spend(&s, r));
    TRY_OUT(rc, text_add_format(&out, err,
                                "\nreport: %s/report.html\nmore:   lamarck show %s\n",
                                dir, dir));
    fputs(out.s, stdout);
out:
    text_free(&out);
    return rc;
}

/* Report and words, for a run that has ended one way or the other. */
static int tell(const char *dir, uint64_t id, bool json, error *err)
{
    store *s;
    run_record *r = NULL;
    TRY(store_open_readonly(&s, dir, err));
    int rc = store_run_read(s, id, &r, err);
    store_close(s);
    TRY(rc);
    rc = report_write(r, dir, err);
    if (rc == 0)
        rc = json ? json_print(summary_json(r), err) : print_end(r, dir, err);
    run_record_free(r);
    return rc;
}

/* An interrupted run is told like any other; the status says that it was. */
static int finish(int rc, const char *dir, uint64_t id, bool json, error *err)
{
    if (rc < 0 && rc != E_INTERRUPTED)
        return rc;
    error telling = {0};
    int told = tell(dir, id, json, &telling);
    if (rc == E_INTERRUPTED && told < 0)
        return rc; /* before there was anything to keep */
    if (rc == E_INTERRUPTED)
        return error_set(
            err, E_INTERRUPTED,
            "stopped; everything is kept, 'lamarck evolve --resume %s' goes on", dir);
    if (told < 0 && err)
        *err = telling;
    return told;
}

static int start(request *q, error *err)
{
    experiment *e = NULL;
    TRY(load(q, &e, err));
    live l = {0};
    run_options options = {live_watch, &l, &command_interrupted};
    uint64_t id = 0;
    text dir = {0};
    int rc;
    if (q->dry_run) {
        rc = print_estimate(e, q->json, err);
        goto out;
    }
    TRY_OUT(rc,
            q->out ? text_add_string(&dir, q->out, err) : default_folder(e, &dir, err));
    TRY_OUT(rc, refuse_unfinished(dir.s, err));
    TRY_OUT(rc, make_parents(dir.s, err));
    rc = finish(run_start(e, dir.s, &options, &id, err), dir.s, id, q->json, err);
out:
    text_free(&dir);
    experiment_free(e);
    return rc;
}

/* A program that was stopped before its first write leaves no folder, an empty one, or a
 * file without a run; what the run was to be is nowhere on record. */
static int refuse_unbegun(const char *dir, error *err)
{
    struct stat st;
    bool exists = stat(dir, &st) == 0;
    return error_set(err, E_ARGUMENT,
                     "%s %s, so there is nothing to go on with (a run that is stopped in "
                     "its first seconds leaves no trace): begin it with 'lamarck evolve "
                     "FILE.yaml --out %s'",
                     exists ? "no run was begun in" : "there is no folder", dir, dir);
}

static bool has_store(const char *dir)
{
    text path = {0};
    struct stat st;
    bool yes = text_add_format(&path, NULL, "%s/lamarck.sqlite", dir) < 0 ||
               stat(path.s, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
    text_free(&path);
    return yes;
}

static int go_on(const request *q, error *err)
{
    uint64_t latest = 0, unfinished = 0;
    if (!has_store(q->resume))
        return refuse_unbegun(q->resume, err);
    int found = find_runs(q->resume, &latest, &unfinished, err);
    if (found == E_ARGUMENT || (found == 0 && latest == 0))
        return refuse_unbegun(q->resume, err);
    TRY(found);
    if (latest && !unfinished && !q->run) {
        fprintf(stderr, "run %" PRIu64 " of %s is finished: nothing is left to do\n",
                latest, q->resume);
        return tell(q->resume, latest, q->json, err);
    }
    live l = {0};
    run_options options = {live_watch, &l, &command_interrupted};
    uint64_t id = q->run;
    int rc = run_resume(q->resume, q->run, &options, &id, err);
    return finish(rc, q->resume, id, q->json, err);
}

static int run(int argc, char **argv, error *err)
{
    request q = {0};
    int rc = parse(argc, argv, &q, err);
    if (rc == 0)
        rc = q.resume ? go_on(&q, err) : start(&q, err);
    option_list_free(&q.set);
    return rc;
}

const command cmd_evolve = {
    .name = "evolve",
    .group = "search",
    .summary = "search for a better prompt, or go on with a search",
    .usage = usage,
    .run = run,
};

#include "run_request.h"
#include "../store/store.h"
#include "../views/json_lines.h"
#include "../views/people.h"
#include "../views/report.h"
#include "../views/show_text.h"
#include "../views/summary.h"
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What is asked ---- */

int run_request_check(const run_request *q, error *err)
{
    if (q->resume && (q->file || q->out || q->has_seed || q->budget || q->set.n))
        return error_set(err, E_USAGE,
                         "--resume goes on with a run as it was begun: no file, --out, "
                         "--seed, --budget or --set can change it");
    if (q->resume && q->dry_run)
        return error_set(err, E_USAGE, "--dry-run is for runs that have not begun");
    if (!q->resume && !q->file)
        return error_set(err, E_USAGE, "%s wants FILE.yaml, or --resume DIR",
                         q->maker->command);
    if (q->has_run && !q->resume)
        return error_set(err, E_USAGE, "--run chooses among the runs to --resume");
    return 0;
}

void run_request_free(run_request *q)
{
    for (size_t i = 0; i < q->n_made; i++)
        free(q->made[i]);
    free(q->made);
    option_list_free(&q->set);
    *q = (run_request){0};
}

/* Takes the text; changes made later win over --set. */
static int add_change(run_request *q, char *change, error *err)
{
    int rc = array_grow(&q->made, &q->made_capacity, q->n_made, sizeof *q->made, err);
    if (rc < 0) {
        free(change);
        return rc;
    }
    q->made[q->n_made++] = change;
    TRY(array_grow(&q->set.items, &q->set.capacity, q->set.n, sizeof *q->set.items, err));
    q->set.items[q->set.n++] = change;
    return 0;
}

int run_request_change(run_request *q, error *err, const char *format, ...)
{
    char change[200];
    va_list args;
    va_start(args, format);
    vsnprintf(change, sizeof change, format, args);
    va_end(args);
    char *copy = string_copy(change);
    return copy ? add_change(q, copy, err) : error_memory(err, sizeof change);
}

/* One "tokens=N" as the change "budget.tokens=N". New; free(). */
static int budget_change(const run_request *q, const char *part, size_t n, char **out,
                         error *err)
{
    static const char *const of_training[] = {"tokens", "evaluations", "seconds",
                                              "minutes", "steps"};
    static const char *const of_search[] = {"tokens", "evaluations", "seconds", "minutes",
                                            "ratings"};
    enum { n_names = sizeof of_search / sizeof *of_search };
    const char *const *names = q->maker->trains ? of_training : of_search;
    char name[40];
    const char *equals = memchr(part, '=', n);
    size_t length = equals ? (size_t)(equals - part) : n;
    snprintf(name, sizeof name, "%.*s", (int)(length < 39 ? length : 39), part);
    for (size_t i = 0; equals && i < n_names; i++)
        if (strcmp(names[i], name) == 0) {
            text t = {0};
            TRY(text_add_format(&t, err, "%s.%.*s",
                                strcmp(name, "steps") == 0 ? "prefix" : "budget", (int)n,
                                part));
            *out = t.s;
            return 0;
        }
    const char *near = nearest_name(name, names, n_names);
    return error_set(
        err, E_USAGE,
        "--budget wants limits such as tokens=60000,seconds=120, not '%.*s'%s%s%s",
        (int)(n < 60 ? n : 60), part, near && equals ? "; did you mean " : "",
        near && equals ? near : "", near && equals ? "?" : "");
}

/* The limits of --budget behind the other changes. */
static int budget_changes(run_request *q, error *err)
{
    for (const char *s = q->budget; s;) {
        size_t length = strcspn(s, ",");
        char *change = NULL;
        TRY(budget_change(q, s, length, &change, err));
        TRY(add_change(q, change, err));
        s = s[length] ? s + length + 1 : NULL;
    }
    return 0;
}

/* The experiment as file, --set, --budget and --seed make it. */
static int load(run_request *q, experiment **e, error *err)
{
    TRY(budget_changes(q, err));
    experiment_overrides overrides = {q->set.items, q->set.n,
                                      q->has_seed ? &q->seed : NULL};
    return experiment_load(e, q->file, &overrides, err);
}

/* ---- Where it goes ---- */

/* runs/NAME-seedN, the name with only letters that are safe in any file name. */
static int default_folder(const run_request *q, const experiment *e, text *out,
                          error *err)
{
    TRY(text_add_string(out, "runs/", err));
    for (const char *s = e->name; *s; s++) {
        bool safe = strchr("._-", *s) || (*s >= '0' && *s <= '9') ||
                    ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z');
        char c = safe ? *s : '-';
        TRY(text_add(out, &c, 1, err));
    }
    return text_add_format(out, err, "%s-seed%" PRIu64, q->maker->trains ? "-prefix" : "",
                           e->seed);
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
static int refuse_unfinished(const run_request *q, const char *dir, error *err)
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
        return error_set(err, E_BUSY,
                         "%s holds run %" PRIu64 ", which is not finished: go on with "
                         "'lamarck %s --resume %s', or choose another folder with --out",
                         dir, id, q->maker->command, dir);
    return 0;
}

/* --out, or runs/NAME-seedN; the folders above it are made. Appended to *out. */
static int choose_folder(const run_request *q, const experiment *e, text *out, error *err)
{
    TRY(q->out ? text_add_string(out, q->out, err) : default_folder(q, e, out, err));
    TRY(refuse_unfinished(q, out->s, err));
    return make_parents(out->s, err);
}

/* ---- What came of it ---- */

static int print_end(const run_record *r, const char *dir, error *err)
{
    text out = {0};
    sheet s = {.out = &out, .terminal = terminal_look(STDOUT_FILENO), .err = err};
    int rc;
    TRY_OUT(rc, text_add_string(&out, "\n", err));
    TRY_OUT(rc, show_verdict(&s, r));
    TRY_OUT(rc, text_add_string(&out, "\n", err));
    TRY_OUT(rc, show_training(&s, r));
    TRY_OUT(rc, show_spend(&s, r));
    if (r->status == RUN_WAITING)
        TRY_OUT(rc, text_add_format(&out, err,
                                    "\nask:    lamarck rate serve %s\n"
                                    "go on:  lamarck evolve --resume %s",
                                    dir, dir));
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
    rc = people_look(r, dir, err);
    if (rc == 0)
        rc = report_write(r, dir, err);
    if (rc == 0)
        rc = json ? json_print(summary_json(r), err) : print_end(r, dir, err);
    run_record_free(r);
    return rc;
}

/* A program that was stopped before its first write leaves no folder, an empty one, or a
 * file without a run; what the run was to be is nowhere on record. */
static int refuse_unbegun(const run_request *q, error *err)
{
    const char *dir = q->resume;
    struct stat st;
    bool exists = stat(dir, &st) == 0;
    return error_set(err, E_ARGUMENT,
                     "%s %s, so there is nothing to go on with (a run that is stopped in "
                     "its first seconds leaves no trace): begin it with 'lamarck %s "
                     "FILE.yaml --out %s'",
                     exists ? "no run was begun in" : "there is no folder", dir,
                     q->maker->command, dir);
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

/* A folder all of whose runs are finished is told about, *done. */
static int nothing_left(const run_request *q, bool *done, error *err)
{
    uint64_t latest = 0, unfinished = 0;
    if (!has_store(q->resume))
        return refuse_unbegun(q, err);
    int found = find_runs(q->resume, &latest, &unfinished, err);
    if (found == E_ARGUMENT || (found == 0 && latest == 0))
        return refuse_unbegun(q, err);
    TRY(found);
    *done = latest && !unfinished && !q->run;
    if (!*done)
        return 0;
    fprintf(stderr, "run %" PRIu64 " of %s is finished: nothing is left to do\n", latest,
            q->resume);
    return tell(q->resume, latest, q->json, err);
}

/* After a run, which returned rc. An interrupted one is told like any other; the status
 * says that it was. */
static int end(const run_request *q, int rc, const char *dir, uint64_t id, error *err)
{
    if (rc == E_NUMERIC && id) /* it shows how that came about */
        report_run(dir, id, NULL);
    if (rc < 0 && rc != E_INTERRUPTED)
        return rc;
    error telling = {0};
    int told = tell(dir, id, q->json, &telling);
    if (rc == E_INTERRUPTED && told < 0)
        return rc; /* before there was anything to keep */
    if (rc == E_INTERRUPTED)
        return error_set(err, E_INTERRUPTED,
                         "stopped; everything is kept, 'lamarck %s --resume %s' goes on",
                         q->maker->command, dir);
    if (told < 0 && err)
        *err = telling;
    return told;
}

/* ---- All of it ---- */

static int begin(run_request *q, const experiment *e, const char *dir, error *err)
{
    uint64_t id = 0;
    int rc = q->maker->start(q, e, dir, &id, err);
    return end(q, rc, dir, id, err);
}

static int start(run_request *q, error *err)
{
    const run_maker *m = q->maker;
    experiment *e = NULL;
    text dir = {0};
    int rc = load(q, &e, err);
    if (rc == 0 && m->look_up)
        rc = m->look_up(e, err);
    if (rc == 0 && q->dry_run) {
        rc = m->foretell(e, q->json, err);
    } else if (rc == 0) {
        rc = choose_folder(q, e, &dir, err);
        if (rc == 0)
            rc = begin(q, e, dir.s, err);
    }
    text_free(&dir);
    experiment_free(e);
    return rc;
}

static int go_on(run_request *q, error *err)
{
    bool done = false;
    TRY(nothing_left(q, &done, err));
    if (done)
        return 0;
    uint64_t id = q->run;
    int rc = q->maker->resume(q, &id, err);
    return end(q, rc, q->resume, id, err);
}

int run_request_do(run_request *q, error *err)
{
    return q->resume ? go_on(q, err) : start(q, err);
}

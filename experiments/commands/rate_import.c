/* lamarck rate import: tasks and ratings from files. */
#include "rate_crowd.h"

#include "../store/store.h"
#include "crowd_import.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char usage[] =
    "usage: lamarck rate import RUN FILE [--what WHAT]\n"
    "\n"
    "Puts tasks or ratings from FILE (CSV with a header, or JSON Lines; \"-\" is "
    "standard\n"
    "input) into the run in the folder RUN. All of FILE or, when a line is wrong, "
    "nothing;\n"
    "importing it again changes nothing.\n"
    "\n"
    "  --what tasks         what raters are asked; a folder without a run gets one, so\n"
    "                       that 'lamarck rate serve' can ask about anybody's outputs\n"
    "  --what ratings       what raters answered (default); their tasks must be there\n"
    "\n"
    "Columns of tasks; in JSON the same names, or as the page's API has them: an object\n"
    "\"question\" and lists \"labels\" and \"outputs\"\n"
    "  kind                 compare (two outputs), best (of four), scale, accept\n"
    "  text                 the question; instructions: shown before the first task\n"
    "  ties                 1: \"no difference\" is an answer to compare and best\n"
    "  label1, label2, …    of a scale, lowest first, 2 to 11\n"
    "  context              what the outputs answer to\n"
    "  output1, … output4   2 for compare, 4 for best, else 1\n"
    "  wanted               ratings that are wanted; default 1\n"
    "  priority             higher is asked first; default 0\n"
    "  gold                 the right answer, for quality control: the place of an "
    "output\n"
    "                       in this row, from 0; or the label's number; or 0 or 1\n"
    "  practice             1: made up for quality control; closed 1: not asked any "
    "more\n"
    "\n"
    "Columns of ratings\n"
    "  task                 its id, as in an export; output1, …: checked if told\n"
    "  rater_name, or rater; rater_source: invited, open, api (default), mturk, "
    "simulated\n"
    "  answer               an output's id, or its place among the task's sorted ids,\n"
    "                       from 0; tie; a label's number; 0 or 1\n"
    "  time                 seconds since 1970; default now. seconds: that it took\n"
    "  repeat, late, withdrawn, comment, source; key: what makes it the same rating\n"
    "\n"
    "Ratings are judged by RUN's own rules.\n";

int run_crowd_open(crowd **out, const char *run, bool create, error *err)
{
    struct stat info;
    text path = {0};
    store *s = NULL;
    int rc = 0;
    bool is_file = stat(run, &info) == 0 && S_ISREG(info.st_mode);
    if (!is_file && create)
        rc = store_open(&s, run, true, err);
    store_close(s);
    if (rc == 0)
        rc = text_add_format(&path, err, "%s%s", run, is_file ? "" : "/lamarck.sqlite");
    if (rc == 0 && stat(path.s, &info) != 0)
        rc = error_set(err, E_IO, "%s is not a run folder: cannot open %s: %s", run,
                       path.s, strerror(errno));
    if (rc == 0)
        rc = crowd_open(out, path.s, err);
    text_free(&path);
    return rc;
}

enum { WHAT_TASKS, WHAT_RATINGS };
static const char *const whats[] = {"tasks", "ratings", NULL};

static int import_all(crowd *c, crowd_rows *rows, int what, import_counts *n, error *err)
{
    TRY(crowd_begin(c, err));
    int rc = what == WHAT_TASKS
                 ? crowd_import_tasks(c, rows, n, err)
                 : crowd_import_ratings(c, rows, (int64_t)time(NULL), n, err);
    if (rc == 0)
        return crowd_commit(c, err);
    crowd_rollback(c);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    int what = WHAT_RATINGS;
    crowd *c = NULL;
    crowd_rows rows;
    import_counts n;
    size_t n_words;
    const option options[] = {{"what", OPTION_CHOICE, &what, NULL, whats}};
    TRY(options_parse(argc, argv, options, 1, &(positionals){"RUN FILE", 2, 2}, &n_words,
                      err));
    int rc = crowd_rows_open(
        &rows, argv[2], what == WHAT_TASKS ? crowd_task_columns : crowd_rating_columns,
        err);
    if (rc == 0)
        rc = run_crowd_open(&c, argv[1], what == WHAT_TASKS, err);
    if (rc == 0)
        rc = import_all(c, &rows, what, &n, err);
    if (rc == 0)
        printf("%zu %s: %zu new, %zu known before\n", n.rows, whats[what],
               n.rows - n.known, n.known);
    crowd_rows_close(&rows);
    crowd_close(c);
    return rc;
}

const command rate_import = {
    .name = "import",
    .group = "people",
    .summary = "tasks and ratings from CSV or JSON Lines",
    .usage = usage,
    .run = run,
};

/* lamarck rate export: tasks and ratings of a run's crowd. */
#include "rate_crowd.h"

#include "crowd_export.h"
#include "options.h"

static const char usage[] =
    "usage: lamarck rate export RUN [--what WHAT] [--format FORMAT] [--out FILE]\n"
    "\n"
    "Prints what raters of the run in the folder RUN answered, or what they were asked,\n"
    "one row each, in a form that 'lamarck rate import' reads (its help tells the\n"
    "columns): imported into another run, it gives the same statistics.\n"
    "\n"
    "  --what ratings       default; withdrawn and late ones too\n"
    "  --what tasks         with all texts\n"
    "  --what comparisons   winner, loser, rater, tie of the ratings that count, as\n"
    "                       'lamarck rate aggregate --method bradley-terry' reads them\n"
    "                       from CSV; the best of four beat three. weight: the rater's, "
    "by\n"
    "                       his checks\n"
    "  --what values        item, rater, value, for its other methods; items are ids of\n"
    "                       outputs, whose texts are in the tasks\n"
    "  --format jsonl       default\n"
    "  --format csv         a text that a spreadsheet would take for a formula gets an\n"
    "                       apostrophe before it, which the import takes off\n"
    "  --out FILE           instead of standard output; whole or not at all\n";

enum { WHAT_RATINGS, WHAT_TASKS, WHAT_COMPARISONS, WHAT_VALUES };
static const char *const whats[] = {"ratings", "tasks", "comparisons", "values", NULL};
enum { AS_JSONL, AS_CSV };
static const char *const formats[] = {"jsonl", "csv", NULL};

static int put_together(crowd *c, int what, bool csv, text *out, error *err)
{
    switch (what) {
    case WHAT_TASKS:
        return crowd_export_tasks(c, csv, out, err);
    case WHAT_COMPARISONS:
        return crowd_export_comparisons(c, csv, out, err);
    case WHAT_VALUES:
        return crowd_export_values(c, csv, out, err);
    default:
        return crowd_export_ratings(c, csv, out, err);
    }
}

static int run(int argc, char **argv, error *err)
{
    int what = WHAT_RATINGS, format = AS_JSONL;
    const char *path = NULL;
    const option options[] = {
        {"what", OPTION_CHOICE, &what, NULL, whats},
        {"format", OPTION_CHOICE, &format, NULL, formats},
        {"out", OPTION_TEXT, &path, NULL, NULL},
    };
    size_t n;
    crowd *c;
    text out = {0};
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 1, 1}, &n, err));
    TRY(run_crowd_open(&c, argv[1], false, err));
    int rc = put_together(c, what, format == AS_CSV, &out, err);
    if (rc == 0)
        rc = command_write(&out, path, err);
    text_free(&out);
    crowd_close(c);
    return rc;
}

const command rate_export = {
    .name = "export",
    .group = "people",
    .summary = "tasks and ratings as CSV or JSON Lines",
    .usage = usage,
    .run = run,
};

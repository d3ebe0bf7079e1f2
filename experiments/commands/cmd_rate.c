/* lamarck rate: people as a measuring instrument. Its own subcommands, each a struct
 * command. */
#include "rate_aggregate.h"
#include "rate_crowd.h"
#include "rate_hook.h"
#include "rate_mturk.h"
#include "rate_serve.h"
#include "rate_simulate.h"

#include <string.h>

static const command *const subcommands[] = {&rate_serve,     &rate_mturk,  &rate_hook,
                                             &rate_invite,    &rate_rules,  &rate_status,
                                             &rate_aggregate, &rate_export, &rate_import,
                                             &rate_simulate,  NULL};

static const char usage[] =
    "usage: lamarck rate SUBCOMMAND [ARGUMENTS]\n"
    "\n"
    "People as a measuring instrument.\n"
    "  serve      the page on which people rate, and its API\n"
    "  mturk      workers of Amazon Mechanical Turk: post, collect, approve, expire\n"
    "  hook       any other crowd: a signed POST per task\n"
    "  invite     links of their own for raters of a run\n"
    "  rules      by which they are asked and judged\n"
    "  status     how a run's crowd stands: counts, agreement, raters\n"
    "  aggregate  one number or label per item from anybody's ratings\n"
    "  export     a run's tasks and ratings as CSV or JSON Lines\n"
    "  import     tasks and ratings into a run\n"
    "  simulate   a simulated crowd at a server's API\n"
    "\n"
    "'lamarck rate SUBCOMMAND --help' tells all about one of them.\n";

static const command *find(const char *name)
{
    for (size_t i = 0; subcommands[i]; i++)
        if (strcmp(subcommands[i]->name, name) == 0)
            return subcommands[i];
    return NULL;
}

/* The help of the subcommand that the line names, or of rate itself. */
static const char *help(int argc, char **argv)
{
    const command *c = argc > 1 ? find(argv[1]) : NULL;
    if (c && c->help)
        return c->help(argc - 1, argv + 1);
    return c ? c->usage : usage;
}

static int run(int argc, char **argv, error *err)
{
    const char *names[sizeof subcommands / sizeof *subcommands];
    size_t n = 0;
    for (; subcommands[n]; n++)
        names[n] = subcommands[n]->name;
    if (argc < 2)
        return error_set(err, E_USAGE, "rate wants a SUBCOMMAND");
    const command *c = find(argv[1]);
    if (c)
        return c->run(argc - 1, argv + 1, err);
    const char *near = nearest_name(argv[1], names, n);
    return error_set(err, E_USAGE, "rate has no subcommand '%s'%s%s%s", argv[1],
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

const command cmd_rate = {
    .name = "rate",
    .group = "people",
    .summary = "people's ratings: ask for them, aggregate them",
    .usage = usage,
    .help = help,
    .run = run,
};

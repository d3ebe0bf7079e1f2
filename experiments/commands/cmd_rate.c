/* lamarck rate: people as a measuring instrument. Its own subcommands, each a struct
 * command. */
#include "rate_aggregate.h"
#include "rate_crowd.h"
#include "rate_hook.h"
#include "rate_mturk.h"
#include "rate_serve.h"
#include "rate_simulate.h"
#include "subcommand.h"

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

static int run(int argc, char **argv, error *err)
{
    return subcommand_run(subcommands, "rate", argc, argv, err);
}

const command cmd_rate = {
    .name = "rate",
    .group = "people",
    .summary = "people's ratings: ask for them, aggregate them",
    .usage = usage,
    .subcommands = subcommands,
    .run = run,
};

/* lamarck reward: a model of what people prefer. Its own subcommands, each a struct
 * command. */
#include "reward_commands.h"

#include <string.h>

static const command *const subcommands[] = {&reward_train_command, &reward_score_command,
                                             &reward_show_command, &reward_tune_command,
                                             NULL};

static const char usage[] =
    "usage: lamarck reward SUBCOMMAND [ARGUMENTS]\n"
    "\n"
    "A model of what people prefer: linear heads on a frozen model's own features.\n"
    "  train   learn one from ratings, and say how good it is\n"
    "  score   what it gives to texts\n"
    "  show    what it learned from, and how good it is\n"
    "  tune    learn vectors by which the model writes what it likes\n"
    "\n"
    "'lamarck reward SUBCOMMAND --help' tells all about one of them.\n";

static const command *find(const char *name)
{
    for (size_t i = 0; subcommands[i]; i++)
        if (strcmp(subcommands[i]->name, name) == 0)
            return subcommands[i];
    return NULL;
}

/* The help of the subcommand that the line names, or of reward itself. */
static const char *help(int argc, char **argv)
{
    const command *c = argc > 1 ? find(argv[1]) : NULL;
    return c ? c->usage : usage;
}

static int run(int argc, char **argv, error *err)
{
    const char *names[sizeof subcommands / sizeof *subcommands];
    size_t n = 0;
    for (; subcommands[n]; n++)
        names[n] = subcommands[n]->name;
    if (argc < 2)
        return error_set(err, E_USAGE, "reward wants a SUBCOMMAND");
    const command *c = find(argv[1]);
    if (c)
        return c->run(argc - 1, argv + 1, err);
    const char *near = nearest_name(argv[1], names, n);
    return error_set(err, E_USAGE, "reward has no subcommand '%s'%s%s%s", argv[1],
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

const command cmd_reward = {
    .name = "reward",
    .group = "people",
    .summary = "a model of what people prefer: train, score, show, tune",
    .usage = usage,
    .help = help,
    .run = run,
};

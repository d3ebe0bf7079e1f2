/* lamarck reward: a model of what people prefer. Its own subcommands, each a struct
 * command. */
#include "reward_commands.h"
#include "subcommand.h"

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

static int run(int argc, char **argv, error *err)
{
    return subcommand_run(subcommands, "reward", argc, argv, err);
}

const command cmd_reward = {
    .name = "reward",
    .group = "people",
    .summary = "a model of what people prefer: train, score, show, tune",
    .usage = usage,
    .subcommands = subcommands,
    .run = run,
};

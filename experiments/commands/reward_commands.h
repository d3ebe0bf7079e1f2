/* lamarck reward: its subcommands, and what they share. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_REWARD_COMMANDS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_REWARD_COMMANDS_H

#include "../../rater/reward.h"
#include "command.h"

extern const command reward_train_command, reward_score_command, reward_show_command,
    reward_tune_command;

/* What a reward knows of itself, for people or, with `json`, for scripts; to standard
 * output. */
int reward_print(const reward *r, bool json, error *err);

#endif

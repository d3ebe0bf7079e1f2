/* lamarck rate simulate --power: how many ratings does it take? */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_SIMULATE_POWER_H
#define LAMARCK_EXPERIMENTS_COMMANDS_SIMULATE_POWER_H

#include "../../model/base.h"

/* Whether the line asks for it, anywhere before "--". */
bool simulate_power_wanted(int argc, char **argv);
int simulate_power(int argc, char **argv, error *err);
extern const char simulate_power_usage[];

#endif

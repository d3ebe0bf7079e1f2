/* lamarck rate simulate: raters who are programs, and how many of them it takes. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_SIMULATE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_SIMULATE_H

#include "command.h"

extern const command rate_simulate;

#endif

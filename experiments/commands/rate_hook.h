/* lamarck rate hook: tells an endpoint of every task that wants answers. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_HOOK_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_HOOK_H

#include "command.h"

extern const command rate_hook;

#endif

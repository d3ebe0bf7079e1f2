/* lamarck rate serve: the rating page and its API. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_SERVE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_SERVE_H

#include "command.h"

extern const command rate_serve;

#endif

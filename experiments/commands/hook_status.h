/* How the webhooks of a run stand, for those commands that tell it. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_HOOK_STATUS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_HOOK_STATUS_H

#include "../../model/base.h"

#include <jansson.h>

/* Append two lines for each endpoint at most, nothing when there is none; RUN as in
 * run_file. */
int hook_status_add(text *out, const char *run, error *err);
/* A new list. */
int hook_status_json(json_t **out, const char *run, error *err);

#endif

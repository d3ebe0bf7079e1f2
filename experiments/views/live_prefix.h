/* A training while it runs: a block with its loss curve on a terminal, lines anywhere
 * else. As live.h does for searches. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_LIVE_PREFIX_H
#define LAMARCK_EXPERIMENTS_VIEWS_LIVE_PREFIX_H

#include "../runs/prefix_run.h"
#include "block.h"

/* For prefix_run_options.watch, with a zeroed screen as context. */
void live_prefix_watch(void *context, const prefix_progress *p);

/* The block, and the line printed elsewhere; appended to *out. */
int live_prefix_block(screen *s, const terminal *t, const prefix_progress *p, text *out,
                      error *err);
int live_prefix_line(const prefix_progress *p, text *out, error *err);

#endif

/* A search while it runs: one block, redrawn in place, on a terminal; a line per
 * generation anywhere else. Everything goes to standard error, results being what
 * standard output is for. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_LIVE_H
#define LAMARCK_EXPERIMENTS_VIEWS_LIVE_H

#include "../runs/run.h"
#include "block.h"

/* For run_options.watch, with a zeroed screen as context. */
void live_watch(void *context, const run_progress *p);

/* The block for a terminal of this size, as live_watch draws it, appended to *out;
 * columns per line in s. No cursor movement. */
int live_block(screen *s, const terminal *t, const run_progress *p, text *out,
               error *err);
/* What live_watch prints elsewhere: one line. */
int live_line(const run_progress *p, text *out, error *err);

#endif

/* A search while it runs: one block, redrawn in place, on a terminal; a line per
 * generation anywhere else. Everything goes to standard error, results being what
 * standard output is for.
 *
 * Nothing is changed about the terminal (no cursor hidden, no modes), so there is nothing
 * to restore when a process is killed. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_LIVE_H
#define LAMARCK_EXPERIMENTS_VIEWS_LIVE_H

#include "../runs/run.h"
#include "terminal.h"

enum { LIVE_MAX_LINES = 40 };

typedef struct live {
    size_t columns[LIVE_MAX_LINES]; /* of the lines that stand on the screen */
    size_t n_lines;
    double drawn_at;  /* seconds, monotonic */
    size_t last_step; /* told so far */
    char last_stage[16];
} live;

/* For run_options.watch, with a zeroed live as context. */
void live_watch(void *context, const run_progress *p);

/* The block for a terminal of this size, as live_watch draws it, appended to *out;
 * columns per line in l. No cursor movement. */
int live_block(live *l, const terminal *t, const run_progress *p, text *out, error *err);
/* What live_watch prints elsewhere: one line. */
int live_line(const run_progress *p, text *out, error *err);

#endif

/* A few lines on a terminal that are redrawn in place, and what such lines are made of.
 *
 * Nothing is changed about the terminal (no cursor hidden, no modes), so there is nothing
 * to restore when a process is killed. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_BLOCK_H
#define LAMARCK_EXPERIMENTS_VIEWS_BLOCK_H

#include "../definition/experiment.h"
#include "../store/store.h"
#include "terminal.h"

enum { BLOCK_MAX_LINES = 40 };

/* What stands on the screen, and what was told last. {0} to begin with. */
typedef struct screen {
    size_t columns[BLOCK_MAX_LINES]; /* of the lines that stand there */
    size_t n_lines;
    double drawn_at;  /* seconds, monotonic */
    size_t last_step; /* told so far */
    char last_stage[16];
} screen;

/* A block in the making. All borrowed but `line`. */
typedef struct block {
    screen *screen;
    const terminal *terminal;
    text *out;
    error *err;
    text line; /* put together here, see block_end_line */
} block;

/* The first line: the experiment and what is done with it. Forgets what the screen had.
 */
int block_begin(block *b, const char *name, const char *stage);
/* Releases b->line, not what was made. */
void block_end(block *b);
/* One more line, cut to the width. */
int block_line(block *b, style how, const char *line);
/* b->line as one more line; the next begins empty. */
int block_end_line(block *b, style how);
/* The lines of a drawing, which is cut up; and of a long text, indented, at most `most`.
 */
int block_drawing(block *b, text *drawing);
int block_lines(block *b, const char *s, size_t most);

/* What a stage of a run is called, and what is said of it. */
typedef struct stage_word {
    const char *stage, *words;
} stage_word;
/* The words of one of n stages; the stage's own name for any other. Borrowed. */
const char *stage_words(const stage_word *all, size_t n, const char *stage);

/* Is this another step or another stage? Remembers it. */
bool screen_is_news(screen *s, size_t step, const char *stage);
/* Draw what `draw` makes in the place of what stands there, unless that is new; or, where
 * there is no terminal, write what `tell` makes, if it is news. */
void screen_show(screen *s, bool news, const void *what,
                 int (*draw)(screen *s, const terminal *t, const void *what, text *out,
                             error *err),
                 int (*tell)(const void *what, text *out, error *err));

/* ---- The budget ---- */

/* How much of a budget is used up. */
typedef struct outlook {
    double share;     /* of the budget, of the limit that is nearest; 0 without limits */
    const char *unit; /* of that limit; NULL: none */
    double limit;
    double seconds_left; /* negative: unknown */
} outlook;
outlook outlook_begin(void);
/* Another limit (0: none), of which so much is used after so many seconds. */
void outlook_consider(outlook *o, const char *unit, double used, double limit,
                      double seconds);
/* The limits of a budget. */
outlook outlook_of_budget(const budget *b, const spend *spent, double seconds);

/* Append "█████░░░  62 % of 60,000 tokens, about 20 s left"; `left`: say how long. */
int outlook_bar(const outlook *o, bool left, size_t width, text *line, error *err);
/* Append "24 evaluations   1,234 tokens   800 tokens/s". */
int outlook_counts(const spend *s, double tokens_per_second, text *line, error *err);

#endif

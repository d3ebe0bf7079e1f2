/* What a person sees: width, colours, wrapping, and texts that cannot steer the terminal.
 */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_TERMINAL_H
#define LAMARCK_EXPERIMENTS_VIEWS_TERMINAL_H

#include "../../model/base.h"

typedef struct terminal {
    bool live;            /* a terminal that lines can be rewritten on */
    bool colour;          /* and NO_COLOR (no-color.org) is not set */
    size_t width, height; /* 80 x 24 when nobody knows */
} terminal;

/* Looks each time: windows are resized. */
terminal terminal_look(int fd);

typedef enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_GOOD,
    STYLE_BAD,
    STYLE_ADDED,
    STYLE_REMOVED,
} style;
/* The sequence that begins a style, "" without colour. Static. */
const char *terminal_style(const terminal *t, style s);

/* Columns that n bytes of UTF-8 take: 2 for East Asian wide characters and emoji, 0 for
 * combining marks. */
size_t terminal_columns(const char *s, size_t n);

/* Append n bytes with newlines and tabs as they are, other control characters and
 * ill-formed UTF-8 as U+FFFD. */
int terminal_printable(text *out, const char *s, size_t n, error *err);

/* Append s broken into lines of at most `width` columns, each begun by `indent` (whose
 * columns count) and ended by a newline; at most `most` lines (0: all), the last of which
 * then ends in "…". Made printable. */
int terminal_wrap(text *out, const char *s, const char *indent, size_t width, size_t most,
                  error *err);

#endif

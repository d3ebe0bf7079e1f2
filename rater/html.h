/* HTML text: the only place where markup meets strings that we did not write.
 *
 * Nothing is kept; no state. */
#ifndef LAMARCK_RATER_HTML_H
#define LAMARCK_RATER_HTML_H

#include "../model/base.h"

/* Append n bytes as text that is safe in element content and in quoted attributes: & < >
 * " and ' become entities, control characters (but newline and tab) and ill-formed UTF-8
 * U+FFFD. */
int html_escape(text *out, const char *s, size_t n, error *err);
int html_escape_string(text *out, const char *s, error *err);

/* Append markup of our own with strings of others in it: %s a string, escaped; %m markup,
 * as it is; %u a size_t; %% a percent sign. */
int html_add(text *out, error *err, const char *format, ...);

#endif

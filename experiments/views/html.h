/* HTML text: the only place where markup meets strings that we did not write. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_HTML_H
#define LAMARCK_EXPERIMENTS_VIEWS_HTML_H

#include "../../model/base.h"

/* Append n bytes as text that is safe in element content and in quoted attributes: & < >
 * " and ' become entities, control characters (but newline and tab) and ill-formed UTF-8
 * U+FFFD. */
int html_escape(text *out, const char *s, size_t n, error *err);
int html_escape_string(text *out, const char *s, error *err);

#endif

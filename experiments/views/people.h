/* Who judged a run, in words and as JSON: how many ratings, by whom, at what cost, how
 * far they agree; and, where it is so, that no person was asked. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_PEOPLE_H
#define LAMARCK_EXPERIMENTS_VIEWS_PEOPLE_H

#include "../store/people.h"

#include <jansson.h>

/* Fill r->people of a run of `dir` that people judge, if its crowd can be opened (which
 * takes the right to write; without it r->people stays NULL). */
int people_look(run_record *r, const char *dir, error *err);

/* Nothing for a run that nobody judged. Appended to *out. */
int people_sentence(const run_record *r, text *out, error *err);
/* New; null for such a run, NULL without memory. */
json_t *people_json(const run_record *r);
/* "259 scores by people, 132 by the reward". Appended to *out. */
int people_surrogate_count(const surrogate_record *s, text *out, error *err);
/* A sum of money: "12.50", cents that are no whole number with as many digits as it
 * takes. Appended to *out. */
int people_money(text *out, double cents, error *err);

#endif

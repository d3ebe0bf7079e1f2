/* What comes in with a webhook: one rating of a task, by a rater of somebody else's
 * crowd. Foreign bytes. */
#ifndef LAMARCK_RATER_WEBHOOK_RATING_H
#define LAMARCK_RATER_WEBHOOK_RATING_H

#include "crowd.h"

#include <jansson.h>

/* Texts are borrowed from `json`. */
typedef struct webhook_rating {
    json_t *json;
    const char *task, *rater, *key;
    const char *output;  /* that was chosen; NULL when `answer` says it */
    int answer;          /* ANSWER_TIE, or a number */
    double seconds;      /* NaN: not told */
    const char *comment; /* NULL: none */
    bool simulated;
} webhook_rating;

/* E_FORMAT names what is missing or wrong. */
int webhook_rating_parse(webhook_rating *out, const char *s, size_t n, error *err);
void webhook_rating_free(webhook_rating *r);

#endif

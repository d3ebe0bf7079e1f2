/* What a worker's form sent: the QuestionFormAnswers document of an assignment.
 *
 * The bytes are a stranger's: no entity is expanded but the five of XML, no document type
 * is accepted, nothing is fetched, and sizes are limited. No state; thread-safe. */
#ifndef LAMARCK_RATER_MTURK_ANSWER_H
#define LAMARCK_RATER_MTURK_ANSWER_H

#include "../model/base.h"

enum { MTURK_MAX_ANSWER_BYTES = 1 << 18, MTURK_MAX_FIELDS = 200 };

typedef struct mturk_field {
    char *name, *value;
} mturk_field;

typedef struct mturk_answers {
    mturk_field *fields;
    size_t n, capacity;
} mturk_answers;

/* E_FORMAT says what is wrong. A field that is given twice, with two values, is wrong. */
int mturk_answers_parse(mturk_answers *out, const char *xml, size_t n, error *err);
void mturk_answers_free(mturk_answers *a);
/* The value of a field, or NULL. Borrowed. */
const char *mturk_answers_get(const mturk_answers *a, const char *name);

#endif

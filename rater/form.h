/* What a browser sends in a query or a body: application/x-www-form-urlencoded; and
 * cookies. Foreign bytes: what is accepted is well-formed UTF-8 without NUL, no name
 * occurs twice.
 *
 * A form owns its bytes; names and values are borrowed from it. */
#ifndef LAMARCK_RATER_FORM_H
#define LAMARCK_RATER_FORM_H

#include "../model/base.h"

enum { FORM_FIELDS = 32 };

typedef struct form_field {
    const char *name, *value;
} form_field;

typedef struct form {
    char *bytes;
    form_field fields[FORM_FIELDS];
    size_t n;
} form;

/* Parse n bytes. E_FORMAT for a broken escape, a NUL, ill-formed UTF-8 or a name that
 * comes twice; E_LIMIT for more than FORM_FIELDS fields. */
int form_parse(form *f, const char *s, size_t n, error *err);
void form_free(form *f);
/* The field's value, NULL when it is not there. Borrowed. */
const char *form_get(const form *f, const char *name);

/* Undo %XX in place of n bytes, '+' too when `plus`; the new length in *out. E_FORMAT for
 * a broken escape, a NUL or ill-formed UTF-8. */
int form_unescape(char *s, size_t n, bool plus, size_t *out, error *err);
/* Append s as it may stand in a query. */
int form_escape(text *out, const char *s, error *err);

/* The value of cookie `name` in a Cookie header, into `out` of `size` bytes; false when
 * it is not there, or too long, or there twice. */
bool cookie_get(const char *header, const char *name, char *out, size_t size);

#endif

/* What the states of a training and of a policy share. Private to prefix/. */
#ifndef LAMARCK_PREFIX_STATE_PARTS_H
#define LAMARCK_PREFIX_STATE_PARTS_H

#include "../model/model.h"

#include <string.h>

/* Tokens, and how many of them are context, of each row. */
int state_hash_rows(sha256 *h, const row *rows, size_t n, error *err);

/* The next n bytes of a state. */
static inline void state_take(const char **at, void *to, size_t n)
{
    memcpy(to, *at, n);
    *at += n;
}

#endif

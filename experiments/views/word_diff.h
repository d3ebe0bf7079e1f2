/* What changed between two texts, word by word: the shortest list of kept, removed and
 * added stretches. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_WORD_DIFF_H
#define LAMARCK_EXPERIMENTS_VIEWS_WORD_DIFF_H

#include "../../model/base.h"

typedef enum diff_kind { DIFF_SAME, DIFF_REMOVED, DIFF_ADDED } diff_kind;

/* A stretch of one of the two texts, whole words with the white space around them:
 * SAME and ADDED point into the new text, REMOVED into the old one. Borrowed. */
typedef struct diff_part {
    diff_kind kind;
    const char *s;
    size_t n;
} diff_part;

/* The parts in reading order, removed before added; *parts is new, free() it. SAME and
 * ADDED parts one after the other are the new text, SAME and REMOVED parts the old one up
 * to the amount of white space. Texts too long to compare (beyond 4 million pairs of
 * words) come back as all removed, all added. */
int word_diff(const char *old_text, const char *new_text, diff_part **parts, size_t *n,
              error *err);

#endif

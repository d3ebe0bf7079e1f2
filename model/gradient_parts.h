/* The parts in which the rows of a gradient call are run: as many rows at a time as the
 * session's memory holds, those that share beginnings together. Not for other folders. */
#ifndef LAMARCK_MODEL_GRADIENT_PARTS_H
#define LAMARCK_MODEL_GRADIENT_PARTS_H

#include "gradient_pass.h"

typedef struct gradient_part {
    size_t begin, end; /* of the rows in `order` */
    size_t n_kept;     /* layers */
    size_t n_positions;
    uint64_t bytes;
} gradient_part;

typedef struct gradient_parts {
    size_t n;       /* rows */
    size_t *order;  /* (n): the set's rows, as a plan of them all has them; owned */
    plan_row *rows; /* (n), in that order; owned */
    bool separate;
    gradient_part *parts; /* owned */
    size_t n_parts, capacity;
} gradient_parts;

/* Cut so that each part takes at most `limit` bytes: E_MEMORY, naming the row and what it
 * takes, when one alone takes more. Of keeping layers and running many rows at once, what
 * computes less. */
int gradient_parts_make(gradient_parts *out, session *s, const row_set *set,
                        bool separate, uint64_t limit, error *err);
/* The plan of a part; its rows count from the part's begin. */
int gradient_parts_plan(const gradient_parts *g, session *s, const gradient_part *part,
                        gradient_pass *out, error *err);
void gradient_parts_free(gradient_parts *g);

#endif

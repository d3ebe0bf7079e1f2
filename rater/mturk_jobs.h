/* Inside mturk: its struct, shared by posting, collecting and paying. Only mturk*.c
 * include this. */
#ifndef LAMARCK_RATER_MTURK_JOBS_H
#define LAMARCK_RATER_MTURK_JOBS_H

#include "mturk.h"

struct mturk {
    mturk_store *books;
    crowd *people;
    mturk_api *api; /* NULL: only looking */
    mturk_place place;
    const volatile int *interrupt;
};

/* E_INTERRUPTED when the user asked to stop. */
int mturk_check_interrupt(const mturk *m, error *err);
/* Send a HIT that is written down as SENDING, and write down what came of it. `again`: an
 * earlier process may have sent it, too. */
int mturk_send(mturk *m, const hit_row *hit, bool again, error *err);
/* List a HIT's assignments into the books. *n_new (NULL allowed) are new. */
int mturk_list(mturk *m, const char *token, const char *hit, size_t *n_new, error *err);

#endif

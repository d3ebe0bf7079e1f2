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
    int lock_fd; /* see mturk_send */
};

/* E_INTERRUPTED when the user asked to stop. */
int mturk_check_interrupt(const mturk *m, error *err);
enum { MTURK_SENT, MTURK_SETTLED };
/* Send a HIT that is written down as SENDING, and write down what came of it. `again`: an
 * earlier process may have sent it, too. MTURK_SENT, or MTURK_SETTLED: another process
 * has found out meanwhile.
 *
 * One process at a time does this, under a lock beside the run's file that the kernel
 * drops with the process. Else, while one hears that a HIT is refused and its money is
 * promised to another, a second could be asking for the same HIT, and get it. */
int mturk_send(mturk *m, const hit_row *hit, bool again, error *err);
int mturk_lock_open(mturk *m, const char *path, error *err);
/* List a HIT's assignments into the books. *n_new (NULL allowed) are new. */
int mturk_list(mturk *m, const char *token, const char *hit, size_t *n_new, error *err);

#endif

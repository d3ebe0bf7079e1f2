/* Inside Mechanical Turk's books: the struct and its statements. Only mturk_store*.c
 * include this. */
#ifndef LAMARCK_RATER_MTURK_STORE_SQL_H
#define LAMARCK_RATER_MTURK_STORE_SQL_H

#include "mturk_store.h"
#include "sql.h"

typedef enum mturk_statement {
    MTURK_BEGIN,
    MTURK_COMMIT,
    MTURK_ROLLBACK,
    MTURK_VERSION_GET,
    MTURK_VERSION_PUT,
    MTURK_ACCOUNT_PUT,
    MTURK_ACCOUNT_GET,
    MTURK_CAP_PUT,
    MTURK_COMMITTED,
    MTURK_PAID,
    MTURK_HITS,
    MTURK_VIEWS,
    MTURK_VIEW,
    MTURK_HIT_PUT,
    MTURK_HIT_SENDING,
    MTURK_HIT_OPENED,
    MTURK_HIT_REFUSED,
    MTURK_HIT_CLOSED,
    MTURK_HIT_DELETED,
    MTURK_HIT_HOLD,
    MTURK_ASSIGNMENT_PUT,
    MTURK_ASSIGNMENT_ASSIGNED,
    MTURK_ASSIGNMENT_RATED,
    MTURK_ASSIGNMENT_PAYMENT,
    MTURK_ASSIGNMENT_TOKEN,
    MTURK_ASSIGNMENTS_NEW,
    MTURK_ASSIGNMENTS_DUE,
    MTURK_COUNT_HITS,
    MTURK_COUNT_PAYMENTS,
    MTURK_COUNT_ASSIGNMENTS,
    N_MTURK_STATEMENTS
} mturk_statement;

struct mturk_store {
    sql_file file;
    char *path;
    const char *place;
    sqlite3_stmt *statements[N_MTURK_STATEMENTS];
};

/* Several statements as one. leave() commits, or rolls back when rc is negative, and
 * returns rc or the commit's failure. */
int mturk_enter(mturk_store *s, error *err);
int mturk_leave(mturk_store *s, int rc, error *err);

#endif

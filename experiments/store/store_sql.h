/* Inside the store: its struct, its prepared statements, and how they are bound and
 * stepped. Only store*.c include this. */
#ifndef LAMARCK_EXPERIMENTS_STORE_STORE_SQL_H
#define LAMARCK_EXPERIMENTS_STORE_STORE_SQL_H

#include "../../rater/sql.h"
#include "store.h"

typedef enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_MEMO_GET,
    SQL_MEMO_PUT,
    SQL_RUN_NEW,
    SQL_RUN_EXISTS,
    SQL_RUN_STATUS,
    SQL_RUN_END,
    SQL_RUN_LATEST,
    SQL_RUN_LATEST_UNFINISHED,
    SQL_RUN_IDS,
    SQL_RUN_READ,
    SQL_SPEND_PUT,
    SQL_SPEND_READ,
    SQL_SPEND_READ_OLD,
    SQL_HISTORY_PUT,
    SQL_HISTORY_GET,
    SQL_HISTORY_READ,
    SQL_OPERATOR_PUT,
    SQL_OPERATOR_READ,
    SQL_CANDIDATE_PUT,
    SQL_CANDIDATE_READ,
    SQL_CUT_PUT,
    SQL_CUT_GET,
    SQL_VERDICT_PUT,
    SQL_VERDICT_READ,
    SQL_SCORES_CLEAR,
    SQL_SCORE_PUT,
    SQL_SCORE_READ,
    SQL_TRAINING_PUT,
    SQL_TRAINING_READ,
    SQL_TRAINING_STEP_PUT,
    SQL_TRAINING_STEP_GET,
    SQL_TRAINING_STEPS_READ,
    SQL_EVALUATION_PUT,
    SQL_EVALUATIONS_READ,
    SQL_CHECKPOINT_PUT,
    SQL_CHECKPOINT_READ,
    SQL_PREFIX_PUT,
    SQL_PREFIX_READ,
    SQL_COMPARISON_PUT,
    SQL_COMPARISON_READ,
    N_STATEMENTS
} statement;

struct store {
    sql_file file;
    char *dir;
    char *path;
    sqlite3_stmt *statements[N_STATEMENTS]; /* of `file` */
    int lock_fd;                            /* -1: no run is held */
    uint64_t run;                           /* the run that is held; 0: none */
    int version;                            /* of the file's schema; 0: empty */
};

/* Steps of the spend table that are none of the history: a run's totals at its end, when
 * its search was cut short, and at a training's last checkpoint. */
enum { STEP_END = -1, STEP_CUT = -2, STEP_CHECKPOINT = -3 };

/* Which split_score a row of the scores table is. */
typedef enum score_role { ROLE_SELECTION, ROLE_SEED, ROLE_BEST, ROLE_BARE } score_role;

/* Their texts. */
const char *const *store_statements(void);

/* sql_error, and the others of rater/sql.h, for the store's own statements. */
int store_error(store *s, const char *doing, error *err);

int store_query(store *s, statement id, sqlite3_stmt **out, error *err, const char *types,
                ...);
int store_next(store *s, sqlite3_stmt *q, const char *doing, error *err);
void store_done(sqlite3_stmt *q);
int store_execute(store *s, statement id, const char *doing, error *err,
                  const char *types, ...);

/* Take back what was done since store_begin, or end a reading transaction. */
void store_rollback(store *s);
/* Several statements as one: store_begin and store_end, unless a transaction is open. */
int store_enter(store *s, bool *opened, error *err);
int store_leave(store *s, bool opened, int rc, error *err);

/* Parts of a run that its different kinds have in common. */
int store_put_spend(store *s, uint64_t run, int64_t step, const spend spent[N_PURPOSES],
                    error *err);
int store_read_spend(store *s, uint64_t run, int64_t step, spend out[N_PURPOSES],
                     error *err);
int store_put_score(store *s, uint64_t run, score_role role, size_t place,
                    const split_score *x, error *err);
/* A row as SQL_SCORE_READ gives it. */
int store_column_score(sqlite3_stmt *q, split_score *out, error *err);
/* r->training, NULL for a search. */
int store_read_training(store *s, run_record *r, error *err);
void training_record_free(training_record *t);

/* Does a process (this one included, unless through `s` itself) hold run `id`? */
bool store_run_is_held(const store *s, uint64_t id);

#endif

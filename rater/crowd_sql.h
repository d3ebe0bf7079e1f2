/* Inside the crowd: its struct, its statements, its tables. Only crowd*.c include this.
 *
 * Counters (of a task, a rater, the crowd) are kept by triggers of the schema, in the
 * transaction that changes what they count: nothing here recounts. */
#ifndef LAMARCK_RATER_CROWD_SQL_H
#define LAMARCK_RATER_CROWD_SQL_H

#include "crowd.h"
#include "sql.h"

typedef enum crowd_statement {
    CROWD_BEGIN,
    CROWD_COMMIT,
    CROWD_ROLLBACK,
    CROWD_SAVEPOINT,
    CROWD_RELEASE,
    CROWD_ROLLBACK_TO,
    CROWD_STATE_GET,
    CROWD_OPEN_PUT,
    CROWD_LIMIT_PUT,
    CROWD_LIMIT_REACHED,
    CROWD_RULES_PUT,
    CROWD_REFRESH_FAST,
    CROWD_QUESTION_PUT,
    CROWD_QUESTION_GET,
    CROWD_LABEL_PUT,
    CROWD_LABELS_GET,
    CROWD_CONTEXT_PUT,
    CROWD_OUTPUT_PUT,
    CROWD_OUTPUT_GET,
    CROWD_TASK_PUT,
    CROWD_TASK_CLOSE,
    CROWD_TASKS_CLOSE,
    CROWD_TASK_FIND,
    CROWD_TASK_OUTPUTS,
    CROWD_TASK_WANTED,
    CROWD_RATER_PUT,
    CROWD_RATER_FIND,
    CROWD_RATER_GET,
    CROWD_RATER_LIST,
    CROWD_RATER_EXCLUDE,
    CROWD_TOKEN_PUT,
    CROWD_TOKEN_GET,
    CROWD_LEASES_EXPIRE,
    CROWD_LEASE_TAKE,
    CROWD_LEAVE,
    CROWD_NEXT_TASK,
    CROWD_NEXT_GOLD,
    CROWD_REPEAT_RANGE,
    CROWD_NEXT_REPEAT,
    CROWD_ASSIGNMENT_OPEN,
    CROWD_ASSIGNMENT_OF,
    CROWD_ASSIGNMENT_PUT,
    CROWD_ASSIGNMENT_DROP,
    CROWD_ASSIGNMENT_ANSWERED,
    CROWD_ASSIGNMENT_REOPEN,
    CROWD_ASSIGNMENT_BY_TOKEN,
    CROWD_ASSIGNMENT_GET,
    CROWD_KEY_GET,
    CROWD_EARLIER_ANSWER,
    CROWD_RATING_PUT,
    CROWD_RATING_LATEST,
    CROWD_RATING_WITHDRAW,
    CROWD_COUNT_TASKS,
    CROWD_COUNT_RATERS,
    CROWD_COUNT_UNTIMED,
    CROWD_MEDIAN,
    N_CROWD_STATEMENTS
} crowd_statement;

extern const char *const crowd_statements[N_CROWD_STATEMENTS];
/* Walks, prepared anew for each, so that what is called on the way may walk too. */
extern const char crowd_walk_ratings[], crowd_walk_tasks[];

struct crowd {
    sql_file file;
    char *path;
    sqlite3_stmt *statements[N_CROWD_STATEMENTS];
};

/* Make the tables, or check that those that are there are of this version. */
int crowd_make_tables(crowd *c, error *err);

/* A function's own transaction, or a part of the caller's that can be undone alone:
 * whatever crowd_enter began, crowd_end ends by rc, and returns rc or the commit's
 * failure. */
int crowd_enter(crowd *c, bool *nested, error *err);
int crowd_end(crowd *c, bool nested, int rc, error *err);

/* The one row of the crowd's state. */
typedef struct crowd_state {
    bool open;
    quality_rules rules;
    int64_t n_open, missing, n_tasks; /* open: not closed, not full, no gold */
} crowd_state;
int crowd_read_state(crowd *c, crowd_state *out, error *err);

/* Bytes as the store keeps texts: UTF-8, what is not part of it replaced by U+FFFD. New.
 * E_LIMIT above TEXT_LIMIT_BYTES; `what` names it. */
enum { TEXT_LIMIT_BYTES = 4 << 20, NAME_LIMIT_BYTES = 200 };
int crowd_mend(const char *what, const char *s, char **out, error *err);
/* A name or key: not empty, well-formed, at most NAME_LIMIT_BYTES. */
int crowd_check_name(const char *what, const char *s, error *err);

/* Random bytes of the system; 256 of their bits as URL-safe text; a number below n. */
int random_bytes(void *out, size_t n, error *err);
int random_token(char out[RATER_TOKEN], error *err);
int random_below(size_t n, size_t *out, error *err);

/* E_ARGUMENT unless the rater is there. */
int crowd_check_rater(crowd *c, int64_t rater, error *err);
/* Exclude or readmit the rater as the rules say after a change of his record. */
int crowd_judge_rater(crowd *c, int64_t rater, const quality_rules *rules, error *err);

/* What an assignment refers to by row number. */
typedef struct assignment_row {
    int64_t n, task, rater;
    question_kind kind;
    bool ties, repeat, has_rating;
    size_t n_labels, n_outputs;
    char placement[MAX_OUTPUTS + 1]; /* '0'-based output at each place shown */
    int64_t shown;                   /* when it was first */
    int64_t gold;                    /* the right answer; NO_GOLD */
    int answer;                      /* of the rating that stands */
    bool late;                       /* task closed, or full */
} assignment_row;
enum { NO_GOLD = -2 };
/* 1, or 0 when no assignment has the token. */
int crowd_find_assignment(crowd *c, const char *token, assignment_row *out, error *err);

/* A rating as it is written; texts borrowed. */
typedef struct rating_row {
    int answer; /* canonical: an index into the task's sorted outputs */
    double seconds;
    int64_t time;
    const char *comment, *source, *key;
    bool late, withdrawn;
    const quality_rules *rules;
} rating_row;
/* Write it, close its assignment unless it is withdrawn, judge the rater anew. */
int crowd_write_rating(crowd *c, const assignment_row *a, const rating_row *r,
                       error *err);
/* SAME or CONFLICT when the key (NULL allowed) was used before, SUBMIT_UNKNOWN when it
 * was not. */
int crowd_check_key(crowd *c, const assignment_row *a, const char *key, int answer,
                    error *err);
/* E_ARGUMENT unless it is in the question's range. */
int crowd_check_answer(const assignment_row *a, int answer, error *err);
/* Of a comment (NULL allowed) what is kept; new. */
int crowd_cut_comment(const char *s, char **out, error *err);
int crowd_check_sending(const char *source, const char *key, double seconds, error *err);

/* A task that could be shown. */
typedef struct task_choice {
    int64_t task;
    size_t n_outputs;
    bool repeat, takes_place;
} task_choice;
/* By its id: 1, or 0 when it is not there. */
int crowd_find_task(crowd *c, const char *id, task_choice *out, error *err);
/* The rater's assignment to a task: 1, or 0 when he has none. */
int crowd_find_assignment_of(crowd *c, int64_t rater, const task_choice *t, int64_t *n,
                             bool *answered, char token[ASSIGNMENT_TOKEN], error *err);
/* A new one; shown at `now`. */
int crowd_new_assignment(crowd *c, int64_t rater, const task_choice *t, int64_t now,
                         const quality_rules *rules, int64_t *n,
                         char token[ASSIGNMENT_TOKEN], error *err);
/* All of assignment n for the caller; E_EXTERNAL if it is not there. */
int crowd_load_assignment(crowd *c, int64_t n, assignment *out, error *err);

#endif

/* The crowd: what people are asked, who they are, and what they answered. Tables crowd_*
 * of a run's SQLite file (experiments/store), which the run, the page and the Mechanical
 * Turk client may have open at once, each through its own connection.
 *
 * Words: an *output* is a text that a model wrote in a *context*; a *question* says how
 * outputs are judged; a *task* is a question about one, two or four outputs of one
 * context; an *assignment* is a task shown to one *rater*, in an order of its own; a
 * *rating* is what the rater answered. Outputs, questions and tasks are addressed by the
 * SHA-256 of their content, so that a rating cannot attach to anything but what was
 * shown, and putting a thing twice is putting it once.
 *
 * Nothing is ever deleted: a rating that was undone is withdrawn, one that came late is
 * kept. Times are seconds since 1970 (UTC), handed in by the caller. Strings that come
 * out are new and owned by the struct they are in, unless said otherwise. One thread per
 * crowd; any number of processes. Each function is one transaction: durable when it
 * returns 0, without effect when it fails. E_BUSY after waiting for the lock for long. */
#ifndef LAMARCK_RATER_CROWD_H
#define LAMARCK_RATER_CROWD_H

#include "../model/base.h"

typedef struct crowd crowd;

/* Open the SQLite file `path` of a run, which must exist; the tables are made if they are
 * not there. E_FORMAT for tables of a newer version. */
int crowd_open(crowd **out, const char *path, error *err);
void crowd_close(crowd *c);

/* Several calls as one transaction. */
int crowd_begin(crowd *c, error *err);
int crowd_commit(crowd *c, error *err);
void crowd_rollback(crowd *c);

/* ---- What is asked ---- */

enum { MAX_OUTPUTS = 4, MAX_LABELS = 11 };

typedef enum question_kind {
    QUESTION_COMPARE, /* which of two outputs */
    QUESTION_BEST,    /* the best of four */
    QUESTION_SCALE,   /* one output on a labelled scale, 1 to n_labels */
    QUESTION_ACCEPT,  /* one output: no (0) or yes (1) */
    N_QUESTION_KINDS
} question_kind;
extern const char *const question_names[N_QUESTION_KINDS]; /* "compare", "best", … */
/* Outputs of a task of this kind: 2, 4, 1, 1. */
size_t question_outputs(question_kind kind);

typedef struct question {
    question_kind kind;
    bool ties;          /* COMPARE, BEST: "no difference" is an answer */
    char *text;         /* "Which name suits the dream better?" */
    char *instructions; /* shown before the first task; "" if none */
    char **labels;      /* SCALE: lowest first, 2 to MAX_LABELS */
    size_t n_labels;
} question;
void question_free(question *q); /* what it owns, not q itself */

int crowd_put_question(crowd *c, const question *q, char id[SHA256_HEX], error *err);
/* What is not well-formed UTF-8 is replaced by U+FFFD first; E_LIMIT above 4 MiB. */
int crowd_put_output(crowd *c, const char *context, const char *output,
                     char id[SHA256_HEX], error *err);
/* 1, or 0 when there is none of this id. Texts are new; NULL: not wanted. */
int crowd_question(crowd *c, const char *id, question *out, error *err);
int crowd_output(crowd *c, const char *id, char **context, char **output, error *err);
/* The sorted ids of the outputs of a task; their number, or 0 when there is no task. */
int crowd_task_outputs(crowd *c, const char *id, char outputs[MAX_OUTPUTS][SHA256_HEX],
                       error *err);

/* A task to be put; borrowed. */
typedef struct task_request {
    const char *question;       /* id */
    const char *const *outputs; /* ids, question_outputs() of them, all different, all of
                                   one context, in any order */
    size_t wanted;              /* ratings that count before it is done */
    double priority;            /* higher is asked first; what would decide most */
    const char *gold; /* the right answer is known: an output's id (COMPARE, BEST),
                         "1" to n_labels (SCALE), "0" or "1" (ACCEPT); else NULL */
    bool practice;    /* made up for quality control, of no use to the search; has gold */
} task_request;
/* The right answer is part of a task: with and without it are two tasks, and gold tasks
 * are asked by their share, however few ratings are wanted. There already: wanted becomes
 * the larger, priority the new one, and a closed task is open again. E_ARGUMENT for
 * outputs or a question that are not there, or do not fit. */
int crowd_put_task(crowd *c, const task_request *t, char id[SHA256_HEX], error *err);
/* No more answers are wanted (those that come are kept). NULL: all tasks. */
int crowd_close_task(crowd *c, const char *id, error *err);

/* Whether an answer to the task is wanted now: 1, 0 when crowd or task are closed or the
 * task is full. E_ARGUMENT for one that is not there. */
int crowd_task_wanted(crowd *c, const char *id, error *err);

/* Whether the crowd takes answers at all; a closed one shows a thank-you. Open when new.
 */
int crowd_set_open(crowd *c, bool open, error *err);

/* At most so many ratings in all (those that stand, checks included); 0: no limit, as in
 * a new crowd. When as many are there, those that raters are at work on included,
 * crowd_assign gives nothing new to do; what is answered all the same is kept, and who was
 * promised a task elsewhere gets it. */
int crowd_set_limit(crowd *c, uint64_t ratings, error *err);

/* ---- Who is asked ---- */

typedef enum rater_source {
    RATER_INVITED,   /* through a link of his own */
    RATER_OPEN,      /* came to the open page */
    RATER_API,       /* a program's own name for him */
    RATER_MTURK,     /* a Mechanical Turk worker id */
    RATER_SIMULATED, /* no person: reports say so */
    N_RATER_SOURCES
} rater_source;
extern const char *const rater_source_names[N_RATER_SOURCES];

/* The rater of this source and name, made if new; *id > 0. */
int crowd_rater(crowd *c, rater_source source, const char *name, int64_t now, int64_t *id,
                error *err);
/* A new unguessable token (256 bits, URL-safe) for the rater; only its hash is kept. */
enum { RATER_TOKEN = 44 };
int crowd_invite(crowd *c, int64_t rater, char token[RATER_TOKEN], error *err);
/* 1 and *id, or 0 when no rater has it. Takes the same time for any token. */
int crowd_rater_by_token(crowd *c, const char *token, int64_t *id, error *err);

/* ---- The rules (their numbers are the experiment's; defaults in parentheses) ---- */

typedef struct quality_rules {
    double gold_share;   /* of a rater's tasks that are gold, while there is gold (0.1) */
    double repeat_share; /* of a rater's tasks that he has answered before (0.05) */
    double min_seconds;  /* a faster answer does not count (1) */
    size_t max_ratings;  /* per rater; 0: no limit (0) */
    size_t min_checks; /* gold and repeated answers before a rater can fail (8: of raters
                            who are right nine times in ten, 2 % are excluded within 500
                            tasks, with 4 it would be 10 %; who guesses is, either way) */
    double min_right;  /* smallest share of right gold and agreeing repeats (0.6); on a
                          scale of 5 labels or more one step off is right */
    int64_t lease_seconds; /* an assignment's place is kept for so long (900) */
} quality_rules;
quality_rules quality_defaults(void);
int crowd_set_rules(crowd *c, const quality_rules *rules, error *err);
int crowd_rules(crowd *c, quality_rules *rules, error *err);

/* ---- Asking ---- */

enum { ASSIGNMENT_TOKEN = 44 };

typedef struct assignment {
    char token[ASSIGNMENT_TOKEN]; /* unguessable; names it from now on */
    char task[SHA256_HEX];
    int64_t rater;
    question question;
    char *context;
    char *shown[MAX_OUTPUTS]; /* in the order of this assignment */
    size_t n_shown;
    bool repeat;   /* the rater has answered the task before */
    bool answered; /* and not withdrawn */
    int answer;    /* as below; of an answered one */
    size_t n_done; /* that the rater has answered */
    size_t n_left; /* open tasks (not closed, not full, no gold) that the rater has not
                      answered, and this one */
    bool can_undo; /* the rater has a rating to take back */
} assignment;
void assignment_free(assignment *a); /* what it owns */

/* Why there is nothing to do. */
typedef enum assign_result {
    ASSIGN_NOTHING, /* nothing left that this rater has not answered */
    ASSIGN_GIVEN,
    ASSIGN_LIMIT,    /* max_ratings */
    ASSIGN_EXCLUDED, /* failed the rules */
    ASSIGN_CLOSED,   /* the crowd is closed */
} assign_result;

/* The next task for the rater: an assignment he has open already (a reload), else gold or
 * a repeat by their shares, else the open task of the highest priority with a place left
 * (ratings that count and leases that run are fewer than wanted). Returns an
 * assign_result. The order shown is random; randomness is the system's. */
int crowd_assign(crowd *c, int64_t rater, int64_t now, assignment *out, error *err);
/* One task for a rater, whatever its places: for crowds that choose tasks themselves. If
 * he has answered it, that assignment, as answered. */
int crowd_assign_task(crowd *c, int64_t rater, const char *task, int64_t now,
                      assignment *out, error *err);
/* The same for an answer that was given elsewhere already, and must not be lost: always
 * ASSIGN_GIVEN, even to a closed crowd or an excluded rater. What the answer is worth,
 * crowd_submit says. */
int crowd_assign_answered(crowd *c, int64_t rater, const char *task, int64_t now,
                          assignment *out, error *err);
/* 1, or 0 when no assignment has the token. */
int crowd_assignment(crowd *c, const char *token, assignment *out, error *err);

/* An answer: for COMPARE and BEST the place of the chosen output in the order shown, 0 to
 * n - 1, or ANSWER_TIE; SCALE: 1 to n_labels; ACCEPT: 0 or 1. */
enum { ANSWER_TIE = -1 };

typedef struct submission {
    const char *token; /* of the assignment */
    int answer;
    double seconds;      /* that the rater took; NaN: since it was shown first */
    const char *comment; /* NULL: none; cut at 2000 bytes, UTF-8 mended */
    const char *source;  /* "page", "api", "webhook", "mturk", "import", "simulated" */
    const char *key;     /* idempotency key of the sender; NULL: none */
} submission;

typedef enum submit_result {
    SUBMIT_UNKNOWN,  /* no such assignment; nothing happened */
    SUBMIT_RECORDED, /* a new rating */
    SUBMIT_SAME,     /* the assignment has this answer already, or the key was used for
                        it: nothing happened */
    SUBMIT_CONFLICT, /* it has another answer, or the key belongs to another assignment:
                        nothing happened; undo first */
    SUBMIT_LATE,     /* a new rating, but task or crowd were closed or full: kept */
} submit_result;
/* E_ARGUMENT for an answer out of the question's range. Returns a submit_result. */
int crowd_submit(crowd *c, const submission *s, int64_t now, error *err);
/* A rating that was made elsewhere: in another crowd, by a program. It takes no place,
 * and its task may be closed. */
typedef struct foreign_rating {
    const char *task; /* id */
    int64_t rater;
    int answer; /* an index into the task's sorted outputs, or ANSWER_TIE; else as above
                 */
    double seconds; /* NaN: not known, and not too fast */
    int64_t time;
    const char *comment, *source, *key; /* as in a submission */
    bool repeat, late, withdrawn;
} foreign_rating;
/* SUBMIT_RECORDED; SUBMIT_SAME: the rater's answer to this task, or this key for it, is
 * there already; SUBMIT_CONFLICT: another answer is, or the key belongs to another.
 * E_ARGUMENT for a task that is not there, and for an answer out of range. */
int crowd_record(crowd *c, const foreign_rating *r, error *err);
/* Withdraw the rater's latest rating and open its assignment again (`out`, its task may
 * be shown anew). 1, or 0 when there is none. */
int crowd_undo(crowd *c, int64_t rater, int64_t now, assignment *out, error *err);
/* The rater leaves: his open assignments give their places back. */
int crowd_leave(crowd *c, int64_t rater, error *err);

/* ---- What came of it ---- */

typedef struct crowd_counts {
    size_t tasks;      /* all, gold included */
    size_t open_tasks; /* not closed, not full, no gold */
    size_t wanted;     /* ratings still missing on those */
    size_t ratings;    /* that stand; of these late, simulated */
    size_t withdrawn, late, simulated;
    size_t counted; /* ratings that count: of raters not excluded, not too fast, no gold
                       or repeat, not withdrawn */
    size_t raters, excluded;
    double median_seconds; /* per rating; NaN without one */
    bool open;
} crowd_counts;
int crowd_count(crowd *c, crowd_counts *out, error *err);

/* One rating with all that belongs to it, for export and aggregation. */
typedef struct crowd_rating {
    int64_t id, rater;
    const char *rater_name;
    rater_source rater_source;
    const char *task, *question; /* ids */
    question_kind kind;
    size_t n_outputs;
    const char *outputs[MAX_OUTPUTS]; /* ids, sorted */
    int answer; /* COMPARE, BEST: index into outputs, or ANSWER_TIE; else as given */
    const char *gold; /* as in the request; NULL */
    bool repeat, late, withdrawn, fast, excluded, counts;
    double seconds;
    int64_t time;
    const char *comment, *source; /* comment "": none */
    const char *key;              /* NULL: none */
    bool practice;
} crowd_rating;
/* Call `each` for every rating with an id above `after`, in the order in which they came;
 * what it is given is borrowed for the call. A negative value of `each` ends the walk and
 * is returned. `each` may read the crowd, and walk it, but not write. */
int crowd_each_rating(crowd *c, int64_t after,
                      int (*each)(void *context, const crowd_rating *r, error *err),
                      void *context, error *err);

typedef struct crowd_task {
    int64_t n;                 /* its number, in the order in which they were put */
    const char *id, *question; /* ids */
    question_kind kind;
    size_t n_outputs;
    const char *outputs[MAX_OUTPUTS]; /* ids, sorted */
    const char *gold;                 /* as in the request; NULL */
    bool practice;
    size_t wanted, done, leased; /* done: ratings that count */
    double priority;
    bool closed, open; /* open: not closed, not full, no gold */
} crowd_task;
/* The same for tasks with a number above `after`. */
int crowd_each_task(crowd *c, int64_t after,
                    int (*each)(void *context, const crowd_task *t, error *err),
                    void *context, error *err);

/* A rater's record under the rules. */
typedef struct rater_quality {
    int64_t rater;
    char *name;
    rater_source source;
    size_t n, gold, gold_right, repeats, repeats_agree, fast, counted;
    bool excluded;
    char reason[120]; /* of the exclusion; "" */
} rater_quality;
int crowd_raters(crowd *c, rater_quality **out, size_t *n, error *err);
void rater_quality_free(rater_quality *q, size_t n);

#endif

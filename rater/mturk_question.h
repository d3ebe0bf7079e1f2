/* A task of the crowd as a HIT: what Amazon is asked to show, on which terms, and what
 * the worker's answer means to the crowd.
 *
 * No state; thread-safe. */
#ifndef LAMARCK_RATER_MTURK_QUESTION_H
#define LAMARCK_RATER_MTURK_QUESTION_H

#include "crowd.h"
#include "mturk_answer.h"
#include "mturk_api.h"

/* On what terms work is offered; borrowed. */
typedef struct mturk_terms {
    const char *title, *description, *keywords;
    const char *page; /* URL of our own page, to which /mturk?task=ID is added; NULL: a
                         form that needs no server */
    int64_t reward_cents;
    size_t lifetime_seconds;     /* how long the HIT is offered */
    size_t duration_seconds;     /* how long a worker may take */
    size_t auto_approve_seconds; /* Amazon pays by itself after that */
    bool masters;
    const char *countries;       /* "US,GB": only workers there; NULL: anywhere */
    size_t min_approved_percent; /* of a worker's earlier work; 0: any */
    size_t min_approved_hits;    /* 0: any */
    const char *only_with; /* id of a qualification type that a worker must have; NULL */
} mturk_terms;
mturk_terms mturk_terms_defaults(void);
/* E_ARGUMENT names the term and Amazon's limit. */
int mturk_terms_check(const mturk_terms *t, error *err);

/* A task with all that it shows. Owned. */
typedef struct mturk_task {
    char id[SHA256_HEX];
    question question;
    char *context;
    char *outputs[MAX_OUTPUTS]; /* texts, by sorted id */
    char output_ids[MAX_OUTPUTS][SHA256_HEX];
    size_t n_outputs;
} mturk_task;
void mturk_task_free(mturk_task *t);

/* CreateHIT's input, new. E_LIMIT when the form is longer than Amazon takes. */
int mturk_hit_request(const mturk_task *task, const mturk_terms *terms, mturk_place place,
                      size_t assignments, const char *token, json_t **out, error *err);
/* What RequesterAnnotation says: by it the HIT is known again. */
int mturk_annotation(const char *task, const char *token, text *out, error *err);

/* The form's answer in the crowd's numbers, for the order that `shown` has. E_FORMAT says
 * why an answer is of no use. */
int mturk_rating(const mturk_task *task, const mturk_answers *answers,
                 const assignment *shown, int *out, error *err);

#endif

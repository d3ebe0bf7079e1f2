/* What a run that learns a prefix works with: rows, a trainer, and the three whose scores
 * are compared at the end. Knows nothing of stores and clocks. */
#ifndef LAMARCK_EXPERIMENTS_RUNS_PREFIX_TASK_H
#define LAMARCK_EXPERIMENTS_RUNS_PREFIX_TASK_H

#include "../fitness/fitness_lm.h"
#include "../fitness/lm_row.h"
#include "../store/training.h"
#include "ledger.h"

typedef struct prefix_task {
    const experiment *experiment; /* borrowed */
    experiment *bare;             /* what stands behind the vectors: experiment_bare */
    judge judge;
    objective *bare_objective; /* of `bare`, on the judge's scorer */
    row_list train, selection;
    text head;             /* what the user's own prompt says before its rows */
    char *start;           /* what the vectors begin as, in words */
    train_options options; /* its texts borrowed from here */
    size_t n_tokens;       /* virtual ones */
    trainer *trainer;
    uint64_t probe_tokens; /* 0: the rate is given */
    expense finish;        /* what measuring the three costs */
} prefix_task;

/* Opens everything and makes the trainer, whose steps are as many as the experiment wants
 * or, if those are fewer, as its budget of tokens allows. The task must not be moved. On
 * failure nothing is left to close. */
int prefix_task_open(prefix_task *t, const experiment *e, const judge_options *options,
                     error *err);
void prefix_task_close(prefix_task *t);

/* What an action of the trainer is charged. */
expense prefix_task_price(const prefix_task *t, train_action action, uint64_t tokens);

/* What an average step costs, its share of the looks at the selection rows included; and
 * what the whole run does, about and at most. */
uint64_t prefix_task_step_tokens(const prefix_task *t);
uint64_t prefix_task_tokens(const prefix_task *t);

/* E_LIMIT, saying what would be enough, when the experiment's budget is smaller than the
 * first step and the finish. */
int prefix_task_check_budget(const prefix_task *t, error *err);

/* The final comparison, all on the final split: the user's own prompt, the vectors, and
 * nothing. Measures, and fills the scores and comparisons of v and t (differences to the
 * seed in v, to nothing in *bare). */
int prefix_task_finish(prefix_task *t, const prefix *learned, verdict *v,
                       training_record *bare, expense *spent, error *err);

/* The prompts of the three as people read them. Appended to *out. */
int prefix_task_prompt(const prefix_task *t, uint64_t id, text *out, error *err);

#endif

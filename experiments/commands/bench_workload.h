/* Rows for a benchmark: every prompt with every example. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_BENCH_WORKLOAD_H
#define LAMARCK_EXPERIMENTS_COMMANDS_BENCH_WORKLOAD_H

#include "../fitness/lm_row.h"

typedef struct workload {
    size_t n_prompts, n_examples;
    row_list rows;     /* prompt by prompt; owned */
    double *reference; /* log-likelihood of each row, or NULL; owned */
} workload;

/* From a JSON file {"template": "…{prompt}…{input}…{target}", "prompts": […], "examples":
 * [{"input", "target"}, …]}, or from a small one built in when path is NULL. At most so
 * many prompts and examples are taken (0: all). `reference`, if given, is a JSON file
 * {"loglik": [[…], …]}: a row per prompt. */
int workload_open(workload *out, const char *path, const char *reference,
                  size_t most_prompts, size_t most_examples, const tokenizer *t,
                  error *err);
void workload_close(workload *w);

#endif

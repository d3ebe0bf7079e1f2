/* lamarck rate mturk: a run's tasks on Amazon Mechanical Turk. One struct command per
 * subcommand, and what they share: the run, the keys, the endpoint. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_MTURK_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_MTURK_H

#include "../../rater/mturk.h"
#include "command.h"
#include "options.h"

extern const command rate_mturk;
extern const command mturk_cmd_post, mturk_cmd_collect, mturk_cmd_approve,
    mturk_cmd_status, mturk_cmd_expire, mturk_cmd_balance;

/* What every subcommand takes. */
typedef struct mturk_flags {
    bool production, json;
} mturk_flags;

/* A run and Amazon, opened from the command line and the environment. */
typedef struct mturk_session {
    mturk *turk;
    aws_credentials keys;
} mturk_session;

/* Parse the line: `extra` options besides the flags. *run is the positional, NULL when
 * `needs_run` is false and there is none. */
int mturk_parse(int argc, char **argv, const option *extra, size_t n_extra,
                bool needs_run, mturk_flags *flags, const char **run, error *err);

/* `calls`: with keys and endpoint, and what an earlier process left put right (told on
 * stderr). Without: nothing but the run's file is looked at. */
int mturk_session_open(mturk_session *s, const char *run, const mturk_flags *flags,
                       bool calls, error *err);
void mturk_session_close(mturk_session *s);
/* Only keys and endpoint. Close with mturk_api_close and aws_credentials_free. */
int mturk_session_api(aws_credentials *keys, const mturk_flags *flags, mturk_api **out,
                      error *err);

/* "$12.34" */
typedef struct dollars {
    char s[32];
} dollars;
dollars dollars_of(int64_t cents);
/* A count with its noun: "1 HIT", "2 HITs". */
void print_count(size_t n, const char *noun);

#endif

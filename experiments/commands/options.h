/* Command lines: a table of options per command, positional arguments in between.
 *
 * Long options only, "--name value" or "--name=value", never abbreviated: scripts that
 * work today must not break when an option is added. "--" ends the options; "-" is a
 * positional. Every problem is E_USAGE and names the option, the value and what would be
 * right. Nothing is kept; texts are borrowed from argv. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_OPTIONS_H
#define LAMARCK_EXPERIMENTS_COMMANDS_OPTIONS_H

#include "../../model/base.h"

/* What an option that may be given several times collected. {0} is empty. */
typedef struct option_list {
    const char **items; /* borrowed texts in an owned array */
    size_t n, capacity;
} option_list;
void option_list_free(option_list *l);

typedef enum option_kind {
    OPTION_FLAG,   /* bool * */
    OPTION_TEXT,   /* const char ** */
    OPTION_SIZE,   /* size_t * */
    OPTION_SEED,   /* uint64_t * */
    OPTION_REAL,   /* double *, finite */
    OPTION_CHOICE, /* int *: the index in `choices` */
    OPTION_LIST,   /* option_list * */
} option_kind;

typedef struct option {
    const char *name; /* without the dashes */
    option_kind kind;
    void *out;                  /* untouched when the option is not given */
    bool *given;                /* NULL: nobody asks */
    const char *const *choices; /* OPTION_CHOICE, NULL-terminated */
} option;

/* How many positionals a command takes, and what they are called in its usage. */
typedef struct positionals {
    const char *names; /* "MODEL FILE" */
    size_t least, most;
} positionals;

/* Fill the options' outs; positional arguments are moved to argv[1..], their number is in
 * *n. */
int options_parse(int argc, char **argv, const option *options, size_t n_options,
                  const positionals *wanted, size_t *n, error *err);

/* The value of one unsigned number or finite real, the whole text of it. */
int option_number(const char *what, const char *s, uint64_t *out, error *err);
int option_real(const char *what, const char *s, double *out, error *err);

#endif

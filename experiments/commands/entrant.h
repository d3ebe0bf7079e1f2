/* A prompt that is to be scored by itself or against another: whatever the user calls it
 * by, it becomes an experiment (how prompts are judged, on which examples) and one genome
 * (the prompt).
 *
 * Owns both. One thread. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_ENTRANT_H
#define LAMARCK_EXPERIMENTS_COMMANDS_ENTRANT_H

#include "../../prefix/prefix.h"
#include "../definition/experiment.h"
#include "../store/store.h"
#include "../views/prompt_file.h"
#include "options.h"

typedef struct entrant {
    const char *what; /* what the user called it; borrowed */
    prompt_file of;   /* experiment and genome; model_hash NULL: any model */
    prefix before;    /* learned vectors, n 0: none */
    size_t *examples; /* indices into the experiment's data; owned */
    size_t n_examples;
} entrant;

/* Shown in the --help of score and compare. */
#define ENTRANT_USAGE                                                                    \
    "A prompt is one of\n"                                                               \
    "  FILE.json      a prompt of 'lamarck export --format json'; it brings its "        \
    "examples\n"                                                                         \
    "and, with --experiment FILE.yaml, which brings the examples:\n"                     \
    "  seed           the experiment's own prompt\n"                                     \
    "  bare           its rows without words: what stands behind a learned prefix\n"     \
    "  GENE=TEXT      its own prompt with TEXT in the text gene of that name\n"          \
    "  FILE           a whole prompt with {{input}} and {{target}}, or a JSON list of\n" \
    "                 messages, in the place of its template and genes\n"

/* How it is to be judged. */
typedef struct entrant_options {
    const char *experiment; /* NULL: none given */
    option_list set;        /* changes of the experiment */
    const char *data;       /* other examples than the experiment's; NULL: its own */
    dataset_fields fields;  /* of data */
    int split;              /* split_name, unless there are other examples */
    bool has_split;         /* it was asked for */
    const char *model;      /* NULL: the experiment's */
    const char *backend;    /* NULL: the experiment's */
    const char *prefix;     /* an adapter; NULL: none */
    size_t n_threads;       /* 0: the experiment's */
} entrant_options;

extern const char *const entrant_splits[]; /* in the order of split_name */

/* Rows of an option table. */
#define ENTRANT_OPTIONS(o)                                                               \
    {"experiment", OPTION_TEXT, &(o).experiment, NULL, NULL},                            \
        {"split", OPTION_CHOICE, &(o).split, &(o).has_split, entrant_splits},            \
        {"data", OPTION_TEXT, &(o).data, NULL, NULL},                                    \
        {"input-field", OPTION_TEXT, &(o).fields.input, NULL, NULL},                     \
        {"target-field", OPTION_TEXT, &(o).fields.target, NULL, NULL},                   \
        {"set", OPTION_LIST, &(o).set, NULL, NULL},                                      \
        {"model", OPTION_TEXT, &(o).model, NULL, NULL},                                  \
    {                                                                                    \
        "prefix", OPTION_TEXT, &(o).prefix, NULL, NULL                                   \
    }

/* Their part of a command's --help; what --prefix is for, the command says itself. */
#define ENTRANT_OPTIONS_USAGE                                                            \
    "  --split NAME       search, selection or final (default)\n"                        \
    "  --data FILE        other examples (.jsonl, .csv, .tsv); --input-field and\n"      \
    "                     --target-field name their columns\n"                           \
    "  --set KEY=VALUE    change a value of the experiment file\n"                       \
    "  --model M          another model than the experiment's\n"

/* Before a command line is read. */
entrant_options entrant_defaults(void);
/* E_USAGE for options that make no sense together. */
int entrant_options_check(const entrant_options *o, error *err);

/* On failure nothing is left to close. */
int entrant_open(entrant *out, const char *what, const entrant_options *options,
                 error *err);
void entrant_close(entrant *e);

/* The mean score over its examples, as a run's verdict reports it: without penalties.
 * out->each is new. */
int entrant_score(const entrant *e, split_score *out, error *err);

/* E_ARGUMENT unless both have the same examples in the same order and the same kind of
 * fitness. */
int entrant_check_match(const entrant *a, const entrant *b, error *err);

/* The prompt as a person reads it. Appended to *out. */
int entrant_prompt(const entrant *e, text *out, error *err);

/* "final split", or the name of the file of other examples. */
const char *entrant_examples_label(const entrant_options *options);

#endif

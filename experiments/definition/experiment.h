/* An experiment: everything that a search needs to know, read from a YAML file, with its
 * data, checked in full. The same comes back from the canonical JSON that a run keeps, so
 * that a run folder needs no other file but the model.
 *
 * Immutable once loaded; owns everything it points to. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_EXPERIMENT_H
#define LAMARCK_EXPERIMENTS_DEFINITION_EXPERIMENT_H

#include "../../evolve/search.h"
#include "../../model/model.h"
#include "../../prefix/train.h"
#include "../../rater/crowd.h"
#include "../../rater/reward_guard.h"
#include "../../rater/simulate.h"
#include "dataset.h"
#include "template.h"

#include <jansson.h>

typedef enum fitness_kind {
    FITNESS_LOGPROB,  /* mean over examples of ln p(target | prompt, input) per target
                         token or whole */
    FITNESS_ACCURACY, /* the right label is the likeliest of the given ones */
    FITNESS_LABEL_LOGPROB, /* ln of the right label's share of the probability that all of
                              them have: the cross-entropy of a classifier, negated */
    FITNESS_EXACT, /* generated text equals a target (white space trimmed, case as is) */
    FITNESS_F1, /* token F1 of the generated text, SQuAD normalisation (Rajpurkar et al.
                   2016) */
    FITNESS_HUMAN,  /* people judge the generated text */
    FITNESS_MIXED,  /* people and the model: people_plan.model */
    FITNESS_REWARD, /* a reward that was learned from people judges the generated text */
} fitness_kind;
enum { N_FITNESS_KINDS = FITNESS_REWARD + 1 };

typedef struct fitness_options {
    fitness_kind kind;
    bool per_token; /* LOGPROB: divide by the number of target tokens */
    char **labels;  /* ACCURACY, LABEL_LOGPROB */
    size_t n_labels;
    bool calibrate;       /* the same: contextual calibration, Zhao et al. 2021 */
    double length_weight; /* score taken off per prompt token (all text genes rendered) */
    double fluency_weight; /* score taken off per nat of the prompt's own mean token
                              surprise */
    sampling
        generation; /* EXACT, F1, HUMAN, MIXED, REWARD; strings owned by the experiment */
} fitness_options;

/* Is the score the ln of a probability? */
static inline bool fitness_is_logprob(fitness_kind kind)
{
    return kind == FITNESS_LOGPROB || kind == FITNESS_LABEL_LOGPROB;
}

/* Is something chosen of given labels? */
static inline bool fitness_chooses(fitness_kind kind)
{
    return kind == FITNESS_ACCURACY || kind == FITNESS_LABEL_LOGPROB;
}

/* HUMAN, MIXED: a reward, learned from people's answers as they come, that chooses what
 * people see of the next ones and scores the rest. See fitness/surrogate.h. */
typedef struct surrogate_plan {
    bool on;
    size_t first;     /* ratings before anything is learned from them (100) */
    double share;     /* of a step's outputs that people see (0.5), */
    double uncertain; /* and of those: because the reward is in doubt (0.25) */
    guard_options guard;
} surrogate_plan;

/* HUMAN, MIXED: what people are asked, and how many of them. */
typedef struct people_plan {
    question question;
    template_text shown;   /* beside the outputs: text and fields of the row */
    size_t gold;           /* questions with a known answer, see fitness/gold.h */
    size_t ratings;        /* wanted per candidate and example */
    double cents;          /* per rating, for estimates and bills */
    double rating_seconds; /* that one is expected to take */
    double poll_seconds;   /* a run looks for answers so often; 0: it stops and waits */
    bool simulated;        /* no people: the raters of rater/simulate.h, */
    size_t crowd_size;     /* so many, */
    taste taste;           /* who like this */
    quality_rules rules;
    fitness_kind model; /* MIXED: the model's score */
    double weight;      /* MIXED: of people; of the model, 1 - weight */
    double screen;      /* MIXED, if above 0: people see this share of the candidates of a
                           step, the best by the model's score, and nobody sees the rest */
    surrogate_plan surrogate;
} people_plan;

/* REWARD: what judges; a text's context is what people_plan.shown says. */
typedef struct reward_plan {
    char *path;              /* its file, resolved */
    char sha256[SHA256_HEX]; /* of the file's bytes when the experiment was read */
} reward_plan;

/* 0: no limit. A hard cap is never overshot, the initial population and the finish
 * included. */
typedef struct budget {
    uint64_t tokens;      /* row tokens, as session_counters.row_tokens counts */
    uint64_t evaluations; /* candidate x example */
    double seconds;
    uint64_t ratings; /* of people; answers that come when none is asked for any more are
                         kept, and not counted */
} budget;

/* How a demos gene is shown. */
typedef struct demos_format {
    /* One demonstration, with {{input}}, {{target}}, fields, choice and number genes. */
    template_text each;
    char *separator; /* between and after them: "\n\n" */
} demos_format;

/* What the file says of a gene beyond its law; what its law points to. All owned. */
typedef struct gene_source {
    char *name;
    char *seed;        /* TEXT */
    char **more_seeds; /* TEXT: further starting points */
    size_t n_more_seeds;
    char **frozen; /* TEXT: phrases that no operator may touch */
    size_t n_frozen;
    char **lexicon; /* TEXT */
    size_t n_lexicon;
    char **options; /* CHOICE */
    size_t n_options;
    size_t seed_choice; /* CHOICE: an index */
    size_t seed_demos;  /* DEMOS: the first so many of the pool */
    double seed_number; /* NUMBER */
    size_t n_tokens;    /* VECTOR: virtual tokens of the soft prompt it stands for */
    char *init;         /* VECTOR: the text that they begin as */
} gene_source;

/* What the model is asked for besides scores. */
typedef struct proposal_options {
    size_t words; /* words at a time; 0: it proposes none */
    /* hybrid: gradients and evolution feed each other */
    bool swaps;            /* of single words, by gradient */
    bool nearest;          /* texts read back from tuned vectors immigrate */
    bool projected;        /* and texts that a projected descent passes */
    size_t gradient_rows;  /* rows of the search split behind a gradient; 0: none of it */
    size_t gradient_looks; /* gradients behind the texts of one kind, each time */
} proposal_options;

/* What `lamarck prefix` learns, and how: the file's section of that name. */
typedef struct prefix_plan {
    train_options train; /* but for its texts, which are below */
    char *text;          /* init: text. NULL: what the user's own prompt says before its
                            rows; with a run: what its best says, once it was looked at */
    char **labels;       /* init: labels */
    size_t n_labels;
    char *run;            /* init: run, its folder, resolved: the text comes from there */
    prompt_template rows; /* what is learned on; {0}: see experiment_bare */
} prefix_plan;

typedef struct experiment {
    char *path;
    char *name;
    char *description; /* "" if none */
    char *model;       /* as written: a path or a known name */
    char *model_path;  /* resolved against the file's folder */
    dataset *data;
    split splits[N_SPLITS];
    prompt_template prompt;
    /* Parallel to spec genes; only for GENE_DEMOS. The pool is the search split: demo
     * index i is the example splits[SPLIT_SEARCH].index[i]; an example is never shown to
     * itself, it is left out of its own demonstrations. */
    demos_format *demos;
    genome_spec spec;
    gene_spec *genes;     /* spec.genes, owned */
    gene_source *sources; /* parallel to spec genes */
    genome *seeds;        /* seeds[0]: the user's own prompt */
    size_t n_seeds;
    fitness_options fitness;
    people_plan people;
    reward_plan reward;
    row_overflow overflow;
    const search_type *search;
    search_options search_options;
    proposal_options proposals;
    budget budget;
    size_t finalists; /* re-scored on the selection split */
    uint64_t seed;
    session_options session;
    char *backend; /* session.backend, owned */
    char **stops;  /* fitness.generation.stops, owned */
    prefix_plan prefix;
} experiment;

/* Changes from the command line, "a.b=c" each (--set), applied before validation. */
typedef struct experiment_overrides {
    const char *const *set;
    size_t n_set;
    const uint64_t *seed; /* NULL: as the file says */
} experiment_overrides;

/* Every error has file:line:column, the key or value, and the nearest valid one. */
int experiment_load(experiment **out, const char *path,
                    const experiment_overrides *overrides, error *err);
/* The same from memory: n bytes that stand for the file `path`, whose folder data and
 * lexicons are taken from. */
int experiment_parse(experiment **out, const char *bytes, size_t n, const char *path,
                     const experiment_overrides *overrides, error *err);
void experiment_free(experiment *e);

/* The whole experiment with its data as canonical JSON text, and back. New; free(). */
int experiment_dump(const experiment *e, char **out, error *err);
int experiment_restore(experiment **out, const char *json, error *err);

/* Put another prompt in the place of the experiment's template and genes: a file with a
 * template whose variables are data fields and {{target}}; or, when it begins with [, a
 * JSON list of {"role", "content"} messages. spec then has no genes and seeds[0] is the
 * one candidate there is. The file's last newline is not part of the prompt. On failure
 * the experiment is as it was. */
int experiment_replace_prompt(experiment *e, const char *path, error *err);

/* The gene that is a soft prompt (there is one at most): its index, or n_genes. */
size_t experiment_soft_gene(const experiment *e);
/* Virtual tokens that stand before every row. */
size_t experiment_virtual_tokens(const experiment *e);

/* The experiment with nothing left to read but the data, which is what stands behind a
 * learned prefix: the template of its `prefix` section, else its own as candidate g says
 * it with the texts and demonstrations taken out (and, where they began a text, the white
 * space after them). No genes; seeds[0] is the one candidate. New. */
int experiment_bare(experiment **out, const experiment *e, const genome *g, error *err);
/* Let the prefix section have the rows that stand behind candidate g of another
 * experiment. E_FORMAT when the data lack a field that they name. */
int experiment_take_rows(experiment *e, const experiment *theirs, const genome *g,
                         error *err);
/* What candidate g says before these rows, as one text: what a prefix takes the place of.
 * Where they do not stand at the end of its prompt (a chat; words after the input), its
 * text genes, one per line. Appended to *out. */
int experiment_head(const experiment *e, const genome *g, text *out, error *err);

/* Is its fitness human or mixed? */
bool experiment_asks_people(const experiment *e);
/* Is there no right answer? Then rows may have no target. */
bool experiment_is_open(const experiment *e);
/* E_UNSUPPORTED, naming it, for a row without a target; `why` needs one. */
int experiment_need_targets(const experiment *e, const char *why, error *err);
/* What people see, and a reward reads, of example i beside the outputs, appended to *out.
 */
int experiment_people_context(const experiment *e, size_t i, text *out, error *err);

/* Open its model. A name that is known ("smollm2") is looked up again where model_path is
 * gone, and the error says how to fetch it. */
int experiment_open_model(const experiment *e, model **out, error *err);
/* The path of a model given by name or path; a relative path is taken from `folder`.
 * New. "smollm2": $LAMARCK_MODEL, or the file in the cache that ./setup fetches. */
int model_locate(const char *model, const char *folder, char **path, error *err);
/* model_open with the hint for names; `model` as the user wrote it. */
int model_open_located(model **out, const char *name, const char *path, error *err);

/* Instead of an example: every field is empty, the content-free input of contextual
 * calibration (Zhao et al. 2021). */
#define EXAMPLE_EMPTY SIZE_MAX

/* Render what candidate g says for example i (an index into data->examples, or
 * EXAMPLE_EMPTY), for `target`: see prompt_render. The tokenizer may be NULL unless the
 * template is a chat. */
int experiment_render(const experiment *e, const tokenizer *t, const genome *g, size_t i,
                      const char *target, text *context, text *tail, error *err);
/* The prompt as a person reads it: the template with genes and demonstrations filled in
 * and {{input}}, {{target}} and other data fields left standing; the messages of a chat
 * under "[role]" lines. Appended to *out. */
int experiment_prompt_text(const experiment *e, const genome *g, text *out, error *err);

#endif

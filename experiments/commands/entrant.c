/* Prompts by any name, and their scores. */
#include "entrant.h"
#include "../../evolve/stats.h"
#include "../fitness/fitness_lm.h"
#include "../runs/prefix_run.h"
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options ---- */

const char *const entrant_splits[] = {"search", "selection", "final", NULL};

entrant_options entrant_defaults(void)
{
    return (entrant_options){.split = SPLIT_FINAL};
}

int entrant_options_check(const entrant_options *o, error *err)
{
    if (o->data && o->has_split)
        return error_set(err, E_USAGE,
                         "--data brings other examples: then there is no "
                         "--split to choose");
    if ((o->fields.input || o->fields.target) && !o->data)
        return error_set(err, E_USAGE,
                         "--input-field and --target-field name columns of --data FILE");
    return 0;
}

/* ---- Which prompt ---- */

/* The text gene that "GENE=TEXT" names, or n_genes. */
static size_t named_gene(const experiment *e, const char *what)
{
    const char *equals = strchr(what, '=');
    size_t n = equals ? (size_t)(equals - what) : 0, i = 0;
    for (; i < e->spec.n_genes; i++) {
        const gene_spec *g = &e->spec.genes[i];
        if (n && g->kind == GENE_TEXT && strlen(g->name) == n &&
            memcmp(g->name, what, n) == 0)
            break;
    }
    return i;
}

/* The experiment's own prompt, perhaps with another text in one gene. */
static int take_seed(entrant *e, size_t which, const char *value, error *err)
{
    experiment *x = e->of.experiment;
    TRY(genome_copy(&e->of.genome, &x->seeds[0], err));
    if (!value)
        return 0;
    size_t length = strlen(value);
    if (utf8_check(value, length) < length)
        return error_set(err, E_ARGUMENT, "the text for %s is not valid UTF-8",
                         x->spec.genes[which].name);
    gene *g = &e->of.genome.genes[which];
    gene_free(g);
    *g = (gene){0};
    return gene_set_text(g, value, NULL, 0, err);
}

/* Why `what` cannot be an entrant without an experiment. */
static int refuse(const char *what, error *err)
{
    char head[4] = "";
    FILE *f = file_open(what);
    if (!f)
        return error_set(err, E_USAGE,
                         "cannot open %s: %s; without --experiment a prompt is a file of "
                         "'lamarck export --format json'",
                         what, strerror(errno));
    bool is_model = fread(head, 1, sizeof head, f) == sizeof head &&
                    memcmp(head, "GGUF", sizeof head) == 0;
    fclose(f);
    if (is_model)
        return error_set(
            err, E_USAGE,
            "%s is a model: what it is to score comes with --rows FILE.jsonl", what);
    return error_set(
        err, E_USAGE,
        "%s is not a prompt of 'lamarck export --format json'; for any other "
        "prompt --experiment says how it is judged",
        what);
}

/* The rows that an experiment's prefix is learned on, without the prefix. */
static int take_bare(entrant *e, error *err)
{
    experiment *bare, *x = e->of.experiment;
    TRY(prefix_run_look_up(x, err));
    TRY(experiment_bare(&bare, x, &x->seeds[0], err));
    experiment_free(x);
    e->of.experiment = bare;
    return take_seed(e, 0, NULL, err);
}

static int open_prompt(entrant *e, const entrant_options *options, error *err)
{
    if (prompt_file_is(e->what))
        return prompt_file_read(&e->of, e->what, err);
    if (!options->experiment)
        return refuse(e->what, err);
    experiment_overrides overrides = {options->set.items, options->set.n, NULL};
    TRY(experiment_load(&e->of.experiment, options->experiment, &overrides, err));
    experiment *x = e->of.experiment;
    size_t which = named_gene(x, e->what);
    if (strcmp(e->what, "seed") == 0)
        return take_seed(e, 0, NULL, err);
    if (strcmp(e->what, "bare") == 0)
        return take_bare(e, err);
    if (which < x->spec.n_genes)
        return take_seed(e, which, strchr(e->what, '=') + 1, err);
    TRY(experiment_replace_prompt(x, e->what, err));
    return take_seed(e, 0, NULL, err);
}

/* ---- Which examples ---- */

/* Give example `from` the fields of d, and move it to the end of d. */
static int append_example(dataset *d, const dataset *source, example *from, error *err)
{
    example moved = {.targets = from->targets,
                     .n_targets = from->n_targets,
                     .line = from->line,
                     .values = array_new(d->n_fields, sizeof *moved.values)};
    if (!moved.values)
        return error_memory(err, d->n_fields * sizeof *moved.values);
    memcpy(moved.id, from->id, sizeof moved.id);
    for (size_t i = 0; i < d->n_fields; i++) {
        size_t at = dataset_field(source, d->fields[i]);
        moved.values[i] = string_copy(from->values[at]);
        if (!moved.values[i]) {
            for (size_t k = 0; k < i; k++)
                free(moved.values[k]);
            free(moved.values);
            return error_memory(err, strlen(from->values[at]));
        }
    }
    from->targets = NULL;
    from->n_targets = 0;
    d->examples[d->n++] = moved;
    return 0;
}

/* Put the rows of another file behind the experiment's own: demonstrations still point to
 * those. */
static int append_data(experiment *x, const entrant_options *options, error *err)
{
    dataset *more, *d = x->data;
    TRY(dataset_load(&more, options->data, &options->fields, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->n_fields; i++)
        if (dataset_field(more, d->fields[i]) == more->n_fields)
            rc = error_set(err, E_FORMAT,
                           "%s has no column \"%s\", which the prompt's examples have",
                           options->data, d->fields[i]);
    example *grown = NULL;
    if (rc == 0 && !(grown = array_resize(d->examples, d->n + more->n, sizeof *grown)))
        rc = error_memory(err, (d->n + more->n) * sizeof *grown);
    if (grown)
        d->examples = grown;
    for (size_t i = 0; rc == 0 && i < more->n; i++)
        rc = append_example(d, more, &more->examples[i], err);
    dataset_free(more);
    return rc;
}

static int choose_examples(entrant *e, const entrant_options *options, error *err)
{
    experiment *x = e->of.experiment;
    size_t own = x->data->n;
    if (options->data)
        TRY(append_data(x, options, err));
    const split *s = &x->splits[options->split];
    size_t n = options->data ? x->data->n - own : s->n;
    e->examples = array_new(n, sizeof *e->examples);
    if (!e->examples)
        return error_memory(err, n * sizeof *e->examples);
    for (size_t i = 0; i < n; i++)
        e->examples[i] = options->data ? own + i : s->index[i];
    e->n_examples = n;
    return 0;
}

/* ---- Which model ---- */

static int choose_model(entrant *e, const entrant_options *options, error *err)
{
    experiment *x = e->of.experiment;
    if (options->n_threads)
        x->session.n_threads = options->n_threads;
    if (options->backend)
        x->session.backend = options->backend;
    if (!options->model)
        return 0;
    char *path = NULL, *name = string_copy(options->model);
    int rc = name ? model_locate(name, "", &path, err) : error_memory(err, 1);
    if (rc < 0) {
        free(name);
        return rc;
    }
    free(x->model);
    free(x->model_path);
    x->model = name;
    x->model_path = path;
    free(e->of.model_hash); /* whoever names a model means it */
    e->of.model_hash = NULL;
    return 0;
}

int entrant_open(entrant *out, const char *what, const entrant_options *options,
                 error *err)
{
    entrant e = {.what = what};
    int rc = open_prompt(&e, options, err);
    if (rc == 0)
        rc = choose_examples(&e, options, err);
    if (rc == 0)
        rc = choose_model(&e, options, err);
    if (rc == 0 && options->prefix)
        rc = prefix_load(&e.before, options->prefix, err);
    if (rc == 0)
        e.of.experiment->proposals =
            (proposal_options){0}; /* nobody is going to ask for words */
    if (rc < 0)
        entrant_close(&e);
    else
        *out = e;
    return rc;
}

void entrant_close(entrant *e)
{
    free(e->examples);
    prefix_free(&e->before);
    prompt_file_free(&e->of);
    *e = (entrant){0};
}

/* ---- Scores ---- */

int entrant_score(const entrant *e, split_score *out, error *err)
{
    judge j;
    judge_options options = {.model_hash = e->of.model_hash,
                             .interrupt = &command_interrupted,
                             .prefix = e->before.n ? &e->before : NULL};
    TRY(judge_open(&j, e->of.experiment, &options, err));
    measurement m = {.genome = &e->of.genome,
                     .examples = e->examples,
                     .n = e->n_examples,
                     .scores = array_new(e->n_examples, sizeof(double))};
    expense spent = {0};
    int rc = m.scores ? j.objective->measure(j.objective, &m, 1, &spent, err)
                      : error_memory(err, e->n_examples * sizeof(double));
    if (rc == 0 && m.status != FITNESS_DONE)
        rc = error_set(err, E_LIMIT, "%s cannot be scored: %s", e->what, m.reason);
    judge_close(&j);
    if (rc < 0) {
        free(m.scores);
        return rc;
    }
    *out = (split_score){.score = stats_mean(m.scores, m.n),
                         .se = stats_se(m.scores, m.n),
                         .n = m.n,
                         .each = m.scores,
                         .first_choice = m.first_choice};
    return 0;
}

int entrant_check_match(const entrant *a, const entrant *b, error *err)
{
    const experiment *x = a->of.experiment, *y = b->of.experiment;
    bool same = a->n_examples == b->n_examples;
    for (size_t i = 0; same && i < a->n_examples; i++)
        same = strcmp(x->data->examples[a->examples[i]].id,
                      y->data->examples[b->examples[i]].id) == 0;
    if (!same)
        return error_set(err, E_ARGUMENT,
                         "%s and %s do not have the same examples: give both others with "
                         "--data FILE",
                         a->what, b->what);
    if (x->fitness.kind != y->fitness.kind ||
        x->fitness.per_token != y->fitness.per_token)
        return error_set(err, E_ARGUMENT, "%s and %s are not judged by the same fitness",
                         a->what, b->what);
    return 0;
}

int entrant_prompt(const entrant *e, text *out, error *err)
{
    if (e->before.n)
        TRY(text_add_format(out, err, "[%zu learned vectors]\n", e->before.n));
    return experiment_prompt_text(e->of.experiment, &e->of.genome, out, err);
}

const char *entrant_examples_label(const entrant_options *options)
{
    static const char *const labels[N_SPLITS] = {
        "the search split", "the selection split", "the final split"};
    return options->data ? options->data : labels[options->split];
}

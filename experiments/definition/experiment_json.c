/* The dump of an experiment: the same keys as in its file with nothing left to default,
 * and the data inside. experiment.c reads it back. */
#include <stdlib.h>

#include "experiment_read.h"

/* Put a value (stolen, NULL when making it failed) under a key. */
static int put(json_t *object, const char *key, json_t *value, error *err)
{
    if (json_object_set_new(object, key, value) != 0)
        return error_memory(err, sizeof(json_t *));
    return 0;
}

/* A new empty list or object under a key; *out is borrowed. */
static int put_empty(json_t *object, const char *key, json_t *value, json_t **out,
                     error *err)
{
    *out = value;
    return put(object, key, value, err);
}

static int append(json_t *list, json_t *value, error *err)
{
    if (json_array_append_new(list, value) != 0)
        return error_memory(err, sizeof(json_t *));
    return 0;
}

int json_put_texts(json_t *object, const char *key, char *const *texts, size_t n,
                   error *err)
{
    json_t *list;
    TRY(put_empty(object, key, json_array(), &list, err));
    for (size_t i = 0; i < n; i++)
        TRY(append(list, json_string(texts[i]), err));
    return 0;
}

/* ---- Data ---- */

static int dump_row(json_t *rows, const dataset *d, const example *x, error *err)
{
    json_t *object = json_object();
    TRY(append(rows, object, err));
    TRY(put(object, "line", json_integer((json_int_t)x->line), err));
    TRY(json_put_texts(object, "values", x->values, d->n_fields, err));
    return json_put_texts(object, "targets", x->targets, x->n_targets, err);
}

static int dump_split(json_t *splits, split_name name, const split *s, error *err)
{
    json_t *list;
    TRY(put_empty(splits, split_label(name), json_array(), &list, err));
    for (size_t i = 0; i < s->n; i++)
        TRY(append(list, json_integer((json_int_t)s->index[i]), err));
    return 0;
}

static int dump_data(json_t *root, const experiment *e, error *err)
{
    json_t *data, *rows, *splits;
    TRY(put_empty(root, "data", json_object(), &data, err));
    TRY(put(data, "path", json_string(e->data->path), err));
    TRY(json_put_texts(data, "fields", e->data->fields, e->data->n_fields, err));
    TRY(put_empty(data, "rows", json_array(), &rows, err));
    for (size_t i = 0; i < e->data->n; i++)
        TRY(dump_row(rows, e->data, &e->data->examples[i], err));
    TRY(put_empty(data, "splits", json_object(), &splits, err));
    for (size_t s = 0; s < N_SPLITS; s++)
        TRY(dump_split(splits, (split_name)s, &e->splits[s], err));
    return 0;
}

/* ---- Template and genes ---- */

int template_dump(json_t *root, const prompt_template *t, error *err)
{
    if (!t->n_messages)
        return put(root, "template", json_string(t->body.source), err);
    json_t *list;
    TRY(put_empty(root, "template", json_array(), &list, err));
    for (size_t i = 0; i < t->n_messages; i++) {
        json_t *message = json_object();
        TRY(append(list, message, err));
        TRY(put(message, "role", json_string(t->messages[i].role), err));
        TRY(put(message, "content", json_string(t->messages[i].content.source), err));
    }
    return 0;
}

static int dump_gene(json_t *genes, const experiment *e, size_t i, error *err)
{
    const gene_spec *spec = &e->spec.genes[i];
    const gene_source *s = &e->sources[i];
    json_t *map;
    TRY(put_empty(genes, spec->name, json_object(), &map, err));
    TRY(put(map, "kind", json_string(gene_names[spec->kind]), err));
    switch (spec->kind) {
    case GENE_TEXT:
        TRY(put(map, "seed", json_string(s->seed), err));
        TRY(json_put_texts(map, "more_seeds", s->more_seeds, s->n_more_seeds, err));
        TRY(json_put_texts(map, "frozen", s->frozen, s->n_frozen, err));
        TRY(json_put_texts(map, "lexicon", s->lexicon, s->n_lexicon, err));
        return put(map, "max_words", json_integer((json_int_t)spec->max_words), err);
    case GENE_CHOICE:
        TRY(json_put_texts(map, "options", s->options, s->n_options, err));
        return put(map, "seed", json_string(s->options[s->seed_choice]), err);
    case GENE_DEMOS:
        TRY(put(map, "max", json_integer((json_int_t)spec->max_demos), err));
        TRY(put(map, "each", json_string(e->demos[i].each.source), err));
        TRY(put(map, "separator", json_string(e->demos[i].separator), err));
        return put(map, "seed", json_integer((json_int_t)s->seed_demos), err);
    case GENE_NUMBER:
        TRY(put(map, "from", json_real(spec->lowest), err));
        TRY(put(map, "to", json_real(spec->highest), err));
        TRY(put(map, "whole", json_boolean(spec->whole), err));
        return put(map, "seed", json_real(s->seed_number), err);
    case GENE_VECTOR:
        TRY(put(map, "init", json_string(s->init), err));
        TRY(put(map, "tokens", json_integer((json_int_t)s->n_tokens), err));
        TRY(put(map, "dimensions", json_integer((json_int_t)spec->n_dimensions), err));
        return put(map, "spread", json_real(spec->spread), err);
    }
    return 0;
}

/* ---- The rest ---- */

static int dump_fitness(json_t *root, const experiment *e, error *err)
{
    const fitness_options *f = &e->fitness;
    json_t *map;
    TRY(put_empty(root, "fitness", json_object(), &map, err));
    TRY(put(map, "kind", json_string(fitness_names[f->kind]), err));
    TRY(settings_dump(map, fitness_settings, n_fitness_settings, f, err));
    if (experiment_asks_people(e))
        TRY(experiment_dump_people(map, e, err));
    else if (f->kind == FITNESS_REWARD)
        TRY(experiment_dump_reward(map, e, err));
    else
        TRY(json_put_texts(map, "labels", f->labels, f->n_labels, err));
    return json_put_texts(map, "stop", e->stops, f->generation.n_stops, err);
}

static int dump_hybrid(json_t *map, const proposal_options *o, error *err)
{
    json_t *list;
    TRY(put_empty(map, "hybrid", json_array(), &list, err));
    for (size_t i = 0; i < n_hybrid_parts; i++)
        if (*(const bool *)(const void *)((const char *)o + hybrid_parts[i].offset))
            TRY(append(list, json_string(hybrid_parts[i].name), err));
    return 0;
}

static int dump_settings(json_t *root, const experiment *e, error *err)
{
    json_t *map;
    TRY(put_empty(root, "search", json_object(), &map, err));
    TRY(put(map, "kind", json_string(e->search->name), err));
    TRY(dump_hybrid(map, &e->proposals, err));
    TRY(settings_dump(map, proposal_settings, n_proposal_settings, &e->proposals, err));
    TRY(settings_dump(map, search_settings, n_search_settings, &e->search_options, err));
    TRY(put_empty(root, "budget", json_object(), &map, err));
    TRY(settings_dump(map, budget_settings, n_budget_settings, &e->budget, err));
    TRY(put_empty(root, "prefix", json_object(), &map, err));
    TRY(experiment_dump_prefix(map, &e->prefix, err));
    TRY(put(root, "finalists", json_integer((json_int_t)e->finalists), err));
    TRY(put(root, "seed", json_integer((json_int_t)e->seed), err));
    TRY(put(root, "overflow", json_string(overflow_words[e->overflow]), err));
    TRY(put_empty(root, "engine", json_object(), &map, err));
    TRY(put(map, "backend", json_string(e->backend), err));
    TRY(put(map, "threads", json_integer((json_int_t)e->session.n_threads), err));
    return put(map, "memory", json_integer((json_int_t)e->session.memory_bytes), err);
}

static int dump_all(json_t *root, const experiment *e, error *err)
{
    json_t *genes;
    TRY(put(root, "path", json_string(e->path), err));
    TRY(put(root, "name", json_string(e->name), err));
    TRY(put(root, "description", json_string(e->description), err));
    TRY(put(root, "model", json_string(e->model), err));
    TRY(put(root, "model_path", json_string(e->model_path), err));
    TRY(template_dump(root, &e->prompt, err));
    TRY(put_empty(root, "genes", json_object(), &genes, err));
    for (size_t i = 0; i < e->spec.n_genes; i++)
        TRY(dump_gene(genes, e, i, err));
    TRY(dump_fitness(root, e, err));
    TRY(dump_settings(root, e, err));
    return dump_data(root, e, err);
}

int experiment_dump(const experiment *e, char **out, error *err)
{
    json_t *root = json_object();
    if (!root)
        return error_memory(err, sizeof root);
    int rc = dump_all(root, e, err);
    char *dumped = NULL;
    if (rc == 0 && !(dumped = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17))))
        rc = error_memory(err, 1);
    json_decref(root);
    if (rc == 0)
        *out = dumped;
    return rc;
}

/* The fitness section of an experiment: labels, what ends an answer, and, in
 * experiment_people.c, how people are asked. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

static bool has_label(const fitness_options *f, const char *label)
{
    for (size_t i = 0; i < f->n_labels; i++)
        if (strcmp(f->labels[i], label) == 0)
            return true;
    return false;
}

static int check_labels(const experiment *e, const yaml_node *list, error *err)
{
    const fitness_options *f = &e->fitness;
    if (f->n_labels < 2)
        return yaml_error(list, err, E_FORMAT,
                          "labels given: %zu; a choice needs 2 or more", f->n_labels);
    for (size_t i = 0; i < f->n_labels; i++) {
        if (!*f->labels[i])
            return yaml_error(list->items[i], err, E_FORMAT, "a label is empty");
        for (size_t j = 0; j < i; j++)
            if (strcmp(f->labels[i], f->labels[j]) == 0)
                return yaml_error(list->items[i], err, E_FORMAT,
                                  "the label \"%.60s\" is given twice", f->labels[i]);
    }
    for (size_t s = 0; s < N_SPLITS; s++)
        for (size_t i = 0; i < e->splits[s].n; i++) {
            const example *x = &e->data->examples[e->splits[s].index[i]];
            for (size_t t = 0; t < x->n_targets; t++)
                if (!has_label(f, x->targets[t]))
                    return yaml_error(list, err, E_FORMAT,
                                      "the target \"%.60s\" of %s:%zu is none of the "
                                      "labels",
                                      x->targets[t], e->data->path, x->line);
        }
    return 0;
}

int experiment_read_labels(experiment *e, const yaml_node *map, fitness_kind kind,
                           error *err)
{
    const yaml_node *list = yaml_get(map, "labels");
    if (list)
        TRY(read_texts(list, "labels", &e->fitness.labels, &e->fitness.n_labels, err));
    if (!fitness_chooses(kind))
        return 0;
    if (!list)
        return yaml_key_error(map, err, E_FORMAT,
                              "fitness of kind %s needs the key \"labels\": the answers "
                              "to choose from",
                              fitness_names[kind]);
    return check_labels(e, list, err);
}

/* Answers are one line unless the file says otherwise. */
static int read_stops(experiment *e, const yaml_node *map, error *err)
{
    const yaml_node *list = map ? yaml_get(map, "stop") : NULL;
    sampling *g = &e->fitness.generation;
    if (list) {
        TRY(read_texts(list, "stop", &e->stops, &g->n_stops, err));
    } else {
        e->stops = array_new(1, sizeof *e->stops);
        if (!e->stops || !(e->stops[0] = string_copy("\n")))
            return error_memory(err, sizeof *e->stops);
        g->n_stops = 1;
    }
    g->stops = (const char *const *)e->stops;
    for (size_t i = 0; i < g->n_stops; i++)
        if (!*e->stops[i])
            return yaml_error(list, err, E_FORMAT,
                              "a stop text is empty: it would end every answer at once");
    return 0;
}

int experiment_read_fitness_kind(experiment_reader *r, error *err)
{
    const yaml_node *map = yaml_get(r->root, "fitness");
    const yaml_node *kind = map && map->kind == YAML_MAP ? yaml_get(map, "kind") : NULL;
    size_t choice;
    if (!kind)
        return 0;
    TRY(read_word(kind, fitness_names, N_FITNESS_KINDS, &choice, err));
    r->e->fitness.kind = (fitness_kind)choice;
    return 0;
}

static int read_model_judged(experiment *e, const yaml_node *map, error *err)
{
    static const char *const keys[] = {
        "kind",          "per_token",      "labels",     "calibrate",
        "length_weight", "fluency_weight", "max_tokens", "stop",
        "temperature",   "top_k",          "top_p",      "repetition_penalty",
        "sampling_seed"};
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "fitness", err));
    return experiment_read_labels(e, map, e->fitness.kind, err);
}

int experiment_read_fitness(experiment_reader *r, error *err)
{
    experiment *e = r->e;
    const yaml_node *map = yaml_get(r->root, "fitness");
    if (!map)
        return read_stops(e, NULL, err);
    TRY(expect_map(map, "fitness", err));
    TRY(settings_read(map, fitness_settings, n_fitness_settings, &e->fitness, err));
    if (experiment_asks_people(e))
        TRY(experiment_read_people(r, map, err));
    else if (e->fitness.kind == FITNESS_REWARD)
        TRY(experiment_read_reward(r, map, err));
    else
        TRY(read_model_judged(e, map, err));
    return read_stops(e, map, err);
}

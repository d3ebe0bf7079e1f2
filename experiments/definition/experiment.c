/* Loading an experiment: the top level of the file, its search, fitness, budget and
 * engine. Data are read in experiment_data.c, genes and template in experiment_genes.c.
 */
#include "experiment.h"

#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

const hybrid_part hybrid_parts[] = {
    {"swaps", offsetof(proposal_options, swaps)},
    {"nearest", offsetof(proposal_options, nearest)},
    {"projected", offsetof(proposal_options, projected)},
};
const size_t n_hybrid_parts = sizeof hybrid_parts / sizeof *hybrid_parts;

const char *const fitness_names[N_FITNESS_KINDS] = {
    "logprob", "accuracy", "label_logprob", "exact", "f1", "human", "mixed", "reward"};
const char *const overflow_words[3] = {"error", "left", "middle"};

enum { MOST_PARTS = 8 };
enum { COUNT_MAX = 1000000 }; /* of candidates, rounds, words: more is a slip */
static const double WHOLE_MAX = 9007199254740992; /* 2^53: exact in every JSON reader */

#define SEARCH(key, type, member, low, high)                                             \
    {                                                                                    \
        key, type, offsetof(search_options, member), low, high                           \
    }
const setting search_settings[] = {
    SEARCH("population", SETTING_SIZE, population, 2, 10000),
    SEARCH("founders", SETTING_SIZE, founders, 0, 10000),
    SEARCH("immigrants", SETTING_REAL, immigrants, 0, 1),
    SEARCH("elites", SETTING_SIZE, elites, 0, 10000),
    SEARCH("tournament", SETTING_SIZE, tournament, 0, 10000),
    SEARCH("crossover_rate", SETTING_REAL, crossover_rate, 0, 1),
    SEARCH("max_edits", SETTING_SIZE, max_edits, 1, 100),
    SEARCH("niche_radius", SETTING_REAL, niche_radius, 0, 1),
    SEARCH("stall_restart", SETTING_SIZE, stall_restart, 0, COUNT_MAX),
    SEARCH("guests_every", SETTING_SIZE, guests_every, 0, COUNT_MAX),
    SEARCH("racing", SETTING_SWITCH, racing, 0, 0),
    SEARCH("block", SETTING_SIZE, block, 1, COUNT_MAX),
    SEARCH("first_blocks", SETTING_SIZE, first_blocks, 1, COUNT_MAX),
    SEARCH("race_alpha", SETTING_REAL, race_alpha, 0, 1),
};
const size_t n_search_settings = sizeof search_settings / sizeof *search_settings;

const setting proposal_settings[] = {
    {"model_words", SETTING_SIZE, offsetof(proposal_options, words), 0, 1000},
    {"gradient_rows", SETTING_SIZE, offsetof(proposal_options, gradient_rows), 0, 10000},
    {"gradient_looks", SETTING_SIZE, offsetof(proposal_options, gradient_looks), 1, 1000},
};
const size_t n_proposal_settings = sizeof proposal_settings / sizeof *proposal_settings;

#define FITNESS(key, type, member, low, high)                                            \
    {                                                                                    \
        key, type, offsetof(fitness_options, member), low, high                          \
    }
const setting fitness_settings[] = {
    FITNESS("per_token", SETTING_SWITCH, per_token, 0, 0),
    FITNESS("calibrate", SETTING_SWITCH, calibrate, 0, 0),
    FITNESS("length_weight", SETTING_REAL, length_weight, 0, 1e6),
    FITNESS("fluency_weight", SETTING_REAL, fluency_weight, 0, 1e6),
    FITNESS("max_tokens", SETTING_SIZE, generation.max_tokens, 1, COUNT_MAX),
    FITNESS("temperature", SETTING_REAL, generation.temperature, 0, 100),
    FITNESS("top_k", SETTING_SIZE, generation.top_k, 0, COUNT_MAX),
    FITNESS("top_p", SETTING_REAL, generation.top_p, 0, 1),
    FITNESS("repetition_penalty", SETTING_REAL, generation.repetition_penalty, 0, 100),
    FITNESS("sampling_seed", SETTING_WHOLE, generation.seed, 0, 9007199254740992),
};
const size_t n_fitness_settings = sizeof fitness_settings / sizeof *fitness_settings;

const setting budget_settings[] = {
    {"tokens", SETTING_WHOLE, offsetof(budget, tokens), 0, 9007199254740992},
    {"evaluations", SETTING_WHOLE, offsetof(budget, evaluations), 0, 9007199254740992},
    {"seconds", SETTING_REAL, offsetof(budget, seconds), 0, 1e9},
    {"ratings", SETTING_WHOLE, offsetof(budget, ratings), 0, 9007199254740992},
};
const size_t n_budget_settings = sizeof budget_settings / sizeof *budget_settings;

/* ---- Life ---- */

static void source_free(gene_source *s)
{
    free(s->name);
    free(s->seed);
    texts_free(s->more_seeds, s->n_more_seeds);
    texts_free(s->frozen, s->n_frozen);
    texts_free(s->lexicon, s->n_lexicon);
    texts_free(s->options, s->n_options);
    free(s->init);
}

void experiment_free_genes(experiment *e)
{
    for (size_t i = 0; i < e->n_seeds; i++)
        genome_free(&e->seeds[i]);
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        if (e->sources)
            source_free(&e->sources[i]);
        if (e->demos) {
            template_free(&e->demos[i].each);
            free(e->demos[i].separator);
        }
    }
    free(e->seeds);
    free(e->sources);
    free(e->demos);
    free(e->genes);
    e->seeds = NULL;
    e->n_seeds = 0;
    e->sources = NULL;
    e->demos = NULL;
    e->genes = NULL;
    e->spec = (genome_spec){0};
}

void experiment_free(experiment *e)
{
    if (!e)
        return;
    experiment_free_genes(e);
    prompt_template_free(&e->prompt);
    splits_free(e->splits);
    dataset_free(e->data);
    texts_free(e->fitness.labels, e->fitness.n_labels);
    texts_free(e->stops, e->fitness.generation.n_stops);
    prefix_plan_free(&e->prefix);
    people_plan_free(&e->people);
    free(e->reward.path);
    free(e->backend);
    free(e->path);
    free(e->name);
    free(e->description);
    free(e->model);
    free(e->model_path);
    free(e);
}

static int set_string(char **member, const char *s, error *err)
{
    char *copy = string_copy(s);
    if (!copy)
        return error_memory(err, strlen(s) + 1);
    free(*member);
    *member = copy;
    return 0;
}

static int set_defaults(experiment *e, const char *path, error *err)
{
    e->search_options = search_defaults();
    e->fitness = (fitness_options){.per_token = true, .generation = {.max_tokens = 16}};
    e->budget.tokens = 100000;
    e->finalists = 4;
    e->proposals =
        (proposal_options){.words = 8, .gradient_rows = 8, .gradient_looks = 6};
    e->prefix = (prefix_plan){.train = train_defaults(PREFIX_EMBEDDINGS)};
    TRY(set_string(&e->description, "", err));
    TRY(set_string(&e->backend, "cpu", err));
    return set_string(&e->path, path, err);
}

/* ---- Sections ---- */

/* The file's name without folder and suffix. */
static int default_name(experiment *e, error *err)
{
    const char *slash = strrchr(e->path, '/');
    const char *base = slash ? slash + 1 : e->path;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    e->name = bytes_copy(base, n);
    return e->name ? 0 : error_memory(err, n);
}

static int read_line_of_text(const yaml_node *node, char **member, error *err)
{
    char *value;
    TRY(read_text(node, &value, err));
    if (!*value || strpbrk(value, "\r\n")) {
        free(value);
        return yaml_error(node, err, E_FORMAT, "%s must be one line of text",
                          node_name(node));
    }
    free(*member);
    *member = value;
    return 0;
}

/* File names may be any bytes, but a dump is JSON. */
static int check_path(const char *path, error *err)
{
    if (utf8_check(path, strlen(path)) < strlen(path))
        return error_set(err, E_UNSUPPORTED,
                         "the path %s is not valid UTF-8: rename the file or its folder",
                         path);
    return 0;
}

static int read_names(experiment_reader *r, error *err)
{
    experiment *e = r->e;
    const yaml_node *node = yaml_get(r->root, "path");
    if (node) /* of a dump */
        TRY(read_line_of_text(node, &e->path, err));
    node = yaml_get(r->root, "name");
    if (node)
        TRY(read_line_of_text(node, &e->name, err));
    else
        TRY(default_name(e, err));
    node = yaml_get(r->root, "description");
    if (node) {
        free(e->description);
        e->description = NULL;
        TRY(read_text(node, &e->description, err));
    }
    TRY(require_key(r->root, "model", "the experiment", &node, err));
    TRY(read_line_of_text(node, &e->model, err));
    node = yaml_get(r->root, "model_path");
    if (node)
        return read_line_of_text(node, &e->model_path, err);
    TRY(model_locate(e->model, r->folder, &e->model_path, err));
    return check_path(e->model_path, err);
}

static int read_search_kind(const yaml_node *node, const search_type **out, error *err)
{
    enum { MAX_TYPES = 32 };
    const char *names[MAX_TYPES];
    size_t n = 0, chosen;
    while (n < MAX_TYPES && search_types[n]) {
        names[n] = search_types[n]->name;
        n++;
    }
    TRY(read_word(node, names, n, &chosen, err));
    *out = search_types[chosen];
    return 0;
}

static bool *hybrid_switch(proposal_options *o, size_t part)
{
    return (bool *)(void *)((char *)o + hybrid_parts[part].offset);
}

/* on: all parts; off: none; or a list of parts. */
static int read_hybrid(const yaml_node *node, proposal_options *o, error *err)
{
    const char *names[MOST_PARTS];
    bool on = false;
    if (node->kind == YAML_SCALAR && read_switch(node, &on, NULL) < 0)
        return yaml_error(node, err, E_FORMAT,
                          "hybrid is \"%.60s\"; it must be on or off, or a list of "
                          "swaps, nearest and projected",
                          node->s);
    if (node->kind != YAML_SCALAR)
        TRY(expect_list(node, "hybrid", err));
    for (size_t i = 0; i < n_hybrid_parts; i++) {
        names[i] = hybrid_parts[i].name;
        *hybrid_switch(o, i) = on;
    }
    for (size_t i = 0; node->kind == YAML_LIST && i < node->n; i++) {
        size_t part;
        TRY(read_word(node->items[i], names, n_hybrid_parts, &part, err));
        *hybrid_switch(o, part) = true;
    }
    return 0;
}

static int check_search(const yaml_node *map, const search_options *o, error *err)
{
    if (o->elites >= o->population)
        return yaml_error(map, err, E_FORMAT,
                          "elites is %zu and population %zu: at least one candidate must "
                          "be new in each generation",
                          o->elites, o->population);
    if (o->tournament > o->population)
        return yaml_error(map, err, E_FORMAT,
                          "tournament is %zu, more than the population of %zu",
                          o->tournament, o->population);
    return 0;
}

static int read_search(experiment_reader *r, error *err)
{
    static const char *const keys[] = {
        "kind",     "model_words",    "population",     "elites",        "tournament",
        "founders", "immigrants",     "max_edits",      "stall_restart", "racing",
        "block",    "crossover_rate", "niche_radius",   "first_blocks",  "race_alpha",
        "hybrid",   "gradient_rows",  "gradient_looks", "guests_every"};
    experiment *e = r->e;
    e->search = search_type_find("ga");
    const yaml_node *map = yaml_get(r->root, "search");
    if (!map)
        return 0;
    TRY(expect_map(map, "search", err));
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "search", err));
    TRY(settings_read(map, search_settings, n_search_settings, &e->search_options, err));
    const yaml_node *node = yaml_get(map, "kind");
    if (node)
        TRY(read_search_kind(node, &e->search, err));
    node = yaml_get(map, "hybrid");
    if (node)
        TRY(read_hybrid(node, &e->proposals, err));
    TRY(settings_read(map, proposal_settings, n_proposal_settings, &e->proposals, err));
    return check_search(map, &e->search_options, err);
}

static int read_budget(experiment_reader *r, error *err)
{
    static const char *const keys[] = {"tokens", "evaluations", "seconds", "minutes",
                                       "ratings"};
    budget *b = &r->e->budget;
    const yaml_node *map = yaml_get(r->root, "budget");
    if (!map)
        return 0;
    TRY(expect_map(map, "budget", err));
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "budget", err));
    *b = (budget){0};
    TRY(settings_read(map, budget_settings, n_budget_settings, b, err));
    const yaml_node *minutes = yaml_get(map, "minutes");
    if (minutes && yaml_get(map, "seconds"))
        return yaml_key_error(minutes, err, E_FORMAT,
                              "budget has both \"seconds\" and \"minutes\": give one");
    if (minutes) {
        TRY(read_real(minutes, 0, 1e7, &b->seconds, err));
        b->seconds *= 60;
    }
    if (b->ratings && !experiment_asks_people(r->e))
        return yaml_key_error(yaml_get(map, "ratings"), err, E_FORMAT,
                              "\"ratings\" limits what people are asked, and with "
                              "fitness: %s nobody is: limit tokens, evaluations or "
                              "seconds",
                              fitness_names[r->e->fitness.kind]);
    return 0;
}

static int read_engine(experiment_reader *r, error *err)
{
    static const char *const keys[] = {"backend", "threads", "memory"};
    experiment *e = r->e;
    const yaml_node *map = yaml_get(r->root, "engine");
    if (!map)
        return 0;
    TRY(expect_map(map, "engine", err));
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "engine", err));
    const yaml_node *node = yaml_get(map, "backend");
    if (node)
        TRY(read_line_of_text(node, &e->backend, err));
    node = yaml_get(map, "threads");
    if (node)
        TRY(read_size(node, 0, 4096, &e->session.n_threads, err));
    node = yaml_get(map, "memory");
    if (node)
        TRY(read_bytes(node, &e->session.memory_bytes, err));
    return 0;
}

static int read_rest(experiment_reader *r, const experiment_overrides *overrides,
                     error *err)
{
    experiment *e = r->e;
    const yaml_node *node = yaml_get(r->root, "finalists");
    if (node)
        TRY(read_size(node, 1, 1000, &e->finalists, err));
    node = yaml_get(r->root, "seed");
    if (node)
        TRY(read_whole(node, 0, WHOLE_MAX, &e->seed, err));
    if (overrides && overrides->seed)
        e->seed = *overrides->seed;
    if ((double)e->seed > WHOLE_MAX)
        return error_set(err, E_ARGUMENT,
                         "the seed must be a whole number from 0 to %.17g", WHOLE_MAX);
    node = yaml_get(r->root, "overflow");
    if (node) {
        size_t choice;
        TRY(read_word(node, overflow_words, 3, &choice, err));
        e->overflow = (row_overflow)choice;
    }
    TRY(read_engine(r, err));
    e->session.overflow = e->overflow;
    e->session.backend = e->backend;
    return 0;
}

static int read_sections(experiment_reader *r, const experiment_overrides *overrides,
                         error *err)
{
    static const char *const keys[] = {
        "name",     "description", "model",  "data",      "template",  "genes",
        "fitness",  "search",      "budget", "engine",    "finalists", "seed",
        "overflow", "prefix",      "path",   "model_path"};
    size_t n_keys = sizeof keys / sizeof *keys - (r->dump ? 0 : 2);
    if (r->root->kind == YAML_NULL)
        return yaml_error(r->root, err, E_FORMAT, "the file is empty");
    TRY(expect_map(r->root, "an experiment", err));
    TRY(check_keys(r->root, keys, n_keys, "an experiment", err));
    TRY(read_names(r, err));
    TRY(experiment_read_fitness_kind(r, err));
    TRY(experiment_read_template(r, err)); /* before the data: it costs nothing */
    TRY(experiment_read_data(r, err));
    TRY(experiment_read_genes(r, err));
    TRY(experiment_check_variables(r, err));
    TRY(experiment_make_seeds(r, err));
    TRY(experiment_read_fitness(r, err));
    TRY(read_search(r, err));
    TRY(read_budget(r, err));
    TRY(experiment_read_prefix(r, err));
    TRY(experiment_check_open(r, err));
    return read_rest(r, overrides, err);
}

/* ---- Entry points ---- */

static int read_document(experiment **out, const yaml_document *d, const char *path,
                         bool dump, const experiment_overrides *overrides, error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? bytes_copy(path, (size_t)(slash - path) + 1) : string_copy("");
    experiment *e = calloc(1, sizeof *e);
    int rc = folder && e ? set_defaults(e, path, err) : error_memory(err, sizeof *e);
    experiment_reader r = {.e = e, .root = d->root, .folder = folder, .dump = dump};
    if (rc == 0)
        rc = check_path(path, err);
    if (rc == 0)
        rc = read_sections(&r, overrides, err);
    free(folder);
    if (rc < 0)
        experiment_free(e);
    else
        *out = e;
    return rc;
}

/* Takes the document. */
static int load_document(experiment **out, yaml_document *d, const char *path,
                         const experiment_overrides *overrides, error *err)
{
    int rc = 0;
    for (size_t i = 0; overrides && i < overrides->n_set && rc == 0; i++)
        rc = yaml_set(d, overrides->set[i], err);
    if (rc == 0)
        rc = read_document(out, d, path, false, overrides, err);
    yaml_free(d);
    return rc;
}

int experiment_load(experiment **out, const char *path,
                    const experiment_overrides *overrides, error *err)
{
    yaml_document *d;
    TRY(yaml_load(&d, path, err));
    return load_document(out, d, path, overrides, err);
}

int experiment_parse(experiment **out, const char *bytes, size_t n, const char *path,
                     const experiment_overrides *overrides, error *err)
{
    yaml_document *d;
    TRY(yaml_parse(&d, bytes, n, path, err));
    return load_document(out, d, path, overrides, err);
}

int experiment_restore(experiment **out, const char *json, error *err)
{
    yaml_document *d;
    TRY(yaml_from_json(&d, json, "the kept experiment", err));
    int rc = read_document(out, d, "the kept experiment", true, NULL, err);
    yaml_free(d);
    return rc;
}

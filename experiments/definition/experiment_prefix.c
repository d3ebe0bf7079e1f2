/* The prefix section of an experiment: what is to be learned as vectors, and how. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

static const char *const schedule_names[] = {
    [RATE_CONSTANT] = "constant", [RATE_COSINE] = "cosine"};
/* In the order of prefix_init; a run stands for its text. */
enum { INIT_RUN = PREFIX_INIT_GIVEN, N_INITS };
static const char *const init_names[N_INITS] = {[PREFIX_INIT_TEXT] = "text",
                                                [PREFIX_INIT_RANDOM] = "random",
                                                [PREFIX_INIT_VOCABULARY] = "vocabulary",
                                                [PREFIX_INIT_LABELS] = "labels",
                                                [INIT_RUN] = "run"};

enum { MOST_TOKENS = 100000, MOST_STEPS = 10000000, MOST_ROWS = 1000000 };

#define TRAIN(key, type, member, low, high)                                              \
    {                                                                                    \
        key, type, offsetof(train_options, member), low, high                            \
    }
static const setting settings[] = {
    TRAIN("tokens", SETTING_SIZE, n_tokens, 0, MOST_TOKENS),
    TRAIN("reparameterise", SETTING_SIZE, reparameterise, 0, 65536),
    TRAIN("warmup", SETTING_SIZE, n_warmup, 0, MOST_STEPS),
    TRAIN("steps", SETTING_SIZE, n_steps, 1, MOST_STEPS),
    TRAIN("batch", SETTING_SIZE, batch, 0, MOST_ROWS),
    TRAIN("accumulate", SETTING_SIZE, accumulate, 1, MOST_ROWS),
    TRAIN("in_order", SETTING_SWITCH, in_order, 0, 0),
    TRAIN("weight_decay", SETTING_REAL, weight_decay, 0, 1e6),
    TRAIN("decay_to_zero", SETTING_SWITCH, decay_to_zero, 0, 0),
    TRAIN("clip", SETTING_REAL, clip, 0, 1e9),
    TRAIN("same_rate", SETTING_SWITCH, same_rate, 0, 0),
    TRAIN("eval_every", SETTING_SIZE, eval_every, 1, MOST_STEPS),
    TRAIN("patience", SETTING_SIZE, patience, 0, MOST_STEPS),
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static const char *const keys[] = {
    "method",        "tokens",        "init",      "init_text",  "init_labels",
    "run",           "template",      "lr",        "schedule",   "warmup",
    "steps",         "batch",         "clip",      "accumulate", "in_order",
    "weight_decay",  "decay_to_zero", "same_rate", "eval_every", "patience",
    "reparameterise"};

void prefix_plan_free(prefix_plan *p)
{
    free(p->text);
    texts_free(p->labels, p->n_labels);
    free(p->run);
    prompt_template_free(&p->rows);
    *p = (prefix_plan){0};
}

/* ---- Reading ---- */

/* "prompt" or "prefix"; the defaults of everything else depend on it. */
static int read_method(const yaml_node *map, train_options *t, error *err)
{
    static const prefix_kind kinds[] = {PREFIX_EMBEDDINGS, PREFIX_KEY_VALUES};
    const char *const names[] = {prefix_kind_name(kinds[0]), prefix_kind_name(kinds[1])};
    const yaml_node *node = yaml_get(map, "method");
    size_t choice = 0;
    if (node)
        TRY(read_word(node, names, 2, &choice, err));
    *t = train_defaults(kinds[choice]);
    return 0;
}

/* "auto", or a number above 0. */
static int read_rate(const yaml_node *node, double *out, error *err)
{
    *out = 0;
    if (node->kind == YAML_SCALAR && strcmp(node->s, "auto") == 0)
        return 0;
    int rc = read_real(node, 0, 1e6, out, err);
    if (node->kind != YAML_SCALAR || (rc == 0 && *out > 0))
        return rc;
    return yaml_error(
        node, err, E_FORMAT,
        "lr is \"%.60s\"; it must be auto, or a number above 0 such as 0.01", node->s);
}

/* A key that only one kind of init reads is a mistake with any other. */
static int check_init_key(const yaml_node *map, size_t init, const char *key,
                          size_t wanted, error *err)
{
    const yaml_node *node = yaml_get(map, key);
    if (node && init != wanted)
        return yaml_key_error(node, err, E_FORMAT,
                              "\"%s\" goes with init: %s, not with init: %s", key,
                              init_names[wanted], init_names[init]);
    if (!node && init == wanted && wanted != PREFIX_INIT_TEXT)
        return yaml_key_error(map, err, E_FORMAT, "init: %s needs the key \"%s\"",
                              init_names[wanted], key);
    return 0;
}

static int read_init_text(const yaml_node *node, prefix_plan *p, error *err)
{
    if (!node)
        return 0;
    TRY(read_text(node, &p->text, err));
    if (!*p->text)
        return yaml_error(node, err, E_FORMAT,
                          "init_text is empty: there is nothing to begin as");
    return 0;
}

static int read_init_labels(const yaml_node *node, prefix_plan *p, error *err)
{
    if (!node)
        return 0;
    TRY(read_texts(node, "init_labels", &p->labels, &p->n_labels, err));
    for (size_t i = 0; i < p->n_labels; i++)
        if (!*p->labels[i])
            return yaml_error(node->items[i], err, E_FORMAT, "a label is empty");
    return p->n_labels ? 0 : yaml_error(node, err, E_FORMAT, "init_labels has no labels");
}

static int read_run(const experiment_reader *r, const yaml_node *node, error *err)
{
    char *path;
    if (!node)
        return 0;
    TRY(read_text(node, &path, err));
    int rc = path_join(r->folder, path, &r->e->prefix.run, err);
    free(path);
    return rc;
}

static int read_init(const experiment_reader *r, const yaml_node *map, error *err)
{
    prefix_plan *p = &r->e->prefix;
    size_t init = p->train.init;
    const yaml_node *node = yaml_get(map, "init");
    if (node)
        TRY(read_word(node, init_names, N_INITS, &init, err));
    if (!r->dump || init != INIT_RUN) /* a dump holds the text that the run gave */
        TRY(check_init_key(map, init, "init_text", PREFIX_INIT_TEXT, err));
    TRY(check_init_key(map, init, "init_labels", PREFIX_INIT_LABELS, err));
    TRY(check_init_key(map, init, "run", INIT_RUN, err));
    TRY(read_init_text(yaml_get(map, "init_text"), p, err));
    TRY(read_init_labels(yaml_get(map, "init_labels"), p, err));
    TRY(read_run(r, yaml_get(map, "run"), err));
    p->train.init = init == INIT_RUN ? PREFIX_INIT_TEXT : (prefix_init)init;
    return 0;
}

static int check_method(const yaml_node *map, const train_options *t, error *err)
{
    const yaml_node *node = yaml_get(map, "reparameterise");
    if (node && t->reparameterise && t->kind == PREFIX_EMBEDDINGS)
        return yaml_error(node, err, E_FORMAT,
                          "reparameterise is for method: prefix; the vectors of method: "
                          "prompt are learned as they are");
    return 0;
}

int experiment_read_prefix(experiment_reader *r, error *err)
{
    prefix_plan *p = &r->e->prefix;
    const yaml_node *map = yaml_get(r->root, "prefix");
    if (!map)
        return 0;
    TRY(expect_map(map, "prefix", err));
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "prefix", err));
    TRY(read_method(map, &p->train, err));
    TRY(settings_read(map, settings, N_SETTINGS, &p->train, err));
    const yaml_node *node = yaml_get(map, "schedule");
    size_t schedule = p->train.schedule;
    if (node)
        TRY(read_word(node, schedule_names, 2, &schedule, err));
    p->train.schedule = (rate_schedule)schedule;
    node = yaml_get(map, "lr");
    if (node)
        TRY(read_rate(node, &p->train.lr, err));
    TRY(read_init(r, map, err));
    TRY(check_method(map, &p->train, err));
    node = yaml_get(map, "template");
    if (!node)
        return 0;
    TRY(template_read(node, &p->rows, err));
    return template_check_bare(r->e, &p->rows, node, err);
}

/* ---- Dumping ---- */

static int put(json_t *map, const char *key, json_t *value, error *err)
{
    return json_object_set_new(map, key, value) == 0
               ? 0
               : error_memory(err, sizeof(json_t *));
}

static int dump_labels(json_t *map, const prefix_plan *p, error *err)
{
    json_t *list = json_array();
    TRY(put(map, "init_labels", list, err));
    for (size_t i = 0; i < p->n_labels; i++)
        if (json_array_append_new(list, json_string(p->labels[i])) != 0)
            return error_memory(err, sizeof(json_t *));
    return 0;
}

static int dump_init(json_t *map, const prefix_plan *p, error *err)
{
    TRY(put(map, "init", json_string(init_names[p->run ? INIT_RUN : p->train.init]),
            err));
    if (p->run)
        TRY(put(map, "run", json_string(p->run), err));
    if (p->text)
        TRY(put(map, "init_text", json_string(p->text), err));
    return p->n_labels ? dump_labels(map, p, err) : 0;
}

int experiment_dump_prefix(json_t *map, const prefix_plan *p, error *err)
{
    const train_options *t = &p->train;
    TRY(put(map, "method", json_string(prefix_kind_name(t->kind)), err));
    TRY(dump_init(map, p, err));
    if (p->rows.n_messages || p->rows.body.source)
        TRY(template_dump(map, &p->rows, err));
    TRY(put(map, "lr", t->lr > 0 ? json_real(t->lr) : json_string("auto"), err));
    TRY(put(map, "schedule", json_string(schedule_names[t->schedule]), err));
    return settings_dump(map, settings, N_SETTINGS, t, err);
}

/* The part of the fitness section that says how people are asked: `kind: human` and
 * `kind: mixed`. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

#define PEOPLE(key, type, member, low, high)                                             \
    {                                                                                    \
        key, type, offsetof(people_plan, member), low, high                              \
    }
static const setting settings[] = {
    PEOPLE("ties", SETTING_SWITCH, question.ties, 0, 0),
    PEOPLE("ratings", SETTING_SIZE, ratings, 1, 1000),
    PEOPLE("gold", SETTING_SIZE, gold, 0, 1000),
    PEOPLE("cents", SETTING_REAL, cents, 0, 1e6),
    PEOPLE("rating_seconds", SETTING_REAL, rating_seconds, 0, 1e6),
    PEOPLE("crowd_size", SETTING_SIZE, crowd_size, 1, 100000),
    PEOPLE("poll", SETTING_REAL, poll_seconds, 0, 86400),
};
static const setting mixed_settings[] = {
    PEOPLE("weight", SETTING_REAL, weight, 0, 1),
    PEOPLE("screen", SETTING_REAL, screen, 0, 1),
};
static const setting surrogate_settings[] = {
    PEOPLE("ratings", SETTING_SIZE, surrogate.first, 20, 1e6),
    PEOPLE("share", SETTING_REAL, surrogate.share, 0.01, 1),
    PEOPLE("uncertain", SETTING_REAL, surrogate.uncertain, 0, 1),
    PEOPLE("window", SETTING_SIZE, surrogate.guard.window, 10, 2000),
    PEOPLE("least", SETTING_SIZE, surrogate.guard.least, 10, 2000),
    PEOPLE("needed", SETTING_REAL, surrogate.guard.needed, 0, 1),
};
#define RULE(key, type, low, high)                                                       \
    {                                                                                    \
#key, type, offsetof(quality_rules, key), low, high                              \
    }
static const setting rule_settings[] = {
    RULE(gold_share, SETTING_REAL, 0, 1),       RULE(repeat_share, SETTING_REAL, 0, 1),
    RULE(min_seconds, SETTING_REAL, 0, 3600),   RULE(max_ratings, SETTING_SIZE, 0, 1e9),
    RULE(min_checks, SETTING_SIZE, 1, 1e6),     RULE(min_right, SETTING_REAL, 0, 1),
    RULE(lease_seconds, SETTING_WHOLE, 1, 1e7),
};
enum {
    N_SETTINGS = sizeof settings / sizeof *settings,
    N_MIXED = sizeof mixed_settings / sizeof *mixed_settings,
    N_SURROGATE = sizeof surrogate_settings / sizeof *surrogate_settings,
    N_RULES = sizeof rule_settings / sizeof *rule_settings,
};
static const char *const crowd_names[] = {"people", "simulated"};

void people_plan_free(people_plan *p)
{
    free(p->question.text);
    free(p->question.instructions);
    texts_free(p->question.labels, p->question.n_labels);
    template_free(&p->shown);
    *p = (people_plan){0};
}

bool experiment_asks_people(const experiment *e)
{
    return e->fitness.kind == FITNESS_HUMAN || e->fitness.kind == FITNESS_MIXED;
}

bool experiment_is_open(const experiment *e)
{
    return experiment_asks_people(e) || e->fitness.kind == FITNESS_REWARD;
}

int experiment_need_targets(const experiment *e, const char *why, error *err)
{
    for (size_t s = 0; s < N_SPLITS; s++)
        for (size_t i = 0; i < e->splits[s].n; i++) {
            const example *x = &e->data->examples[e->splits[s].index[i]];
            if (!x->n_targets)
                return error_set(err, E_UNSUPPORTED,
                                 "%s:%zu has no target: people may judge without one, "
                                 "but %s needs a right answer in every row",
                                 e->data->path, x->line, why);
        }
    if (!prompt_uses(&e->prompt, "target"))
        return error_set(err, E_UNSUPPORTED,
                         "the template has no {{target}}: people may judge without one, "
                         "but %s needs to know where the answer goes",
                         why);
    return 0;
}

int experiment_people_context(const experiment *e, size_t i, text *out, error *err)
{
    const dataset *d = e->data;
    binding *bindings = array_new(d->n_fields, sizeof *bindings);
    if (!bindings)
        return error_memory(err, d->n_fields * sizeof *bindings);
    for (size_t f = 0; f < d->n_fields; f++)
        bindings[f] = (binding){d->fields[f], d->examples[i].values[f]};
    int rc = template_render(&e->people.shown, bindings, d->n_fields, out, err);
    free(bindings);
    return rc;
}

/* ---- Reading ---- */

static int read_question(people_plan *p, const yaml_node *map, error *err)
{
    const yaml_node *node;
    question *q = &p->question;
    TRY(require_key(map, "question", "fitness with people", &node, err));
    TRY(read_text(node, &q->text, err));
    if (!q->text[strspn(q->text, " \t\r\n")])
        return yaml_error(node, err, E_FORMAT, "the question is empty");
    node = yaml_get(map, "instructions");
    if (node)
        return read_text(node, &q->instructions, err);
    q->instructions = string_copy("");
    return q->instructions ? 0 : error_memory(err, 1);
}

static int read_ask(people_plan *p, const yaml_node *map, error *err)
{
    const yaml_node *node = yaml_get(map, "ask");
    size_t choice = QUESTION_COMPARE;
    question *q = &p->question;
    if (node)
        TRY(read_word(node, question_names, N_QUESTION_KINDS, &choice, err));
    q->kind = (question_kind)choice;
    bool picks = q->kind == QUESTION_COMPARE || q->kind == QUESTION_BEST;
    node = yaml_get(map, "ties");
    q->ties = picks;
    if (node && !picks)
        return yaml_key_error(node, err, E_FORMAT,
                              "\"ties\" goes with ask: compare or best, not with ask: %s",
                              question_names[q->kind]);
    return 0;
}

static int read_scale(people_plan *p, const yaml_node *map, error *err)
{
    const yaml_node *list = yaml_get(map, "scale");
    question *q = &p->question;
    if (list && q->kind != QUESTION_SCALE)
        return yaml_key_error(list, err, E_FORMAT,
                              "\"scale\" goes with ask: scale, not with ask: %s",
                              question_names[q->kind]);
    if (!list && q->kind == QUESTION_SCALE)
        return yaml_key_error(map, err, E_FORMAT,
                              "ask: scale needs the key \"scale\": the labels, lowest "
                              "first, such as [bad, fair, good]");
    if (!list)
        return 0;
    TRY(read_texts(list, "scale", &q->labels, &q->n_labels, err));
    if (q->n_labels < 2 || q->n_labels > 11)
        return yaml_error(list, err, E_FORMAT,
                          "the scale has %zu labels; it must have 2 to 11", q->n_labels);
    return 0;
}

/* People see the row's fields, and nothing that a model wrote or a gene says. */
int experiment_read_shown(experiment_reader *r, const yaml_node *map, error *err)
{
    const yaml_node *node = yaml_get(map, "shown");
    template_text *t = &r->e->people.shown;
    if (!node)
        return template_parse(t, "{{input}}", err);
    TRY(template_parse_at(node, t, err));
    if (template_uses(t, "target"))
        return yaml_error(node, err, E_FORMAT,
                          "\"shown\" names {{target}}: people would be told an answer "
                          "that the model was not; use fields of the data");
    experiment bare = {.data = r->e->data};
    return template_check_variables(&bare, t, node, false, err);
}

static int read_rules(people_plan *p, const yaml_node *map, error *err)
{
    const yaml_node *node = yaml_get(map, "quality");
    const char *keys[N_RULES];
    p->rules = quality_defaults();
    /* A search brings outputs ever closer to each other, and about those an honest rater
     * contradicts himself: repeats would exclude whom gold would not. */
    p->rules.repeat_share = 0;
    if (!node)
        return 0;
    for (size_t i = 0; i < N_RULES; i++)
        keys[i] = rule_settings[i].key;
    TRY(expect_map(node, "quality", err));
    TRY(check_keys(node, keys, N_RULES, "quality", err));
    TRY(settings_read(node, rule_settings, N_RULES, &p->rules, err));
    if (p->rules.gold_share + p->rules.repeat_share < 1)
        return 0;
    return yaml_error(node, err, E_FORMAT,
                      "gold_share and repeat_share are %g together: nothing is left for "
                      "what is to be judged",
                      p->rules.gold_share + p->rules.repeat_share);
}

static int read_mixed(experiment *e, const yaml_node *map, error *err)
{
    people_plan *p = &e->people;
    const yaml_node *node = yaml_get(map, "model");
    size_t choice = FITNESS_LOGPROB;
    if (node)
        TRY(read_word(node, fitness_names, FITNESS_HUMAN, &choice, err));
    p->model = (fitness_kind)choice;
    p->weight = 0.5;
    if (yaml_get(map, "weight") && yaml_get(map, "screen"))
        return yaml_key_error(yaml_get(map, "weight"), err, E_FORMAT,
                              "fitness has both \"weight\" and \"screen\": the model's "
                              "score either counts or decides who is shown; give one");
    TRY(settings_read(map, mixed_settings, N_MIXED, p, err));
    TRY(experiment_read_labels(e, map, p->model, err));
    if (experiment_need_targets(e, "the model's part of a mixed fitness", err) < 0)
        return yaml_error_at(map, err);
    return 0;
}

/* What it learns from, and who else chooses. */
static int check_surrogate(const people_plan *p, const yaml_node *node, error *err)
{
    if (p->screen > 0)
        return yaml_key_error(node, err, E_FORMAT,
                              "fitness has both \"surrogate\" and \"screen\": either "
                              "decides who is shown to people; give one");
    if (p->surrogate.guard.window < p->surrogate.guard.least)
        return yaml_error(
            node, err, E_FORMAT,
            "the surrogate's guard decides on %zu ratings at the least, and "
            "its window holds %zu: make \"window\" larger or \"least\" "
            "smaller",
            p->surrogate.guard.least, p->surrogate.guard.window);
    return 0;
}

/* on, off, or its numbers, which turn it on. */
static int read_surrogate(people_plan *p, const yaml_node *map, error *err)
{
    const yaml_node *node = yaml_get(map, "surrogate");
    const char *keys[N_SURROGATE];
    surrogate_plan *s = &p->surrogate;
    *s = (surrogate_plan){
        .first = 100, .share = 0.5, .uncertain = 0.25, .guard = guard_defaults()};
    if (!node)
        return 0;
    if (node->kind != YAML_MAP) {
        TRY(read_switch(node, &s->on, err));
        return s->on ? check_surrogate(p, node, err) : 0;
    }
    for (size_t i = 0; i < N_SURROGATE; i++)
        keys[i] = surrogate_settings[i].key;
    TRY(check_keys(node, keys, N_SURROGATE, "surrogate", err));
    TRY(settings_read(node, surrogate_settings, N_SURROGATE, p, err));
    s->on = true;
    return check_surrogate(p, node, err);
}

static int check_people_keys(const yaml_node *map, bool mixed, error *err)
{
    static const char *const keys[] = {"kind",          "ask",
                                       "question",      "instructions",
                                       "ties",          "scale",
                                       "shown",         "ratings",
                                       "cents",         "rating_seconds",
                                       "poll",          "crowd",
                                       "crowd_size",    "taste",
                                       "gold",          "quality",
                                       "max_tokens",    "stop",
                                       "temperature",   "top_k",
                                       "top_p",         "repetition_penalty",
                                       "sampling_seed", "length_weight",
                                       "surrogate",     "model",
                                       "weight",        "screen",
                                       "labels",        "per_token",
                                       "calibrate"};
    enum { N_KEYS = sizeof keys / sizeof *keys, N_MIXED_ONLY = 6 };
    return check_keys(map, keys, mixed ? N_KEYS : N_KEYS - N_MIXED_ONLY,
                      mixed ? "a mixed fitness" : "a human fitness", err);
}

int experiment_read_people(experiment_reader *r, const yaml_node *map, error *err)
{
    experiment *e = r->e;
    people_plan *p = &e->people;
    bool mixed = e->fitness.kind == FITNESS_MIXED;
    size_t who = 0, liked = TASTE_PROSE;
    p->ratings = 3;
    p->gold = 12; /* more than the rules want before they judge a rater */
    p->rating_seconds = 10;
    p->crowd_size = 20;
    TRY(check_people_keys(map, mixed, err));
    TRY(read_question(p, map, err));
    TRY(read_ask(p, map, err));
    TRY(settings_read(map, settings, N_SETTINGS, p, err));
    TRY(read_scale(p, map, err));
    TRY(experiment_read_shown(r, map, err));
    TRY(read_rules(p, map, err));
    const yaml_node *node = yaml_get(map, "crowd");
    if (node)
        TRY(read_word(node, crowd_names, 2, &who, err));
    p->simulated = who == 1;
    node = yaml_get(map, "taste");
    if (node)
        TRY(read_word(node, taste_names, N_TASTES, &liked, err));
    p->taste = (taste)liked;
    if (mixed)
        TRY(read_mixed(e, map, err));
    return read_surrogate(p, map, err);
}

/* ---- What does not go with people ---- */

/* Demonstrations that show an answer need one in every row that they may show. */
static int check_demos(const experiment *e, error *err)
{
    const split *pool = &e->splits[SPLIT_SEARCH];
    for (size_t g = 0; g < e->spec.n_genes; g++) {
        if (!template_uses(&e->demos[g].each, "target"))
            continue;
        for (size_t i = 0; i < pool->n; i++) {
            const example *x = &e->data->examples[pool->index[i]];
            if (!x->n_targets)
                return error_set(err, E_FORMAT,
                                 "the demonstrations \"%s\" show {{target}}, but %s:%zu "
                                 "has none",
                                 e->spec.genes[g].name, e->data->path, x->line);
        }
    }
    return 0;
}

static int check_people(const experiment_reader *r, error *err)
{
    const experiment *e = r->e;
    const yaml_node *map = yaml_get(r->root, "fitness");
    if (e->budget.seconds > 0)
        return yaml_error(yaml_get(r->root, "budget"), err, E_FORMAT,
                          "a run that waits for people cannot be held to seconds: limit "
                          "its tokens or evaluations");
    if (experiment_soft_gene(e) < e->spec.n_genes)
        return yaml_error(map, err, E_UNSUPPORTED,
                          "soft prompts cannot be judged by people yet: candidates of a "
                          "step are not generated together");
    return 0;
}

int experiment_check_open(const experiment_reader *r, error *err)
{
    const experiment *e = r->e;
    if (!experiment_is_open(e))
        return 0;
    if (experiment_asks_people(e))
        TRY(check_people(r, err));
    const proposal_options *p = &e->proposals;
    if ((p->swaps || p->nearest || p->projected) && p->gradient_rows)
        TRY(experiment_need_targets(e, "a gradient (search.hybrid)", err));
    return check_demos(e, err);
}

/* ---- Dumping ---- */

static int put(json_t *map, const char *key, json_t *value, error *err)
{
    return json_object_set_new(map, key, value) == 0
               ? 0
               : error_memory(err, sizeof(json_t *));
}

static int dump_question(json_t *map, const people_plan *p, error *err)
{
    const question *q = &p->question;
    TRY(put(map, "ask", json_string(question_names[q->kind]), err));
    TRY(put(map, "question", json_string(q->text), err));
    TRY(put(map, "instructions", json_string(q->instructions), err));
    TRY(put(map, "shown", json_string(p->shown.source), err));
    if (q->kind == QUESTION_SCALE)
        TRY(json_put_texts(map, "scale", q->labels, q->n_labels, err));
    TRY(settings_dump(map, settings, N_SETTINGS, p, err));
    if (q->kind == QUESTION_SCALE || q->kind == QUESTION_ACCEPT)
        json_object_del(map, "ties");
    return 0;
}

static int dump_surrogate(json_t *map, const people_plan *p, error *err)
{
    if (!p->surrogate.on)
        return put(map, "surrogate", json_false(), err);
    json_t *numbers = json_object();
    TRY(put(map, "surrogate", numbers, err));
    return settings_dump(numbers, surrogate_settings, N_SURROGATE, p, err);
}

static int dump_mixed(json_t *map, const experiment *e, error *err)
{
    const people_plan *p = &e->people;
    TRY(put(map, "model", json_string(fitness_names[p->model]), err));
    if (p->screen > 0)
        TRY(put(map, "screen", json_real(p->screen), err));
    else
        TRY(put(map, "weight", json_real(p->weight), err));
    return json_put_texts(map, "labels", e->fitness.labels, e->fitness.n_labels, err);
}

int experiment_dump_people(json_t *map, const experiment *e, error *err)
{
    const people_plan *p = &e->people;
    json_t *rules = json_object();
    TRY(put(map, "quality", rules, err));
    TRY(settings_dump(rules, rule_settings, N_RULES, &p->rules, err));
    TRY(put(map, "crowd", json_string(crowd_names[p->simulated]), err));
    TRY(put(map, "taste", json_string(taste_names[p->taste]), err));
    TRY(dump_question(map, p, err));
    TRY(dump_surrogate(map, p, err));
    json_object_del(map, "fluency_weight");
    if (e->fitness.kind == FITNESS_MIXED)
        return dump_mixed(map, e, err);
    json_object_del(map, "per_token"); /* of the model's score alone */
    json_object_del(map, "calibrate");
    return 0;
}

/* The template section of an experiment, and whether templates and genes fit together. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

/* ---- Template ---- */

int template_parse_at(const yaml_node *node, template_text *out, error *err)
{
    char *source;
    TRY(read_text(node, &source, err));
    int rc = template_parse(out, source, err);
    if (rc == E_FORMAT)
        yaml_error_at(node, err);
    free(source);
    return rc;
}

static int read_message(const yaml_node *node, template_message *out, error *err)
{
    static const char *const keys[] = {"role", "content"};
    static const char *const roles[] = {"system", "user", "assistant"};
    const yaml_node *role, *content;
    size_t choice;
    TRY(expect_map(node, "a message", err));
    TRY(check_keys(node, keys, 2, "a message", err));
    TRY(require_key(node, "role", "a message", &role, err));
    TRY(require_key(node, "content", "a message", &content, err));
    TRY(read_word(role, roles, 3, &choice, err));
    TRY(read_text(role, &out->role, err));
    return template_parse_at(content, &out->content, err);
}

static int read_messages(const yaml_node *list, prompt_template *t, error *err)
{
    if (!list->n)
        return yaml_error(list, err, E_FORMAT, "the template has no messages");
    t->messages = array_new(list->n, sizeof *t->messages);
    if (!t->messages)
        return error_memory(err, list->n * sizeof *t->messages);
    t->n_messages = list->n;
    for (size_t i = 0; i < list->n; i++)
        TRY(read_message(list->items[i], &t->messages[i], err));
    return 0;
}

typedef int shape_check(const prompt_template *t, error *err);

static int read_shaped(const yaml_node *node, shape_check *check, prompt_template *out,
                       error *err)
{
    prompt_template t = {0};
    int rc = node->kind == YAML_LIST ? read_messages(node, &t, err)
                                     : template_parse_at(node, &t.body, err);
    if (rc == 0 && (rc = check(&t, err)) < 0)
        yaml_error_at(node, err);
    if (rc < 0)
        prompt_template_free(&t);
    else
        *out = t;
    return rc;
}

int template_read(const yaml_node *node, prompt_template *out, error *err)
{
    return read_shaped(node, prompt_check, out, err);
}

int experiment_read_template(experiment_reader *r, error *err)
{
    const yaml_node *node;
    TRY(require_key(r->root, "template", "the experiment", &node, err));
    bool open = experiment_is_open(r->e);
    return read_shaped(node, open ? prompt_check_open : prompt_check, &r->e->prompt, err);
}

/* ---- Variables ---- */

static const gene_spec *find_gene(const experiment *e, const char *name)
{
    for (size_t i = 0; i < e->spec.n_genes; i++)
        if (strcmp(e->genes[i].name, name) == 0)
            return &e->genes[i];
    return NULL;
}

/* Fill `names` with what a template may say: fields, target, genes (in a demonstration:
 * only those that are one short value). */
static size_t variable_names(const experiment *e, bool in_demos, const char **names)
{
    size_t n = 0;
    for (size_t f = 0; f < e->data->n_fields; f++)
        names[n++] = e->data->fields[f];
    names[n++] = "target";
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        gene_kind kind = e->genes[i].kind;
        if (kind == GENE_VECTOR)
            continue; /* stands before the template, not in it */
        if (!in_demos || kind == GENE_CHOICE || kind == GENE_NUMBER)
            names[n++] = e->genes[i].name;
    }
    return n;
}

static int unknown_variable(const yaml_node *at, const char *name,
                            const char *const *names, size_t n, error *err)
{
    const char *near = nearest_name(name, names, n);
    text known = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = text_add_format(&known, err, "%s{{%s}}", i ? ", " : "", names[i]);
    if (rc == 0 && near)
        rc = yaml_error(at, err, E_FORMAT,
                        "{{%.60s}} is neither a gene nor a field of the data; did you "
                        "mean {{%.60s}}?",
                        name, near);
    else if (rc == 0)
        rc = yaml_error(at, err, E_FORMAT,
                        "{{%.60s}} is neither a gene nor a field of the data; there are "
                        "%.400s",
                        name, text_string(&known));
    text_free(&known);
    return rc;
}

int template_check_variables(const experiment *e, const template_text *t,
                             const yaml_node *at, bool in_demos, error *err)
{
    const char **names =
        array_new(e->data->n_fields + 1 + e->spec.n_genes, sizeof *names);
    if (!names)
        return error_memory(err, e->data->n_fields * sizeof *names);
    size_t n = variable_names(e, in_demos, names);
    int rc = 0;
    for (size_t i = 0; i < t->n && rc == 0; i++) {
        const char *name = t->pieces[i].variable;
        size_t k = 0;
        while (name && k < n && strcmp(names[k], name) != 0)
            k++;
        if (!name || k < n)
            continue;
        if (in_demos && find_gene(e, name))
            rc = yaml_error(at, err, E_FORMAT,
                            "{{%.60s}} cannot stand in a demonstration: only fields, "
                            "{{target}}, and choice and number genes can",
                            name);
        else
            rc = unknown_variable(at, name, names, n, err);
    }
    free(names);
    return rc;
}

static size_t gene_uses(const experiment *e, const char *name)
{
    size_t uses = prompt_uses(&e->prompt, name);
    for (size_t i = 0; i < e->spec.n_genes; i++)
        uses += template_uses(&e->demos[i].each, name);
    return uses;
}

int experiment_check_variables(const experiment_reader *r, error *err)
{
    const experiment *e = r->e;
    const yaml_node *template = yaml_get(r->root, "template");
    const yaml_node *genes = yaml_get(r->root, "genes");
    if (e->prompt.n_messages == 0)
        TRY(template_check_variables(e, &e->prompt.body, template, false, err));
    for (size_t i = 0; i < e->prompt.n_messages; i++)
        TRY(template_check_variables(e, &e->prompt.messages[i].content,
                                     yaml_get(template->items[i], "content"), false,
                                     err));
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        const yaml_node *node = genes->items[i];
        TRY(template_check_variables(e, &e->demos[i].each, yaml_get(node, "each"), true,
                                     err));
        if (e->genes[i].kind != GENE_VECTOR && !gene_uses(e, e->genes[i].name))
            return yaml_key_error(node, err, E_FORMAT,
                                  "the gene \"%s\" is not in the template: write {{%s}} "
                                  "where its value goes, or remove it",
                                  e->genes[i].name, e->genes[i].name);
    }
    return 0;
}

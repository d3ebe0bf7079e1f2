/* Messages and promptfoo. */
#include "export.h"

#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

/* ---- Messages ---- */

/* The text of one part with the genes filled in, cut before {{target}} and the white
 * space in front of it. */
static int part_text(const experiment *e, const genome *g, const template_text *part,
                     text *out, error *err)
{
    experiment alone = *e;
    alone.prompt = (prompt_template){.body = *part};
    TRY(experiment_prompt_text(&alone, g, out, err));
    char *target = NULL;
    for (char *s = out->s; s && (s = strstr(s, "{{target}}")); s++)
        target = s;
    if (!target)
        return 0;
    out->n = (size_t)(target - out->s);
    while (out->n && strchr(" \n\t\r", out->s[out->n - 1]))
        out->n--;
    out->s[out->n] = '\0';
    return 0;
}

static int append_message(json_t *list, const experiment *e, const genome *g,
                          const char *role, const template_text *part, error *err)
{
    text content = {0};
    int rc = part_text(e, g, part, &content, err);
    bool empty = rc == 0 && content.n == 0;
    if (rc == 0 && !empty &&
        json_array_append_new(list, json_pack("{s:s, s:s%}", "role", role, "content",
                                              text_string(&content), content.n)) < 0)
        rc = error_memory(err, content.n);
    text_free(&content);
    return rc;
}

int export_messages(const experiment *e, const genome *g, json_t **out, error *err)
{
    const prompt_template *t = &e->prompt;
    json_t *list = json_array();
    int rc = list ? 0 : error_memory(err, sizeof *t);
    if (rc == 0 && t->n_messages == 0)
        rc = append_message(list, e, g, "user", &t->body, err);
    for (size_t i = 0; rc == 0 && i < t->n_messages; i++)
        rc =
            append_message(list, e, g, t->messages[i].role, &t->messages[i].content, err);
    if (rc < 0)
        json_decref(list);
    else
        *out = list;
    return rc;
}

/* ---- promptfoo ---- */

/* Any of the right answers will do. */
static json_t *assertion(const example *x)
{
    if (x->n_targets == 1)
        return json_pack("[{s:s, s:s}]", "type", "equals", "value", x->targets[0]);
    json_t *any = json_array();
    for (size_t i = 0; any && i < x->n_targets; i++)
        if (json_array_append_new(any, json_string(x->targets[i])) < 0) {
            json_decref(any);
            any = NULL;
        }
    return json_pack("[{s:s, s:o}]", "type", "contains-any", "value", any);
}

static json_t *test_of(const dataset *d, const example *x)
{
    json_t *vars = json_object();
    for (size_t i = 0; vars && i < d->n_fields; i++)
        if (json_object_set_new(vars, d->fields[i], json_string(x->values[i])) < 0) {
            json_decref(vars);
            vars = NULL;
        }
    if (!x->n_targets) /* of an experiment that people judge: nothing is right */
        return json_pack("{s:o}", "vars", vars);
    return json_pack("{s:o, s:o}", "vars", vars, "assert", assertion(x));
}

static json_t *tests_of(const experiment *e)
{
    const split *s = &e->splits[SPLIT_FINAL];
    json_t *tests = json_array();
    for (size_t i = 0; tests && i < s->n; i++)
        if (json_array_append_new(
                tests, test_of(e->data, &e->data->examples[s->index[i]])) < 0) {
            json_decref(tests);
            tests = NULL;
        }
    return tests;
}

/* What promptfoo reads as one prompt: plain text, or a chat as the JSON text of its
 * messages. */
static int prompt_entry(const experiment *e, const genome *g, json_t **out, error *err)
{
    json_t *messages = NULL;
    TRY(export_messages(e, g, &messages, err));
    if (e->prompt.n_messages == 0 && json_array_size(messages) == 1) {
        *out = json_incref(json_object_get(json_array_get(messages, 0), "content"));
    } else {
        char *chat = json_dumps(messages, JSON_INDENT(2));
        *out = chat ? json_string(chat) : NULL;
        free(chat);
    }
    json_decref(messages);
    return *out ? 0
                : error_set(err, E_MEMORY, "out of memory while a prompt was exported");
}

/* JSON is YAML already; people edit this file, so it is laid out as YAML. */
static int to_yaml(const json_t *value, text *out, error *err)
{
    char *json = json_dumps(value, 0);
    if (!json)
        return error_set(err, E_MEMORY, "out of memory while a prompt was exported");
    struct fy_document *document =
        fy_document_build_from_string(NULL, json, strlen(json));
    char *yaml = document ? fy_emit_document_to_string(document, FYECF_MODE_BLOCK |
                                                                     FYECF_WIDTH_INF |
                                                                     FYECF_INDENT_DEFAULT)
                          : NULL;
    int rc =
        yaml ? text_add_string(out, yaml, err)
             : error_set(err, E_EXTERNAL, "libfyaml cannot lay out the configuration");
    free(yaml);
    fy_document_destroy(document);
    free(json);
    return rc;
}

int export_promptfoo(const experiment *e, const genome *g, text *out, error *err)
{
    json_t *prompt = NULL;
    TRY(prompt_entry(e, g, &prompt, err));
    json_t *all =
        json_pack("{s:s, s:[o], s:[s], s:{s:{s:s}}, s:o}", "description", e->name,
                  "prompts", prompt, "providers", "openai:chat:YOUR-MODEL", "defaultTest",
                  "options", "transform", "output.trim()", "tests", tests_of(e));
    int rc = all ? to_yaml(all, out, err)
                 : error_set(err, E_MEMORY, "out of memory while a prompt was exported");
    json_decref(all);
    return rc;
}

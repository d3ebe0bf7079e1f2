/* Benchmark rows from JSON. */
#include "bench_workload.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A task like those of a search: prompts that differ in a word, short inputs. */
static const char built_in[] =
    "{\"template\": \"{prompt}\\n\\nInput: {input}\\nOutput: {target}\","
    "\"prompts\": ["
    "\"Read the note below and name the one thing that the guest was unhappy about.\","
    "\"Read the note below and name the thing that the guest was unhappy about.\","
    "\"Read this note and name the one thing that the guest was unhappy about.\","
    "\"Read the note below and say the one thing that the guest was unhappy about.\","
    "\"Read the note below and name the one thing that a guest was unhappy about.\","
    "\"Read the note below and name the one thing that the guest disliked.\","
    "\"Name the one thing that the guest was unhappy about in the note below.\","
    "\"Read the note below and name what the guest was unhappy about.\"],"
    "\"examples\": ["
    "{\"input\": \"The rooms were bright, but the lift was broken all week.\", "
    "\"target\": "
    "\"the broken lift\"},"
    "{\"input\": \"Lovely staff and a fine garden; only the coffee was cold.\", "
    "\"target\": "
    "\"the cold coffee\"},"
    "{\"input\": \"We slept well in spite of the thin blankets.\", \"target\": "
    "\"the thin blankets\"},"
    "{\"input\": \"A quiet street, a loud bar below, a good bed.\", \"target\": "
    "\"the loud bar\"},"
    "{\"input\": \"Everything was clean except for the dusty shelves.\", \"target\": "
    "\"the dusty shelves\"},"
    "{\"input\": \"The long queue at breakfast spoiled an otherwise fine stay.\", "
    "\"target\": \"the long queue\"},"
    "{\"input\": \"Near the station, friendly, but the parking was expensive.\", "
    "\"target\": \"the expensive parking\"},"
    "{\"input\": \"The view is splendid and the shower door does not close.\", "
    "\"target\": "
    "\"the shower door\"}]}";

/* `template` with {name} replaced by value, once. */
static int fill(text *t, const char *name, const char *value, error *err)
{
    char *at = t->s ? strstr(t->s, name) : NULL;
    if (!at)
        return error_set(err, E_FORMAT, "the workload's template has no %s", name);
    text filled = {0};
    int rc = text_add(&filled, t->s, (size_t)(at - t->s), err);
    if (rc == 0)
        rc = text_add_string(&filled, value, err);
    if (rc == 0)
        rc = text_add_string(&filled, at + strlen(name), err);
    if (rc < 0) {
        text_free(&filled);
        return rc;
    }
    text_free(t);
    *t = filled;
    return 0;
}

static int add_row(workload *w, const char *template_source, const char *prompt,
                   const json_t *example, const tokenizer *t, error *err)
{
    const char *input = json_string_value(json_object_get(example, "input"));
    const char *target = json_string_value(json_object_get(example, "target"));
    if (!prompt || !input || !target)
        return error_set(err, E_FORMAT,
                         "the workload has a prompt, \"input\" or \"target\" that is no "
                         "text");
    text x = {0};
    row r = {0};
    int rc = text_add_string(&x, template_source, err);
    if (rc == 0)
        rc = fill(&x, "{prompt}", prompt, err);
    if (rc == 0)
        rc = fill(&x, "{input}", input, err);
    const char *at = rc == 0 ? strstr(x.s, "{target}") : NULL;
    if (rc == 0 && !at)
        rc = error_set(err, E_FORMAT, "the workload's template has no {target}");
    if (rc == 0) {
        size_t n = strlen(target);
        rc = row_encode(&r, t,
                        &(row_text){.context = x.s,
                                    .n_context = (size_t)(at - x.s),
                                    .tail = target,
                                    .n_tail = n,
                                    .n_target = n},
                        err);
    }
    text_free(&x);
    return rc == 0 ? row_list_add(&w->rows, r, err) : rc;
}

static int add_rows(workload *w, const json_t *file, const tokenizer *t, error *err)
{
    const char *source = json_string_value(json_object_get(file, "template"));
    const json_t *prompts = json_object_get(file, "prompts");
    const json_t *examples = json_object_get(file, "examples");
    if (!source || !w->n_prompts || !w->n_examples)
        return error_set(err, E_FORMAT,
                         "a workload wants \"template\", \"prompts\" and \"examples\"");
    for (size_t p = 0; p < w->n_prompts; p++)
        for (size_t e = 0; e < w->n_examples; e++)
            TRY(add_row(w, source, json_string_value(json_array_get(prompts, p)),
                        json_array_get(examples, e), t, err));
    return 0;
}

static int load(const char *path, json_t **out, error *err)
{
    json_error_t problem;
    *out = path ? json_load_file(path, 0, &problem) : json_loads(built_in, 0, &problem);
    if (!*out)
        return error_set(err, E_FORMAT, "%s:%d: %s", path ? path : "workload",
                         problem.line, problem.text);
    return 0;
}

static int read_reference(workload *w, const char *path, error *err)
{
    json_t *file;
    TRY(load(path, &file, err));
    const json_t *table = json_object_get(file, "loglik");
    int rc = 0;
    w->reference = array_new(w->rows.n, sizeof *w->reference);
    if (!w->reference)
        rc = error_memory(err, w->rows.n * sizeof *w->reference);
    for (size_t i = 0; rc == 0 && i < w->rows.n; i++) {
        const json_t *value =
            json_array_get(json_array_get(table, i / w->n_examples), i % w->n_examples);
        w->reference[i] = json_number_value(value);
        if (!json_is_number(value))
            rc = error_set(err, E_FORMAT, "%s: no \"loglik\" for prompt %zu, example %zu",
                           path, i / w->n_examples, i % w->n_examples);
    }
    json_decref(file);
    return rc;
}

static size_t at_most(size_t n, size_t most)
{
    return most && most < n ? most : n;
}

int workload_open(workload *out, const char *path, const char *reference,
                  size_t most_prompts, size_t most_examples, const tokenizer *t,
                  error *err)
{
    workload w = {0};
    json_t *file;
    TRY(load(path, &file, err));
    w.n_prompts =
        at_most(json_array_size(json_object_get(file, "prompts")), most_prompts);
    w.n_examples =
        at_most(json_array_size(json_object_get(file, "examples")), most_examples);
    int rc = add_rows(&w, file, t, err);
    json_decref(file);
    if (rc == 0 && reference)
        rc = read_reference(&w, reference, err);
    if (rc < 0)
        workload_close(&w);
    else
        *out = w;
    return rc;
}

void workload_close(workload *w)
{
    row_list_free(&w->rows);
    free(w->reference);
    *w = (workload){0};
}

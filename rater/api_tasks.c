/* POST /api/v1/tasks: a question, outputs and a task, put in one transaction. */
#include "api_json.h"
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MOST = 11, WANTED_MOST = 1000000 };

/* What a body asks for; ids as they come to be. */
typedef struct new_task {
    question_kind kind;
    char question[SHA256_HEX];
    char output[MAX_OUTPUTS][SHA256_HEX];
    size_t n_outputs;
    char gold[SHA256_HEX]; /* "": none */
} new_task;

static int get_kind(const json_t *object, question_kind *out, error *err)
{
    const char *name = NULL;
    TRY(api_get_text(object, "kind", &name, err));
    for (size_t i = 0; name && i < N_QUESTION_KINDS; i++)
        if (strcmp(question_names[i], name) == 0) {
            *out = (question_kind)i;
            return 0;
        }
    return error_set(err, E_FORMAT, "'kind' must be compare, best, scale or accept");
}

/* Labels, borrowed from the JSON. */
static int get_labels(const json_t *object, char *labels[LABELS_MOST], size_t *n,
                      error *err)
{
    const json_t *list = json_object_get(object, "labels");
    *n = 0;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list) || json_array_size(list) > LABELS_MOST)
        return error_set(err, E_FORMAT, "'labels' must be a list of at most %d strings",
                         LABELS_MOST);
    for (; *n < json_array_size(list); ++*n) {
        const char *s = json_string_value(json_array_get(list, *n));
        if (!s)
            return error_set(err, E_FORMAT, "'labels' must be a list of strings");
        labels[*n] = (char *)(uintptr_t)s;
    }
    return 0;
}

static int put_question(crowd *c, const json_t *object, char id[SHA256_HEX], error *err)
{
    static const char *const known[] = {"kind",         "ties",   "text",
                                        "instructions", "labels", NULL};
    char *labels[LABELS_MOST];
    const char *asked = NULL, *instructions = "";
    question q = {.labels = labels};
    TRY(api_known(object, known, err));
    TRY(get_kind(object, &q.kind, err));
    TRY(get_labels(object, labels, &q.n_labels, err));
    TRY(api_get_bool(object, "ties", &q.ties, err));
    TRY(api_get_text(object, "instructions", &instructions, err));
    int rc = api_get_text(object, "text", &asked, err);
    if (rc <= 0)
        return rc < 0 ? rc : error_set(err, E_FORMAT, "the question's 'text' is missing");
    q.text = (char *)(uintptr_t)asked;
    q.instructions = (char *)(uintptr_t)instructions;
    return crowd_put_question(c, &q, id, err);
}

/* Putting it again is putting it once: so a question is always told whole. */
static int take_question(crowd *c, const json_t *body, new_task *t, error *err)
{
    const json_t *told = json_object_get(body, "question");
    if (!json_is_object(told))
        return error_set(err, E_FORMAT, "'question' must be an object");
    TRY(get_kind(told, &t->kind, err));
    return put_question(c, told, t->question, err);
}

static int put_outputs(crowd *c, const json_t *body, new_task *t, error *err)
{
    const json_t *outputs = json_object_get(body, "outputs");
    const char *context = "";
    TRY(api_get_text(body, "context", &context, err));
    size_t wanted = question_outputs(t->kind);
    if (!json_is_array(outputs) || json_array_size(outputs) != wanted)
        return error_set(err, E_FORMAT, "'outputs' must be a list of %zu string%s here",
                         wanted, wanted == 1 ? "" : "s");
    for (; t->n_outputs < json_array_size(outputs); t->n_outputs++) {
        const char *s = json_string_value(json_array_get(outputs, t->n_outputs));
        if (!s)
            return error_set(err, E_FORMAT, "'outputs' must be a list of strings");
        TRY(crowd_put_output(c, context, s, t->output[t->n_outputs], err));
    }
    return 0;
}

/* The right answer, by its place in `outputs` where there are several. */
static int take_gold(const json_t *body, new_task *t, error *err)
{
    int gold;
    int rc = api_get_answer(body, "gold", &gold, err);
    if (rc <= 0)
        return rc;
    if (t->n_outputs > 1 && (gold < 0 || (size_t)gold >= t->n_outputs))
        return error_set(err, E_FORMAT, "'gold' must be the place of an output, from 0");
    if (t->n_outputs > 1)
        memcpy(t->gold, t->output[gold], SHA256_HEX);
    else
        snprintf(t->gold, sizeof t->gold, "%d", gold);
    return 0;
}

static int put_task(crowd *c, const json_t *body, new_task *t, char id[SHA256_HEX],
                    error *err)
{
    const char *outputs[MAX_OUTPUTS];
    int64_t wanted = 1;
    task_request task = {.question = t->question, .outputs = outputs};
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        outputs[i] = t->output[i];
    TRY(api_get_whole(body, "wanted", 1, WANTED_MOST, &wanted, err));
    TRY(api_get_real(body, "priority", &task.priority, err));
    TRY(api_get_bool(body, "practice", &task.practice, err));
    task.wanted = (size_t)wanted;
    task.gold = t->gold[0] ? t->gold : NULL;
    return crowd_put_task(c, &task, id, err);
}

static int put_all(crowd *c, const json_t *body, response *r, error *err)
{
    new_task t = {0};
    char id[SHA256_HEX];
    TRY(take_question(c, body, &t, err));
    TRY(put_outputs(c, body, &t, err));
    TRY(take_gold(body, &t, err));
    TRY(put_task(c, body, &t, id, err));
    json_t *outputs = json_array();
    for (size_t i = 0; i < t.n_outputs && outputs; i++)
        if (json_array_append_new(outputs, json_string(t.output[i])) < 0) {
            json_decref(outputs);
            outputs = NULL;
        }
    r->status = 201;
    r->type = "application/json";
    return api_print(&r->body,
                     json_pack("{s:s, s:s, s:o}", "task", id, "question", t.question,
                               "outputs", outputs),
                     err);
}

int api_post_tasks(const site *s, crowd *c, const request *q, response *r, error *err)
{
    static const char *const known[] = {"question", "context", "outputs",  "wanted",
                                        "priority", "gold",    "practice", NULL};
    (void)s;
    json_t *body = NULL;
    if (!request_has_type(q, "application/json"))
        return error_set(err, E_UNSUPPORTED, "the body must be application/json");
    TRY(api_parse(&body, text_string(&q->body), q->body.n, err));
    int rc = api_known(body, known, err);
    if (rc == 0)
        rc = put_all(c, body, r, err);
    json_decref(body);
    return rc;
}

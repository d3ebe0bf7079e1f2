#include "api_json.h"
#include "http.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Out ---- */

int api_print(text *out, json_t *value, error *err)
{
    char *s = value ? json_dumps(value,
                                 JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))
                    : NULL;
    json_decref(value);
    if (!s)
        return error_set(err, E_MEMORY, "out of memory while JSON was put together");
    int rc = text_add_string(out, s, err);
    free(s);
    return rc == 0 ? text_add(out, "\n", 1, err) : rc;
}

/* Of any bytes: JSON takes only well-formed UTF-8. NULL gives null. */
static json_t *any_text(const char *s)
{
    text clean = {0};
    if (!s)
        return json_null();
    int rc = utf8_mend(&clean, s, strlen(s), NULL);
    json_t *value = rc == 0 ? json_string(text_string(&clean)) : NULL;
    text_free(&clean);
    return value;
}

json_t *api_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

int api_problem(text *out, int status, const char *detail, error *err)
{
    return api_print(out,
                     json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title",
                               http_reason(status), "status", status, "detail",
                               any_text(detail)),
                     err);
}

/* NULL when any of them could not be made. */
static json_t *text_list(char *const *s, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        if (json_array_append_new(list, any_text(s[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *answer_value(int answer)
{
    return answer == ANSWER_TIE ? json_string("tie") : json_integer(answer);
}

json_t *api_assignment(const assignment *a)
{
    const question *q = &a->question;
    return json_pack(
        "{s:s, s:s, s:I, s:{s:s, s:b, s:o, s:o, s:o}, s:o, s:o, s:b, s:b, s:o, s:I, s:I, "
        "s:b}",
        "assignment", a->token, "task", a->task, "rater", (json_int_t)a->rater,
        "question", "kind", question_names[q->kind], "ties", q->ties, "text",
        any_text(q->text), "instructions", any_text(q->instructions), "labels",
        text_list(q->labels, q->kind == QUESTION_SCALE ? q->n_labels : 0), "context",
        any_text(a->context), "outputs", text_list(a->shown, a->n_shown), "repeat",
        a->repeat, "answered", a->answered, "answer",
        a->answered ? answer_value(a->answer) : json_null(), "done",
        (json_int_t)a->n_done, "left", (json_int_t)a->n_left, "can_undo", a->can_undo);
}

json_t *api_counts(const crowd_counts *n)
{
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
                     "open", n->open, "tasks", (json_int_t)n->tasks, "open_tasks",
                     (json_int_t)n->open_tasks, "wanted", (json_int_t)n->wanted,
                     "ratings", (json_int_t)n->ratings, "counted", (json_int_t)n->counted,
                     "withdrawn", (json_int_t)n->withdrawn, "late", (json_int_t)n->late,
                     "simulated", (json_int_t)n->simulated, "raters",
                     (json_int_t)n->raters, "excluded", (json_int_t)n->excluded,
                     "median_seconds", api_real(n->median_seconds));
}

json_t *api_quality(const rater_quality *q)
{
    return json_pack("{s:I, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}",
                     "rater", (json_int_t)q->rater, "name", any_text(q->name), "source",
                     rater_source_names[q->source], "ratings", (json_int_t)q->n, "gold",
                     (json_int_t)q->gold, "gold_right", (json_int_t)q->gold_right,
                     "repeats", (json_int_t)q->repeats, "repeats_agree",
                     (json_int_t)q->repeats_agree, "fast", (json_int_t)q->fast, "counted",
                     (json_int_t)q->counted, "excluded", q->excluded, "reason",
                     q->reason);
}

int api_rating_jsonl(text *out, const crowd_rating *r, error *err)
{
    json_t *outputs = json_array();
    for (size_t i = 0; i < r->n_outputs && outputs; i++)
        if (json_array_append_new(outputs, json_string(r->outputs[i])) < 0) {
            json_decref(outputs);
            outputs = NULL;
        }
    return api_print(
        out,
        json_pack("{s:I, s:I, s:I, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:b, "
                  "s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
                  "id", (json_int_t)r->id, "time", (json_int_t)r->time, "rater",
                  (json_int_t)r->rater, "rater_name", any_text(r->rater_name),
                  "rater_source", rater_source_names[r->rater_source], "task", r->task,
                  "question", r->question, "kind", question_names[r->kind], "outputs",
                  outputs, "answer", answer_value(r->answer), "gold", any_text(r->gold),
                  "repeat", r->repeat, "late", r->late, "withdrawn", r->withdrawn, "fast",
                  r->fast, "excluded", r->excluded, "counts", r->counts, "seconds",
                  api_real(r->seconds), "comment", any_text(r->comment), "source",
                  any_text(r->source), "key", any_text(r->key)),
        err);
}

int api_rating_csv_head(text *out, error *err)
{
    return text_add_string(
        out,
        "id,time,rater,rater_name,rater_source,task,question,kind,"
        "output1,output2,output3,output4,answer,gold,repeat,late,"
        "withdrawn,fast,excluded,counts,seconds,comment,source,key\r\n",
        err);
}

/* Names and comments are others': no cell may begin a formula of a spreadsheet. */
int api_csv_text(text *out, const char *s, error *err)
{
    text clean = {0};
    s = s ? s : "";
    int rc = utf8_mend(&clean, s, strlen(s), err);
    if (rc == 0)
        rc = text_add_string(out, *s && strchr("=+-@'\t\r", *s) ? ",\"'" : ",\"", err);
    for (size_t i = 0; rc == 0 && i < clean.n; i++)
        rc = text_add(out, clean.s[i] == '"' ? "\"\"" : &clean.s[i],
                      clean.s[i] == '"' ? 2 : 1, err);
    text_free(&clean);
    return rc == 0 ? text_add(out, "\"", 1, err) : rc;
}

static int csv_answer(text *out, int answer, error *err)
{
    return answer == ANSWER_TIE ? text_add_string(out, ",tie", err)
                                : text_add_format(out, err, ",%d", answer);
}

int api_rating_csv(text *out, const crowd_rating *r, error *err)
{
    TRY(text_add_format(out, err, "%" PRId64 ",%" PRId64 ",%" PRId64, r->id, r->time,
                        r->rater));
    TRY(api_csv_text(out, r->rater_name, err));
    TRY(text_add_format(out, err, ",%s,%s,%s,%s", rater_source_names[r->rater_source],
                        r->task, r->question, question_names[r->kind]));
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        TRY(text_add_format(out, err, ",%s", i < r->n_outputs ? r->outputs[i] : ""));
    TRY(csv_answer(out, r->answer, err));
    TRY(text_add_format(out, err, ",%s,%d,%d,%d,%d,%d,%d,", r->gold ? r->gold : "",
                        r->repeat, r->late, r->withdrawn, r->fast, r->excluded,
                        r->counts));
    if (isfinite(r->seconds))
        TRY(text_add_format(out, err, "%.17g", r->seconds));
    TRY(api_csv_text(out, r->comment, err));
    TRY(api_csv_text(out, r->source, err));
    TRY(api_csv_text(out, r->key, err));
    return text_add_string(out, "\r\n", err);
}

/* ---- In ---- */

int api_parse(json_t **out, const char *s, size_t n, error *err)
{
    json_error_t why;
    json_t *value = json_loadb(s, n, JSON_REJECT_DUPLICATES, &why);
    if (!value)
        return error_set(err, E_FORMAT, "the body is not JSON: line %d, column %d: %s",
                         why.line, why.column, why.text);
    if (!json_is_object(value)) {
        json_decref(value);
        return error_set(err, E_FORMAT, "the body is not a JSON object");
    }
    *out = value;
    return 0;
}

static int wrong(const char *name, const char *wanted, error *err)
{
    return error_set(err, E_FORMAT, "'%s' must be %s", name, wanted);
}

/* NULL when absent or null. */
static const json_t *member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

int api_get_text(const json_t *object, const char *name, const char **out, error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return 0;
    if (!json_is_string(value) ||
        strlen(json_string_value(value)) != json_string_length(value))
        return wrong(name, "a string without U+0000", err);
    *out = json_string_value(value);
    return 1;
}

int api_get_whole(const json_t *object, const char *name, int64_t least, int64_t most,
                  int64_t *out, error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return error_set(err, E_FORMAT,
                         "'%s' must be a whole number from %" PRId64 " to %" PRId64, name,
                         least, most);
    *out = json_integer_value(value);
    return 1;
}

int api_get_real(const json_t *object, const char *name, double *out, error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return 0;
    if (!json_is_number(value))
        return wrong(name, "a number", err);
    *out = json_number_value(value);
    return 1;
}

int api_get_bool(const json_t *object, const char *name, bool *out, error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return wrong(name, "true or false", err);
    *out = json_is_true(value);
    return 1;
}

int api_get_answer(const json_t *object, const char *name, int *out, error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return 0;
    if (json_is_string(value) && strcmp(json_string_value(value), "tie") == 0) {
        *out = ANSWER_TIE;
        return 1;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > 11)
        return wrong(name, "a whole number from 0 to 11, or \"tie\"", err);
    *out = (int)json_integer_value(value);
    return 1;
}

int api_known(const json_t *object, const char *const *names, error *err)
{
    const char *key;
    const json_t *value;
    size_t n = 0;
    while (names[n])
        n++;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(names[i], key) != 0)
            i++;
        if (i < n)
            continue;
        const char *near = nearest_name(key, names, n);
        return error_set(err, E_FORMAT, "there is no member '%.40s' here%s%s%s", key,
                         near ? "; did you mean '" : "", near ? near : "",
                         near ? "'?" : "");
    }
    return 0;
}

/* Rewards as files: four arrays, and what is known of them as JSON in the notes. */
#include "reward_parts.h"

#include "../model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char format[] = "lamarck reward 1";

/* ---- Out ---- */

/* As text, new; takes `value`. */
static int dump(json_t *value, char **out, error *err)
{
    *out = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(value);
    return *out ? 0 : error_memory(err, sizeof(json_t));
}

static safetensor doubles(const char *name, const double *x, size_t rows, size_t columns)
{
    safetensor t = {.name = name, .type = SAFETENSOR_F64, .bytes = x};
    t.n_dims = columns ? 2 : 1;
    t.dims[0] = rows;
    t.dims[1] = columns;
    return t;
}

int reward_save(const reward *r, const char *path, error *err)
{
    char *facts = NULL, *judgement = NULL;
    size_t H = r->facts.n_heads;
    const safetensor tensors[] = {doubles("feature_mean", r->mean, r->p, 0),
                                  doubles("feature_scale", r->scale, r->p, 0),
                                  doubles("weights", r->weights, H, r->p),
                                  doubles("intercepts", r->intercepts, H, 0)};
    int rc = dump(reward_facts_json(&r->facts), &facts, err);
    if (rc == 0)
        rc = dump(reward_judgement_json(&r->judgement), &judgement, err);
    if (rc == 0) {
        const safetensors_note notes[] = {
            {"format", format}, {"facts", facts}, {"judgement", judgement}};
        rc = safetensors_write(path, tensors, sizeof tensors / sizeof *tensors, notes,
                               sizeof notes / sizeof *notes, err);
    }
    free(facts);
    free(judgement);
    return rc;
}

/* ---- In ---- */

static int read_word(const json_t *from, const char *key, const char *const *names,
                     size_t n, size_t *out, error *err)
{
    const char *word = json_string_value(json_object_get(from, key));
    for (size_t i = 0; word && i < n; i++)
        if (strcmp(word, names[i]) == 0) {
            *out = i;
            return 0;
        }
    return error_set(err, E_FORMAT,
                     "\"%s\" is %.40s%s%.40s, which is none of those known", key,
                     word ? "\"" : "", word ? word : "missing", word ? "\"" : "");
}

static int read_text(const json_t *from, const char *key, const char **out, error *err)
{
    *out = json_string_value(json_object_get(from, key));
    if (!*out)
        return error_set(err, E_FORMAT, "\"%s\" is not a text", key);
    return 0;
}

static int read_count(const json_t *from, const char *key, size_t *out, error *err)
{
    const json_t *x = json_object_get(from, key);
    if (!json_is_integer(x) || json_integer_value(x) < 0)
        return error_set(err, E_FORMAT, "\"%s\" is not a count", key);
    *out = (size_t)json_integer_value(x);
    return 0;
}

static int read_facts(reward *r, const json_t *from, error *err)
{
    reward_facts f = {0};
    size_t head, pooled;
    TRY(read_word(from, "head", reward_head_names, N_REWARD_HEADS, &head, err));
    TRY(read_word(from, "pooling", pooling_names, N_POOLINGS, &pooled, err));
    f.head = (reward_head)head;
    f.pooling = (pooling)pooled;
    TRY(read_text(from, "model", &f.model, err));
    TRY(read_text(from, "model_sha256", &f.model_hash, err));
    TRY(read_text(from, "question", &f.question, err));
    TRY(read_text(from, "source", &f.source, err));
    TRY(read_count(from, "ratings", &f.n_ratings, err));
    TRY(read_count(from, "contexts", &f.n_contexts, err));
    TRY(read_count(from, "texts", &f.n_texts, err));
    TRY(read_count(from, "simulated", &f.n_simulated, err));
    TRY(read_count(from, "components", &f.n_components, err));
    f.lambda = json_number_value(json_object_get(from, "lambda"));
    f.seed = (uint64_t)json_integer_value(json_object_get(from, "seed"));
    if (strspn(f.model_hash, "0123456789abcdef") != SHA256_HEX - 1 ||
        strlen(f.model_hash) != SHA256_HEX - 1)
        return error_set(err, E_FORMAT, "\"model_sha256\" is not 64 hex digits");
    return reward_keep_facts(r, &f, err);
}

/* The note `key` as JSON: new. */
static int read_note(const safetensors *s, const char *key, json_t **out, error *err)
{
    json_error_t why;
    const char *note = safetensors_metadata(s, key);
    if (!note)
        return error_set(err, E_FORMAT, "it has no note \"%s\"", key);
    *out = json_loads(note, JSON_REJECT_DUPLICATES, &why);
    if (!*out)
        return error_set(err, E_FORMAT, "its note \"%s\" is not JSON: %s", key, why.text);
    return 0;
}

static int read_notes(reward *r, const safetensors *s, error *err)
{
    json_t *facts = NULL, *judgement = NULL;
    const char *claim = safetensors_metadata(s, "format");
    if (!claim || strcmp(claim, format) != 0)
        return error_set(err, E_FORMAT,
                         "its note \"format\" is %.60s, where \"%s\" is needed: this is "
                         "no reward, or one of another version",
                         claim ? claim : "missing", format);
    int rc = read_note(s, "facts", &facts, err);
    if (rc == 0)
        rc = read_note(s, "judgement", &judgement, err);
    if (rc == 0)
        rc = read_facts(r, facts, err);
    if (rc == 0)
        rc = reward_judgement_read(judgement, &r->judgement, err);
    json_decref(facts);
    json_decref(judgement);
    return rc;
}

/* An F64 tensor of `rows` (0: any number) by `columns` (0: one dimension). */
static int find_doubles(const safetensors *s, const char *name, size_t rows,
                        size_t columns, const safetensor **out, error *err)
{
    const safetensor *t = safetensors_find(s, name);
    if (!t)
        return error_set(err, E_FORMAT, "it has no tensor \"%s\"", name);
    if (t->type != SAFETENSOR_F64)
        return error_set(err, E_FORMAT, "tensor \"%s\" has dtype %s, where F64 is needed",
                         name, t->dtype);
    if (t->n_dims != (columns ? 2 : 1) || (columns && t->dims[1] != columns) ||
        (rows && t->dims[0] != rows) || t->dims[0] == 0)
        return error_set(err, E_FORMAT,
                         "tensor \"%s\" has %zu dimensions of %zu and %zu, which does "
                         "not fit the others",
                         name, t->n_dims, t->n_dims > 0 ? t->dims[0] : 0,
                         t->n_dims > 1 ? t->dims[1] : 0);
    *out = t;
    return 0;
}

static int take_doubles(const safetensor *t, bool positive, double *out, error *err)
{
    size_t n = safetensor_elements(t);
    memcpy(out, t->bytes, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]) || (positive && !(out[i] > 0)))
            return error_set(err, E_FORMAT, "tensor \"%s\": value %zu is %g, which %s",
                             t->name, i, out[i],
                             positive ? "must be above 0" : "is not a number");
    return 0;
}

static int read_tensors(reward *r, const safetensors *s, error *err)
{
    const safetensor *mean, *scale, *weights, *intercepts;
    TRY(find_doubles(s, "feature_mean", 0, 0, &mean, err));
    size_t p = mean->dims[0];
    TRY(find_doubles(s, "feature_scale", p, 0, &scale, err));
    TRY(find_doubles(s, "weights", 0, p, &weights, err));
    size_t H = weights->dims[0];
    if (H < 2 || H > REWARD_MOST_HEADS)
        return error_set(err, E_FORMAT, "it has %zu heads: must be in 2..%d", H,
                         REWARD_MOST_HEADS);
    TRY(find_doubles(s, "intercepts", H, 0, &intercepts, err));
    TRY(reward_make_room(r, p, H, err));
    TRY(take_doubles(mean, false, r->mean, err));
    TRY(take_doubles(scale, true, r->scale, err));
    TRY(take_doubles(weights, false, r->weights, err));
    return take_doubles(intercepts, false, r->intercepts, err);
}

/* Closes s. */
static int read_reward(reward **out, safetensors *s, const char *name, error *err)
{
    reward *r = array_new(1, sizeof *r);
    int rc = r ? read_notes(r, s, err) : error_memory(err, sizeof *r);
    if (rc == 0)
        rc = read_tensors(r, s, err);
    safetensors_close(s);
    if (rc < 0) {
        reward_free(r);
        return error_prefix(err, "%s", name);
    }
    *out = r;
    return 0;
}

int reward_open(reward **out, const char *path, error *err)
{
    safetensors *s;
    TRY(safetensors_open(&s, path, err));
    return read_reward(out, s, path, err);
}

int reward_parse(reward **out, const void *bytes, size_t n, const char *name, error *err)
{
    safetensors *s;
    TRY(safetensors_parse(&s, bytes, n, name, err));
    return read_reward(out, s, name, err);
}

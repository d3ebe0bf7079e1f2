/* adapter_config.json, as PEFT 0.21 writes and reads it. */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A prefix of more virtual tokens than any window is a mistake or an attack. */
enum { MOST_TOKENS = 1 << 20 };

static int missing(const char *name, const char *key, const char *wanted, error *err)
{
    return error_set(err, E_FORMAT, "%.200s: \"%s\" must be %s", name, key, wanted);
}

/* A whole number in [lowest, MOST_TOKENS]; null and a missing key are 0 if that is
 * allowed. */
static int get_size(const json_t *o, const char *name, const char *key, size_t lowest,
                    size_t *out, error *err)
{
    const json_t *v = json_object_get(o, key);
    if (lowest == 0 && (!v || json_is_null(v))) {
        *out = 0;
        return 0;
    }
    if (!json_is_integer(v))
        return error_set(err, E_FORMAT, "%.200s: \"%s\" %s; wanted: %zu to %d", name, key,
                         v ? "is no whole number" : "is missing", lowest, MOST_TOKENS);
    json_int_t n = json_integer_value(v);
    if (n < (json_int_t)lowest || n > MOST_TOKENS)
        return error_set(err, E_FORMAT, "%.200s: \"%s\" is %lld; wanted: %zu to %d", name,
                         key, (long long)n, lowest, MOST_TOKENS);
    *out = (size_t)n;
    return 0;
}

static int get_kind(adapter_config *c, const json_t *o, const char *name, error *err)
{
    const char *type = json_string_value(json_object_get(o, "peft_type"));
    if (!type)
        return missing(name, "peft_type", "\"PROMPT_TUNING\" or \"PREFIX_TUNING\"", err);
    if (strcmp(type, "PROMPT_TUNING") == 0)
        c->kind = PREFIX_EMBEDDINGS;
    else if (strcmp(type, "PREFIX_TUNING") == 0)
        c->kind = PREFIX_KEY_VALUES;
    else
        return error_set(err, E_UNSUPPORTED,
                         "%.200s: an adapter of the type \"%.60s\"; these can stand "
                         "before a model: PROMPT_TUNING, PREFIX_TUNING",
                         name, type);
    const json_t *task = json_object_get(o, "task_type");
    const char *word = json_string_value(task);
    if (task && !json_is_null(task) && (!word || strcmp(word, "CAUSAL_LM") != 0))
        return error_set(err, E_UNSUPPORTED,
                         "%.200s: the task_type is \"%.60s\", not CAUSAL_LM", name,
                         word ? word : "no text");
    return 0;
}

static int get_all(adapter_config *c, const json_t *o, const char *name, error *err)
{
    size_t submodules = 0;
    TRY(get_kind(c, o, name, err));
    bool kv = c->kind == PREFIX_KEY_VALUES;
    TRY(get_size(o, name, "num_virtual_tokens", 1, &c->n, err));
    TRY(get_size(o, name, "token_dim", kv, &c->token_dim, err));
    TRY(get_size(o, name, "num_attention_heads", kv, &c->n_heads, err));
    TRY(get_size(o, name, "num_layers", kv, &c->n_layers, err));
    TRY(get_size(o, name, "encoder_hidden_size", 0, &c->n_hidden, err));
    TRY(get_size(o, name, "num_transformer_submodules", 0, &submodules, err));
    if (submodules > 1)
        return error_set(err, E_UNSUPPORTED,
                         "%.200s: num_transformer_submodules is %zu: a model with an "
                         "encoder; only decoders can be run",
                         name, submodules);
    if (kv && c->token_dim % c->n_heads != 0)
        return error_set(err, E_FORMAT,
                         "%.200s: \"token_dim\", %zu, is no multiple of "
                         "\"num_attention_heads\", %zu",
                         name, c->token_dim, c->n_heads);
    const json_t *projected = json_object_get(o, "prefix_projection");
    if (projected && !json_is_null(projected) && !json_is_boolean(projected))
        return missing(name, "prefix_projection", "true or false", err);
    c->projected = kv && json_is_true(projected);
    if (c->projected && c->n_hidden == 0)
        return missing(name, "encoder_hidden_size",
                       "the MLP's width, since \"prefix_projection\" is on", err);
    const char *base = json_string_value(json_object_get(o, "base_model_name_or_path"));
    if (base && !(c->base_model = string_copy(base)))
        return error_memory(err, strlen(base) + 1);
    return 0;
}

int adapter_config_parse(adapter_config *out, const char *bytes, size_t n,
                         const char *name, error *err)
{
    json_error_t why;
    adapter_config c = {0};
    json_t *o = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
    if (!o)
        return error_set(err, E_FORMAT, "%.200s:%d:%d: not JSON: %s", name, why.line,
                         why.column, why.text);
    int rc = json_is_object(o)
                 ? get_all(&c, o, name, err)
                 : error_set(err, E_FORMAT,
                             "%.200s: an object was expected, as PEFT writes it", name);
    json_decref(o);
    if (rc < 0)
        adapter_config_free(&c);
    else
        *out = c;
    return rc;
}

void adapter_config_free(adapter_config *c)
{
    free(c->base_model);
    *c = (adapter_config){0};
}

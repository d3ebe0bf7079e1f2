/* Reads the tokenizer.* keys. Those that are absent stay at "none"; tokenizer_new says
 * which of them it cannot do without. */
#include "tokenizer_gguf.h"

static int read_id(const gguf *g, const char *key, int32_t *id, error *err)
{
    uint64_t value = 0;
    int there = gguf_get_uint(g, key, &value, err);
    TRY(there);
    if (!there)
        return 0;
    if (value > INT32_MAX)
        return error_set(err, E_FORMAT, "%s is %llu, more than any token's id", key,
                         (unsigned long long)value);
    *id = (int32_t)value;
    return 0;
}

static int read_ids(const gguf *g, tokenizer_source *s, error *err)
{
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", &s->bos},
        {"tokenizer.ggml.eos_token_id", &s->eos},
        {"tokenizer.ggml.eot_token_id", &s->eot},
        {"tokenizer.ggml.unknown_token_id", &s->unknown},
        {"tokenizer.ggml.padding_token_id", &s->padding},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        TRY(read_id(g, ids[i].key, ids[i].id, err));
    return 0;
}

static int read_arrays(const gguf *g, tokenizer_source *s, error *err)
{
    size_t n_types = 0;
    TRY(gguf_get_strings(g, "tokenizer.ggml.tokens", &s->tokens, &s->n_tokens, err));
    TRY(gguf_get_strings(g, "tokenizer.ggml.merges", &s->merges, &s->n_merges, err));
    int typed = gguf_get_ints(g, "tokenizer.ggml.token_type", &s->types, &n_types, err);
    TRY(typed);
    if (typed && s->n_tokens && n_types != s->n_tokens)
        return error_set(err, E_FORMAT,
                         "tokenizer.ggml.token_type has %zu entries for %zu tokens",
                         n_types, s->n_tokens);
    return 0;
}

int tokenizer_from_gguf(tokenizer **out, const gguf *g, error *err)
{
    tokenizer_source s = {
        .bos = -1, .eos = -1, .eot = -1, .unknown = -1, .padding = -1, .add_bos = -1};
    bool add_bos = false;
    TRY(gguf_get_string(g, "tokenizer.ggml.model", &s.model, err));
    TRY(gguf_get_string(g, "tokenizer.ggml.pre", &s.pre, err));
    TRY(gguf_get_string(g, "tokenizer.chat_template", &s.chat_template, err));
    int there = gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &add_bos, err);
    TRY(there);
    if (there)
        s.add_bos = add_bos;
    TRY(read_arrays(g, &s, err));
    TRY(read_ids(g, &s, err));
    return tokenizer_new(out, &s, err);
}

int tokenizer_open(tokenizer **out, const char *path, error *err)
{
    gguf *g;
    TRY(gguf_open(&g, path, err));
    int rc = tokenizer_from_gguf(out, g, err);
    gguf_close(g);
    return rc < 0 ? error_prefix(err, "%s", path) : 0;
}

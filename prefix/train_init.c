/* Where a training begins: text, words drawn from the vocabulary, noise, or another
 * prefix; and how large a step is, for each number. */
#include "train_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

enum { DEFAULT_TOKENS = 20 };

/* ---- Tokens to begin as ---- */

/* The text, or the labels one after the other, as the start of a row: with BOS where the
 * tokenizer adds one. */
static int init_tokens(const trainer *t, token_list *out, error *err)
{
    const train_options *o = &t->options;
    const tokenizer *words = model_tokenizer(t->model);
    const tokenizer_info *info = tokenizer_describe(words);
    if (o->init == PREFIX_INIT_TEXT && (o->text == NULL || o->text[0] == '\0'))
        return error_set(err, E_ARGUMENT,
                         "the prefix is to begin as a text, and the text is empty");
    if (o->init == PREFIX_INIT_LABELS && o->n_labels == 0)
        return error_set(err, E_ARGUMENT,
                         "the prefix is to begin as the labels, and there are none");
    if (o->init == PREFIX_INIT_TEXT)
        TRY(tokenizer_encode(words, o->text, strlen(o->text), false, out, err));
    for (size_t i = 0; o->init == PREFIX_INIT_LABELS && i < o->n_labels; i++)
        TRY(tokenizer_encode(words, o->labels[i], strlen(o->labels[i]), false, out, err));
    if (out->n == 0)
        return error_set(err, E_ARGUMENT, "the text \"%.60s\" has no tokens",
                         o->init == PREFIX_INIT_TEXT ? o->text : o->labels[0]);
    if (!info->add_bos || info->bos < 0 || out->ids[0] == info->bos)
        return 0;
    int32_t *ids = array_new(out->n + 1, sizeof *ids);
    if (ids == NULL)
        return error_memory(err, (out->n + 1) * sizeof *ids);
    ids[0] = info->bos;
    memcpy(ids + 1, out->ids, out->n * sizeof *ids);
    free(out->ids);
    out->ids = ids;
    out->n++;
    return 0;
}

static bool begins_as_words(prefix_init init)
{
    return init == PREFIX_INIT_TEXT || init == PREFIX_INIT_LABELS;
}

int train_count_tokens(trainer *t, error *err)
{
    const train_options *o = &t->options;
    token_list list = {0};
    t->n_tokens = o->n_tokens;
    if (o->init == PREFIX_INIT_GIVEN) {
        if (o->given == NULL)
            return error_set(err, E_ARGUMENT, "no prefix is given to begin with");
        TRY(prefix_check_model(o->given, t->model, err));
        if (o->given->kind != o->kind)
            return error_set(err, E_ARGUMENT,
                             "a \"%s\" cannot begin as what is given, a \"%s\"",
                             prefix_kind_name(o->kind), prefix_kind_name(o->given->kind));
        t->n_tokens = t->n_tokens > 0 ? t->n_tokens : o->given->n;
    } else if (begins_as_words(o->init)) {
        int rc = init_tokens(t, &list, err);
        t->n_tokens = t->n_tokens > 0 ? t->n_tokens : list.n;
        token_list_free(&list);
        TRY(rc);
    }
    if (t->n_tokens == 0)
        t->n_tokens = DEFAULT_TOKENS;
    return 0;
}

/* As many tokens as there are virtual ones, none of them special. */
static int drawn_tokens(trainer *t, token_list *out, error *err)
{
    const tokenizer *words = model_tokenizer(t->model);
    size_t V = model_describe(t->model)->n_vocabulary;
    out->ids = array_new(t->n_tokens, sizeof *out->ids);
    if (out->ids == NULL)
        return error_memory(err, t->n_tokens * sizeof *out->ids);
    for (; out->n < t->n_tokens; out->n++) {
        int32_t *id = &out->ids[out->n];
        do {
            *id = (int32_t)gsl_rng_uniform_int(t->rng, V);
        } while (tokenizer_is_special(words, *id));
    }
    return 0;
}

/* ---- Values ---- */

/* Floats that are measured by one scale: all embeddings; the keys, or the values, of one
 * layer. */
static size_t group_width(const trainer *t)
{
    const model_info *m = model_describe(t->model);
    return t->options.kind == PREFIX_EMBEDDINGS ? m->width : m->n_kv_heads * m->head_size;
}

/* Root mean square of group g over all virtual tokens. */
static double group_size(const trainer *t, const float *values, size_t g)
{
    size_t w = group_width(t);
    double squares = 0;
    for (size_t i = 0; i < t->n_tokens; i++)
        for (size_t k = g * w; k < (g + 1) * w; k++)
            squares +=
                (double)values[i * t->width + k] * (double)values[i * t->width + k];
    return sqrt(squares / (double)(t->n_tokens * w));
}

/* Noise as large, group by group, as what words would be. */
static void start_noise(trainer *t)
{
    size_t w = group_width(t);
    for (size_t g = 0; g < t->width / w; g++) {
        double size = group_size(t, t->start, g);
        for (size_t i = 0; i < t->n_tokens; i++)
            for (size_t k = g * w; k < (g + 1) * w; k++)
                t->start[i * t->width + k] = (float)gsl_ran_gaussian(t->rng, size);
    }
}

static int start_given(trainer *t, error *err)
{
    const prefix *p = t->options.given;
    if (p->n == 0)
        return error_set(err, E_ARGUMENT, "the prefix that is given has no tokens");
    for (size_t i = 0; i < t->n_tokens; i++)
        memcpy(t->start + i * t->width, p->values + i % p->n * t->width,
               t->width * sizeof(float));
    return 0;
}

int train_start(trainer *t, error *err)
{
    if (t->options.init == PREFIX_INIT_GIVEN)
        return start_given(t, err);
    token_list words = {0};
    int rc = begins_as_words(t->options.init) ? init_tokens(t, &words, err)
                                              : drawn_tokens(t, &words, err);
    if (rc == 0)
        rc = prefix_values_of(t->model, t->session, t->options.kind, words.ids, words.n,
                              t->n_tokens, t->start, err);
    if (rc == 0 && t->options.init == PREFIX_INIT_RANDOM)
        start_noise(t);
    token_list_free(&words);
    return rc;
}

/* A rate is meant in units of what it moves: embeddings of one model are a hundred times
 * those of another, keys of one layer ten times those of the next. */
void train_scales(trainer *t)
{
    size_t w = group_width(t);
    for (size_t g = 0; g < t->width / w; g++) {
        double size = t->options.same_rate ? 1 : group_size(t, t->start, g);
        for (size_t i = 0; i < t->n_tokens; i++)
            for (size_t k = g * w; k < (g + 1) * w; k++)
                t->scales[i * t->width + k] = size > 0 ? (float)size : 1.0f;
    }
}

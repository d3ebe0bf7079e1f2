/* Joins vocabulary, special tokens, normaliser, pre-tokenizer and merging. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "chat.h"
#include "normalizer.h"
#include "pretokenizer.h"
#include "specials.h"
#include "vocabulary.h"

struct tokenizer {
    vocabulary *vocabulary;
    bpe *bpe;
    specials *specials;
    pretokenizer *pre;
    bool whole_words, composes;
    tokenizer_info info;
    int32_t ends[16]; /* ids that end a generation */
    size_t n_ends;
};

/* ---- Making one ---- */

/* How the end of a turn is spelled, where the file does not name it. */
static const char *const turn_ends[] = {"<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",
                                        "<end_of_turn>", "<|end_of_turn|>", "<|end|>"};
/* The end of a text: no turn's end, but nothing follows it either. */
static const char *const text_ends[] = {"<|endoftext|>", "<|end_of_text|>"};

static int32_t find_control(const vocabulary *v, const char *spelling)
{
    int32_t id = vocabulary_find(v, spelling, strlen(spelling));
    return id >= 0 && vocabulary_type(v, id) == TOKEN_CONTROL ? id : -1;
}

static void add_end(tokenizer *t, int32_t id)
{
    if (id >= 0 && t->n_ends < sizeof t->ends / sizeof t->ends[0])
        t->ends[t->n_ends++] = id;
}

static void collect_ends(tokenizer *t)
{
    const vocabulary *v = t->vocabulary;
    for (size_t i = 0; i < sizeof turn_ends / sizeof turn_ends[0]; i++) {
        int32_t id = find_control(v, turn_ends[i]);
        add_end(t, id);
        if (t->info.eot < 0)
            t->info.eot = id;
    }
    for (size_t i = 0; i < sizeof text_ends / sizeof text_ends[0]; i++)
        add_end(t, find_control(v, text_ends[i]));
    add_end(t, t->info.eos);
    add_end(t, t->info.eot);
}

static int check_id(int32_t id, const char *what, size_t n, error *err)
{
    if (id >= -1 && (id < 0 || (size_t)id < n))
        return 0;
    return error_set(err, E_FORMAT,
                     "the %s token has id %d, outside the vocabulary of %zu tokens", what,
                     (int)id, n);
}

static int check_source(const tokenizer_source *s, error *err)
{
    if (!s->model)
        return error_set(err, E_FORMAT,
                         "the file does not name its tokenizer (tokenizer.ggml.model)");
    if (strcmp(s->model, "gpt2") != 0)
        return error_set(err, E_UNSUPPORTED,
                         "the tokenizer is \"%.40s\"; only \"gpt2\" (byte-level BPE) is "
                         "supported%s",
                         s->model,
                         strcmp(s->model, "llama") == 0  ? ", not SentencePiece"
                         : strcmp(s->model, "bert") == 0 ? ", not WordPiece"
                                                         : "");
    if (!s->pre)
        return error_set(
            err, E_UNSUPPORTED,
            "the file does not name its pre-tokenizer (tokenizer.ggml.pre), so "
            "its tokens cannot be reproduced");
    if (s->n_tokens == 0)
        return error_set(err, E_FORMAT,
                         "the tokenizer has no tokens (tokenizer.ggml.tokens)");
    if (s->n_merges == 0)
        return error_set(err, E_FORMAT,
                         "the tokenizer has no merges (tokenizer.ggml.merges), which "
                         "byte-level BPE needs");
    TRY(check_id(s->bos, "BOS", s->n_tokens, err));
    TRY(check_id(s->eos, "EOS", s->n_tokens, err));
    TRY(check_id(s->eot, "end-of-turn", s->n_tokens, err));
    TRY(check_id(s->unknown, "unknown", s->n_tokens, err));
    return check_id(s->padding, "padding", s->n_tokens, err);
}

static void describe(tokenizer *t, const tokenizer_source *s)
{
    const pretokenizer_kind *kind = pretokenizer_describe(t->pre);
    t->whole_words = kind->whole_words;
    t->composes = kind->composes;
    t->info = (tokenizer_info){
        .pre = kind->name,
        .n_vocabulary = s->n_tokens,
        .n_merges = s->n_merges,
        .n_special = specials_count(t->specials),
        .bos = s->bos,
        .eos = s->eos,
        .eot = s->eot,
        .add_bos = s->bos >= 0 && (s->add_bos < 0 ? kind->adds_bos : s->add_bos > 0),
        .chat = chat_recognise(s->chat_template),
    };
    for (int byte = 0; byte < 256; byte++)
        if (vocabulary_find_byte(t->vocabulary, (unsigned char)byte) < 0)
            t->info.n_missing_bytes++;
    collect_ends(t);
}

int tokenizer_new(tokenizer **out, const tokenizer_source *source, error *err)
{
    TRY(check_source(source, err));
    tokenizer *t = array_new(1, sizeof *t);
    if (!t)
        return error_memory(err, sizeof *t);
    int rc;
    TRY_OUT(rc, pretokenizer_new(&t->pre, source->pre, err));
    TRY_OUT(rc, vocabulary_new(&t->vocabulary, source->tokens, source->types,
                               source->n_tokens, err));
    TRY_OUT(rc, bpe_new(&t->bpe, t->vocabulary, source->merges, source->n_merges, err));
    TRY_OUT(rc, specials_new(&t->specials, t->vocabulary, err));
    describe(t, source);
    *out = t;
    t = NULL;
out:
    tokenizer_free(t);
    return rc;
}

void tokenizer_free(tokenizer *t)
{
    if (!t)
        return;
    specials_free(t->specials);
    bpe_free(t->bpe);
    vocabulary_free(t->vocabulary);
    pretokenizer_free(t->pre);
    free(t);
}

const tokenizer_info *tokenizer_describe(const tokenizer *t)
{
    return &t->info;
}

/* ---- Encoding ---- */

void token_list_free(token_list *l)
{
    if (!l)
        return;
    free(l->ids);
    free(l->begin);
    *l = (token_list){0};
}

static int add_token(token_list *l, int32_t id, size_t begin, error *err)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity, same = l->capacity;
        TRY(array_grow(&l->ids, &same, l->n, sizeof *l->ids, err));
        TRY(array_grow(&l->begin, &capacity, l->n, sizeof *l->begin, err));
        l->capacity = capacity;
    }
    l->ids[l->n] = id;
    l->begin[l->n++] = begin;
    return 0;
}

/* One call of tokenizer_encode. */
typedef struct encoder {
    const tokenizer *t;
    mapped_text part; /* what is being cut into words */
    bpe_work work;
    token_list *out;
} encoder;

static int encode_word(void *context, size_t begin, size_t n, error *err)
{
    encoder *e = context;
    const char *word = e->part.s + begin;
    int32_t whole =
        e->t->whole_words ? vocabulary_find_bytes(e->t->vocabulary, word, n) : -1;
    if (whole >= 0)
        return add_token(e->out, whole, mapped_origin(&e->part, begin), err);
    TRY(bpe_merge(e->t->bpe, word, n, &e->work, err));
    for (size_t i = 0; i < e->work.n; i++) {
        const bpe_symbol *s = &e->work.symbols[i];
        TRY(add_token(e->out, s->id, mapped_origin(&e->part, begin + s->begin), err));
    }
    return 0;
}

/* Text without special tokens. */
static int encode_ordinary(encoder *e, const mapped_text *part, error *err)
{
    if (part->n == 0)
        return 0;
    if (e->t->composes)
        TRY(mapped_compose(&e->part, part, err));
    else
        e->part = *part;
    int rc = pretokenizer_split(e->t->pre, e->part.s, e->part.n, encode_word, e, err);
    mapped_free(&e->part);
    return rc;
}

/* Cut at the special tokens. Control tokens are ordinary text unless asked for, but what
 * was added to a vocabulary as ordinary text always counts: so does the reference. */
static int encode_parts(encoder *e, const mapped_text *clean, bool special, error *err)
{
    size_t done = 0, from = 0, begin, n;
    for (;;) {
        int32_t id = specials_next(e->t->specials, clean->s, clean->n, from, &begin, &n);
        if (id < 0)
            break;
        from = begin + n;
        if (!special && tokenizer_is_special(e->t, id))
            continue;
        mapped_text before = mapped_part(clean, done, begin - done);
        TRY(encode_ordinary(e, &before, err));
        TRY(add_token(e->out, id, mapped_origin(clean, begin), err));
        done = from;
    }
    mapped_text rest = mapped_part(clean, done, clean->n - done);
    return encode_ordinary(e, &rest, err);
}

int tokenizer_encode(const tokenizer *t, const char *bytes, size_t n, bool special,
                     token_list *out, error *err)
{
    mapped_text clean;
    TRY(mapped_repair(&clean, bytes, n, err));
    encoder e = {.t = t, .out = out};
    size_t before = out->n;
    int rc = encode_parts(&e, &clean, special, err);
    if (rc < 0)
        out->n = before;
    bpe_work_free(&e.work);
    mapped_free(&clean);
    return rc;
}

/* ---- Decoding ---- */

static bool is_inside(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->info.n_vocabulary;
}

int tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool special,
                     text *out, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!is_inside(t, ids[i]))
            return error_set(err, E_ARGUMENT,
                             "token %zu has id %d, outside the vocabulary of %zu tokens",
                             i, (int)ids[i], t->info.n_vocabulary);
    size_t before = out->n;
    for (size_t i = 0; i < n; i++) {
        if (!special && tokenizer_is_special(t, ids[i]))
            continue;
        size_t length;
        const char *s = vocabulary_bytes(t->vocabulary, ids[i], &length);
        int rc = text_add(out, s, length, err);
        if (rc < 0) {
            out->n = before;
            return rc;
        }
    }
    return 0;
}

const char *tokenizer_token(const tokenizer *t, int32_t id, size_t *n)
{
    if (!is_inside(t, id))
        return NULL;
    size_t length;
    const char *s = vocabulary_bytes(t->vocabulary, id, &length);
    if (n)
        *n = length;
    return s;
}

bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
    if (!is_inside(t, id))
        return false;
    token_type type = vocabulary_type(t->vocabulary, id);
    return type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
}

bool tokenizer_is_end(const tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return false;
}

/* Fuzzes the tokenizer two ways, by the first byte: any text against vocabularies that
 * hold all 256 bytes, where what goes in must come out; and any vocabulary against any
 * text, where spans and ids must stay in bounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model/tokenizer.h"
#include "../model/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
enum { N_PRES = 4, MAX_STRINGS = 4096 };

static void demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* ---- A vocabulary with all 256 bytes ---- */

static const char *const pairs[] = {"a b",
                                    "t h",
                                    "th e",
                                    "\xc4\xa0 t",
                                    "\xc4\xa0t he",
                                    "h e",
                                    "b a",
                                    "ab ab",
                                    "abab abab",
                                    "\xc4\xa0 \xc4\xa0",
                                    "\xc3\xa6 \xc2\xbc",
                                    "1 2",
                                    "' s",
                                    "\xc4\x8a \xc4\x8a"};
enum { N_PAIRS = sizeof pairs / sizeof pairs[0], N_COMPLETE = 256 + N_PAIRS + 3 };

static tokenizer *make_complete(const char *pre)
{
    static char spelled[N_COMPLETE][24];
    static const char *tokens[N_COMPLETE];
    static int32_t types[N_COMPLETE];
    for (size_t i = 0; i < N_COMPLETE; i++) {
        tokens[i] = spelled[i];
        types[i] = TOKEN_NORMAL;
        if (i < 256)
            spelled[i][alphabet_spell((unsigned char)i, spelled[i])] = '\0';
        else if (i < 256 + N_PAIRS) {
            const char *space = strchr(pairs[i - 256], ' ');
            snprintf(spelled[i], sizeof spelled[i], "%.*s%s",
                     (int)(space - pairs[i - 256]), pairs[i - 256], space + 1);
        }
    }
    tokens[N_COMPLETE - 3] = "<s>";
    tokens[N_COMPLETE - 2] = "<s>>";
    tokens[N_COMPLETE - 1] = "<tool>";
    types[N_COMPLETE - 3] = types[N_COMPLETE - 2] = TOKEN_CONTROL;
    types[N_COMPLETE - 1] = TOKEN_USER_DEFINED;
    const tokenizer_source s = {.model = "gpt2",
                                .pre = pre,
                                .tokens = tokens,
                                .types = types,
                                .n_tokens = N_COMPLETE,
                                .merges = pairs,
                                .n_merges = N_PAIRS,
                                .bos = -1,
                                .eos = -1,
                                .eot = -1,
                                .unknown = -1,
                                .padding = -1};
    tokenizer *t = NULL;
    error err = {0};
    if (tokenizer_new(&t, &s, &err) < 0)
        demand(false, err.text);
    demand(tokenizer_describe(t)->n_missing_bytes == 0, "all bytes have a token");
    return t;
}

static void check_bounds(const tokenizer *t, const token_list *l, size_t n)
{
    for (size_t i = 0; i < l->n; i++) {
        demand(l->begin[i] < n, "a span begins in the text");
        demand(i == 0 || l->begin[i - 1] <= l->begin[i], "spans rise");
        demand(tokenizer_token(t, l->ids[i], NULL), "an id is in the vocabulary");
    }
}

static void try_text(const tokenizer *t, const char *s, size_t n, bool special)
{
    token_list l = {0};
    text back = {0};
    demand(tokenizer_encode(t, s, n, special, &l, NULL) == 0, "any text can be encoded");
    check_bounds(t, &l, n);
    demand(tokenizer_decode(t, l.ids, l.n, true, &back, NULL) == 0, "ids can be decoded");
    bool composes = strcmp(tokenizer_describe(t)->pre, "qwen2") == 0;
    if (utf8_check(s, n) < n || composes) {
        demand(utf8_check(text_string(&back), back.n) == back.n, "text becomes UTF-8");
    } else {
        size_t begin = 0, length;
        demand(back.n == n && memcmp(text_string(&back), s, n) == 0, "text comes back");
        for (size_t i = 0; i < l.n; i++, begin += length) {
            demand(l.begin[i] == begin, "a span begins where the one before ends");
            tokenizer_token(t, l.ids[i], &length);
        }
    }
    token_list again = {0}; /* what was repaired and composed once stays as it is */
    text twice = {0};
    demand(tokenizer_encode(t, text_string(&back), back.n, special, &again, NULL) == 0 &&
               tokenizer_decode(t, again.ids, again.n, true, &twice, NULL) == 0 &&
               twice.n == back.n &&
               memcmp(text_string(&twice), text_string(&back), back.n) == 0,
           "a text that came back comes back the same");
    token_list_free(&again);
    text_free(&twice);
    token_list_free(&l);
    text_free(&back);
}

/* ---- Any vocabulary: strings that end with a newline; the first of a group says which
 * ---
 */

typedef struct hostile {
    char *bytes; /* a copy of the input, cut into strings */
    const char *tokens[MAX_STRINGS], *merges[MAX_STRINGS];
    int32_t types[MAX_STRINGS];
    text body;
} hostile;

/* Letters: t0..t6 token of that type, m merge, c template; the rest is text to encode. */
static void cut(hostile *h, size_t size, tokenizer_source *s)
{
    char *rest = h->bytes, *end = h->bytes + size;
    while (rest < end) {
        char *newline = memchr(rest, '\n', (size_t)(end - rest));
        if (!newline)
            newline = end;
        *newline = '\0';
        if (rest[0] == 't' && rest[1] && s->n_tokens < MAX_STRINGS) {
            h->types[s->n_tokens] = rest[1] - '0';
            h->tokens[s->n_tokens++] = rest + 2;
        } else if (rest[0] == 'm' && s->n_merges < MAX_STRINGS) {
            h->merges[s->n_merges++] = rest + 1;
        } else if (rest[0] == 'c') {
            s->chat_template = rest + 1;
        } else {
            demand(text_add(&h->body, rest, (size_t)(newline - rest), NULL) == 0,
                   "memory");
        }
        rest = newline + 1;
    }
    s->tokens = h->tokens;
    s->types = h->types;
    s->merges = h->merges;
}

static void try_vocabulary(uint8_t choice, const uint8_t *data, size_t size)
{
    tokenizer_source s = {.model = "gpt2",
                          .pre = pres[choice % N_PRES],
                          .bos = -1,
                          .eos = (int32_t)(choice / N_PRES) - 1,
                          .eot = -1,
                          .unknown = -1,
                          .padding = -1};
    hostile *h = calloc(1, sizeof *h);
    if (!h || !(h->bytes = bytes_copy(data, size)))
        abort();
    cut(h, size, &s);
    tokenizer *t = NULL;
    error err = {0};
    int rc = tokenizer_new(&t, &s, &err);
    demand(rc == 0 ? t != NULL : !t && err.text[0], "made, or refused with a reason");
    if (rc == 0) {
        token_list l = {0};
        text back = {0};
        bool special = choice & 0x80;
        const char *body = text_string(&h->body);
        demand(tokenizer_encode(t, body, h->body.n, special, &l, NULL) == 0, "encoded");
        check_bounds(t, &l, h->body.n);
        demand(tokenizer_decode(t, l.ids, l.n, special, &back, NULL) == 0, "decoded");
        const chat_message hello = {"user", body};
        tokenizer_chat(t, &hello, 1, true, &back, &err);
        token_list_free(&l);
        text_free(&back);
    }
    tokenizer_free(t);
    text_free(&h->body);
    free(h->bytes);
    free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tokenizer *complete[N_PRES];
    for (int i = 0; i < N_PRES; i++)
        if (!complete[i])
            complete[i] = make_complete(pres[i]);
    if (size < 2)
        return 0;
    if (data[0] & 1)
        try_text(complete[data[0] / 2 % N_PRES], (const char *)data + 1, size - 1,
                 data[0] & 0x80);
    else
        try_vocabulary(data[1], data + 2, size - 2);
    return 0;
}

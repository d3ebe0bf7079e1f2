/* The table of pre-tokenizers and their patterns, run by PCRE2.
 *
 * The reference is the Rust package "tokenizers" 0.23, whose Unicode is 16 (17 for the
 * digits of smollm), while PCRE2 10.42 knows Unicode 14 and counts U+180E as white space.
 * So white space is spelled out and letters and numbers carry what came later: measured,
 * each class agrees with the reference on every code point. */
#include "pretokenizer.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Each is the inside of a bracket expression. */
#define SPACE                                                                            \
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"      \
    "\\x{205f}\\x{3000}"
#define LETTER                                                                           \
    "\\p{L}\\x{1c89}\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}"                     \
    "\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}\\x{10d6f}-\\x{10d85}"                    \
    "\\x{10ec2}-\\x{10ec4}\\x{1123f}\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}"           \
    "\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}" \
    "\\x{11f02}\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{"      \
    "13446}"                                                                             \
    "\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}\\x{16d40}-\\x{16d6c}\\x{18cff}"          \
    "\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{"      \
    "1e4eb}"                                                                             \
    "\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{"      \
    "323af}"
#define NUMBER                                                                           \
    "\\p{N}\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}"              \
    "\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}"                    \
    "\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{"     \
    "1e5fa}"
#define DIGIT NUMBER "\\x{11de0}-\\x{11de9}\\x{16ff4}-\\x{16ff6}"

#define BLANK_RUN "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"

static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?[" LETTER "]+| ?[" NUMBER
                                   "]+| ?[^" SPACE LETTER NUMBER "]+|" BLANK_RUN;

/* Llama 3 and Qwen 2 differ in how many digits make a word. */
#define LATER_PATTERN(digits)                                                            \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n" LETTER NUMBER "]?[" LETTER "]+|[" NUMBER     \
    "]" digits "| ?[^" SPACE LETTER NUMBER "]+[\\r\\n]*|[" SPACE                         \
    "]*[\\r\\n]+|" BLANK_RUN
static const char llama3_pattern[] = LATER_PATTERN("{1,3}");
static const char qwen2_pattern[] = LATER_PATTERN("");
static const char one_digit[] = "[" DIGIT "]";

enum { MAX_STAGES = 2 };

/* Every piece that one stage leaves is cut by the next on its own: what lies outside the
 * piece is not seen, not even by a look-ahead. */
typedef struct pretokenizer_row {
    pretokenizer_kind kind;
    const char *patterns[MAX_STAGES];
} pretokenizer_row;

/* Further names are those that llama.cpp gives to tokenizers with the same patterns. */
static const pretokenizer_row rows[] = {
    {{.name = "gpt-2"}, {gpt2_pattern}},
    {{.name = "gpt2"}, {gpt2_pattern}},
    {{.name = "phi-2"}, {gpt2_pattern}},
    {{.name = "smollm"}, {one_digit, gpt2_pattern}},
    {{.name = "starcoder"}, {one_digit, gpt2_pattern}},
    {{.name = "refact"}, {one_digit, gpt2_pattern}},
    {{.name = "codeshell"}, {one_digit, gpt2_pattern}},
    {{.name = "llama-bpe", .whole_words = true, .adds_bos = true}, {llama3_pattern}},
    {{.name = "llama3", .whole_words = true, .adds_bos = true}, {llama3_pattern}},
    {{.name = "llama-v3", .whole_words = true, .adds_bos = true}, {llama3_pattern}},
    {{.name = "qwen2", .composes = true}, {qwen2_pattern}},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

struct pretokenizer {
    const pretokenizer_row *row;
    pcre2_code *stages[MAX_STAGES];
    size_t n_stages;
};

/* ---- Making one ---- */

static int refuse_name(const char *name, error *err)
{
    text known = {0};
    for (size_t i = 0; i < N_ROWS; i++)
        if (text_add_format(&known, NULL, "%s%s", i ? ", " : "", rows[i].kind.name) < 0)
            break;
    int rc = error_set(err, E_UNSUPPORTED,
                       "the pre-tokenizer \"%.60s\" is not known; those that are: %s",
                       name, text_string(&known));
    text_free(&known);
    return rc;
}

static int compile(pcre2_code **out, const char *pattern, error *err)
{
    int code;
    size_t at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF, &code, &at, NULL);
    if (!compiled) {
        char why[120];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return error_set(
            err, E_EXTERNAL,
            "PCRE2 cannot compile a pre-tokenizer pattern: %s at character %zu", why, at);
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* without it: slower, the same */
    *out = compiled;
    return 0;
}

static const pretokenizer_row *find_row(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].kind.name, name) == 0)
            return &rows[i];
    return NULL;
}

int pretokenizer_new(pretokenizer **out, const char *name, error *err)
{
    const pretokenizer_row *row = find_row(name);
    if (!row)
        return refuse_name(name, err);
    pretokenizer *p = array_new(1, sizeof *p);
    if (!p)
        return error_memory(err, sizeof *p);
    p->row = row;
    for (; p->n_stages < MAX_STAGES && row->patterns[p->n_stages]; p->n_stages++) {
        int rc = compile(&p->stages[p->n_stages], row->patterns[p->n_stages], err);
        if (rc < 0) {
            pretokenizer_free(p);
            return rc;
        }
    }
    *out = p;
    return 0;
}

void pretokenizer_free(pretokenizer *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_stages; i++)
        pcre2_code_free(p->stages[i]);
    free(p);
}

const pretokenizer_kind *pretokenizer_describe(const pretokenizer *p)
{
    return &p->row->kind;
}

/* ---- Cutting ---- */

/* One call of pretokenizer_split. */
typedef struct cutter {
    const pretokenizer *p;
    const char *s;
    pcre2_match_context *limits;
    pcre2_match_data *matches[MAX_STAGES];
    word_function *each;
    void *context;
} cutter;

/* The next match of a stage in s[from..end); with none, *begin = *match_end = end. */
static int next_match(cutter *c, size_t stage, size_t start, size_t from, size_t end,
                      size_t *begin, size_t *match_end, error *err)
{
    pcre2_match_data *m = c->matches[stage];
    int rc = pcre2_match(c->p->stages[stage], (PCRE2_SPTR)c->s + start, end - start,
                         from - start, PCRE2_NO_UTF_CHECK, m, c->limits);
    if (rc == PCRE2_ERROR_NOMATCH) {
        *begin = *match_end = end;
        return 0;
    }
    if (rc < 0) {
        char why[120];
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return error_set(err, E_EXTERNAL, "PCRE2 fails at byte %zu of a text: %s", from,
                         why);
    }
    const size_t *bounds = pcre2_get_ovector_pointer(m);
    *begin = start + bounds[0];
    *match_end = start + bounds[1];
    return 0;
}

/* Hand s[begin..end) to the next stage, or out after the last. */
static int cut(cutter *c, size_t stage, size_t begin, size_t end, error *err)
{
    if (begin == end)
        return 0;
    if (stage == c->p->n_stages)
        return c->each(c->context, begin, end - begin, err);
    for (size_t at = begin; at < end;) {
        size_t from = end, to = end;
        TRY(next_match(c, stage, begin, at, end, &from, &to, err));
        TRY(cut(c, stage + 1, at, from, err));
        TRY(cut(c, stage + 1, from, to, err));
        at = to;
    }
    return 0;
}

static int prepare(cutter *c, error *err)
{
    c->limits = pcre2_match_context_create(NULL);
    bool made = c->limits != NULL;
    for (size_t i = 0; i < c->p->n_stages; i++) {
        c->matches[i] = pcre2_match_data_create(1, NULL);
        made = made && c->matches[i];
    }
    if (!made)
        return error_memory(err, sizeof *c);
    /* The patterns backtrack at most once over a run, however long the run is; the
     * default limit of ten million steps is for patterns that one cannot trust. */
    pcre2_set_match_limit(c->limits, UINT32_MAX);
    return 0;
}

int pretokenizer_split(const pretokenizer *p, const char *s, size_t n,
                       word_function *each, void *context, error *err)
{
    cutter c = {.p = p, .s = s, .each = each, .context = context};
    int rc = prepare(&c, err);
    if (rc == 0)
        rc = cut(&c, 0, 0, n, err);
    for (size_t i = 0; i < MAX_STAGES; i++)
        pcre2_match_data_free(c.matches[i]);
    pcre2_match_context_free(c.limits);
    return rc;
}

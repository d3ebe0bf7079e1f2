/* lamarck tokenize: texts to token ids and back, for scripts. */
#include "../definition/experiment.h"
#include "../views/json_lines.h"
#include "command.h"
#include "options.h"

#include "../../model/tokenizer_gguf.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck tokenize MODEL FILE.jsonl [--decode] [--special]\n"
    "\n"
    "Reads one JSON object per line (\"-\": standard input) and prints one per line.\n"
    "  {\"text\": \"…\"}  ->  {\"ids\": […]}   no BOS or EOS is added\n"
    "  {\"bytes\": \"e29c\"}  ->  the same for bytes that JSON cannot carry, in "
    "hexadecimal\n"
    "\n"
    "  --decode     the other way: {\"ids\": […]} -> {\"text\": …}, or {\"bytes\": …} "
    "where\n"
    "               the bytes are not well-formed UTF-8\n"
    "  --special    the spelling of a special token in a text is that token, and "
    "special\n"
    "               tokens are spelled out by --decode (else they are left out)\n";

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c | 0x20);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c && at ? (int)(at - digits) : -1;
}

static int decode_hex(const json_lines *l, const char *s, size_t n, text *out, error *err)
{
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(s[i]), low = i + 1 < n ? hex_digit(s[i + 1]) : -1;
        if (high < 0 || low < 0)
            return json_lines_error(l, E_FORMAT, err,
                                    "\"bytes\" is not hexadecimal at character %zu", i);
        char byte = (char)(high << 4 | low);
        TRY(text_add(out, &byte, 1, err));
    }
    return 0;
}

/* The bytes of a line: its "text", or its "bytes" decoded into *scratch. */
static int line_bytes(const json_lines *l, const json_t *object, text *scratch,
                      const char **s, size_t *n, error *err)
{
    static const char *const known[] = {"text", "bytes"};
    TRY(json_lines_known(l, object, known, 2, err));
    int has_text = json_lines_text(l, object, "text", s, n, err);
    if (has_text)
        return has_text;
    int has_bytes = json_lines_text(l, object, "bytes", s, n, err);
    TRY(has_bytes);
    if (!has_bytes)
        return json_lines_error(l, E_FORMAT, err, "\"text\" is missing");
    text_clear(scratch);
    TRY(decode_hex(l, *s, *n, scratch, err));
    *s = text_string(scratch);
    *n = scratch->n;
    return 0;
}

static int print_ids(const token_list *tokens, error *err)
{
    json_t *ids = json_array();
    bool ok = ids != NULL;
    for (size_t i = 0; ok && i < tokens->n; i++)
        ok = json_array_append_new(ids, json_integer(tokens->ids[i])) == 0;
    if (!ok) {
        json_decref(ids);
        ids = NULL;
    }
    return json_print_line(ids ? json_pack("{s:o}", "ids", ids) : NULL, err);
}

static int print_bytes(const text *t, error *err)
{
    if (utf8_check(text_string(t), t->n) == t->n)
        return json_print_line(json_pack("{s:s%}", "text", text_string(t), t->n), err);
    text hex = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n; i++)
        rc = text_add_format(&hex, err, "%02x", (unsigned char)t->s[i]);
    if (rc == 0)
        rc = json_print_line(json_pack("{s:s}", "bytes", text_string(&hex)), err);
    text_free(&hex);
    return rc;
}

/* What a line's work needs, kept between lines. */
typedef struct workspace {
    const tokenizer *tokenizer;
    bool special;
    token_list tokens;
    text bytes;
} workspace;

static int encode_line(workspace *w, const json_lines *l, const json_t *object,
                       error *err)
{
    const char *s;
    size_t n;
    TRY(line_bytes(l, object, &w->bytes, &s, &n, err));
    w->tokens.n = 0;
    TRY(tokenizer_encode(w->tokenizer, s, n, w->special, &w->tokens, err));
    return print_ids(&w->tokens, err);
}

static int decode_line(workspace *w, const json_lines *l, const json_t *object,
                       error *err)
{
    static const char *const known[] = {"ids"};
    TRY(json_lines_known(l, object, known, 1, err));
    int32_t *ids;
    size_t n;
    int found = json_lines_ids(
        l, object, "ids", tokenizer_describe(w->tokenizer)->n_vocabulary, &ids, &n, err);
    TRY(found);
    if (!found)
        return json_lines_error(l, E_FORMAT, err, "\"ids\" is missing");
    text_clear(&w->bytes);
    int rc = tokenizer_decode(w->tokenizer, ids, n, w->special, &w->bytes, err);
    free(ids);
    TRY(rc);
    return print_bytes(&w->bytes, err);
}

static int run_lines(workspace *w, const char *path, bool decode, error *err)
{
    json_lines lines;
    TRY(json_lines_open(&lines, path, err));
    json_t *object;
    int rc;
    while ((rc = json_lines_next(&lines, &object, err)) > 0) {
        rc = decode ? decode_line(w, &lines, object, err)
                    : encode_line(w, &lines, object, err);
        json_decref(object);
        if (rc == 0 && command_interrupted)
            rc = error_set(err, E_INTERRUPTED, "interrupted");
        if (rc < 0)
            break;
    }
    json_lines_close(&lines);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    bool decode = false;
    workspace w = {0};
    const option options[] = {
        {"decode", OPTION_FLAG, &decode, NULL, NULL},
        {"special", OPTION_FLAG, &w.special, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL FILE.jsonl", 2, 2}, &n, err));
    char *path;
    TRY(model_locate(argv[1], "", &path, err));
    tokenizer *t = NULL;
    int rc;
    TRY_OUT(rc, tokenizer_open(&t, path, err));
    w.tokenizer = t;
    TRY_OUT(rc, run_lines(&w, argv[2], decode, err));
out:
    token_list_free(&w.tokens);
    text_free(&w.bytes);
    tokenizer_free(t);
    free(path);
    return rc;
}

const command cmd_tokenize = {
    .name = "tokenize",
    .group = "model",
    .summary = "texts to token ids and back, line by line",
    .usage = usage,
    .run = run,
};

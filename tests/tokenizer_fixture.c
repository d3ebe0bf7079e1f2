/* Reads tests/data/tokenizer. */
#include "tokenizer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixture.h"

static const char **read_strings(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    const char **strings = array_new(*n, sizeof *strings);
    assert_non_null(strings);
    for (size_t i = 0; i < *n; i++) {
        strings[i] = json_string_value(json_array_get(array, i));
        assert_non_null(strings[i]);
    }
    return strings;
}

void vocabulary_fixture_open(vocabulary_fixture *f)
{
    size_t bytes, n_types;
    char *source = fixture_read("tokenizer/vocabulary.json", &bytes);
    json_t *json = json_loadb(source, bytes, 0, NULL);
    free(source);
    assert_non_null(json);
    *f = (vocabulary_fixture){.json = json};
    f->source = (tokenizer_source){.model = "gpt2",
                                   .pre = "gpt-2",
                                   .bos = -1,
                                   .eos = -1,
                                   .eot = -1,
                                   .unknown = -1,
                                   .padding = -1,
                                   .add_bos = -1};
    f->tokens = read_strings(json_object_get(json, "tokens"), &f->source.n_tokens);
    f->merges = read_strings(json_object_get(json, "merges"), &f->source.n_merges);
    const json_t *types = json_object_get(json, "types");
    n_types = json_array_size(types);
    assert_int_equal(n_types, f->source.n_tokens);
    f->types = array_new(n_types, sizeof *f->types);
    assert_non_null(f->types);
    for (size_t i = 0; i < n_types; i++)
        f->types[i] = (int32_t)json_integer_value(json_array_get(types, i));
    f->source.tokens = f->tokens;
    f->source.merges = f->merges;
    f->source.types = f->types;
}

void vocabulary_fixture_close(vocabulary_fixture *f)
{
    free(f->tokens);
    free(f->merges);
    free(f->types);
    json_decref(f->json);
}

static void add_hex(text *out, const char *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        char digits[3] = {s[i], s[i + 1], '\0'}, *end;
        char byte = (char)strtoul(digits, &end, 16);
        assert_ptr_equal(end, digits + 2);
        assert_int_equal(text_add(out, &byte, 1, NULL), 0);
    }
}

static void read_text(tokenizer_case *c, const char *s)
{
    text_clear(&c->bytes);
    c->special = *s++ == 's';
    switch (*s++) {
    case 'x':
        add_hex(&c->bytes, s, strlen(s));
        break;
    case 'r': {
        char *hex;
        for (unsigned long k = strtoul(s, &hex, 10); k > 0; k--)
            add_hex(&c->bytes, hex + 1, strlen(hex + 1));
        break;
    }
    case 't':
        for (; *s; s++)
            if (*s == '%') {
                add_hex(&c->bytes, s + 1, 2);
                s += 2;
            } else {
                assert_int_equal(text_add(&c->bytes, s, 1, NULL), 0);
            }
        break;
    default:
        fail_msg("cases.txt:%zu: unknown way of writing a text", c->line);
    }
}

/* "7 9*3" is 7 9 9 9. */
static void read_ids(tokenizer_case *c, const char *s)
{
    size_t capacity = 0;
    c->ids = NULL;
    c->n = 0;
    while (*s) {
        char *end;
        long id = strtol(s, &end, 10), count = 1;
        assert_ptr_not_equal(end, s);
        if (*end == '*')
            count = strtol(end + 1, &end, 10);
        for (; count > 0; count--) {
            assert_int_equal(array_grow(&c->ids, &capacity, c->n, sizeof *c->ids, NULL),
                             0);
            c->ids[c->n++] = (int32_t)id;
        }
        s = end + strspn(end, " ");
    }
}

size_t tokenizer_cases(int column,
                       void (*each)(const tokenizer_case *c, const tokenizer *t),
                       const tokenizer *t)
{
    enum { COLUMNS = 6 };
    char *file = fixture_read("tokenizer/cases.txt", NULL), *rest = file, *line;
    tokenizer_case c = {0};
    size_t n = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        char *columns[COLUMNS];
        c.line++;
        for (int i = 0; i < COLUMNS; i++)
            assert_non_null(columns[i] = strsep(&line, "\t"));
        if (strcmp(columns[column], "-") == 0)
            continue;
        bool same = strcmp(columns[column], "=") == 0;
        read_text(&c, columns[0]);
        read_ids(&c, columns[same ? CASE_GPT2 : column]);
        each(&c, t);
        free(c.ids);
        n++;
    }
    text_free(&c.bytes);
    free(file);
    return n;
}

/* Templates: parsing {{variables}}, checking the shape of a prompt, filling in. */
#include "template.h"

#include <stdlib.h>
#include <string.h>

enum { VARIABLE_MAX = 200 }; /* bytes of a name: more is a forgotten }} */

void template_free(template_text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->pieces[i].literal);
        free(t->pieces[i].variable);
    }
    free(t->pieces);
    free(t->source);
    *t = (template_text){0};
}

void prompt_template_free(prompt_template *t)
{
    template_free(&t->body);
    for (size_t i = 0; i < t->n_messages; i++) {
        free(t->messages[i].role);
        template_free(&t->messages[i].content);
    }
    free(t->messages);
    *t = (prompt_template){0};
}

/* ---- Parsing ---- */

typedef struct parser {
    template_text *t;
    size_t capacity;
    text literal; /* collected so far */
} parser;

static int add_piece(parser *p, char *literal, char *variable, error *err)
{
    template_text *t = p->t;
    if (array_grow(&t->pieces, &p->capacity, t->n, sizeof *t->pieces, err) < 0) {
        free(literal);
        free(variable);
        return E_MEMORY;
    }
    t->pieces[t->n++] = (template_piece){literal, variable};
    return 0;
}

static int end_literal(parser *p, error *err)
{
    if (!p->literal.n)
        return 0;
    char *copy = bytes_copy(p->literal.s, p->literal.n);
    if (!copy)
        return error_memory(err, p->literal.n);
    text_clear(&p->literal);
    return add_piece(p, copy, NULL, err);
}

static size_t line_of(const char *source, const char *at)
{
    size_t line = 1;
    for (const char *s = source; s < at; s++)
        line += *s == '\n';
    return line;
}

/* A variable from its {{ on; *s moves past its }}. */
static int parse_variable(parser *p, const char **s, error *err)
{
    const char *source = p->t->source, *open = *s, *begin = open + 2;
    size_t length = strcspn(begin, "{}\n");
    const char *close = begin + length;
    if (close[0] != '}' || close[1] != '}')
        return error_set(err, E_FORMAT,
                         "line %zu of the template: {{ is not followed by a name and }} "
                         "at \"%.30s\"; to write {{ itself, write {{{{",
                         line_of(source, open), open);
    while (begin < close && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (close > begin && (close[-1] == ' ' || close[-1] == '\t'))
        close--;
    size_t n = (size_t)(close - begin);
    if (n == 0 || n > VARIABLE_MAX)
        return error_set(err, E_FORMAT,
                         "line %zu of the template: the name between {{ and }} has %zu "
                         "bytes; 1 to %d are possible",
                         line_of(source, open), n, VARIABLE_MAX);
    TRY(end_literal(p, err));
    char *name = bytes_copy(begin, n);
    if (!name)
        return error_memory(err, n);
    *s = open + 2 + length + 2;
    return add_piece(p, NULL, name, err);
}

static int parse_pieces(parser *p, error *err)
{
    const char *s = p->t->source;
    while (*s) {
        if (strncmp(s, "{{{{", 4) == 0) {
            TRY(text_add(&p->literal, "{{", 2, err));
            s += 4;
        } else if (strncmp(s, "{{", 2) == 0) {
            TRY(parse_variable(p, &s, err));
        } else {
            const char *next = strchr(s + 1, '{');
            size_t n = next ? (size_t)(next - s) : strlen(s);
            TRY(text_add(&p->literal, s, n, err));
            s += n;
        }
    }
    return end_literal(p, err);
}

int template_parse(template_text *out, const char *source, error *err)
{
    template_text t = {.source = string_copy(source)};
    if (!t.source)
        return error_memory(err, strlen(source) + 1);
    parser p = {.t = &t};
    int rc = parse_pieces(&p, err);
    text_free(&p.literal);
    if (rc < 0)
        template_free(&t);
    else
        *out = t;
    return rc;
}

/* ---- Shape ---- */

size_t template_uses(const template_text *t, const char *variable)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->pieces[i].variable && strcmp(t->pieces[i].variable, variable) == 0;
    return n;
}

const template_text *prompt_last(const prompt_template *t)
{
    return t->n_messages ? &t->messages[t->n_messages - 1].content : &t->body;
}

size_t prompt_uses(const prompt_template *t, const char *variable)
{
    size_t n = template_uses(&t->body, variable);
    for (size_t i = 0; i < t->n_messages; i++)
        n += template_uses(&t->messages[i].content, variable);
    return n;
}

/* Index of the piece that is {{target}}, or n. */
static size_t target_piece(const template_text *t)
{
    size_t i = 0;
    while (i < t->n &&
           !(t->pieces[i].variable && strcmp(t->pieces[i].variable, "target") == 0))
        i++;
    return i;
}

static int check_input(const prompt_template *t, error *err)
{
    if (prompt_uses(t, "input"))
        return 0;
    return error_set(err, E_FORMAT,
                     "the template has no {{input}}: the model would never see the "
                     "question");
}

int prompt_check_open(const prompt_template *t, error *err)
{
    if (prompt_uses(t, "target"))
        return prompt_check(t, err);
    return check_input(t, err);
}

int prompt_check(const prompt_template *t, error *err)
{
    TRY(check_input(t, err));
    size_t targets = prompt_uses(t, "target");
    if (targets == 0)
        return error_set(err, E_FORMAT,
                         "the template has no {{target}}: it ends where "
                         "the answer goes");
    if (targets > 1)
        return error_set(err, E_FORMAT,
                         "the template has {{target}} %zu times: the answer must stand "
                         "in one place",
                         targets);
    if (t->n_messages && strcmp(t->messages[t->n_messages - 1].role, "assistant") != 0)
        return error_set(err, E_FORMAT,
                         "the last message is the %s's: it must be the assistant's and "
                         "hold {{target}}",
                         t->messages[t->n_messages - 1].role);
    const template_text *last = prompt_last(t);
    size_t i = target_piece(last);
    if (i == last->n)
        return error_set(err, E_FORMAT, "{{target}} must stand in the last message");
    for (i++; i < last->n; i++)
        if (last->pieces[i].variable)
            return error_set(err, E_FORMAT,
                             "{{%.100s}} comes after {{target}}: only literal text may, "
                             "since the model has answered by then",
                             last->pieces[i].variable);
    return 0;
}

/* ---- Filling in ---- */

static int render_pieces(const template_piece *pieces, size_t n_pieces,
                         const binding *bindings, size_t n, text *out, error *err)
{
    for (size_t i = 0; i < n_pieces; i++) {
        const char *value = pieces[i].literal;
        for (size_t j = 0; !value && j < n; j++)
            if (strcmp(bindings[j].name, pieces[i].variable) == 0)
                value = bindings[j].value;
        if (!value)
            return error_set(err, E_ARGUMENT, "nothing is bound to {{%.100s}}",
                             pieces[i].variable);
        TRY(text_add_string(out, value, err));
    }
    return 0;
}

int template_render(const template_text *t, const binding *bindings, size_t n, text *out,
                    error *err)
{
    return render_pieces(t->pieces, t->n, bindings, n, out, err);
}

static bool ends_with_reply(const prompt_template *t)
{
    return t->n_messages && strcmp(t->messages[t->n_messages - 1].role, "assistant") == 0;
}

/* All messages but the assistant's last, then the opening of the reply. */
static int render_turns(const prompt_template *t, const tokenizer *words,
                        const binding *bindings, size_t n, text *out, error *err)
{
    size_t turns = t->n_messages - ends_with_reply(t);
    if (!words)
        return error_set(err, E_ARGUMENT, "a chat needs a tokenizer to be rendered");
    chat_message *messages = array_new(turns, sizeof *messages);
    text *contents = array_new(turns, sizeof *contents);
    int rc = messages && contents ? 0 : error_memory(err, turns * sizeof *contents);
    for (size_t i = 0; i < turns && rc == 0; i++) {
        rc = template_render(&t->messages[i].content, bindings, n, &contents[i], err);
        messages[i] = (chat_message){t->messages[i].role, text_string(&contents[i])};
    }
    if (rc == 0)
        rc = tokenizer_chat(words, messages, turns, true, out, err);
    for (size_t i = 0; contents && i < turns; i++)
        text_free(&contents[i]);
    free(contents);
    free(messages);
    return rc;
}

int prompt_render(const prompt_template *t, const tokenizer *words,
                  const binding *bindings, size_t n, const char *target, text *context,
                  text *tail, error *err)
{
    const template_text *last = prompt_last(t);
    size_t at = target_piece(last);
    if (t->n_messages)
        TRY(render_turns(t, words, bindings, n, context, err));
    if (t->n_messages && !ends_with_reply(t))
        return 0; /* the last message was a turn like the others */
    TRY(render_pieces(last->pieces, at, bindings, n, context, err));
    if (at == last->n)
        return 0;
    TRY(text_add_string(tail, target, err));
    return render_pieces(last->pieces + at + 1, last->n - at - 1, bindings, n, tail, err);
}

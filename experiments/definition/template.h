/* Templates: text with {{variables}}, or a chat of such texts.
 *
 * Variables are the names of genes, the data's fields ("input" first among them) and
 * "target". Immutable once parsed; owns its strings. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_TEMPLATE_H
#define LAMARCK_EXPERIMENTS_DEFINITION_TEMPLATE_H

#include "../../model/tokenizer.h"
#include "dataset.h"

typedef struct template_piece {
    char *literal; /* or NULL: then it is a variable */
    char *variable;
} template_piece;

typedef struct template_text {
    char *source; /* as written; owned */
    template_piece *pieces;
    size_t n;
} template_text;

/* {{name}} and {{ name }} are variables; {{{{ is a literal {{. */
int template_parse(template_text *out, const char *source, error *err);
void template_free(template_text *t);
/* How often a variable occurs. */
size_t template_uses(const template_text *t, const char *variable);

typedef struct template_message {
    char *role; /* "system", "user", "assistant" */
    template_text content;
} template_message;

/* Values of variables during rendering. */
typedef struct binding {
    const char *name;
    const char *value;
} binding;

/* Append a text with its variables filled in. E_ARGUMENT for one without a binding. */
int template_render(const template_text *t, const binding *bindings, size_t n, text *out,
                    error *err);

/* One text (n_messages 0) or a chat, whose last message is the assistant's and ends in
 * the target. */
typedef struct prompt_template {
    template_text body;
    template_message *messages;
    size_t n_messages;
} prompt_template;
void prompt_template_free(prompt_template *t);

/* The text that ends in the target: the body, or the content of the last message. */
const template_text *prompt_last(const prompt_template *t);
/* How often a variable occurs in all of it. */
size_t prompt_uses(const prompt_template *t, const char *variable);
/* E_FORMAT unless {{input}} occurs, and {{target}} once, followed by nothing but literal
 * text, in the last message, which is the assistant's. */
int prompt_check(const prompt_template *t, error *err);
/* The same where nothing is scored: {{target}} may also not occur. Then the model goes on
 * from the end (of a chat whose last message is not the assistant's: with his). */
int prompt_check_open(const prompt_template *t, error *err);

/* Append the rendered text up to {{target}}, or its end, to *context, and what follows
 * from there on (the target itself included) to *tail. A chat goes through the
 * tokenizer's format; its special tokens are then to be recognised when encoding; the
 * turn that holds the target is left open. The tokenizer may be NULL when there are no
 * messages. E_ARGUMENT for a variable without a binding. */
int prompt_render(const prompt_template *t, const tokenizer *tokenizer,
                  const binding *bindings, size_t n, const char *target, text *context,
                  text *tail, error *err);

#endif

/* Templates: text with {{variables}}, or a chat of such texts.
 *
 * Variables are the names of genes, the data's fields ("input" first among them) and
 * "target". Immutable once parsed; owns its strings. */
#ifndef LAMARCK_EXPERIMENTS_TEMPLATE_H
#define LAMARCK_EXPERIMENTS_TEMPLATE_H

#include "../model/tokenizer.h"
#include "dataset.h"

typedef struct template_piece {
    char *literal; /* or NULL: then it is a variable */
    char *variable;
} template_piece;

typedef struct template_text {
    template_piece *pieces;
    size_t n;
} template_text;

int template_parse(template_text *out, const char *source, error *err);
void template_free(template_text *t);

typedef struct template_message {
    char *role; /* "system", "user", "assistant" */
    template_text content;
} template_message;

/* One text (n_messages 0) or a chat, whose last message is the assistant's and ends in
 * the target. */
typedef struct prompt_template {
    template_text body;
    template_message *messages;
    size_t n_messages;
} prompt_template;
void prompt_template_free(prompt_template *t);

/* Values of variables during rendering. */
typedef struct binding {
    const char *name;
    const char *value;
} binding;

/* Append the rendered text up to {{target}} to *context, and what follows from there on
 * (the target itself included) to *tail. A chat goes through the tokenizer's format; its
 * special tokens are then to be recognised when encoding. E_ARGUMENT for a variable
 * without a binding. */
int prompt_render(const prompt_template *t, const tokenizer *tokenizer,
                  const binding *bindings, size_t n, const char *target, text *context,
                  text *tail, error *err);

#endif

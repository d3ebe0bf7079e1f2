/* A prompt in the forms that other programs read. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_EXPORT_H
#define LAMARCK_EXPERIMENTS_VIEWS_EXPORT_H

#include "../definition/experiment.h"

#include <jansson.h>

/* OpenAI-style messages: [{"role", "content"}, …] with {{input}} and other data fields
 * left standing, up to where the target begins. A prompt that is no chat is one user
 * message. New. */
int export_messages(const experiment *e, const genome *g, json_t **out, error *err);

/* A promptfoo configuration (YAML): the prompt, a provider to be filled in, and the
 * examples of the final split as tests. Appended to *out. */
int export_promptfoo(const experiment *e, const genome *g, text *out, error *err);

#endif

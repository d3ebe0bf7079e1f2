/* Recognises a chat template; the rendering is tokenizer_chat. */
#ifndef LAMARCK_MODEL_CHAT_H
#define LAMARCK_MODEL_CHAT_H

#include "tokenizer.h"

/* By the marks that the Jinja source contains; NULL is CHAT_NONE. */
chat_format chat_recognise(const char *template_source);

#endif

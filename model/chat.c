/* The two chat formats that are known, as data and one loop. Jinja is not interpreted: a
 * template with the marks of a format is taken to be of that format. */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include <unistr.h>

typedef struct chat_marks {
    const char *before_role, *after_role, *after_content;
    bool trims; /* white space around the content is cut off, as the template does */
} chat_marks;

static const chat_marks chatml_marks = {"<|im_start|>", "\n", "<|im_end|>\n", false};
static const chat_marks llama3_marks = {"<|start_header_id|>", "<|end_header_id|>\n\n",
                                        "<|eot_id|>", true};

static const char *const roles[] = {"system", "user", "assistant"};

chat_format chat_recognise(const char *template_source)
{
    if (!template_source)
        return CHAT_NONE;
    /* A third mark that some models put between role and content: another format. */
    bool separated = strstr(template_source, "<|im_sep|>");
    if (strstr(template_source, "<|im_start|>") &&
        strstr(template_source, "<|im_end|>") && !separated)
        return CHAT_CHATML;
    if (strstr(template_source, "<|start_header_id|>") &&
        strstr(template_source, "<|end_header_id|>") &&
        strstr(template_source, "<|eot_id|>"))
        return CHAT_LLAMA3;
    return CHAT_OTHER;
}

/* What Python's str.strip, and so Jinja's trim, takes for white space. */
static bool is_trimmed(ucs4_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 ||
           c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static const char *trim(const char *s, size_t *n)
{
    const uint8_t *first = (const uint8_t *)s, *end = first + *n;
    ucs4_t c;
    while (first < end) {
        int step = u8_mbtouc(&c, first, (size_t)(end - first));
        if (!is_trimmed(c))
            break;
        first += step;
    }
    while (end > first) {
        const uint8_t *last = end - 1;
        while (last > first && (*last & 0xc0) == 0x80)
            last--;
        u8_mbtouc(&c, last, (size_t)(end - last));
        if (!is_trimmed(c))
            break;
        end = last;
    }
    *n = (size_t)(end - first);
    return (const char *)first;
}

static int add_message(const chat_marks *marks, const chat_message *message, text *out,
                       error *err)
{
    size_t n = strlen(message->content);
    const char *content = marks->trims ? trim(message->content, &n) : message->content;
    TRY(text_add_string(out, marks->before_role, err));
    TRY(text_add_string(out, message->role, err));
    TRY(text_add_string(out, marks->after_role, err));
    TRY(text_add(out, content, n, err));
    return text_add_string(out, marks->after_content, err);
}

static int check_messages(const chat_message *messages, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *role = messages[i].role;
        bool known = false;
        for (size_t k = 0; role && k < sizeof roles / sizeof roles[0]; k++)
            known = known || strcmp(role, roles[k]) == 0;
        if (!known)
            return error_set(
                err, E_ARGUMENT,
                "message %zu has the role \"%.40s\"; a role is system, user or "
                "assistant",
                i + 1, role ? role : "");
        if (!messages[i].content)
            return error_set(err, E_ARGUMENT, "message %zu has no content", i + 1);
    }
    return 0;
}

static int render(const chat_marks *marks, const chat_message *messages, size_t n,
                  bool open_reply, text *out, error *err)
{
    for (size_t i = 0; i < n; i++)
        TRY(add_message(marks, &messages[i], out, err));
    if (!open_reply)
        return 0;
    TRY(text_add_string(out, marks->before_role, err));
    TRY(text_add_string(out, "assistant", err));
    return text_add_string(out, marks->after_role, err);
}

int tokenizer_chat(const tokenizer *t, const chat_message *messages, size_t n,
                   bool open_reply, text *out, error *err)
{
    chat_format format = tokenizer_describe(t)->chat;
    if (format == CHAT_NONE)
        return error_set(
            err, E_UNSUPPORTED,
            "the model has no chat template, so messages cannot be put to it");
    if (format == CHAT_OTHER)
        return error_set(err, E_UNSUPPORTED,
                         "the model's chat template is neither ChatML nor Llama 3");
    TRY(check_messages(messages, n, err));
    text rendered = {0};
    int rc = render(format == CHAT_CHATML ? &chatml_marks : &llama3_marks, messages, n,
                    open_reply, &rendered, err);
    if (rc == 0)
        rc = text_add(out, rendered.s, rendered.n, err);
    text_free(&rendered);
    return rc;
}

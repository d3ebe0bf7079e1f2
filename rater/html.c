/* Escaping. */
#include "html.h"

#include <string.h>

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return NULL;
    default:
        return (unsigned char)c < 0x20 || c == 0x7f ? UTF8_REPLACEMENT : NULL;
    }
}

/* n well-formed bytes. */
static int escape_well_formed(text *out, const char *s, size_t n, error *err)
{
    size_t begin = 0;
    for (size_t i = 0; i < n; i++) {
        const char *e = entity(s[i]);
        if (!e)
            continue;
        TRY(text_add(out, s + begin, i - begin, err));
        TRY(text_add_string(out, e, err));
        begin = i + 1;
    }
    return text_add(out, s + begin, n - begin, err);
}

int html_escape(text *out, const char *s, size_t n, error *err)
{
    text clean = {0};
    int rc = utf8_mend(&clean, s, n, err);
    if (rc == 0)
        rc = escape_well_formed(out, text_string(&clean), clean.n, err);
    text_free(&clean);
    return rc;
}

int html_escape_string(text *out, const char *s, error *err)
{
    return html_escape(out, s, strlen(s), err);
}

/* The one thing that `letter` stands for. */
static int add_argument(text *out, char letter, va_list *args, error *err)
{
    switch (letter) {
    case 's':
        return html_escape_string(out, va_arg(*args, const char *), err);
    case 'm':
        return text_add_string(out, va_arg(*args, const char *), err);
    case 'u':
        return text_add_format(out, err, "%zu", va_arg(*args, size_t));
    case '%':
        return text_add(out, "%", 1, err);
    default:
        return error_set(err, E_ARGUMENT, "html_add does not know %%%c", letter);
    }
}

int html_add(text *out, error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = 0;
    while (rc == 0 && *format) {
        size_t n = strcspn(format, "%");
        rc = text_add(out, format, n, err);
        format += n;
        if (rc == 0 && *format) {
            rc = add_argument(out, format[1], &args, err);
            format += format[1] ? 2 : 1;
        }
    }
    va_end(args);
    return rc;
}

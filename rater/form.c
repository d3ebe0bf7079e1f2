#include "form.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int form_unescape(char *s, size_t n, bool plus, size_t *out, error *err)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(s[i + 1]) : -1;
            int low = n - i > 2 ? hex_digit(s[i + 2]) : -1;
            if (high < 0 || low < 0)
                return error_set(err, E_FORMAT, "broken %%-escape at byte %zu", i);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (!c)
            return error_set(err, E_FORMAT, "NUL character at byte %zu", i);
        s[length++] = c;
    }
    size_t bad = utf8_check(s, length);
    if (bad < length)
        return error_set(err, E_FORMAT, "ill-formed UTF-8 after %zu bytes", bad);
    *out = length;
    return 0;
}

static int add_field(form *f, char *s, size_t n, error *err)
{
    if (f->n == FORM_FIELDS)
        return error_set(err, E_LIMIT, "more than %d fields", FORM_FIELDS);
    char *equals = memchr(s, '=', n);
    size_t n_name = equals ? (size_t)(equals - s) : n;
    size_t n_value = equals ? n - n_name - 1 : 0;
    char *value = equals ? equals + 1 : s + n;
    TRY(form_unescape(s, n_name, true, &n_name, err));
    TRY(form_unescape(value, n_value, true, &n_value, err));
    value[n_value] = '\0'; /* the end, the '&', or inside what was escaped */
    s[n_name] = '\0';
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->fields[i].name, s) == 0)
            return error_set(err, E_FORMAT, "the field '%.40s' is there twice", s);
    f->fields[f->n++] = (form_field){s, value};
    return 0;
}

static int parse_fields(form *f, size_t n, error *err)
{
    for (size_t at = 0; at < n;) {
        char *s = f->bytes + at, *end = memchr(s, '&', n - at);
        size_t length = end ? (size_t)(end - s) : n - at;
        at += length + 1;
        if (length)
            TRY(add_field(f, s, length, err));
    }
    return 0;
}

int form_parse(form *f, const char *s, size_t n, error *err)
{
    form parsed = {.bytes = array_new(n + 1, 1)};
    if (!parsed.bytes)
        return error_memory(err, n + 1);
    if (n)
        memcpy(parsed.bytes, s, n);
    int rc = parse_fields(&parsed, n, err);
    if (rc < 0)
        form_free(&parsed);
    else
        *f = parsed;
    return rc;
}

void form_free(form *f)
{
    free(f->bytes);
    *f = (form){0};
}

const char *form_get(const form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->fields[i].name, name) == 0)
            return f->fields[i].value;
    return NULL;
}

int form_escape(text *out, const char *s, error *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    for (; *s; s++)
        if (strchr(plain, *s))
            TRY(text_add(out, s, 1, err));
        else
            TRY(text_add_format(out, err, "%%%02X", (unsigned)(unsigned char)*s));
    return 0;
}

bool cookie_get(const char *header, const char *name, char *out, size_t size)
{
    size_t n_name = strlen(name);
    const char *found = NULL;
    size_t n_found = 0;
    while (header && *header) {
        header += strspn(header, " \t;");
        size_t n = strcspn(header, ";");
        if (n > n_name && memcmp(header, name, n_name) == 0 && header[n_name] == '=') {
            if (found)
                return false;
            found = header + n_name + 1;
            n_found = n - n_name - 1;
        }
        header += n;
    }
    while (n_found && (found[n_found - 1] == ' ' || found[n_found - 1] == '\t'))
        n_found--;
    if (!found || n_found >= size)
        return false;
    memcpy(out, found, n_found);
    out[n_found] = '\0';
    return true;
}

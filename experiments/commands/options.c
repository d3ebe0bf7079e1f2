/* Command lines, by table. */
#include "options.h"
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64 };

void option_list_free(option_list *l)
{
    free(l->items);
    *l = (option_list){0};
}

int option_number(const char *what, const char *s, uint64_t *out, error *err)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(s, &end, 10);
    if (*s < '0' || *s > '9' || *end)
        return error_set(err, E_USAGE, "%s wants a whole number, not '%s'", what, s);
    if (errno == ERANGE)
        return error_set(err, E_USAGE, "%s: %s is too large, the limit is %llu", what, s,
                         (unsigned long long)UINT64_MAX);
    *out = value;
    return 0;
}

int option_real(const char *what, const char *s, double *out, error *err)
{
    char *end;
    double value = strtod(s, &end);
    if (end == s || *end || !isfinite(value))
        return error_set(err, E_USAGE, "%s wants a number, not '%s'", what, s);
    *out = value;
    return 0;
}

static int store_choice(const option *o, const char *what, const char *value, error *err)
{
    text all = {0};
    size_t n = 0;
    for (; o->choices[n]; n++)
        if (strcmp(o->choices[n], value) == 0) {
            *(int *)o->out = (int)n;
            text_free(&all);
            return 0;
        } else if (text_add_format(&all, NULL, "%s%s", n ? ", " : "", o->choices[n]) < 0)
            break;
    const char *near = nearest_name(value, o->choices, n);
    error_set(err, E_USAGE, "%s does not know '%s': it is one of %s%s%s%s", what, value,
              text_string(&all), near ? "; did you mean '" : "", near ? near : "",
              near ? "'?" : "");
    text_free(&all);
    return E_USAGE;
}

static int store_value(const option *o, const char *what, const char *value, error *err)
{
    uint64_t number = 0;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->out = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->out = value;
        return 0;
    case OPTION_SIZE:
        TRY(option_number(what, value, &number, err));
        *(size_t *)o->out = (size_t)number;
        return 0;
    case OPTION_SEED:
        return option_number(what, value, o->out, err);
    case OPTION_REAL:
        return option_real(what, value, o->out, err);
    case OPTION_CHOICE:
        return store_choice(o, what, value, err);
    case OPTION_LIST: {
        option_list *l = o->out;
        TRY(array_grow(&l->items, &l->capacity, l->n, sizeof *l->items, err));
        l->items[l->n++] = value;
        return 0;
    }
    }
    return error_set(err, E_ARGUMENT, "option of an unknown kind");
}

static int unknown_option(const char *name, const option *options, size_t n, error *err)
{
    const char *names[MAX_OPTIONS];
    for (size_t i = 0; i < n && i < MAX_OPTIONS; i++)
        names[i] = options[i].name;
    const char *near = nearest_name(name, names, n < MAX_OPTIONS ? n : MAX_OPTIONS);
    return error_set(err, E_USAGE, "there is no option --%s%s%s%s", name,
                     near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

/* One option at argv[*i]; takes the next argument too when the value is there. */
static int parse_option(int argc, char **argv, int *i, const option *options, size_t n,
                        error *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option *o = NULL;
    for (size_t k = 0; k < n; k++)
        if (strlen(options[k].name) == length &&
            memcmp(options[k].name, name, length) == 0)
            o = &options[k];
    char what[80];
    snprintf(what, sizeof what, "--%.*s", (int)(length < 70 ? length : 70), name);
    if (!o)
        return unknown_option(what + 2, options, n, err);
    const char *value = equals ? equals + 1 : NULL;
    if (o->kind == OPTION_FLAG && value)
        return error_set(err, E_USAGE, "%s takes no value, but got '%s'", what, value);
    if (o->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return error_set(err, E_USAGE, "%s wants a value", what);
        value = argv[++*i];
    }
    if (o->given)
        *o->given = true;
    return store_value(o, what, value, err);
}

int options_parse(int argc, char **argv, const option *options, size_t n_options,
                  const positionals *wanted, size_t *n, error *err)
{
    size_t count = 0;
    bool only_positionals = false;
    for (int i = 1; i < argc; i++) {
        const char *s = argv[i];
        if (only_positionals || s[0] != '-' || !s[1])
            argv[++count] = argv[i];
        else if (strcmp(s, "--") == 0)
            only_positionals = true;
        else if (s[1] == '-')
            TRY(parse_option(argc, argv, &i, options, n_options, err));
        else
            return error_set(err, E_USAGE, "there is no option %s: options begin with --",
                             s);
    }
    if (count < wanted->least)
        return error_set(err, E_USAGE, "%s wants %s, but got %zu of them", argv[0],
                         wanted->names, count);
    if (count > wanted->most)
        return error_set(err, E_USAGE, "%s does not know what to do with '%s'", argv[0],
                         argv[wanted->most + 1]);
    *n = count;
    return 0;
}

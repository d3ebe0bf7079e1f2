/* Typed values from YAML nodes, and tables of settings. */
#include "setting.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *node_name(const yaml_node *node)
{
    return node->key ? node->key : "value";
}

static const char *kind_name(yaml_kind kind)
{
    static const char *const names[] = {"nothing", "a single value", "a list",
                                        "a map of keys"};
    return names[kind];
}

int expect_map(const yaml_node *node, const char *what, error *err)
{
    if (node->kind == YAML_MAP)
        return 0;
    return yaml_error(node, err, E_FORMAT, "%s must be a map of keys, not %s", what,
                      kind_name(node->kind));
}

int expect_list(const yaml_node *node, const char *what, error *err)
{
    if (node->kind == YAML_LIST)
        return 0;
    return yaml_error(node, err, E_FORMAT, "%s must be a list such as [a, b], not %s",
                      what, kind_name(node->kind));
}

/* "a, b, c" of at most a line's length, for errors. */
static void join_names(const char *const *names, size_t n, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++) {
        int wrote = snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

int check_keys(const yaml_node *map, const char *const *keys, size_t n, const char *what,
               error *err)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *key = map->items[i]->key;
        size_t k = 0;
        while (k < n && strcmp(keys[k], key) != 0)
            k++;
        if (k < n)
            continue;
        const char *near = nearest_name(key, keys, n);
        if (near)
            return yaml_key_error(map->items[i], err, E_FORMAT,
                                  "%s has no key \"%.60s\"; did you mean \"%s\"?", what,
                                  key, near);
        char known[400];
        join_names(keys, n, known, sizeof known);
        return yaml_key_error(map->items[i], err, E_FORMAT,
                              "%s has no key \"%.60s\"; its keys are %s", what, key,
                              known);
    }
    return 0;
}

int require_key(const yaml_node *map, const char *key, const char *what,
                const yaml_node **out, error *err)
{
    *out = yaml_get(map, key);
    if (*out)
        return 0;
    return yaml_key_error(map, err, E_FORMAT, "%s needs the key \"%s\"", what, key);
}

static int expect_scalar(const yaml_node *node, error *err)
{
    if (node->kind == YAML_SCALAR)
        return 0;
    return yaml_error(node, err, E_FORMAT, "%s must be a single value, not %s",
                      node_name(node), kind_name(node->kind));
}

int read_text(const yaml_node *node, char **out, error *err)
{
    TRY(expect_scalar(node, err));
    char *copy = string_copy(node->s);
    if (!copy)
        return error_memory(err, strlen(node->s) + 1);
    *out = copy;
    return 0;
}

/* Digits only, so neither locale nor sign nor base can surprise. */
static bool parse_whole(const char *s, uint64_t *out)
{
    uint64_t value = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

static bool parse_real(const char *s, double *out)
{
    if (!*s || s[strspn(s, "0123456789+-.eE")])
        return false; /* no hexadecimal, infinity or NaN */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    double value = strtod_l(s, &end, plain);
    freelocale(plain);
    if (*end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

static int range_error(const yaml_node *node, const char *what, double lowest,
                       double highest, error *err)
{
    const char *quote = node->quoted ? "\"" : "";
    if (highest >= 9e15)
        return yaml_error(node, err, E_FORMAT,
                          "%s is %s%.60s%s; it must be %s of %.17g or more",
                          node_name(node), quote, node->s, quote, what, lowest);
    return yaml_error(node, err, E_FORMAT,
                      "%s is %s%.60s%s; it must be %s from %.17g to %.17g",
                      node_name(node), quote, node->s, quote, what, lowest, highest);
}

int read_whole(const yaml_node *node, double lowest, double highest, uint64_t *out,
               error *err)
{
    uint64_t value;
    TRY(expect_scalar(node, err));
    /* INT64_MAX, so that JSON can carry it. */
    bool good = !node->quoted && parse_whole(node->s, &value) && value <= INT64_MAX;
    if (!good || (double)value < lowest || (double)value > highest)
        return range_error(node, "a whole number", lowest, highest, err);
    *out = value;
    return 0;
}

int read_size(const yaml_node *node, double lowest, double highest, size_t *out,
              error *err)
{
    uint64_t value;
    TRY(read_whole(node, lowest, highest, &value, err));
    *out = (size_t)value;
    return 0;
}

int read_real(const yaml_node *node, double lowest, double highest, double *out,
              error *err)
{
    double value;
    TRY(expect_scalar(node, err));
    bool good = !node->quoted && parse_real(node->s, &value);
    if (!good || value < lowest || value > highest)
        return range_error(node, "a number", lowest, highest, err);
    *out = value;
    return 0;
}

int read_switch(const yaml_node *node, bool *out, error *err)
{
    static const char *const words[] = {"on", "true", "yes", "off", "false", "no"};
    TRY(expect_scalar(node, err));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!node->quoted && strcmp(node->s, words[i]) == 0) {
            *out = i < 3;
            return 0;
        }
    return yaml_error(node, err, E_FORMAT, "%s is \"%.60s\"; it must be on or off",
                      node_name(node), node->s);
}

int read_bytes(const yaml_node *node, uint64_t *out, error *err)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    TRY(expect_scalar(node, err));
    size_t digits = strspn(node->s, "0123456789");
    const char *unit = node->s + digits + strspn(node->s + digits, " ");
    char number[24];
    uint64_t value = 0;
    bool good = digits && digits < sizeof number;
    if (good) {
        memcpy(number, node->s, digits);
        number[digits] = '\0';
        good = parse_whole(number, &value);
    }
    for (size_t i = 0; good && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0 &&
            value <= (uint64_t)INT64_MAX >> units[i].shift) {
            *out = value << units[i].shift;
            return 0;
        }
    return yaml_error(
        node, err, E_FORMAT,
        "%s is \"%.60s\"; it must be a number of bytes, or one with KiB, MiB "
        "or GiB after it, such as 512 MiB",
        node_name(node), node->s);
}

int read_word(const yaml_node *node, const char *const *names, size_t n, size_t *out,
              error *err)
{
    TRY(expect_scalar(node, err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(node->s, names[i]) == 0) {
            *out = i;
            return 0;
        }
    const char *near = nearest_name(node->s, names, n);
    if (near)
        return yaml_error(node, err, E_FORMAT, "%s is \"%.60s\"; did you mean \"%.60s\"?",
                          node_name(node), node->s, near);
    char known[400];
    join_names(names, n, known, sizeof known);
    return yaml_error(node, err, E_FORMAT, "%s is \"%.60s\"; it must be one of %s",
                      node_name(node), node->s, known);
}

void texts_free(char **texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free(texts[i]);
    free(texts);
}

int read_texts(const yaml_node *node, const char *what, char ***out, size_t *n,
               error *err)
{
    TRY(expect_list(node, what, err));
    char **texts = array_new(node->n, sizeof *texts);
    if (!texts)
        return error_memory(err, node->n * sizeof *texts);
    for (size_t i = 0; i < node->n; i++) {
        int rc = read_text(node->items[i], &texts[i], err);
        if (rc < 0) {
            texts_free(texts, node->n);
            return rc;
        }
    }
    *out = texts;
    *n = node->n;
    return 0;
}

/* ---- Tables ---- */

static int read_setting(const yaml_node *node, const setting *s, void *member, error *err)
{
    switch (s->type) {
    case SETTING_SIZE:
        return read_size(node, s->lowest, s->highest, member, err);
    case SETTING_WHOLE:
        return read_whole(node, s->lowest, s->highest, member, err);
    case SETTING_REAL:
        return read_real(node, s->lowest, s->highest, member, err);
    case SETTING_SWITCH:
        return read_switch(node, member, err);
    }
    return 0;
}

int settings_read(const yaml_node *map, const setting *settings, size_t n, void *base,
                  error *err)
{
    for (size_t i = 0; i < n; i++) {
        const yaml_node *node = yaml_get(map, settings[i].key);
        if (node)
            TRY(read_setting(node, &settings[i], (char *)base + settings[i].offset, err));
    }
    return 0;
}

static json_t *setting_json(const setting *s, const void *member)
{
    switch (s->type) {
    case SETTING_SIZE:
        return json_integer((json_int_t) * (const size_t *)member);
    case SETTING_WHOLE:
        return json_integer((json_int_t) * (const uint64_t *)member);
    case SETTING_REAL:
        return json_real(*(const double *)member);
    case SETTING_SWITCH:
        return json_boolean(*(const bool *)member);
    }
    return NULL;
}

int settings_dump(json_t *object, const setting *settings, size_t n, const void *base,
                  error *err)
{
    for (size_t i = 0; i < n; i++) {
        json_t *value =
            setting_json(&settings[i], (const char *)base + settings[i].offset);
        if (json_object_set_new(object, settings[i].key, value) != 0)
            return error_memory(err, sizeof(json_t *));
    }
    return 0;
}

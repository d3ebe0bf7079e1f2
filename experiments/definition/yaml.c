/* The tree of a YAML document: growing it, finding in it, changing it from the command
 * line, pointing into it. Reading is in yaml_read.c. */
#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

yaml_node *yaml_node_new(yaml_kind kind, const char *origin)
{
    yaml_node *node = calloc(1, sizeof *node);
    if (node)
        *node = (yaml_node){.kind = kind, .origin = origin};
    return node;
}

void yaml_node_free(yaml_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n; i++)
        yaml_node_free(node->items[i]);
    free(node->items);
    free(node->key);
    free(node->s);
    free(node);
}

int yaml_add(yaml_node *parent, yaml_node *child, error *err)
{
    int rc = array_grow(&parent->items, &parent->capacity, parent->n,
                        sizeof *parent->items, err);
    if (rc < 0)
        yaml_node_free(child);
    else
        parent->items[parent->n++] = child;
    return rc;
}

size_t yaml_find(const yaml_node *map, const char *key)
{
    size_t i = 0;
    while (i < map->n && strcmp(map->items[i]->key, key) != 0)
        i++;
    return i;
}

const yaml_node *yaml_get(const yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    size_t i = yaml_find(map, key);
    return i < map->n && map->items[i]->kind != YAML_NULL ? map->items[i] : NULL;
}

int yaml_document_new(yaml_document **out, error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : error_memory(err, sizeof **out);
}

void yaml_free(yaml_document *d)
{
    if (!d)
        return;
    yaml_node_free(d->root);
    for (size_t i = 0; i < d->n_origins; i++)
        free(d->origins[i]);
    free(d->origins);
    free(d);
}

const char *yaml_origin(yaml_document *d, const char *origin)
{
    char *copy = string_copy(origin);
    if (!copy)
        return NULL;
    if (array_grow(&d->origins, &d->capacity, d->n_origins, sizeof copy, NULL) < 0) {
        free(copy);
        return NULL;
    }
    return d->origins[d->n_origins++] = copy;
}

/* ---- Overrides ---- */

/* The item that the next part of a path names, or a position to append at. */
static int find_item(const yaml_node *at, const char *part, const char *origin,
                     size_t *index, error *err)
{
    if (at->kind == YAML_MAP) {
        *index = yaml_find(at, part);
        return 0;
    }
    size_t i = 0;
    for (const char *s = part; at->kind == YAML_LIST && *s >= '0' && *s <= '9'; s++)
        i = i < at->n ? i * 10 + (size_t)(*s - '0') : i;
    bool number = *part && part[strspn(part, "0123456789")] == '\0';
    if (at->kind == YAML_LIST && number && i < at->n) {
        *index = i;
        return 0;
    }
    if (at->kind == YAML_LIST)
        return error_set(err, E_ARGUMENT,
                         "%s: \"%.60s\" is no item of a list of %zu (counted from 0)",
                         origin, part, at->n);
    return error_set(err, E_ARGUMENT, "%s: \"%.60s\" cannot be set inside a single value",
                     origin, part);
}

static int put(yaml_node *at, size_t index, const char *key, yaml_node *value, error *err)
{
    if (at->kind == YAML_MAP && !(value->key = string_copy(key))) {
        yaml_node_free(value);
        return error_memory(err, strlen(key) + 1);
    }
    if (index == at->n)
        return yaml_add(at, value, err);
    yaml_node_free(at->items[index]);
    at->items[index] = value;
    return 0;
}

/* Walk the dotted path, making maps where nothing is, and put the value at its end. Takes
 * `value`. */
static int set_path(yaml_node *at, char *path, const char *origin, yaml_node *value,
                    error *err)
{
    for (;;) {
        char *dot = strchr(path, '.');
        size_t index = 0;
        if (dot)
            *dot = '\0';
        int rc = find_item(at, path, origin, &index, err);
        if (rc < 0) {
            yaml_node_free(value);
            return rc;
        }
        if (!dot)
            return put(at, index, path, value, err);
        if (index == at->n || at->items[index]->kind == YAML_NULL) {
            yaml_node *map = yaml_node_new(YAML_MAP, origin);
            rc = map ? put(at, index, path, map, err) : error_memory(err, sizeof *map);
            if (rc < 0) {
                yaml_node_free(value);
                return rc;
            }
        }
        at = at->items[index];
        path = dot + 1;
    }
}

/* Columns of a command-line word help nobody: the override itself is the place. */
static void forget_places(yaml_node *node)
{
    node->line = node->column = node->key_line = node->key_column = 0;
    for (size_t i = 0; i < node->n; i++)
        forget_places(node->items[i]);
}

int yaml_set(yaml_document *d, const char *change, error *err)
{
    text label = {0};
    TRY(text_add_format(&label, err, "--set %s", change));
    const char *origin = yaml_origin(d, text_string(&label));
    text_free(&label);
    const char *equals = strchr(change, '=');
    if (!origin)
        return error_memory(err, strlen(change));
    if (!equals || equals == change)
        return error_set(err, E_ARGUMENT, "%s: write it as key=value or key.key=value",
                         origin);
    yaml_node *value;
    TRY(yaml_parse_tree(equals + 1, strlen(equals + 1), origin, false, &value, err));
    forget_places(value);
    char *path = bytes_copy(change, (size_t)(equals - change));
    if (!path) {
        yaml_node_free(value);
        return error_memory(err, (size_t)(equals - change));
    }
    int rc = set_path(d->root, path, origin, value, err);
    free(path);
    return rc;
}

/* ---- Pointing ---- */

static void prefix_place(const char *origin, size_t line, size_t column, error *err)
{
    if (line)
        error_prefix(err, "%s:%zu:%zu", origin, line, column);
    else
        error_prefix(err, "%s", origin);
}

int yaml_error_at(const yaml_node *at, error *err)
{
    if (!err)
        return E_FORMAT;
    prefix_place(at->origin, at->line, at->column, err);
    return err->code;
}

__attribute__((format(printf, 3, 0))) static void
set_message(error *err, int code, const char *format, va_list args)
{
    char message[sizeof err->text];
    vsnprintf(message, sizeof message, format, args);
    error_set(err, code, "%s", message);
}

int yaml_error(const yaml_node *at, error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(err, code, format, args);
    va_end(args);
    yaml_error_at(at, err);
    return code;
}

int yaml_key_error(const yaml_node *at, error *err, int code, const char *format, ...)
{
    bool has_key = at->key_line > 0;
    va_list args;
    va_start(args, format);
    set_message(err, code, format, args);
    va_end(args);
    prefix_place(at->origin, has_key ? at->key_line : at->line,
                 has_key ? at->key_column : at->column, err);
    return code;
}

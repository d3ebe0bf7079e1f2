/* Reads YAML through libfyaml's events, and JSON through jansson, into the same tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libfyaml.h>

#include "yaml_tree.h"

/* ---- YAML ---- */

typedef struct reader {
    struct fy_parser *parser;
    struct fy_diag *diag;
    const char *origin;
    bool places; /* lines and columns mean something */
} reader;

static void stay_silent(struct fy_diag *diag, void *user, const char *bytes, size_t n)
{
    (void)diag, (void)user, (void)bytes, (void)n;
}

/* Fill *err with the place (line and column from 1; none in an override, which is one
 * line) and a message. */
static int error_at(const reader *r, size_t line, size_t column, int code,
                    const char *message, error *err)
{
    error_set(err, code, "%s", message);
    if (r->places)
        error_prefix(err, "%s:%zu:%zu", r->origin, line, column);
    else
        error_prefix(err, "%s", r->origin);
    return code;
}

/* What libfyaml complained about first; it counts from 1 here. */
static int syntax_error(const reader *r, error *err)
{
    void *state = NULL;
    const struct fy_diag_error *first = fy_diag_errors_iterate(r->diag, &state);
    if (!first || !first->msg)
        return error_set(err, E_FORMAT, "%s: not readable as YAML", r->origin);
    return error_at(r, first->line > 0 ? (size_t)first->line : 1,
                    first->column > 0 ? (size_t)first->column : 1, E_FORMAT, first->msg,
                    err);
}

/* The next event; the caller frees it. */
static int next_event(const reader *r, struct fy_event **event, error *err)
{
    *event = fy_parser_parse(r->parser);
    if (*event)
        return 0;
    return syntax_error(r, err);
}

static int refuse(const reader *r, struct fy_event *event, const char *what, error *err)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    return error_at(r, mark ? (size_t)mark->line + 1 : 1,
                    mark ? (size_t)mark->column + 1 : 1, E_UNSUPPORTED, what, err);
}

static void set_place(yaml_node *node, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (mark && mark->line >= 0 && mark->column >= 0) {
        node->line = (size_t)mark->line + 1;
        node->column = (size_t)mark->column + 1;
    }
}

static bool is_null(const char *s)
{
    return !*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0;
}

static int read_scalar(const reader *r, struct fy_event *event, yaml_node *node,
                       error *err)
{
    struct fy_token *token = event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    size_t n = 0;
    const char *s = token ? fy_token_get_text(token, &n) : "";
    if (!s)
        return refuse(r, event, "a value that cannot be read", err);
    bool block = style == FYSS_LITERAL || style == FYSS_FOLDED;
    if (block && n && s[n - 1] == '\n')
        n--;
    if (n && (memchr(s, '\0', n) || utf8_check(s, n) < n))
        return refuse(r, event, "a text with a NUL or with bytes that are not UTF-8",
                      err);
    node->s = bytes_copy(s, n);
    if (!node->s)
        return error_memory(err, n);
    node->quoted = style != FYSS_PLAIN;
    if (!node->quoted && is_null(node->s))
        node->kind = YAML_NULL;
    return 0;
}

static int read_node(const reader *r, struct fy_event *event, size_t depth,
                     yaml_node **out, error *err);

/* Reads the items of a list up to its end. */
static int read_list(const reader *r, size_t depth, yaml_node *list, error *err)
{
    for (;;) {
        struct fy_event *event;
        TRY(next_event(r, &event, err));
        yaml_node *item = NULL;
        bool end = event->type == FYET_SEQUENCE_END;
        int rc = end ? 0 : read_node(r, event, depth, &item, err);
        fy_parser_event_free(r->parser, event);
        if (end || rc < 0)
            return rc;
        TRY(yaml_add(list, item, err));
    }
}

static int read_key(const reader *r, struct fy_event *event, const yaml_node *map,
                    yaml_node *key, error *err)
{
    if (event->type != FYET_SCALAR)
        return refuse(r, event, "a key must be a plain name", err);
    set_place(key, event);
    TRY(read_scalar(r, event, key, err));
    size_t twin = yaml_find(map, key->s);
    if (twin == map->n)
        return 0;
    char message[200];
    snprintf(message, sizeof message,
             "the key \"%.60s\" is given twice; first on line %zu", key->s,
             map->items[twin]->key_line);
    return error_at(r, key->line, key->column, E_FORMAT, message, err);
}

static int read_pair(const reader *r, struct fy_event *event, size_t depth,
                     yaml_node *map, error *err)
{
    yaml_node key = {0}, *value = NULL;
    struct fy_event *next = NULL;
    int rc = read_key(r, event, map, &key, err);
    if (rc == 0)
        rc = next_event(r, &next, err);
    if (rc == 0)
        rc = read_node(r, next, depth, &value, err);
    if (next)
        fy_parser_event_free(r->parser, next);
    if (rc < 0) {
        free(key.s);
        return rc;
    }
    value->key = key.s;
    value->key_line = key.line;
    value->key_column = key.column;
    if (value->kind == YAML_NULL || !value->line) {
        value->line = key.line;
        value->column = key.column;
    }
    return yaml_add(map, value, err);
}

static int read_map(const reader *r, size_t depth, yaml_node *map, error *err)
{
    for (;;) {
        struct fy_event *event;
        TRY(next_event(r, &event, err));
        bool end = event->type == FYET_MAPPING_END;
        int rc = end ? 0 : read_pair(r, event, depth, map, err);
        fy_parser_event_free(r->parser, event);
        if (end || rc < 0)
            return rc;
    }
}

/* Anchors and tags would be dropped silently: they are refused. */
static int check_plain(const reader *r, struct fy_event *event, error *err)
{
    const struct fy_token *anchor = NULL, *tag = NULL;
    if (event->type == FYET_SCALAR) {
        anchor = event->scalar.anchor;
        tag = event->scalar.tag;
    } else if (event->type == FYET_SEQUENCE_START) {
        anchor = event->sequence_start.anchor;
        tag = event->sequence_start.tag;
    } else if (event->type == FYET_MAPPING_START) {
        anchor = event->mapping_start.anchor;
        tag = event->mapping_start.tag;
    }
    if (anchor || event->type == FYET_ALIAS)
        return refuse(r, event,
                      "anchors (&) and aliases (*) are not supported; quote a "
                      "text that begins with one of these signs",
                      err);
    if (tag)
        return refuse(r, event,
                      "tags (!) are not supported; quote a text that begins "
                      "with this sign",
                      err);
    return 0;
}

static int read_node(const reader *r, struct fy_event *event, size_t depth,
                     yaml_node **out, error *err)
{
    TRY(check_plain(r, event, err));
    if (depth == YAML_MAX_DEPTH)
        return refuse(r, event, "nested deeper than the limit of 32 levels", err);
    yaml_kind kind = event->type == FYET_SEQUENCE_START  ? YAML_LIST
                     : event->type == FYET_MAPPING_START ? YAML_MAP
                                                         : YAML_SCALAR;
    yaml_node *node = yaml_node_new(kind, r->origin);
    if (!node)
        return error_memory(err, sizeof *node);
    set_place(node, event);
    int rc;
    if (kind == YAML_LIST)
        rc = read_list(r, depth + 1, node, err);
    else if (kind == YAML_MAP)
        rc = read_map(r, depth + 1, node, err);
    else
        rc = event->type == FYET_SCALAR ? read_scalar(r, event, node, err)
                                        : refuse(r, event, "a value is missing", err);
    if (rc < 0)
        yaml_node_free(node);
    else
        *out = node;
    return rc;
}

/* Stream start, one document, stream end; an empty text is a null. */
static int read_stream(const reader *r, yaml_node **out, error *err)
{
    yaml_node *root = NULL;
    int rc = 0;
    for (bool end = false; !end && rc == 0;) {
        struct fy_event *event;
        rc = next_event(r, &event, err);
        if (rc < 0)
            break;
        switch (event->type) {
        case FYET_STREAM_START:
        case FYET_DOCUMENT_END:
            break;
        case FYET_DOCUMENT_START:
            if (root)
                rc = refuse(r, event, "a second document (---): one is expected", err);
            break;
        case FYET_STREAM_END:
            end = true;
            break;
        default:
            rc = read_node(r, event, 0, &root, err);
        }
        fy_parser_event_free(r->parser, event);
    }
    if (rc == 0 && !root && !(root = yaml_node_new(YAML_NULL, r->origin)))
        rc = error_memory(err, sizeof *root);
    if (rc < 0)
        yaml_node_free(root);
    else
        *out = root;
    return rc;
}

static size_t line_of(const char *bytes, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += bytes[i] == '\n';
    return line;
}

static int check_text(const char *bytes, size_t n, const char *origin, error *err)
{
    if (n > YAML_MAX_BYTES)
        return error_set(err, E_LIMIT, "%s: %zu bytes are more than the limit of %d",
                         origin, n, YAML_MAX_BYTES);
    const char *zero = n ? memchr(bytes, '\0', n) : NULL;
    size_t bad = zero ? (size_t)(zero - bytes) : utf8_check(bytes, n);
    if (bad < n)
        return error_set(err, E_FORMAT, "%s:%zu: byte %zu of the file (0x%02x) is %s",
                         origin, line_of(bytes, bad), bad + 1, (unsigned char)bytes[bad],
                         zero ? "NUL" : "not valid UTF-8");
    return 0;
}

int yaml_parse_tree(const char *bytes, size_t n, const char *origin, bool places,
                    yaml_node **out, error *err)
{
    TRY(check_text(bytes, n, origin, err));
    struct fy_diag_cfg diag_options;
    fy_diag_cfg_default(&diag_options);
    diag_options.fp = NULL;
    diag_options.output_fn = stay_silent;
    diag_options.colorize = false;
    reader r = {
        .origin = origin, .places = places, .diag = fy_diag_create(&diag_options)};
    if (!r.diag)
        return error_memory(err, sizeof diag_options);
    fy_diag_set_collect_errors(r.diag, true);
    struct fy_parse_cfg options = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE,
                                   .diag = r.diag};
    r.parser = fy_parser_create(&options);
    int rc = 0;
    if (!r.parser || fy_parser_set_string(r.parser, n ? bytes : "\n", n ? n : 1) != 0)
        rc = error_set(err, E_EXTERNAL, "libfyaml cannot begin to read %s", origin);
    else
        rc = read_stream(&r, out, err);
    if (r.parser)
        fy_parser_destroy(r.parser);
    fy_diag_destroy(r.diag);
    return rc;
}

int yaml_parse(yaml_document **out, const char *bytes, size_t n, const char *path,
               error *err)
{
    yaml_document *d;
    TRY(yaml_document_new(&d, err));
    const char *origin = yaml_origin(d, path);
    int rc = origin ? yaml_parse_tree(bytes, n, origin, true, &d->root, err)
                    : error_memory(err, strlen(path));
    if (rc < 0)
        yaml_free(d);
    else
        *out = d;
    return rc;
}

int yaml_load(yaml_document **out, const char *path, error *err)
{
    char *bytes;
    size_t n;
    TRY(file_read(path, YAML_MAX_BYTES, &bytes, &n, err));
    int rc = yaml_parse(out, bytes, n, path, err);
    free(bytes);
    return rc;
}

/* ---- JSON ---- */

static int convert(const json_t *value, const char *origin, size_t depth, yaml_node **out,
                   error *err);

static int convert_items(const json_t *value, size_t depth, yaml_node *node, error *err)
{
    yaml_node *child;
    if (json_is_array(value)) {
        size_t i;
        const json_t *item;
        json_array_foreach(value, i, item)
        {
            TRY(convert(item, node->origin, depth, &child, err));
            TRY(yaml_add(node, child, err));
        }
        return 0;
    }
    union {
        const json_t *in;
        json_t *out; /* jansson's iterators want it so, and do not write */
    } object = {.in = value};
    for (void *at = json_object_iter(object.out); at;
         at = json_object_iter_next(object.out, at)) {
        TRY(convert(json_object_iter_value(at), node->origin, depth, &child, err));
        child->key = string_copy(json_object_iter_key(at));
        if (!child->key) {
            yaml_node_free(child);
            return error_memory(err, strlen(json_object_iter_key(at)));
        }
        TRY(yaml_add(node, child, err));
    }
    return 0;
}

static int convert_scalar(const json_t *value, yaml_node *node, error *err)
{
    if (json_is_string(value)) {
        node->s = bytes_copy(json_string_value(value), json_string_length(value));
        node->quoted = true;
    } else {
        node->s = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    }
    return node->s ? 0 : error_memory(err, json_string_length(value));
}

static int convert(const json_t *value, const char *origin, size_t depth, yaml_node **out,
                   error *err)
{
    if (depth == YAML_MAX_DEPTH)
        return error_set(err, E_FORMAT, "%s: nested deeper than the limit of %d levels",
                         origin, YAML_MAX_DEPTH);
    yaml_kind kind = json_is_array(value)    ? YAML_LIST
                     : json_is_object(value) ? YAML_MAP
                     : json_is_null(value)   ? YAML_NULL
                                             : YAML_SCALAR;
    yaml_node *node = yaml_node_new(kind, origin);
    if (!node)
        return error_memory(err, sizeof *node);
    int rc = 0;
    if (kind == YAML_SCALAR)
        rc = convert_scalar(value, node, err);
    else if (kind != YAML_NULL)
        rc = convert_items(value, depth + 1, node, err);
    if (rc < 0)
        yaml_node_free(node);
    else
        *out = node;
    return rc;
}

int yaml_from_json(yaml_document **out, const char *json, const char *path, error *err)
{
    json_error_t problem;
    json_t *value = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    /* Without memory jansson often has nothing to say. */
    if (!value &&
        (!*problem.text || json_error_code(&problem) == json_error_out_of_memory))
        return error_memory(err, strlen(json));
    if (!value)
        return error_set(err, E_FORMAT, "%s:%d:%d: %s", path, problem.line,
                         problem.column, problem.text);
    yaml_document *d = NULL;
    int rc = yaml_document_new(&d, err);
    const char *origin = d ? yaml_origin(d, path) : NULL;
    if (d && !origin)
        rc = error_memory(err, strlen(path));
    if (rc == 0)
        rc = convert(value, origin, 0, &d->root, err);
    json_decref(value);
    if (rc < 0)
        yaml_free(d);
    else
        *out = d;
    return rc;
}

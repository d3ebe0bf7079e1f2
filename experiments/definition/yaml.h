/* Structured text with places: a tree of YAML (or JSON) values, each of which knows the
 * line and column it was written at, so that every complaint can point there.
 *
 * A document owns its tree and all strings; nodes are borrowed from it. What is read is
 * the plain core of YAML 1.2: no anchors, aliases, tags, merge keys or second documents.
 * A block scalar's (| or >) last newline is not part of its value: it is there only
 * because a line has an end. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_YAML_H
#define LAMARCK_EXPERIMENTS_DEFINITION_YAML_H

#include "../../model/base.h"

typedef enum yaml_kind {
    YAML_NULL, /* nothing, ~ or null: as if the key were not there */
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
} yaml_kind;

typedef struct yaml_node yaml_node;
struct yaml_node {
    yaml_kind kind;
    char *key;         /* its name in the map above, else NULL */
    char *s;           /* YAML_SCALAR: UTF-8 without NUL */
    bool quoted;       /* YAML_SCALAR: "12" is a text even where 12 is a number */
    yaml_node **items; /* YAML_LIST, YAML_MAP */
    size_t n, capacity;
    const char *origin;  /* file, or "--set a.b=c" */
    size_t line, column; /* from 1; 0: no place (an override) */
    size_t key_line, key_column;
};

typedef struct yaml_document {
    yaml_node *root;
    char **origins; /* owned; nodes borrow them */
    size_t n_origins, capacity;
} yaml_document;

/* Read a file, or bytes that errors call `path`. */
int yaml_load(yaml_document **out, const char *path, error *err);
int yaml_parse(yaml_document **out, const char *bytes, size_t n, const char *path,
               error *err);
/* Read strict JSON (a dump, which may be large) into the same tree. */
int yaml_from_json(yaml_document **out, const char *json, const char *path, error *err);
void yaml_free(yaml_document *d);

/* Apply "a.b=c": give the value c (YAML) to key b of map a, made when missing; a number
 * picks the item of a list, from 0. */
int yaml_set(yaml_document *d, const char *change, error *err);

/* The value of a key, or NULL when it is missing or null. */
const yaml_node *yaml_get(const yaml_node *map, const char *key);

/* Fill *err with "file:line:column: " and the message. `_key` points at the key. */
int yaml_error(const yaml_node *at, error *err, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int yaml_key_error(const yaml_node *at, error *err, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Put the place of a node before the message that *err already holds. */
int yaml_error_at(const yaml_node *at, error *err);

#endif

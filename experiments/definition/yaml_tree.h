/* Growing a YAML tree: for the readers of YAML and JSON only. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_YAML_TREE_H
#define LAMARCK_EXPERIMENTS_DEFINITION_YAML_TREE_H

#include "yaml.h"

enum {
    YAML_MAX_DEPTH = 32,
    YAML_MAX_BYTES = 16 << 20,
};

yaml_node *yaml_node_new(yaml_kind kind, const char *origin);
void yaml_node_free(yaml_node *node);
/* Append a child; takes it, also on failure. */
int yaml_add(yaml_node *parent, yaml_node *child, error *err);
/* The index of a key in a map, or n. */
size_t yaml_find(const yaml_node *map, const char *key);
/* Keep a copy of an origin for as long as the document lives. NULL: out of memory. */
const char *yaml_origin(yaml_document *d, const char *origin);
int yaml_document_new(yaml_document **out, error *err);
/* Parse one YAML value whose nodes say `origin`; *out is new. Errors give line and column
 * if `places`. */
int yaml_parse_tree(const char *bytes, size_t n, const char *origin, bool places,
                    yaml_node **out, error *err);

#endif

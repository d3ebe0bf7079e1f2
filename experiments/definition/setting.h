/* Typed values out of a YAML tree, each with its bounds and an error that says where,
 * what was found and what would be right; tables of settings that are read and dumped
 * alike. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_SETTING_H
#define LAMARCK_EXPERIMENTS_DEFINITION_SETTING_H

#include <jansson.h>

#include "yaml.h"

typedef enum setting_type {
    SETTING_SIZE,  /* size_t */
    SETTING_WHOLE, /* uint64_t */
    SETTING_REAL,  /* double */
    SETTING_SWITCH /* bool: on, off, true, false */
} setting_type;

/* One key of a map and the struct member that it sets. */
typedef struct setting {
    const char *key;
    setting_type type;
    size_t offset;
    double lowest, highest;
} setting;

/* Give every member whose key is there its value; others keep theirs. */
int settings_read(const yaml_node *map, const setting *settings, size_t n, void *base,
                  error *err);
/* Put every member into a JSON object. */
int settings_dump(json_t *object, const setting *settings, size_t n, const void *base,
                  error *err);

/* E_FORMAT unless the value is a map (a list). `what` names it in the error. */
int expect_map(const yaml_node *node, const char *what, error *err);
int expect_list(const yaml_node *node, const char *what, error *err);
/* E_FORMAT for the first key that is none of `keys`, with the nearest that is. */
int check_keys(const yaml_node *map, const char *const *keys, size_t n, const char *what,
               error *err);
/* The value of a key that must be there. */
int require_key(const yaml_node *map, const char *key, const char *what,
                const yaml_node **out, error *err);

/* One value of the kind that is named, within its bounds (included): E_FORMAT with its
 * place, what was found and what would be right. A text is new. */
int read_text(const yaml_node *node, char **out, error *err);
int read_whole(const yaml_node *node, double lowest, double highest, uint64_t *out,
               error *err);
int read_size(const yaml_node *node, double lowest, double highest, size_t *out,
              error *err);
int read_real(const yaml_node *node, double lowest, double highest, double *out,
              error *err);
int read_switch(const yaml_node *node, bool *out, error *err);
/* Bytes: a whole number, with KiB, MiB or GiB after it if wanted. */
int read_bytes(const yaml_node *node, uint64_t *out, error *err);
/* The index of the value among names. */
int read_word(const yaml_node *node, const char *const *names, size_t n, size_t *out,
              error *err);
/* A list of texts; new, with all its texts. */
int read_texts(const yaml_node *node, const char *what, char ***out, size_t *n,
               error *err);
void texts_free(char **texts, size_t n);

/* What a node is, for errors: its key, or "value". */
const char *node_name(const yaml_node *node);

#endif

#include "reach.h"

#include <inttypes.h>
#include <stdio.h>

enum { KEY_BYTES = 128 };

/* What a file says of which layers are limited. */
typedef struct reach_pattern {
    bool told;
    const bool *layers; /* (n), or NULL: by the rule */
    reach_rule rule;
} reach_pattern;

static int read_layers(const gguf *file, const char *key, size_t n_layers,
                       reach_pattern *out, error *err)
{
    size_t n;
    int rc = gguf_get_bools(file, key, &out->layers, &n, err);
    if (rc < 0)
        return rc;
    if (n != n_layers)
        return error_set(err, E_FORMAT, "%s has %zu elements for %zu layers", key, n,
                         n_layers);
    out->told = true;
    return 0;
}

static int read_pattern(const gguf *file, const char *key, const arch *a, size_t n_layers,
                        reach_pattern *out, error *err)
{
    uint64_t period = 0;
    *out = (reach_pattern){.told = a->reach.layers != REACH_AS_TOLD, .rule = a->reach};
    if (gguf_kind_of(file, key) == GGUF_ARRAY)
        return read_layers(file, key, n_layers, out, err);
    int rc = gguf_get_uint(file, key, &period, err);
    if (rc <= 0)
        return rc;
    if (period > n_layers) /* its odd layer may be beyond the last */
        period = n_layers + 1;
    out->told = true;
    out->rule.layers = period == 0 ? REACH_EVERY_LAYER : REACH_MOST_LAYERS;
    out->rule.period = (size_t)period;
    return 0;
}

int reach_find(const gguf *file, const arch *a, size_t n_layers, size_t context,
               size_t *out, error *err)
{
    char key[KEY_BYTES], pattern_key[KEY_BYTES];
    uint64_t window = 0;
    reach_pattern pattern;
    snprintf(key, sizeof(key), "%s.attention.sliding_window", a->name);
    snprintf(pattern_key, sizeof(pattern_key), "%s.attention.sliding_window_pattern",
             a->name);
    int rc = gguf_get_uint(file, key, &window, err);
    if (rc < 0)
        return rc;
    TRY(read_pattern(file, pattern_key, a, n_layers, &pattern, err));
    if (window >= context)
        window = 0;
    if (window > 0 && !pattern.told)
        return error_set(err, E_UNSUPPORTED,
                         "%s is %" PRIu64 ", but no key %s says in which layers", key,
                         window, pattern_key);
    for (size_t l = 0; l < n_layers; l++) {
        bool limited = pattern.layers != NULL ? pattern.layers[l]
                                              : reach_rule_limits(&pattern.rule, l);
        out[l] = limited ? (size_t)window : 0;
    }
    return 0;
}
